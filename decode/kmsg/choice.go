// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"slices"
	"time"
)

// constraint takes the line that names the choice since 5.0 (dump_oom_summary and
// mem_cgroup_print_oom_context):
//
//	oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=java,pid=104,uid=0
//
// The kernel prints it in pieces, and other lines may come between: see partial.
func (p *machine) constraint(r *Record, text []byte) bool {
	var c constraintLine
	if !c.read(text) {
		p.hold(partConstraint, r, text)
		return true
	}
	p.dropPart()
	rep := p.under(r)
	switch {
	case p.more && rep != nil && rep.stage == stageChosen:
		rep.Chosen = Chosen{} // a part of the name was taken for it
	case rep == nil || rep.stage >= stageChosen || rep.Mixed:
		p.closeOld(r)
		rep = p.begin(r)
	}
	if !p.more && len(c.comm) < maxComm {
		p.hold(partConstraintMore, r, text)
	}
	rep.Constraint, rep.NodeMask, rep.Cpuset, rep.MemsAllowed = p.names.of(c.constraint), nodes(c.nodemask), short(c.cpuset), nodes(c.mems)
	rep.Global, rep.OOMMemcg, rep.TaskMemcg = c.global, short(c.oomMemcg), short(c.taskMemcg)
	rep.choose(p, r, text, Chosen{PID: c.pid, Comm: p.names.of(c.comm), UID: num(c.uid)})
	return true
}

// choose notes who was chosen.
func (rep *Report) choose(p *machine, r *Record, text []byte, c Chosen) {
	if rep.Chosen.PID != 0 && rep.Chosen.PID != c.PID {
		return
	}
	if rep.Chosen.PID == 0 {
		rep.chosenAt = p.makeHeader(r)
		if r.HasPrintk {
			rep.chosenKey = p.boots.hash(r.Printk, text)
			// Told already, as one that was concluded: the log was read again.
			rep.ended = rep.ended || r.Printk >= firstSampled && p.told.has(rep.chosenKey)
		}
	}
	c.UID = Num{max(c.UID.N, rep.Chosen.UID.N), c.UID.OK || rep.Chosen.UID.OK}
	rep.Chosen, rep.stage = c, stageChosen
}

// constraintLine is that line taken apart.
type constraintLine struct {
	constraint, nodemask, cpuset, mems, oomMemcg, taskMemcg, comm []byte
	global                                                        bool
	pid                                                           int
	uid                                                           uint64
}

// read takes the line apart from both ends: the names in the middle, of cpuset, cgroups
// and task, may hold what separates the fields.
func (c *constraintLine) read(text []byte) bool {
	text, uid, ok := cutLast(text, ",uid=")
	if !ok {
		return false
	}
	text, pid, ok := cutLast(text, ",pid=")
	if !ok {
		return false
	}
	if c.pid, ok = pidNumber(pid); !ok {
		return false
	}
	if c.uid, ok = wholeNumber(uid); !ok || c.uid > 1<<32-1 {
		return false
	}
	text, ok = bytes.CutPrefix(text, []byte("oom-kill:constraint="))
	if !ok {
		return false
	}
	if c.constraint, text, ok = bytes.Cut(text, []byte(",nodemask=")); !ok || len(c.constraint) > 64 {
		return false
	}
	if c.nodemask, text, ok = bytes.Cut(text, []byte(",cpuset=")); !ok {
		return false
	}
	// A task's name has 15 bytes, which ",task=" leaves 9 of: the one that leaves room
	// for the whole name is the first within the last 15+6 bytes.
	at := max(0, len(text)-maxComm-len(",task="))
	i := bytes.Index(text[at:], []byte(",task="))
	if i < 0 {
		return false
	}
	c.comm, text = text[at+i+len(",task="):], text[:at+i]
	if text, c.taskMemcg, ok = cutLast(text, ",task_memcg="); !ok {
		c.taskMemcg = nil // no memory cgroups in this kernel
	}
	if before, is := bytes.CutSuffix(text, []byte(",global_oom")); is {
		text, c.global = before, true
	} else if before, path, is := cutLast(text, ",oom_memcg="); is {
		text, c.oomMemcg = before, path
	}
	if c.cpuset, c.mems, ok = cutLast(text, ",mems_allowed="); !ok {
		c.cpuset, c.mems = text, nil
	}
	return true
}

func cutLast(b []byte, sep string) (before, after []byte, ok bool) {
	if i := bytes.LastIndex(b, []byte(sep)); i >= 0 {
		return b[:i], b[i+len(sep):], true
	}
	return b, nil, false
}

// killed takes a kill.
func (p *machine) killed(r *Record, text []byte) bool {
	var k killLine
	if !k.read(text) {
		p.hold(partKill, r, text)
		return false
	}
	rep, role := p.reportOf(r, &k)
	if !isMessage(k.message) {
		// Of a BPF program's own; the first time a choice bears it out.
		if rep != nil && rep.Chosen.PID == k.pid {
			p.message = p.names.of(k.message)
		}
		if p.message == "" || p.message != string(k.message) {
			return false
		}
	}
	if k.old && (rep == nil || !rep.Chosen.old) {
		p.hold(partKill, r, text) // too little for a kill: the name may go on
		return false
	}
	p.dropPart()
	p.lines++
	if rep != nil && rep.again(&k, role) {
		return true
	}
	if rep == nil {
		rep = p.begin(r)
	}
	rep.touched = p.n
	kill := &Kill{
		Header: p.makeHeader(r), Report: rep, Role: role,
		Message: orString(p.names.of(k.message), rep.Chosen.Message), PID: k.pid, Comm: string(k.comm), HasComm: k.hasComm, UID: k.uid,
		TotalVMKB: k.totalVM, AnonRSSKB: k.anon, FileRSSKB: k.file, ShmemRSSKB: k.shmem, PgtablesKB: k.pgtables, OOMScoreAdj: k.adj,
	}
	if role == RoleChosen && rep.Chosen.Child && rep.Chosen.PID != k.pid {
		kill.Parent, kill.ParentComm = rep.Chosen.PID, rep.Chosen.Comm
	}
	rep.done = append(rep.done, done{k.pid, k.totalVM, k.uid})
	rep.stage, rep.ended, rep.killedAt = stageKilled, true, r.Moment
	if p.first(r, text) {
		p.tell(rep, kill, k.pid)
	}
	return true
}

// Kills of a group come one by one, and quickly, but for a slow console.
const (
	groupWithin = 5 * time.Second
	slowWithin  = time.Minute
)

// reportOf returns the report that a kill belongs to, nil if none is there, and what the
// victim was in it.
func (p *machine) reportOf(r *Record, k *killLine) (*Report, Role) {
	for _, rep := range slices.Backward(p.open) {
		if rep.caller == string(r.Caller) && rep.Chosen.PID == k.pid && rep.stage == stageChosen {
			return rep, RoleChosen
		}
	}
	rep := p.newest(r)
	switch {
	case rep == nil:
		return nil, RoleChosen
	case rep.stage == stageKilled && rep.GroupOf != "" && (rep.near(r, groupWithin) || rep.near(r, slowWithin) && rep.Tasks.Find(k.pid) != nil):
		return rep, RoleGroup
	case rep.stage == stageKilled || rep.ended:
		return nil, RoleChosen
	case rep.Chosen.PID != 0 && rep.Chosen.Child, rep.Chosen.PID == 0 && !rep.Mixed && rep.Headed:
		return rep, RoleChosen
	}
	// Someone else was chosen: since 5.3 that is who is killed, or a thread of its
	// process that still has its memory.
	if rep.Chosen.PID != 0 && rep.Chosen.Comm == string(k.comm) && rep.Tasks.Find(k.pid) == nil {
		return rep, RoleChosen
	}
	return nil, RoleChosen
}

// near says whether r comes soon after the report's last kill.
func (rep *Report) near(r *Record, within time.Duration) bool {
	if !rep.killedAt.HasPrintk || !r.HasPrintk {
		return true
	}
	d := r.Printk - rep.killedAt.Printk
	return d > -within && d < within
}

// again says whether a process was killed before in this invocation. The chosen one is
// logged again with its group, and a process whose leader is dead may be logged again
// under the pid of a thread: that is not in the table, which has every process.
func (rep *Report) again(k *killLine, role Role) bool {
	for _, d := range rep.done {
		if d.pid == k.pid {
			return true
		}
	}
	if role != RoleGroup || rep.Tasks == nil || rep.Tasks.LeftOut > 0 || rep.Tasks.Odd > 0 || rep.Tasks.Find(k.pid) != nil {
		return false
	}
	for _, d := range rep.done {
		if d.totalVM == k.totalVM && d.uid == k.uid {
			return true
		}
	}
	return false
}

// chosen takes the choice of kernels before 5.3, and kills of processes that share the
// victim's memory, which they had a line for:
//
//	Out of memory: Kill process 104 (java) score 16 or sacrifice child
//	Out of memory: kill process 104 (java) score 16 or a child             2.6.32
//	Kill process 105 (java) sharing same memory                             2.6.36 to 4.x
func (p *machine) chosen(r *Record, text []byte) bool {
	i := bytes.Index(text, []byte("ill process "))
	if i < 1 || text[i-1]|0x20 != 'k' || i > 1 && !bytes.HasSuffix(text[:i-1], []byte(": ")) {
		return false
	}
	message := bytes.TrimSuffix(text[:i-1], []byte(": "))
	b := text[i+len("ill process "):]
	n, size := digits(b)
	if size == 0 || n == 0 || n > maxPID {
		return false
	}
	b, ok := bytes.CutPrefix(b[size:], []byte(" ("))
	if !ok {
		return false
	}
	pid := int(n)
	if comm, ok := bytes.CutSuffix(b, []byte(") sharing same memory")); ok && len(message) == 0 && len(comm) <= maxComm {
		return p.sharing(r, text, pid, comm)
	}
	comm, rest, ok := cutLast(b, ") score ")
	if !ok {
		p.hold(partChosen, r, text)
		return false
	}
	score, size := digits(rest)
	tail := string(bytes.TrimRight(rest[size:], " \r"))
	if size == 0 || len(comm) > maxComm || tail != " or sacrifice child" && tail != " or a child" || !isMessage(message) {
		return false
	}
	p.dropPart()
	rep := p.under(r)
	if rep == nil || rep.Mixed || rep.stage >= stageChosen && rep.Chosen.PID != pid || rep.caller == "" && p.otherTable(rep, pid) {
		rep = p.begin(r)
	}
	rep.choose(p, r, text, Chosen{PID: pid, Comm: p.names.of(comm), Score: num(score), Message: p.names.of(message), Child: true, old: tail == " or a child"})
	return true
}

// otherTable says whether a report's table shows that a process was not chosen in it.
func (p *machine) otherTable(rep *Report, pid int) bool {
	t := rep.Tasks
	return rep.Headed && t != nil && t.LeftOut == 0 && t.Odd == 0 && len(t.Rows) > 0 && t.Find(pid) == nil && p.older(rep) != nil
}

// sharing takes a kill of a process that shares the victim's memory.
func (p *machine) sharing(r *Record, text []byte, pid int, comm []byte) bool {
	rep := p.newest(r)
	if rep == nil || rep.stage != stageKilled || !rep.near(r, slowWithin) {
		return false
	}
	rep.killedAt = r.Moment
	k := killLine{pid: pid}
	if rep.again(&k, RoleSharedMM) {
		return true
	}
	rep.done = append(rep.done, done{pid: pid})
	kill := &Kill{Header: p.makeHeader(r), Report: rep, Role: RoleSharedMM, Message: rep.Chosen.Message, PID: pid, Comm: string(comm), HasComm: true}
	if p.first(r, text) {
		p.tell(rep, kill, pid)
	}
	return true
}

// groupLine takes "Tasks in /a are going to be killed due to memory.oom.group set".
func (p *machine) groupLine(r *Record, text []byte) bool {
	path, ok := bytes.CutPrefix(text, []byte("Tasks in "))
	if !ok {
		return false
	}
	if path, ok = bytes.CutSuffix(path, []byte(" are going to be killed due to memory.oom.group set")); !ok {
		p.hold(partGroup, r, text)
		return true
	}
	p.dropPart()
	if rep := p.newest(r); rep != nil && rep.stage >= stageChosen && rep.near(r, slowWithin) {
		rep.GroupOf = short(path)
	}
	return true
}
