// SPDX-License-Identifier: Apache-2.0

//go:build linux

package devkmsg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Clock reads local_clock(), which the log's stamps are of. It is no clock of
// clock_gettime(2): it is not slewed, stands still in suspend, and begins some moment
// before the boot clock or after it. But perf events have their times from it
// (perf_event_clock, kernel/events/core.c), also the one that tells of a thread's name
// being set. So a reading is to set the name to what it is.
//
// A nil Clock can tell nothing.
type Clock struct {
	fd   int
	ring []byte // one page of control, one of records
	name [16]byte
}

// OpenClock prepares a Clock that is good on this thread alone, which the caller has locked.
// What the kernel may lack, or not permit, is perf_event_open(2).
func OpenClock() (*Clock, error) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY,
		Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample_type: unix.PERF_SAMPLE_TIME,
		Bits:        unix.PerfBitComm | unix.PerfBitSampleIDAll | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open a perf event: %w", err)
	}
	c := &Clock{fd: fd}
	if c.ring, err = unix.Mmap(fd, 0, 2*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("map a perf event: %w", err)
	}
	err = unix.Prctl(unix.PR_GET_NAME, uintptr(unsafe.Pointer(&c.name)), 0, 0, 0)
	if _, ok := c.Now(); err != nil || !ok {
		return nil, errors.Join(err, errors.New("a perf event tells no time"), c.Close())
	}
	return c, nil
}

// Now is the clock's time in nanoseconds; false if that cannot be told.
func (c *Clock) Now() (ns uint64, ok bool) {
	if c == nil || unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&c.name)), 0, 0, 0) != nil {
		return 0, false
	}
	page := (*unix.PerfEventMmapPage)(unsafe.Pointer(&c.ring[0]))
	head := atomic.LoadUint64(&page.Data_head)
	if head == page.Data_tail {
		return 0, false
	}
	// A record is whole words, of which the time is the last.
	records := c.ring[len(c.ring)/2:]
	ns = binary.NativeEndian.Uint64(records[(head-8)%uint64(len(records)):])
	atomic.StoreUint64(&page.Data_tail, head)
	return ns, true
}

// Steady says whether the clock is known to be one for all CPUs. Where the kernel found its
// counter not to be (sched_clock_stable, kernel/sched/clock.c; "Marking TSC unstable"), each
// CPU has a clock of its own, held within a tick of the boot clock. A perf event's page has
// cap_user_time for a counter that is (arch_perf_update_userpage); not under kvm-clock, of
// which nothing is said.
func (c *Clock) Steady() bool {
	const capUserTime = 1 << 3
	return c != nil && atomic.LoadUint64(&(*unix.PerfEventMmapPage)(unsafe.Pointer(&c.ring[0])).Capabilities)&capUserTime != 0
}

// Close implements io.Closer.
func (c *Clock) Close() error {
	if c == nil {
		return nil
	}
	return errors.Join(unix.Munmap(c.ring), unix.Close(c.fd))
}
