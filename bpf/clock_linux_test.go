// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	inBit      = 1 << OomtraceWireClockValidWIRE_CLOCK_IN
	outBit     = 1 << OomtraceWireClockValidWIRE_CLOCK_OUT
	timeBit    = 1 << OomtraceWireClockValidWIRE_CLOCK_TIME
	noEntryBit = 1 << OomtraceWireClockValidWIRE_CLOCK_NO_ENTRY
)

// call is what a record says of a call.
type call struct {
	function OomtraceWireClockFunc
	in, out  uint32 // modes
	nsec     int64
	valid    uint64 // of the bits above
}

func (k *kernel) calls() (out []call) {
	for _, w := range records[OomtraceWireClock](k, "clock_ring") {
		out = append(out, call{OomtraceWireClockFunc(w.Func), w.In.Modes, w.Out.Modes, w.Nsec, w.H.Valid & (inBit | outBit | timeBit | noEntryBit)})
	}
	return out
}

// The kernel's functions, whose return knows nearly all.
func TestClockFunctions(t *testing.T) {
	k := boot(t, nil, "adjtimex_fentry", "adjtimex_fexit", "settime_fentry", "settime_fexit", "warp_fentry", "warp_fexit")
	const adj, set, warp = OomtraceWireClockFuncWIRE_CLOCK_DO_ADJTIMEX, OomtraceWireClockFuncWIRE_CLOCK_DO_SETTIMEOFDAY64, OomtraceWireClockFuncWIRE_CLOCK_WARP
	tx := k.make("__kernel_timex", map[string]uint64{"modes": 2})
	ts := k.make("timespec64", map[string]uint64{"tv_nsec": 7})

	k.run("adjtimex_fentry", tx)
	k.run("adjtimex_fexit", tx, 0)
	k.run("adjtimex_fexit", tx, 0)
	equal(t, "adjtimex", k.calls(), call{adj, 2, 2, 0, inBit | outBit}, call{adj, 0, 2, 0, outBit | noEntryBit})

	k.run("settime_fentry", ts)
	k.run("settime_fexit", ts, 0)
	k.run("settime_fexit", ts, 0)
	equal(t, "settimeofday", k.calls(), call{set, 0, 0, 7, timeBit}, call{set, 0, 0, 7, timeBit | noEntryBit})

	k.run("warp_fentry")
	k.run("warp_fexit")
	k.run("warp_fexit")
	equal(t, "warp", k.calls(), call{warp, 0, 0, 0, 0}, call{warp, 0, 0, 0, noEntryBit})

	// An entry whose return was missed is not the next call's.
	k.run("adjtimex_fentry", tx)
	k.run("warp_fexit")
	k.run("adjtimex_fentry", tx)
	k.set("__kernel_timex", tx, map[string]uint64{"modes": 0x4000})
	k.run("adjtimex_fexit", tx, 0)
	k.run("adjtimex_fentry", tx)
	k.set("__kernel_timex", tx, map[string]uint64{"modes": 0})
	k.run("adjtimex_fexit", tx, 0) // a read
	equal(t, "left behind", k.calls(), call{warp, 0, 0, 0, noEntryBit}, call{adj, 2, 0x4000, 0, outBit | noEntryBit})
}

// Arguments in user memory, where the runtime does not move them.
var (
	userTimex   unix.Timex
	userTimeval unix.Timeval
)

// The system calls, whose return knows nothing, with arguments in user memory.
func TestClockSyscalls(t *testing.T) {
	k := boot(t, nil, "sys_adjtimex", "sys_clock_adjtime", "sys_settimeofday", "sys_clock_settime", "sys_exit_clock")
	const adj, clockAdj, set = OomtraceWireClockFuncWIRE_CLOCK_SYS_ADJTIMEX, OomtraceWireClockFuncWIRE_CLOCK_SYS_CLOCK_ADJTIME, OomtraceWireClockFuncWIRE_CLOCK_SYS_SETTIMEOFDAY
	enter := func(program string, args ...uint64) {
		k.run(program, append([]uint64{0, 0}, args...)...)
	}
	exit := func(nr uint64) { k.run("sys_exit_clock", 0, nr|0xdead<<32, 0) } // behind an int there is anything
	tx, tv := &userTimex, &userTimeval
	tx.Modes, tv.Usec = 2, 7
	at, tvAt := uint64(uintptr(unsafe.Pointer(tx))), uint64(uintptr(unsafe.Pointer(tv)))

	enter("sys_adjtimex", at)
	exit(unix.SYS_ADJTIMEX)
	enter("sys_settimeofday", tvAt, 0)
	exit(unix.SYS_SETTIMEOFDAY)
	equal(t, "told", k.calls(), call{adj, 2, 2, 0, inBit | outBit}, call{set, 0, 0, 7000, timeBit})

	// Another thread writes to the argument meanwhile.
	enter("sys_clock_adjtime", 0, at)
	tx.Modes = 0
	exit(unix.SYS_CLOCK_ADJTIME)
	equal(t, "modes changed", k.calls(), call{clockAdj, 2, 0, 0, inBit | outBit})

	// What is left of a call whose return was missed belongs to none that follows.
	tx.Modes = 2
	for _, next := range []func(){
		func() { exit(unix.SYS_CLOCK_ADJTIME) },
		func() { tx.Modes = 0; enter("sys_adjtimex", at); tx.Modes = 2; exit(unix.SYS_ADJTIMEX) },
		func() { enter("sys_clock_adjtime", 1, at); exit(unix.SYS_CLOCK_ADJTIME) },
		func() { enter("sys_clock_settime", 1, tvAt); exit(unix.SYS_CLOCK_SETTIME) },
		func() { enter("sys_settimeofday", 0, tvAt); exit(unix.SYS_SETTIMEOFDAY) },
	} {
		enter("sys_adjtimex", at)
		next()
		exit(unix.SYS_ADJTIMEX)
		equal(t, "left behind", k.calls())
	}
}
