// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// soon bounds what takes no time unless it hangs.
const soon = time.Minute

func closeWorker(t *testing.T, w *Worker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Error(err)
	}
}

// wait takes an answer that must come.
func wait(t *testing.T, answer <-chan Answer) Answer {
	t.Helper()
	a, ok := Wait(answer, soon)
	if !ok {
		t.Fatal("no answer")
	}
	return a
}

func TestWorker(t *testing.T) {
	w := NewWorker(newReader(t, Options{}), 4)
	w.Warm()
	before := w.reader.BoottimeNS()
	a := wait(t, w.Ask(Request{Tasks: []Ref{{PID: os.Getpid(), Daemon: true}, {PID: 1 << 30}}, Machine: true}))
	if a.State != StateOK || len(a.Tasks) != 2 || a.Tasks[0].Identity.Exe == nil || a.Memory == nil {
		t.Errorf("answer %+v", a)
	}
	if !errors.Is(a.Tasks[1].Err, ErrGone) {
		t.Errorf("a process that never was: %v", a.Tasks[1].Err)
	}
	if age := a.AgeMS(before - 5e6); age == nil || *age < 5 || *age > soon.Milliseconds() {
		t.Errorf("read %v ms after the event", age)
	}
	if a = wait(t, w.Ask(Request{Tasks: []Ref{{PID: 1 << 30}}})); a.State != StateGone {
		t.Errorf("state %q of a process that is gone", a.State)
	}
	closeWorker(t, w)
	closeWorker(t, w)
	if a = wait(t, w.Ask(Request{})); a.State != StateBlocked || a.AgeMS(0) != nil {
		t.Errorf("a closed worker says %+v", a)
	}

	w = nil
	w.Warm()
	if a = wait(t, w.Ask(Request{Machine: true})); a.State != StateOff || a.Memory != nil {
		t.Errorf("no worker says %+v", a)
	}
	closeWorker(t, w)
}

// TestWorkerBlocked holds the worker in a read, as the kernel does with
// /proc/PID files when memory is gone.
func TestWorkerBlocked(t *testing.T) {
	proc := tree(t, map[string]string{"10/cgroup": "0::/\n", "10/cmdline": "a\x00", "10/exe": "-> /a"})
	fifo := filepath.Join(proc, "10/stat")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	w := NewWorker(newReader(t, Options{Proc: proc}), 2)
	first := w.Ask(Request{Tasks: []Ref{{PID: 10}}})
	// Opened once the worker is there to read.
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := Wait(first, time.Millisecond); ok {
		t.Fatal("an answer from a blocked worker")
	}
	second, third := w.Ask(Request{}), w.Ask(Request{})
	if a := wait(t, w.Ask(Request{})); a.State != StateBlocked || a.BoottimeNS != 0 {
		t.Errorf("behind a full queue: %+v", a)
	}

	// Closing does not wait for ever either.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close of a blocked worker: %v", err)
	}

	// Late, but it comes.
	if _, err := f.WriteString(statLine(10, "a", "S", 0, 500)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if a := wait(t, first); a.State != StateOK || *a.Tasks[0].Identity.Cmdline != "a" {
		t.Errorf("the late answer: %+v", a)
	}
	for _, answer := range []<-chan Answer{second, third} {
		if a := wait(t, answer); a.State != StateBlocked {
			t.Errorf("waiting when it was closed: %+v", a)
		}
	}
	closeWorker(t, w)
}

// TestWorkerConcurrent closes a worker while others ask: each gets an answer, and
// no goroutine stays.
func TestWorkerConcurrent(t *testing.T) {
	w := NewWorker(newReader(t, Options{}), 2)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if _, ok := Wait(w.Ask(Request{Tasks: []Ref{{PID: os.Getpid()}}}), soon); !ok {
					t.Error("no answer")
				}
			}
		})
	}
	wait(t, w.Ask(Request{Machine: true}))
	closeWorker(t, w)
	wg.Wait()

	// The goroutine has said its last word; give it the time to return.
	for deadline := time.Now().Add(soon); ; runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), "procsnap.(*Worker).run") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a goroutine is left:\n%s", stacks)
		}
	}
}

// The first part of every request comes before the rest of any, and one of the two
// does not wait for the other.
func TestWorkerParts(t *testing.T) {
	r, ref := cgroupTree(t, 2, map[string]string{"memory.events": "oom_kill 1\n"})
	stat := filepath.Join(r.memcgs.dir, ref.Path, "memory.stat")
	if err := unix.Mkfifo(stat, 0o600); err != nil {
		t.Fatal(err)
	}
	w := NewWorker(r, 2)
	req := Request{Tasks: []Ref{{PID: os.Getpid(), UID: new(uint32)}}, Limit: &ref, Machine: true}
	first := w.Ask(req)
	a, ok := Wait(first, 10*time.Millisecond)
	for deadline := time.Now().Add(soon); !ok && time.Now().Before(deadline); {
		a, ok = Wait(first, 10*time.Millisecond) // a slow machine
	}
	if !ok || !a.More || a.State != StateOK || a.Tasks[0].Identity.Exe == nil || *a.Limit.Events.OOMKill != 1 || a.Limit.Stat != nil || a.Memory == nil {
		t.Fatalf("the first part: %+v, %v", a, ok)
	}
	// Its rest holds the worker now, or soon; two more wait.
	second := w.Ask(req)
	// Each opening ends with a file that can be read to its end.
	for range 2 {
		f, err := os.OpenFile(stat, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("anon 4096\n"); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			break
		}
		rest, ok := Wait(first, soon)
		if a.Add(rest); !ok || a.More || *a.Limit.Stat.AnonBytes != 4096 || *a.Limit.Events.OOMKill != 1 || a.RestBoottimeNS < a.BoottimeNS {
			t.Errorf("the whole: %+v, %v", a, ok)
		}
		first = nil
	}
	b := wait(t, second)
	if b.More || *b.Limit.Stat.AnonBytes != 4096 || b.RestAgeMS(b.RestBoottimeNS) == nil {
		t.Errorf("the second: %+v", b)
	}
	closeWorker(t, w)
}

// What is to be read first goes first, and what is left to read is bounded.
func TestWorkerNext(t *testing.T) {
	w := &Worker{jobs: make(chan job, 4)}
	rests := make([]job, 0, 2)
	push := func(nodes string) { w.jobs <- job{nodes: nodes} }
	take := func() string {
		j, ok, rest := w.next(&rests)
		switch {
		case !ok:
			return "end"
		case rest:
			return "rest " + j.nodes
		}
		rests = append(rests, j)
		return j.nodes
	}
	push("a")
	push("b")
	push("c")
	var got []string
	for range 4 {
		got = append(got, take())
	}
	push("d")
	close(w.jobs)
	for range 5 {
		got = append(got, take())
	}
	want := []string{"a", "b", "rest a", "c", "rest b", "d", "rest c", "rest d", "end"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func BenchmarkWorker(b *testing.B) {
	r, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	w := NewWorker(r, 4)
	defer func() {
		if err := w.Close(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	req := Request{Tasks: []Ref{{PID: os.Getpid()}, {PID: os.Getppid()}}, Machine: true}
	b.ReportAllocs()
	for b.Loop() {
		if a := <-w.Ask(req); a.State != StateOK {
			b.Fatal(a.State)
		}
	}
}

// Without its start, a process that began after the event is not taken for the one
// of the event.
func TestAnswerReused(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		seen uint64
		want error
	}{
		"now":              {r.BoottimeNS(), nil},
		"before its start": {1, ErrReused},
		"not known":        {0, nil},
	} {
		a := r.answer(Request{Tasks: []Ref{{PID: os.Getpid(), EventBoottimeNS: tt.seen}}})
		if got := a.Tasks[0]; !errors.Is(got.Err, tt.want) || (got.Err != nil) != (got.Identity.Exe == nil) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
