// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/timex"
)

const (
	inBit   = 1 << bpf.OomtraceWireClockValidWIRE_CLOCK_IN
	outBit  = 1 << bpf.OomtraceWireClockValidWIRE_CLOCK_OUT
	timeBit = 1 << bpf.OomtraceWireClockValidWIRE_CLOCK_TIME
	retBit  = 1 << bpf.OomtraceWireClockValidWIRE_CLOCK_RET
	nrBit   = 1 << bpf.OomtraceWireClockValidWIRE_CLOCK_NR
)

// newClock is a call that sets the frequency.
func newClock() *clockRecord {
	w := &clockRecord{Func: uint32(bpf.OomtraceWireClockFuncWIRE_CLOCK_DO_ADJTIMEX), ExitNs: 2e9 + 1000, SyscallNr: 305, Task: newTask(500, 500, "chronyd", 3)}
	w.H.BoottimeNs = 2e9
	w.H.Valid = inBit | outBit | retBit | nrBit
	w.In = timexRecord{Modes: timex.AdjFrequency, Freq: -3 << 16}
	w.Out = timexRecord{Modes: timex.AdjFrequency, Freq: -3 << 16, Tick: 10000, Status: timex.StaPLL | timex.StaNano, Tai: 37, Offset: 40, Maxerror: 5, Esterror: 6}
	w.Task.PathLen = uint16(copy(bytesOf(w.Tail[:]), triggerPath))
	return w
}

// newSet is a call that sets the clock.
func newSet(sec, nsec int64) *clockRecord {
	w := newClock()
	w.Func = uint32(bpf.OomtraceWireClockFuncWIRE_CLOCK_DO_SETTIMEOFDAY64)
	w.SyscallNr, w.In, w.Out = 227, timexRecord{}, timexRecord{}
	w.H.Valid = timeBit | retBit | nrBit
	w.Sec, w.Nsec = sec, nsec
	return w
}

func TestClockFull(t *testing.T) {
	d := newDecoder()
	d.SeedClock(timexRecord{Tick: 10001, Freq: 1 << 15, Status: timex.StaUnsync, Tai: 36, Offset: 99, Maxerror: 7, Esterror: 8}, 1e9)
	got := clockJSON(t, d, rawClock(newClock(), tailLen), nil)
	want := map[string]string{
		"schema": "oomtrace/v1", "type": "clock.adjust", "session": "00", "seq": "1", "time": "2023-11-14T22:13:20.000000000Z", "boottime_ns": "1", "source": "bpf",
		"op": "clock_adjtime", "function": "do_adjtimex", "kind": "frequency", "modes[0]": "frequency", "result": "ok",
		"process.pid": "500", "process.tid": "500", "process.comm": "chronyd", "process.uid": "1000", "process.start_boottime_ns": "1000000500", "process.kthread": "false",
		"process.cgroup.version": "2", "process.cgroup.path": "/system.slice/cron.service", "process.cgroup.id": "3", "process.unit": "cron.service",
		"before.freq_ppm": "0.5", "before.tick_us": "10001", "before.rate_ppm": "100.5", "before.status[0]": "unsync", "before.tai_s": "36", "before.age_ms": "1000",
		"after.freq_ppm": "-3", "after.tick_us": "10000", "after.rate_ppm": "-3", "after.status[0]": "pll", "after.status[1]": "nano", "after.tai_s": "37",
		"after.offset_ns": "40", "after.maxerror_us": "5", "after.esterror_us": "6",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// This call's state is the next one's before.
	w := newClock()
	w.H.BoottimeNs, w.ExitNs = 5e9+1000, 6e9
	expect(t, clockJSON(t, d, rawClock(w, tailLen), nil), map[string]string{
		"before.freq_ppm": "-3", "before.tai_s": "37", "before.age_ms": "3000", "before.offset_ns": "", "before.maxerror_us": "",
	})
}

// What is seeded after a call is not what was before it, and no state goes back.
func TestClockOlderThanSeed(t *testing.T) {
	d := newDecoder()
	d.SeedClock(timexRecord{Tick: 10000, Tai: 1}, 3e9)
	expect(t, clockJSON(t, d, rawClock(newClock(), tailLen), nil), map[string]string{"before.tick_us": "", "after.tai_s": "37"})
	w := newClock()
	w.H.BoottimeNs, w.ExitNs = 4e9, 5e9
	expect(t, clockJSON(t, d, rawClock(w, tailLen), nil), map[string]string{"before.tai_s": "1", "before.age_ms": "1000"})
}

func TestClock(t *testing.T) {
	modes := func(modes uint32, status int32) func(*clockRecord) {
		return func(w *clockRecord) { w.In.Modes, w.In.Status, w.Out.Status = modes, status, status }
	}
	refused := func(modes uint32, errno int32) func(*clockRecord) {
		return func(w *clockRecord) { w.In.Modes, w.Ret = modes, -errno }
	}
	for name, tt := range map[string]struct {
		make func(*clockRecord)
		want map[string]string
	}{
		"tick":         {modes(timex.AdjTick, 0), map[string]string{"kind": "tick", "modes[0]": "tick"}},
		"tai":          {modes(timex.AdjTAI, 0), map[string]string{"kind": "tai"}},
		"status":       {modes(timex.AdjStatus, timex.StaUnsync), map[string]string{"kind": "status", "after.status[0]": "unsync"}},
		"empty status": {modes(timex.AdjStatus, 0), map[string]string{"kind": "status", "after.status": "[]"}},
		"leap":         {modes(timex.AdjStatus, timex.StaIns), map[string]string{"kind": "leap", "after.status[0]": "ins"}},
		"slew, µs": {func(w *clockRecord) {
			w.In.Modes, w.In.Offset, w.Out.Status = timex.AdjOffset, -250, timex.StaPLL
		}, map[string]string{"kind": "slew", "slew_ns": "-250000"}},
		"slew, ns": {func(w *clockRecord) {
			w.In.Modes, w.In.Offset = timex.AdjOffset|timex.AdjNano, 250
		}, map[string]string{"kind": "slew", "slew_ns": "250"}},
		"single shot": {func(w *clockRecord) {
			w.In.Modes, w.In.Offset = timex.AdjOffsetSingleshot, 1000
		}, map[string]string{"kind": "slew", "modes[0]": "offset_singleshot", "slew_ns": "1000000", "after.offset_ns": ""}},
		"a read that the programs let through": {modes(timex.AdjOffsetSSRead|timex.AdjFrequency, 0), map[string]string{"kind": "status", "slew_ns": ""}},
		"unknown result":                       {func(w *clockRecord) { w.Ret = 6 }, map[string]string{"result": "unknown:6"}},
		"not synchronised":                     {func(w *clockRecord) { w.Ret = 5 }, map[string]string{"result": "error", "errno": ""}},

		"refused frequency": {refused(timex.AdjFrequency, 1), map[string]string{"kind": "frequency", "errno": "EPERM", "result": "", "after.freq_ppm": "", "before.freq_ppm": "0"}},
		"refused slew":      {refused(timex.AdjOffset|timex.AdjMicro, 1), map[string]string{"kind": "slew", "errno": "EPERM"}},
		"refused leap": {func(w *clockRecord) { w.In.Modes, w.In.Status, w.Ret = timex.AdjStatus, timex.StaDel, -1 },
			map[string]string{"kind": "leap", "errno": "EPERM"}},
		"refused step":  {refused(timex.AdjSetOffset, 22), map[string]string{"kind": "step", "errno": "EINVAL", "step_ns": ""}},
		"unknown errno": {refused(timex.AdjTick, 71), map[string]string{"errno": "errno:71"}},

		"without in": {func(w *clockRecord) { w.H.Valid &^= inBit }, map[string]string{"kind": "frequency", "modes[0]": "frequency", "after.freq_ppm": "-3"}},
		"without in, a step": {func(w *clockRecord) {
			w.H.Valid &^= inBit
			w.Out.Modes = timex.AdjSetOffset
		}, map[string]string{"kind": "step", "modes[0]": "setoffset", "step_ns": ""}},
		"without in, a slew": {func(w *clockRecord) {
			w.H.Valid &^= inBit
			w.Out.Modes = timex.AdjOffsetSingleshot
		}, map[string]string{"kind": "slew", "slew_ns": "", "after.offset_ns": ""}},
		"without both": {func(w *clockRecord) { w.H.Valid &^= inBit | outBit }, map[string]string{"kind": "status", "modes[0]": "", "after.freq_ppm": ""}},
		"without out":  {func(w *clockRecord) { w.H.Valid &^= outBit }, map[string]string{"kind": "frequency", "after.freq_ppm": "", "result": "ok"}},
		"without ret":  {func(w *clockRecord) { w.H.Valid &^= retBit }, map[string]string{"result": "", "errno": "", "after.freq_ppm": ""}},
		"without nr":   {func(w *clockRecord) { w.H.Valid &^= nrBit }, map[string]string{"op": "", "function": "do_adjtimex"}},
		"other nr":     {func(w *clockRecord) { w.SyscallNr = 1 }, map[string]string{"op": ""}},
		"32-bit": {func(w *clockRecord) {
			w.SyscallNr, w.H.Valid = 124, w.H.Valid|1<<bpf.OomtraceWireClockValidWIRE_CLOCK_COMPAT
		}, map[string]string{"op": "adjtimex"}},
		"kernel thread": {func(w *clockRecord) { w.Task.Flags = pfKthread; w.H.Valid &^= nrBit }, map[string]string{"op": "", "process.kthread": "true"}},

		"settimeofday refused": {func(w *clockRecord) { *w = *newSet(0, 0); w.Ret = -1; w.SyscallNr = 164 }, map[string]string{"op": "settimeofday", "kind": "step", "errno": "EPERM", "result": "", "before.freq_ppm": "0", "after.freq_ppm": ""}},
		"clock_settime":        {func(w *clockRecord) { *w = *newSet(0, 0) }, map[string]string{"op": "clock_settime", "function": "do_settimeofday64", "result": ""}},
		"warp": {func(w *clockRecord) {
			w.Func, w.H.Valid = uint32(bpf.OomtraceWireClockFuncWIRE_CLOCK_WARP), retBit
		}, map[string]string{"op": "", "function": "timekeeping_warp_clock", "kind": "step", "step_ns": ""}},
		"rung sys_adjtimex":      {func(w *clockRecord) { w.Func, w.H.Valid = 4, inBit|outBit|retBit }, map[string]string{"op": "adjtimex", "function": "sys_enter_adjtimex", "kind": "frequency"}},
		"rung sys_clock_adjtime": {func(w *clockRecord) { w.Func, w.H.Valid = 5, inBit|outBit|retBit }, map[string]string{"op": "clock_adjtime", "function": "sys_enter_clock_adjtime", "after.freq_ppm": "-3"}},
		"rung sys_settimeofday":  {func(w *clockRecord) { w.Func, w.H.Valid = 6, timeBit|retBit }, map[string]string{"op": "settimeofday", "function": "sys_enter_settimeofday", "kind": "step"}},
		"rung sys_clock_settime": {func(w *clockRecord) { w.Func, w.H.Valid = 7, timeBit|retBit }, map[string]string{"op": "clock_settime", "function": "sys_enter_clock_settime", "kind": "step"}},
		"unknown function":       {func(w *clockRecord) { w.Func = 99 }, map[string]string{"function": "", "kind": "step"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newClock(), newDecoder()
			d.SeedClock(timexRecord{Tick: 10000}, 1e9)
			tt.make(w)
			expect(t, clockJSON(t, d, rawClock(w, tailLen), nil), tt.want)
		})
	}
}

func TestStep(t *testing.T) {
	const offset = 1_600_000_000_000_000_000
	at := int64(2e9 + 500) // in the middle of the call
	setOffset := func(sec, usec int64, modes uint32) func(*clockRecord) {
		return func(w *clockRecord) { w.In = timexRecord{Modes: timex.AdjSetOffset | modes, Sec: sec, Usec: usec} }
	}
	set := func(to int64) func(*clockRecord) {
		return func(w *clockRecord) { *w = *newSet(to/1e9, to%1e9) }
	}
	entryMissed := func(w *clockRecord) {
		w.H.BoottimeNs = w.ExitNs
		w.H.Valid |= 1 << bpf.OomtraceWireClockValidWIRE_CLOCK_NO_ENTRY
	}
	for name, tt := range map[string]struct {
		make   func(*clockRecord)
		want   *Step
		sample bool // the clock is to be looked at
	}{
		"forward":         {set(offset + at + 3e9), &Step{NS: 3e9, ErrorNS: 501 + 40, Source: "offset"}, false},
		"back":            {set(offset + at - 7), &Step{NS: -7, ErrorNS: 541, Source: "offset"}, false},
		"refused":         {func(w *clockRecord) { set(offset)(w); w.Ret = -1 }, nil, false},
		"no ret":          {func(w *clockRecord) { set(offset)(w); w.H.Valid &^= retBit }, nil, false},
		"no time":         {func(w *clockRecord) { set(offset)(w); w.H.Valid &^= timeBit }, nil, true},
		"clock went back": {func(w *clockRecord) { set(offset)(w); w.ExitNs = 1 }, nil, false},

		"setoffset, µs":        {setOffset(1, 5, 0), &Step{NS: 1_000_005_000, Source: "argument"}, false},
		"setoffset, ns":        {setOffset(0, 5, timex.AdjNano), &Step{NS: 5, Source: "argument"}, false},
		"setoffset, back":      {setOffset(-1, 999_999, 0), &Step{NS: -1000, Source: "argument"}, false},
		"setoffset, too large": {setOffset(math.MaxInt64, 0, 0), nil, false},
		"setoffset, refused":   {func(w *clockRecord) { setOffset(1, 0, 0)(w); w.Ret = -22 }, nil, false},
		"setoffset, no in":     {func(w *clockRecord) { setOffset(1, 0, 0)(w); w.H.Valid &^= inBit }, nil, false},
		"frequency":            {func(*clockRecord) {}, nil, false},
		"warp":                 {func(w *clockRecord) { w.Func, w.H.Valid = 3, retBit }, nil, true},
		"unknown function":     {func(w *clockRecord) { w.Func, w.H.Valid = 99, retBit }, nil, false},

		"entry missed":            {func(w *clockRecord) { set(offset)(w); entryMissed(w) }, nil, true},
		"entry missed, refused":   {func(w *clockRecord) { set(offset)(w); entryMissed(w); w.Ret = -1 }, nil, false},
		"entry missed, setoffset": {func(w *clockRecord) { w.H.Valid &^= inBit; w.Out.Modes = timex.AdjSetOffset; entryMissed(w) }, nil, true},
		"entry missed, frequency": {func(w *clockRecord) { w.H.Valid &^= inBit; entryMissed(w) }, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newClock()
			tt.make(w)
			step, ok := StepOf(w, offset, 40)
			if ok != (tt.want != nil) {
				t.Fatalf("step %+v, %v", step, ok)
			}
			if got := NeedsSample(w); got != tt.sample {
				t.Errorf("needs a sample: %v", got)
			}
			if !ok {
				return
			}
			tt.want.BootNS = w.H.BoottimeNs + 1
			if diff := cmp.Diff(*tt.want, step); diff != "" {
				t.Error(diff)
			}
			got := clockJSON(t, newDecoder(), rawClock(w, tailLen), &step)
			if got["kind"] != "step" || got["step_source"] != step.Source || got["step_ns"] == "" || got["step_error_ns"] == "" {
				t.Errorf("decoded as %v", got)
			}
		})
	}
}

// The numbers of the four calls, as the kernel's tables have them.
func TestSyscalls(t *testing.T) {
	for _, tt := range []struct {
		arch   string
		compat bool
		nr     uint32
		want   string
	}{
		{"x86_64", false, 159, "adjtimex"}, {"x86_64", false, 305, "clock_adjtime"}, {"x86_64", false, 164, "settimeofday"}, {"x86_64", false, 227, "clock_settime"},
		{"x86_64", true, 124, "adjtimex"}, {"x86_64", true, 343, "clock_adjtime"}, {"x86_64", true, 405, "clock_adjtime"}, {"x86_64", true, 79, "settimeofday"}, {"x86_64", true, 264, "clock_settime"}, {"x86_64", true, 404, "clock_settime"},
		{"aarch64", false, 171, "adjtimex"}, {"aarch64", false, 266, "clock_adjtime"}, {"aarch64", false, 170, "settimeofday"}, {"aarch64", false, 112, "clock_settime"},
		{"aarch64", true, 124, "adjtimex"}, {"aarch64", true, 372, "clock_adjtime"}, {"aarch64", true, 405, "clock_adjtime"}, {"aarch64", true, 79, "settimeofday"}, {"aarch64", true, 262, "clock_settime"}, {"aarch64", true, 404, "clock_settime"},
		{"x86_64", false, 124, ""}, {"riscv64", false, 171, ""},
	} {
		d := newDecoder()
		d.Machine.Syscalls = SyscallsOf(tt.arch)
		w := newClock()
		w.SyscallNr = tt.nr
		if tt.compat {
			w.H.Valid |= 1 << bpf.OomtraceWireClockValidWIRE_CLOCK_COMPAT
		}
		expect(t, clockJSON(t, d, rawClock(w, tailLen), nil), map[string]string{"op": tt.want})
	}
}
