// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"github.com/oomtrace/oomtrace/decode/event"
)

// maxEventSlabs is how many slab caches an event has.
const maxEventSlabs = 10

// memory is the machine's memory as an event has it.
func (m *maker) memory() *event.Memory {
	mem := m.r.Mem
	if mem == nil {
		return nil
	}
	c := &mem.Pages
	pages := func(n Num) *uint64 { return n.pages(m.page) }
	e := &event.Memory{
		Source:     "kmsg",
		TotalBytes: pages(mem.managedPages()), FreeBytes: pages(c.Free),
		CachedBytes: pages(mem.PagecachePages), ShmemBytes: pages(c.Shmem),
		SlabBytes:      pages(c.SlabReclaimable.plus(c.SlabUnreclaimable)),
		SwapTotalBytes: mem.TotalSwapKB.bytes(), SwapFreeBytes: mem.FreeSwapKB.bytes(),
		ActiveAnonBytes: pages(c.ActiveAnon), InactiveAnonBytes: pages(c.InactiveAnon),
		ActiveFileBytes: pages(c.ActiveFile), InactiveFileBytes: pages(c.InactiveFile),
		UnevictableBytes:     pages(c.Unevictable),
		SlabReclaimableBytes: pages(c.SlabReclaimable), SlabUnreclaimableBytes: pages(c.SlabUnreclaimable),
		PagetablesBytes: pages(c.Pagetables), IsolatedAnonBytes: pages(c.IsolatedAnon), IsolatedFileBytes: pages(c.IsolatedFile),
		DirtyBytes: pages(c.Dirty), WritebackBytes: pages(c.Writeback), MappedBytes: pages(c.Mapped), BounceBytes: pages(c.Bounce),
		SecPagetablesBytes: pages(c.SecPagetables), KernelMiscReclaimableBytes: pages(c.KernelMiscReclaimable),
		FreePCPBytes: pages(c.FreePCP), FreeCMABytes: pages(c.FreeCMA), SwapCachedBytes: pages(mem.SwapCachePages),
		ReservedBytes: pages(mem.ReservedPages),
	}
	m.sums(e)
	e.Slabs = topSlabs(mem.Slabs)
	e.Zones = m.zones()
	return e
}

// sums fills in what the log tells by node or zone alone.
func (m *maker) sums(e *event.Memory) {
	mem := m.r.Mem
	e.KernelStackBytes = m.sum(func(c *Counters) Num { return c.KernelStack })
	e.MlockedBytes = m.sum(func(c *Counters) Num { return c.Mlocked })
	if e.PagetablesBytes == nil {
		e.PagetablesBytes = m.sum(func(c *Counters) Num { return c.Pagetables })
	}
	var total, free uint64
	smallest := uint64(0)
	for _, h := range mem.HugeTLB {
		total += num(h.Total).times(h.SizeKB).N
		// The default size is 2 MiB but where the command line says otherwise, which
		// the report does not tell: the free ones are told only if there is one size.
		if smallest == 0 {
			smallest = h.SizeKB
		}
		if h.SizeKB != smallest {
			smallest = 1 << 63
		}
		free += num(h.Free).times(h.SizeKB).N
	}
	if len(mem.HugeTLB) > 0 {
		e.HugetlbBytes = num(total).bytes()
		if smallest != 1<<63 {
			e.HugetlbFreeBytes = num(free).bytes()
		}
	}
}

// sum adds a counter of all nodes, or where they do not have it, of all zones.
func (m *maker) sum(of func(*Counters) Num) *uint64 {
	mem := m.r.Mem
	if mem.LeftOut > 0 || m.r.MemsAllowed != "" && m.r.Constraint != "" && m.r.Constraint != "CONSTRAINT_NONE" {
		return nil // nodes that are not allowed are not listed
	}
	var all Num
	for i := range mem.Nodes {
		n := of(&mem.Nodes[i].Counters)
		if !n.OK {
			all = Num{}
			break
		}
		all = num(all.N + n.N)
	}
	if all.OK {
		return all.bytes()
	}
	for i := range mem.Zones {
		n := of(&mem.Zones[i].Counters)
		if !n.OK {
			return nil
		}
		all = num(all.N + n.N)
	}
	return all.bytes()
}

func topSlabs(slabs []Slab) []event.Slab {
	var top []event.Slab
	for _, s := range slabs {
		at := len(top)
		for at > 0 && top[at-1].TotalBytes < s.TotalKB*1024 {
			at--
		}
		if at >= maxEventSlabs {
			continue
		}
		top = append(top, event.Slab{})
		copy(top[at+1:], top[at:])
		top[at] = event.Slab{Name: clean(s.Name), UsedBytes: s.UsedKB * 1024, TotalBytes: s.TotalKB * 1024}
		top = top[:min(len(top), maxEventSlabs)]
	}
	return top
}

func (m *maker) zones() []event.Zone {
	var out []event.Zone
	for i := range m.r.Mem.Zones {
		z := &m.r.Mem.Zones[i]
		if !z.Free.OK {
			continue
		}
		e := event.Zone{
			Node: z.Node, Name: clean(z.Name),
			FreeBytes: z.Free.bytes(), MinBytes: z.Min.bytes(), LowBytes: z.Low.bytes(), HighBytes: z.High.bytes(),
			ManagedBytes: z.Managed.bytes(), PresentBytes: z.Present.bytes(),
		}
		// Orders are of the smallest block, which is a page.
		for order, b := range z.Blocks {
			e.FreeBlocks = append(e.FreeBlocks, b.Count)
			if b.Count > 0 {
				e.LargestFreeOrder = event.Ptr(order)
			}
		}
		if m.page != 0 {
			for _, p := range z.ProtectionPages {
				if b := num(p).pages(m.page); b != nil {
					e.ProtectionBytes = append(e.ProtectionBytes, *b)
				}
			}
		}
		out = append(out, e)
	}
	return out
}

// stat is what a cgroup's statistics tell of its memory: names are those of
// memory.stat since 5.3, and v1's own before.
func (mc *Memcg) stat() *event.CgroupStat {
	if len(mc.Stats) == 0 {
		return nil
	}
	of := func(names ...string) *uint64 {
		for _, n := range names {
			if v := mc.Stat(n); v.OK {
				return v.ptr()
			}
		}
		return nil
	}
	s := &event.CgroupStat{
		AnonBytes: of("anon"), FileBytes: of("file"), ShmemBytes: of("shmem"), KernelBytes: of("kernel"),
		SlabBytes: of("slab"), KernelStackBytes: of("kernel_stack"), PagetablesBytes: of("pagetables"),
		SlabReclaimableBytes: of("slab_reclaimable"), SlabUnreclaimableBytes: of("slab_unreclaimable"),
		PercpuBytes: of("percpu"), VmallocBytes: of("vmalloc"), SockBytes: of("sock"), ZswapBytes: of("zswap"),
		FileMappedBytes: of("file_mapped"), FileDirtyBytes: of("file_dirty"), FileWritebackBytes: of("file_writeback"),
		ActiveAnonBytes: of("active_anon"), InactiveAnonBytes: of("inactive_anon"),
		ActiveFileBytes: of("active_file"), InactiveFileBytes: of("inactive_file"), UnevictableBytes: of("unevictable"),
	}
	if mc.v1Names() {
		// v1: cache is file with shmem, rss is anon without shmem.
		s.FileBytes, s.AnonBytes = of("cache"), of("rss")
		s.FileMappedBytes, s.FileDirtyBytes, s.FileWritebackBytes = of("mapped_file"), of("dirty"), of("writeback")
	}
	return s
}

func (mc *Memcg) v1Names() bool { return mc.Stat("cache").OK && mc.Stat("rss").OK }
