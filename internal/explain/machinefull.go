// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"slices"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// unaccounted: RAM that no counter of the kernel's has.
func unaccounted(in *shortage) *draft {
	ram, ok := in.global()
	m := in.main.Memory
	if !ok || m == nil || in.caused() {
		return nil
	}
	sum := uint64(0)
	for _, n := range []*uint64{
		m.FreeBytes, m.ActiveAnonBytes, m.InactiveAnonBytes, m.ActiveFileBytes, m.InactiveFileBytes,
		m.SlabReclaimableBytes, m.SlabUnreclaimableBytes, m.PagetablesBytes,
	} {
		if n == nil {
			return nil
		}
		sum += *n
	}
	for _, n := range []*uint64{m.UnevictableBytes, m.KernelStackBytes, m.HugetlbBytes, m.IsolatedAnonBytes, m.IsolatedFileBytes, m.ReservedBytes, m.FreePCPBytes, m.BounceBytes} {
		if n != nil {
			sum += *n
		}
	}
	if sum >= ram || !share(ram-sum, ram, partSome) {
		return nil
	}
	d := in.about("unaccounted", timeline.Medium, "Much of RAM is held by something that no counter tells of")
	d.say("Free memory, processes, page cache, slab and page tables together are %s of %s: %s is with somebody who took pages from the kernel directly. Usual are the balloon of a virtual machine, ZFS (ARC), graphics memory, network buffers, a driver that leaks.", size(sum), size(ram), size(ram-sum))
	d.cite(in.at(), "RAM %s, of which %s (%s) is in no counter.", size(ram), size(ram-sum), percent(ram-sum, ram))
	d.RefutedBy = "Counters that the evidence lacks (huge pages, kernel stacks, vmalloc in an old kernel's log) and that are large on this machine."
	var s shell
	s.look("the machine's counters", "cat /proc/meminfo")
	s.look("modules that may be behind it", "lsmod | grep -E 'balloon|zfs|drm|nvidia|vfio'; cat /proc/spl/kstat/zfs/arcstats 2>/dev/null | grep -E '^(size|c_max)'")
	if m.AgeMS != nil && *m.AgeMS > 0 {
		d.ask("Is it still so? This was read after the kill, and what a victim gives back may be in no counter for a while.", s)
		return d
	}
	d.do("Find who has it.", "No kill of a process gives it back. Of a balloon the host decides; the size of the ARC is zfs_arc_max.", "the machine's operator, or the host's", s)
	return d
}

// machineFull is said where the machine ran out and nothing tells why: a question.
func machineFull(in *shortage) *draft {
	if in.main.Scope == event.ScopeCpuset || in.main.Scope == event.ScopeMempolicy {
		return in.nodesFull()
	}
	ram, ok := in.global()
	if !ok || in.caused() || in.found["protected-hog"] || in.found["victim-dominates"] || in.found["crowd"] {
		return nil
	}
	d := in.about("machine-full", timeline.Low, "The machine ran out of memory; what grew is not known")
	d.say("%s was killed, as the machine (%s of RAM) had nothing left. Who is killed is chosen by points, which tell size and oom_score_adj, and not by blame.", victimName(&in.main.Victim), size(ram))
	d.cite(in.indices(), "%s on a machine with %s of RAM.", plural(len(in.kills), "kill"), size(ram))
	in.citeLargest(d, ram)
	in.citeMachine(d, ram)
	if l := in.main.LeadUp; l != nil && in.main.Scope == event.ScopeGlobal {
		for i, g := range l.CgroupGrowers {
			if i < 3 && share(g.GrewBytes, ram, 5) {
				d.cite(in.at(), "The cgroup %s grew by %s in %s, to %s.", g.Cgroup.Path, size(g.GrewBytes), lasting(g.OverMS), size(g.UsageBytes))
			}
		}
	}
	d.RefutedBy = "Samples from before the kill: they tell who grew."
	d.ask("Who grows on this machine?", look("samples every ten seconds; the lead-up of the next kill tells who grew, and how", "oomtrace watch --sample 10s"))
	return d
}

// nodesFull is machineFull of the NUMA nodes that a cpuset or a policy allows.
func (in *shortage) nodesFull() *draft {
	if in.caused() {
		return nil
	}
	by := "its cpuset"
	if in.main.Scope == event.ScopeMempolicy {
		by = "its memory policy"
	}
	d := in.about("machine-full", timeline.Low, "The NUMA nodes that were allowed ran out of memory; what grew is not known")
	d.say("%s was killed for want of memory on the nodes that %s allows to who asked. That there was memory elsewhere is not in the evidence.", victimName(&in.main.Victim), by)
	d.cite(in.indices(), "%s for want of memory on certain nodes.", plural(len(in.kills), "kill"))
	d.RefutedBy = "Samples from before the kill, and free memory of other nodes."
	d.ask("Who grows on these nodes, and have others memory?", look("free memory by node", "grep -H MemFree /sys/devices/system/node/node*/meminfo"))
	return d
}

// citeLargest names the processes that had most.
func (in *shortage) citeLargest(d *draft, ram uint64) {
	v := &in.main.Victim
	type process struct {
		name string
		has  uint64
	}
	var list []process
	if n, ok := in.victimMemory(); ok {
		list = append(list, process{victimName(v) + " (the victim)", n})
	}
	for i := range in.main.Candidates {
		c := &in.main.Candidates[i]
		if n, ok := in.memoryOf(c); ok && c.PID != v.PID {
			list = append(list, process{who(c.PID, c.Comm), n})
		}
	}
	slices.SortStableFunc(list, func(a, b process) int { return cmp.Compare(b.has, a.has) })
	for _, x := range list[:min(len(list), 3)] {
		d.cite(in.at(), "%s had %s, %s of RAM.", x.name, size(x.has), percent(x.has, ram))
	}
}

// citeMachine tells what RAM was used for.
func (in *shortage) citeMachine(d *draft, ram uint64) {
	m := in.main.Memory
	if m == nil {
		return
	}
	if n, ok := anonymous(m); ok {
		d.cite(in.at(), "Anonymous memory %s, %s of RAM.", size(n), percent(n, ram))
	}
	for _, part := range []struct {
		name  string
		bytes *uint64
	}{{"Shared memory and tmpfs", m.ShmemBytes}, {"Slab that cannot be given up", m.SlabUnreclaimableBytes}, {"Page tables", m.PagetablesBytes}, {"Huge pages", m.HugetlbBytes}} {
		if part.bytes != nil && share(*part.bytes, ram, 5) {
			d.cite(in.at(), "%s %s, %s of RAM.", part.name, size(*part.bytes), percent(*part.bytes, ram))
		}
	}
}

// kmemLimit: a limit of kernel memory alone, which cgroup v1 had.
func kmemLimit(in *shortage) *draft {
	l := in.main.Limit
	if in.main.Scope != event.ScopeMemcg || l == nil || l.Kind != event.LimitKmem {
		return nil
	}
	d := in.about("kmem-limit", timeline.High, "A limit of kernel memory was hit, not that of memory")
	limit := "of kernel memory"
	if l.Bytes != nil {
		limit += " (" + size(*l.Bytes) + ")"
	}
	d.say("The limit %s of the cgroup was reached (memory.kmem.limit_in_bytes, cgroup v1). What processes use does not matter there, and a kill seldom helps. The kernel has since given it up, as it failed more than it protected.", limit)
	d.cite(in.at(), "The limit that was hit is of kernel memory.")
	d.RefutedBy = "A report in the log that has memory, not kmem, at its limit."
	o := ownerOf(l, &in.main.Victim)
	d.do("Start it without a limit of kernel memory (docker's --kernel-memory, and what sets it elsewhere): the limit of memory counts kernel memory as well.", "", o.label, shell{})
	return d
}
