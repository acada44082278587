// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

var killKinds = []string{KindTPBTF, KindRawTP, KindTracepoint}

// killedIn starts cmd in a cgroup of its own, gives it its word and waits for its end,
// which is a kill.
func killedIn(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	dir := memoryCgroup(t)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL {
		t.Fatalf("not killed: %v, %s", cmd.ProcessState, cmd.Stderr)
	}
}

// by are the records of kills and announcements by a process: "kind pid role".
func (c *collector) by(trigger int) (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, raw := range c.oom {
		var w bpf.OomtraceWireKill
		fill(&w, raw)
		if int(w.Trigger.Pid) == trigger {
			out = append(out, fmt.Sprintf("%d %d %v", w.H.Kind, w.Victim.Pid, bpf.OomtraceWireRole(w.Role)))
		}
	}
	return out
}

// An init that is trigger and victim kills all of its pid namespace on its way out:
// these are no kills for want of memory, though the signals look the same.
func TestPIDNamespaceOfVictim(t *testing.T) {
	for _, kind := range killKinds {
		t.Run(kind, func(t *testing.T) {
			c, stop := run(t, open(t, Options{NoClock: true, Forbid: only(kind)}))
			cmd := exec.CommandContext(t.Context(), "sh", "-c", `read word; for n in 1 2 3; do sleep 1000 & done; exec dd if=/dev/zero of=/dev/null bs=256M count=1`)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
			cmd.Stderr = &bytes.Buffer{}
			killedIn(t, cmd) // it ends after its children
			stop()
			want := []string{fmt.Sprintf("1 %d %v", cmd.Process.Pid, bpf.OomtraceWireRoleWIRE_ROLE_CHOSEN)}
			if got := c.by(cmd.Process.Pid); !slices.Equal(got, want) {
				t.Errorf("told %v, want %v", got, want)
			}
		})
	}
}

// A process that shares the victim's memory is killed though its main thread, which
// gets the signal, has no memory any more.
func TestSharerWithoutLeader(t *testing.T) {
	privileged(t)
	exe := filepath.Join(t.TempDir(), "sharer")
	if out, err := exec.CommandContext(t.Context(), "gcc", "-O1", "-o", exe, "testdata/sharer.c").CombinedOutput(); err != nil {
		testenv.Skip(t, "compile: %v: %s", err, out)
	}
	for _, kind := range killKinds {
		t.Run(kind, func(t *testing.T) {
			c, stop := run(t, open(t, Options{NoClock: true, Forbid: only(kind)}))
			cmd := exec.CommandContext(t.Context(), exe)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &bytes.Buffer{}
			killedIn(t, cmd)
			stop()
			announced := 1
			if kind == KindTracepoint {
				announced = 2
			}
			want := []string{
				fmt.Sprintf("1 %d %v", cmd.Process.Pid, bpf.OomtraceWireRoleWIRE_ROLE_CHOSEN),
				fmt.Sprintf("%d %s %v", announced, strings.TrimSpace(out.String()), bpf.OomtraceWireRoleWIRE_ROLE_SHARED_MM),
			}
			if got := c.by(cmd.Process.Pid); !slices.Equal(got, want) {
				t.Errorf("told %v, want %v", got, want)
			}
		})
	}
}
