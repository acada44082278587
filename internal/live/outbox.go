// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"strings"
	"sync/atomic"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Room of the outbox in events. The last quarter is for OOM events, and for the
// session's end, alone.
const (
	outboxSize     = 1024
	outboxReserved = outboxSize / 4
)

// outbox is the queue before a possibly slow output.
type outbox struct {
	events  chan *event.Event
	dropped atomic.Uint64
}

func newOutbox() *outbox { return &outbox{events: make(chan *event.Event, outboxSize)} }

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
