// SPDX-License-Identifier: Apache-2.0

// Package boottime turns boot-clock times into wall-clock times with the offset
// (REALTIME - BOOTTIME) that was in force then. The offset changes only when
// the clock is set: slewing and suspend leave it alone, since both clocks run
// at one rate and count suspended time.
package boottime

import (
	"sync"
	"time"
)

// maxSteps bounds the memory; older steps are forgotten, the newest kept.
const maxSteps = 256

// Offsets knows the offset at every time since it was made. It is safe for
// concurrent use.
type Offsets struct {
	mu    sync.Mutex
	steps []step // ascending in time; the first is the start
}

type step struct {
	boot   uint64 // from then on
	offset int64
}

// New starts with an offset in nanoseconds.
func New(offset int64) *Offsets {
	return &Offsets{steps: []step{{0, offset}}}
}

// At returns the offset in force at boot.
func (o *Offsets) At(boot uint64) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.steps) - 1; i > 0; i-- {
		if o.steps[i].boot <= boot {
			return o.steps[i].offset
		}
	}
	return o.steps[0].offset
}

// Time returns the wall-clock time at boot.
func (o *Offsets) Time(boot uint64) time.Time {
	return time.Unix(0, int64(boot)+o.At(boot)).UTC()
}

// Set records that from boot on the offset was offset. Steps may come a little
// out of order; those after it stay.
func (o *Offsets) Set(boot uint64, offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := len(o.steps)
	for i > 0 && o.steps[i-1].boot > boot {
		i--
	}
	o.steps = append(o.steps, step{})
	copy(o.steps[i+1:], o.steps[i:])
	o.steps[i] = step{boot, offset}
	if len(o.steps) > maxSteps {
		o.steps = append(o.steps[:0], o.steps[len(o.steps)-maxSteps/2:]...)
	}
}

// Last returns the newest offset.
func (o *Offsets) Last() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.steps[len(o.steps)-1].offset
}
