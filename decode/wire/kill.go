// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"cmp"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/ksym"
	"github.com/oomtrace/oomtrace/decode/printfmt"
)

// Values of oc->constraint (enum oom_constraint, include/linux/oom.h).
const (
	constraintNone = iota
	constraintCpuset
	constraintMempolicy
	constraintMemcg
)

// orderSysrq is oc->order of a sysrq-f (is_sysrq_oom, mm/oom_kill.c).
const orderSysrq = -1

// chargeSlack is how far below its maximum a counter may stand when a charge
// failed on it: other CPUs drain stocks of MEMCG_CHARGE_BATCH pages meanwhile.
const chargeSlack = 64

// Machine is what decoding needs to know of the machine a record is from.
type Machine struct {
	PageSize uint64 // bytes; 0 means 4096
	BootID   string // as /proc/sys/kernel/random/boot_id
	UserHZ   int    // ticks a second, for timex.tick; 0 means 100
	// RAMPages and SwapPages are totalram_pages and total_swap_pages, for the
	// kernel's own arithmetic where no hook saw its result; nil: unknown.
	RAMPages, SwapPages *uint64
	// Swappiness is the sysctl vm.swappiness; nil: unknown.
	Swappiness *int
	// ThreadRSSPages is how many pages of a resident counter a thread may keep to
	// itself, on kernels that count so.
	ThreadRSSPages uint64
	Syscalls       Syscalls
}

// Decoder turns records into events' payloads. Its methods are for one
// goroutine; Symbols and GFP may be set from any, at any time.
type Decoder struct {
	Machine Machine
	Symbols atomic.Pointer[ksym.Table]
	GFP     atomic.Pointer[printfmt.FlagNames]

	clock clockState
}

// Kill decodes a kill. It needs r.Kind KILL or SIGNAL.
func (d *Decoder) Kill(r *Record) *event.Kill {
	w := &r.Kill
	tail := w.Tail[:]
	k := &event.Kill{
		Episode: d.episode(w.EpisodeNs),
		Role:    role(w.Role),
		Victim:  d.victim(w, tail),
		Sources: map[string]string{},
	}
	if !has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_INVOCATION) {
		k.Sources["episode"] = "computed"
	}
	if !has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_ROLE) {
		k.Sources["role"] = "computed" // by the order alone
	}
	if !taskHas(&w.Victim, bpf.OomtraceWireTaskValidWIRE_TASK_TGID) {
		k.Sources["victim.pid"] = "computed" // the thread's, taken for the leader's
	}
	trigger := task(&w.Trigger, tail)
	if trigger.Cgroup != nil && trigger.Cgroup.Path == "" && k.Victim.Cgroup != nil && trigger.Cgroup.ID == k.Victim.Cgroup.ID {
		*trigger.Cgroup = *k.Victim.Cgroup // the kernel writes a path once
		id := cgroup.Parse(trigger.Cgroup.Path)
		trigger.Container, trigger.Pod, trigger.Unit = id.Container, id.Pod, id.Unit
	}
	k.Trigger = &trigger
	if n := int(w.StackLen); has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_STACK) && n <= len(w.Stack) {
		s := ksym.Trace(w.Stack[:n], d.Symbols.Load())
		k.Stack = &s
	}
	if has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_MESSAGE) {
		k.Message, _ = event.CleanString(event.CutNUL(bytesOf(w.Message[:])))
	}
	if has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_OC) {
		d.fromOC(k, w)
	} else {
		d.derive(k, w)
	}
	if k.Limit != nil {
		k.Limit.Owner = limitOwner(k.Limit.Cgroup, k.Victim.Cgroup)
	}
	d.points(k, w)
	if len(k.Sources) == 0 {
		k.Sources = nil
	}
	return k
}

func (d *Decoder) episode(ns uint64) string {
	boot := strings.ReplaceAll(d.Machine.BootID, "-", "")
	if len(boot) > 8 {
		boot = boot[:8]
	}
	return fmt.Sprintf("%s-%x", boot, ns)
}

func role(r uint32) event.Role {
	switch bpf.OomtraceWireRole(r) {
	case bpf.OomtraceWireRoleWIRE_ROLE_CHOSEN:
		return event.RoleChosen
	case bpf.OomtraceWireRoleWIRE_ROLE_GROUP:
		return event.RoleGroup
	case bpf.OomtraceWireRoleWIRE_ROLE_SHARED_MM:
		return event.RoleSharedMM
	}
	return "" // Parse lets none through
}

func (d *Decoder) victim(w *bpf.OomtraceWireKill, tail []int8) event.Victim {
	t := task(&w.Victim, tail)
	v := event.Victim{
		PID: t.PID, TID: t.TID, Comm: t.Comm, CommHex: t.CommHex, UID: t.UID,
		StartBoottimeNS: t.StartBoottimeNS, Cgroup: t.Cgroup,
		Container: t.Container, Pod: t.Pod, Unit: t.Unit,
	}
	if taskHas(&w.Victim, bpf.OomtraceWireTaskValidWIRE_TASK_NSPID) && w.Victim.Nspid != 0 {
		v.NSPID = event.Ptr(int(w.Victim.Nspid))
	}
	if taskHas(&w.Victim, bpf.OomtraceWireTaskValidWIRE_TASK_PPID) {
		v.PPID = event.Ptr(int(w.Victim.Ppid))
	}
	if taskHas(&w.Victim, bpf.OomtraceWireTaskValidWIRE_TASK_THREADS) {
		v.Threads = event.Ptr(int(w.Victim.Threads))
	}
	valid := w.H.Valid
	if has(valid, bpf.OomtraceWireKillValidWIRE_KILL_ADJ) && w.OomScoreAdj >= badness.MinAdj && w.OomScoreAdj <= badness.MaxAdj {
		v.OOMScoreAdj = event.Ptr(int(w.OomScoreAdj))
		v.Killable = event.Ptr(w.OomScoreAdj > badness.MinAdj)
	}
	if has(valid, bpf.OomtraceWireKillValidWIRE_KILL_TOTAL_VM) {
		v.TotalVMBytes = d.bytes(w.TotalVmPages)
	}
	if has(valid, bpf.OomtraceWireKillValidWIRE_KILL_RSS) {
		v.FileRSSBytes, v.AnonRSSBytes, v.ShmemRSSBytes = d.bytes(w.FilePages), d.bytes(w.AnonPages), d.bytes(w.ShmemPages)
		if !has(valid, bpf.OomtraceWireKillValidWIRE_KILL_RSS_NO_SWAP) {
			v.SwapBytes = d.bytes(w.SwapPages)
		}
	}
	switch {
	case has(valid, bpf.OomtraceWireKillValidWIRE_KILL_RSS_ERROR):
		v.RSSErrorBytes = d.bytes(w.RssErrorPages)
	case d.Machine.ThreadRSSPages > 0 && v.AnonRSSBytes != nil && v.Threads != nil:
		v.RSSErrorBytes = d.bytes(d.Machine.ThreadRSSPages * uint64(*v.Threads))
	}
	if has(valid, bpf.OomtraceWireKillValidWIRE_KILL_PGTABLES) {
		v.PgtablesBytes = event.Ptr(w.PgtablesBytes)
	}
	return v
}

func (d *Decoder) pageSize() uint64 { return cmp.Or(d.Machine.PageSize, 4096) }

func (d *Decoder) bytes(pages uint64) *uint64 { return event.Ptr(pages * d.pageSize()) }

// fromOC takes scope, limit and trigger from the kernel's oom_control.
func (d *Decoder) fromOC(k *event.Kill, w *bpf.OomtraceWireKill) {
	k.Trigger.GFPMask = hex(uint64(w.GfpMask))
	if names := d.GFP.Load(); names != nil {
		k.Trigger.GFPFlags = names.Names(uint64(w.GfpMask))
	}
	if w.Order >= 0 {
		k.Trigger.Order = event.Ptr(int(w.Order))
	}
	// constrained_alloc() sets both, and the OOM killer may return before that.
	decided := w.Totalpages > 0
	if decided {
		k.Victim.AllowedPages = event.Ptr(w.Totalpages)
	}
	switch {
	case w.Order == orderSysrq:
		k.Scope = event.ScopeSysrq
	case !decided && has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_OC_MEMCG):
		k.Scope = event.ScopeMemcg
	case !decided:
	case w.Constraint == constraintMemcg:
		k.Scope = event.ScopeMemcg
	case w.Constraint == constraintCpuset:
		k.Scope, k.Limit = event.ScopeCpuset, &event.Limit{Kind: event.LimitNodes}
	case w.Constraint == constraintMempolicy:
		k.Scope, k.Limit = event.ScopeMempolicy, &event.Limit{Kind: event.LimitNodes}
	case w.Constraint == constraintNone:
		k.Scope, k.Limit = event.ScopeGlobal, &event.Limit{Kind: event.LimitRAM}
	}
	if k.Scope == event.ScopeMemcg && has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_OC_MEMCG) {
		chain, known := memcgs(w), false
		for i, m := range chain {
			if m.Id == w.Limit.Id {
				chain, known = chain[:i+1], true
				break
			}
		}
		if !known && !cut(w) {
			chain = nil // the victim has moved elsewhere
		}
		k.Limit = d.limit(k, w, w.Limit, chain, known)
		if off, n := int(w.LimitOff), int(w.LimitLen); n > 0 && off+n <= len(w.Tail) {
			k.Limit.Cgroup.Path, k.Limit.Cgroup.PathHex = event.CleanString(path(w.Tail[off : off+n]))
		}
	}
	k.Choice = choice(k, w)
}

// choice tells how the victim came to be chosen. The message is the kernel's
// own (out_of_memory, mm/oom_kill.c).
func choice(k *event.Kill, w *bpf.OomtraceWireKill) event.Choice {
	switch {
	case k.Role != event.RoleChosen:
		return ""
	case strings.HasSuffix(k.Message, "(oom_kill_allocating_task)"):
		return event.ChoiceAllocatingTask
	case has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_ORIGIN) && w.Origin != 0:
		return event.ChoiceTaskOrigin
	case k.Message != "":
		return event.ChoiceBadness
	}
	return "" // without the message the sysctl's choice cannot be told apart
}

// derive finds scope and limit where no hook saw the oom_control: the stack
// tells a memcg's shortage from the machine's, and the limit is the one ancestor
// that stands at its maximum.
func (d *Decoder) derive(k *event.Kill, w *bpf.OomtraceWireKill) {
	if k.Stack != nil {
		if scope, sure := ksym.Context(k.Stack.Frames); sure {
			k.Scope = scope
			k.Sources["scope"] = "computed"
		}
	}
	if k.Scope == event.ScopeGlobal {
		k.Limit = &event.Limit{Kind: event.LimitRAM}
		k.Sources["limit"] = "computed"
	}
	full := -1
	for i, m := range memcgs(w) {
		if !atMax(m.Usage, m.Max) && !(isV1(w) && atMax(m.SwapUsage, m.SwapMax)) {
			continue
		}
		if full >= 0 {
			full = -1 // more than one: not known
			break
		}
		full = i
	}
	// Without a stack a full memcg is a sign, not a proof, and another may be above
	// those that were read: say nothing.
	if full < 0 || k.Scope != event.ScopeMemcg || cut(w) {
		return
	}
	k.Limit = d.limit(k, w, memcgs(w)[full], memcgs(w)[:full+1], true)
	k.Sources["limit"] = "computed"
	if allowed, ok := d.memcgAllowed(w, full); ok {
		k.Victim.AllowedPages = &allowed
		k.Sources["victim.allowed_pages"] = "computed"
	}
}

func memcgs(w *bpf.OomtraceWireKill) []bpf.OomtraceWireMemcg {
	if n := int(w.MemcgsLen); has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS) && n <= len(w.Memcgs) {
		return w.Memcgs[:n]
	}
	return nil
}

// cut says whether there are more memory cgroups above memcgs.
func cut(w *bpf.OomtraceWireKill) bool {
	return has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS_CUT)
}

func isV1(w *bpf.OomtraceWireKill) bool {
	return taskHas(&w.Victim, bpf.OomtraceWireTaskValidWIRE_TASK_CGROUP_V1)
}

// unlimited says whether max is PAGE_COUNTER_MAX: LONG_MAX / PAGE_SIZE, or
// LONG_MAX / 1024 before memcg limits were rounded to pages.
func (d *Decoder) unlimited(max uint64) bool { return max >= 1<<63/d.pageSize()-1 }

func atMax(usage, max uint64) bool { return max < 1<<46 && usage+chargeSlack >= max }

// limit describes the memory cgroup m whose limit was hit. chain are the memory cgroups
// from the victim's up to m, all of them if complete.
func (d *Decoder) limit(k *event.Kill, w *bpf.OomtraceWireKill, m bpf.OomtraceWireMemcg, chain []bpf.OomtraceWireMemcg, complete bool) *event.Limit {
	l := &event.Limit{Kind: event.LimitMemory, Cgroup: &event.Cgroup{ID: hex(m.Id)}}
	max, usage := m.Max, m.Usage
	if isV1(w) && atMax(m.SwapUsage, m.SwapMax) && !atMax(m.Usage, m.Max) {
		l.Kind, max, usage = event.LimitMemsw, m.SwapMax, m.SwapUsage
	}
	if d.unlimited(max) {
		l.Unlimited = event.Ptr(true)
	} else {
		l.Bytes = d.bytes(max)
	}
	l.UsageBytes = d.bytes(usage)
	if !isV1(w) {
		l.SwapBytes = d.bytes(m.SwapUsage)
	} else if m.SwapUsage >= m.Usage && !d.unlimited(m.SwapMax) {
		// memsw counts both; the difference is the swap part
		l.SwapBytes = d.bytes(m.SwapUsage - m.Usage)
	}
	// mem_cgroup_get_oom_group: any cgroup from the victim's up to the limit's
	group := m.OomGroup != 0
	for _, a := range chain {
		group = group || a.OomGroup != 0
	}
	if group || complete && k.Victim.Cgroup != nil {
		l.OOMGroup = &group // of a victim without cgroup only the limit's part is known
	}
	t, c := &w.Victim, k.Victim.Cgroup // whose chain it is
	if has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS_TRIGGER) {
		t, c = &w.Trigger, k.Trigger.Cgroup
	}
	switch {
	case c == nil:
	case c.ID == l.Cgroup.ID:
		*l.Cgroup = *c
	default:
		l.Cgroup.Version, l.Cgroup.Controller = c.Version, c.Controller
		if path, ok := pathOf(t, w.Tail[:]); ok && complete && !c.Truncated {
			l.Cgroup.Path, l.Cgroup.PathHex = event.CleanString(ancestor(path, int(m.Level)))
		}
	}
	return l
}

// limitOwner says whose the limit of c is to a victim in v.
func limitOwner(c, v *event.Cgroup) event.LimitOwner {
	switch {
	case c == nil || v == nil:
		return ""
	case c.ID != "" && c.ID == v.ID:
		return event.OwnerOwn
	case v.Truncated || c.Truncated || c.PathHex != "" || v.PathHex != "":
		return "" // different ids, and paths that may look alike
	}
	if owner := cgroup.Owner(c.Path, v.Path); owner != event.OwnerOwn {
		return owner
	}
	return "" // one path, two ids: it was removed and made again
}

// ancestor is the first n components of path.
func ancestor(path []byte, n int) []byte {
	if n <= 0 {
		return []byte("/")
	}
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			if n--; n == 0 {
				return path[:i]
			}
		}
	}
	return path
}

// memcgAllowed is what constrained_alloc (mm/oom_kill.c) sets oc->totalpages to. The
// swappiness is the sysctl's on v2; on v1 it is the cgroup's own, which is not known.
func (d *Decoder) memcgAllowed(w *bpf.OomtraceWireKill, i int) (uint64, bool) {
	swap, swappiness := d.Machine.SwapPages, 0
	m := memcgs(w)[i]
	switch {
	case swap == nil:
		return 0, false
	case *swap == 0: // whatever the swappiness
	case isV1(w) || d.Machine.Swappiness == nil:
		return 0, false
	default:
		swappiness = *d.Machine.Swappiness
	}
	return badness.MemcgAllowed(m.Max, m.SwapMax, *swap, swappiness), true
}

// points fills in points and permille, computed where the kernel did not say.
func (d *Decoder) points(k *event.Kill, w *bpf.OomtraceWireKill) {
	v := &k.Victim
	// constrained_alloc: without nodes to keep to, and for sysrq, RAM and swap
	whole := k.Scope == event.ScopeGlobal || k.Scope == event.ScopeSysrq
	if v.AllowedPages == nil && whole && d.Machine.RAMPages != nil && d.Machine.SwapPages != nil {
		allowed := *d.Machine.RAMPages + *d.Machine.SwapPages
		v.AllowedPages = &allowed
		k.Sources["victim.allowed_pages"] = "computed"
	}
	switch {
	case has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_POINTS) && k.Choice == event.ChoiceBadness:
		v.PointsPages = event.Ptr(w.Points)
	case v.AllowedPages != nil:
		p, ok := d.badness(w, *v.AllowedPages)
		if !ok {
			return
		}
		v.PointsPages = &p
		k.Sources["victim.points_pages"] = "computed"
	}
	if v.PointsPages == nil || v.AllowedPages == nil {
		return
	}
	if permille, ok := badness.Permille(*v.PointsPages, *v.AllowedPages); ok {
		v.BadnessPermille = &permille
		if k.Sources["victim.points_pages"] != "" || k.Sources["victim.allowed_pages"] != "" {
			k.Sources["victim.badness_permille"] = "computed"
		}
	}
}

// badness computes the points, where all that goes into them is known.
func (d *Decoder) badness(w *bpf.OomtraceWireKill, totalpages uint64) (int64, bool) {
	need := uint64(1<<bpf.OomtraceWireKillValidWIRE_KILL_RSS | 1<<bpf.OomtraceWireKillValidWIRE_KILL_PGTABLES | 1<<bpf.OomtraceWireKillValidWIRE_KILL_ADJ)
	if w.H.Valid&need != need {
		return 0, false
	}
	// Unknown swap entries are none where there is no swap.
	noSwap := d.Machine.SwapPages != nil && *d.Machine.SwapPages == 0
	if has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_RSS_NO_SWAP) && !noSwap {
		return 0, false
	}
	m := badness.Memory{RSSPages: w.FilePages + w.AnonPages + w.ShmemPages, SwapPages: w.SwapPages, PgtablesBytes: w.PgtablesBytes}
	return badness.Points(m.Pages(d.pageSize()), int(w.OomScoreAdj), totalpages), true
}
