// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// sampleOffset reads (REALTIME - BOOTTIME) in nanoseconds, the best of several
// readings each between two of the other clock, and its error bound.
func sampleOffset() (offset, errorNS int64) {
	errorNS = 1 << 62
	for range 9 {
		before, real, after := now(unix.CLOCK_BOOTTIME), now(unix.CLOCK_REALTIME), now(unix.CLOCK_BOOTTIME)
		if half := (after-before)/2 + 1; half < errorNS {
			errorNS, offset = half, real-(before+after)/2
		}
	}
	return offset, errorNS
}

// BoottimeNS is the boot clock now.
func boottimeNS() uint64 { return uint64(now(unix.CLOCK_BOOTTIME)) }

func now(clock int32) int64 {
	var ts unix.Timespec
	if unix.ClockGettime(clock, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// watchClockSet calls set each time the realtime clock is set by anybody, from
// its own goroutine, until ctx ends. No timer ever fires: the kernel cancels it
// (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
func watchClockSet(ctx context.Context, set func()) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("create timerfd: %w", err)
	}
	f := os.NewFile(uintptr(fd), "timerfd")
	conn, err := f.SyscallConn()
	if err != nil {
		return errors.Join(fmt.Errorf("use timerfd: %w", err), f.Close())
	}
	arm := func() error {
		far := unix.ItimerSpec{Value: unix.Timespec{Sec: 1 << 40}}
		var armed error
		err := conn.Control(func(fd uintptr) {
			armed = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &far, nil)
		})
		return errors.Join(err, armed)
	}
	if err := arm(); err != nil {
		return errors.Join(fmt.Errorf("arm timerfd: %w", err), f.Close())
	}
	go func() {
		stop := context.AfterFunc(ctx, func() { _ = f.Close() })
		defer stop()
		buf := make([]byte, 8)
		for {
			_, err := f.Read(buf)
			if err != nil && !errors.Is(err, unix.ECANCELED) || arm() != nil {
				return
			}
			set()
		}
	}()
	return nil
}
