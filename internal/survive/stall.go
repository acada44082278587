// SPDX-License-Identifier: Apache-2.0

package survive

import (
	"sync/atomic"
	"time"
)

// StallLimit is how long the process stands still at most while a timer is
// pending: see [Unstick].
const StallLimit = 20 * time.Millisecond

// Unstick keeps a timer pending until stop is called, since without one the
// process can stand still for a minute or two.
//
// From Go 1.26 on (1.27.4 still) a goroutine that enters a system call while the
// world is being stopped, which each garbage collection does twice, can be
// overlooked: reentersyscall looks for a stop before it says that it is in a call.
// Then everything waits for that call, of which some are made to wait for ever,
// until the runtime's own monitor wakes up: in a minute, or when a timer is due.
func Unstick() (stop func()) {
	var stopped atomic.Bool
	var tick func()
	tick = func() {
		if !stopped.Load() {
			time.AfterFunc(StallLimit, tick)
		}
	}
	tick()
	return func() { stopped.Store(true) }
}
