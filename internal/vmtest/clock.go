// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"fmt"
	"slices"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// ClockCall is a change of the clock that a guest made.
type ClockCall struct {
	Kind    event.ClockKind
	Op      event.ClockOp
	Comm    string
	Result  scenario.ClockResult
	StepNS  *int64 // the exact step, where the call's argument says it
	SlewNS  *int64
	FreqPPM *float64
	TickUS  *int64
}

// The step that a guest saw, by readings around its call, may be as far from the
// step of the event as that one's own bound says, and the readings are not exact
// either. An honest bound is as wide as the time that a slow emulated CPU, shared
// with others, was away between two readings of the clock; but not useless.
const (
	readingSlackNS = 500_000
	maxStepErrorNS = 250_000_000
)

// CompareClock holds clock.adjust events against the calls that were made: each
// has exactly one, of the right author, kind and size, and no other event may
// exist but those of the processes others. It returns the differences, one a line.
func CompareClock(calls []ClockCall, events []*event.Event, others ...int) []string {
	by := map[int][]*event.Event{}
	for _, e := range events {
		if e.Type == event.TypeClockAdjust && !slices.Contains(others, e.Clock.Process.PID) {
			by[e.Clock.Process.PID] = append(by[e.Clock.Process.PID], e)
		}
	}
	var all []string
	for _, call := range calls {
		found := by[call.Result.PID]
		delete(by, call.Result.PID)
		if len(found) != 1 {
			all = append(all, fmt.Sprintf("%s (pid %d): %d events, want 1", call.Comm, call.Result.PID, len(found)))
			continue
		}
		all = append(all, call.compare(found[0])...)
	}
	for pid, left := range by {
		all = append(all, fmt.Sprintf("pid %d: %d events of a call that was not made, by %s", pid, len(left), text(left[0].Clock.Process.Comm, left[0].Clock.Process.CommHex)))
	}
	slices.Sort(all)
	return all
}

func (call ClockCall) compare(e *event.Event) (all []string) {
	differ := func(field string, got, want any) {
		if got != want {
			all = append(all, fmt.Sprintf("%s (pid %d): %s %v, want %v", call.Comm, call.Result.PID, field, got, want))
		}
	}
	c := e.Clock
	differ("comm", text(c.Process.Comm, c.Process.CommHex), fmt.Sprintf("%q", call.Comm))
	differ("uid", deref(c.Process.UID), any(uint32(call.Result.UID)))
	differ("kind", c.Kind, call.Kind)
	differ("op", c.Op, call.Op)
	differ("errno", c.Errno, call.Result.Errno)
	if e.BoottimeNS == nil || int64(*e.BoottimeNS) < call.Result.StartNS || int64(*e.BoottimeNS) > call.Result.EndNS {
		differ("boottime", deref(e.BoottimeNS), fmt.Sprintf("in %d…%d", call.Result.StartNS, call.Result.EndNS))
	}
	if call.Result.Errno != "" {
		return all
	}
	switch {
	case call.StepNS != nil:
		differ("step_ns", deref(c.StepNS), any(*call.StepNS))
	case call.Kind == event.KindStep:
		want := call.Result.AfterNS - call.Result.BeforeNS
		if c.StepErrorNS == nil || *c.StepErrorNS < 0 || *c.StepErrorNS > maxStepErrorNS {
			differ("step_error_ns", deref(c.StepErrorNS), fmt.Sprintf("in 0…%d", maxStepErrorNS))
			break
		}
		slack := *c.StepErrorNS + readingSlackNS
		if c.StepNS == nil || max(*c.StepNS, want)-min(*c.StepNS, want) > slack {
			differ("step_ns", deref(c.StepNS), fmt.Sprintf("%d ± %d", want, slack))
		}
	}
	if call.SlewNS != nil {
		differ("slew_ns", deref(c.SlewNS), any(*call.SlewNS))
	}
	if call.FreqPPM != nil {
		if c.After == nil || c.After.FreqPPM == nil || max(*c.After.FreqPPM, *call.FreqPPM)-min(*c.After.FreqPPM, *call.FreqPPM) > 0.001 {
			differ("after.freq_ppm", fmt.Sprintf("%+v", c.After), *call.FreqPPM)
		}
	}
	if call.TickUS != nil {
		if c.After == nil || c.After.TickUS == nil || *c.After.TickUS != *call.TickUS {
			differ("after.tick_us", fmt.Sprintf("%+v", c.After), *call.TickUS)
		}
	}
	return all
}
