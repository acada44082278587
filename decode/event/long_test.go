// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

// decodeLong checks what holds for every line of a long event, and decodes it.
func decodeLong(t *testing.T, lines [][]byte, maxLine int) []*event.Event {
	t.Helper()
	var out []*event.Event
	for _, line := range lines {
		if len(line)+1 > maxLine {
			t.Errorf("a line of %d bytes, at most %d allowed", len(line)+1, maxLine)
		}
		if !utf8.Valid(line) {
			t.Errorf("invalid UTF-8: %q", line)
		}
		eventtest.Validate(t, line)
		e, err := event.Unmarshal(line)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func join(events []*event.Event) []*event.Event {
	var j event.Joiner
	var out []*event.Event
	for _, e := range events {
		out = append(out, j.Add(e)...)
	}
	return append(out, j.Flush()...)
}

func TestLongKill(t *testing.T) {
	for _, tt := range []struct {
		frames, cmdline, maxLine int
		details                  bool
		truncated                []string
	}{
		{frames: 15, maxLine: 0},
		{frames: 200, maxLine: 0, details: true},
		{frames: 1000, maxLine: 6 << 10, details: true},
		{frames: 15, cmdline: 1500, maxLine: 0, details: true, truncated: []string{"victim.cmdline"}},
		{frames: 60, cmdline: 100_000, maxLine: 0, details: true, truncated: []string{"victim.cmdline", "victim.cmdline_hex", "trigger.cmdline"}},
		{frames: 60, cmdline: 100_000, maxLine: 4400, details: true, truncated: []string{"victim.cmdline", "victim.cmdline_hex", "trigger.cmdline"}},
		{frames: 60, cmdline: 500, maxLine: 64 << 10},
	} {
		t.Run(fmt.Sprintf("%d-%d-%d", tt.frames, tt.cmdline, tt.maxLine), func(t *testing.T) {
			e, want := bigKill(tt.frames, tt.cmdline), bigKill(tt.frames, tt.cmdline)
			enc := &event.Encoder{MaxLine: tt.maxLine}
			lines := encode(t, enc, e)
			if diff := cmp.Diff(want, e); diff != "" {
				t.Fatalf("the event was changed:\n%s", diff)
			}
			maxLine := tt.maxLine
			if maxLine == 0 {
				maxLine = event.DefaultMaxLine
			}
			events := decodeLong(t, lines, maxLine)
			if got := len(events) > 1; got != tt.details {
				t.Fatalf("%d lines; details expected: %v", len(events), tt.details)
			}
			if tt.details {
				kill := events[0]
				if len(kill.Kill.Stack.Frames) != 0 || kill.Kill.Stack.ID != e.Kill.Stack.ID {
					t.Errorf("the kill's stack is %+v, want the id alone", kill.Kill.Stack)
				}
				if kill.Kill.Details != len(events)-1 {
					t.Errorf("%d details announced, %d there", kill.Kill.Details, len(events)-1)
				}
				for i, d := range events[1:] {
					if d.Seq != e.Seq || !d.Time.Equal(e.Time) || d.Session != e.Session || !cmp.Equal(d.Host, e.Host) ||
						d.Detail.Episode != e.Kill.Episode || d.Detail.PID != e.Kill.Victim.PID ||
						d.Detail.Part != i+1 || d.Detail.Parts != len(events)-1 {
						t.Errorf("detail %d: %+v of %+v", i, d.Detail, d)
					}
					// Lines are filled: two neighbours with frames alone would not fit one.
					onlyFrames := func(e *event.Event) bool {
						return len(e.Detail.Frames) > 0 && e.Detail.Limit == nil && e.Detail.Memory == nil && e.Detail.LeadUp == nil && len(e.Detail.Candidates) == 0
					}
					if i > 0 && onlyFrames(events[i]) && onlyFrames(events[i+1]) && len(lines[i])+len(lines[i+1]) < maxLine*3/4 {
						t.Errorf("details %d and %d would fit one line", i, i+1)
					}
				}
			}
			got := join(events)
			if len(got) != 1 {
				t.Fatalf("%d events joined, want 1", len(got))
			}
			for _, p := range tt.truncated {
				if !slices.Contains(got[0].Truncated, p) {
					t.Errorf("%s is not among the truncated %q", p, got[0].Truncated)
				}
			}
			checkPrefixes(t, want, got[0])
		})
	}
}

// checkPrefixes checks that got is want but for the command lines of
// [bigKill], which begin like want's, are shorter only when Truncated says so,
// and leave no room unused.
func checkPrefixes(t *testing.T, want, got *event.Event) {
	t.Helper()
	for path, p := range map[string][2]*string{
		"victim.cmdline":     {want.Kill.Victim.Cmdline, got.Kill.Victim.Cmdline},
		"victim.cmdline_hex": {&want.Kill.Victim.CmdlineHex, &got.Kill.Victim.CmdlineHex},
		"trigger.cmdline":    {want.Kill.Trigger.Cmdline, got.Kill.Trigger.Cmdline},
	} {
		w := strings.ToValidUTF8(*p[0], "\ufffd") // the test's own cut may be within a rune
		if !strings.HasPrefix(w, *p[1]) {
			t.Errorf("%s is no beginning of what it was", path)
		}
		if cut := slices.Contains(got.Truncated, path); cut != (w != *p[1]) {
			t.Errorf("%s: %d of %d bytes, marked as cut: %v", path, len(*p[1]), len(w), cut)
		}
		*p[0], *p[1] = "", ""
	}
	got.Truncated = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Every line length gives lines that fit, or an error and nothing.
func TestEveryMaxLine(t *testing.T) {
	events := append(examples(), bigKill(127, 3000))
	for maxLine := 1; maxLine < 9000; maxLine += 97 {
		enc := &event.Encoder{MaxLine: maxLine}
		for _, e := range events {
			out, err := enc.Append(nil, e)
			if err != nil {
				if len(out) != 0 {
					t.Fatalf("error %v and %d bytes", err, len(out))
				}
				continue
			}
			for line := range bytes.Lines(out) {
				if len(line) > maxLine {
					t.Errorf("max %d: %s line of %d bytes", maxLine, e.Type, len(line))
				}
				if _, err := event.Unmarshal(line); err != nil {
					t.Errorf("max %d: %v", maxLine, err)
				}
			}
		}
	}
}

func TestCutUsesTheRoom(t *testing.T) {
	e := bigKill(0, 100_000)
	e.Kill.Stack = nil
	line := encode(t, &event.Encoder{}, e)[0]
	if n := event.DefaultMaxLine - len(line); n > 100 {
		t.Errorf("%d bytes of the line are left over", n)
	}
}

func TestCutsOtherTypes(t *testing.T) {
	clock := eventtest.Clock()
	clock.Clock.Process.Exe = event.Ptr("/" + strings.Repeat("x", 9000))
	start := eventtest.SessionStart()
	start.SessionStart.Hooks[1].Reason = strings.Repeat("why ", 5000)
	start.SessionStart.Warnings = append(start.SessionStart.Warnings, strings.Repeat("w", 5000))
	frame := eventtest.Detail()
	frame.Detail.Frames[1].Symbol = strings.Repeat("_R", 6000)
	for path, e := range map[string]*event.Event{
		"process.exe":   clock,
		"hooks.reason":  start,
		"warnings":      start,
		"frames.symbol": frame,
	} {
		events := decodeLong(t, encode(t, &event.Encoder{}, e), event.DefaultMaxLine)
		if len(events) != 1 || !slices.Contains(events[0].Truncated, path) {
			t.Errorf("%s is not among the truncated %q", path, events[0].Truncated)
		}
	}
}

// Whatever is in an event, its lines fit, are valid, and name what they lack.
func TestEveryEventFits(t *testing.T) {
	words := []string{`"`, "\x01", "\xff", "日"}
	events := eventtest.All()
	for range words { // a kill with each of them
		events = append(events, eventtest.Kill())
	}
	for i, e := range events {
		s := words[i%len(words)]
		eventtest.Bloat(e, strings.Repeat(s, 10<<10/len(s)))
		t.Run(fmt.Sprintf("%q-%s", s, name(i, e)), func(t *testing.T) {
			checkFits(t, e, event.MinMaxLine, event.DefaultMaxLine)
		})
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("x\x01\"", 9000, 4096, 1)
	f.Add("\xff", 300, 8192, 5)
	f.Fuzz(func(t *testing.T, s string, n, maxLine, which int) {
		all := examples()
		e := all[max(0, which)%len(all)]
		if s != "" {
			eventtest.Bloat(e, strings.Repeat(s, (n&0x3fff)/len(s)+1))
		}
		checkFits(t, e, event.MinMaxLine+maxLine&0x7fff)
	})
}

func checkFits(t *testing.T, e *event.Event, maxLines ...int) {
	whole := &event.Encoder{MaxLine: 1 << 30}
	before := encode(t, whole, e)[0]
	want := leaves(t, before)
	for _, maxLine := range maxLines {
		joined := join(decodeLong(t, encode(t, &event.Encoder{MaxLine: maxLine}, e), maxLine))
		if len(joined) != 1 {
			t.Fatalf("%d events joined, want 1", len(joined))
		}
		got := joined[0]
		if e.Kill != nil && e.Kill.Victim.Comm != nil && got.Kill.Victim.Comm == nil {
			t.Errorf("max %d: the victim's comm is gone", maxLine)
		}
		have := leaves(t, encode(t, whole, got)[0])
		for path := range want {
			named := slices.ContainsFunc(got.Truncated, func(cut string) bool { return path == cut || strings.HasPrefix(path, cut+".") })
			if !cmp.Equal(want[path], have[path]) && !named {
				t.Errorf("max %d: %.80s differs, but is not among the truncated %.800q", maxLine, path, got.Truncated)
			}
		}
	}
	if after := encode(t, whole, e)[0]; !bytes.Equal(before, after) {
		t.Fatal("the event was changed")
	}
}

// leaves returns the values in a JSON object by their path; those in a list have
// the list's.
func leaves(t *testing.T, line []byte) map[string][]any {
	var root any
	if err := json.Unmarshal(line, &root); err != nil {
		t.Fatal(err)
	}
	out := map[string][]any{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, v := range v {
				walk(strings.TrimPrefix(path+"."+name, "."), v)
			}
		case []any:
			for _, v := range v {
				walk(path, v)
			}
		default:
			out[path] = append(out[path], v)
		}
	}
	walk("", root)
	return out
}

// What goes first is what is least missed.
func TestOrderOfGivingUp(t *testing.T) {
	e := eventtest.Kill()
	cgroup := "/" + strings.Repeat("nested-group/", 100)
	for _, c := range []*event.Cgroup{e.Kill.Victim.Cgroup, e.Kill.Trigger.Cgroup, e.Kill.Limit.Cgroup} {
		c.Path = cgroup
	}
	e.Kill.Stack, e.Kill.LeadUp, e.Kill.Candidates = nil, nil, nil // what follows in details
	e.Kill.Sources["victim.badness_permille"] = "computed"
	size := len(encode(t, &event.Encoder{MaxLine: 1 << 20}, e)[0])
	given := []string{}
	for maxLine := size; maxLine > 1200; maxLine -= 20 {
		out, err := (&event.Encoder{MaxLine: maxLine}).Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := bytes.Cut(out, []byte{'\n'}) // memory and the limit's stat go to others
		got, err := event.Unmarshal(first)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range got.Truncated {
			if !slices.Contains(given, path) {
				given = append(given, path)
			}
		}
	}
	want := []string{
		"victim.cmdline", "trigger.cmdline", "victim.cgroup.path", "trigger.cgroup.path", "limit.cgroup.path",
		"settings.kdump", "settings", "sources", "incident", "effort", "limit.cgroup", "limit",
		"trigger.pod", "trigger.container", "trigger.cgroup", "trigger", "victim.pod", "victim.container", "victim.cgroup",
	}
	if diff := cmp.Diff(want, given[:min(len(want), len(given))]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFrameLongerThanALine(t *testing.T) {
	e := bigKill(40, 0)
	e.Kill.Stack.Frames[20].Symbol = strings.Repeat("_R", 6000)
	got := join(decodeLong(t, encode(t, &event.Encoder{}, e), event.DefaultMaxLine))
	if len(got) != 1 || len(got[0].Kill.Stack.Frames) != 40 {
		t.Fatalf("%d events joined", len(got))
	}
	if diff := cmp.Diff([]string{"stack.frames"}, got[0].Truncated); diff != "" {
		t.Error(diff)
	}
}

func TestJoiner(t *testing.T) {
	kill := bigKill(300, 0)
	parts := decodeLong(t, encode(t, &event.Encoder{MaxLine: 4096}, kill), 4096)
	if len(parts) < 4 {
		t.Fatalf("%d lines are too few for this test", len(parts))
	}
	other := eventtest.ClockStep()
	foreign := *parts[2]
	foreign.Session = "ff"
	all := func(e ...*event.Event) []*event.Event { return e }
	for name, tt := range map[string]struct {
		in     []*event.Event
		frames []int // of each event that comes out; -1 when it is no kill
	}{
		"whole":             {parts, []int{300}},
		"twice":             {append(parts[:len(parts):len(parts)], parts...), []int{300, 300}},
		"among others":      {append(append(all(other), parts...), other), []int{-1, 300, -1}},
		"without details":   {parts[:1], []int{0}},
		"interrupted":       {all(parts[0], other, parts[1]), []int{0, -1, -1}},
		"part missing":      {all(parts[0], parts[2]), []int{0, -1}},
		"part twice":        {all(parts[0], parts[1], parts[1]), []int{len(parts[1].Detail.Frames), -1}},
		"details alone":     {parts[1:3], []int{-1, -1}},
		"of another stream": {all(parts[0], parts[1], &foreign), []int{len(parts[1].Detail.Frames), -1}},
		"kill behind kill":  {all(parts[0], kill), []int{0, 300}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int
			for _, e := range join(tt.in) {
				n := -1
				if e.Kill != nil {
					n = len(e.Kill.Stack.Frames)
					if whole := e.Kill.Details == 0; whole != (n == 300) {
						t.Errorf("%d frames and %d details", n, e.Kill.Details)
					}
				}
				got = append(got, n)
			}
			if diff := cmp.Diff(tt.frames, got); diff != "" {
				t.Errorf("frames of each event (-want +got)\n%s", diff)
			}
		})
	}
	if parts[0].Kill.Details == 0 || len(parts[0].Kill.Stack.Frames) != 0 {
		t.Error("joining changed what it was given")
	}
}

// An input cannot make the joiner hold any number of frames.
func TestJoinerIsBounded(t *testing.T) {
	kill := eventtest.KillSparse()
	kill.Kill.Details = 1 << 30
	var j event.Joiner
	j.Add(kill)
	for part := 1; ; part++ {
		d := eventtest.Detail()
		d.Seq = kill.Seq
		d.Detail = &event.Detail{Episode: kill.Kill.Episode, PID: kill.Kill.Victim.PID, Part: part, Parts: 1 << 30, Frames: make([]event.Frame, 100)}
		out := j.Add(d)
		if len(out) == 2 && len(out[0].Kill.Stack.Frames) >= 1000 {
			return
		}
		if part > 20 {
			t.Fatalf("%d parts held", part)
		}
	}
}
