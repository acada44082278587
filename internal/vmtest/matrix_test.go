// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// watch starts a watcher under a name and waits until it is attached, which took
// 30 s and more on arm64 with both CPUs of the host shared.
func watch(name string, args ...string) scenario.Step {
	return scenario.Start(name, `"session\.start"`, append([]string{"oomtrace", "watch", "-o", "json"}, args...)...).Within(2 * time.Minute)
}

// watched reads what a watcher wrote and checks the frame: it ended well, each
// line is valid, the stream opens and closes as it should, nothing was lost.
func watched(t *testing.T, r *Result, name string) []*event.Event {
	t.Helper()
	want(t, name+"'s exit", r.Report.Procs[name].Exit, 0)
	all := events(t, r, name)
	if len(all) < 2 || all[0].Type != event.TypeSessionStart || all[len(all)-1].Type != event.TypeSessionEnd {
		t.Fatalf("%s wrote %d events, not session.start … session.end; stderr: %s", name, len(all), r.Out(t, name+".err"))
	}
	if attached := all[0].BoottimeNS; attached != nil {
		// Of a start that took too long: was it slow, or did it hang?
		t.Logf("%s: session.start %.1f s after its process's", name, float64(int64(*attached)-r.Report.Procs[name].StartNS)/1e9)
	}
	for line := range bytes.Lines(r.Out(t, name+".out")) {
		if err := eventtest.Check(bytes.TrimSpace(line)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	return all
}

// explained checks that no set of the clock was taken for one by nobody: those
// who set it here are all known.
func explained(t *testing.T, name string, all []*event.Event) {
	t.Helper()
	for _, e := range all {
		if e.Type == event.TypeClockStep {
			t.Errorf("%s: a step of %d ns by nobody, at %v", name, e.ClockStep.StepNS, e.Time)
		}
	}
}

// complete checks that the session lost nothing.
func complete(t *testing.T, name string, all []*event.Event) {
	t.Helper()
	lost := all[len(all)-1].SessionEnd.Lost
	for what, n := range map[string]*uint64{"reserve": lost.Reserve, "queue": lost.Queue, "read": lost.Read} {
		if n == nil || *n != 0 {
			t.Errorf("%s lost at %s: %v, want 0", name, what, deref(n))
		}
	}
}

func report(t *testing.T, name string, differences []string) {
	t.Helper()
	if n := len(differences); n > 0 {
		t.Errorf("%s: %d differences:\n\t%s", name, n, strings.Join(differences[:min(n, 20)], "\n\t"))
	}
}

// TestEvents holds what oomtrace writes against the kernel log and against
// those who changed the clock, on every kernel with every rung allowed. A second
// watcher runs in a pid namespace of its own and must see the same.
func TestEvents(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			r := everything().boot(t, lab, k, Options{MemMiB: 640},
				[]scenario.Step{watch("watch"), watch("contained", "--events", "oom").Contained()},
				[]scenario.Step{scenario.Stop("contained"), scenario.Stop("watch")})
			x := Expect{Sharers: []int{sharerPID(t, r)}}
			events := watched(t, r, "watch")
			report(t, "watch", CompareKills(r.Log, events, x))
			report(t, "watch", CompareClock(clockCalls(t, r), events))
			explained(t, "watch", events)
			stormed(t, r, events, false)

			contained := watched(t, r, "contained")
			complete(t, "contained", contained)
			explained(t, "contained", contained)
			report(t, "contained", CompareKills(r.Log, contained, x))
			foreign(t, contained)
		})
	}
}

// stormed checks that the calls of the storm are all accounted for: written,
// counted as lost on the way, or missed by a program that the kernel skipped.
// Kprobes miss at entry and at return, and programs for kills are skipped too;
// exactly tells that there are none of either.
func stormed(t *testing.T, r *Result, events []*event.Event, exactly bool) {
	t.Helper()
	var got uint64
	for _, e := range events {
		if e.Type == event.TypeClockAdjust && e.Clock.Process.PID == r.Report.Procs["storm"].PID {
			got++
		}
	}
	count := func(n *uint64) uint64 {
		if n == nil {
			return 0
		}
		return *n
	}
	lost := events[len(events)-1].SessionEnd.Lost
	got += count(lost.Reserve) + count(lost.Queue)
	skipped, issued := count(lost.Recursion)+count(lost.ProbeMissed), stormResult(t, r).Issued
	if got > issued || got+skipped < issued || exactly && got+skipped != issued {
		t.Errorf("storm: %d calls seen or lost and %d programs skipped, want %d calls in all", got, skipped, issued)
	}
}

// foreign checks that a watcher outside the initial pid namespace says so and
// looks nobody up: its /proc is about others of the same pid.
func foreign(t *testing.T, events []*event.Event) {
	t.Helper()
	if own := events[0].SessionStart.InitPIDNamespace; own == nil || *own {
		t.Errorf("init_pid_namespace %v, want false", deref(own))
	}
	for _, e := range events {
		if e.Type != event.TypeOOMKill {
			continue
		}
		if v := e.Kill.Victim; v.Exe != nil || v.Cmdline != nil {
			t.Errorf("pid %d was looked up in another pid namespace's /proc: %+v", v.PID, v)
		}
	}
}

// rungs are the sets of rungs that are forbidden in turn, so that each rung of
// each ladder is the best one left at least once on kernels that have it.
var rungs = []struct {
	name    string
	forbid  string
	derived bool
}{
	{"no-fentry", "fentry", false},
	{"no-kprobe", "fentry,kprobe", true},
	{"no-tp-btf", "tp_btf", false},
	{"no-raw-tp", "tp_btf,raw_tp", false},
	{"least", "fentry,kprobe,tp_btf,raw_tp", true},
}

// TestRungs holds each rung against the kernel log, several watchers at once.
func TestRungs(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	all := pieces{limited(), limitAbove(), grouped("pod", 3), otherTrigger(), worker(), sysrq(), clocks(), shared()}
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			var start, stop []scenario.Step
			for _, rung := range rungs {
				start = append(start, watch(rung.name).With("OOMTRACE_FORBID="+rung.forbid))
				stop = append(stop, scenario.Stop(rung.name))
			}
			o := Options{MemMiB: 640, Scenario: scenario.Scenario{Tracefs: true}}
			r := all.boot(t, lab, k, o, start, stop)
			for _, rung := range rungs {
				events := watched(t, r, rung.name)
				complete(t, rung.name, events)
				for _, h := range events[0].SessionStart.Hooks {
					for word := range strings.SplitSeq(rung.forbid, ",") {
						if strings.HasPrefix(h.Method, word+" ") {
							t.Errorf("%s: %s is served by %q, which is forbidden", rung.name, h.Fact, h.Method)
						}
					}
				}
				report(t, rung.name, CompareKills(r.Log, events, Expect{
					Sharers: []int{sharerPID(t, r)},
					Derived: rung.derived,
				}))
				report(t, rung.name, CompareClock(clockCalls(t, r), events))
				explained(t, rung.name, events)
			}
		})
	}
}

// TestPrivileges runs the watcher without any privilege, which it must refuse
// with the code for that, and with no more than CAP_BPF and CAP_PERFMON, to which
// 5.10 adds CAP_SYS_RESOURCE: it charges maps to RLIMIT_MEMLOCK.
func TestPrivileges(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			caps := []uintptr{unix.CAP_BPF, unix.CAP_PERFMON}
			var x Expect
			switch k.String() {
			case "amd64-5.10":
				caps = append(caps, unix.CAP_SYS_RESOURCE)
			case "arm64-6.1":
				// No fentry, and Debian lets nobody open kprobes: what is left
				// derives, from the names in the call trace.
				caps, x.Derived = append(caps, unix.CAP_SYSLOG), true
			}
			r := pieces{limited()}.boot(t, lab, k, Options{},
				[]scenario.Step{
					scenario.Run("nobody", "oomtrace", "watch", "-o", "json").As(65534),
					watch("capable").As(65534, caps...),
				},
				[]scenario.Step{scenario.Stop("capable")})
			want(t, "exit without privileges", r.Report.Procs["nobody"].Exit, 3)
			if said := string(r.Out(t, "nobody.err")); !strings.Contains(said, "CAP_BPF") {
				t.Errorf("without privileges it says %q, which names no CAP_BPF", said)
			}
			report(t, "capable", CompareKills(r.Log, watched(t, r, "capable"), x))
		})
	}
}

// TestWarp has the first time zone after a boot move the clock by an hour: by a
// known process where the function is hooked, else by nobody. A storm follows, of
// which fentry accounts for each call.
func TestWarp(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			names := []string{"best", "kprobe", "timerfd"}
			r := lab.Boot(t, k, Options{Scenario: scenario.Scenario{Steps: []scenario.Step{
				watch("best"),
				watch("kprobe").With("OOMTRACE_FORBID=fentry"),
				watch("timerfd").With("OOMTRACE_FORBID=fentry,kprobe"),
				scenario.Run("warp", scenario.Guest, "clock", "warp"),
				scenario.Stop("kprobe"), scenario.Stop("timerfd"),
				scenario.Run("storm", scenario.Guest, "storm", "-threads", "2", "-most", "10000"),
				scenario.Stop("best"),
			}}})
			best := watched(t, r, "best")
			stormed(t, r, best, slices.ContainsFunc(best[0].SessionStart.Hooks, func(h event.Hook) bool {
				return h.Fact == "clock" && strings.HasPrefix(h.Method, "fentry ") && best[len(best)-1].SessionEnd.Lost.Recursion != nil
			}))
			for _, name := range names {
				var told []string
				for _, e := range watched(t, r, name) {
					switch e.Type {
					case event.TypeClockAdjust:
						c := e.Clock
						if c.Process.PID == r.Report.Procs["storm"].PID {
							continue
						}
						want(t, name+": who", c.Process.PID, r.Report.Procs["warp"].PID)
						want(t, name+": op", c.Op, event.OpSettimeofday)
						want(t, name+": function", c.Function, "timekeeping_warp_clock")
						anHour(t, name, c.StepNS, c.StepErrorNS)
						told = append(told, "adjust")
					case event.TypeClockStep:
						anHour(t, name, &e.ClockStep.StepNS, &e.ClockStep.StepErrorNS)
						told = append(told, "step")
					}
				}
				expected := "adjust"
				if name == "timerfd" {
					expected = "step"
				}
				want(t, name+": told", strings.Join(told, " "), expected)
			}
		})
	}
}

func anHour(t *testing.T, name string, step, bound *int64) {
	t.Helper()
	const hour = int64(time.Hour)
	if step == nil || bound == nil || max(*step, hour)-min(*step, hour) > *bound+int64(time.Millisecond) {
		t.Errorf("%s: step %v ± %v, want an hour", name, deref(step), deref(bound))
	}
}

// TestCgroupV1 is a kill under the v1 controller, which newer Debian kernels
// do not have any more.
func TestCgroupV1(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range Kernels() {
		if k.Series != "5.10" && k.Series != "6.1" {
			continue
		}
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			o := Options{Scenario: scenario.Scenario{CgroupV1: true}}
			r := pieces{limitedV1()}.boot(t, lab, k, o, []scenario.Step{watch("watch")}, []scenario.Step{scenario.Stop("watch")})
			events := watched(t, r, "watch")
			complete(t, "watch", events)
			report(t, "watch", CompareKills(r.Log, events, Expect{}))
			for _, e := range events {
				if e.Type == event.TypeOOMKill && (e.Kill.Limit == nil || e.Kill.Limit.Cgroup == nil || e.Kill.Limit.Cgroup.Version != 1) {
					t.Errorf("limit %+v, want one of a v1 cgroup", e.Kill.Limit)
				}
			}
		})
	}
}

// TestRecordBTF records a kernel's BTF into testdata/btf: set
// OOMTRACE_RECORD_BTF to the kernel's name.
func TestRecordBTF(t *testing.T) {
	name := os.Getenv("OOMTRACE_RECORD_BTF")
	if name == "" {
		t.Skip("records test data: set OOMTRACE_RECORD_BTF to a kernel's name")
	}
	lab := NewLab(t)
	for _, k := range Kernels() {
		if k.String() != name {
			continue
		}
		r := lab.Boot(t, k, Options{Scenario: scenario.Scenario{Steps: []scenario.Step{
			scenario.Run("btf", scenario.Guest, "cat", "/sys/kernel/btf/vmlinux"),
		}}})
		path := filepath.Join("..", "..", "testdata", "btf", name+".btf")
		if err := os.WriteFile(path, r.Out(t, "btf.out"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("no kernel %s in %v", name, Kernels())
}
