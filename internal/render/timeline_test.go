// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// story is a timeline of two boots, one of which has no times.
func story() *timeline.Document {
	began := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	n := func(v uint64) *uint64 { return &v }
	untimed := func(e *event.Event) *event.Event {
		e.Time, e.TimeBasis, e.TimeErrorMS, e.TimeGuessed = time.Time{}, event.BasisOrder, nil, nil
		return e
	}
	d := &timeline.Document{
		Sources: []timeline.Source{
			{Path: "/var/lib/oomtrace", Parts: []string{"events.000001.jsonl", "events.jsonl"}, Kind: timeline.KindRecord, State: timeline.StateRead, Default: true, Records: n(1204), Kills: n(2)},
			{Path: "messages", Kind: timeline.KindKernelLog, Format: "syslog", Compression: "gzip", State: timeline.StateDamaged, Records: n(880), Kills: n(1), LeftOut: n(3), Error: "unpack gzip: unexpected EOF; all before it was read", Notes: []string{"its times have no year: the last one is of 2026 (guessed; give --assume-year if it is another)"}},
			{Path: "/dev/kmsg", Kind: timeline.KindKernelLog, State: timeline.StateNotRead, Default: true, Error: "operation not permitted: run as root, or with CAP_SYSLOG"},
			{Path: "bad\x1b[2J\xff", Kind: timeline.KindRecord, State: timeline.StateDamaged, Records: n(1), Kills: n(0), Bad: n(1), Unknown: n(2), Error: "line 1: no\x1b[31m event"},
		},
		Boots: []timeline.Boot{
			{Offset: -1, Entries: 2, Kills: 1, Sources: []int{1}},
			{Host: eventtest.Host(), Running: true, Began: began, TimeGuessed: []event.TimeGuess{event.GuessYear}, First: began, Last: began.Add(13 * 24 * time.Hour), Entries: 3, Kills: 2, Sources: []int{0, 1}},
		},
		Entries: []timeline.Entry{
			{Event: untimed(eventtest.KillLogged()), SeenIn: []int{1}},
			{Event: untimed(eventtest.NoKillPanic()), SeenIn: []int{1}},
			{Event: eventtest.Boot(), Boot: 1, SeenIn: []int{1}},
			{Event: eventtest.KillLogged(), Boot: 1, SeenIn: []int{1}},
			{Event: eventtest.KillGlobal(), Boot: 1, SeenIn: []int{0, 1}},
		},
		Findings: []timeline.Finding{
			{ID: "swap-absent", Title: "There is no swap", Confidence: timeline.High},
			{ID: "machine-full", Title: "What grew is not known", Confidence: timeline.Low, Question: "Who grows on this machine?"},
		},
	}
	return d
}

func TestTimelineGolden(t *testing.T) {
	for name, o := range map[string]Options{
		"timeline-0": {}, "timeline-80": {Width: 80}, "timeline-120-color": {Width: 120, Color: true},
		"timeline-wide-0": {Format: FormatWide}, "timeline-ticket": {Format: FormatTicket},
	} {
		t.Run(name, func(t *testing.T) {
			o.Location = cet
			var out bytes.Buffer
			if err := Timeline(&out, story(), o); err != nil {
				t.Fatal(err)
			}
			golden(t, name, out.Bytes())
			wantFits(t, out.Bytes(), o.Width)
			wantInert(t, out.Bytes(), o.Color)
		})
	}
	var out bytes.Buffer
	if err := Boots(&out, story(), Options{Location: cet}); err != nil {
		t.Fatal(err)
	}
	golden(t, "timeline-boots", out.Bytes())
}

// A storm of which a log tells no time is folded by the log's stamps.
func TestTimelineFolds(t *testing.T) {
	d := &timeline.Document{Boots: []timeline.Boot{{}}}
	for i := range 100 {
		e := eventtest.KillLogged()
		e.Time, e.Session = time.Time{}, fmt.Sprint(i)
		ns := uint64(100+i) * uint64(time.Second) / 10
		e.PrintkNS = &ns
		e.Kill.Victim.PID = 1000 + i
		e.Kill.Incident = &event.Incident{ID: "log-1", Kills: uint64(i + 1), Episodes: uint64(i + 1)}
		d.Entries = append(d.Entries, timeline.Entry{Event: e})
	}
	var out bytes.Buffer
	if err := Timeline(&out, d, Options{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "KILL  "); n != foldAfter {
		t.Errorf("%d kills have a row of their own, want %d\n%s", n, foldAfter, out.String())
	}
	if !strings.Contains(out.String(), "more kills") || strings.Contains(out.String(), "since 00:") {
		t.Error(out.String())
	}
}

// closed is a pipe that nobody reads.
type closed struct{ room int }

func (c *closed) Write(p []byte) (int, error) {
	if c.room -= len(p); c.room < 0 {
		return 0, syscall.EPIPE
	}
	return len(p), nil
}

func TestTimelineClosedPipe(t *testing.T) {
	for _, room := range []int{0, 500, 1500} {
		for _, format := range []string{FormatTable, FormatTicket, FormatJSON} {
			var w io.Writer = &closed{room}
			if err := Timeline(w, story(), Options{Format: format, Location: cet}); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("%s, %d bytes: %v", format, room, err)
			}
		}
	}
}
