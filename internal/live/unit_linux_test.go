// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/boottime"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/incident"
	"github.com/oomtrace/oomtrace/decode/timex"
	"github.com/oomtrace/oomtrace/decode/wire"
	"github.com/oomtrace/oomtrace/internal/survive"
	"github.com/oomtrace/oomtrace/internal/testenv"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// The last quarter is kept for OOM events and for the end; what does not fit is
// counted.
func TestOutbox(t *testing.T) {
	o := newOutbox(nil, nil)
	push := func(typ event.Type) bool { return o.push(&event.Event{Type: typ}) }
	n := 0
	for push(event.TypeClockAdjust) {
		n++
	}
	if n != outboxSize-outboxReserved || o.hasRoom() {
		t.Errorf("%d clock events fit, room %v", n, o.hasRoom())
	}
	if push(event.TypeLost) || push(event.TypeClockStep) {
		t.Error("the reserve was given away")
	}
	if !push(event.TypeSessionEnd) {
		t.Error("no room for the end")
	}
	for push(event.TypeOOMKill) {
		n++
	}
	if n != outboxSize-1 {
		t.Errorf("%d events fit", n)
	}
	if got := o.dropped.Load(); got != 4 {
		t.Errorf("%d counted", got)
	}
	<-o.events
	if !push(event.TypeOOMDetail) {
		t.Error("no room after one was taken")
	}
}

// An output that hangs is given up at the end, one that is slow is not; what failed
// is told once and takes no more.
func TestOutboxEnds(t *testing.T) {
	begin := func(take func(*event.Event) error, n int) (*outbox, *int) {
		o, failures := newOutbox(take, nil), new(int)
		for range n {
			o.push(&event.Event{Type: event.TypeOOMKill})
		}
		go o.run(func(error) { *failures++ })
		return o, failures
	}
	t.Run("all out", func(t *testing.T) {
		n := 0
		o, failures := begin(func(*event.Event) error { n++; return nil }, 3)
		if err := o.close(); err != nil || n != 3 || *failures != 0 {
			t.Errorf("%v, %d taken, %d failures", err, n, *failures)
		}
	})
	t.Run("fails", func(t *testing.T) {
		n := 0
		o, failures := begin(func(*event.Event) error { n++; return syscall.EIO }, 3)
		if err := o.close(); !errors.Is(err, syscall.EIO) || n != 1 || *failures != 1 {
			t.Errorf("%v, %d taken, %d failures", err, n, *failures)
		}
	})
	t.Run("hangs", func(t *testing.T) {
		hold := make(chan struct{})
		o, _ := begin(func(*event.Event) error { <-hold; return nil }, 3)
		if err := o.close(); !errors.Is(err, ErrStuck) {
			t.Errorf("%v", err)
		}
		close(hold)
		if err := <-o.ended; err != nil {
			t.Error(err)
		}
	})
}

// holding holds each event back until nothing has come for a moment.
type holding struct {
	held, told int
	quiet      []time.Duration
	fails      int // from so many on
	came       chan struct{}
}

const heldFor = 20 * time.Millisecond

func (h *holding) event(*event.Event) error { h.held++; return nil }

func (h *holding) Due() time.Duration {
	if h.held == h.told {
		return 0
	}
	return heldFor
}

func (h *holding) Quiet(d time.Duration) error {
	h.told = h.held
	h.quiet = append(h.quiet, d)
	h.came <- struct{}{}
	if h.told >= h.fails {
		return syscall.EIO
	}
	return nil
}

// What an output holds back it is asked for once nothing comes any more, once; and
// what fails then ends it as an event does.
func TestOutboxHolds(t *testing.T) {
	h := &holding{fails: 4, came: make(chan struct{}, 10)}
	o := newOutbox(h.event, h)
	failures := 0
	go o.run(func(error) { failures++ })
	for range h.fails {
		o.push(&event.Event{Type: event.TypeOOMKill})
		select {
		case <-h.came:
		case <-time.After(10 * time.Second):
			t.Fatal("it was never asked")
		}
	}
	o.push(&event.Event{Type: event.TypeOOMKill})
	if err := o.close(); !errors.Is(err, syscall.EIO) || failures != 1 {
		t.Errorf("%v, %d failures", err, failures)
	}
	if h.held != 4 || !slices.Equal(h.quiet, []time.Duration{heldFor, heldFor, heldFor, heldFor}) {
		t.Errorf("%d taken, asked after %v", h.held, h.quiet)
	}
}

// Records keep their order and bytes; a full queue holds the reader up until one is
// taken.
func TestQueue(t *testing.T) {
	q := newQueue(2, 8)
	for _, raw := range []string{"one", "three"} {
		q.full <- q.put([]byte(raw))
	}
	put := make(chan struct{})
	go func() {
		defer close(put)
		q.full <- q.put([]byte("12345678"))
	}()
	first := <-q.full
	if string(first.raw[:first.n]) != "one" {
		t.Errorf("first %q", first.raw[:first.n])
	}
	q.free <- first
	<-put
	for _, want := range []string{"three", "12345678"} {
		if s := <-q.full; string(s.raw[:s.n]) != want {
			t.Errorf("%q, want %q", s.raw[:s.n], want)
		}
	}
}

// ownClocks are those of a process in the initial time namespace.
var ownClocks = hostClock{func() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic(err)
	}
	return uint64(ts.Nano())
}}

// rig is a pump without a tracer.
type rig struct {
	*pump
	in  *intake
	out *outbox
}

func newRig() rig { return rigOf(newSession()) }

func newSession() *session {
	s := &session{
		id: "00", clocks: ownClocks, offsets: boottime.New(0),
		symbols: make(chan struct{}), pulse: survive.StartPulse(),
		opts: Options{Daemon: DaemonSummary, Match: func(*event.Event) bool { return true }},
	}
	close(s.symbols)
	return s
}

func rigOf(s *session) rig {
	in, out := newIntake(&s.seq, s.offsets, &s.errorNS, s.clocks), newOutbox(nil, nil)
	p := newPump(s, in, []*outbox{out}, func(error) {})
	p.lossAt = time.Now().Add(time.Hour) // there is no tracer to ask
	return rig{p, in, out}
}

// emitted takes what has come out.
func (r rig) emitted() (events []*event.Event) {
	for len(r.out.events) > 0 {
		events = append(events, <-r.out.events)
	}
	return events
}

func kill(pid, tid int) *event.Kill {
	return &event.Kill{Episode: "00000000-1", Role: event.RoleSharedMM, Victim: event.Victim{PID: pid, TID: &tid}}
}

func pids(events []*event.Event) (out []int) {
	for _, e := range events {
		out = append(out, e.Kill.Victim.PID)
	}
	return out
}

// What mark_victim confirms is not told twice, what it does not is let out: at the
// killer's next kill, or when its time is over.
func TestSharers(t *testing.T) {
	r := newRig()
	now := ownClocks.boot()
	r.sharers = []sharer{
		{kill: kill(11, 11), boot: now, trigger: 1}, // confirmed below as a thread of process 10
		{kill: kill(12, 12), boot: now, trigger: 1},
		{kill: kill(20, 20), boot: now, trigger: 2},
	}
	r.claim(kill(10, 11), 1)
	if got := pids(r.emitted()); !slices.Equal(got, []int{12}) {
		t.Errorf("let out %v", got)
	}
	if len(r.sharers) != 1 || r.sharers[0].kill.Victim.PID != 20 {
		t.Fatalf("kept %+v", r.sharers)
	}

	old := now - uint64(time.Minute)
	r.sharers = []sharer{{kill: kill(30, 30), boot: old, trigger: 3}, {kill: kill(31, 31), boot: ownClocks.boot(), trigger: 3}, {kill: kill(32, 32), boot: old, trigger: 4}}
	r.letOutOld()
	if got := pids(r.emitted()); !slices.Equal(got, []int{30, 32}) && !slices.Equal(got, []int{30, 31, 32}) {
		t.Errorf("let out %v", got)
	}

	// What may confirm it is waiting.
	r.sharers = []sharer{{kill: kill(40, 40), boot: old, trigger: 5}}
	r.in.oom.full <- <-r.in.oom.free
	r.letOutOld()
	if got := r.emitted(); len(got) != 0 || len(r.sharers) != 1 {
		t.Errorf("let out %v", pids(got))
	}
}

// A clock event each millisecond does not put off what waits for a timer.
func TestTimersInAStorm(t *testing.T) {
	r := newRig()
	r.opts.Match = func(e *event.Event) bool { return e.Kill != nil }
	r.sharers = []sharer{{kill: kill(50, 50), boot: ownClocks.boot(), trigger: 1}}
	stopped := make(chan struct{})
	over := make(chan struct{})
	storm := make(chan struct{})
	go func() {
		defer close(storm)
		for {
			select {
			case <-over:
				return
			case s := <-r.in.clock.free:
				s.n = 0 // no record: nothing to do with it
				r.in.clock.full <- s
			}
		}
	}()
	done := make(chan struct{})
	go func() { defer close(done); r.run(stopped) }()
	select {
	case e := <-r.out.events:
		if e.Kill == nil || e.Kill.Victim.PID != 50 {
			t.Errorf("got %+v", e)
		}
	case <-time.After(5 * time.Second):
		t.Error("an announced kill is held back")
	}
	close(over)
	<-storm
	close(stopped)
	<-done
}

func TestAtRisk(t *testing.T) {
	for _, tt := range []struct {
		sysctl *int
		want   int
	}{{nil, 0}, {event.Ptr(0), 0}, {event.Ptr(1), 1}} {
		if got := atRisk(&event.Settings{OOMKillAllocatingTask: tt.sysctl}); len(got) != tt.want {
			t.Errorf("%v: %q", tt.sysctl, got)
		}
	}
}

// Count ends the session when so many were shown, not when they were dropped.
func TestCount(t *testing.T) {
	r := newRig()
	var ended error
	r.pump.cancel = func(err error) { ended = err }
	r.opts.Count = 2
	r.opts.Match = func(e *event.Event) bool { return e.Kill.Victim.PID != 7 }
	for i, pid := range []int{7, 1, 7, 2} {
		if ended != nil || r.full() {
			t.Fatalf("ended after %d", i)
		}
		r.finishKill(kill(pid, pid), 0, 1, killed{})
	}
	if ended != errCounted || !r.full() || r.shown != 2 {
		t.Errorf("ended: %v, %d shown", ended, r.shown)
	}
	if r.received["oom.kill"] != 4 || r.written["oom.kill"] != 2 {
		t.Errorf("received %v, written %v", r.received, r.written)
	}

	r = newRig()
	for r.out.push(&event.Event{Type: event.TypeOOMKill}) {
	}
	r.finishKill(kill(1, 1), 0, 1, killed{})
	if r.shown != 0 || r.written["oom.kill"] != 0 {
		t.Errorf("%d shown though it was dropped", r.shown)
	}
}

// Kills are put into incidents before any filter, and what is not looked at leaves
// their number unknown.
func TestIncidents(t *testing.T) {
	r := newRig()
	r.incidents = incident.New(time.Minute)
	r.opts.Match = func(e *event.Event) bool { return e.Kill.Victim.PID != 1 }
	at := func(pid int, cgroup string) *event.Kill {
		k := kill(pid, pid)
		k.Episode = fmt.Sprintf("00000000-%x", pid)
		k.Scope, k.Limit = event.ScopeMemcg, &event.Limit{Cgroup: &event.Cgroup{Path: cgroup}}
		return k
	}
	minute := uint64(time.Minute)
	r.finishKill(at(1, "/a"), 0, minute, killed{})
	r.finishKill(at(2, "/b"), 0, minute+1, killed{})
	r.finishKill(at(3, "/a"), 0, 2*minute, killed{})
	r.finishKill(at(4, "/a"), 0, 4*minute, killed{})
	var got []string
	for _, e := range r.emitted() {
		in := e.Kill.Incident
		got = append(got, fmt.Sprintf("%d: %s kill %d first %d", e.Kill.Victim.PID, in.ID, in.Kills, in.First.Victim.PID))
	}
	want := []string{"2: 00000000-2 kill 1 first 2", "3: 00000000-1 kill 2 first 1", "4: 00000000-4 kill 1 first 4"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := r.incidentCount(); n == nil || *n != 3 {
		t.Errorf("%v incidents", n)
	}
	r.received["oom.kill"]++ // as of one that came after Count was reached
	if n := r.incidentCount(); n != nil {
		t.Errorf("%d incidents of kills that were not looked at", *n)
	}
	r = newRig()
	r.finishKill(at(1, "/a"), 0, minute, killed{})
	if e := r.emitted()[0]; e.Kill.Incident != nil || r.incidentCount() != nil {
		t.Error("an incident though kills are not grouped")
	}
}

// Discipline is summed up for each process, and the sums are bounded.
func TestDaemonSums(t *testing.T) {
	r := newRig()
	call := func(pid int, ppm float64) *event.Clock {
		return &event.Clock{
			Process: event.Task{PID: pid, StartBoottimeNS: event.Ptr(uint64(pid))},
			After:   &event.ClockState{FreqPPM: &ppm},
		}
	}
	if r.daemons.due() != nil || r.daemons.pending() {
		t.Error("something is due before anything came")
	}
	for _, c := range []*event.Clock{call(1, 2), call(2, 9), call(1, -3), call(1, 1), {Process: call(1, 0).Process}} {
		r.daemons.add(c)
	}
	if r.daemons.due() == nil || !r.daemons.pending() {
		t.Error("nothing is due")
	}
	r.summarise()
	got := r.emitted()
	if len(got) != 2 || r.daemons.pending() || r.daemons.due() != nil {
		t.Fatalf("%d summaries, pending %v", len(got), r.daemons.pending())
	}
	s := got[0].ClockSummary
	if got[0].Type != event.TypeClockSummary || s.Process.PID != 1 || s.Calls != 4 || *s.MinFreqPPM != -3 || *s.MaxFreqPPM != 2 || *s.After.FreqPPM != 1 {
		t.Errorf("summary: %+v", s)
	}

	for pid := range 10 * daemonsLimit {
		r.daemons.remember(callerKey{pid, 1}, caller{daemon: true})
		if len(r.daemons.callers) > daemonsLimit {
			t.Fatalf("%d callers remembered", len(r.daemons.callers))
		}
	}
}

// clockRecord is a call by pid as the ring has it: adjtimex with these modes, which
// returned ret.
func clockRecord(t *testing.T, pid, modes uint32, ret int32) []byte {
	t.Helper()
	var w bpf.OomtraceWireClock
	w.H = bpf.OomtraceWireHeader{
		BoottimeNs: 100, Len: uint32(binary.Size(w) - len(w.Tail)), Version: wire.Version, Kind: uint16(bpf.OomtraceWireKindWIRE_KIND_CLOCK),
		Valid: 1<<bpf.OomtraceWireClockValidWIRE_CLOCK_IN | 1<<bpf.OomtraceWireClockValidWIRE_CLOCK_RET,
	}
	w.Func, w.ExitNs, w.Ret = uint32(bpf.OomtraceWireClockFuncWIRE_CLOCK_DO_ADJTIMEX), 110, ret
	w.In.Modes, w.In.Usec = modes, 500
	w.Task.Pid, w.Task.StartBoottimeNs = pid, uint64(pid)
	w.Task.Valid = 1<<bpf.OomtraceWireTaskValidWIRE_TASK_PID | 1<<bpf.OomtraceWireTaskValidWIRE_TASK_TGID | 1<<bpf.OomtraceWireTaskValidWIRE_TASK_START
	raw, err := binary.Append(nil, binary.LittleEndian, w)
	if err != nil {
		t.Fatal(err)
	}
	return raw[:w.H.Len]
}

// A time daemon's own discipline is shown as --clock-daemon says; its steps and what
// it was refused always are, and so is everybody else.
func TestDaemonModes(t *testing.T) {
	const daemon, other = 10, 20
	for mode, want := range map[DaemonMode]string{
		DaemonAll:     "adjust:10 adjust:10 adjust:10 adjust:20",
		DaemonSummary: "adjust:10 adjust:10 adjust:20 summary:10",
		DaemonNone:    "adjust:10 adjust:10 adjust:20",
	} {
		t.Run(string(mode), func(t *testing.T) {
			r := newRig()
			r.opts.Daemon = mode
			r.daemons.remember(callerKey{daemon, daemon}, caller{daemon: true})
			for _, raw := range [][]byte{
				clockRecord(t, daemon, timex.AdjFrequency, 0),
				clockRecord(t, daemon, timex.AdjFrequency, -int32(syscall.EPERM)),
				clockRecord(t, daemon, timex.AdjSetOffset, 0),
				clockRecord(t, other, timex.AdjFrequency, 0),
			} {
				r.in.Clock(raw)
			}
			r.drain()
			var got []string
			for _, e := range r.emitted() {
				if c := e.Clock; c != nil {
					got = append(got, fmt.Sprintf("adjust:%d", c.Process.PID))
					if known := c.Daemon != nil; known != (c.Process.PID == daemon) {
						t.Errorf("daemon %v of pid %d", c.Daemon, c.Process.PID)
					}
				} else {
					got = append(got, fmt.Sprintf("summary:%d", e.ClockSummary.Process.PID))
				}
			}
			if got := strings.Join(got, " "); got != want {
				t.Errorf("shown %q, want %q", got, want)
			}
			if r.received["clock.adjust"] != 4 {
				t.Errorf("received %v", r.received)
			}
		})
	}
}

// A step that the events do not explain is told once, with the wall clock as it was
// before it; small differences are the readings' own.
func TestUnexplainedStep(t *testing.T) {
	offset, _ := ownClocks.sampleOffset()
	for name, tt := range map[string]struct {
		known int64
		want  int64 // 0: nothing to tell
	}{
		"explained": {offset, 0},
		"back":      {offset + int64(time.Hour), -int64(time.Hour)},
		"forward":   {offset - int64(time.Second), int64(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			r.offsets = boottime.New(tt.known)
			r.lookAtClock()
			if got := r.emitted(); len(got) != 0 {
				t.Fatalf("told at the first look: %+v", got[0].ClockStep)
			}
			later := time.Now().Add(explainWait)
			r.tellSteps(later)
			r.tellSteps(later) // once
			got := r.emitted()
			if tt.want == 0 {
				if len(got) != 0 {
					t.Errorf("told %+v", got[0].ClockStep)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("told %d times", len(got))
			}
			s := got[0].ClockStep
			if diff := s.StepNS - tt.want; diff > s.StepErrorNS || diff < -s.StepErrorNS || s.StepSource != "timerfd" || got[0].Source != event.SourceTimerFD {
				t.Errorf("step %+v, want %d", s, tt.want)
			}
			// In the clock as it was before.
			if since := time.Since(got[0].Time) - time.Duration(tt.want); since < -time.Second || since > time.Minute {
				t.Errorf("at %v", got[0].Time)
			}
		})
	}

	// The event that explains it comes late, and is about a moment before.
	r := newRig()
	r.offsets = boottime.New(offset - int64(time.Second))
	before := ownClocks.boot()
	r.lookAtClock()
	r.offsets.Set(before, offset)
	r.tellSteps(time.Now().Add(explainWait))
	if got := r.emitted(); len(got) != 0 {
		t.Errorf("told %+v", got[0])
	}
}

// A storm of sets does not put the look at the clock off, and a set that nobody looked
// at when the session ends is looked at then.
func TestSettle(t *testing.T) {
	r := newRig()
	r.set = &clockSet{sets: make(chan struct{}, 1)}
	r.settleIn(time.Hour)
	late := r.settleAt
	r.settleIn(time.Minute)
	early := r.settleAt
	r.settleIn(time.Hour)
	if !early.Before(late) || !r.settleAt.Equal(early) {
		t.Errorf("an earlier look is put off: %v, %v, %v", late, early, r.settleAt)
	}

	r = newRig()
	r.set = &clockSet{sets: make(chan struct{}, 1)}
	offset, _ := ownClocks.sampleOffset()
	r.offsets = boottime.New(offset - int64(time.Second))
	r.set.tell()
	r.set.tell() // one stands for both
	r.drain()
	if got := r.emitted(); len(got) != 1 || got[0].ClockStep == nil {
		t.Errorf("told %+v", got)
	}
}

// What /proc did not say by the end is said to stay unknown.
func TestGiveUpLate(t *testing.T) {
	r := newRig()
	come := make(chan procsnap.Answer, 1)
	come <- procsnap.Answer{State: procsnap.StateOK}
	k := kill(7, 7)
	r.late = []*lateSnapshot{
		{answer: come, kill: k},
		{answer: make(chan procsnap.Answer), kill: k},
	}
	r.drain()
	var states []string
	for _, e := range r.emitted() {
		states = append(states, e.Snapshot.Snapshot.State)
	}
	if !slices.Equal(states, []string{procsnap.StateOK, procsnap.StateBlocked}) || len(r.late) != 0 {
		t.Errorf("snapshots %v, %d left", states, len(r.late))
	}
}

// What came in time is told by the kill, what comes later by the snapshot alone; parts
// that are both late are told together.
func TestLateParts(t *testing.T) {
	first := procsnap.Answer{
		More: true, State: procsnap.StateOK, BoottimeNS: 3e6,
		Tasks:   []procsnap.TaskAnswer{{User: "ada"}},
		Parents: []event.Parent{{PID: 6}},
		Limit:   &event.Limit{HighBytes: event.Ptr(uint64(1))},
		Memory:  &event.Memory{TotalBytes: event.Ptr(uint64(9))},

		Settings: &event.Settings{OvercommitMemory: event.Ptr(1)},
	}
	rest := procsnap.Answer{
		RestBoottimeNS: 9e6,
		Limit:          &event.Limit{Stat: &event.CgroupStat{AnonBytes: event.Ptr(uint64(2))}},
		Memory:         &event.Memory{Zones: []event.Zone{{Name: "DMA"}}},
	}
	for _, told := range []bool{true, false} {
		r := newRig()
		answer := make(chan procsnap.Answer, 2)
		l := &lateSnapshot{answer: answer, boot: 1e6, told: told, kill: kill(7, 7), tasks: []procsnap.Ref{{PID: 7}}}
		if told {
			l.got = first
		} else {
			answer <- first
		}
		r.late = []*lateSnapshot{l}
		if n := r.takeLate(); n != 0 || len(r.emitted()) != 0 {
			t.Fatalf("%d taken of a first part", n)
		}
		answer <- rest
		if n := r.takeLate(); n != 1 || len(r.late) != 0 {
			t.Fatalf("%d taken, %d left", n, len(r.late))
		}
		got := r.emitted()[0].Snapshot
		if got.Snapshot.State != procsnap.StateOK || *got.Snapshot.AgeMS != 2 {
			t.Errorf("told %v: %+v", told, got.Snapshot)
		}
		if s := got.Limit.Stat; *s.AnonBytes != 2 || *s.AgeMS != 8 || (got.Limit.HighBytes == nil) != told {
			t.Errorf("told %v: limit %+v", told, got.Limit)
		}
		if m := got.Memory; len(m.Zones) != 1 || (m.TotalBytes == nil) != told {
			t.Errorf("told %v: memory %+v", told, m)
		}
		if s := got.Settings; (s == nil) != told || !told && (*s.OvercommitMemory != 1 || *s.AgeMS != 2) {
			t.Errorf("told %v: settings %+v", told, s)
		}
		if (got.Victim == nil) != told || (got.Parents == nil) != told || !told && got.Victim.User != "ada" {
			t.Errorf("told %v: victim %+v, parents %v", told, got.Victim, got.Parents)
		}
	}
	if first.Limit.Stat != nil || first.Memory.Zones != nil {
		t.Error("what the kill shares was changed")
	}
}

// The clock being set is told, sets in quick succession too, until the watch ends.
func TestClockSet(t *testing.T) {
	privileged(t)
	testenv.AloneWithTheClock(t)
	c, err := watchClockSet()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.run() }()
	// By a nanosecond there and back: a set by nothing cancels no timer.
	forth := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO, Time: unix.Timeval{Usec: 1}}
	back := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO, Time: unix.Timeval{Sec: -1, Usec: 999_999_999}}
	shake := func() {
		for _, set := range []unix.Timex{forth, back} {
			if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &set); err != nil {
				t.Errorf("set the clock: %v", err)
			}
		}
	}
	// From two sides, so that some come between the reading and the arming.
	var sides sync.WaitGroup
	for range 2 {
		sides.Go(func() {
			for range 500 {
				shake()
			}
		})
	}
	sides.Wait()
	// Still there after them all.
	for range 3 {
		shake()
		select {
		case <-c.sets:
		case <-time.After(10 * time.Second):
			t.Fatal("a set was not told")
		}
	}
	if err := errors.Join(c.Close(), <-done); err != nil {
		t.Error(err)
	}
}

// A step is known to the times of events as soon as its record is out of the ring.
func TestIntakeStep(t *testing.T) {
	var seq atomic.Uint64
	var bound atomic.Int64
	offsets := boottime.New(1000)
	in := newIntake(&seq, offsets, &bound, ownClocks)
	in.Clock(clockRecord(t, 1, timex.AdjSetOffset|timex.AdjNano, 0))
	if offsets.At(100) != 1000 || offsets.At(101) != 1500 {
		t.Errorf("offsets %d, %d", offsets.At(100), offsets.At(101))
	}
	s := <-in.clock.full
	if s.seq != 1 || s.step == nil || s.step.NS != 500 {
		t.Errorf("slot %d, %+v", s.seq, s.step)
	}
}

// What a record does not tell of a step the clock does; a time zone that moved nothing
// is no event, and takes no number.
func TestIntakeWarp(t *testing.T) {
	warp := func(offset int64) *slot {
		var seq atomic.Uint64
		in := newIntake(&seq, boottime.New(offset), &atomic.Int64{}, ownClocks)
		raw := clockRecord(t, 1, 0, 0)
		binary.LittleEndian.PutUint64(raw, ownClocks.boot())
		var rec wire.Record
		if err := rec.Parse(raw); err != nil {
			t.Fatal(err)
		}
		w := rec.Clock
		w.H.Valid &^= 1 << bpf.OomtraceWireClockValidWIRE_CLOCK_IN
		w.Func = uint32(bpf.OomtraceWireClockFuncWIRE_CLOCK_WARP)
		raw, err := binary.Append(nil, binary.LittleEndian, w)
		if err != nil {
			t.Fatal(err)
		}
		in.Clock(raw[:w.H.Len])
		select {
		case s := <-in.clock.full:
			if s.seq != 1 {
				t.Errorf("number %d", s.seq)
			}
			return s
		default:
			if n := seq.Load(); n != 0 || len(in.clock.free) != clockSlots {
				t.Errorf("%d numbers, %d slots", n, len(in.clock.free))
			}
			return nil
		}
	}
	now, _ := ownClocks.sampleOffset()
	if s := warp(now - int64(time.Hour)); s == nil || s.step == nil || s.step.NS < int64(time.Hour-time.Second) || s.step.NS > int64(time.Hour+time.Second) {
		t.Errorf("an hour: %+v", s)
	}
	// The two samples may differ by more than their bounds for once.
	for try := 0; warp(now) != nil; try++ {
		if try == 20 {
			t.Fatal("nothing is told as a step")
		}
	}
}

// The announcement of a kill takes no number: the kill does.
func TestIntakeNumbers(t *testing.T) {
	var seq atomic.Uint64
	in := newIntake(&seq, boottime.New(0), &atomic.Int64{}, ownClocks)
	raw := make([]byte, 100)
	for i, kind := range []bpf.OomtraceWireKind{bpf.OomtraceWireKindWIRE_KIND_KILL, bpf.OomtraceWireKindWIRE_KIND_SIGNAL, bpf.OomtraceWireKindWIRE_KIND_KILL} {
		binary.LittleEndian.PutUint16(raw[22:], uint16(kind))
		in.OOM(raw)
		s := <-in.oom.full
		if want := []uint64{1, 0, 2}[i]; s.seq != want {
			t.Errorf("record %d has number %d, want %d", i, s.seq, want)
		}
	}
}

func TestReadersEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := readerUntil{ctx, strings.NewReader("abc")}
	b := make([]byte, 1)
	if n, err := r.Read(b); n != 1 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	cancel()
	if n, err := r.Read(b); n != 0 || err == nil {
		t.Errorf("read %d, %v after the end", n, err)
	}
}

// Of a trigger of whom the log tells a thread alone, /proc is asked whose it is.
func TestRequestOfAThread(t *testing.T) {
	k := kill(7, 7)
	k.Trigger = &event.Task{TID: event.Ptr(9)}
	req := request(k, 1e9)
	if len(req.Tasks) != 2 || req.Tasks[1].PID != 9 || req.Tasks[1].TID != 9 || !req.Tasks[1].Leader {
		t.Errorf("asked for %+v", req.Tasks)
	}
}
