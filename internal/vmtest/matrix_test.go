// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// watch starts a watcher under a name and waits until it is attached: some seconds,
// in which one emulated CPU loads programs and reads symbols, and ten times that
// where the host is busy.
func watch(name string, args ...string) scenario.Step {
	return scenario.Start(name, `"session\.start"`, append([]string{"oomtrace", "watch", "-o", "json", "--stuck-after", "60s", "--no-backfill"}, args...)...).Within(2 * time.Minute)
}

// watched reads what a watcher wrote and checks the frame: it ended well, each
// line is valid, the stream opens and closes as it should, nothing was lost.
func watched(t *testing.T, r *Result, name string) []*event.Event {
	t.Helper()
	all := events(t, r, name)
	if p := r.Report.Procs[name]; p.Exit != 0 {
		t.Errorf("%s: exit %d, want 0; signal %q, %.1f s after its start, peak RSS %d KiB%s",
			name, p.Exit, p.Signal, float64(p.EndNS-p.StartNS)/1e9, p.MaxRSS>>10, lastWords(r, all, p.PID))
	}
	if len(all) < 2 || all[0].Type != event.TypeSessionStart || all[len(all)-1].Type != event.TypeSessionEnd {
		t.Fatalf("%s wrote %d events, not session.start … session.end; stderr: %s", name, len(all), r.Out(t, name+".err"))
	}
	if attached := all[0].BoottimeNS; attached != nil {
		// Of a start that took too long: was it slow, or did it hang?
		t.Logf("%s: %d events, session.start %.1f s after its process's", name, len(all), float64(int64(*attached)-r.Report.Procs[name].StartNS)/1e9)
	}
	for line := range bytes.Lines(r.Out(t, name+".out")) {
		if err := eventtest.Check(bytes.TrimSpace(line)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	return all
}

// lastWords is what there is to tell of a watcher that ended before it was stopped: what
// it saw last, and the kernel's lines of it.
func lastWords(r *Result, all []*event.Event, pid int) string {
	var b strings.Builder
	if n := len(all); n > 0 {
		fmt.Fprintf(&b, "\n\tlast of %d events: %s at %v", n, all[n-1].Type, all[n-1].Time)
	}
	id := regexp.MustCompile(fmt.Sprintf(`\b%d\b`, pid))
	for line := range bytes.Lines(r.Kmsg) {
		if id.Match(line) {
			fmt.Fprintf(&b, "\n\t%s", bytes.TrimSpace(line))
		}
	}
	return b.String()
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

// judge checks what a watcher wrote: the hooks that serve the facts with some rungs
// forbidden, the kills against the kernel log, the changes of the clock against
// those who made them, and which of both were simulated.
func judge(t *testing.T, r *Result, k Kernel, name string, facts, forbidden []string, x Expect) []*event.Event {
	t.Helper()
	all := watched(t, r, name)
	served(t, k, name, all, facts, forbidden)
	x.Derived = strings.HasPrefix(expectedMethod(k, "trigger", forbidden), "derived ")
	x.Nameless = expectedMethod(k, "symbols", forbidden) == ""
	x.Recorded = strings.HasPrefix(expectedMethod(k, "kill", forbidden), "tracepoint ")
	// 5.10's compiler split oom_badness: the hook attaches, and sees nothing.
	x.Computed = k.Series == "5.10" || strings.HasPrefix(expectedMethod(k, "candidates", forbidden), "computed ")
	report(t, name, CompareKills(r.Log, all, x))
	ended(t, name, all, expectedMethod(k, "freed", forbidden) != "", x.Recorded)
	pids := simulations(t, r)
	for _, e := range all {
		var pid int
		switch e.Type {
		case event.TypeOOMKill:
			pid = e.Kill.Victim.PID
		case event.TypeClockAdjust:
			pid = e.Clock.Process.PID
		default:
			continue
		}
		if want := slices.Contains(pids, pid); e.Simulated != want {
			t.Errorf("%s: %s of pid %d: simulated %v, want %v", name, e.Type, pid, e.Simulated, want)
		}
	}
	return all
}

// ended checks that each kill's end was told, once, and that it makes sense. The kernel
// skips a program whose like is under way on the CPU, and counts that; and a victim of
// plain tracepoints has no address space that they tell, so that its end is not seen when
// who reads its /proc holds it last.
func ended(t *testing.T, name string, all []*event.Event, freed, recorded bool) {
	t.Helper()
	var skipped, incomplete uint64
	if n := all[len(all)-1].SessionEnd.Lost.Recursion; n != nil {
		skipped = *n
	}
	defer func() {
		if incomplete > skipped && !recorded {
			t.Errorf("%s: %d ends are incomplete, %d programs were skipped", name, incomplete, skipped)
		}
	}()
	type key struct {
		episode string
		pid     int
	}
	kills, ends := map[key]*event.Kill{}, map[key]int{}
	for _, e := range all {
		switch {
		case e.Kill != nil:
			kills[key{e.Kill.Episode, e.Kill.Victim.PID}] = e.Kill
		case e.End != nil:
			n, k := e.End, key{e.End.Episode, e.End.PID}
			ends[k]++
			if kills[k] == nil {
				t.Errorf("%s: the end of pid %d, which was not killed before", name, n.PID)
				continue
			}
			outcome := event.OutcomeExited
			if freed {
				outcome = event.OutcomeFreed
			}
			if n.Outcome != outcome || n.ExitMS == nil || freed && n.FreedMS == nil {
				incomplete++
				t.Logf("%s: the end of pid %d (%s): %s, exited %v, freed %v", name, n.PID, *kills[k].Victim.Comm, n.Outcome, deref(n.ExitMS), deref(n.FreedMS))
			}
			if anon := kills[k].Victim.AnonRSSBytes; n.FreedBytes != nil && anon != nil && *n.FreedBytes > *anon {
				t.Errorf("%s: pid %d gave back %d bytes, and had %d", name, n.PID, *n.FreedBytes, *anon)
			}
		}
	}
	for k, kill := range kills {
		if ends[k] != 1 {
			incomplete++
			t.Logf("%s: %d ends of pid %d (%s, %s), want 1", name, ends[k], k.pid, deref(kill.Victim.Comm), kill.Role)
		}
	}
}

// timed checks the changes of the clock that a watcher saw.
func timed(t *testing.T, r *Result, name string, all []*event.Event) {
	t.Helper()
	report(t, name, CompareClock(clockCalls(t, r), all, r.Report.Procs["storm"].PID))
	explained(t, name, all)
	if reads := all[len(all)-1].SessionEnd.ClockReads; reads == nil || *reads == 0 {
		t.Errorf("%s: clock_reads %v, want some", name, deref(reads))
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
			events := judge(t, r, k, "watch", allFacts, nil, x)
			timed(t, r, "watch", events)
			stormed(t, r, events, false)

			contained := judge(t, r, k, "contained", oomFacts, nil, x)
			complete(t, "contained", contained)
			explained(t, "contained", contained)
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
	end := events[len(events)-1].SessionEnd
	lost := end.Lost
	got += count(lost.Reserve) + count(lost.Queue)
	for typ, n := range end.Received {
		if typ != string(event.TypeClockAdjust) && lost.Queue != nil {
			got -= n - end.Written[typ] // what was dropped of others
		}
	}
	skipped, issued := count(lost.Recursion)+count(lost.ProbeMissed), stormResult(t, r).Issued
	if got > issued || got+skipped < issued || exactly && got+skipped != issued {
		t.Errorf("storm: %d calls seen or lost and %d programs skipped, want %d calls in all", got, skipped, issued)
	}
}

// foreign checks that a watcher outside the initial pid namespace says so and
// looks nobody up: its /proc is about others of the same pid. What the kernel kept of
// them is another matter.
func foreign(t *testing.T, events []*event.Event) {
	t.Helper()
	if own := events[0].SessionStart.InitPIDNamespace; own == nil || *own {
		t.Errorf("init_pid_namespace %v, want false", deref(own))
	}
	for _, e := range events {
		var tasks []*event.Task
		switch e.Type {
		case event.TypeOOMKill:
			for _, field := range []string{"victim.cmdline", "victim.exe", "trigger.cmdline", "trigger.exe"} {
				if from := e.Kill.Sources[field]; from != "" && from != "exec" {
					t.Errorf("%s of pid %d is from %s", field, e.Kill.Victim.PID, from)
				}
			}
		case event.TypeOOMSnapshot:
			tasks = []*event.Task{e.Snapshot.Victim, e.Snapshot.Trigger}
		case event.TypeClockAdjust:
			tasks = []*event.Task{&e.Clock.Process}
		}
		for _, task := range tasks {
			if task != nil && (task.Exe != nil || task.Cmdline != nil) {
				t.Errorf("%s: pid %d was looked up in another pid namespace's /proc: %+v", e.Type, task.PID, task)
			}
		}
	}
}

// The facts that a watcher asks for, in the order of session.start.
var (
	episodeFacts = []string{"invocation", "trigger", "candidates", "reclaim", "compaction", "exit", "reaped", "freed", "kill"}
	oomFacts     = append(slices.Clone(episodeFacts), "exec", "symbols", "log")
	allFacts     = append(slices.Clone(episodeFacts), "adjtimex", "settime", "warp", "exec", "clock-step", "symbols", "log")
)

// ladders are the rungs of each fact, the best first, as session.start names them.
var ladders = map[string][]string{
	"kill":       {"tp_btf mark_victim + signal_generate", "raw_tp mark_victim + signal_generate", "tracepoint mark_victim + signal_generate"},
	"trigger":    {"fentry oom_kill_process", "kprobe oom_kill_process", "derived in mark_victim"},
	"invocation": {"fentry out_of_memory", "kprobe out_of_memory", "derived in mark_victim"},
	"candidates": {"fentry oom_badness", "kprobe oom_badness", "computed in mark_victim"},
	"reclaim": {
		"raw_tp mm_vmscan_direct_reclaim_end + mm_vmscan_direct_reclaim_begin + mm_vmscan_memcg_reclaim_end + mm_vmscan_memcg_reclaim_begin",
		"tracepoint mm_vmscan_direct_reclaim_end + mm_vmscan_direct_reclaim_begin + mm_vmscan_memcg_reclaim_end + mm_vmscan_memcg_reclaim_begin",
	},
	"compaction": {"raw_tp mm_compaction_end + mm_compaction_begin", "tracepoint mm_compaction_end + mm_compaction_begin"},
	"exit":       {"raw_tp sched_process_exit", "tracepoint sched_process_exit"},
	"reaped":     {"raw_tp finish_task_reaping", "tracepoint finish_task_reaping"},
	"freed":      {"raw_tp exit_mmap", "fentry exit_mmap", "kprobe exit_mmap", "tracepoint exit_mmap"},
	"adjtimex":   {"fentry do_adjtimex", "kprobe do_adjtimex", "tracepoint sys_exit_adjtimex + sys_enter_adjtimex + sys_exit_clock_adjtime + sys_enter_clock_adjtime"},
	"settime":    {"fentry do_settimeofday64", "kprobe do_settimeofday64", "tracepoint sys_exit_settimeofday + sys_enter_settimeofday + sys_exit_clock_settime + sys_enter_clock_settime"},
	"warp":       {"fentry timekeeping_warp_clock", "kprobe timekeeping_warp_clock", "timerfd cancel-on-set"},
	"exec":       {"raw_tp sched_process_exit + sched_process_exec", "tracepoint sched_process_exit + sched_process_exec"},
	"sigkill":    {"tp_btf signal_generate", "raw_tp signal_generate", "tracepoint signal_generate"},
	"clock-step": {"timerfd cancel-on-set"},
	"symbols":    {"/proc/kallsyms"},
	"log":        {"/dev/kmsg"},
}

// lacking are the kinds of rung that do not work on a kernel.
var lacking = map[string][]string{
	"arm64-6.1": {"fentry"}, // loads, and is refused when it attaches
}

// expectedMethod is the rung that must serve a fact, "" for none.
func expectedMethod(k Kernel, fact string, forbidden []string) string {
	for _, method := range ladders[fact] {
		kind, _, _ := strings.Cut(method, " ")
		if slices.Contains(forbidden, kind) || slices.Contains(lacking[k.String()], kind) ||
			k.Series == "5.10" && (kind == "raw_tp" || kind == "tracepoint") && fact == "freed" { // it has no such tracepoint
			continue
		}
		return method
	}
	return ""
}

// served checks that each fact is served by the rung that must serve it.
func served(t *testing.T, k Kernel, name string, events []*event.Event, facts, forbidden []string) {
	t.Helper()
	var told []string
	for _, h := range events[0].SessionStart.Hooks {
		if h.Fact == "pressure" { // no program serves it; where there is none it is not told
			want(t, name+": pressure is told by "+h.Method, strings.HasPrefix(h.Method, "psi some "), true)
			continue
		}
		told = append(told, h.Fact)
		expected := expectedMethod(k, h.Fact, forbidden)
		want(t, name+": "+h.Fact, h.Method, expected)
		want(t, name+": "+h.Fact+" works", h.OK, expected != "")
		if h.Method == "kprobe out_of_memory" {
			want(t, name+": only the entry is hooked", strings.Contains(h.Reason, "the entry alone is hooked"), k.Series == "5.10")
		}
	}
	want(t, name+": facts", strings.Join(told, " "), strings.Join(facts, " "))
}

// rungs are the sets of rungs that are forbidden in turn, so that each rung of
// each ladder is the best one left at least once on kernels that have it.
var rungs = []struct {
	name      string
	forbidden []string
}{
	{"no-fentry", []string{"fentry"}},
	{"no-kprobe", []string{"fentry", "kprobe"}},
	{"no-tp-btf", []string{"tp_btf"}},
	{"no-raw-tp", []string{"tp_btf", "raw_tp"}},
	{"least", []string{"fentry", "kprobe", "tp_btf", "raw_tp"}},
}

// TestRungs holds each rung against the kernel log, several watchers at once, one
// with every rung in a pid namespace of its own.
func TestRungs(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	all := pieces{limited(), limitAbove(), grouped("pod", 3), otherTrigger(), worker(), sysrq(), clocks(), shared(), simulated(2)}
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			start := []scenario.Step{watch("contained").Contained()}
			stop := []scenario.Step{scenario.Stop("contained")}
			for _, rung := range rungs {
				start = append(start, watch(rung.name).With("OOMTRACE_FORBID="+strings.Join(rung.forbidden, ",")))
				stop = append(stop, scenario.Stop(rung.name))
			}
			r := all.boot(t, lab, k, Options{MemMiB: 640, Scenario: scenario.Scenario{Tracefs: true}}, start, stop)
			traces := map[int]string{} // call-trace ids, by victim
			see := func(name string, forbidden []string) []*event.Event {
				events := judge(t, r, k, name, allFacts, forbidden, Expect{Sharers: []int{sharerPID(t, r)}})
				complete(t, name, events)
				timed(t, r, name, events)
				for _, e := range events {
					if e.Type == event.TypeOOMKill && e.Kill.Stack != nil {
						pid := e.Kill.Victim.PID
						if traces[pid] == "" {
							traces[pid] = e.Kill.Stack.ID
						}
						want(t, fmt.Sprintf("%s: call trace of pid %d's kill", name, pid), e.Kill.Stack.ID, traces[pid])
					}
				}
				return events
			}
			foreign(t, see("contained", nil))
			for _, rung := range rungs {
				see(rung.name, rung.forbidden)
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
			// Debian lets nobody open kprobes and tracepoints, and shows addresses and
			// the log only to CAP_SYSLOG.
			forbidden := []string{"kprobe", "tracepoint", "/proc/kallsyms", "/dev/kmsg"}
			switch k.String() {
			case "amd64-5.10":
				caps = append(caps, unix.CAP_SYS_RESOURCE)
			case "arm64-6.1":
				// Without fentry what is left derives, from the names in the call
				// trace.
				caps, forbidden = append(caps, unix.CAP_SYSLOG), forbidden[:2]
			}
			r := pieces{limited()}.boot(t, lab, k, Options{},
				[]scenario.Step{
					scenario.Run("nobody", "oomtrace", "watch", "-o", "json").As(65534),
					watch("capable").As(65534, caps...),
				},
				// The kill waits for the symbols, which a stop would not.
				[]scenario.Step{scenario.Until("capable", `"oom\.kill"`), scenario.Stop("capable")})
			want(t, "exit without privileges", r.Report.Procs["nobody"].Exit, 3)
			if said := string(r.Out(t, "nobody.err")); !strings.Contains(said, "CAP_BPF") {
				t.Errorf("without privileges it says %q, which names no CAP_BPF", said)
			}
			judge(t, r, k, "capable", allFacts, forbidden, Expect{})
		})
	}
}

// TestWarp has the first time zone after a boot move the clock by an hour: by a
// known process where the function is hooked, else by nobody. A storm follows, of
// which fentry accounts for each call. It is a small one: where kprobes serve, arm64
// traps, and a busy host lets 200 calls a second through.
func TestWarp(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			names := []string{"best", "kprobe", "timerfd"}
			r := lab.Boot(t, k, Options{Scenario: scenario.Scenario{Steps: []scenario.Step{
				watch("best", "--events", "clock"), // no programs but the storm's are skipped
				watch("kprobe").With("OOMTRACE_FORBID=fentry"),
				watch("timerfd").With("OOMTRACE_FORBID=fentry,kprobe"),
				scenario.Run("warp", scenario.Guest, "clock", "warp"),
				scenario.Stop("kprobe"), scenario.Stop("timerfd"),
				scenario.Run("storm", scenario.Guest, "storm", "-threads", "2", "-most", "2500"),
				scenario.Stop("best"),
			}}})
			best := watched(t, r, "best")
			stormed(t, r, best, slices.ContainsFunc(best[0].SessionStart.Hooks, func(h event.Hook) bool {
				return h.Fact == "adjtimex" && strings.HasPrefix(h.Method, "fentry ") && best[len(best)-1].SessionEnd.Lost.Recursion != nil
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
	const hour, most = int64(time.Hour), int64(100 * time.Millisecond)
	if step == nil || bound == nil || *bound > most || max(*step, hour)-min(*step, hour) > *bound+int64(time.Millisecond) {
		t.Errorf("%s: step %v ± %v, want an hour ± %d at most", name, deref(step), deref(bound), most)
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
			r := pieces{limitedV1(), simulated(1)}.boot(t, lab, k, o, []scenario.Step{watch("watch")}, []scenario.Step{scenario.Stop("watch")})
			events := judge(t, r, k, "watch", allFacts, nil, Expect{})
			complete(t, "watch", events)
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
