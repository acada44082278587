// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// What came of a look-up, as event.SnapshotState tells it. Late is for the caller
// to say, when it did not wait for the answer.
const (
	StateOK      = "ok"
	StateLate    = "late"
	StateGone    = "gone"
	StateBlocked = "blocked" // could not be read: the worker hangs or is closed, or the system refused
	StateOff     = "off"     // there is no worker: nothing is looked up
)

// Ref names a process to look up.
type Ref struct {
	PID             int
	StartBoottimeNS uint64 // 0: not known
	// EventBoottimeNS is when the process was seen; where its start is not known,
	// one that began later is another.
	EventBoottimeNS uint64
	// Daemon asks for TimeDaemon too; Unit is what the caller knows of the unit.
	Daemon bool
	Unit   string
}

// Request is one look-up: of the processes in their order, the one that dies
// first, then of the machine.
type Request struct {
	Tasks []Ref
	// Machine asks for Memory and Settings.
	Machine bool
}

// Answer is what came of a Request.
type Answer struct {
	// State is that of the first task, where one was asked for.
	State string
	// BoottimeNS is when reading began; 0 if it did not.
	BoottimeNS uint64
	Tasks      []TaskAnswer // one for each Ref, unless blocked or off
	Memory     *event.Memory
	// Settings are the sysctls and the swap space alone.
	Settings *event.Settings
}

// TaskAnswer is what came of a Ref. Err is that of Task.
type TaskAnswer struct {
	Identity Identity
	Daemon   Daemon
	Err      error
}

// AgeMS is how long after an event, in ms, the answer's reading began.
func (a *Answer) AgeMS(eventBoottimeNS uint64) *int64 {
	if a.BoottimeNS == 0 {
		return nil
	}
	return event.Ptr((int64(a.BoottimeNS) - int64(eventBoottimeNS)) / int64(time.Millisecond))
}

// Worker looks up processes in a goroutine of its own, one request after the
// other, so that whoever asks is never held up. A nil *Worker answers StateOff.
type Worker struct {
	reader  *Reader
	jobs    chan job
	done    chan struct{}
	closing atomic.Bool
	mu      sync.RWMutex // jobs is not closed while it is sent to
}

type job struct {
	Request
	answer chan<- Answer
}

// NewWorker starts a worker on r that keeps up to queue requests waiting. Close
// ends it.
func NewWorker(r *Reader, queue int) *Worker {
	w := &Worker{reader: r, jobs: make(chan job, queue), done: make(chan struct{})}
	go w.run()
	return w
}

// Ask hands a request in and returns at once. The channel gives one answer, now
// or later; nobody has to take it.
func (w *Worker) Ask(req Request) <-chan Answer {
	answer := make(chan Answer, 1)
	if w == nil {
		answer <- Answer{State: StateOff}
		return answer
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if !w.closing.Load() {
		select {
		case w.jobs <- job{req, answer}:
			return answer
		default:
		}
	}
	answer <- Answer{State: StateBlocked}
	return answer
}

// Wait takes the answer if it comes within d. If not, ok is false, and answer
// still gives it later.
func Wait(answer <-chan Answer, d time.Duration) (a Answer, ok bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case a = <-answer:
		return a, true
	case <-t.C:
		return Answer{}, false
	}
}

// Close lets the request at hand end and answers the waiting ones with
// StateBlocked. It returns ctx's error when the kernel holds the worker for
// longer than ctx; the goroutine then ends when the kernel lets go.
func (w *Worker) Close(ctx context.Context) error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	if !w.closing.Swap(true) {
		close(w.jobs)
	}
	w.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close /proc worker: %w", ctx.Err())
	}
}

func (w *Worker) run() {
	defer close(w.done)
	for j := range w.jobs {
		if w.closing.Load() {
			j.answer <- Answer{State: StateBlocked}
			continue
		}
		j.answer <- w.reader.answer(j.Request)
	}
}

func (r *Reader) answer(req Request) Answer {
	a := Answer{State: StateOK, BoottimeNS: r.BoottimeNS(), Tasks: make([]TaskAnswer, len(req.Tasks))}
	for i, ref := range req.Tasks {
		t := &a.Tasks[i]
		t.Identity, t.Err = r.Task(ref.PID, ref.StartBoottimeNS)
		if t.Err == nil && ref.EventBoottimeNS != 0 && r.startedAfter(&t.Identity, ref.EventBoottimeNS) {
			t.Identity, t.Err = Identity{}, ErrReused
		}
		if t.Err == nil && ref.Daemon {
			// Gone in between: who it was is known nevertheless.
			t.Daemon, _ = r.TimeDaemon(ref.PID, ref.StartBoottimeNS, ref.Unit)
		}
	}
	if len(a.Tasks) > 0 && a.Tasks[0].Err != nil {
		a.State = StateGone
		if err := a.Tasks[0].Err; !errors.Is(err, ErrGone) && !errors.Is(err, ErrReused) {
			a.State = StateBlocked
		}
	}
	if req.Machine {
		a.Settings = r.sysctls()
		// Without it the answer still serves.
		if a.Memory, _ = r.Memory(); a.Memory != nil {
			a.Settings.SwapTotalBytes = a.Memory.SwapTotalBytes
		}
	}
	return a
}
