// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/simulate"
	"github.com/oomtrace/oomtrace/internal/testenv"
	"github.com/oomtrace/oomtrace/tracer"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// The simulation runs this binary again, under its own name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == simulate.ChildName {
		os.Exit(simulate.Child(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	if mode := os.Getenv(childMode); mode != "" {
		fmt.Fprintln(os.Stderr, child(mode))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func privileged(t *testing.T) {
	t.Helper()
	testenv.Privileged(t)
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		testenv.Skip(t, "the kernel has no BTF: %v", err)
	}
}

// running is a session under test.
type running struct {
	t      *testing.T
	cancel context.CancelCauseFunc
	done   chan struct{}
	res    Result
	err    error

	mu     sync.Mutex
	events []*event.Event
	more   chan struct{} // room for one: something came
	hold   chan struct{} // closed: the sink may go on
}

// begin starts a session and waits until it watches. Each event that comes is
// encoded and validated as the command would.
func begin(t *testing.T, o Options) *running {
	t.Helper()
	privileged(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	r := &running{t: t, cancel: cancel, done: make(chan struct{}), more: make(chan struct{}, 1), hold: make(chan struct{})}
	close(r.hold)
	fail := o.Sink
	var enc event.Encoder
	o.Sink = func(e *event.Event) error {
		<-r.holding()
		lines, err := enc.Append(nil, e)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(lines)) {
			if err := eventtest.Check([]byte(line)); err != nil {
				t.Errorf("%v\n%s", err, line)
			}
		}
		r.mu.Lock()
		r.events = append(r.events, e)
		r.mu.Unlock()
		select {
		case r.more <- struct{}{}:
		default:
		}
		if fail != nil {
			return fail(e)
		}
		return nil
	}
	o.Version = "test"
	go func() {
		defer close(r.done)
		r.res, r.err = Run(ctx, o)
	}()
	t.Cleanup(func() { cancel(nil); <-r.done })
	r.wait("session.start", func(e *event.Event) bool { return e.Type == event.TypeSessionStart })
	return r
}

func (r *running) holding() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hold
}

// wait waits for an event.
func (r *running) wait(what string, ok func(*event.Event) bool) *event.Event {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		if found := r.find(ok); len(found) > 0 {
			return found[0]
		}
		select {
		case <-r.more:
		case <-r.done:
			if found := r.find(ok); len(found) > 0 {
				return found[0]
			}
			r.t.Fatalf("the session ended without %s: %+v, %v", what, r.res, r.err)
		case <-deadline:
			r.t.Fatalf("%s did not come", what)
		}
	}
}

func (r *running) find(ok func(*event.Event) bool) (found []*event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if ok(e) {
			found = append(found, e)
		}
	}
	return found
}

// end ends the session and gives its last event.
func (r *running) end(cause error) *event.SessionEnd {
	r.t.Helper()
	r.cancel(cause)
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		r.t.Fatal("the session does not end")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.events[len(r.events)-1]
	if last.Type != event.TypeSessionEnd || r.events[0].Type != event.TypeSessionStart {
		r.t.Fatalf("from %s to %s", r.events[0].Type, last.Type)
	}
	seqs := map[uint64]bool{}
	for _, e := range r.events {
		if seqs[e.Seq] || e.Seq == 0 || e.Session != last.Session {
			r.t.Errorf("%s has number %d of session %s", e.Type, e.Seq, e.Session)
		}
		seqs[e.Seq] = true
	}
	return last.SessionEnd
}

func simulateKill(t *testing.T) *simulate.MemcgResult {
	t.Helper()
	plan, err := simulate.PlanMemcg(simulate.MemcgOptions{LimitBytes: 48 << 20})
	if err != nil {
		testenv.Skip(t, "no kill can be made here: %v", err)
	}
	res, err := plan.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func simulateClock(t *testing.T, n int) *simulate.ClockResult {
	t.Helper()
	res, err := simulate.Clock(t.Context(), simulate.ClockOptions{Count: n})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func killOf(pid int) func(*event.Event) bool {
	return func(e *event.Event) bool { return e.Kill != nil && e.Kill.Victim.PID == pid }
}

func callsOf(pid int) func(*event.Event) bool {
	return func(e *event.Event) bool { return e.Clock != nil && e.Clock.Process.PID == pid }
}

// A real kill, from the ring to the line.
func TestRunKill(t *testing.T) {
	r := begin(t, Options{Incidents: time.Minute})
	began := time.Now()
	sim := simulateKill(t)
	e := r.wait("the kill", killOf(sim.PID))
	end := r.end(nil)
	if n := len(r.find(killOf(sim.PID))); n != 1 {
		t.Errorf("told %d times", n)
	}
	k := e.Kill
	if *k.Victim.Comm != simulate.ChildName || *k.Victim.UID != 0 || *k.Victim.OOMScoreAdj != 1000 || !e.Simulated {
		t.Errorf("victim %+v", k.Victim)
	}
	if k.Victim.Cgroup == nil || !strings.HasSuffix(k.Victim.Cgroup.Path, sim.Cgroup) || k.Victim.Cgroup.Version != sim.CgroupVersion {
		t.Errorf("cgroup %+v, want %s", k.Victim.Cgroup, sim.Cgroup)
	}
	if k.Scope != event.ScopeMemcg || k.Limit == nil || k.Limit.Bytes == nil || *k.Limit.Bytes != sim.LimitBytes {
		t.Errorf("scope %q, limit %+v", k.Scope, k.Limit)
	}
	if k.Trigger == nil || k.Trigger.PID != sim.PID {
		t.Errorf("trigger %+v", k.Trigger)
	}
	if k.Stack == nil || len(k.Stack.ID) != 16 {
		t.Errorf("stack %+v", k.Stack)
	}
	// Go's own memory comes on top of what was touched; the race detector's, charged
	// before the process came into its cgroup, is some 20 MiB.
	anon, slack := *k.Victim.AnonRSSBytes, uint64(0)
	if bound := k.Victim.RSSErrorBytes; bound != nil {
		slack = *bound
	}
	if anon+slack < sim.TouchedBytes || anon > sim.TouchedBytes+32<<20 {
		t.Errorf("anon %d bytes, touched %d", anon, sim.TouchedBytes)
	}
	if at := e.Time; at.Before(began.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("at %v", at)
	}
	if k.Settings == nil || k.Settings.PanicOnOOM == nil || *k.Settings.PanicOnOOM != 0 || k.Settings.Swappiness == nil {
		t.Errorf("settings %+v", k.Settings)
	}
	if k.Snapshot == nil || k.Snapshot.State == "" {
		t.Errorf("snapshot %+v", k.Snapshot)
	}
	if in := k.Incident; in == nil || in.ID != k.Episode || in.Kills != 1 || in.Episodes != 1 || in.SinceMS != 0 ||
		in.First.Victim.PID != sim.PID || in.First.Time != event.FormatTime(e.Time) {
		t.Errorf("incident %+v", in)
	}
	if end.Incidents == nil || *end.Incidents != end.Received["oom.kill"] { // each has a cgroup of its own
		t.Errorf("%v incidents", end.Incidents)
	}
	if start := r.events[0].SessionStart; start.IncidentWindowMS == nil || *start.IncidentWindowMS != 60_000 {
		t.Errorf("window %v", start.IncidentWindowMS)
	}
	if end.Reason != "signal" || r.res.Reason != "signal" || r.err != nil || end.Received["oom.kill"] < 1 || end.Written["session.end"] != 1 {
		t.Errorf("end %+v, %+v, %v", end, r.res, r.err)
	}
}

// What is read of the limit's cgroup, which is there for as long as the simulation takes
// to remove it.
func TestRunKillLimit(t *testing.T) {
	r := begin(t, Options{})
	root := ""
	if name, err := user.LookupId("0"); err == nil {
		root = name.Username
	}
	var limit *event.Limit
	for range 10 {
		sim := simulateKill(t)
		k := r.wait("the kill", killOf(sim.PID)).Kill
		if k.Limit == nil || k.Limit.Owner != event.OwnerOwn {
			t.Fatalf("limit %+v", k.Limit)
		}
		limit = k.Limit
		if k.Snapshot.State == procsnap.StateLate {
			late := r.wait("the snapshot", func(e *event.Event) bool { return e.Snapshot != nil && e.Snapshot.PID == sim.PID }).Snapshot
			if late.Limit != nil && late.Limit.Stat != nil {
				limit.Stat = late.Limit.Stat
			}
		} else if k.Victim.User != root {
			t.Errorf("user %q, want %q", k.Victim.User, root)
		}
		if limit.Stat != nil && limit.Events != nil {
			break
		}
	}
	r.end(nil)
	if limit.Stat == nil || limit.Events == nil {
		t.Fatalf("nothing is known of the limit's cgroup: %+v", limit)
	}
	if s := limit.Stat; s.AnonBytes == nil || s.FileBytes == nil || s.ShmemBytes == nil || s.AgeMS == nil || *s.AnonBytes > *limit.Bytes {
		t.Errorf("stat %+v", s)
	}
	if e := limit.Events; e.OOMKill == nil || *e.OOMKill != 1 {
		t.Errorf("events %+v", e)
	}
}

// A clock call, with who made it and what it did.
func TestRunClock(t *testing.T) {
	testenv.AloneWithTheClock(t)
	r := begin(t, Options{})
	sim := simulateClock(t, 2)
	r.wait("the call", callsOf(sim.PID))
	r.end(nil)
	calls := r.find(callsOf(sim.PID))
	if len(calls) != 2 {
		t.Fatalf("%d calls", len(calls))
	}
	for _, e := range calls {
		c := e.Clock
		if c.Kind != event.KindFrequency || !slices.Equal(c.Modes, []string{"frequency"}) || *c.Process.Comm != simulate.ChildName || c.Errno != "" || !e.Simulated {
			t.Errorf("call %+v", c)
		}
		if c.Before == nil || c.After == nil || *c.After.FreqPPM != sim.FreqAfterPPM || *c.Before.FreqPPM != sim.FreqBeforePPM {
			t.Errorf("before %+v, after %+v", c.Before, c.After)
		}
	}
}

// A step: the event explains what the timerfd watcher is told.
func TestRunStep(t *testing.T) {
	privileged(t)
	testenv.AloneWithTheClock(t)
	var now unix.Timex
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &now); err != nil {
		t.Fatal(err)
	}
	if now.Status&unix.STA_UNSYNC == 0 {
		testenv.Skip(t, "a time daemon keeps this clock: a step would disturb it")
	}
	r := begin(t, Options{})
	step := func(sec, nsec int64) {
		set := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO, Time: unix.Timeval{Sec: sec, Usec: nsec}}
		if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &set); err != nil {
			testenv.Skip(t, "the clock cannot be set: %v", err)
		}
	}
	const there = 5_000_000
	step(0, there)
	defer step(-1, 1_000_000_000-there)
	e := r.wait("the step", callsOf(os.Getpid()))
	if e.Clock.Kind != event.KindStep || e.Clock.StepNS == nil || *e.Clock.StepNS != there || e.Clock.StepSource != "argument" {
		t.Errorf("step %+v", e.Clock)
	}
	r.end(nil) // looks at the clock once more
	if got := r.find(func(e *event.Event) bool { return e.ClockStep != nil }); len(got) != 0 {
		t.Errorf("unexplained: %+v", got[0].ClockStep)
	}
}

func TestRunEnds(t *testing.T) {
	testenv.AloneWithTheClock(t)
	t.Run("count", func(t *testing.T) {
		// Tests of other packages make kills meanwhile.
		r := begin(t, Options{Count: 1, Tracer: tracer.Options{NoOOM: true}})
		simulateClock(t, 3)
		<-r.done
		if r.err != nil || r.res.Reason != "count" || r.res.Shown != 1 {
			t.Errorf("%+v, %v", r.res, r.err)
		}
		if n := len(r.find(func(e *event.Event) bool { return e.Clock != nil })); n != 1 {
			t.Errorf("%d calls shown", n)
		}
	})
	t.Run("duration", func(t *testing.T) {
		r := begin(t, Options{Duration: time.Millisecond})
		<-r.done
		if end := r.end(nil); end.Reason != "duration" || r.res.Reason != "duration" || r.err != nil {
			t.Errorf("%+v, %+v, %v", end, r.res, r.err)
		}
	})
	t.Run("closed pipe", func(t *testing.T) {
		r := begin(t, Options{Sink: func(*event.Event) error { return fmt.Errorf("write: %w", syscall.EPIPE) }})
		<-r.done
		if r.err != nil || r.res.Reason != "closed-pipe" || r.res.End == nil || r.res.End.Reason != "closed-pipe" {
			t.Errorf("%+v, %v", r.res, r.err)
		}
	})
	t.Run("output fails", func(t *testing.T) {
		r := begin(t, Options{Sink: func(*event.Event) error { return syscall.EIO }})
		<-r.done
		if !errors.Is(r.err, syscall.EIO) || r.res.Reason != "error" {
			t.Errorf("%+v, %v", r.res, r.err)
		}
	})
}

// What the filter refuses is counted as received, and not shown.
func TestRunFilter(t *testing.T) {
	testenv.AloneWithTheClock(t)
	r := begin(t, Options{Filters: []string{"pid=1"}, Match: func(*event.Event) bool { return false }})
	simulateClock(t, 2)
	end := r.end(nil)
	if got := r.find(func(e *event.Event) bool { return !strings.HasPrefix(string(e.Type), "session.") && e.Lost == nil }); len(got) != 0 {
		t.Errorf("shown: %s", got[0].Type)
	}
	if end.Received["clock.adjust"] < 2 || end.Written["clock.adjust"] != 0 || r.res.Shown != 0 {
		t.Errorf("end %+v, shown %d", end, r.res.Shown)
	}
	if s := r.events[0].SessionStart; !slices.Equal(s.Filters, []string{"pid=1", "clock-daemon=summary"}) || len(s.Hooks) == 0 || s.Version != "test" {
		t.Errorf("start %+v", s)
	}
}

// An output that takes nothing for a while costs clock events, which are counted,
// and no kill.
func TestRunSlowOutput(t *testing.T) {
	testenv.AloneWithTheClock(t)
	r := begin(t, Options{Daemon: DaemonAll})
	hold := make(chan struct{})
	r.mu.Lock()
	r.hold = hold
	r.mu.Unlock()
	calls := simulateClock(t, 2*outboxSize)
	sim := simulateKill(t)
	close(hold)
	r.wait("the kill", killOf(sim.PID))
	end := r.end(nil)
	if n := len(r.find(killOf(sim.PID))); n != 1 {
		t.Errorf("the kill was told %d times", n)
	}
	var received, written uint64
	for typ, n := range end.Received {
		received += n
		written += end.Written[typ]
	}
	// What was dropped is what was received and not written, reports of losses aside.
	if end.Lost.Queue == nil || *end.Lost.Queue == 0 || received-written != *end.Lost.Queue {
		t.Errorf("received %d, written %d, lost %+v", received, written, end.Lost)
	}
	got := uint64(len(r.find(callsOf(calls.PID))))
	if got >= uint64(calls.Calls) || got < outboxSize/2 {
		t.Errorf("%d of %d calls came", got, calls.Calls)
	}
}

// dropper is a record on a disk that is full.
type dropper struct{ dropped atomic.Uint64 }

func (d *dropper) Event(*event.Event) error { d.dropped.Add(1); return nil }
func (d *dropper) Dropped() uint64          { return d.dropped.Load() }

// A loss is told though no event follows.
func TestRunLossAfterTheLast(t *testing.T) {
	var full dropper
	r := begin(t, Options{Record: &full, Daemon: DaemonAll})
	calls := simulateClock(t, 1)
	r.wait("the call", callsOf(calls.PID))
	// session.start and the call, at the least.
	r.wait("the loss of the last event", func(e *event.Event) bool {
		return e.Lost != nil && e.Lost.Counts.Record != nil && *e.Lost.Counts.Record >= 2
	})
}

// Without what was asked for, a session does not begin.
func TestRunRequire(t *testing.T) {
	privileged(t)
	sink := func(*event.Event) error { return nil }
	for _, forbid := range [][]string{tracer.Kinds(), {tracer.KindFentry, tracer.KindKprobe, tracer.KindTracepoint}} {
		_, err := Run(t.Context(), Options{Sink: sink, Require: []string{"clock"}, Tracer: tracer.Options{Forbid: forbid}})
		if !errors.Is(err, tracer.ErrNotSupported) || errors.Is(err, tracer.ErrNotPermitted) {
			t.Errorf("without %v: %v", forbid, err)
		}
	}
}
