// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/testenv"
	"github.com/oomtrace/oomtrace/tracer"
)

// A SIGKILL that an oom.kill tells is not told twice, whichever comes first; one that
// none claims is.
func TestHeldSigkills(t *testing.T) {
	r := newRig()
	r.opts.Tracer.Sigkills = true
	now := ownClocks.boot()
	held := func(victim, killer int, boot uint64) heldSigkill {
		return heldSigkill{oomKill{victim, killer, boot}, &event.Sigkill{Victim: event.Task{PID: victim}, Verdict: event.VerdictKernel}}
	}
	told := func() (pids []int) {
		for _, e := range r.emitted() {
			if e.Type != event.TypeProcSigkill {
				t.Errorf("told a %s", e.Type)
			}
			pids = append(pids, e.Sigkill.Victim.PID)
		}
		return pids
	}
	r.hold(held(10, 1, now))
	r.hold(held(11, 1, now))
	r.claimSigkill(kill(9, 10), 1, now+1000) // a thread of process 9
	r.claimSigkill(kill(20, 20), 2, now)     // its signal comes later
	r.hold(held(20, 2, now-1000))
	r.hold(held(20, 3, now)) // by another
	r.hold(held(20, 2, now)) // once more: told once
	if got := told(); got != nil {
		t.Errorf("told %v", got)
	}
	r.letOutSigkills(func(heldSigkill) bool { return true })
	if got := told(); !slices.Equal(got, []int{11, 20, 20}) {
		t.Errorf("told %v", got)
	}

	// Neither long ago nor too many at once.
	r.claimSigkill(kill(30, 30), 1, now)
	r.hold(held(30, 1, now+uint64(time.Minute)))
	if len(r.sigkills.held) != 1 {
		t.Error("claimed by a kill of a minute ago")
	}
	for i := range heldLimit {
		r.hold(held(100+i, 1, now))
	}
	if got := told(); !slices.Equal(got, []int{30}) || len(r.sigkills.held) != heldLimit {
		t.Errorf("told %v, %d held", got, len(r.sigkills.held))
	}

	// By the timer, when their time is over.
	r.sigkills.held = []heldSigkill{held(40, 1, now-uint64(time.Minute)), held(41, 1, ownClocks.boot())}
	r.letOutOld()
	if got := told(); !slices.Equal(got, []int{40}) {
		t.Errorf("told %v", got)
	}
	r.opts.Count, r.shown = 1, 1
	r.letOutSigkills(func(heldSigkill) bool { return true })
	if got := told(); got != nil || r.received["proc.sigkill"] == 0 {
		t.Errorf("told %v, received %v", got, r.received)
	}
}

func sigkillOf(pid int) func(*event.Event) bool {
	return func(e *event.Event) bool { return e.Sigkill != nil && e.Sigkill.Victim.PID == pid }
}

// A kill -9 is told, by whom and of whom, though both are gone at once; the kill of the
// OOM killer is not told as one, and secrets of what was kept are not shown.
func TestRunSigkill(t *testing.T) {
	r := begin(t, Options{Tracer: tracer.Options{NoClock: true, Sigkills: true}})
	victim := exec.CommandContext(t.Context(), "sh", "-c", "read word; :", "--password=hunter2", "--token", "geheim")
	in, err := victim.StdinPipe() // on which it waits
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	pid := victim.Process.Pid
	// kill(1) itself, and not the shell's.
	path, err := exec.LookPath("kill")
	if err != nil {
		testenv.Skip(t, "%v", err)
	}
	by := exec.CommandContext(t.Context(), path, "-KILL", strconv.Itoa(pid))
	if err := by.Run(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	e := r.wait("the SIGKILL", sigkillOf(pid))
	k := e.Sigkill
	if k.Via != event.ViaKill || k.Verdict != event.VerdictOther || k.Sender == nil || k.Sender.PID != by.Process.Pid || *k.Sender.Comm != "kill" {
		t.Errorf("told %+v, by %+v", k, k.Sender)
	}
	if k.Sender.Cmdline == nil || *k.Sender.Cmdline != path+" -KILL "+strconv.Itoa(pid) || k.Sender.Exe == nil {
		t.Errorf("sender %+v, from %v", k.Sender, k.Sources)
	}
	if c := k.Victim.Cmdline; c == nil || strings.Contains(*c, "hunter2") || strings.Contains(*c, "geheim") || !strings.Contains(*c, "--password=*** --token ***") {
		t.Errorf("victim's command line %v, from %v", c, k.Sources)
	}

	sim := simulateKill(t)
	r.wait("the kill", killOf(sim.PID))
	r.end(nil) // lets out what is held
	if got := r.find(sigkillOf(sim.PID)); len(got) != 0 {
		t.Errorf("the OOM killer's is told too: %+v", got[0].Sigkill)
	}
	if n := len(r.find(sigkillOf(pid))); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// earlyoom is Debian's own: scripts/deps.sh brings it.
func earlyoom(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("OOMTRACE_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			testenv.Skip(t, "%v", err)
		}
		cache = filepath.Join(dir, "oomtrace")
	}
	path := filepath.Join(cache, "bin", "earlyoom")
	if _, err := os.Stat(path); err != nil {
		testenv.Skip(t, "no earlyoom (scripts/deps.sh brings it): %v", err)
	}
	return path
}

// A real earlyoom is told by its executable. It lives in a pid namespace with its victim
// alone: it can see, and kill, nobody else.
func TestRunEarlyOOM(t *testing.T) {
	path := earlyoom(t)
	r := begin(t, Options{Tracer: tracer.Options{NoClock: true, Sigkills: true}})
	// All memory but 1 % is too little for it, so it kills at once.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
		"sh", "-c", `sleep 1000 & "$0" -r 0 -m 99,99 -s 100,100 --prefer '^sleep$' & early=$!; wait %1; kill $early; wait $early; :`, path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	k := r.wait("earlyoom's kill", func(e *event.Event) bool { return e.Sigkill != nil && e.Sigkill.Verdict == event.VerdictEarlyOOM }).Sigkill
	if *k.Victim.Comm != "sleep" || k.VerdictSource != "exe" || k.Via != event.ViaKill || k.Sender == nil || *k.Sender.Exe != path {
		t.Errorf("told %+v by %+v; it said: %s", k, k.Sender, out)
	}
	r.end(nil)
}

// Without OOM kills, theirs are SIGKILLs as any other, and said to be theirs.
func TestRunSigkillAlone(t *testing.T) {
	r := begin(t, Options{Tracer: tracer.Options{NoClock: true, NoOOM: true, Sigkills: true}, Require: []string{"kill"}})
	sim := simulateKill(t)
	k := r.wait("the SIGKILL", sigkillOf(sim.PID)).Sigkill
	if k.Verdict != event.VerdictKernelOOM || k.Via != event.ViaOOMKiller || k.Sender != nil {
		t.Errorf("told %+v", k)
	}
	if got := r.find(killOf(sim.PID)); len(got) != 0 {
		t.Error("an oom.kill was not asked for")
	}
	end := r.end(nil)
	if !slices.Equal(r.events[0].SessionStart.Filters, []string{"events=kill"}) || end.Received["proc.sigkill"] == 0 {
		t.Errorf("filters %v, received %v", r.events[0].SessionStart.Filters, end.Received)
	}
}

// Who wrote cgroup.kill is known by the call trace, on each rung that has one.
func TestRunCgroupKill(t *testing.T) {
	r := begin(t, Options{Tracer: tracer.Options{NoClock: true, NoOOM: true, Sigkills: true}})
	var dir string
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
			dir = filepath.Join(root, "oomtrace-test-live-"+strconv.Itoa(os.Getpid()))
		}
	}
	if dir == "" {
		testenv.Skip(t, "no cgroup v2")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 500 { // the kernel takes a moment to see that it is empty
			if os.Remove(dir) == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%s is left behind", dir)
	})
	victim := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = victim.Wait() }()
	defer func() { _ = victim.Process.Kill() }()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(victim.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0); err != nil {
		testenv.Skip(t, "no cgroup.kill: %v", err)
	}
	k := r.wait("the SIGKILL", sigkillOf(victim.Process.Pid)).Sigkill
	if k.Via != event.ViaCgroupKill || k.Sender == nil || k.Sender.PID != os.Getpid() {
		t.Errorf("told %+v by %+v", k, k.Sender)
	}
	r.end(nil)
}

// Who ran before the session began is known too, once /proc does not tell any more.
func TestRunSeeded(t *testing.T) {
	privileged(t)
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	s, err := open(t.Context(), Options{Sink: func(*event.Event) error { return nil }, Tracer: tracer.Options{NoClock: true}})
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	s.seed(t.Context())
	raw, err := s.reader.Raw(cmd.Process.Pid, tracer.MaxArgs)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(cmd.Process.Pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	p := &pump{session: s}
	id, ok := p.kept(cmd.Process.Pid, event.Ptr(raw.StartBoottimeNS+5_000_000))
	if !ok || *id.Cmdline != "sleep 1000" || id.Exe == nil || !strings.HasSuffix(*id.Exe, "sleep") {
		t.Errorf("%v, %+v", ok, id)
	}
}
