// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/render"
)

// maxSessions bounds the sessions that are under way in a recording: watchers that share
// a file.
const maxSessions = 16

// sessions follows the sessions of a recording, and tells what each could not see,
// what it lost, and what the recording lacks.
type sessions struct {
	warn func(string) // takes inert text
	open []session    // under way, oldest first
}

// session is one that is under way.
type session struct {
	id          string
	started     bool   // its beginning is there
	first, last uint64 // sequence numbers
	seen        uint64 // events with one of their own
}

// event takes the next event of the recording.
func (s *sessions) event(e *event.Event) {
	if start := e.SessionStart; start != nil && start.Continued && s.has(e.Session) {
		return // it was said before
	}
	o := s.of(e)
	if e.Type != event.TypeOOMDetail { // it has its kill's
		o.first, o.last = min(o.first, e.Seq), max(o.last, e.Seq)
		o.seen++
	}
	for _, note := range render.Notes(e) {
		s.warn(note)
	}
	if end := e.SessionEnd; end != nil {
		s.warn(render.Summary(e))
		if lacks := o.lacks(end); o.started && lacks > 0 {
			s.warn(fmt.Sprintf("%d events are missing that were neither filtered nor counted as lost", lacks))
		}
		s.open = slices.DeleteFunc(s.open, func(o session) bool { return o.id == e.Session })
	}
}

func (s *sessions) has(id string) bool {
	return slices.ContainsFunc(s.open, func(o session) bool { return o.id == id })
}

// of is the session of e, which may begin with it.
func (s *sessions) of(e *event.Event) *session {
	i := slices.IndexFunc(s.open, func(o session) bool { return o.id == e.Session })
	if i >= 0 && e.SessionStart == nil {
		return &s.open[i]
	}
	if i < 0 && len(s.open) == maxSessions {
		i = 0
	}
	if i >= 0 {
		s.unended(s.open[i])
		s.open = slices.Delete(s.open, i, i+1)
	}
	started := e.SessionStart != nil && !e.SessionStart.Continued
	s.open = append(s.open, session{id: e.Session, started: started, first: e.Seq, last: e.Seq})
	return &s.open[len(s.open)-1]
}

// end takes the end of the recording.
func (s *sessions) end() {
	for _, o := range s.open {
		s.unended(o)
	}
	s.open = nil
}

func (s *sessions) unended(o session) {
	if o.started {
		s.warn("no end was recorded: the watcher still runs, or was killed; what it lost is not known")
	}
}

// lacks counts the events that have left the kernel and are neither in the recording
// nor accounted for.
func (s *session) lacks(end *event.SessionEnd) uint64 {
	var known uint64
	for t, n := range end.Received {
		known += n - min(n, end.Written[t]) // filtered, or summed up
	}
	for _, lost := range []*uint64{end.Lost.Queue, end.Lost.Record} {
		if lost != nil {
			known += *lost
		}
	}
	gaps := s.last - s.first + 1 - min(s.seen, s.last-s.first+1)
	return gaps - min(gaps, known)
}
