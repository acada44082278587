// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/timeline"
	"github.com/oomtrace/oomtrace/internal/timeline/timelinetest"
)

// Whatever two logs and a record hold, the timeline of them conforms, tells each kill
// that a source counts once at the most, and is the same each time.
func FuzzTimeline(f *testing.F) {
	record, err := new(event.Encoder).Append(nil, eventtest.Kill())
	if err != nil {
		f.Fatal(err)
	}
	syslog := killed("Jun 20 12:47:02 db1 kernel: [ 1000.000000] ", 48213, 10, "java")
	f.Add(syslog, killed("[ 1000.000000] ", 48213, 10, "java"), string(record))
	f.Add(killed("[Sat Jun 20 11:00:00 2026] ", 7, 10, "hog"), killed("Feb 29 10:00:00 a kernel: ", 7, 10, "hog"), "")
	f.Add("[    0.000000] Linux version 6.1.0 (x) #1\n"+syslog, "3,1,1000000000,-;x\n", "{}\n")
	f.Fuzz(func(t *testing.T, one, two, record string) {
		make := func() ([]byte, *timeline.Document) {
			b := timeline.New(timeline.Options{Now: utc("2026-07-01 00:00:00"), Full: 8, Most: 64, Zone: time.UTC})
			for _, log := range []string{one, two} {
				if err := b.Log(t.Context(), timeline.Input{Reader: strings.NewReader(log)}); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Record(t.Context(), timeline.Input{Reader: strings.NewReader(record)}); err != nil {
				t.Fatal(err)
			}
			d := b.Document()
			var out bytes.Buffer
			if err := d.Write(&out); err != nil {
				t.Fatal(err)
			}
			return out.Bytes(), d
		}
		text, d := make()
		if err := timelinetest.Check(text); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		var told uint64
		for _, s := range d.Sources {
			told += *s.Kills
		}
		if n := uint64(d.Kills()); n > told {
			t.Errorf("%d kills, but the sources have %d", n, told)
		}
		if again, _ := make(); !bytes.Equal(text, again) {
			t.Errorf("another time it is\n%s\ninstead of\n%s", again, text)
		}
	})
}
