// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"strings"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// draft is a finding in the making.
type draft struct {
	timeline.Finding
	// subject is whom it is about: of several findings of a rule about one, the last is
	// told and the others are counted.
	subject string
}

// about begins a finding of the incident.
func (in *shortage) about(id string, c timeline.Confidence, title string) *draft {
	return &draft{
		Finding: timeline.Finding{ID: id, Title: title, Confidence: c, About: in.indices()},
		subject: in.subject(),
	}
}

// say sets the summary.
func (d *draft) say(format string, args ...any) { d.Summary = fmt.Sprintf(format, args...) }

// and adds a sentence to it.
func (d *draft) and(format string, args ...any) { d.Summary += " " + fmt.Sprintf(format, args...) }

// cite adds what entries tell.
func (d *draft) cite(entries []int, format string, args ...any) {
	d.Evidence = append(d.Evidence, timeline.Evidence{Entries: entries, Text: fmt.Sprintf(format, args...)})
}

// now adds what the machine tells.
func (d *draft) now(format string, args ...any) {
	d.Evidence = append(d.Evidence, timeline.Evidence{Text: "Now: " + fmt.Sprintf(format, args...)})
}

// ask makes a question of it.
func (d *draft) ask(question string, decide shell) {
	d.Confidence, d.Question = timeline.Low, question
	if len(decide.list) > 0 {
		d.Decide = &decide.list[0]
	}
}

// do adds an action.
func (d *draft) do(text, why, owner string, s shell) {
	d.Actions = append(d.Actions, timeline.Action{Text: text, Why: strings.TrimSpace(why + s.gap()), Owner: owner, Commands: s.list})
}

// undo adds the way back from the action that was added last.
func (d *draft) undo(text, guard string, s shell) {
	d.Rollback = append(d.Rollback, timeline.Rollback{Undoes: len(d.Actions) - 1, Text: text, Guard: strings.TrimSpace(guard + s.gap()), Commands: s.list})
}
