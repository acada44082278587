// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
)

// Syscalls maps the numbers of one architecture's clock calls to their names.
type Syscalls struct {
	Native, Compat map[uint32]event.ClockOp
}

// SyscallsOf returns the table of an architecture as uname -m names it; empty
// for one that is not known. Native numbers: arch/x86/entry/syscalls/
// syscall_64.tbl, include/uapi/asm-generic/unistd.h; 32-bit ones:
// syscall_32.tbl, arch/arm/tools/syscall.tbl.
func SyscallsOf(arch string) Syscalls {
	switch arch {
	case "x86_64":
		return Syscalls{
			Native: map[uint32]event.ClockOp{159: event.OpAdjtimex, 305: event.OpClockAdjtime, 164: event.OpSettimeofday, 227: event.OpClockSettime},
			Compat: map[uint32]event.ClockOp{124: event.OpAdjtimex, 343: event.OpClockAdjtime, 405: event.OpClockAdjtime, 79: event.OpSettimeofday, 264: event.OpClockSettime, 404: event.OpClockSettime},
		}
	case "aarch64":
		return Syscalls{
			Native: map[uint32]event.ClockOp{171: event.OpAdjtimex, 266: event.OpClockAdjtime, 170: event.OpSettimeofday, 112: event.OpClockSettime},
			Compat: map[uint32]event.ClockOp{124: event.OpAdjtimex, 372: event.OpClockAdjtime, 405: event.OpClockAdjtime, 79: event.OpSettimeofday, 262: event.OpClockSettime, 404: event.OpClockSettime},
		}
	}
	return Syscalls{}
}

// op is the system call that w's task is in; "" when it is none of the four, as
// when a kernel thread sets the clock.
func (s Syscalls) op(w *bpf.OomtraceWireClock) event.ClockOp {
	switch bpf.OomtraceWireClockFunc(w.Func) {
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_ADJTIMEX:
		return event.OpAdjtimex
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_CLOCK_ADJTIME:
		return event.OpClockAdjtime
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_SETTIMEOFDAY:
		return event.OpSettimeofday
	case bpf.OomtraceWireClockFuncWIRE_CLOCK_SYS_CLOCK_SETTIME:
		return event.OpClockSettime
	}
	if !has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_NR) {
		return ""
	}
	if has(w.H.Valid, bpf.OomtraceWireClockValidWIRE_CLOCK_COMPAT) {
		return s.Compat[w.SyscallNr]
	}
	return s.Native[w.SyscallNr]
}
