// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// held is a kind of memory, of all that there is.
type held struct {
	n, room uint64
	at      []int  // who tells
	when    string // "" at the kill
}

// part picks a kind of memory: of the cgroup whose limit was hit, or of the machine. What is
// read of the machine after a kill lacks what the victim held; then a sample from just before
// it counts, where that has more.
func (in *shortage) part(ofLimit func(*event.CgroupStat) *uint64, ofMachine func(*event.Memory) *uint64) (h held, ok bool) {
	if h.room, ok = in.room(); !ok {
		return held{}, false
	}
	h.at = in.at()
	var p *uint64
	m := in.main.Memory
	switch {
	case in.main.Scope == event.ScopeMemcg:
		if s := in.stat(); s != nil {
			p = ofLimit(s)
		}
	case m != nil:
		p = ofMachine(m)
	}
	if b := in.before; b != nil && in.main.Scope != event.ScopeMemcg && (m == nil || m.AgeMS != nil && *m.AgeMS >= 0) {
		if q := ofMachine(b.memory); q != nil && (p == nil || *q > *p) {
			p, h.at, h.when = q, []int{b.at}, ", "+lasting(b.beforeMS)+" before the kill"
		}
	}
	if p == nil {
		return held{}, false
	}
	h.n = *p
	return h, true
}

// slab: the kernel's own objects, which it cannot give up.
func slab(in *shortage) *draft {
	h, ok := in.part(
		func(s *event.CgroupStat) *uint64 { return s.SlabUnreclaimableBytes },
		func(m *event.Memory) *uint64 { return m.SlabUnreclaimableBytes })
	n, room := h.n, h.room
	if !ok || !share(n, room, partSome) || in.found["fork-bomb"] {
		return nil
	}
	// Each thread has some 10 KiB of slab beside its stack of 16 KiB.
	if stacks, ok := in.part(stacksOfLimit, stacksOfMachine); ok && stacks.n >= n {
		return nil
	}
	c := timeline.Medium
	if share(n, room, partMost) {
		c = timeline.High
	}
	d := in.about("slab", c, "Memory is full of the kernel's own objects (slab)")
	d.say("%s of %s was slab that the kernel cannot give up. It is no process's, so no kill gives it back, unless what holds the objects (open files, sockets) goes with the process.", size(n), in.place())
	d.cite(h.at, "Unreclaimable slab %s, %s of %s%s.", size(n), percent(n, room), in.place(), h.when)
	var largest []event.Slab
	if m := in.main.Memory; m != nil && in.main.Scope != event.ScopeMemcg {
		for _, s := range m.Slabs {
			if s.TotalBytes >= n/20 && len(largest) < 3 {
				largest = append(largest, s)
			}
		}
	}
	for _, s := range largest {
		text := s.Name + " has " + size(s.TotalBytes)
		if s.UsedBytes < s.TotalBytes/2 {
			text += ", of which only " + size(s.UsedBytes) + " is in use: the rest is held by few objects each"
		}
		d.cite(in.at(), "%s%s.", text, slabMeans(s.Name))
	}
	if m := in.machine; m != nil && in.main.Scope != event.ScopeMemcg {
		for i, s := range m.Slabs {
			if i < 3 && s.TotalBytes >= n/20 {
				d.now("%s has %s%s.", s.Name, size(s.TotalBytes), slabMeans(s.Name))
			}
		}
	}
	d.RefutedBy = "The same amount at times when nothing is killed: then it belongs to how the machine is used, and something else has grown."
	var s shell
	s.look("the caches that hold most", "slabtop --once --sort=c")
	s.look("whether it grows: some times, minutes apart", "grep -E 'SUnreclaim|SReclaimable' /proc/meminfo")
	d.do("Find the cache that grows, and by it what fills it: a driver or module, sockets, files that nobody closes.", "kmalloc-* and names of a driver that only grow are a leak in the kernel or in a module: report it with the kernel's version, and compare with another version outside production.", "whoever runs the kernel and its modules", s)
	d.do("If it is a leak in the kernel, only a boot gives the memory back: plan one, before the next shortage does.", "No sysctl gives back what the kernel holds as in use.", "the machine's operator", command(timeline.Disruptive, "stops all that runs there; on a node, drain it first", "systemctl reboot"))
	return d
}

// slabMeans says what is in a cache whose name is known.
func slabMeans(name string) string {
	for _, k := range []struct{ begin, means string }{
		{"kmalloc-", ": allocations of no kind of their own; to see whose, boot with slab_debug=U for that cache, outside production"},
		{"skbuff_", ": network packets that wait in a queue or a socket"},
		{"sock_inode_cache", ": sockets"}, {"TCP", ": TCP sockets"}, {"UDP", ": UDP sockets"}, {"UNIX", ": Unix sockets"},
		{"nf_conntrack", ": connections that are tracked"},
		{"filp", ": open files"}, {"eventpoll_", ": epoll"},
		{"task_struct", ": threads"}, {"vm_area_struct", ": mappings"}, {"anon_vma", ": mappings"}, {"cred_jar", ": credentials, of threads mostly"}, {"pid", ": threads"},
	} {
		if strings.HasPrefix(name, k.begin) {
			return k.means
		}
	}
	return ""
}

// pageTables: what maps memory takes more than it may.
func pageTables(in *shortage) *draft {
	h, ok := in.part(
		func(s *event.CgroupStat) *uint64 { return s.PagetablesBytes },
		func(m *event.Memory) *uint64 { return m.PagetablesBytes })
	n, room := h.n, h.room
	// memory.stat tells of them since commit f0c0c115fb81 ("mm: memcontrol: account
	// pagetables per node") (in v5.11), and what is read after a kill lacks the victim's.
	if p := in.main.Victim.PgtablesBytes; p != nil && *p > n {
		n, h.at, h.when = *p, in.at(), ""
		room, ok = in.room()
	}
	if !ok || !share(n, room, 10) || in.found["fork-bomb"] {
		return nil
	}
	c := timeline.Medium
	if share(n, room, partSome) {
		c = timeline.High
	}
	d := in.about("page-tables", c, "Page tables take a large part of memory")
	d.say("Page tables were %s, %s of %s. A process that maps a large shared area has tables of its own for it, 1/512 of what it has touched with pages of 4 KiB: many processes multiply that.", size(n), percent(n, room), in.place())
	d.cite(h.at, "Page tables %s%s.", size(n), h.when)
	if p := in.main.Victim.PgtablesBytes; p != nil {
		d.cite(in.at(), "Those of %s: %s.", victimName(&in.main.Victim), size(*p))
	}
	d.RefutedBy = "One process with most of them: then it maps far more than it uses, which is its own matter."
	d.do("Find who has them.", "", "whoever runs the processes", look("page tables by process, in kB, the largest last", "grep -H VmPTE /proc/[0-9]*/status 2>/dev/null | sort -k2 -n | tail"))
	d.do("Map large shared areas with huge pages (PostgreSQL: huge_pages; Oracle: use_large_pages; JVM: -XX:+UseTransparentHugePages for its heap), or have fewer processes map them, by a connection pool.", "With pages of 2 MiB the tables of a shared area nearly vanish. Huge pages are reserved memory: size them to the area, no more.", "whoever runs the program", shell{})
	if programOf(&in.main.Victim) == programPostgres {
		in.care(d, &in.main.Victim)
	}
	return d
}

func stacksOfLimit(s *event.CgroupStat) *uint64 { return s.KernelStackBytes }
func stacksOfMachine(m *event.Memory) *uint64   { return m.KernelStackBytes }

// kernelStacks: too many threads.
func kernelStacks(in *shortage) *draft {
	h, ok := in.part(stacksOfLimit, stacksOfMachine)
	n, room := h.n, h.room
	if !ok || !share(n, room, 10) || in.found["fork-bomb"] {
		return nil
	}
	c := timeline.Medium
	if share(n, room, 20) {
		c = timeline.High
	}
	d := in.about("kernel-stacks", c, "Kernel stacks take a large part of memory: there are too many threads")
	d.say("Kernel stacks were %s, %s of %s: some %s threads, if each has 16 KiB as on x86-64 and arm64.", size(n), percent(n, room), in.place(), count(n/(16*kib)))
	d.cite(h.at, "Kernel stacks %s%s.", size(n), h.when)
	if t := in.main.Victim.Threads; t != nil {
		d.cite(in.at(), "%s has %d threads.", victimName(&in.main.Victim), *t)
	}
	d.RefutedBy = "As many threads at times when nothing is killed."
	d.do("Find who has so many threads.", "", "whoever runs the program", look("", "ps -eo nlwp,pid,user,comm --sort=-nlwp | head"))
	in.boundTasks(d)
	return d
}
