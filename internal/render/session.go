// SPDX-License-Identifier: Apache-2.0

package render

import (
	"maps"
	"slices"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// losses names what was lost and how often, leaving out what is 0 or not known.
func losses(l event.LostCounts) []string {
	var out []string
	for _, c := range []struct {
		n          *uint64
		noun, what string
	}{
		{l.Reserve, "event", "lost in the kernel (ring full)"},
		{l.Queue, "event", "lost before the output (it was too slow)"},
		{l.Read, "read", "of kernel memory failed (fields are absent)"},
		{l.Recursion, "program run", "skipped (recursion)"},
		{l.ProbeMissed, "probe hit", "missed"},
		{l.Record, "event", "not recorded (the disk is full or failed)"},
		{l.Log, "log record", "overwritten before it was read"},
	} {
		if c.n != nil && *c.n > 0 {
			out = append(out, plural(*c.n, c.noun)+" "+c.what)
		}
	}
	return out
}

// unknownLosses names the losses that nobody could count.
func unknownLosses(l event.LostCounts) []string {
	var out []string
	for _, c := range []struct {
		n    *uint64
		what string
	}{
		{l.Reserve, "ring losses"}, {l.Queue, "queue losses"}, {l.Read, "failed reads"},
		{l.Recursion, "recursion"}, {l.ProbeMissed, "missed probes"},
	} {
		if c.n == nil {
			out = append(out, c.what)
		}
	}
	return out
}

func lostRow(e *event.Event, wide bool) row {
	r := row{event: part{text: "LOST", style: magenta}, process: "oomtrace"}
	c := &r.what
	for _, s := range losses(e.Lost.Delta) {
		*c = append(*c, part{text: s, style: bold})
	}
	if len(*c) == 0 {
		*c = append(*c, part{text: "losses reported", style: bold})
	}
	if total := losses(e.Lost.Counts); total != nil {
		c.add("since the start: " + strings.Join(total, ", "))
	}
	if wide {
		c.add(labelled("not known:", strings.Join(unknownLosses(e.Lost.Counts), ", ")))
	}
	return r
}

// Notes returns what a person should know as the session begins, a line each and
// inert: the facts that are missing or degraded, those with one reason in one line,
// and the warnings. It returns nil for any other event.
func Notes(e *event.Event) []string {
	if e == nil || e.SessionStart == nil {
		return nil
	}
	notes := hookNotes(e.SessionStart.Hooks)
	if len(notes) > 0 {
		notes[len(notes)-1] += " (see 'oomtrace doctor hooks')"
	}
	var out []string
	for _, s := range append(notes, e.SessionStart.Warnings...) {
		out = append(out, Sanitize(clip(s, maxPart)))
	}
	return out
}

// Summary returns a session.end in one inert line, such as "ended by signal: 7
// kills, 20,402 clock changes, nothing lost", or "" for any other event.
func Summary(e *event.Event) string {
	if e == nil || e.SessionEnd == nil {
		return ""
	}
	s := e.SessionEnd
	kills, clocks := s.Received[string(event.TypeOOMKill)], s.Received[string(event.TypeClockAdjust)]
	steps := s.Received[string(event.TypeClockStep)]
	said := []string{plural(kills, "kill")}
	// Reads are counted where the clock was watched.
	if clocks+steps > 0 || s.ClockReads != nil {
		said = append(said, plural(clocks+steps, "clock change"))
	}
	if s.Incidents != nil && kills > 1 {
		said[0] += " in " + plural(*s.Incidents, "incident")
	}
	if n := s.Received[string(event.TypeProcSigkill)]; n > 0 {
		said = append(said, plural(n, "other SIGKILL"))
	}
	for _, t := range slices.Sorted(maps.Keys(s.Received)) {
		switch event.Type(t) {
		case event.TypeOOMKill, event.TypeClockAdjust, event.TypeClockStep, event.TypeProcSigkill:
		case event.TypeSample:
			said = append(said, plural(s.Received[t], "sample"))
		default:
			if n := s.Received[t]; n > 0 {
				said = append(said, count(n)+" "+t)
			}
		}
	}
	if s.ClockReads != nil {
		said = append(said, plural(*s.ClockReads, "clock read")+" left out")
	}
	if c := s.CrossCheck; c != nil && c.BPFOnly > 0 {
		said = append(said, plural(c.BPFOnly, "kill")+" without a line in the kernel log")
	}
	if c := s.CrossCheck; c != nil && c.LogOnly > 0 {
		said = append(said, plural(c.LogOnly, "kill")+" in the kernel log alone")
	}
	if lost := losses(s.Lost); lost != nil {
		said = append(said, lost...)
	} else if unknownLosses(s.Lost) == nil {
		said = append(said, "nothing lost")
	}
	if unknown := unknownLosses(s.Lost); unknown != nil {
		said = append(said, "not known: "+strings.Join(unknown, ", "))
	}
	return Sanitize(clip("ended ("+or(s.Reason, "no reason given")+"): "+strings.Join(said, ", "), maxPart))
}
