// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"cmp"
	"slices"
	"strings"

	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/ksym"
)

const computed = "computed"

// maxCandidates is how many candidates an event has.
const maxCandidates = 10

// maker makes an event's parts of one report.
type maker struct {
	r       *Report
	page    int    // bytes; 0: not known
	allowed uint64 // pages (oc->totalpages); 0: not known
	modern  bool   // the points are those of badness.Points, no more and no less
	sources map[string]string
}

func newMaker(r *Report, h *Header, c Context) *maker {
	m := &maker{r: r, page: cmp.Or(h.PageSize, pageSize(&r.Header, c)), sources: map[string]string{}}
	if c.PageSizeBytes != 0 && h.PageSize == 0 && r.PageSize == 0 {
		m.page = c.PageSizeBytes
	}
	m.allowed = m.allowedPages()
	if m.allowed == 0 {
		m.allowed = m.provedPages()
	}
	// Since 4.15 the table has pgtables_bytes, and since 4.17 (d46078b28889) there is
	// no bonus for CAP_SYS_ADMIN, which a log does not show. The line of the choice
	// that begins with oom-kill: is of 5.0.
	m.modern = r.Constraint != "" && r.Tasks != nil && r.Tasks.Has&HasPgtables != 0
	return m
}

func killEvent(k *Kill, c Context) *event.Kill {
	r := k.Report
	m := newMaker(r, &k.Header, c)
	row := r.Tasks.Find(k.PID)
	e := &event.Kill{
		Episode: r.Episode(), Role: event.Role(k.Role), Message: clean(k.Message),
		Victim: m.victim(k, row), Trigger: m.trigger(), Memory: m.memory(), Stack: m.stack(),
	}
	e.Scope = m.scope(k.Message)
	e.Limit = m.limit(e.Scope)
	if e.Limit != nil {
		e.Limit.Owner = limitOwner(e.Limit.Cgroup, e.Victim.Cgroup)
	}
	if k.Concluded {
		m.sources["victim.pid"] = computed
	}
	if m.allowed != 0 {
		e.Victim.AllowedPages = event.Ptr(m.allowed)
		m.sources["victim.allowed_pages"] = computed
	}
	m.points(k, row, &e.Victim)
	m.candidates(e, k, row)
	e.Choice = m.choice(k, e)
	if len(m.sources) > 0 {
		e.Sources = m.sources
	}
	return e
}

func noKillEvent(n *NoKill, c Context) *event.NoKill {
	m := newMaker(n.Report, &n.Header, c)
	e := &event.NoKill{
		Episode: n.Report.Episode(), Reason: event.NoKillReason(n.Reason), Message: clean(n.Message),
		Trigger: m.trigger(), Memory: m.memory(),
	}
	e.Scope = m.scope(n.Message)
	e.Limit = m.limit(e.Scope)
	if n.PID != 0 {
		v := event.Victim{PID: n.PID}
		v.Comm, v.CommHex = event.CleanText([]byte(n.Comm))
		m.place(&v)
		e.Victim = &v
		if e.Limit != nil {
			e.Limit.Owner = limitOwner(e.Limit.Cgroup, v.Cgroup)
		}
	}
	e.Candidates = m.ranked(nil)
	if len(m.sources) > 0 {
		e.Sources = m.sources
	}
	return e
}

// victim tells what the line of the kill has, and what the table has beside that.
func (m *maker) victim(k *Kill, row *Task) event.Victim {
	v := event.Victim{
		PID: k.PID, TotalVMBytes: k.TotalVMKB.bytes(),
		AnonRSSBytes: k.AnonRSSKB.bytes(), FileRSSBytes: k.FileRSSKB.bytes(), ShmemRSSBytes: k.ShmemRSSKB.bytes(),
		PgtablesBytes: m.pgtables(k, row),
	}
	if k.HasComm {
		v.Comm, v.CommHex = event.CleanText([]byte(k.Comm))
	}
	if k.UID.OK {
		v.UID = event.Ptr(uint32(k.UID.N))
	}
	adj := k.OOMScoreAdj
	if row != nil {
		if int(row.PID) != int(row.TGID) && row.TGID > 0 {
			v.PID = int(row.TGID)
			v.TID = event.Ptr(int(row.PID))
		}
		if v.UID == nil && m.r.Tasks.Has&HasUID != 0 {
			v.UID = event.Ptr(row.UID)
		}
		if !adj.OK && m.r.Tasks.Has&HasAdj != 0 {
			adj = Int{int64(row.Adj), true}
		}
		if m.r.Tasks.Has&HasSwap != 0 {
			v.SwapBytes = num(row.Swap).pages(m.page)
		}
		if m.r.Tasks.Has&HasTotalVM != 0 && v.TotalVMBytes == nil {
			v.TotalVMBytes = num(row.TotalVM).pages(m.page)
		}
		if m.r.Tasks.Has&HasSplitRSS != 0 && v.AnonRSSBytes == nil {
			v.AnonRSSBytes, v.FileRSSBytes, v.ShmemRSSBytes = num(row.Anon).pages(m.page), num(row.File).pages(m.page), num(row.Shm).pages(m.page)
		}
	}
	if adj.OK && adj.N >= badness.MinAdj && adj.N <= badness.MaxAdj {
		v.OOMScoreAdj = event.Ptr(int(adj.N))
		v.Killable = event.Ptr(adj.N > badness.MinAdj)
	}
	if k.Parent != 0 {
		v.PPID = event.Ptr(k.Parent)
		p := event.Parent{PID: k.Parent}
		p.Comm, p.CommHex = event.CleanText([]byte(k.ParentComm))
		v.Parents = []event.Parent{p}
	}
	if k.Role != RoleGroup && (m.r.Chosen.PID == 0 || m.r.Chosen.PID == k.PID || k.Parent == m.r.Chosen.PID) {
		m.place(&v)
	}
	return v
}

// place fills in the cgroup of the chosen task, and what its path tells. A child, or one
// that shares its memory, may be in another.
func (m *maker) place(v *event.Victim) {
	path := m.r.TaskMemcg
	if path == "" && m.r.Memcg != nil {
		path = m.r.Memcg.Task
	}
	if path == "" {
		return
	}
	v.Cgroup = m.cgroup(path)
	id := cgroup.Parse(path)
	v.Container, v.Pod, v.Unit = id.Container, id.Pod, clean(id.Unit)
}

// cgroup describes one by its path.
func (m *maker) cgroup(path string) *event.Cgroup {
	c := &event.Cgroup{}
	c.Path, c.PathHex = event.CleanString([]byte(path))
	if m.r.Memcg != nil {
		if c.Version = m.r.Memcg.Version; c.Version == 1 {
			c.Controller = "memory"
		}
	}
	return c
}

// pgtables is the size of a victim's page tables. The kernels that began to print them
// (5.4) wrote bytes and called them kB, until 941f762bcb27 ("mm/oom: fix pgtables units
// mismatch in Killed process message"): such a number is the table's, or larger than
// the address space that it maps.
func (m *maker) pgtables(k *Kill, row *Task) *uint64 {
	n := k.PgtablesKB
	switch {
	case !n.OK && row != nil && m.r.Tasks.Has&HasPgtables != 0:
		return event.Ptr(row.Pgtables)
	case !n.OK:
		return nil
	case n.N >= 4096 && row != nil && m.r.Tasks.Has&HasPgtables != 0 && n.N == row.Pgtables,
		n.N >= 4096 && n.N%4096 == 0 && k.TotalVMKB.OK && n.N > k.TotalVMKB.N:
		return event.Ptr(n.N)
	}
	return n.bytes()
}

// trigger describes the task that ran out of memory.
func (m *maker) trigger() *event.Task {
	t := &m.r.Trigger
	if !t.TID.OK && !t.HasComm {
		return nil
	}
	e := &event.Task{GFPMask: t.GFPMask, GFPFlags: t.GFPFlags}
	if t.TID.OK {
		e.PID, e.TID = int(t.TID.N), event.Ptr(int(t.TID.N))
		if row := m.r.Tasks.Find(e.PID); row != nil && row.TGID > 0 {
			e.PID = int(row.TGID)
		} else {
			m.sources["trigger.pid"] = computed // the thread's, taken for the leader's
		}
	}
	if t.HasComm {
		e.Comm, e.CommHex = event.CleanText([]byte(t.Comm))
	}
	if t.UID.OK {
		e.UID = event.Ptr(uint32(t.UID.N))
	}
	if t.Order.OK && t.Order.N >= 0 {
		e.Order = event.Ptr(int(t.Order.N))
	}
	if kernel, known := isKernelThread(m.r.Frames); known {
		e.KThread = &kernel
	}
	return e
}

// isKernelThread tells a kernel thread by the outermost frame of its trace.
func isKernelThread(frames []event.Frame) (kernel, known bool) {
	for i := len(frames) - 1; i >= 0 && i >= len(frames)-4; i-- {
		switch s := frames[i].Symbol; {
		case s == "kthread", strings.HasPrefix(s, "ret_from_fork"):
			return true, true
		case strings.HasPrefix(s, "entry_SYSCALL"), strings.HasPrefix(s, "asm_exc_"), s == "page_fault",
			strings.HasPrefix(s, "el0"), s == "system_call_fastpath", s == "async_page_fault":
			return false, true
		}
	}
	return false, false
}

func (m *maker) stack() *event.Stack {
	if len(m.r.Frames) == 0 {
		return nil
	}
	s := &event.Stack{Frames: m.r.Frames}
	if !m.r.FramesGuessed && !m.r.Mixed {
		s.ID = ksym.ID(m.r.Frames)
	}
	for _, f := range s.Frames {
		if f.Symbol == "" {
			s.Unresolved++
		}
	}
	return s
}

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

// pages is what oom_badness counts of a row, oom_score_adj apart.
func (m *maker) pages(row *Task) (uint64, bool) {
	has := m.r.Tasks.Has
	switch {
	case has&HasRSS == 0:
		return 0, false
	case has&HasPTEs != 0:
		return row.RSS + row.Swap + row.Pgtables, true
	case has&HasPgtables != 0 && m.page != 0:
		return row.RSS + row.Swap + row.Pgtables/uint64(m.page), true
	}
	return 0, false
}

// rowPoints are a row's points where the kernel's arithmetic is known for sure.
func (m *maker) rowPoints(row *Task) (int64, bool) {
	if !m.modern || m.allowed == 0 || m.r.Tasks.Has&HasAdj == 0 {
		return 0, false
	}
	pages, ok := m.pages(row)
	if !ok || pages > 1<<52 {
		return 0, false
	}
	return badness.Points(pages, int(row.Adj), m.allowed), true
}

// points fills in the victim's points: computed from its row, or thousandths that an
// older kernel printed.
func (m *maker) points(k *Kill, row *Task, v *event.Victim) {
	chosen := k.Role == RoleChosen && k.Parent == 0
	if score := m.r.Chosen.Score; score.OK && chosen && m.r.Chosen.PID == k.PID {
		v.BadnessPermille = event.Ptr(int64(min(score.N, 1<<53)))
	}
	if row == nil {
		return
	}
	if p, ok := m.rowPoints(row); ok {
		v.PointsPages = &p
	} else if p, ok := m.oldPoints(row, v); ok {
		v.PointsPages = &p
	}
	if v.PointsPages == nil {
		return
	}
	m.sources["victim.points_pages"] = computed
	if v.BadnessPermille != nil {
		return
	}
	if permille, ok := badness.Permille(*v.PointsPages, m.allowed); ok {
		v.BadnessPermille = &permille
		m.sources["victim.badness_permille"] = computed
	}
}

// oldPoints are a row's points where the thousandths that the kernel printed bear them
// out. Else it may have had the bonus of CAP_SYS_ADMIN, or points were counted in
// thousandths (before 3.6).
func (m *maker) oldPoints(row *Task, v *event.Victim) (int64, bool) {
	if v.BadnessPermille == nil || m.allowed == 0 || m.r.Tasks.Has&(HasAdj|HasPTEs|HasSwap) != HasAdj|HasPTEs|HasSwap {
		return 0, false
	}
	pages, ok := m.pages(row)
	if !ok || pages > 1<<52 {
		return 0, false
	}
	p := badness.Points(pages, int(row.Adj), m.allowed)
	permille, ok := badness.Permille(p, m.allowed)
	return p, ok && permille == *v.BadnessPermille
}

// candidates fills in who else could have been chosen.
func (m *maker) candidates(e *event.Kill, k *Kill, row *Task) {
	t := m.r.Tasks
	if t == nil || len(t.Rows) == 0 {
		return
	}
	e.Candidates = m.ranked(row)
	if t.Has&HasAdj == 0 || t.LeftOut > 0 || t.Odd > 0 {
		return
	}
	var seen uint64
	var best *Task
	var bestRank int64
	alike := row != nil // all have one oom_score_adj, so that pages alone decide
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Adj <= badness.MinAdj || r.TGID == 1 {
			continue
		}
		seen++
		if r == row {
			continue
		}
		alike = alike && r.Adj == row.Adj
		if n := m.rank(r); best == nil || n > bestRank {
			best, bestRank = r, n
		}
	}
	e.CandidatesSeen = &seen
	m.sources["candidates_seen"] = computed
	if best == nil || k.Role != RoleChosen || row == nil || !m.modern {
		return
	}
	points, known := m.rowPoints(best)
	if _, ok := m.pages(best); !ok || !known && !alike {
		return
	}
	e.RunnerUp = &event.RunnerUp{PID: int(best.TGID), OOMScoreAdj: event.Ptr(int(best.Adj))}
	if known {
		e.RunnerUp.PointsPages = &points
	}
	e.RunnerUp.Comm, e.RunnerUp.CommHex = event.CleanText([]byte(t.Comm(best)))
	e.MarginPages = event.Ptr(m.rank(row) - bestRank)
	m.sources["runner_up"], m.sources["margin_pages"] = computed, computed
}

// rank is by what the kernel chooses: a row's points, or its pages where they are not
// known.
func (m *maker) rank(r *Task) int64 {
	if p, ok := m.rowPoints(r); ok {
		return p
	}
	if p, ok := m.pages(r); ok {
		return int64(min(p, 1<<62))
	}
	return int64(min(r.RSS, 1<<61) + min(r.Swap, 1<<61))
}

// ranked are the rows of most points, or of most pages where points are not known, the
// highest first; row is always among them, and so is who was spared with most memory.
func (m *maker) ranked(row *Task) []event.Candidate {
	t := m.r.Tasks
	if t == nil || len(t.Rows) == 0 {
		return nil
	}
	type ranked struct {
		row  *Task
		rank int64
	}
	var top []ranked
	for i := range t.Rows {
		r := &t.Rows[i]
		if t.Has&HasAdj != 0 && r.Adj <= badness.MinAdj && r != row {
			continue
		}
		c := ranked{r, m.rank(r)}
		at, _ := slices.BinarySearchFunc(top, c, func(a, b ranked) int { return cmp.Compare(b.rank, a.rank) })
		if at < maxCandidates {
			for at < len(top) && top[at].rank == c.rank {
				at++
			}
			if at < maxCandidates {
				top = slices.Insert(top, at, c)
				top = top[:min(len(top), maxCandidates)]
			}
		}
	}
	if row != nil && !slices.ContainsFunc(top, func(c ranked) bool { return c.row == row }) {
		top[len(top)-1] = ranked{row, m.rank(row)}
	}
	if spared := m.spared(row); spared != nil && !slices.ContainsFunc(top, func(c ranked) bool { return c.row == spared }) {
		if len(top) < maxCandidates {
			top = append(top, ranked{row: spared})
		} else if i := len(top) - 1; top[i].row != row {
			top[i].row = spared
		} else {
			top[i-1], top[i] = top[i], ranked{row: spared}
		}
	}
	out := make([]event.Candidate, len(top))
	for i, c := range top {
		out[i] = m.candidate(c.row)
	}
	return out
}

// spared is the row of most memory that has more than the chosen one, and a lower
// oom_score_adj, which may be that of the immune; nil if there is none.
func (m *maker) spared(row *Task) *Task {
	t := m.r.Tasks
	if row == nil || t.Has&HasAdj == 0 {
		return nil
	}
	most, ok := m.pages(row)
	if !ok {
		return nil
	}
	var spared *Task
	for i := range t.Rows {
		r := &t.Rows[i]
		if n, ok := m.pages(r); ok && n > most && r.Adj < row.Adj && r.TGID != 1 {
			spared, most = r, n
		}
	}
	return spared
}

func (m *maker) candidate(r *Task) event.Candidate {
	t := m.r.Tasks
	c := event.Candidate{PID: int(r.TGID)}
	c.Comm, c.CommHex = event.CleanText([]byte(t.Comm(r)))
	if t.Has&HasUID != 0 {
		c.UID = event.Ptr(r.UID)
	}
	if p, ok := m.rowPoints(r); ok && (t.Has&HasAdj == 0 || r.Adj > badness.MinAdj) {
		c.PointsPages = &p
		m.sources["candidates.points_pages"] = computed
	}
	if t.Has&HasAdj != 0 {
		c.OOMScoreAdj = event.Ptr(int(r.Adj))
	}
	if t.Has&HasSplitRSS != 0 {
		c.AnonRSSBytes, c.FileRSSBytes, c.ShmemRSSBytes = num(r.Anon).pages(m.page), num(r.File).pages(m.page), num(r.Shm).pages(m.page)
	} else if t.Has&HasRSS != 0 {
		c.RSSBytes = num(r.RSS).pages(m.page)
	}
	if t.Has&HasSwap != 0 {
		c.SwapBytes = num(r.Swap).pages(m.page)
	}
	if t.Has&HasPgtables != 0 {
		c.PgtablesBytes = event.Ptr(r.Pgtables)
	}
	return c
}

// byBPF says whether a BPF program chose: its kills have a message of their own, and
// pass through its function.
func (m *maker) byBPF(k *Kill) bool {
	return !isMessage([]byte(k.Message)) ||
		slices.ContainsFunc(m.r.Frames, func(f event.Frame) bool { return f.Symbol == "bpf_oom_kill_process" })
}

// choice tells how the victim came to be chosen.
func (m *maker) choice(k *Kill, e *event.Kill) event.Choice {
	switch {
	case k.Role != RoleChosen:
		return ""
	case strings.HasSuffix(k.Message, "(oom_kill_allocating_task)"):
		return event.ChoiceAllocatingTask
	case m.byBPF(k):
		return event.ChoiceBPF
	case k.Parent != 0:
		return event.ChoiceChild
	case m.r.Chosen.Score.OK && m.r.Chosen.Score.N <= 2*badness.MaxAdj:
		return event.ChoiceBadness // a task that is the origin has the highest number there is
	case e.MarginPages != nil && *e.MarginPages >= 0:
		return event.ChoiceBadness
	case e.Victim.PointsPages != nil && e.CandidatesSeen != nil && *e.CandidatesSeen == 1:
		return event.ChoiceBadness
	}
	return ""
}
