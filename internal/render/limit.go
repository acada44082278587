// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// largeShmem is the part of what is used, one in so many, from which tmpfs is named: it
// is no process's, so no kill gives it back.
const largeShmem = 4

// killShmem says how much of the memory that ran out is tmpfs, if that is much.
func killShmem(k *event.Kill) string {
	var shmem, used *uint64
	switch l, m := k.Limit, k.Memory; {
	case k.Scope == event.ScopeMemcg && l != nil && l.Stat != nil && l.Kind == event.LimitMemory:
		shmem, used = l.Stat.ShmemBytes, l.UsageBytes
	case k.Scope == event.ScopeGlobal && m != nil && m.TotalBytes != nil && m.AvailableBytes != nil:
		shmem, used = m.ShmemBytes, event.Ptr(*m.TotalBytes-min(*m.TotalBytes, *m.AvailableBytes))
	}
	if shmem == nil || used == nil || *shmem == 0 || *shmem < *used/largeShmem {
		return ""
	}
	return size(*shmem) + " of it tmpfs/shared memory"
}

// killGroup says what memory.oom.group means for the others of the cgroup, and for its
// pod: whoever runs it looks at its first process.
func killGroup(k *event.Kill) string {
	l, v := k.Limit, &k.Victim
	if k.Scope != event.ScopeMemcg || k.Role != event.RoleChosen || l == nil || l.OOMGroup == nil {
		return ""
	}
	if *l.OOMGroup {
		return "its whole cgroup is killed with it (memory.oom.group)"
	}
	if v.Pod != nil && v.Container != nil && len(v.Parents) > 0 {
		return "no memory.oom.group: the pod is not marked OOMKilled unless its first process dies"
	}
	return ""
}

// killFragmented says that what is free is in pieces too small for the allocation.
func killFragmented(k *event.Kill) string {
	if k.Memory == nil || k.Trigger == nil || k.Trigger.Order == nil || *k.Trigger.Order == 0 {
		return ""
	}
	largest := -1
	for _, z := range k.Memory.Zones {
		if z.FreeBlocks == nil {
			return "" // this one may have a larger one
		}
		if z.LargestFreeOrder != nil {
			largest = max(largest, *z.LargestFreeOrder)
		}
	}
	if len(k.Memory.Zones) == 0 || largest >= *k.Trigger.Order {
		return ""
	}
	s := "fragmented: asked for order " + strconv.Itoa(*k.Trigger.Order)
	if largest < 0 {
		return s + ", no block is free"
	}
	return s + ", the largest free block is of order " + strconv.Itoa(largest)
}

// addLimit adds what is known of the limit's cgroup.
func addLimit(c *cell, l *event.Limit) {
	if l == nil {
		return
	}
	addSizes(c, sized{"usage", l.UsageBytes}, sized{"limit's swap", l.SwapBytes}, sized{"memory.high", l.HighBytes})
	addStat(c, l.Stat)
	if e := l.Events; e != nil {
		// v1 counts where the victim was, not at the limit above it.
		own := l.Owner == event.OwnerOwn || l.Cgroup == nil || l.Cgroup.Version != 1
		if e.OOMKill != nil && own {
			c.add("killed there so far " + count(*e.OOMKill))
		}
		for _, hits := range []*uint64{e.Max, e.FailCnt} {
			if hits != nil && *hits > 0 {
				c.add("limit met " + plural(*hits, "time"))
			}
		}
	}
}

// addStat adds what the memory of the limit's cgroup is, in one part.
func addStat(c *cell, s *event.CgroupStat) {
	if s == nil {
		return
	}
	var parts []string
	for _, b := range []sized{
		{"anon", s.AnonBytes}, {"file", s.FileBytes}, {"shmem", s.ShmemBytes}, {"kernel", s.KernelBytes},
		{"slab", s.SlabBytes}, {"stacks", s.KernelStackBytes}, {"pgtables", s.PagetablesBytes},
	} {
		if b.bytes != nil {
			parts = append(parts, b.label+" "+size(*b.bytes))
		}
	}
	if parts == nil {
		return
	}
	when := "there"
	if s.AgeMS != nil && *s.AgeMS > 0 { // the victim may have given memory back
		when += " " + count(*s.AgeMS) + " ms later"
	}
	c.add(when + ": " + strings.Join(parts, ", "))
}

// zonesShown bounds the zones that are told of.
const zonesShown = 4

// addZones adds the zones that are short of memory.
func addZones(c *cell, m *event.Memory) {
	if m == nil {
		return
	}
	shown := 0
	for _, z := range m.Zones {
		if z.FreeBytes == nil || z.LowBytes == nil || *z.FreeBytes >= *z.LowBytes || shown == zonesShown {
			continue
		}
		shown++
		s := "zone " + clip(z.Name, 32) + " of node " + strconv.Itoa(z.Node) + ": free " + size(*z.FreeBytes)
		if z.MinBytes != nil {
			s += ", min " + size(*z.MinBytes)
		}
		c.add(s + ", low " + size(*z.LowBytes))
	}
}

// parents are named from the nearest one on.
func parents(all []event.Parent) string {
	var names []string
	for _, p := range all {
		names = append(names, who(p.PID, p.Comm, p.CommHex))
	}
	return strings.Join(names, ", ")
}
