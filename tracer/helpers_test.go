// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// childEnv makes the test binary act as a child; its value says which.
const childEnv = "OOMTRACE_TEST_CHILD"

func TestMain(m *testing.M) {
	if act, ok := children()[os.Getenv(childEnv)]; ok {
		if err := act(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func children() map[string]func() error {
	return map[string]func() error{"hog": hog, "clock": clockCalls, "open": openUnprivileged, "exec": execByThread}
}

// soon bounds what takes no time unless it hangs.
const soon = time.Minute

// child is the test binary acting as a child.
func child(tb testing.TB, act string, args ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), childEnv+"="+act)
	cmd.Stderr = &bytes.Buffer{}
	return cmd
}

// word waits for the parent's word to begin.
func word() error {
	_, err := io.ReadFull(os.Stdin, make([]byte, 1))
	return err
}

// hog touches memory until it is killed.
func hog() error {
	if err := word(); err != nil {
		return err
	}
	mem, err := unix.Mmap(-1, 0, 256<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	for i := 0; i < len(mem); i += os.Getpagesize() {
		mem[i] = 1
	}
	return fmt.Errorf("nobody killed it")
}

// privileged skips unless the tracer can work here.
func privileged(tb testing.TB) {
	tb.Helper()
	testenv.Privileged(tb)
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		testenv.Skip(tb, "the kernel has no BTF: %v", err)
	}
}

// memoryCgroup makes a cgroup with a limit of 32 MiB, v1 or v2.
func memoryCgroup(tb testing.TB) string {
	tb.Helper()
	dir, limit := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if _, err := os.Stat(filepath.Join(dir, limit)); err != nil {
		dir, limit = "/sys/fs/cgroup", "memory.max"
		if b, err := os.ReadFile(dir + "/cgroup.subtree_control"); err != nil || !strings.Contains(string(b), "memory") {
			testenv.Skip(tb, "no cgroup with the memory controller")
		}
	}
	dir = filepath.Join(dir, fmt.Sprintf("oomtrace-test-%d-%x", os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		// The kernel takes a moment to see that it is empty.
		for range 500 {
			if err := os.Remove(dir); err == nil || os.IsNotExist(err) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		tb.Errorf("%s is left behind", dir)
	})
	for file, value := range map[string]string{limit: "33554432", "memory.swap.max": "0", "memory.memsw.limit_in_bytes": "33554432"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil && file == limit {
			tb.Fatal(err)
		}
	}
	return dir
}

// clockCalls sets the frequency to what it is, as often as the arguments say, from
// as many threads.
func clockCalls() error {
	calls, err1 := strconv.Atoi(os.Args[1])
	threads, err2 := strconv.Atoi(os.Args[2])
	if err := errors.Join(err1, err2, word()); err != nil {
		return err
	}
	var g errgroup.Group
	for range threads {
		g.Go(func() error {
			runtime.LockOSThread()
			for range calls {
				if err := setFrequency(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// setFrequency sets the frequency to what it is: one read, one change.
func setFrequency() error {
	var tx unix.Timex
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); err != nil {
		return err
	}
	tx.Modes = unix.ADJ_FREQUENCY
	_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx)
	return err
}

// act lets a child act in a cgroup of its own and waits for its end.
func act(tb testing.TB, name string, args ...string) (cmd *exec.Cmd, cgroup string) {
	tb.Helper()
	dir := memoryCgroup(tb)
	cmd = child(tb, name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		tb.Fatal(err)
	}
	if _, err := in.Write([]byte("x")); err != nil {
		tb.Fatal(err)
	}
	_ = cmd.Wait() // callers look at how it ended
	return cmd, filepath.Base(dir)
}

// changeClock makes calls that change the clock, to what it is.
func changeClock(tb testing.TB, calls, threads int) (pid int) {
	tb.Helper()
	cmd, _ := act(tb, "clock", strconv.Itoa(calls), strconv.Itoa(threads))
	if !cmd.ProcessState.Success() {
		tb.Fatalf("set the frequency: %v, %s", cmd.ProcessState, cmd.Stderr)
	}
	return cmd.Process.Pid
}

// kill makes the kernel kill a hog in a cgroup of its own, and returns its pid and
// the cgroup's name.
func kill(tb testing.TB) (pid int, cgroup string) {
	tb.Helper()
	cmd, cgroup := act(tb, "hog")
	if ws, ok := cmd.ProcessState.Sys().(interface{ Signaled() bool }); !ok || !ws.Signaled() {
		tb.Fatalf("the hog was not killed: %v, %s", cmd.ProcessState, cmd.Stderr)
	}
	return cmd.Process.Pid, cgroup
}

// collector keeps records.
type collector struct {
	mu      sync.Mutex
	oom     [][]byte
	clock   [][]byte
	sigkill [][]byte
	seen    chan struct{} // has room for one: something came
}

func newCollector() *collector { return &collector{seen: make(chan struct{}, 1)} }

func (c *collector) add(to *[][]byte, raw []byte) {
	c.mu.Lock()
	*to = append(*to, bytes.Clone(raw))
	c.mu.Unlock()
	select {
	case c.seen <- struct{}{}:
	default:
	}
}

// OOM implements Sink.
func (c *collector) OOM(raw []byte) { c.add(&c.oom, raw) }

// Clock implements Sink.
func (c *collector) Clock(raw []byte) { c.add(&c.clock, raw) }

// Sigkill implements Sink.
func (c *collector) Sigkill(raw []byte) { c.add(&c.sigkill, raw) }

// sigkills are the records of a victim.
func (c *collector) sigkills(pid int) (out []bpf.OomtraceWireSigkill) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, raw := range c.sigkill {
		var w bpf.OomtraceWireSigkill
		fill(&w, raw)
		if int(w.Victim.Pid) == pid {
			out = append(out, w)
		}
	}
	return out
}

// kills are the records of kind KILL of a pid.
func (c *collector) kills(pid int) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out [][]byte
	for _, raw := range c.oom {
		var w bpf.OomtraceWireKill
		fill(&w, raw)
		if w.H.Kind == uint16(bpf.OomtraceWireKindWIRE_KIND_KILL) && int(w.Victim.Pid) == pid {
			out = append(out, raw)
		}
	}
	return out
}

// clocks are the records of calls by a process.
func (c *collector) clocks(pid int) []bpf.OomtraceWireClock {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []bpf.OomtraceWireClock
	for _, raw := range c.clock {
		var w bpf.OomtraceWireClock
		fill(&w, raw)
		if int(w.Task.Pid) == pid {
			out = append(out, w)
		}
	}
	return out
}

func fill[T any](w *T, raw []byte) {
	full := make([]byte, binary.Size(*w))
	copy(full, raw)
	// It fails only where full is too short.
	_, _ = binary.Decode(full, binary.LittleEndian, w)
}

// waitFor waits until ok says so, each time that something came.
func (c *collector) waitFor(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.After(soon)
	for !ok() {
		select {
		case <-c.seen:
		case <-deadline:
			tb.Fatalf("%s did not come", what)
		}
	}
}

// run runs a tracer with a collector until the test's end or until stop is called,
// which waits for it.
func run(tb testing.TB, t *Tracer) (c *collector, stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	c = newCollector()
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx, c) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					tb.Errorf("run: %v", err)
				}
			case <-time.After(soon):
				tb.Fatal("Run does not end")
			}
		})
	}
	tb.Cleanup(stop)
	return c, stop
}

func open(tb testing.TB, o Options) *Tracer {
	tb.Helper()
	privileged(tb)
	t, err := Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return t
}
