// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

func killRow(e *event.Event, wide bool) row {
	k := e.Kill
	v := &k.Victim
	r := row{
		event:   part{text: "KILL", style: red},
		process: who(v.PID, v.Comm, v.CommHex),
		uid:     v.UID,
		where:   victimPlace(v),
	}
	c := &r.what
	*c = append(*c, part{text: killCauseAt(k, r.where), style: bold})
	c.add(killShmem(k))
	c.add(killFragmented(k))
	c.add(killRole(k))
	c.add(killRSS(v))
	addGrowth(c, k)
	if t := killTrigger(k); t != "" {
		*c = append(*c, part{text: t, keep: taskName(k.Trigger)})
	}
	c.add(killPoints(v))
	if u := killRunnerUp(k); u != "" {
		p := part{text: u}
		if k.RunnerUp != nil {
			p.keep = who(k.RunnerUp.PID, k.RunnerUp.Comm, k.RunnerUp.CommHex)
		}
		*c = append(*c, p)
	}
	c.add(killGroup(k))
	addIncident(c, k.Incident, false)
	if k.Stack != nil && k.Stack.ID != "" {
		c.add("trace " + k.Stack.ID)
	}
	if wide {
		killWide(c, k)
	}
	return r
}

// killCause says what ran full, whose limit that was and how large.
func killCause(k *event.Kill) string { return killCauseAt(k, "") }

// killCauseAt leaves out the path of a cgroup that place tells, beside it.
func killCauseAt(k *event.Kill, place string) string {
	switch k.Scope {
	case event.ScopeGlobal:
		s := "the machine is out of memory"
		if l := k.Limit; l != nil && l.Kind == event.LimitRAM && l.Bytes != nil {
			s += " (RAM " + size(*l.Bytes) + ")"
		}
		return s
	case event.ScopeMemcg:
		return memcgCause(k, place)
	case event.ScopeCpuset:
		return "out of memory on the NUMA nodes that its cpuset allows" + nodesOf(k)
	case event.ScopeMempolicy:
		return "out of memory on the NUMA nodes that its memory policy allows"
	case event.ScopeSysrq:
		return "killed on request, by SysRq-f"
	case "":
		return or(k.Message, "out of memory") + " (whose limit is not known)"
	}
	return "out of memory, scope " + string(k.Scope)
}

func nodesOf(k *event.Kill) string {
	var s string
	if k.Limit != nil && k.Limit.Nodes != "" {
		s = " (" + clip(k.Limit.Nodes, 80) + ")"
	}
	if k.Limit == nil || k.Limit.Cgroup == nil || k.Limit.Cgroup.Path == "" {
		return s
	}
	return s + ", cgroup " + cgroupPath(k.Limit.Cgroup)
}

func memcgCause(k *event.Kill, place string) string {
	l := k.Limit
	if l == nil {
		return "a cgroup reached its memory limit (whose is not known)"
	}
	owner := limitOwner(l, &k.Victim)
	if strings.HasPrefix(owner, "cgroup ") && place == "cgroup "+cgroupPath(l.Cgroup) {
		owner = "its cgroup"
	}
	what := "memory limit"
	switch l.Kind {
	case event.LimitMemsw:
		what = "memory+swap limit"
	case event.LimitKmem:
		what = "kernel memory limit"
	}
	switch {
	case l.Unlimited != nil && *l.Unlimited:
		return "out of memory in " + owner + ", its " + what + " is unlimited"
	case l.Bytes != nil:
		what += " " + size(*l.Bytes)
	}
	return what + " of " + owner + " reached"
}

// killRole says why this process, when it was not for its points.
func killRole(k *event.Kill) string {
	switch k.Role {
	case event.RoleGroup:
		return "killed with its whole cgroup (memory.oom.group)"
	case event.RoleSharedMM:
		return "killed too, as it shares the victim's memory"
	case event.RoleChosen, "":
	default:
		return "role " + string(k.Role)
	}
	switch k.Choice {
	case event.ChoiceAllocatingTask:
		return "chosen since it asked for memory (vm.oom_kill_allocating_task)"
	case event.ChoiceTaskOrigin:
		return "chosen since it is marked as the origin (swapoff, ksm)"
	case event.ChoiceChild:
		return "killed in place of its parent, which had the points"
	case event.ChoiceBadness, "":
		return ""
	}
	return "choice " + string(k.Choice)
}

func killPoints(v *event.Victim) string {
	if v.PointsPages == nil {
		return nonZeroAdj(v)
	}
	s := "points " + count(*v.PointsPages)
	if v.AllowedPages != nil {
		s += " of " + count(*v.AllowedPages)
	}
	s += " pages"
	var notes []string
	if v.BadnessPermille != nil {
		notes = append(notes, percent(*v.BadnessPermille))
	}
	if adj := nonZeroAdj(v); adj != "" {
		notes = append(notes, adj+" included")
	}
	if notes != nil {
		s += " (" + strings.Join(notes, ", ") + ")"
	}
	return s
}

// nonZeroAdj is "adj 969": what the kernel was told to add to the points.
func nonZeroAdj(v *event.Victim) string {
	if v.OOMScoreAdj == nil || *v.OOMScoreAdj == 0 {
		return ""
	}
	return "adj " + strconv.Itoa(*v.OOMScoreAdj)
}

func killRSS(v *event.Victim) string {
	rss, ok := v.RSSBytes()
	switch {
	case !ok:
		return ""
	case v.AnonRSSBytes == nil || v.FileRSSBytes == nil || v.ShmemRSSBytes == nil:
		return "rss at least " + size(rss)
	}
	return "rss " + size(rss)
}

func killTrigger(k *event.Kill) string {
	t := k.Trigger
	switch {
	case t == nil || k.Scope == event.ScopeSysrq: // there it is who ran the work item
		return ""
	case t.PID == k.Victim.PID:
		thread, victim := optional(t.Comm, t.CommHex), optional(k.Victim.Comm, k.Victim.CommHex)
		if t.Comm == nil || thread == victim {
			return "triggered by itself"
		}
		return "triggered by itself (thread " + clip(thread, 256) + ")"
	}
	name := taskName(t)
	if name == "" {
		return ""
	}
	s := "triggered by " + name
	if t.PID == 0 && t.TID != nil {
		s = "triggered by thread " + name + "[" + strconv.Itoa(*t.TID) + "]" // whose, a log does not tell
	}
	if t.KThread != nil && *t.KThread {
		s += " (kernel thread)"
	}
	return s
}

// killWide adds what an investigation wants, each part labelled.
func killWide(c *cell, k *event.Kill) {
	v := &k.Victim
	c.add(killEffort(k.Effort))
	addSizes(c, sized{"anon", v.AnonRSSBytes}, sized{"file", v.FileRSSBytes}, sized{"shmem", v.ShmemRSSBytes},
		sized{"swap", v.SwapBytes}, sized{"pgtables", v.PgtablesBytes}, sized{"vm", v.TotalVMBytes})
	if v.RSSErrorBytes != nil && *v.RSSErrorBytes > 0 {
		c.add("each ±" + size(*v.RSSErrorBytes))
	}
	if v.OOMScoreAdj != nil && *v.OOMScoreAdj == 0 {
		c.add("adj 0")
	}
	if v.Threads != nil {
		c.add("threads " + count(*v.Threads))
	}
	c.add(labelled("user", clip(v.User, 64)))
	if v.PPID != nil {
		c.add("ppid " + strconv.Itoa(*v.PPID))
	}
	c.add(labelled("parents", parents(v.Parents)))
	if v.NSPID != nil {
		c.add("pid " + strconv.Itoa(*v.NSPID) + " in its namespace")
	}
	addLimit(c, k.Limit)
	if t := k.Trigger; t != nil {
		if t.PID != v.PID {
			c.add(labelled("trigger in", taskPlace(t)))
		}
		if gfp := strings.Join(t.GFPFlags, "|"); gfp != "" || t.GFPMask != "" {
			switch {
			case gfp == "":
				gfp = "0x" + t.GFPMask
			case t.GFPMask != "":
				gfp += " (0x" + t.GFPMask + ")"
			}
			c.add("gfp " + gfp)
		}
		if t.Order != nil {
			c.add("order " + strconv.Itoa(*t.Order))
		}
	}
	addLeadUp(c, k.LeadUp)
	addMemory(c, k.Memory)
	addZones(c, k.Memory)
	addCgroup(c, "cgroup", v.Cgroup, victimPlace(v))
	if v.Container != nil {
		c.add(labelled("container id", v.Container.ID))
	}
	if v.Unit != victimPlace(v) {
		c.add(labelled("unit", v.Unit))
	}
	c.add(labelled("exe", clip(optional(v.Exe, v.ExeHex), 256)))
	c.add(labelled("cmdline", clip(optional(v.Cmdline, v.CmdlineHex), 256)))
	addSnapshot(c, k.Snapshot)
	c.add(labelled("episode", k.Episode))
	if in := k.Incident; in != nil && in.ID != k.Episode {
		c.add(labelled("incident", in.ID))
	}
}

func labelled(label, value string) string {
	if value == "" {
		return ""
	}
	return label + " " + value
}

// addCgroup adds the path of a cgroup, unless place says it already.
func addCgroup(c *cell, label string, cg *event.Cgroup, place string) {
	if cg == nil {
		return
	}
	if p := cgroupPath(cg); place != "cgroup "+p {
		c.add(labelled(label, p))
	}
}

type sized struct {
	label string
	bytes *uint64
}

func addSizes(c *cell, sizes ...sized) {
	for _, s := range sizes {
		if s.bytes != nil {
			c.add(s.label + " " + size(*s.bytes))
		}
	}
}

func addMemory(c *cell, m *event.Memory) {
	if m != nil {
		addSizes(c, sized{"machine free", m.FreeBytes}, sized{"available", m.AvailableBytes})
	}
}

func addSnapshot(c *cell, s *event.SnapshotState) {
	if s == nil || s.State == "" {
		return
	}
	t := "snapshot " + s.State
	if s.AgeMS != nil {
		t += " after " + strconv.FormatInt(*s.AgeMS, 10) + " ms"
	}
	c.add(t)
}

// snapshotRow shows, in wide only, what /proc told after the kill's own row.
func snapshotRow(e *event.Event) row {
	s := e.Snapshot
	r := row{event: part{text: "INFO"}, process: "pid " + strconv.Itoa(s.PID)}
	c := &r.what
	*c = append(*c, part{text: "read after the kill", style: bold})
	if v := s.Victim; v != nil {
		r.process, r.uid, r.where = taskName(v), v.UID, taskPlace(v)
		c.add(labelled("user", clip(v.User, 64)))
		c.add(labelled("exe", clip(optional(v.Exe, v.ExeHex), 256)))
		c.add(labelled("cmdline", clip(optional(v.Cmdline, v.CmdlineHex), 256)))
	}
	if t := s.Trigger; t != nil {
		*c = append(*c, part{text: "trigger " + taskName(t), keep: taskName(t)})
		c.add(labelled("its cmdline", clip(optional(t.Cmdline, t.CmdlineHex), 256)))
	}
	c.add(labelled("parents", parents(s.Parents)))
	addLimit(c, s.Limit)
	addMemory(c, s.Memory)
	addZones(c, s.Memory)
	addSnapshot(c, &s.Snapshot)
	c.add(labelled("episode", s.Episode))
	return r
}
