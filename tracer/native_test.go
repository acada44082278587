// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// only forbids all kinds of rung but one.
func only(kind string) []string {
	return slices.DeleteFunc(Kinds(), func(k string) bool { return k == kind })
}

func hook(tb testing.TB, t *Tracer, fact string) Hook {
	tb.Helper()
	for _, h := range t.Hooks() {
		if h.Fact == fact {
			return h
		}
	}
	tb.Fatalf("no report of %s", fact)
	return Hook{}
}

// Each rung of the kill's ladder sees a real kill, once, and says who it was.
func TestKillRungs(t *testing.T) {
	for _, kind := range []string{KindTPBTF, KindRawTP, KindTracepoint} {
		t.Run(kind, func(t *testing.T) {
			tr := open(t, Options{NoClock: true, Forbid: only(kind)})
			h := hook(t, tr, FactKill)
			if !h.OK || !strings.HasPrefix(h.Method, kind+" mark_victim + signal_generate") {
				t.Fatalf("hook: %+v", h)
			}
			if kind != KindTPBTF && !strings.Contains(h.Reason, errForbidden.Error()) {
				t.Errorf("reason: %q", h.Reason)
			}
			c, stop := run(t, tr)
			pid, cgroup := kill(t)
			c.waitFor(t, "the kill", func() bool { return len(c.kills(pid)) > 0 })
			stop()
			if n := len(c.kills(pid)); n != 1 {
				t.Errorf("seen %d times", n)
			}
			var w bpf.OomtraceWireKill
			fill(&w, c.kills(pid)[0])
			tail := make([]byte, 0, len(w.Tail))
			for _, b := range w.Tail {
				tail = append(tail, byte(b))
			}
			if path := string(tail[w.Victim.PathOff:][:w.Victim.PathLen]); path != cgroup+"\x00" {
				t.Errorf("cgroup path %q, want %q", path, cgroup)
			}
			if w.Trigger.Pid != uint32(pid) || w.AnonPages*uint64(os.Getpagesize()) < 24<<20 || w.StackLen == 0 {
				t.Errorf("trigger %d, anon %d pages, stack of %d", w.Trigger.Pid, w.AnonPages, w.StackLen)
			}
			st, err := tr.Stats()
			if err != nil {
				t.Fatal(err)
			}
			if st.OOMReserve != 0 || st.Read != 0 {
				t.Errorf("lost: %+v", st)
			}
		})
	}
}

// Two tracers do not disturb each other.
func TestTwoTracers(t *testing.T) {
	c1, stop1 := run(t, open(t, Options{NoClock: true}))
	c2, stop2 := run(t, open(t, Options{NoClock: true}))
	pid, _ := kill(t)
	for _, c := range []*collector{c1, c2} {
		c.waitFor(t, "the kill", func() bool { return len(c.kills(pid)) > 0 })
	}
	stop1()
	stop2()
	if len(c1.kills(pid)) != 1 || len(c2.kills(pid)) != 1 {
		t.Errorf("seen %d and %d times", len(c1.kills(pid)), len(c2.kills(pid)))
	}
}

// What fails says which rungs there were, and why none serves.
func TestOpenForbidden(t *testing.T) {
	privileged(t)
	tr, err := Open(t.Context(), Options{Forbid: Kinds()})
	if err == nil {
		_ = tr.Close()
		t.Fatal("opened without a rung")
	}
	if !errors.Is(err, ErrNotSupported) || !strings.Contains(err.Error(), FactKill+": tp_btf: "+errForbidden.Error()) {
		t.Errorf("error: %v", err)
	}
	if _, err := Open(t.Context(), Options{Forbid: []string{"uprobe"}}); err == nil || !strings.Contains(err.Error(), `"uprobe"`) {
		t.Errorf("unknown kind: %v", err)
	}
}

// endsLater is a context that ends once it has been asked n times.
type endsLater struct {
	context.Context
	n int
}

func (c *endsLater) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

// An end of its context ends Open between two rungs, and nothing stays attached.
func TestOpenCancelled(t *testing.T) {
	open(t, Options{}) // the runtime and the library keep some descriptors of their own
	before := countFDs(t)
	for n := range 3 {
		ctx := &endsLater{t.Context(), n}
		tr, err := Open(ctx, Options{})
		if err == nil {
			_ = tr.Close()
			t.Fatal("opened")
		}
		if !errors.Is(err, context.Canceled) || ctx.n != -1 {
			t.Errorf("after %d looks: %v, %d", n, err, ctx.n)
		}
	}
	if now := countFDs(t); now > before {
		t.Errorf("%d descriptors, %d before", now, before)
	}
}

// Facts that are not asked for are not hooked.
func TestOpenParts(t *testing.T) {
	for _, h := range open(t, Options{NoClock: true}).Hooks() {
		if slices.Contains([]string{FactAdjtimex, FactSettime, FactWarp}, h.Fact) {
			t.Errorf("hooked %+v", h)
		}
	}
	for _, h := range open(t, Options{NoOOM: true}).Hooks() {
		if slices.Contains([]string{FactKill, FactTrigger, FactInvocation}, h.Fact) {
			t.Errorf("hooked %+v", h)
		}
	}
}

// A clock call that changes something comes once, one that reads is only counted.
func TestClockCall(t *testing.T) {
	testenv.AloneWithTheClock(t)
	tr := open(t, Options{NoOOM: true})
	if h := hook(t, tr, FactAdjtimex); !h.OK {
		t.Fatalf("hook: %+v", h)
	}
	c, stop := run(t, tr)
	before := stats(t, tr)
	pid := changeClock(t, 1, 1)
	c.waitFor(t, "the call", func() bool { return len(c.clocks(pid)) > 0 })
	stop()
	calls := c.clocks(pid)
	if len(calls) != 1 || calls[0].In.Modes != 2 || calls[0].In.Freq != calls[0].Out.Freq || calls[0].Ret < 0 {
		t.Errorf("calls: %+v", calls)
	}
	// The child reads before it changes.
	if n := stats(t, tr).ClockReads - before.ClockReads; n < 1 {
		t.Errorf("%d reads counted", n)
	}
}

// Nothing is lost without being counted: received and lost are what was issued.
func TestClockStorm(t *testing.T) {
	const calls, threads = 50_000, 2
	testenv.AloneWithTheClock(t)
	tr := open(t, Options{NoOOM: true, ClockRingBytes: 64 << 10})
	counter := newStormCounter()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx, counter) }()
	counter.pid.Store(int64(changeClock(t, calls, threads)))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	st := stats(t, tr)
	lost := st.ClockReserve
	if st.Recursion != nil {
		lost += *st.Recursion
	}
	// Others may have moved the clock meanwhile, and are counted by their pids.
	got := counter.received()
	if got+lost < calls*threads || got > calls*threads {
		t.Errorf("received %d and lost %d of %d", got, lost, calls*threads)
	}
	if others := counter.total() - got; others == 0 && got+lost != calls*threads {
		t.Errorf("received %d and lost %d of %d", got, lost, calls*threads)
	}
	t.Logf("received %d, lost %d", got, lost)
}

// stormCounter counts records by pid.
type stormCounter struct {
	mu  sync.Mutex
	n   map[uint32]uint64
	pid atomic.Int64
}

func newStormCounter() *stormCounter { return &stormCounter{n: map[uint32]uint64{}} }

// OOM implements Sink.
func (*stormCounter) OOM([]byte) {}

// Sigkill implements Sink.
func (*stormCounter) Sigkill([]byte) {}

// Clock implements Sink.
func (s *stormCounter) Clock(raw []byte) {
	var w bpf.OomtraceWireClock
	fill(&w, raw)
	s.mu.Lock()
	s.n[w.Task.Pid]++
	s.mu.Unlock()
}

func (s *stormCounter) received() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n[uint32(s.pid.Load())]
}

func (s *stormCounter) total() (sum uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.n {
		sum += n
	}
	return sum
}

func stats(tb testing.TB, t *Tracer) Stats {
	tb.Helper()
	st, err := t.Stats()
	if err != nil {
		tb.Fatal(err)
	}
	return st
}

// Run ends with its context, though the ring is never empty.
func TestRunEndsInAStorm(t *testing.T) {
	testenv.AloneWithTheClock(t)
	tr := open(t, Options{NoOOM: true, ClockRingBytes: 16 << 10})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	slow := &feedback{first: make(chan struct{}), call: setFrequency}
	go func() { done <- tr.Run(ctx, slow) }()
	if err := setFrequency(); err != nil {
		t.Fatal(err)
	}
	<-slow.first
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(soon):
		t.Error("Run goes on")
		slow.stop.Store(true)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// feedback makes a new call for each record that it takes: the ring is never empty.
type feedback struct {
	first chan struct{}
	once  sync.Once
	call  func() error
	stop  atomic.Bool
}

// Sigkill implements Sink.
func (*feedback) Sigkill([]byte) {}

// OOM implements Sink.
func (*feedback) OOM([]byte) {}

// Clock implements Sink.
func (f *feedback) Clock([]byte) {
	f.once.Do(func() { close(f.first) })
	if !f.stop.Load() {
		_ = f.call()
	}
}

func TestCloseDuringRun(t *testing.T) {
	tr := open(t, Options{})
	done := make(chan error, 1)
	c := newCollector()
	go func() { done <- tr.Run(t.Context(), c) }()
	pid := changeClock(t, 1, 1)
	c.waitFor(t, "the call", func() bool { return len(c.clocks(pid)) > 0 })
	if err := tr.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(soon):
		t.Error("Run goes on")
	}
	// The open tracer of the cleanup closes again: nothing happens.
}

func TestRunAfterItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := open(t, Options{}).Run(ctx, newCollector()); err != nil {
		t.Error(err)
	}
}

// openUnprivileged is a child without privileges.
func openUnprivileged() error {
	t, err := Open(context.Background(), Options{})
	if err == nil {
		return errors.Join(errors.New("opened"), t.Close())
	}
	if !errors.Is(err, ErrNotPermitted) || !strings.Contains(err.Error(), "CAP_BPF") {
		return fmt.Errorf("wrong error: %w", err)
	}
	return nil
}

func TestUnprivileged(t *testing.T) {
	testenv.Privileged(t) // to become nobody
	if b, err := os.ReadFile("/proc/sys/kernel/unprivileged_bpf_disabled"); err == nil && strings.TrimSpace(string(b)) == "0" {
		testenv.Skip(t, "anybody may use bpf(2) here: kernel.unprivileged_bpf_disabled is 0")
	}
	// Nobody can look into the folder of the test's binary.
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "oomtrace-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(dir, "child"), exe, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "open")
	cmd.Path, cmd.Dir = filepath.Join(dir, "child"), dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if err := cmd.Run(); err != nil {
		t.Errorf("%v: %s", err, cmd.Stderr)
	}
}

// Open and Close, also a failed Open, leave nothing behind: no descriptor here, and
// of what the descriptors held no program, map or link in the kernel.
func TestNoLeak(t *testing.T) {
	privileged(t)
	cycle := func() (held objects) {
		tr, err := Open(t.Context(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, stop := run(t, tr)
		held = heldObjects(t)
		stop()
		if err := tr.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{Forbid: Kinds()}); err == nil {
			t.Fatal("opened")
		}
		return held
	}
	cycle() // the runtime and the library keep some descriptors of their own
	before := countFDs(t)
	held := cycle()
	if now := countFDs(t); now > before {
		t.Errorf("%d descriptors, %d before", now, before)
	}
	if len(held["prog_id"]) < 2 || len(held["map_id"]) < 4 {
		t.Fatalf("held %v", held)
	}
	// The kernel frees them some moments later.
	deadline := time.Now().Add(soon)
	for left := held.alive(); len(left) > 0; left = held.alive() {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %v", left)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func countFDs(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// objects are ids of kernel objects by what fdinfo calls them.
type objects map[string][]uint32

// heldObjects are those that this process has descriptors of.
func heldObjects(t *testing.T) objects {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	held := objects{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // closed meanwhile
		}
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(line, ":")
			if id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32); err == nil && strings.HasSuffix(key, "_id") {
				held[key] = append(held[key], uint32(id))
			}
		}
	}
	return held
}

// alive lists those that the kernel still has.
func (o objects) alive() (left []string) {
	for kind, ids := range o {
		for _, id := range ids {
			var object io.Closer
			var err error
			switch kind {
			case "prog_id":
				object, err = ebpf.NewProgramFromID(ebpf.ProgramID(id))
			case "map_id":
				object, err = ebpf.NewMapFromID(ebpf.MapID(id))
			case "link_id":
				object, err = link.NewFromID(link.ID(id))
			default:
				continue
			}
			if err == nil {
				left = append(left, fmt.Sprint(kind, " ", id))
				_ = object.Close()
			}
		}
	}
	return left
}
