// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// sleeper starts a process that waits to be killed.
func sleeper(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// Each rung sees a kill(2) once, with who it was and who did it; what takes no effect is
// none.
func TestSigkillRungs(t *testing.T) {
	for _, kind := range killKinds {
		t.Run(kind, func(t *testing.T) {
			tr := open(t, Options{NoOOM: true, NoClock: true, NoExec: true, Sigkills: true, Forbid: only(kind)})
			if h := hook(t, tr, FactSigkill); !h.OK || h.Method != kind+" signal_generate" {
				t.Fatalf("hook: %+v", h)
			}
			c, stop := run(t, tr)
			cmd := sleeper(t, "sleep", "1000")
			pid := cmd.Process.Pid
			for range 2 { // the second finds it dying, or dead
				if err := unix.Kill(pid, unix.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			c.waitFor(t, "the SIGKILL", func() bool { return len(c.sigkills(pid)) > 0 })
			// A zombie is not killed.
			var info unix.Siginfo
			if err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
				t.Fatal(err)
			}
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			// Other signals are none.
			other := sleeper(t, "sleep", "1000")
			if err := other.Process.Signal(unix.SIGTERM); err != nil {
				t.Fatal(err)
			}
			_ = other.Wait()
			stop()
			got := c.sigkills(pid)
			if len(got) != 1 || len(c.sigkills(other.Process.Pid)) != 0 {
				t.Fatalf("seen %d times, and %d of a SIGTERM", len(got), len(c.sigkills(other.Process.Pid)))
			}
			w := got[0]
			if int(w.Sender.Pid) != os.Getpid() || w.Code != 0 || w.Group != 1 || w.Victim.Failed != 0 || w.Sender.Failed != 0 {
				t.Errorf("sender %d, code %d, group %d", w.Sender.Pid, w.Code, w.Group)
			}
			full := kind != KindTracepoint
			if known := w.Victim.StartBoottimeNs != 0 && w.Victim.CgroupId != 0; known != full {
				t.Errorf("victim %+v", w.Victim)
			}
			if st := stats(t, tr); st.SigkillReserve != 0 || st.Read != 0 {
				t.Errorf("lost %+v", st)
			}
		})
	}
}

// The kernel's own have a call trace and no siginfo: a write to cgroup.kill, and a pid
// namespace whose init ends.
func TestSigkillByKernel(t *testing.T) {
	for _, kind := range []string{KindTPBTF, KindRawTP} {
		t.Run(kind, func(t *testing.T) {
			c, stop := run(t, open(t, Options{NoOOM: true, NoClock: true, Sigkills: true, Forbid: only(kind)}))
			t.Run("cgroup.kill", func(t *testing.T) {
				dir := killableCgroup(t)
				cmd := sleeper(t, "sleep", "1000")
				if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				c.waitFor(t, "the SIGKILL", func() bool { return len(c.sigkills(cmd.Process.Pid)) > 0 })
				w := c.sigkills(cmd.Process.Pid)[0]
				if int(w.Sender.Pid) != os.Getpid() || bpf.OomtraceWireInfo(w.Info) != bpf.OomtraceWireInfoWIRE_INFO_NONE || w.StackLen < 4 {
					t.Errorf("sender %d, info %d, stack of %d", w.Sender.Pid, w.Info, w.StackLen)
				}
			})
			t.Run("pid namespace", func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), "sh", "-c", "sleep 1000 & echo; read word")
				cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
				in, err1 := cmd.StdinPipe()
				out, err2 := cmd.StdoutPipe()
				if err1 != nil || err2 != nil {
					t.Fatal(err1, err2)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if _, err := out.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				_ = in.Close()
				_ = cmd.Wait() // after its children
				by := func() (n int) {
					c.mu.Lock()
					defer c.mu.Unlock()
					for _, raw := range c.sigkill {
						var w bpf.OomtraceWireSigkill
						fill(&w, raw)
						if int(w.Sender.Pid) == cmd.Process.Pid && bpf.OomtraceWireInfo(w.Info) == bpf.OomtraceWireInfoWIRE_INFO_PRIV && w.StackLen > 3 {
							n++
						}
					}
					return n
				}
				c.waitFor(t, "the SIGKILL", func() bool { return by() == 1 })
			})
			stop()
		})
	}
}

// killableCgroup makes a cgroup of v2 that can be killed as a whole.
func killableCgroup(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		dir := filepath.Join(root, fmt.Sprintf("oomtrace-test-%d-%x", os.Getpid(), time.Now().UnixNano()))
		if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil || os.Mkdir(dir, 0o755) != nil {
			continue
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
		if _, err := os.Stat(filepath.Join(dir, "cgroup.kill")); err == nil {
			return dir
		}
	}
	testenv.Skip(t, "no cgroup v2 with cgroup.kill")
	return ""
}

// Where SIGKILLs are not asked for they are not hooked.
func TestSigkillNotAsked(t *testing.T) {
	for _, h := range open(t, Options{}).Hooks() {
		if h.Fact == FactSigkill {
			t.Errorf("hooked %+v", h)
		}
	}
}

// BenchmarkKill is what kill(2) with a signal that is none costs the sender: run it with
// and without 'oomtrace watch --events kill' beside it.
func BenchmarkKill(b *testing.B) {
	pid := os.Getpid()
	for b.Loop() {
		if err := unix.Kill(pid, unix.SIGURG); err != nil { // the runtime takes it for no more than that
			b.Fatal(err)
		}
	}
}
