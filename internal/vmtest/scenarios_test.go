// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/simulate"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// A piece is a part of a scenario: its steps, and the proof that they did what
// they were meant to, from the guest's report and the kernel log alone. Pieces
// of one boot must not disturb each other.
type piece struct {
	steps []scenario.Step
	check func(*testing.T, *Result)
}

func hog(args ...string) []string { return append([]string{scenario.Guest, "hog"}, args...) }

// killed checks that the process of a step was killed, and that the log says so
// under the given name, with a report. It returns the invocation of the OOM killer
// that did.
func killed(t *testing.T, r *Result, step, comm string) Invocation {
	t.Helper()
	i := named(t, r, step, comm)
	if i.Trigger == nil {
		t.Errorf("the kernel withheld the report of %s: too many before it, without a piece that waits", step)
		i.Trigger = &Trigger{}
	}
	return i
}

// named is the same for a kill whose report may be missing.
func named(t *testing.T, r *Result, step, comm string) Invocation {
	t.Helper()
	p, ok := r.Report.Procs[step]
	if !ok || p.Signal != "killed" {
		t.Errorf("%s ended with %+v, want SIGKILL", step, p)
	}
	return logged(t, r, p.PID, comm)
}

// logged returns the invocation of the OOM killer that killed a process, by the log.
func logged(t *testing.T, r *Result, pid int, comm string) Invocation {
	t.Helper()
	for _, i := range r.Log.Invocations {
		for _, k := range i.Kills {
			if k.PID == pid {
				want(t, fmt.Sprintf("the name of victim %d in the log", pid), k.Comm, comm)
				return i
			}
		}
	}
	t.Errorf("no kill of %s (pid %d) in the log", comm, pid)
	return Invocation{}
}

// window waits until the kernel reports OOMs again: it does so ten times in five
// seconds (oom_rs, mm/oom_kill.c), and nothing but time ends that.
func window(name string) piece {
	return piece{steps: []scenario.Step{scenario.Run(name, scenario.Guest, "linger", "6s")}}
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// limited is a hog alone in a cgroup with a limit. It has memory of each kind.
func limited() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("app.slice/web.service", "memory.max=32M"),
			scenario.Run("memcg", mixed()...).In("app.slice/web.service"),
		},
		check: func(t *testing.T, r *Result) {
			i := killed(t, r, "memcg", "java")
			want(t, "constraint", i.Constraint, "CONSTRAINT_MEMCG")
			want(t, "limit of", i.OOMMemcg, "/app.slice/web.service")
			ofEachKind(t, i)
		},
	}
}

func mixed() []string { return hog("-shmem", "5", "-file", "3", "java", "0") }

// ofEachKind checks that the log gives the victim the memory that mixed touches.
func ofEachKind(t *testing.T, i Invocation) {
	t.Helper()
	for _, k := range i.Kills {
		// The log's counts may lack what CPUs or threads keep to themselves.
		if k.AnonKB < 16<<10 || k.ShmemKB < 4<<10 || k.FileKB < 2<<10 {
			t.Errorf("victim %+v, want 5 MiB of shared memory, 3 of a file and more of its own", k)
		}
	}
}

// limitedV1 is the same under the v1 controller.
func limitedV1() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("docker/abc", "memory.use_hierarchy=1", "memory.limit_in_bytes=32M"),
			scenario.Run("v1", mixed()...).In("docker/abc"),
		},
		check: func(t *testing.T, r *Result) {
			i := killed(t, r, "v1", "java")
			want(t, "limit of", i.OOMMemcg, "/docker/abc")
			ofEachKind(t, i)
		},
	}
}

// limitAbove is a hog whose parent cgroup has the limit; another user's.
func limitAbove() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("above", "memory.max=24M"),
			scenario.Cgroup("above/inner"),
			scenario.Run("above", hog("-uid", "1000", "-adj", "300", "-threads", "3", "inner", "0")...).In("above/inner"),
		},
		check: func(t *testing.T, r *Result) {
			i := killed(t, r, "above", "inner")
			want(t, "limit of", i.OOMMemcg, "/above")
			want(t, "victim in", i.TaskMemcg, "/above/inner")
		},
	}
}

// otherTrigger has a small process run into the limit and a big one die of it.
// The small one may run into it again before the memory is back.
func otherTrigger() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("pair", "memory.max=40M"),
			scenario.Start("big", "ready", hog("-hold", "big", "26")...).In("pair"),
			scenario.Run("small", hog("small", "16")...).In("pair"),
			scenario.Wait("big"),
		},
		check: func(t *testing.T, r *Result) {
			i := killed(t, r, "big", "big")
			want(t, "trigger", i.Trigger.Comm, "small")
		},
	}
}

// worker allocates on a thread that is not the leader.
func worker() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("worker", "memory.max=24M"),
			scenario.Run("worker", hog("-worker", "-threads", "2", "leader", "0")...).In("worker"),
		},
		check: func(t *testing.T, r *Result) {
			i := killed(t, r, "worker", "leader")
			if i.Trigger.Comm != "leader-w" || i.Trigger.PID == r.Report.Procs["worker"].PID {
				t.Errorf("trigger %+v, want a thread leader-w beside the leader", i.Trigger)
			}
		},
	}
}

// grouped is a cgroup whose members are killed together.
func grouped(name string, members int) piece {
	// Each member has page tables and a kernel stack, which count.
	limit := fmt.Sprintf("memory.max=%d", (32<<20)+members*(400<<10))
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup(name, limit, "memory.oom.group=1"),
			scenario.Start(name+"-m", "ready", scenario.Guest, "members", "m", strconv.Itoa(members)).In(name),
			scenario.Run(name+"-hog", hog("grouphog", "0")...).In(name),
			scenario.Wait(name + "-m"),
		},
		check: func(t *testing.T, r *Result) {
			i := killed(t, r, name+"-hog", "grouphog")
			named(t, r, name+"-m", "m")
			want(t, "processes killed in "+name, len(i.Kills), members+2)
		},
	}
}

// shared has two processes with one memory; the log names one of them.
func shared() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("shared", "memory.max=24M"),
			scenario.Run("shared", scenario.Guest, "sharer", "sharehog").In("shared"),
		},
		check: func(t *testing.T, r *Result) {
			killed(t, r, "shared", "sharehog")
			for _, k := range r.Log.Kills() {
				if k.PID == sharerPID(t, r) {
					t.Errorf("the log names the sharer: %+v", k)
				}
			}
		},
	}
}

var sharerLine = regexp.MustCompile(`(?m)^sharer (\d+)$`)

func sharerPID(t *testing.T, r *Result) int {
	t.Helper()
	m := sharerLine.FindSubmatch(r.Out(t, "shared.out"))
	if m == nil {
		t.Fatal("no sharer was started")
	}
	pid, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// parallel has three cgroups run out at the same moment.
func parallel() piece {
	names := []string{"par1", "par2", "par3"}
	p := piece{check: func(t *testing.T, r *Result) {
		for _, n := range names {
			// Lines of one may come between the pieces of another's line.
			if i := named(t, r, n, n); i.Trigger != nil {
				want(t, "limit of", i.OOMMemcg, "/"+n)
			}
		}
	}}
	p.steps = append(p.steps, scenario.Start("gate", "ready", scenario.Guest, "lock", "/tmp/gate"))
	for _, n := range names {
		p.steps = append(p.steps,
			scenario.Cgroup(n, "memory.max=16M"),
			scenario.Start(n, "waiting", hog("-gate", "/tmp/gate", n, "0")...).In(n))
	}
	p.steps = append(p.steps, scenario.Stop("gate"))
	for _, n := range names {
		p.steps = append(p.steps, scenario.Wait(n))
	}
	return p
}

// hostileNames are victims' names that have harmed other tools.
var hostileNames = []string{
	"\x1b[31mred\x1b[0m", "a\nb", "<script>x", "\xff\xfe\xc3(", "fifteen-bytes-x", `"},{"a":"`, "\\x41\tz", "\u202ecilbup", "-",
}

// hostile kills a hog with each of the hostile names.
func hostile() piece {
	p := piece{check: func(t *testing.T, r *Result) {
		for n, name := range hostileNames {
			killed(t, r, fmt.Sprintf("hostile%d", n), name)
		}
	}}
	p.steps = append(p.steps, scenario.Cgroup("hostile", "memory.max=10M"))
	for n, name := range hostileNames {
		p.steps = append(p.steps, scenario.Run(fmt.Sprintf("hostile%d", n),
			hog("-hex", hex.EncodeToString([]byte(name)), "0")...).In("hostile"))
	}
	return p
}

// sysrq kills by hand, whom the dry run of the simulation names.
func sysrq() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Start("sysrq", "ready", hog("-hold", "-adj", "1000", "sysrqhog", "8")...),
			scenario.Run("sim-dry", "oomtrace", "simulate", "sysrq", "-o", "json"),
			scenario.Write("/proc/sysrq-trigger", "f"),
			scenario.Wait("sysrq"),
		},
		check: func(t *testing.T, r *Result) {
			i := killed(t, r, "sysrq", "sysrqhog")
			want(t, "order", i.Trigger.Order, -1)
			var c simulate.Candidate
			r.JSON(t, "sim-dry.out", &c)
			want(t, "the candidate", c.PID, r.Report.Procs["sysrq"].PID)
			want(t, "the candidate's name", c.Comm, "sysrqhog")
		},
	}
}

// simulated has oomtrace itself cause a kill in a cgroup of its own and set the
// clock to what it is.
func simulated(cgroupVersion int) piece {
	return piece{
		steps: []scenario.Step{
			scenario.Run("sim-memcg", "oomtrace", "simulate", "memcg", "--limit", "32MiB", "-o", "json"),
			scenario.Run("sim-clock", "oomtrace", "simulate", "clock", "-o", "json"),
		},
		check: func(t *testing.T, r *Result) {
			var m simulate.MemcgResult
			r.JSON(t, "sim-memcg.out", &m)
			i := logged(t, r, m.PID, simulate.ChildName)
			want(t, "limit of", i.OOMMemcg, m.Cgroup)
			want(t, "limit", deref(i.LimitKB), any(uint64(32<<10)))
			want(t, "cgroup's version", m.CgroupVersion, cgroupVersion)
			want(t, "the cgroup's kills", deref(m.OOMKillsAfter), any(uint64(1)))
			if len(r.Report.Cgroups) == 0 {
				t.Error("the guest lists no cgroups")
			}
			for path := range r.Report.Cgroups {
				if strings.Contains(path, simulate.ChildName) {
					t.Errorf("cgroup %s is left behind", path)
				}
			}
		},
	}
}

// simulatedSysrq has oomtrace tell the kernel to kill.
func simulatedSysrq() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Run("sim-sysrq", "oomtrace", "simulate", "sysrq", "--really", scenario.HostName, "-o", "json"),
		},
		check: func(t *testing.T, r *Result) {
			var s simulate.SysrqResult
			r.JSON(t, "sim-sysrq.out", &s)
			i := logged(t, r, s.PID, simulate.ChildName)
			if i.Trigger == nil || i.Trigger.Order != -1 || len(i.Kills) != 1 {
				t.Errorf("invocation %+v, want one kill by sysrq", i)
			}
		},
	}
}

// simulations are the processes that oomtrace made itself, of the steps that ran.
func simulations(t *testing.T, r *Result) (pids []int) {
	t.Helper()
	for step := range r.Report.Procs {
		if strings.HasPrefix(step, "sim-") && step != "sim-dry" {
			var did struct{ PID int }
			r.JSON(t, step+".out", &did)
			pids = append(pids, did.PID)
		}
	}
	return pids
}

// global fills the machine. An emulated machine may run out again before the
// hog's memory is back: then there is prey that is worse than the watchers,
// which lower their own oom_score_adj and could be all that is left.
func global() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Start("prey", "ready", scenario.Guest, "members", "-kib", "4096", "prey", "40"),
			scenario.Run("global", hog("memhog", "0")...).Within(2 * time.Minute),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "constraint", killed(t, r, "global", "memhog").Constraint, "CONSTRAINT_NONE")
		},
	}
}

// clockChange is one change of the clock and what an event must say of it.
type clockChange struct {
	name string // of the step
	args []string
	want ClockCall
}

func clockChanges() []clockChange {
	return []clockChange{
		{"step1", []string{"settimeofday", "-by", "1500ms"}, ClockCall{Kind: event.KindStep, Op: event.OpSettimeofday}},
		{"step2", []string{"clock_settime", "-by", "-700ms"}, ClockCall{Kind: event.KindStep, Op: event.OpClockSettime}},
		{"step3", []string{"setoffset", "-by", "-250ms"}, ClockCall{Kind: event.KindStep, Op: event.OpClockAdjtime, StepNS: event.Ptr[int64](-250_000_000)}},
		{"slew", []string{"slew", "-by", "5ms"}, ClockCall{Kind: event.KindSlew, Op: event.OpAdjtimex, SlewNS: event.Ptr[int64](5_000_000)}},
		{"pll", []string{"pll", "-by", "-3ms"}, ClockCall{Kind: event.KindSlew, Op: event.OpClockAdjtime, SlewNS: event.Ptr[int64](-3_000_000)}},
		{"frequency", []string{"frequency", "-ppm", "-12.5"}, ClockCall{Kind: event.KindFrequency, Op: event.OpClockAdjtime, FreqPPM: event.Ptr(-12.5)}},
		{"tick", []string{"tick", "-tick", "10001"}, ClockCall{Kind: event.KindTick, Op: event.OpClockAdjtime, TickUS: event.Ptr[int64](10001)}},
		{"refused", []string{"tick", "-tick", "1"}, ClockCall{Kind: event.KindTick, Op: event.OpClockAdjtime}},
		{"restore", []string{"tick", "-tick", "10000"}, ClockCall{Kind: event.KindTick, Op: event.OpClockAdjtime, TickUS: event.Ptr[int64](10000)}},
	}
}

// clocks makes each change once, and reads the clock, which is no change.
func clocks() piece {
	p := piece{check: func(t *testing.T, r *Result) {
		for _, call := range clockCalls(t, r) {
			got, step := call.Result.AfterNS-call.Result.BeforeNS, int64(0)
			switch call.Op {
			case event.OpSettimeofday:
				step = 1_500_000_000
			case event.OpClockSettime:
				step = -700_000_000
			}
			if call.StepNS != nil {
				step = *call.StepNS
			}
			if max(got, step)-min(got, step) > 100_000_000 {
				t.Errorf("%s moved the clock by %d ns, want about %d", call.Comm, got, step)
			}
		}
	}}
	for _, c := range clockChanges() {
		p.steps = append(p.steps, scenario.Run(c.name, append([]string{scenario.Guest, "clock"}, c.args...)...))
	}
	p.steps = append(p.steps, scenario.Run("read", scenario.Guest, "clock", "read"))
	return p
}

// clockCalls returns the changes that were made, with what the guest saw.
func clockCalls(t *testing.T, r *Result) []ClockCall {
	t.Helper()
	var all []ClockCall
	for _, c := range clockChanges() {
		call := c.want
		r.JSON(t, c.name+".out", &call.Result)
		call.Comm = "clk-" + c.args[0][:min(len(c.args[0]), 11)]
		wantErrno := ""
		if c.name == "refused" {
			wantErrno = "EINVAL"
		}
		want(t, c.name+"'s errno", call.Result.Errno, wantErrno)
		all = append(all, call)
	}
	if p, ok := r.Report.Procs["sim-clock"]; ok {
		var did simulate.ClockResult
		r.JSON(t, "sim-clock.out", &did)
		want(t, "calls of simulate clock", did.Calls, 1)
		all = append(all, ClockCall{
			Kind: event.KindFrequency, Op: event.OpClockAdjtime, Comm: did.Comm, FreqPPM: &did.FreqBeforePPM,
			Result: scenario.ClockResult{PID: did.PID, StartNS: p.StartNS, EndNS: p.EndNS},
		})
	}
	return all
}

// storming kills a hog while two threads call clock_adjtime without a pause.
func storming() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("stormy", "memory.max=24M"),
			scenario.Start("storm-gate", "ready", scenario.Guest, "lock", "/tmp/storm-gate"),
			scenario.Start("stormy", "waiting", hog("-gate", "/tmp/storm-gate", "stormhog", "0")...).In("stormy"),
			scenario.Start("storm", "ready", scenario.Guest, "storm", "-threads", "2"),
			scenario.Stop("storm-gate"),
			scenario.Wait("stormy"),
			scenario.Stop("storm"),
		},
		check: func(t *testing.T, r *Result) {
			killed(t, r, "stormy", "stormhog")
			if storm := stormResult(t, r); storm.Issued == 0 || storm.Failed != 0 {
				t.Errorf("calls of the storm: %+v", storm)
			}
		},
	}
}

func stormResult(t *testing.T, r *Result) (storm scenario.StormResult) {
	t.Helper()
	r.JSON(t, "storm.out", &storm)
	return storm
}

// everything is all pieces, between two windows no more OOMs than are reported. The
// storm comes last: while watchers, which run at a high priority, write what is left
// of it, the memory of a victim comes back late.
func everything() pieces {
	return pieces{
		limited(), limitAbove(), grouped("pod", 3), grouped("pod100", 100), otherTrigger(), worker(), sysrq(), shared(),
		window("window1"),
		parallel(), clocks(), simulated(2), simulatedSysrq(), global(),
		window("window2"),
		hostile(), storming(),
	}
}

// boot runs the pieces on a kernel, around them the steps before and after, and
// checks that each did its part.
func (p pieces) boot(t *testing.T, lab *Lab, k Kernel, o Options, before, after []scenario.Step) *Result {
	t.Helper()
	o.Scenario.Steps = append(o.Scenario.Steps, before...)
	for _, piece := range p {
		o.Scenario.Steps = append(o.Scenario.Steps, piece.steps...)
	}
	// A victim's memory is freed some time after its parent knows of its end: watchers are
	// to see that before they are stopped.
	o.Scenario.Steps = append(o.Scenario.Steps, scenario.Run("settle", scenario.Guest, "linger", "2s"))
	o.Scenario.Steps = append(o.Scenario.Steps, after...)
	r := lab.Boot(t, k, o)
	for _, piece := range p {
		if piece.check != nil {
			piece.check(t, r)
		}
	}
	return r
}

type pieces []piece

// events reads what a watcher of the scenario wrote.
func events(t *testing.T, r *Result, name string) []*event.Event {
	t.Helper()
	all, err := ReadEvents(bytes.NewReader(r.Out(t, name+".out")))
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return all
}
