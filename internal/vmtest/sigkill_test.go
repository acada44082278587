// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// killFacts are what a watcher of OOM kills and SIGKILLs asks for.
var killFacts = append(slices.Clone(episodeFacts), "sigkill", "exec", "symbols", "log")

// TestSigkills has processes killed by kill(2), by cgroup.kill, where the kernel has it,
// and by the OOM killer, and holds each rung against that: the last is told as an oom.kill
// alone.
func TestSigkills(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	rungs := []struct {
		name      string
		forbidden []string
	}{
		{"best", nil},
		{"raw", []string{"tp_btf"}},
		{"least", []string{"fentry", "kprobe", "tp_btf", "raw_tp"}},
	}
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			hasKill := k.Series != "5.10" // cgroup.kill: commit 661ee6280931 ("cgroup: introduce cgroup.kill") (in v5.14)
			var start, stop []scenario.Step
			for _, rung := range rungs {
				start = append(start, watch(rung.name, "--events", "oom,kill").With("OOMTRACE_FORBID="+strings.Join(rung.forbidden, ",")))
				stop = append(stop, scenario.Stop(rung.name))
			}
			start = append(start, scenario.Run("slay", scenario.Guest, "slay"))
			if hasKill {
				start = append(start,
					scenario.Cgroup("doomed"),
					scenario.Start("doomed", "ready", hog("-hold", "doomed", "1")...).In("doomed"),
					scenario.Write(scenario.CgroupV2+"/doomed/cgroup.kill", "1"),
					scenario.Wait("doomed"))
			}
			r := pieces{limited(), grouped("pod", 3), shared()}.boot(t, lab, k, Options{MemMiB: 640}, start, stop)
			slain, err := strconv.Atoi(strings.TrimSpace(string(r.Out(t, "slay.out"))))
			if err != nil {
				t.Fatal(err)
			}
			for _, rung := range rungs {
				all := judge(t, r, k, rung.name, killFacts, rung.forbidden, Expect{Sharers: []int{sharerPID(t, r)}})
				complete(t, rung.name, all)
				oom := map[int]bool{}
				told := map[int][]*event.Sigkill{}
				for _, e := range all {
					switch e.Type {
					case event.TypeOOMKill:
						oom[e.Kill.Victim.PID] = true
					case event.TypeProcSigkill:
						told[e.Sigkill.Victim.PID] = append(told[e.Sigkill.Victim.PID], e.Sigkill)
					}
				}
				for pid := range told {
					if oom[pid] {
						t.Errorf("%s: pid %d is told as an oom.kill and as a SIGKILL: %+v", rung.name, pid, told[pid][0])
					}
				}
				by := func(what string, pid, sender int, via event.Via, cmdline string) {
					if len(told[pid]) != 1 {
						t.Errorf("%s: %s of pid %d told %d times", rung.name, what, pid, len(told[pid]))
						return
					}
					s := told[pid][0]
					want(t, rung.name+": "+what+": verdict", s.Verdict, event.VerdictOther)
					if rung.name == "least" && via == event.ViaCgroupKill && s.Via == "" {
						return // no call trace at that tracepoint here
					}
					want(t, rung.name+": "+what+": via", s.Via, via)
					if s.Sender == nil || s.Sender.PID != sender {
						t.Errorf("%s: %s: sender %+v, want pid %d", rung.name, what, s.Sender, sender)
					}
					if rung.name == "least" {
						return // it has no start time, by which to know who is gone
					}
					if c := s.Victim.Cmdline; c == nil || *c != cmdline {
						t.Errorf("%s: %s: command line %v (%v), want %q", rung.name, what, deref(c), s.Sources, cmdline)
					}
				}
				by("kill(2)", slain, r.Report.Procs["slay"].PID, event.ViaKill, "/proc/self/exe linger 1h")
				if hasKill {
					by("cgroup.kill", r.Report.Procs["doomed"].PID, 1, event.ViaCgroupKill, scenario.Guest+" hog -hold doomed 1")
				}
			}
		})
	}
}
