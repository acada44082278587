// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// reserve is the most that a zone keeps from an allocation that could use another one.
func reserve(z *event.Zone) uint64 {
	var most uint64
	for _, p := range z.ProtectionBytes {
		most = max(most, p)
	}
	return most
}

// above says that a zone has more free than mark and what it keeps for others; known is
// false where one of them is not.
func above(z *event.Zone, mark *uint64) (yes, known bool) {
	if z.FreeBytes == nil || mark == nil {
		return false, false
	}
	return *z.FreeBytes > *mark+reserve(z), true
}

// atMark says that a zone is so near to its min that a block of that order may be refused:
// the pages of the block but one do not count as free (__zone_watermark_ok, mm/page_alloc.c),
// and the count that is printed is from a moment after the refusal. Where a higher zone is in
// pieces, allocations take from the lower ones up to this line.
func (in *shortage) atMark(z *event.Zone, order int) bool {
	page := max(in.pageSize(), 4*kib)
	slack := page<<min(order, 20) + *z.MinBytes/16
	return *z.FreeBytes <= *z.MinBytes+reserve(z)+slack
}

// machineWide says that pages ran out, not the allowance of a cgroup.
func (in *shortage) machineWide() bool {
	switch in.main.Scope {
	case event.ScopeGlobal, event.ScopeCpuset, event.ScopeMempolicy:
		return true
	}
	return false
}

// fragmentation: there is free memory, but no block of the size that was asked for.
func fragmentation(in *shortage) *draft {
	t, m := in.main.Trigger, in.main.Memory
	if !in.machineWide() || t == nil || t.Order == nil || *t.Order <= 0 || m == nil {
		return nil
	}
	order := *t.Order
	var free uint64
	c := timeline.Medium
	for i := range m.Zones {
		z := &m.Zones[i]
		yes, ok := above(z, z.MinBytes)
		if !ok {
			return nil
		}
		if !yes {
			continue // it is short of pages of any size
		}
		if z.FreeBlocks == nil && z.LargestFreeOrder == nil {
			return nil
		}
		if largestBlock(z) >= order {
			if in.atMark(z, order) {
				continue
			}
			return nil
		}
		free += *z.FreeBytes
		if yes, ok := above(z, z.HighBytes); ok && yes {
			c = timeline.High
		}
	}
	if free == 0 {
		return nil
	}
	if free <= in.givenBack() {
		return in.freeLater(who(t.PID, t.Comm), free, "fragmentation")
	}
	d := in.about("fragmentation", c, "Memory is free, but not in one piece of the size that was asked for")
	pages := 1 << min(order, 20)
	d.say("%s asked for a block of order %d (%d pages in a row). %s was free above the watermarks, all of it in smaller pieces, and compaction made none. The machine is not out of memory, and the victim is not to blame.", who(t.PID, t.Comm), order, pages, size(free))
	for i := range m.Zones {
		z := &m.Zones[i]
		if yes, _ := above(z, z.MinBytes); yes {
			d.cite(in.at(), "Zone %s of node %d: %s free, above its min of %s; the largest free block is of order %d.", z.Name, z.Node, size(*z.FreeBytes), size(*z.MinBytes), largestBlock(z))
		}
	}
	if e := in.main.Effort; e != nil && e.Compactions > 0 {
		d.cite(in.at(), "Before the kill it compacted %d times, for %s.", e.Compactions, lasting(int64(e.CompactionUS/1000)))
	}
	asker := in.asker()
	if asker != "" {
		d.cite(in.at(), "Who asked, by the call trace: %s.", asker)
	}
	d.RefutedBy = "A zone that had a free block of that order: of another migrate type (/proc/pagetypeinfo), or one that was there when the allocation failed and is no more."
	var s shell
	s.look("free blocks by order, smallest first", "cat /proc/buddyinfo")
	s.look("where unmovable pages are spread; as root, and slow on a large machine", "cat /proc/pagetypeinfo")
	d.do("See how pieces are spread now.", "Pages that the kernel cannot move, spread over the blocks, are what compaction fails on.", "the machine's operator", s)
	d.do("Have the kernel make larger pieces now.", "It moves what can be moved; where it helps, it helps until memory is in pieces again.", "the machine's operator",
		command(timeline.Disruptive, "takes processor time and may stall allocations for some seconds; there is nothing to undo", "sysctl -w vm.compact_memory=1"))
	in.planReserve(d)
	text := "Have who asks ask for less: an allocation of this order that may fall back to single pages (kvmalloc, smaller rings or MTU of a network card, jumbo frames off) does not fail."
	if asker != "" {
		text = strings.Replace(text, "who asks", asker, 1)
	}
	d.do(text, "The kernel invokes the OOM killer for orders up to 3 only (PAGE_ALLOC_COSTLY_ORDER): it is an allocation that may not fail.", "who maintains that driver or module", shell{})
	return d
}

// givenBack is what the victim may have given back by the time that the machine's memory
// was read. The log's report is from before the kill.
func (in *shortage) givenBack() uint64 {
	m := in.main.Memory
	if m.Source == "kmsg" || m.AgeMS != nil && *m.AgeMS < 0 {
		return 0
	}
	n, ok := in.victimMemory()
	if !ok {
		return 1 << 62
	}
	return n
}

// freeLater asks whether what was free was so before the kill.
func (in *shortage) freeLater(asker string, free uint64, id string) *draft {
	d := in.about(id, timeline.Low, "Memory was free, but perhaps only since the kill")
	d.say("%s asked for memory; right after the kill %s was free, in pieces or zones that it could not use. The victim may have given back as much by then.", asker, size(free))
	d.cite(in.at(), "Free %s, read after the kill.", size(free))
	d.RefutedBy = "The kernel's own report, which is from before the kill, with little free."
	d.ask("Was it free before the victim was killed?", look("the report of the kernel: free, min and the free lists by order of each zone", "journalctl -k --no-pager | grep -A60 'invoked oom-killer'"))
	return d
}

// planReserve advises to keep more memory free, so that compaction has room.
func (in *shortage) planReserve(d *draft) {
	ram, ok := in.global()
	if !ok || in.machine == nil || in.machine.Settings.MinFreeBytes == nil {
		return
	}
	old := *in.machine.Settings.MinFreeBytes
	if old == 0 || share(2*old, ram, 3) {
		return
	}
	d.now("vm.min_free_kbytes is %d.", old/kib)
	d.do(fmt.Sprintf("Keep more memory free: vm.min_free_kbytes from %d to %d, twice as much.", old/kib, 2*old/kib), "Reclaim and compaction then begin earlier. It takes "+size(old)+" from the programs; twice is a step, no computed need.", "the machine's operator",
		command(timeline.Reversible, "until the next boot; for good in /etc/sysctl.d", fmt.Sprintf("sysctl -w vm.min_free_kbytes=%d", 2*old/kib)))
	d.undo("Put the old value back.", "At any time: it only gives memory back.", command(timeline.Reversible, "", fmt.Sprintf("sysctl -w vm.min_free_kbytes=%d", old/kib)))
}

// largestBlock is the order of the largest free block, -1 if there is none.
func largestBlock(z *event.Zone) int {
	if z.LargestFreeOrder != nil {
		return *z.LargestFreeOrder
	}
	for o, n := range slices.Backward(z.FreeBlocks) {
		if n > 0 {
			return o
		}
	}
	return -1
}

// asker is the function that wanted memory, by the call trace: the first one that is not
// of the page or slab allocator.
func (in *shortage) asker() string {
	s := in.main.Stack
	if s == nil {
		return ""
	}
	past := false
	for _, f := range s.Frames {
		name := f.Symbol
		if name == "" {
			return ""
		}
		allocator := false
		for _, part := range []string{"alloc", "out_of_memory", "oom_kill", "oom_victim", "slab", "new_page", "get_free_page", "folio"} {
			allocator = allocator || strings.Contains(name, part)
		}
		if strings.Contains(name, "alloc_pages") {
			past = true
		}
		if past && !allocator {
			if f.Module != "" {
				return name + " [" + f.Module + "]"
			}
			return name
		}
	}
	return ""
}
