// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/timeline"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// thisMachine is what tells its logs from others'; nil when that cannot be read.
func thisMachine(now time.Time) *timeline.Machine {
	reader, err := procsnap.New(procsnap.Options{})
	if err != nil {
		return nil
	}
	m := &timeline.Machine{Host: *reader.Host(), Zone: time.Local}
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) == nil && unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) == nil {
		m.Booted = now.Add(-time.Duration(boot.Nano()))
		m.Suspended = max(0, time.Duration(boot.Nano()-mono.Nano())).Round(time.Millisecond)
	}
	return m
}
