// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

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
	TID             int // the thread that it is about; 0: none
	// Leader asks whose thread PID is, which may be no process's: /proc has threads, too.
	Leader bool
	UID    *uint32 // whose name is asked for; nil: nobody's
	// PPID and Cgroup are what the caller knows of a process that may be gone, for
	// Parents; 0 and nil: nothing.
	PPID   int
	Cgroup *CgroupRef
	// Daemon asks for TimeDaemon too; Unit is what the caller knows of the unit.
	Daemon bool
	Unit   string
}

// Request is one look-up: of the processes in their order, the one that dies
// first, then of the limit, then of the machine.
type Request struct {
	Tasks []Ref
	// Parents asks for those of the first task.
	Parents bool
	// Nodes asks for those that the cpuset of the last task allows.
	Nodes bool
	// Limit is the cgroup to tell of; nil: none.
	Limit *CgroupRef
	// Machine asks for Memory and Settings, Zones for the memory zones too, and Blocks
	// for how their free memory is divided.
	Machine, Zones, Blocks bool
}

// more says whether there is something to read that may take its time.
func (r *Request) more() bool { return r.Limit != nil || r.Zones }

// Answer is what came of a Request, or a first part of it.
type Answer struct {
	// More says that the rest is still to come: Limit.Stat and Memory.Zones.
	More bool
	// State is that of the first task, where one was asked for.
	State string
	// BoottimeNS is when reading began; 0 if it did not. RestBoottimeNS is that of
	// the rest.
	BoottimeNS, RestBoottimeNS uint64

	Tasks   []TaskAnswer // one for each Ref, unless blocked or off
	Parents []event.Parent
	Limit   *event.Limit // what is read of it: Nodes, Events, HighBytes, …, Stat
	Memory  *event.Memory
	// Settings are the sysctls and the swap space alone.
	Settings *event.Settings
}

// TaskAnswer is what came of a Ref. Err is that of Task.
type TaskAnswer struct {
	Identity Identity
	User     string // known of one that is gone too
	Leader   int    // 0: not asked for, or not known
	Daemon   Daemon
	Err      error
}

// Add adds the next part of the answer.
func (a *Answer) Add(part Answer) {
	if !a.More {
		*a = part
		return
	}
	a.More, a.RestBoottimeNS = part.More, part.RestBoottimeNS
	if part.Limit != nil {
		limit := event.Limit{}
		if a.Limit != nil {
			limit = *a.Limit
		}
		limit.Stat = part.Limit.Stat
		a.Limit = &limit
	}
	if part.Memory != nil {
		memory := event.Memory{}
		if a.Memory != nil {
			memory = *a.Memory
		}
		memory.Zones = part.Memory.Zones
		a.Memory = &memory
	}
}

// AgeMS is how long after an event, in ms, the answer's reading began.
func (a *Answer) AgeMS(eventBoottimeNS uint64) *int64 { return AgeMS(a.BoottimeNS, eventBoottimeNS) }

// RestAgeMS is that of the rest.
func (a *Answer) RestAgeMS(eventBoottimeNS uint64) *int64 {
	return AgeMS(a.RestBoottimeNS, eventBoottimeNS)
}

// AgeMS is how long after an event, in ms, something was read, both on the boot clock;
// nil where it was not.
func AgeMS(read, happened uint64) *int64 {
	if read == 0 {
		return nil
	}
	return event.Ptr((int64(read) - int64(happened)) / int64(time.Millisecond))
}

// Worker looks up processes in a goroutine of its own, one request after the
// other, so that whoever asks is never held up. What may take its time waits until the
// first part of every request is answered. A nil *Worker answers StateOff.
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
	nodes  string // of the rest
}

// NewWorker starts a worker on r that keeps up to queue requests waiting. Close
// ends it.
func NewWorker(r *Reader, queue int) *Worker {
	w := &Worker{reader: r, jobs: make(chan job, queue), done: make(chan struct{})}
	go w.run()
	return w
}

// Ask hands a request in and returns at once. The channel gives one answer, now
// or later, or two parts of it; nobody has to take them.
func (w *Worker) Ask(req Request) <-chan Answer {
	answer := make(chan Answer, 2)
	if w == nil {
		answer <- Answer{State: StateOff}
		return answer
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if !w.closing.Load() {
		select {
		case w.jobs <- job{Request: req, answer: answer}:
			return answer
		default:
		}
	}
	answer <- Answer{State: StateBlocked}
	return answer
}

// Warm goes the way of every look-up once, for this process and the root of the cgroups:
// names, code and buffers are there before memory is gone. Nobody waits for it.
func (w *Worker) Warm() {
	if w == nil {
		return
	}
	root := CgroupRef{Version: w.reader.memcgs.version, Path: "/", ID: rootInode}
	w.Ask(Request{
		Tasks: []Ref{{PID: os.Getpid(), UID: new(uint32)}}, Parents: true, Nodes: true,
		Limit: &root, Machine: true, Zones: true, Blocks: true,
	})
}

// Wait takes the answer if it comes within d. If not, ok is false, and answer
// still gives it later. If only its first part comes, a.More is true, and answer still
// gives the rest.
func Wait(answer <-chan Answer, d time.Duration) (a Answer, ok bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case part := <-answer:
			a.Add(part)
			if !a.More {
				return a, true
			}
			ok = true
		case <-t.C:
			return a, ok
		}
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
	rests := make([]job, 0, cap(w.jobs))
	for {
		j, ok, rest := w.next(&rests)
		switch {
		case !ok:
			return
		case w.closing.Load():
			j.answer <- Answer{State: StateBlocked}
		case rest:
			j.answer <- w.reader.rest(j.Request, j.nodes)
		default:
			a := w.reader.answer(j.Request)
			if a.Limit != nil {
				j.nodes = a.Limit.Nodes
			}
			if j.more() {
				a.More = true
				rests = append(rests, j)
			}
			j.answer <- a
		}
	}
}

// next waits for something to do: the first parts go first, as long as there is room for
// what they leave to do.
func (w *Worker) next(rests *[]job) (j job, ok, rest bool) {
	if len(*rests) == 0 {
		j, ok = <-w.jobs
		return j, ok, false
	}
	if len(*rests) < cap(*rests) {
		select {
		case j, ok = <-w.jobs:
			if ok {
				return j, true, false
			}
		default:
		}
	}
	j = (*rests)[0]
	*rests = (*rests)[:copy(*rests, (*rests)[1:])]
	return j, true, true
}

// rest reads what may take its time.
func (r *Reader) rest(req Request, nodes string) Answer {
	a := Answer{RestBoottimeNS: r.BoottimeNS()}
	if req.Zones {
		if zones := r.zones(nodes, req.Blocks); zones != nil {
			a.Memory = &event.Memory{Zones: zones}
		}
	}
	if req.Limit != nil {
		if dir, err := r.openCgroup(*req.Limit); err == nil {
			if stat := r.cgroupStat(dir, req.Limit.Version); stat != nil {
				a.Limit = &event.Limit{Stat: stat}
			}
			unix.Close(dir)
		}
	}
	return a
}

// answer reads all but the rest.
func (r *Reader) answer(req Request) Answer {
	a := Answer{State: StateOK, BoottimeNS: r.BoottimeNS(), Tasks: make([]TaskAnswer, len(req.Tasks))}
	for i, ref := range req.Tasks {
		t := &a.Tasks[i]
		if ref.UID != nil {
			t.User = r.User(*ref.UID)
		}
		t.Identity, t.Err = r.Task(ref.PID, ref.StartBoottimeNS)
		if t.Err == nil && ref.EventBoottimeNS != 0 && r.startedAfter(&t.Identity, ref.EventBoottimeNS) {
			t.Identity, t.Err = Identity{}, ErrReused
		}
		if t.Err == nil && ref.Leader {
			t.Leader = r.leader(ref.PID)
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
	if req.Parents && len(a.Tasks) > 0 {
		a.Parents = r.parentsOf(req.Tasks[0], &a.Tasks[0])
	}
	var limit event.Limit
	if req.Nodes && len(req.Tasks) > 0 {
		limit.Nodes, _ = r.memsAllowed(req.Tasks[len(req.Tasks)-1])
	}
	if req.Limit != nil {
		if dir, err := r.openCgroup(*req.Limit); err == nil {
			r.cgroupLimits(dir, req.Limit.Version, &limit)
			unix.Close(dir)
		}
	}
	if limit != (event.Limit{}) {
		a.Limit = &limit
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
