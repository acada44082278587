// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// explained is a document with findings of every shape.
func explained() *timeline.Document {
	d := &timeline.Document{Boots: []timeline.Boot{{Host: eventtest.Host()}}}
	for _, e := range []*event.Event{eventtest.Kill(), eventtest.KillGlobal(), eventtest.KillLogged(), eventtest.SigkillOther(), eventtest.Boot()} {
		d.Entries = append(d.Entries, timeline.Entry{Event: e})
	}
	d.Findings = []timeline.Finding{
		{
			ID: "limit-too-small", Title: "The limit is too small for what steadily runs there", Confidence: timeline.High, About: []int{0},
			Summary:   "In the 10 min before the kill java[48213] stayed between 1.9 GiB and 2.0 GiB, right below the limit of 2.0 GiB, and nothing else there grew: a small peak was enough.",
			Evidence:  []timeline.Evidence{{Entries: []int{0}, Text: "7 readings in 10 min."}, {Entries: []int{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1}, Text: "The limit was hit 12 times."}, {Text: "Now: 1.0 GiB is available."}},
			RefutedBy: "Memory that grows over a longer time than was sampled.",
			Actions: []timeline.Action{
				{Text: "Raise the container's memory limit from 2.0 GiB to 2.5 GiB.", Why: "What runs there needs it.", Owner: "the spec of pod shop/checkout", Commands: []timeline.Command{
					{Run: "kubectl -n shop get pod checkout-6b9f7d5c8-x2x7k -o yaml", Class: timeline.ReadOnly},
					{Run: `kubectl -n shop set resources "$workload" -c checkout --limits=memory=2560Mi --requests=memory=2560Mi`, Class: timeline.Disruptive, Note: "starts the workload's pods anew, one after another, and takes its time, as long as the probes of each of them need"},
				}},
				{Text: "Or make it smaller.", Owner: "whoever runs the program", Commands: []timeline.Command{{Run: "rm -i -- FILE", Class: timeline.Irreversible, Note: "FILE is one that nobody needs"}}},
			},
			Rollback: []timeline.Rollback{{Undoes: 0, Text: "Undo the rollout.", Guard: "Only if no other change was rolled out since.", Commands: []timeline.Command{{Run: `kubectl -n shop rollout undo "$workload"`, Class: timeline.Disruptive}}}},
		},
		{
			ID: "protected-hog", Title: "The largest process was spared for its oom_score_adj", Confidence: timeline.Medium, About: []int{1},
			Summary: "hog[800] had 4.9 GiB.", Evidence: []timeline.Evidence{{Entries: []int{1, 2}, Text: "hog[800]: 4.9 GiB."}}, RefutedBy: "A protection that is meant.",
			Actions:  []timeline.Action{{Text: "Lower it.", Owner: "systemd, unit hog.service", Commands: []timeline.Command{{Run: "choom -n -900 -p 800", Class: timeline.Reversible, Note: "if it is still the same process"}}}},
			Rollback: []timeline.Rollback{{Undoes: 0, Text: "Put the old value back.", Guard: "In the same shell.", Commands: []timeline.Command{{Run: `choom -n "$old" -p 800`, Class: timeline.Reversible}}}},
		},
		{
			ID: "limit-reached", Title: "A limit was hit; why is not known", Confidence: timeline.Low, About: []int{2},
			Summary: "It was killed at the limit.", Evidence: []timeline.Evidence{{Entries: []int{2}, Text: "1 kill."}}, RefutedBy: "Samples.",
			Question: "Does it grow, or is it steady?", Decide: &timeline.Command{Run: "oomtrace watch --sample 10s", Class: timeline.ReadOnly, Note: "samples every ten seconds"},
		},
	}
	return d
}

func explain(t *testing.T, d *timeline.Document, o Options) []byte {
	t.Helper()
	var b bytes.Buffer
	o.Location = cet
	if err := Explain(&b, d, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExplainGolden(t *testing.T) {
	for name, o := range map[string]Options{
		"explain-0": {}, "explain-80": {Width: 80}, "explain-80-color": {Width: 80, Color: true}, "explain-ticket": {Format: FormatTicket, Color: true},
	} {
		golden(t, name, explain(t, explained(), o))
	}
	golden(t, "explain-none", explain(t, &timeline.Document{}, Options{}))
}

// No line but a command, which is to be copied whole, is wider than the terminal.
func TestExplainFits(t *testing.T) {
	for _, width := range []int{40, 60, 80, 120} {
		for line := range strings.Lines(string(explain(t, explained(), Options{Width: width}))) {
			line = strings.TrimRight(line, "\n")
			command := strings.Contains(line, "kubectl ") || strings.Contains(line, "choom ") || strings.Contains(line, "oomtrace watch")
			if n := displayWidth(line); n > width && !command {
				t.Errorf("width %d: %d columns: %q", width, n, line)
			}
		}
	}
}

// What a hostile name puts into a finding stays in its line, and harmless: above all it
// ends no comment.
func TestExplainHostile(t *testing.T) {
	const evil = "a\nrm -rf /\r\x1b[2J\u202e\x9b"
	d := explained()
	for i := range d.Findings {
		f := &d.Findings[i]
		f.Title, f.Summary, f.RefutedBy, f.ID = evil, evil, evil, evil
		for j := range f.Evidence {
			f.Evidence[j].Text = evil
		}
		for j := range f.Actions {
			a := &f.Actions[j]
			a.Text, a.Why, a.Owner = evil, evil, evil
			for k := range a.Commands {
				a.Commands[k].Run, a.Commands[k].Note = evil, evil
			}
		}
		for j := range f.Rollback {
			f.Rollback[j].Text, f.Rollback[j].Guard = evil, evil
		}
	}
	for _, o := range []Options{{}, {Width: 80}, {Format: FormatTicket}} {
		out := string(explain(t, d, o))
		for line := range strings.Lines(out) {
			if strings.HasPrefix(strings.TrimSpace(line), "rm") {
				t.Errorf("a name made a line: %q", line)
			}
		}
		if i := strings.IndexFunc(out, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r == '\u202e' || r == 0x9b }); i >= 0 {
			t.Errorf("%q is printed", out[i:i+1])
		}
	}
}

func TestExplainJSON(t *testing.T) {
	out := explain(t, explained(), Options{Format: FormatJSON})
	if !bytes.Contains(out, []byte(`"id":"limit-too-small"`)) || !bytes.Contains(out, []byte(timeline.Schema)) {
		t.Errorf("%.200s", out)
	}
}
