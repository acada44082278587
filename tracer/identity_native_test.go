// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/bpf"
)

// execByThread has a thread that is not the leader execute another program, which takes
// the leader's place.
func execByThread() error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() { // the main thread: leave it to another
			go func() { done <- thread() }()
			select {}
		}
		done <- thread()
	}()
	return <-done
}

func thread() error {
	runtime.LockOSThread()
	path, err := exec.LookPath("true")
	if err != nil {
		return err
	}
	return syscall.Exec(path, []string{"true", "by", "a", "thread"}, nil)
}

// entry is what is kept of a process, whenever it began.
func entry(t *testing.T, tr *Tracer, pid int) (bpf.OomtraceWireExec, bool) {
	t.Helper()
	var w bpf.OomtraceWireExec
	err := tr.execs.m.Lookup(uint32(pid), &w)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		t.Fatal(err)
	}
	return w, err == nil
}

// Each rung keeps arguments and executable of what is gone: of a program, a script, a
// long command line, a thread's exec.
func TestExecRungs(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh -e\n:\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	truth, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("long ", 200)
	for _, kind := range []string{KindRawTP, KindTracepoint} {
		t.Run(kind, func(t *testing.T) {
			// Kills have another rung, so that nothing else is left out.
			forbid := []string{KindTracepoint}
			if kind == KindTracepoint {
				forbid = []string{KindRawTP}
			}
			tr := open(t, Options{NoClock: true, Forbid: forbid})
			if h := hook(t, tr, FactExec); !h.OK || h.Method != kind+" sched_process_exit + sched_process_exec" {
				t.Fatalf("hook: %+v", h)
			}
			for name, tt := range map[string]struct {
				cmd  *exec.Cmd
				args string
				exe  string
				cut  bool
			}{
				"program": {exec.CommandContext(t.Context(), truth, "--password", "x y"), truth + "\x00--password\x00x y\x00", truth, false},
				"script":  {exec.CommandContext(t.Context(), script, "a"), "/bin/sh\x00-e\x00" + script + "\x00a\x00", "", false},
				"long":    {exec.CommandContext(t.Context(), truth, long), (truth + "\x00" + long)[:MaxArgs], truth, true},
				"thread":  {child(t, "exec"), "true\x00by\x00a\x00thread\x00", truth, false},
			} {
				if err := tt.cmd.Run(); err != nil {
					t.Fatalf("%s: %v, %v", name, err, tt.cmd.Stderr)
				}
				w, ok := entry(t, tr, tt.cmd.Process.Pid)
				if !ok {
					t.Errorf("%s: nothing was kept", name)
					continue
				}
				id, ok := identity(&w, w.StartBoottimeNs)
				if kind == KindTracepoint {
					tt.exe = "" // its record does not tell a script from a program
				}
				if !ok || string(id.Args) != tt.args || string(id.Exe) != tt.exe || id.ArgsCut != tt.cut {
					t.Errorf("%s: %+v: %q, executable %q", name, ok, id.Args, id.Exe)
				}
				if n := len(id.Args); len(bytes.Trim(bytesOf(w.Args[n:]), "\x00")) > 0 {
					t.Errorf("%s: other words lie behind", name)
				}
				if _, ok := identity(&w, w.StartBoottimeNs+1); ok {
					t.Errorf("%s: taken for another process", name)
				}
			}
		})
	}
}

// Who was killed for want of memory is known when it is gone, by the start time that the
// kill tells; who just ended is forgotten after some others have.
func TestExecKeeps(t *testing.T) {
	tr := open(t, Options{NoClock: true})
	c, stop := run(t, tr)
	pid, _ := kill(t)
	c.waitFor(t, "the kill", func() bool { return len(c.kills(pid)) > 0 })
	var w bpf.OomtraceWireKill
	fill(&w, c.kills(pid)[0])

	// Each CPU keeps those that ended on it: let it be one. Children run where their
	// parent does.
	var all, one unix.CPUSet
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &all); err != nil {
			t.Error(err)
		}
	}()
	first := exec.CommandContext(t.Context(), "true")
	if err := first.Run(); err != nil {
		t.Fatal(err)
	}
	if _, ok := entry(t, tr, first.Process.Pid); !ok {
		t.Error("who has just ended is not known")
	}
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", "for n in $(seq 70); do /bin/true; done").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	stop()
	if _, ok := entry(t, tr, first.Process.Pid); ok {
		t.Error("who ended long ago is kept")
	}
	id, ok := tr.Identity(pid, w.Victim.StartBoottimeNs)
	if !ok || string(id.Args) != "/proc/self/exe\x00" || string(id.Exe) != "/proc/self/exe" {
		t.Errorf("the victim: %v, %+v", ok, id)
	}
}

// What is seeded stands until something better is known, and counts for a start within
// its clock tick alone.
func TestSeed(t *testing.T) {
	tr := open(t, Options{NoClock: true})
	const pid, start = 1 << 22, 12 * tickNS // no process has this pid
	seed := Identity{StartBoottimeNS: start, Args: []byte("a\x00b\x00"), Exe: []byte("/bin/a")}
	for _, args := range []string{"a\x00b\x00", "other\x00"} {
		seed.Args = []byte(args)
		if err := tr.Seed(pid, seed); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[uint64]bool{start - 1: false, start: true, start + tickNS - 1: true, start + tickNS: false, 0: false} {
		id, ok := tr.Identity(pid, at)
		if ok != want || ok && (string(id.Args) != "a\x00b\x00" || string(id.Exe) != "/bin/a" || id.ArgsCut) {
			t.Errorf("began at %d: %v, %+v", at, ok, id)
		}
	}
	seed.Args = bytes.Repeat([]byte("x"), MaxArgs+1)
	if err := tr.Seed(pid+1, seed); err != nil {
		t.Fatal(err)
	}
	if id, ok := tr.Identity(pid+1, start); !ok || !id.ArgsCut || len(id.Args) != MaxArgs {
		t.Errorf("long: %v, %+v", ok, id)
	}
	n := 2
	var err error
	for ; err == nil; n++ {
		err = tr.Seed(pid+n, seed)
	}
	if room := int(tr.execs.m.MaxEntries()); !errors.Is(err, ErrFull) || n < room/4 || n > room {
		t.Errorf("after %d: %v", n, err)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := tr.Identity(pid, start); ok || tr.Seed(pid, seed) != nil {
		t.Error("closed, and it still knows")
	}
}

// Where nobody wants to know, nothing is hooked.
func TestExecNotAsked(t *testing.T) {
	for _, o := range []Options{{NoExec: true}, {NoOOM: true}} {
		tr := open(t, o)
		for _, h := range tr.Hooks() {
			if h.Fact == FactExec {
				t.Errorf("hooked %+v", h)
			}
		}
		if tr.Seeds() {
			t.Error("wants seeds")
		}
	}
}
