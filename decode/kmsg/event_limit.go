// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"cmp"
	"strings"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/ksym"
)

// scope tells whose shortage it was: by the constraint since 5.0, before that by what the
// report and the message say, which do not tell the machine from some of its nodes.
func (m *maker) scope(message string) event.Scope {
	r := m.r
	if r.Trigger.Order.OK && r.Trigger.Order.N == -1 {
		return event.ScopeSysrq
	}
	switch r.Constraint {
	case "CONSTRAINT_NONE":
		return event.ScopeGlobal
	case "CONSTRAINT_MEMCG":
		return event.ScopeMemcg
	case "CONSTRAINT_CPUSET":
		return event.ScopeCpuset
	case "CONSTRAINT_MEMORY_POLICY":
		return event.ScopeMempolicy
	}
	switch {
	case r.Constraint != "" && r.Global: // a BPF program's own word for it
		return event.ScopeGlobal
	case r.OOMMemcg != "", r.Memcg != nil && r.Memcg.Memory.UsageKB.OK, r.Memcg != nil && r.Memcg.Limit != "",
		strings.HasPrefix(message, "Memory cgroup out of memory"):
		return event.ScopeMemcg
	case strings.HasPrefix(message, "No available memory (MPOL_BIND)"): // before 2.6.36
		return event.ScopeMempolicy
	case strings.HasPrefix(message, "No available memory in cpuset"):
		return event.ScopeCpuset
	case strings.Contains(message, "system-wide panic_on_oom"): // only without a constraint
		return event.ScopeGlobal
	case strings.HasPrefix(message, "Out of memory") && !strings.Contains(message, "no killable"), r.Mem != nil:
		if len(r.nodes()) != 1 {
			m.sources["scope"] = computed // of several nodes, some may have run out
		}
		return event.ScopeGlobal
	}
	if scope, sure := ksym.Context(r.Frames); scope != "" && !r.Mixed {
		if !sure {
			m.sources["scope"] = computed
		}
		return scope
	}
	return ""
}

// nodes are the NUMA nodes that the report names.
func (rep *Report) nodes() map[int]bool {
	nodes := map[int]bool{}
	if rep.Mem != nil {
		for i := range rep.Mem.Zones {
			nodes[rep.Mem.Zones[i].Node] = true
		}
	}
	return nodes
}

// limit describes the limit that was hit.
func (m *maker) limit(scope event.Scope) *event.Limit {
	r := m.r
	switch scope {
	case event.ScopeGlobal:
		l := &event.Limit{Kind: event.LimitRAM}
		if r.Mem != nil {
			l.Bytes = r.Mem.managedPages().pages(m.page)
		}
		return l
	case event.ScopeCpuset:
		return &event.Limit{Kind: event.LimitNodes, Nodes: nodeList(r.MemsAllowed)}
	case event.ScopeMempolicy:
		return &event.Limit{Kind: event.LimitNodes, Nodes: nodeList(r.NodeMask)}
	case event.ScopeMemcg:
		return m.memcgLimit()
	}
	return nil
}

// nodeList is a list of nodes as the kernel prints it, else "".
func nodeList(s string) string {
	if strings.Trim(s, "0123456789,-") != "" {
		return ""
	}
	return s
}

// managedPages are what the page allocator has: RAM without what is reserved, which
// is totalram_pages but for what memory hotplug changes meanwhile.
func (m *MemInfo) managedPages() Num {
	if !m.RAMPages.OK || !m.ReservedPages.OK || m.ReservedPages.N > m.RAMPages.N {
		return Num{}
	}
	return num(m.RAMPages.N - m.ReservedPages.N)
}

func (m *maker) memcgLimit() *event.Limit {
	r := m.r
	l := &event.Limit{}
	path := r.OOMMemcg
	if path == "" && r.Memcg != nil {
		path = cmp.Or(r.Memcg.Limit, r.Memcg.StatsOf)
	}
	if path != "" {
		l.Cgroup = m.cgroup(path)
	}
	if r.GroupOf != "" {
		l.OOMGroup = event.Ptr(true)
	}
	if mc := r.Memcg; mc != nil {
		l.Kind, l.Bytes, l.Unlimited, l.UsageBytes = mc.hit()
		l.SwapBytes = mc.swapBytes()
		if mc.Memory.Failcnt.OK {
			l.Events = &event.CgroupEvents{FailCnt: mc.Memory.Failcnt.ptr()}
		}
		if l.Kind == event.LimitMemsw {
			l.Events = &event.CgroupEvents{FailCnt: mc.MemorySwap.Failcnt.ptr()}
		}
		if mc.Version == 2 {
			l.MinBytes, l.LowBytes = mc.MinKB.bytes(), mc.LowKB.bytes()
			l.Events = nil // v2's failcnt is of the page counter, which no file shows
		}
		l.Stat = mc.stat()
	}
	if l.Kind == "" && l.Cgroup == nil && l.OOMGroup == nil {
		return nil
	}
	return l
}

// hitSlackKB is how far below its maximum a counter may stand when a charge failed on
// it: other CPUs drain stocks of 64 pages (MEMCG_CHARGE_BATCH) meanwhile.
const hitSlackKB = 64 * 4

// hit says which of a cgroup's limits was hit: the one whose counter stands at it.
func (mc *Memcg) hit() (kind event.LimitKind, bytes *uint64, unlimited *bool, usage *uint64) {
	full := func(u *Usage, slack uint64) bool {
		return u.UsageKB.OK && u.LimitKB.OK && !u.Unlimited && u.UsageKB.N+slack >= u.LimitKB.N
	}
	of := func(kind event.LimitKind, u *Usage) (event.LimitKind, *uint64, *bool, *uint64) {
		if u.Unlimited {
			return kind, nil, event.Ptr(true), u.UsageKB.bytes()
		}
		return kind, u.LimitKB.bytes(), nil, u.UsageKB.bytes()
	}
	for _, slack := range []uint64{0, hitSlackKB} {
		switch {
		case full(&mc.Memory, slack):
			return of(event.LimitMemory, &mc.Memory)
		case full(&mc.MemorySwap, slack):
			return of(event.LimitMemsw, &mc.MemorySwap)
		case full(&mc.Kmem, slack):
			return of(event.LimitKmem, &mc.Kmem)
		}
	}
	if mc.Memory.UsageKB.OK {
		return of(event.LimitMemory, &mc.Memory)
	}
	return "", nil, nil, nil
}

// swapBytes is the swap that a cgroup uses; of v1's two counters it is the difference.
func (mc *Memcg) swapBytes() *uint64 {
	switch {
	case mc.Version == 2:
		return mc.Swap.UsageKB.bytes()
	case mc.MemorySwap.UsageKB.OK && mc.Memory.UsageKB.OK && mc.MemorySwap.UsageKB.N >= mc.Memory.UsageKB.N:
		return num(mc.MemorySwap.UsageKB.N - mc.Memory.UsageKB.N).bytes()
	}
	return nil
}

// limitOwner says whose the limit of c is to a victim in v.
func limitOwner(c, v *event.Cgroup) event.LimitOwner {
	if c == nil || v == nil || c.PathHex != "" || v.PathHex != "" {
		return ""
	}
	return cgroup.Owner(c.Path, v.Path)
}

// allowedPages computes oc->totalpages (constrained_alloc, mm/oom_kill.c) where all of it
// is in the log; 0 if not.
func (m *maker) allowedPages() uint64 {
	r := m.r
	if m.page == 0 {
		return 0
	}
	pageKB := uint64(m.page) / 1024
	switch {
	case r.Memcg != nil && r.Memcg.Memory.LimitKB.OK && !r.Memcg.Memory.Unlimited:
		max := r.Memcg.Memory.LimitKB.N / pageKB
		// What it may use of swap is known where there is none, or it may use none.
		// On v1 with its own swappiness 0 no swap counts.
		switch {
		case r.Memcg.Version == 2 && r.Memcg.Swap.LimitKB.OK && r.Memcg.Swap.LimitKB.N == 0,
			r.Memcg.Version == 1 && r.Memcg.MemorySwap.LimitKB == r.Memcg.Memory.LimitKB,
			r.noSwap():
			return max
		}
		return 0
	case r.Mem != nil && r.Constraint == "CONSTRAINT_CPUSET":
		return r.Mem.presentPages(r.MemsAllowed, pageKB)
	case r.Mem != nil && r.Constraint == "CONSTRAINT_MEMORY_POLICY":
		return r.Mem.presentPages(r.NodeMask, pageKB)
	case r.Constraint == "CONSTRAINT_NONE" || r.Constraint == "" && r.Memcg == nil && len(r.nodes()) == 1:
		if r.Mem == nil {
			return 0
		}
		pages := r.Mem.managedPages().plus(r.Mem.TotalSwapKB)
		if !pages.OK {
			return 0
		}
		return r.Mem.managedPages().N + r.Mem.TotalSwapKB.N/pageKB
	}
	return 0
}

// presentPages are the present pages of the nodes, and swap; 0 where not all are told.
func (m *MemInfo) presentPages(nodes string, pageKB uint64) uint64 {
	var kb uint64
	for part := range strings.SplitSeq(nodes, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, ok := wholeNumber([]byte(first))
		to, ok2 := wholeNumber([]byte(last))
		if !ok || !ok2 || to >= maxNodes {
			return 0
		}
		for ; from <= to; from++ {
			found := false
			for i := range m.Zones {
				z := &m.Zones[i]
				if uint64(z.Node) != from || !z.Free.OK {
					continue
				}
				if !z.Present.OK {
					return 0
				}
				kb, found = kb+z.Present.N, true
			}
			if !found {
				return 0
			}
		}
	}
	if !m.TotalSwapKB.OK || m.LeftOut > 0 {
		return 0
	}
	return (kb + m.TotalSwapKB.N) / pageKB
}

// provedPages are RAM and swap of a machine with several nodes, before 5.0: which of them
// the OOM was of is not told, but the thousandths of the choice may bear it out.
func (m *maker) provedPages() uint64 {
	r := m.r
	row := r.Tasks.Find(r.Chosen.PID)
	if r.Constraint != "" || r.Memcg != nil || r.Mem == nil || row == nil || !r.Chosen.Score.OK || m.page == 0 {
		return 0
	}
	ram, swap := r.Mem.managedPages(), r.Mem.TotalSwapKB
	if !ram.plus(swap).OK {
		return 0
	}
	m.allowed = ram.N + swap.N/(uint64(m.page)/1024)
	permille := int64(r.Chosen.Score.N)
	if _, ok := m.oldPoints(row, &event.Victim{BadnessPermille: &permille}); !ok {
		return 0
	}
	return m.allowed
}

// noSwap says that the machine has no swap, as far as the report tells.
func (rep *Report) noSwap() bool {
	return rep.Mem != nil && rep.Mem.TotalSwapKB.OK && rep.Mem.TotalSwapKB.N == 0
}
