// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// unsureMark stands before a time that was guessed, or that dmesg computed.
const unsureMark = "~"

// setTime gives a row the time of its event.
func (s *tableSink) setTime(r *row, e *event.Event) {
	r.time = e.Time
	if !s.unsure {
		return
	}
	r.unsure = isUnsure(e)
	if e.PrintkNS != nil {
		r.uptime = uptime(*e.PrintkNS)
	}
	if s.layout.wide {
		r.what.add(labelled("time", timeWords(e)))
	}
}

// isUnsure says whether a time is not to be relied on.
func isUnsure(e *event.Event) bool {
	return len(e.TimeGuessed) > 0 || e.TimeBasis == event.BasisDmesg
}

// uptime is a time since boot: "+12d 23:57:41".
func uptime(ns uint64) string {
	s := ns / 1e9
	clock := fmt.Sprintf("%02d:%02d:%02d", s/3600%24, s/60%60, s%60)
	if d := s / 86400; d > 0 {
		return fmt.Sprintf("+%dd %s", d, clock)
	}
	return "+" + clock
}

// timeWords says what a time rests on, "" of a live one.
func timeWords(e *event.Event) string {
	if e.TimeBasis == "" || e.Time.IsZero() {
		return ""
	}
	words := []string{"by " + basisWords(e.TimeBasis)}
	if e.TimeErrorMS != nil {
		words = append(words, "±"+span(*e.TimeErrorMS*int64(time.Millisecond)))
	}
	for _, g := range e.TimeGuessed {
		words = append(words, string(g)+" guessed")
	}
	return strings.Join(words, ", ")
}

func basisWords(b event.TimeBasis) string {
	switch b {
	case event.BasisPrintk:
		return "the log's stamp"
	case event.BasisContainer:
		return "the container runtime"
	case event.BasisDmesg:
		return "dmesg, not to be trusted"
	}
	return "the " + string(b)
}
