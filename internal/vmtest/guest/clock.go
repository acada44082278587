// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// clock OP [flags]: one change of the clock; prints a scenario.ClockResult. OP
// is settimeofday, clock_settime, setoffset, slew or pll (with -by), frequency
// (-ppm), tick (-tick), warp (the first time zone after the boot, an hour west) or
// read.
func clock(args []string) error {
	f := flag.NewFlagSet("clock", flag.ContinueOnError)
	step := f.Duration("by", 0, "step or slew by this much")
	ppm := f.Float64("ppm", 0, "frequency offset, parts per million")
	tick := f.Int64("tick", 0, "µs between two ticks")
	if len(args) == 0 {
		return errors.New("clock: want an operation")
	}
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if err := setComm([]byte("clk-" + args[0][:min(len(args[0]), 11)])); err != nil {
		return err
	}
	var call func() error
	adjust := func(tx unix.Timex) func() error {
		return func() error { _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); return err }
	}
	switch args[0] {
	case "settimeofday":
		call = func() error {
			tv := unix.NsecToTimeval(realtime() + step.Nanoseconds())
			return unix.Settimeofday(&tv)
		}
	case "clock_settime":
		call = func() error {
			ts := unix.NsecToTimespec(realtime() + step.Nanoseconds())
			return unix.ClockSettime(unix.CLOCK_REALTIME, &ts)
		}
	case "setoffset":
		// With ADJ_NANO the microseconds field holds nanoseconds; it may not
		// be negative.
		tv := unix.Timeval{Sec: step.Nanoseconds() / 1e9, Usec: step.Nanoseconds() % 1e9}
		if tv.Usec < 0 {
			tv.Sec, tv.Usec = tv.Sec-1, tv.Usec+1e9
		}
		call = adjust(unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO, Time: tv})
	case "slew":
		tx := unix.Timex{Modes: unix.ADJ_OFFSET_SINGLESHOT, Offset: step.Microseconds()}
		call = func() error { _, err := unix.Adjtimex(&tx); return err }
	case "pll":
		call = adjust(unix.Timex{Modes: unix.ADJ_OFFSET | unix.ADJ_STATUS | unix.ADJ_NANO, Status: unix.STA_PLL, Offset: step.Nanoseconds()})
	case "frequency":
		call = adjust(unix.Timex{Modes: unix.ADJ_FREQUENCY, Freq: int64(*ppm * 65536)})
	case "tick":
		call = adjust(unix.Timex{Modes: unix.ADJ_TICK, Tick: *tick})
	case "warp":
		call = func() error {
			zone := [2]int32{60, 0} // struct timezone
			if _, _, errno := unix.Syscall(unix.SYS_SETTIMEOFDAY, 0, uintptr(unsafe.Pointer(&zone)), 0); errno != 0 {
				return errno
			}
			return nil
		}
	case "read":
		call = adjust(unix.Timex{})
	default:
		return fmt.Errorf("clock: unknown operation %q", args[0])
	}
	r := scenario.ClockResult{PID: os.Getpid(), UID: os.Getuid(), BeforeNS: offset(), StartNS: boottime()}
	err := call()
	r.EndNS, r.AfterNS = boottime(), offset()
	var errno unix.Errno
	if errors.As(err, &errno) {
		r.Errno = unix.ErrnoName(errno)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func realtime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &ts) // cannot fail with a valid clock
	return ts.Nano()
}

// offset returns REALTIME − BOOTTIME in nanoseconds: the narrowest of several
// bracketed readings.
func offset() int64 {
	best, width := int64(0), int64(1<<62)
	for range 16 {
		a := boottime()
		now := realtime()
		b := boottime()
		if b-a < width {
			best, width = now-a-(b-a)/2, b-a
		}
	}
	return best
}

// storm [flags]: threads call clock_adjtime as fast as they can until SIGTERM;
// prints a scenario.StormResult. A call sets the frequency to the one it has, so nothing
// changes; with -read it sets nothing.
func storm(args []string) error {
	f := flag.NewFlagSet("storm", flag.ContinueOnError)
	threads := f.Int("threads", 2, "threads that call")
	most := f.Int("most", 1_000_000, "calls a thread makes at most")
	read := f.Bool("read", false, "only read the clock's state")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := setComm([]byte("clk-storm")); err != nil {
		return err
	}
	state := unix.Timex{}
	if _, err := unix.Adjtimex(&state); err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	call := unix.Timex{Modes: unix.ADJ_FREQUENCY, Freq: state.Freq}
	if *read {
		call.Modes = 0
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM)
	var over atomic.Bool
	go func() {
		<-term
		over.Store(true)
	}()
	results := make(chan scenario.StormResult)
	for range *threads {
		go func() {
			runtime.LockOSThread()
			var r scenario.StormResult
			for r.Issued < uint64(*most) && !over.Load() {
				tx := call
				if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); err != nil {
					r.Failed++
				}
				r.Issued++
			}
			results <- r
		}()
	}
	fmt.Println("ready")
	var sum scenario.StormResult
	for range *threads {
		r := <-results
		sum.Issued += r.Issued
		sum.Failed += r.Failed
	}
	return json.NewEncoder(os.Stdout).Encode(sum)
}
