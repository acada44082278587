// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// hostClock reads clocks as the initial time namespace has them, which is what the
// kernel's records are in: a time namespace shifts the boot clock.
type hostClock struct{ boot func() uint64 }

// sampleOffset reads (REALTIME - BOOTTIME) in nanoseconds, the best of several
// readings each between two of the other clock, and its error bound.
func (c hostClock) sampleOffset() (offset, errorNS int64) {
	errorNS = 1 << 62
	for range 9 {
		before, real, after := int64(c.boot()), realtimeNS(), int64(c.boot())
		if half := (after-before)/2 + 1; half < errorNS {
			errorNS, offset = half, real-(before+after)/2
		}
	}
	return offset, errorNS
}

func realtimeNS() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &ts) // cannot fail with a valid clock
	return ts.Nano()
}

// clockSet tells that the realtime clock was set, by anybody. No timer ever fires:
// the kernel cancels it (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
type clockSet struct {
	file *os.File
	sets chan struct{} // room for one: it stands for all since it was taken
}

// watchClockSet begins to watch. Close ends it.
func watchClockSet() (*clockSet, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create timerfd: %w", err)
	}
	c := &clockSet{file: os.NewFile(uintptr(fd), "timerfd"), sets: make(chan struct{}, 1)}
	if err := c.arm(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// arm arms the timer. ECANCELED says that it is armed and that the clock was set
// once more meanwhile (timerfd_create(2), NOTES).
func (c *clockSet) arm() error {
	conn, err := c.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("use timerfd: %w", err)
	}
	far := unix.ItimerSpec{Value: unix.Timespec{Sec: 1 << 40}}
	var armed error
	err = conn.Control(func(fd uintptr) {
		armed = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &far, nil)
	})
	if errors.Is(armed, unix.ECANCELED) {
		c.tell()
		armed = nil
	}
	if err := errors.Join(err, armed); err != nil {
		return fmt.Errorf("arm timerfd: %w", err)
	}
	return nil
}

func (c *clockSet) tell() {
	select {
	case c.sets <- struct{}{}:
	default:
	}
}

// run tells each set until Close, then returns nil.
func (c *clockSet) run() error {
	buf := make([]byte, 8)
	for {
		_, err := c.file.Read(buf)
		switch {
		case errors.Is(err, os.ErrClosed):
			return nil
		case err != nil && !errors.Is(err, unix.ECANCELED):
			return fmt.Errorf("read timerfd: %w", err)
		}
		if err := c.arm(); err != nil {
			if errors.Is(err, os.ErrClosed) {
				return nil
			}
			return err
		}
		c.tell()
	}
}

// Close implements io.Closer.
func (c *clockSet) Close() error { return c.file.Close() }
