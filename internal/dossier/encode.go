// SPDX-License-Identifier: Apache-2.0

package dossier

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Write writes the report as one JSON object, the timeline last. Nothing in it is what a
// terminal could act on.
func (r *Report) Write(w io.Writer) error {
	out := report{Schema: Schema, Elsewhere: r.Elsewhere, Gaps: r.Gaps, Incidents: []incidentJSON{}}
	if r.Question != nil && r.Answer != nil {
		out.Question, out.Answer = newQuestion(r.Question), newAnswer(r.Answer)
	}
	for i := range r.Incidents {
		in := &r.Incidents[i]
		findings := in.Findings
		if findings == nil {
			findings = []int{}
		}
		out.Incidents = append(out.Incidents, incidentJSON{
			ID: in.ID, Boot: in.Boot, Entries: in.Entries, Findings: findings, Told: in.Told,
			First: shown(in.First(r.Timeline)), Last: shown(in.Last(r.Timeline)),
		})
	}
	if r.Counted.KillsSinceBoot != nil || r.Counted.Cgroups != nil {
		out.Counted = &counted{r.Counted.KillsSinceBoot, r.Counted.Kills, r.Counted.Cgroups}
	}
	for _, o := range r.Others {
		e := newEvidence(fate.Evidence{Time: o.Time, Source: o.Source, Line: o.Line, Text: o.Ident + ": " + o.Text, Trust: o.Report.Trust})
		out.Others = append(out.Others, e)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	line := event.AppendInert(nil, b.Bytes())
	line = bytes.TrimSuffix(bytes.TrimSpace(line), []byte("}"))
	line = append(line, ",\n\"timeline\":"...)
	if _, err := w.Write(line); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := r.Timeline.Write(w); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "}\n"); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// report is a Report as JSON has it.
type report struct {
	Schema    string         `json:"schema"`
	Question  *question      `json:"question,omitempty"`
	Answer    *answer        `json:"answer,omitempty"`
	Elsewhere bool           `json:"elsewhere,omitempty"`
	Incidents []incidentJSON `json:"incidents"`
	Counted   *counted       `json:"counted,omitempty"`
	Others    []evidence     `json:"others,omitempty"`
	Gaps      []string       `json:"gaps,omitempty"`
}

type question struct {
	PID       int    `json:"pid,omitempty"`
	Comm      string `json:"comm,omitempty"`
	Unit      string `json:"unit,omitempty"`
	Container string `json:"container,omitempty"`
	Pod       string `json:"pod,omitempty"`
}

type answer struct {
	Verdict  fate.Verdict  `json:"verdict"`
	Text     string        `json:"text"`
	By       event.Verdict `json:"by,omitempty"`
	Entries  []int         `json:"entries"`
	Evidence []evidence    `json:"evidence"`
	Notes    []string      `json:"notes,omitempty"`
	Decide   []step        `json:"decide,omitempty"`
}

type evidence struct {
	Time   string        `json:"time,omitempty"`
	Source string        `json:"source"`
	Line   int64         `json:"line,omitempty"`
	Text   string        `json:"text"`
	Trust  killlog.Trust `json:"trust,omitempty"`
}

type step struct {
	Text    string           `json:"text"`
	Command timeline.Command `json:"command"`
}

type incidentJSON struct {
	ID       string `json:"id"`
	Boot     int    `json:"boot"`
	First    string `json:"first,omitempty"`
	Last     string `json:"last,omitempty"`
	Entries  []int  `json:"entries"`
	Findings []int  `json:"findings"`
	Told     bool   `json:"told"`
}

type counted struct {
	KillsSinceBoot *uint64       `json:"kills_since_boot,omitempty"`
	Kills          uint64        `json:"kills"`
	Cgroups        []CgroupCount `json:"cgroups,omitempty"`
}

func clean(s string) string {
	c, _ := event.CleanString([]byte(s))
	return c
}

func shown(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return event.FormatTime(t)
}

func newQuestion(q *fate.Question) *question {
	return &question{q.PID, clean(q.Comm), clean(q.Unit), clean(q.Container), clean(q.Pod)}
}

func newEvidence(e fate.Evidence) evidence {
	return evidence{shown(e.Time), clean(e.Source), e.Line, clean(e.Text), e.Trust}
}

func newAnswer(a *fate.Answer) *answer {
	out := &answer{Verdict: a.Verdict, Text: clean(a.Text), By: a.By, Entries: a.Entries, Evidence: []evidence{}}
	if out.Entries == nil {
		out.Entries = []int{}
	}
	for _, e := range a.Evidence {
		out.Evidence = append(out.Evidence, newEvidence(e))
	}
	for _, n := range a.Notes {
		out.Notes = append(out.Notes, clean(n))
	}
	for _, s := range a.Decide {
		out.Decide = append(out.Decide, step{clean(s.Text), s.Command})
	}
	return out
}
