// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/scores"
	"github.com/oomtrace/oomtrace/decode/scores/scorestest"
)

func showScores(t testing.TB, o ScoresOptions, reports ...*scores.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, r := range reports {
		if err := Scores(&b, r, o); err != nil {
			t.Fatal(err)
		}
		o.Again = true
	}
	return b.Bytes()
}

func TestScoresGolden(t *testing.T) {
	for _, o := range []Options{
		{}, {Width: 60}, {Width: 80}, {Width: 120}, {Width: 200}, {Width: 120, Color: true},
		{Format: FormatWide}, {Format: FormatWide, Width: 160}, {Format: FormatJSON},
	} {
		name := fmt.Sprintf("scores-%s%d", o.Format, o.Width)
		if o.Color {
			name += "-color"
		}
		t.Run(name, func(t *testing.T) {
			o.Location = cet
			got := showScores(t, ScoresOptions{Options: o}, scorestest.All()...)
			golden(t, name, got)
			if o.Format != FormatJSON { // where bidi controls stay, and a test of its own
				wantInert(t, got, o.Color)
			}
			wantFits(t, got, o.Width)
		})
	}
}

// A redrawn table begins at the upper left corner, clears what stood behind each
// line and below, and is no higher than the terminal.
func TestScoresRedraw(t *testing.T) {
	o := ScoresOptions{Options: Options{Width: 120, Location: cet}, Again: true, Redraw: true}
	plain := showScores(t, ScoresOptions{Options: o.Options}, scorestest.Global())
	want := "\x1b[H" + strings.ReplaceAll(string(plain), "\n", "\x1b[K\n") + "\x1b[J"
	if got := string(showScores(t, o, scorestest.Global())); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	all := strings.Count(string(plain), "\n")
	for height := range all + 3 {
		o.Height = height
		got := string(showScores(t, o, scorestest.Global()))
		n := strings.Count(got, "\n")
		if height > 1 && n > height-1 {
			t.Errorf("%d lines in a terminal of %d", n, height)
		}
		if cut := n < all; cut != strings.Contains(got, " more\x1b[K\n\x1b[J") {
			t.Errorf("height %d, %d of %d lines: %q", height, n, all, got)
		}
		if height > 1 && n < all && !strings.Contains(got, fmt.Sprintf("… %s more", plural(uint64(all-n+1), "line"))) {
			t.Errorf("height %d, %d of %d lines: %q", height, n, all, got)
		}
	}
}

// What keeps the kernel from killing as ranked is said, and only where it does.
func TestScoresNotes(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    scores.Report
		want string // a piece of the only note; "" for none
	}{
		{"panic", scores.Report{Scope: scores.ScopeGlobal, Settings: scores.Settings{PanicOnOOM: event.Ptr(1)}}, "would panic"},
		{"panic at a limit", scores.Report{Scope: scores.ScopeMemcg, Settings: scores.Settings{PanicOnOOM: event.Ptr(1)}}, ""},
		{"panic always", scores.Report{Scope: scores.ScopeMemcg, Settings: scores.Settings{PanicOnOOM: event.Ptr(2)}}, "would panic"},
		{"allocating task", scores.Report{Scope: scores.ScopeGlobal, Settings: scores.Settings{OOMKillAllocatingTask: event.Ptr(1)}}, "whoever asks"},
		{"allocating task at a limit", scores.Report{Scope: scores.ScopeMemcg, Settings: scores.Settings{OOMKillAllocatingTask: event.Ptr(1)}}, ""},
		{"a new gap", scores.Report{Incomplete: []scores.Gap{"moon"}}, "not all processes are shown: moon"},
		{"one unreadable", scores.Report{Unreadable: 1, Incomplete: []scores.Gap{scores.GapUnreadable}}, "1 process could not be read"},
		{"nothing", scores.Report{Settings: scores.Settings{PanicOnOOM: event.Ptr(0), OOMKillAllocatingTask: event.Ptr(0)}}, ""},
	} {
		notes := scoresNotes(&tt.r)
		if tt.want == "" && len(notes) > 0 || tt.want != "" && (len(notes) != 1 || !strings.Contains(notes[0], tt.want)) {
			t.Errorf("%s: %q, want %q", tt.name, notes, tt.want)
		}
	}
}

func TestScoresUnknownFormat(t *testing.T) {
	if err := Scores(&bytes.Buffer{}, scorestest.Empty(), ScoresOptions{Options: Options{Format: "xml"}}); err == nil {
		t.Error("no error")
	}
}
