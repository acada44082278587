// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/leadup"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// SampleLeast is the shortest time between samples.
const SampleLeast = time.Second

// FactPressure is when tasks wait for memory.
const FactPressure = "pressure"

const (
	// sampleShare is the part of the time that reading samples may take of one
	// processor, half of what they may cost: to wake up and to tell of one takes some
	// 2 ms more.
	sampleShare = 2000
	// sampleBudget is what a sample may take while memory stalls, and
	// sampleBudgetLeast at the least.
	sampleBudget      = 10 * time.Millisecond
	sampleBudgetLeast = 4 * time.Millisecond
	// sampleBudgetFirst is for a first look: most is new to it.
	sampleBudgetFirst = 50 * time.Millisecond
	// sampleStale is after how long without a sample the next is a first look.
	sampleStale = 2 * time.Minute
)

// sampling takes samples, in a goroutine of its own that /proc may hold up, and
// answers from memory what led up to a kill. A nil *sampling takes none.
type sampling struct {
	every   time.Duration // 0: while memory stalls only
	sampler *procsnap.Sampler
	stalls  *procsnap.StallTrigger // nil, with stallsErr: not to be had
	// stallsErr counts when samples are asked for.
	stallsErr error
	ready     <-chan struct{} // closed once there is time for samples
	wake      int             // an eventfd, to end
	quit      chan struct{}
	done      chan struct{} // nil: not started
	taken     chan takenSample

	mu      sync.Mutex // while history is changed, by run alone, and while others read it
	history leadup.History
}

// takenSample is one for the pump to tell of.
type takenSample struct {
	boot   uint64
	sample *event.Sample
}

// openSampling prepares the samples: each o.Sample, and when memory stalls.
func (s *session) openSampling() error {
	o := s.opts
	if o.Tracer.NoOOM || o.Sample < 0 {
		return nil
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("prepare samples: %w", err)
	}
	stalls, stallsErr := s.reader.WatchStalls()
	if stalls == nil && o.Sample == 0 {
		unix.Close(wake)
		return nil
	}
	s.sampling = &sampling{
		every: o.Sample, stalls: stalls, stallsErr: stallsErr, ready: s.symbols, wake: wake,
		sampler: procsnap.NewSampler(s.reader, s.worker != nil),
		quit:    make(chan struct{}), taken: make(chan takenSample),
	}
	return nil
}

// hooks is what session.start tells of it.
func (s *sampling) hooks() []event.Hook {
	switch {
	case s == nil:
		return nil // nobody asked
	case s.stalls == nil:
		return []event.Hook{{Fact: FactPressure, Reason: s.stallsErr.Error()}}
	}
	return []event.Hook{{Fact: FactPressure, Method: s.stalls.Method(), OK: true}}
}

// ms is the time between samples, where there is one.
func (s *sampling) ms() *int64 {
	if s == nil || s.every == 0 {
		return nil
	}
	return event.Ptr(s.every.Milliseconds())
}

// samples gives the samples to tell of.
func (s *sampling) samples() <-chan takenSample {
	if s == nil {
		return nil
	}
	return s.taken
}

// brief is what led up to the kill. It does not wait for a sample under way.
func (s *sampling) brief(k *event.Kill, boot uint64) *event.LeadUp {
	if s == nil {
		return &event.LeadUp{State: event.LeadUpNotSampled}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.Brief(k, boot)
}

func (s *sampling) start() {
	if s == nil {
		return
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		s.run()
	}()
}

// run takes samples until close. No timer runs unless samples are asked for: the
// kernel wakes it, once a window for as long as memory stalls.
func (s *sampling) run() {
	select {
	case <-s.ready:
	case <-s.quit:
		return
	}
	if s.every == 0 {
		// What it takes is in memory, and locked, before memory stalls.
		sample := s.sampler.Sample(sampleBudget)
		s.mu.Lock()
		s.history.Add(sample)
		s.history = leadup.History{}
		s.mu.Unlock()
	}
	fds := []unix.PollFd{{Fd: int32(s.wake), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLPRI}}
	if s.stalls != nil {
		fds[1].Fd = int32(s.stalls.FD())
	}
	var last time.Time // of the last sample
	due := time.Now()
	for {
		timeout := -1
		if s.every > 0 {
			timeout = int(max(0, time.Until(due)+time.Millisecond-1) / time.Millisecond)
		}
		n, err := unix.Poll(fds, timeout)
		reason, budget := event.SampleInterval, max(s.every/sampleShare, sampleBudgetLeast)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil, fds[0].Revents != 0:
			return
		case fds[1].Revents&unix.POLLPRI != 0:
			if !s.stalls.Stalled() {
				continue
			}
			reason, budget = event.SamplePressure, max(budget, sampleBudget)
		case n > 0: // the trigger is no more
			fds[1].Fd = -1
			continue
		}
		now := time.Now()
		if now.Sub(last) > max(sampleStale, 2*s.every) {
			budget = max(budget, sampleBudgetFirst)
		}
		last = now
		if !due.After(now) {
			due = now.Add(s.every)
		}
		if !s.take(reason, budget) {
			return
		}
	}
}

// take takes one sample; false when that is over.
func (s *sampling) take(reason event.SampleReason, budget time.Duration) bool {
	sample := s.sampler.Sample(budget)
	s.mu.Lock()
	s.history.Add(sample)
	s.mu.Unlock()
	// Not under the lock: for this it takes memory, which may have to wait for some.
	told := takenSample{sample.BoottimeNS, s.history.Sample(sample, reason)}
	select {
	case s.taken <- told:
		return true
	case <-s.quit:
		return false
	}
}

// close ends it, unless the kernel holds it for longer than ctx.
func (s *sampling) close(ctx context.Context) {
	if s == nil {
		return
	}
	if s.done != nil {
		close(s.quit)
		if _, err := unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			return // it cannot happen; it stays behind
		}
		select {
		case <-s.done:
		case <-ctx.Done():
			return // it still uses them
		}
	}
	s.sampler.Close()
	if s.stalls != nil {
		s.stalls.Close()
	}
	unix.Close(s.wake)
}

// sampled tells of a sample.
func (p *pump) sampled(t takenSample) {
	e := p.event(event.TypeSample, 0, t.boot, event.SourceProc)
	e.Sample = t.sample
	p.emit(e)
}
