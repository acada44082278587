// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Room of an outbox in events. The last quarter is for OOM events, and for the
// session's end, alone.
const (
	outboxSize     = 1024
	outboxReserved = outboxSize / 4
)

// stuckAfter is how long, at the session's end, an output may take nothing.
const stuckAfter = 2 * time.Second

// ErrStuck says that an output did not take what was left at the end. It may still
// be inside its last write: it must not be closed.
var ErrStuck = errors.New("the output does not take them; they are lost")

// outbox is the queue before a possibly slow output, which has a goroutine of its
// own: one that hangs holds up no other.
type outbox struct {
	take    func(*event.Event) error
	hold    Holder // nil: everything comes with its event
	events  chan *event.Event
	dropped atomic.Uint64
	taken   atomic.Uint64
	ended   chan error // what ended it, once
}

func newOutbox(take func(*event.Event) error, hold Holder) *outbox {
	return &outbox{take: take, hold: hold, events: make(chan *event.Event, outboxSize), ended: make(chan error, 1)}
}

// hasRoom says whether any event would be taken.
func (o *outbox) hasRoom() bool { return len(o.events) < outboxSize-outboxReserved }

// push never blocks; false when e was dropped. One goroutine pushes.
func (o *outbox) push(e *event.Event) bool {
	reserved := strings.HasPrefix(string(e.Type), "oom.") || e.Type == event.TypeSessionEnd
	if !reserved && !o.hasRoom() {
		o.dropped.Add(1)
		return false
	}
	select {
	case o.events <- e:
		return true
	default:
		o.dropped.Add(1)
		return false
	}
}

// run hands events on until close. After an error, which failed is told at once,
// the rest is taken and thrown away.
func (o *outbox) run(failed func(error)) {
	var err error
	note := func(e error) {
		if err = e; err != nil {
			failed(err)
		}
	}
	var due time.Duration // when quiet fires, which runs only while something is held
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	for {
		select {
		case e, more := <-o.events:
			if !more {
				o.ended <- err
				return
			}
			if err == nil {
				note(o.take(e))
			}
			o.taken.Add(1)
		case <-quiet.C:
			note(o.hold.Quiet(due))
		}
		if o.hold == nil {
			continue
		}
		if due = o.hold.Due(); due > 0 && err == nil {
			quiet.Reset(due)
		} else {
			quiet.Stop()
		}
	}
}

// close waits until everything is out, for as long as something still goes out.
func (o *outbox) close() error {
	close(o.events)
	for {
		before := o.taken.Load()
		select {
		case err := <-o.ended:
			return err
		case <-time.After(stuckAfter):
			if o.taken.Load() == before {
				return ErrStuck
			}
		}
	}
}
