// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf/link"
)

// Facts that the tracer can obtain.
const (
	FactKill       = "kill"       // a process was killed for want of memory, and which
	FactTrigger    = "trigger"    // whose allocation, which limit, points, message
	FactInvocation = "invocation" // the OOM killer was entered, before any choice
	FactCandidates = "candidates" // which tasks could have been chosen, and their points
	FactReclaim    = "reclaim"    // what the trigger reclaimed before
	FactCompaction = "compaction" // what it compacted
	FactExit       = "exit"       // a victim's last thread exited
	FactReaped     = "reaped"     // the OOM reaper unmapped a victim's memory
	FactFreed      = "freed"      // a victim's address space is gone
	FactAdjtimex   = "adjtimex"   // the clock was disciplined or stepped by adjtimex
	FactSettime    = "settime"    // the clock was set
	FactWarp       = "warp"       // settimeofday's first time zone moved the clock
	FactExec       = "exec"       // who processes are, kept for when they are gone
	FactSigkill    = "sigkill"    // who else kills
)

// MethodDerived is the last rung of the facts that the programs at mark_victim find out
// by themselves, MethodComputed that of the one that they compute.
const (
	MethodDerived  = "derived in mark_victim"
	MethodComputed = "computed in mark_victim"
)

// Hook reports how one fact is obtained here.
type Hook struct {
	Fact   string
	Method string // the rung that serves; "" when none does
	OK     bool
	Reason string // why better rungs are not used
}

// Kinds of rung, the words of Options.Forbid.
const (
	KindFentry     = "fentry"
	KindKprobe     = "kprobe"
	KindTPBTF      = "tp_btf"
	KindRawTP      = "raw_tp"
	KindTracepoint = "tracepoint"
)

// Kinds are all kinds of rung, the best first.
func Kinds() []string {
	return []string{KindFentry, KindKprobe, KindTPBTF, KindRawTP, KindTracepoint}
}

// hookPoint is one program and where it goes.
type hookPoint struct {
	program string
	target  string // function, or tracepoint as group/name
	ret     bool   // at return (kretprobe)
}

// rung is one way to get a fact: all of its programs or none.
type rung struct {
	kind   string
	check  func(kernel) error
	points []hookPoint
}

func (r rung) method() string {
	var names []string
	for _, p := range r.points {
		_, name, ok := strings.Cut(p.target, "/")
		if !ok {
			name = p.target
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return r.kind + " " + strings.Join(names, " + ")
}

// ladder lists the rungs of one fact, the best first.
type ladder struct {
	fact  string
	rungs []rung
	needs string // another fact, that must be hooked: without it the programs see nothing
}

// killLadder needs both the signal and the mark: see bpf/kill.h.
func killLadder() ladder {
	check := func(k kernel) error {
		if err := k.tracepoint("signal_generate", 5); err != nil {
			return err
		}
		_, err := k.markVictimHasTask()
		return err
	}
	rungs := []rung{
		{KindTPBTF, check, []hookPoint{{program: "mark_btf", target: "mark_victim"}, {program: "signal_btf", target: "signal_generate"}}},
		{KindRawTP, check, []hookPoint{{program: "mark_raw", target: "mark_victim"}, {program: "signal_raw", target: "signal_generate"}}},
		{KindTracepoint, nil, []hookPoint{{program: "mark_tp", target: "oom/mark_victim"}, {program: "signal_tp", target: "signal/signal_generate"}}},
	}
	return ladder{fact: FactKill, rungs: rungs}
}

// sigkillLadder sees every SIGKILL, that of the OOM killer too.
func sigkillLadder() ladder {
	check := func(k kernel) error { return k.tracepoint("signal_generate", 5) }
	return ladder{fact: FactSigkill, rungs: []rung{
		{KindTPBTF, check, []hookPoint{{program: "sigkill_btf", target: "signal_generate"}}},
		{KindRawTP, check, []hookPoint{{program: "sigkill_raw", target: "signal_generate"}}},
		{KindTracepoint, nil, []hookPoint{{program: "sigkill_tp", target: "signal/signal_generate"}}},
	}}
}

// execLadder hooks the exit first: what is kept must be forgotten, too.
func execLadder() ladder {
	check := func(k kernel) error {
		if _, err := k.tracepointProto("sched_process_exit"); err != nil {
			return err
		}
		return k.tracepoint("sched_process_exec", 3)
	}
	return ladder{fact: FactExec, rungs: []rung{
		{KindRawTP, check, []hookPoint{{program: "forget_raw", target: "sched_process_exit"}, {program: "exec_raw", target: "sched_process_exec"}}},
		{KindTracepoint, nil, []hookPoint{{program: "forget_tp", target: "sched/sched_process_exit"}, {program: "exec_tp", target: "sched/sched_process_exec"}}},
	}}
}

// functionLadder hooks a kernel function by fentry/fexit, else by kprobes.
// Without a return program only the entry is hooked.
func functionLadder(fact, fn string, params []string, fentry, fexit, kprobe, kretprobe string) ladder {
	check := func(k kernel) error { return k.function(fn, params...) }
	f := []hookPoint{{program: fentry, target: fn}}
	k := []hookPoint{{program: kprobe, target: fn}}
	if fexit != "" {
		// The return first: an entry seen without its return would linger.
		f = append([]hookPoint{{program: fexit, target: fn, ret: true}}, f...)
		k = append([]hookPoint{{program: kretprobe, target: fn, ret: true}}, k...)
	}
	return ladder{fact: fact, rungs: []rung{{KindFentry, check, f}, {KindKprobe, check, k}}}
}

// invocationLadder leaves the return out where a kretprobe would spoil the call
// traces of kills: unwinders see through one only since commit 03bac0df2886
// ("kprobes: Add kretprobe_find_ret_addr() for searching return address"). The
// entry alone does: what is left behind is known by its age (bpf/kill.h).
func invocationLadder() ladder {
	l := functionLadder(FactInvocation, "out_of_memory", []string{"oom_control"},
		"oom_entry_fentry", "oom_return_fexit", "oom_entry_kprobe", "oom_return_kprobe")
	both := &l.rungs[len(l.rungs)-1]
	entry := rung{both.kind, both.check, both.points[1:]}
	both.check = func(k kernel) error {
		if k.function("kretprobe_find_ret_addr", "task_struct", "", "") != nil &&
			k.function("rethook_find_ret_addr", "task_struct", "", "") != nil {
			return errors.New("call traces would end at a kretprobe here: the entry alone is hooked")
		}
		return entry.check(k)
	}
	l.rungs = append(l.rungs, entry)
	return l
}

// candidatesLadder sees the points at the function's return alone: the entry's fentry
// has none.
func candidatesLadder() ladder {
	check := func(k kernel) error { return k.function("oom_badness", "task_struct", "") }
	return ladder{fact: FactCandidates, needs: FactInvocation, rungs: []rung{
		{KindFentry, check, []hookPoint{{program: "badness_fexit", target: "oom_badness", ret: true}}},
		{KindKprobe, check, []hookPoint{
			{program: "badness_kretprobe", target: "oom_badness", ret: true},
			{program: "badness_kprobe", target: "oom_badness"},
		}},
	}}
}

// event is one program of a tracepoint, by its name there; PROGRAM_raw serves the raw
// tracepoint, PROGRAM_tp the plain one.
// first is what its first argument points to, "int" for a number, "" for any: later ones
// are not used.
type event struct{ program, group, name, first string }

// tracepointRungs see plain events: what they pass besides is a number or nothing.
func tracepointRungs(events ...event) []rung {
	raw, tp := rung{kind: KindRawTP}, rung{kind: KindTracepoint}
	for _, p := range events {
		raw.points = append(raw.points, hookPoint{program: p.program + "_raw", target: p.name})
		tp.points = append(tp.points, hookPoint{program: p.program + "_tp", target: p.group + "/" + p.name})
	}
	raw.check = func(k kernel) error {
		for _, p := range events {
			if err := k.tracepointFirst(p.name, p.first); err != nil {
				return err
			}
		}
		return nil
	}
	tp.check = raw.check
	return []rung{raw, tp}
}

// freedLadder sees exit_mmap() near its end, where the memory is back. The tracepoint is
// younger than the function.
func freedLadder() ladder {
	l := functionLadder(FactFreed, "exit_mmap", []string{"mm_struct"}, "", "freed_fexit", "freed_kprobe", "freed_kretprobe")
	fentry := &l.rungs[0]
	fentry.points = fentry.points[:1] // the return alone
	tp := tracepointRungs(event{"freed", "mmap", "exit_mmap", "mm_struct"})
	l.rungs = append(append(tp[:1:1], l.rungs...), tp[1])
	return l
}

// reclaimLadder sees a memcg's reclaim, too, where there are memcgs.
func reclaimLadder() ladder {
	direct := []event{
		{"reclaim_end", "vmscan", "mm_vmscan_direct_reclaim_end", "int"},
		{"reclaim_begin", "vmscan", "mm_vmscan_direct_reclaim_begin", ""},
	}
	memcg := append(direct[:2:2],
		event{"reclaim_end", "vmscan", "mm_vmscan_memcg_reclaim_end", "int"},
		event{"reclaim_begin", "vmscan", "mm_vmscan_memcg_reclaim_begin", ""})
	return ladder{fact: FactReclaim, rungs: append(tracepointRungs(memcg...), tracepointRungs(direct...)...)}
}

// oomLadders are attached in this order: who is inside the OOM killer must be
// known before its signals are looked at, and what its victims come to is to be seen
// before there are any.
func oomLadders() []ladder {
	return []ladder{
		invocationLadder(),
		functionLadder(FactTrigger, "oom_kill_process", []string{"oom_control", ""},
			"kill_process_fentry", "", "kill_process_kprobe", ""),
		candidatesLadder(),
		reclaimLadder(),
		{fact: FactCompaction, rungs: tracepointRungs(
			event{"compact_end", "compaction", "mm_compaction_end", ""},
			event{"compact_begin", "compaction", "mm_compaction_begin", ""})},
		{fact: FactExit, rungs: tracepointRungs(event{"exit", "sched", "sched_process_exit", ""})},
		{fact: FactReaped, rungs: tracepointRungs(event{"reaped", "oom", "finish_task_reaping", "int"})},
		freedLadder(),
		killLadder(),
	}
}

// syscallRung sees a call at its system call's own tracepoints.
func syscallRung(calls ...[2]string) rung {
	r := rung{kind: KindTracepoint}
	for _, c := range calls {
		r.points = append(r.points,
			hookPoint{program: "sys_exit_clock", target: "syscalls/sys_exit_" + c[0], ret: true},
			hookPoint{program: c[1], target: "syscalls/sys_enter_" + c[0]})
	}
	return r
}

func clockLadders() []ladder {
	adj := functionLadder(FactAdjtimex, "do_adjtimex", []string{"__kernel_timex"},
		"adjtimex_fentry", "adjtimex_fexit", "adjtimex_kprobe", "adjtimex_kretprobe")
	adj.rungs = append(adj.rungs, syscallRung([2]string{"adjtimex", "sys_adjtimex"}, [2]string{"clock_adjtime", "sys_clock_adjtime"}))
	set := functionLadder(FactSettime, "do_settimeofday64", []string{"timespec64"},
		"settime_fentry", "settime_fexit", "settime_kprobe", "settime_kretprobe")
	set.rungs = append(set.rungs, syscallRung([2]string{"settimeofday", "sys_settimeofday"}, [2]string{"clock_settime", "sys_clock_settime"}))
	// Without it the timerfd watcher sees the step, by nobody.
	warp := functionLadder(FactWarp, "timekeeping_warp_clock", nil,
		"warp_fentry", "warp_fexit", "warp_kprobe", "warp_kretprobe")
	return []ladder{adj, set, warp}
}

// climb attaches the first rung of l that works. It fails only with ctx.
func (t *Tracer) climb(ctx context.Context, l ladder) (Hook, error) {
	var reasons []string
	if l.needs != "" && !t.hookOK(l.needs) {
		return Hook{Fact: l.fact, Reason: l.needs + " is not hooked"}, nil
	}
	for _, r := range l.rungs {
		if err := ctx.Err(); err != nil {
			return Hook{}, fmt.Errorf("attach: %w", err)
		}
		method := r.method()
		err := t.try(r)
		if err == nil {
			return Hook{Fact: l.fact, Method: method, OK: true, Reason: strings.Join(reasons, "; ")}, nil
		}
		if why := fmt.Sprintf("%s: %s", r.kind, reason(err)); !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	return Hook{Fact: l.fact, Reason: strings.Join(reasons, "; ")}, nil
}

// Why kinds of rung cannot work.
var (
	errForbidden = errors.New("forbidden by option")
	errNoKprobes = errors.New("this kernel has no kprobes (CONFIG_KPROBE_EVENTS)")
)

// try attaches every program of a rung, or none.
func (t *Tracer) try(r rung) (err error) {
	if t.forbidden[r.kind] {
		return errForbidden
	}
	// Asked first: link.Kprobe would go on to tracefs, and remember that it was
	// not mounted.
	if r.kind == KindKprobe && !havePMU("kprobe") {
		t.broken[r.kind] = errNoKprobes
	}
	if why, ok := t.broken[r.kind]; ok {
		return why
	}
	if r.check != nil {
		if err := r.check(t.kernel); err != nil {
			return err
		}
	}
	var links []link.Link
	before := maps.Clone(t.programs)
	defer func() {
		if err == nil {
			t.links = append(t.links, links...)
			return
		}
		for _, l := range links {
			err = errors.Join(err, l.Close())
		}
		for name, p := range t.programs {
			if before[name] == nil {
				err = errors.Join(err, p.Close())
				delete(t.programs, name)
			}
		}
	}()
	for _, p := range r.points {
		l, err := t.attach(r.kind, p)
		if err != nil && t.broken[r.kind] != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.target, err)
		}
		links = append(links, l)
	}
	return nil
}
