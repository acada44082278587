// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// BenchmarkDocument makes timelines of 20,000 kills, in the shapes in which comparing each
// with each would show.
func BenchmarkDocument(b *testing.B) {
	const kills = 20_000
	began := time.Date(2026, 6, 20, 12, 0, 0, 0, time.UTC)
	bootID := func(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }
	var tells [3]strings.Builder // each 7 s another pid; one pid each 20 ms; a boot each
	var records [3][]byte
	for i := range kills {
		for shape, at := range []time.Duration{time.Duration(i) * 7 * time.Second, time.Duration(i) * 20 * time.Millisecond, time.Hour} {
			pid, boot := 1000+i, 1
			switch shape {
			case 1:
				pid = 1000
			case 2:
				boot = i
			}
			at += time.Minute
			tells[shape].WriteString(killed(fmt.Sprintf("[%d.%06d] ", at/time.Second, at%time.Second/time.Microsecond), pid, 10, "hog"))
			e := bpf(uint64(i+1), uint64(at+time.Millisecond), pid, 10, "hog", began.Add(time.Duration(boot)*3*time.Hour+at))
			e.Session, e.Host = fmt.Sprintf("%x", boot), &event.Host{Name: "db1", BootID: bootID(boot)}
			text, err := new(event.Encoder).Append(records[shape], e)
			if err != nil {
				b.Fatal(err)
			}
			records[shape] = text
		}
	}
	for _, c := range []struct {
		name    string
		shape   int
		log     bool
		entries int
	}{
		{"record", 0, false, kills},
		{"log and record", 0, true, kills},
		{"one pid", 1, true, kills},
		{"boots", 2, false, kills},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				t := timeline.New(timeline.Options{})
				if c.log {
					if err := t.Log(b.Context(), timeline.Input{Reader: strings.NewReader(tells[c.shape].String())}); err != nil {
						b.Fatal(err)
					}
				}
				if err := t.Record(b.Context(), timeline.Input{Reader: strings.NewReader(string(records[c.shape]))}); err != nil {
					b.Fatal(err)
				}
				if d := t.Document(); len(d.Entries) != c.entries {
					b.Errorf("%d entries, want %d", len(d.Entries), c.entries)
				}
			}
		})
	}
}
