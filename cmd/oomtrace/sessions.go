// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/render"
)

// sessions follows the sessions of a recording, and tells what each could not see,
// what it lost, and what the recording lacks. Sessions that are mixed line by line
// are told, but not checked.
type sessions struct {
	warn func(string) // takes inert text

	id          string // of the session that is under way; "" for none
	started     bool   // and whose beginning is there
	first, last uint64 // sequence numbers
	seen        uint64 // events with one of their own
}

// event takes the next event of the recording.
func (s *sessions) event(e *event.Event) {
	if e.Session != s.id || e.SessionStart != nil {
		s.end()
		*s = sessions{warn: s.warn, id: e.Session, started: e.SessionStart != nil, first: e.Seq, last: e.Seq}
	}
	if e.Type != event.TypeOOMDetail { // it has its kill's
		s.first, s.last = min(s.first, e.Seq), max(s.last, e.Seq)
		s.seen++
	}
	for _, note := range render.Notes(e) {
		s.warn(note)
	}
	if end := e.SessionEnd; end != nil {
		s.warn(render.Summary(e))
		if lacks := s.lacks(end); s.started && lacks > 0 {
			s.warn(fmt.Sprintf("%d events are missing that were neither filtered nor counted as lost", lacks))
		}
		s.id = ""
	}
}

// end takes the end of the recording.
func (s *sessions) end() {
	if s.id != "" && s.started {
		s.warn("no end was recorded: the watcher still runs, or was killed; what it lost is not known")
	}
}

// lacks counts the events that have left the kernel and are neither in the recording
// nor accounted for.
func (s *sessions) lacks(end *event.SessionEnd) uint64 {
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
