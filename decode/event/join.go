// SPDX-License-Identifier: Apache-2.0

package event

import (
	"slices"
	"strings"
)

// Bounds of joined lists. The kernel's own bound of frames is 127 by default, that of
// candidates 10.
const (
	maxFrames     = 1024
	maxCandidates = 1024
)

// Joiner puts each oom.kill together again with the oom.detail lines that
// follow it. Its zero value is ready for use. It holds back one kill at most.
type Joiner struct {
	kill *Event // waits for its details; its own copy
	part int    // the last part that came
}

// Add takes the next event of a stream and returns those that are ready, in
// order: none while a kill's details are still to come. A kill that is whole
// has Details 0. One whose details end too early keeps its Details and has the
// parts that came; details that belong to no kill are returned as they are.
// Events given to Add are not changed.
func (j *Joiner) Add(e *Event) []*Event {
	if j.kill != nil && j.take(e) {
		if j.part < j.kill.Kill.Details {
			return nil
		}
		j.kill.Kill.Details = 0
		return j.Flush()
	}
	out := j.Flush()
	if e.Type != TypeOOMKill || e.Kill == nil || e.Kill.Details <= 0 {
		return append(out, e)
	}
	held, kill := *e, *e.Kill
	kill.Candidates = slices.Clone(kill.Candidates)
	if kill.Stack != nil {
		stack := *kill.Stack
		stack.Frames = slices.Clone(stack.Frames)
		kill.Stack = &stack
	}
	held.Kill = &kill
	j.kill, j.part = &held, 0
	return out
}

// Flush returns the kill that still waits for details, if there is one. Call it
// at the end of the stream.
func (j *Joiner) Flush() []*Event {
	if j.kill == nil {
		return nil
	}
	out := []*Event{j.kill}
	j.kill = nil
	return out
}

// take adds what e holds when e is the next detail of the kill that waits.
func (j *Joiner) take(e *Event) bool {
	k, d := j.kill.Kill, e.Detail
	if e.Type != TypeOOMDetail || d == nil || e.Session != j.kill.Session || e.Seq != j.kill.Seq ||
		d.Episode != k.Episode || d.PID != k.Victim.PID || d.Parts != k.Details || d.Part != j.part+1 {
		return false
	}
	if len(d.Frames) > 0 {
		if k.Stack == nil {
			k.Stack = &Stack{}
		}
		if len(k.Stack.Frames)+len(d.Frames) > maxFrames {
			return false
		}
		k.Stack.Frames = append(k.Stack.Frames, d.Frames...)
	}
	if len(k.Candidates)+len(d.Candidates) > maxCandidates {
		return false
	}
	k.Candidates = append(k.Candidates, d.Candidates...)
	if d.Limit != nil {
		limit := Limit{}
		if k.Limit != nil {
			limit = *k.Limit
		}
		limit.Stat = d.Limit.Stat
		k.Limit = &limit
	}
	if d.Memory != nil {
		k.Memory = d.Memory
	}
	if d.LeadUp != nil {
		k.LeadUp = d.LeadUp
	}
	j.part = d.Part
	for _, path := range e.Truncated {
		if strings.HasPrefix(path, "frames") {
			path = "stack.frames"
		}
		if !slices.Contains(j.kill.Truncated, path) {
			j.kill.Truncated = append(slices.Clip(j.kill.Truncated), path)
		}
	}
	return true
}
