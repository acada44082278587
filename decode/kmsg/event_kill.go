// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"cmp"
	"strings"

	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/ksym"
)

const computed = "computed"

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
		e.TID = event.Ptr(int(t.TID.N))
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
	m.leader(e)
	return e
}

// leader names the process of the thread that is the trigger. A whole table has all that
// may be chosen, by their leaders: a thread that is not in it is none, or is not of the
// cgroup; which process it is of is not told. Without a table it is taken for one.
func (m *maker) leader(e *event.Task) {
	if e.TID == nil {
		return
	}
	tasks := m.r.Tasks
	row := tasks.Find(*e.TID)
	switch {
	case row != nil && row.TGID > 0:
		e.PID = int(row.TGID)
	case row == nil && tasks != nil && len(tasks.Rows) > 0 && tasks.LeftOut+tasks.Odd == 0 && (e.KThread == nil || !*e.KThread):
	default:
		e.PID = *e.TID
		m.sources["trigger.pid"] = computed
	}
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
