// SPDX-License-Identifier: Apache-2.0

package survive

import (
	"sync/atomic"
	"time"
)

// StallLimit is how long the process stands still at most while a [Pulse] beats.
const StallLimit = 20 * time.Millisecond

// A Pulse keeps a timer pending, since without one the process can stand still
// for a minute or two. It beats from [StartPulse] until Rest, and after that only
// for a moment after each Touch, so that who has nothing to do does not wake up.
//
// From Go 1.26 on (1.27.4 still) a goroutine that enters a system call while the
// world is being stopped, which each garbage collection does twice, can be
// overlooked: reentersyscall (runtime/proc.go) looks for a stop before it says
// that it is in a call. Then everything waits for that call, of which some are
// made to wait for ever, until the runtime's own monitor wakes up: in a minute, or
// when a timer is due.
type Pulse struct {
	// Not one with a channel: that is pending only while its receiver sleeps.
	timer   *time.Timer
	state   atomic.Int32
	resting atomic.Bool
}

// The states of a Pulse.
const (
	still   int32 = iota // no timer is pending
	beating              // one is, the last before it is still
	touched              // one is, and another will be
)

// StartPulse starts one that beats until Rest.
func StartPulse() *Pulse {
	p := &Pulse{}
	p.timer = time.AfterFunc(time.Hour, p.beat)
	p.Touch()
	return p
}

// Rest lets the pulse beat only after Touch from now on.
func (p *Pulse) Rest() { p.resting.Store(true) }

// Touch has the pulse beat once or twice more. It does not allocate.
func (p *Pulse) Touch() {
	if p.state.Swap(touched) == still {
		p.timer.Reset(StallLimit)
	}
}

func (p *Pulse) beat() {
	switch {
	case !p.resting.Load(),
		p.state.CompareAndSwap(touched, beating),
		!p.state.CompareAndSwap(beating, still): // touched meanwhile
		p.timer.Reset(StallLimit)
	}
}
