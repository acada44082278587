// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// tracefs runs what needs /sys/kernel/tracing. Where nobody mounted it, a mount
// is made in a mount namespace that one thread has to itself: no other process
// ever sees it, and it goes with the thread.
type tracefs struct {
	work chan func() // to the thread with the private mount, if there is one
	err  error
}

const tracefsPath = "/sys/kernel/tracing"

func tracefsRoots() []string { return []string{tracefsPath, "/sys/kernel/debug/tracing"} }

func tracefsMounted() bool {
	for _, path := range tracefsRoots() {
		var st unix.Statfs_t
		if unix.Statfs(path, &st) == nil && st.Type == unix.TRACEFS_MAGIC {
			return true
		}
	}
	return false
}

// do runs f where tracefs can be read.
func (fs *tracefs) do(f func() error) error {
	if fs.work == nil && fs.err == nil && !tracefsMounted() {
		fs.start()
	}
	if fs.err != nil {
		return fs.err
	}
	if fs.work == nil {
		return f()
	}
	done := make(chan error)
	fs.work <- func() { done <- f() }
	return <-done
}

func (fs *tracefs) start() {
	work := make(chan func())
	ready := make(chan error)
	go func() {
		// Never unlocked: the thread, whose namespace nobody should get, ends
		// with the goroutine.
		runtime.LockOSThread()
		ready <- mountPrivately()
		for f := range work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		close(work)
		fs.err = err
		return
	}
	fs.work = work
}

func mountPrivately() error {
	const advice = "tracefs is not mounted; mount -t tracefs tracefs " + tracefsPath
	if _, err := os.Stat(tracefsPath); err != nil {
		return fmt.Errorf("%w: this kernel has no tracefs", ErrNotSupported)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("%s (or give CAP_SYS_ADMIN): %w", advice, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("%s: make mounts private: %w", advice, err)
	}
	if err := unix.Mount("tracefs", tracefsPath, "tracefs", 0, ""); err != nil {
		return fmt.Errorf("%s: %w", advice, err)
	}
	return nil
}

func (fs *tracefs) close() {
	if fs.work != nil {
		close(fs.work)
		fs.work = nil
	}
}

// havePMU says whether the kernel has a dynamic perf PMU of that name.
func havePMU(name string) bool {
	_, err := os.Stat("/sys/bus/event_source/devices/" + name)
	return err == nil
}
