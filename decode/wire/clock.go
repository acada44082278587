// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"cmp"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/timex"
)

// Step is a change of (REALTIME - BOOTTIME).
type Step struct {
	NS      int64  // forward: positive
	ErrorNS int64  // bound
	Source  string // argument, offset
	BootNS  uint64 // from then on: right after the call began
}

// maxCall bounds how long a call can take, in nanoseconds: no overflow follows.
const maxCall = 1 << 61

// StepOf tells whether a call stepped the clock, and by how much. offset is
// (REALTIME - BOOTTIME) before it, known to within offsetError nanoseconds.
func StepOf(w *bpf.OomtraceWireClock, offset, offsetError int64) (Step, bool) {
	if !succeeded(w) || !sized(w) {
		return Step{}, false
	}
	if isAdjtimex(w) {
		ns, ok := timex.SetOffsetNS(w.In.Sec, w.In.Usec, w.In.Modes)
		return Step{NS: ns, Source: "argument", BootNS: w.H.BoottimeNs + 1}, ok
	}
	if w.ExitNs < w.H.BoottimeNs || w.ExitNs-w.H.BoottimeNs >= maxCall {
		return Step{}, false
	}
	// The clock was set somewhere between entry and return.
	half := int64(w.ExitNs-w.H.BoottimeNs) / 2
	now := int64(w.H.BoottimeNs) + half
	to := w.Sec*1e9 + w.Nsec
	return Step{NS: to - now - offset, ErrorNS: half + 1 + offsetError, Source: "offset", BootNS: w.H.BoottimeNs + 1}, true
}

// NeedsSample says whether a call moved the clock by what its record does not tell: by
// the time zone, or by an argument that was not read, or at a time that is not known
// since its entry was missed. The clock itself tells.
func NeedsSample(w *bpf.OomtraceWireClock) bool {
	return succeeded(w) && moves(w) && !sized(w)
}

func succeeded(w *bpf.OomtraceWireClock) bool {
	return w.Ret >= 0 && has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_RET)
}

// moves says whether a call that succeeds moves the clock.
func moves(w *bpf.OomtraceWireClock) bool {
	if isAdjtimex(w) {
		return asked(w)&timex.AdjSetOffset != 0
	}
	return function(w) != ""
}

// sized says whether by how much it moves it is in the record.
func sized(w *bpf.OomtraceWireClock) bool {
	if isAdjtimex(w) {
		return has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_IN) && moves(w)
	}
	return has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_TIME) && !has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_NO_ENTRY)
}

// asked are the modes that an adjtimex call asked for, 0 where they are not known. The
// kernel gives them back as they were (do_adjtimex, kernel/time/timekeeping.c).
func asked(w *bpf.OomtraceWireClock) (modes uint32) {
	switch {
	case has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_IN):
		return w.In.Modes
	case has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_OUT):
		return w.Out.Modes
	}
	return 0
}

func isAdjtimex(w *bpf.OomtraceWireClock) bool {
	switch bpf.OomtraceWireClockFunc(w.Func) {
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_DO_ADJTIMEX,
		bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_ADJTIMEX,
		bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_CLOCK_ADJTIME:
		return true
	}
	return false
}

// clockState is the discipline as the last event left it.
type clockState struct {
	known bool
	at    uint64
	timex bpf.OomtraceWireTimex
}

// SeedClock tells the state that adjtimex gave at boottime at.
func (d *Decoder) SeedClock(t bpf.OomtraceWireTimex, at uint64) {
	d.clock = clockState{known: true, at: at, timex: t}
}

// Clock decodes a call that changed the clock. step is what StepOf said, or nil.
// Calls must come in order: each one's state is the next one's "before".
func (d *Decoder) Clock(r *Record, step *Step) *event.Clock {
	w := &r.Clock
	c := &event.Clock{
		Process:  task(&w.Task, w.Tail[:]),
		Op:       d.Machine.Syscalls.op(w),
		Function: function(w),
		Kind:     event.KindStep,
	}
	if step != nil {
		c.StepNS, c.StepErrorNS, c.StepSource = &step.NS, &step.ErrorNS, step.Source
	}
	// The seed can be younger than a call that came while the tracer started.
	known := d.clock.known && d.clock.at <= w.ExitNs
	if known {
		c.Before = d.state(&d.clock.timex, 0)
		c.Before.OffsetNS, c.Before.MaxErrorUS, c.Before.EstErrorUS = nil, nil, nil // they change by themselves
		if w.H.BoottimeNs >= d.clock.at {
			c.Before.AgeMS = event.Ptr(int64(w.H.BoottimeNs-d.clock.at) / 1e6)
		}
	}
	failed := has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_RET) && w.Ret < 0
	if failed {
		c.Errno = timex.Errno(int64(w.Ret))
	}
	if !isAdjtimex(w) {
		return c
	}
	ok := !failed && has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_RET)
	if ok {
		c.Result = timex.Result(int64(w.Ret))
	}
	ok = ok && has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_OUT)
	var before, after, given *int32
	if known {
		before = &d.clock.timex.Status
	}
	if ok {
		after, given = &w.Out.Status, &w.Out.Status
	} else if w.In.Modes&timex.AdjStatus != 0 {
		after = &w.In.Status // what it asked for
	}
	modes := asked(w)
	c.Modes = timex.Modes(modes)
	// A read is none of the kinds; the programs leave the usual ones out.
	c.Kind = cmp.Or(timex.Kind(modes, before, after), event.KindStatus)
	if has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_IN) {
		if ns, ok := timex.SlewNS(modes, given, w.In.Offset); ok {
			c.SlewNS = &ns
		}
	}
	if ok {
		c.After = d.state(&w.Out, modes)
		if !d.clock.known || known {
			d.clock = clockState{known: true, at: w.ExitNs, timex: w.Out}
		}
	}
	return c
}

// state is a timex as the kernel gives it back to a call with these modes.
func (d *Decoder) state(t *bpf.OomtraceWireTimex, modes uint32) *event.ClockState {
	hz := cmp.Or(d.Machine.UserHZ, 100)
	freq := timex.FreqPPM(t.Freq)
	rate := timex.RatePPM(t.Tick, freq, hz)
	out := &event.ClockState{ // a status without a bit is known to be empty
		FreqPPM: &freq, TickUS: event.Ptr(t.Tick), RatePPM: &rate,
		Status: append([]string{}, timex.Status(t.Status)...), TAIS: event.Ptr(int(t.Tai)),
		MaxErrorUS: event.Ptr(t.Maxerror), EstErrorUS: event.Ptr(t.Esterror),
	}
	if ns, ok := timex.OffsetNS(modes, t.Status, t.Offset); ok {
		out.OffsetNS = &ns
	}
	return out
}

func function(w *bpf.OomtraceWireClock) string {
	switch bpf.OomtraceWireClockFunc(w.Func) {
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_DO_ADJTIMEX:
		return "do_adjtimex"
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_DO_SETTIMEOFDAY64:
		return "do_settimeofday64"
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_WARP:
		return "timekeeping_warp_clock"
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_ADJTIMEX:
		return "sys_enter_adjtimex"
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_CLOCK_ADJTIME:
		return "sys_enter_clock_adjtime"
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_SETTIMEOFDAY:
		return "sys_enter_settimeofday"
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_CLOCK_SETTIME:
		return "sys_enter_clock_settime"
	}
	return ""
}
