// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"math/bits"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// hugepages: RAM that is set aside for huge pages.
func hugepages(in *shortage) *draft {
	ram, ok := in.global()
	m := in.main.Memory
	if !ok || m == nil || m.HugetlbBytes == nil || !share(*m.HugetlbBytes, ram, partSome) {
		return nil
	}
	free, freeKnown := known(m.HugetlbFreeBytes)
	idle := freeKnown && share(free, *m.HugetlbBytes, 30)
	c := timeline.Medium
	if idle && share(free, ram, grewSome) {
		c = timeline.High
	}
	d := in.about("hugepages", c, "Much of RAM is set aside for huge pages")
	d.say("%s of %s is reserved for huge pages (hugetlb): nothing else can use it, used or not, and it is not swapped.", size(*m.HugetlbBytes), size(ram))
	d.cite(in.at(), "Reserved for huge pages: %s, %s of RAM.", size(*m.HugetlbBytes), percent(*m.HugetlbBytes, ram))
	if freeKnown {
		d.cite(in.at(), "Of those of the default size %s is not in use.", size(free))
	}
	d.RefutedBy = "Huge pages that are reserved and not touched yet by a program that is about to: HugePages_Rsvd in /proc/meminfo."
	d.do("See who uses them, and how many were reserved on purpose.", "", "the machine's operator", look("", "grep -i huge /proc/meminfo; sysctl vm.nr_hugepages; grep -rs hugepages /etc/sysctl.conf /etc/sysctl.d /proc/cmdline"))
	mm := in.machine
	if !idle || mm == nil || mm.HugepageBytes == nil || *mm.HugepageBytes == 0 || mm.Settings.Hugepages == nil || mm.HugepagesSpare == nil {
		return d
	}
	spare := *mm.HugepagesSpare
	old := *mm.Settings.Hugepages
	over, need := bits.Mul64(spare, *mm.HugepageBytes)
	if spare == 0 || spare > old || over > 0 {
		return d
	}
	d.now("vm.nr_hugepages is %d, of %s each; %d of them are free and not promised.", old, size(*mm.HugepageBytes), spare)
	d.do(fmt.Sprintf("Give back what was not in use: vm.nr_hugepages from %d to %d. Computed: less the %d that are free now and not promised to a program (HugePages_Free less HugePages_Rsvd).", old, old-spare, spare), "It is RAM at once. A program that starts later and wants them fails, or uses small pages.", "the machine's operator",
		command(timeline.Reversible, "until the next boot; for good in /etc/sysctl.d or on the kernel's command line", fmt.Sprintf("sysctl -w vm.nr_hugepages=%d", old-spare)))
	d.undo("Reserve them again.", "Only while that much memory is available: the command looks. It has to be free in whole pieces as well: the kernel reserves what it finds, so read the value back.",
		command(timeline.Reversible, "", available(need)+fmt.Sprintf(" && sysctl -w vm.nr_hugepages=%d && sysctl vm.nr_hugepages", old)))
	return d
}

// mlocked: memory that may not be reclaimed, since somebody locked it.
func mlocked(in *shortage) *draft {
	if in.found["shmem"] { // what is in tmpfs without swap is unevictable as well
		return nil
	}
	h, ok := in.part(
		func(s *event.CgroupStat) *uint64 { return s.UnevictableBytes },
		func(m *event.Memory) *uint64 {
			if m.MlockedBytes != nil {
				return m.MlockedBytes
			}
			return m.UnevictableBytes
		})
	n, room := h.n, h.room
	if !ok || !share(n, room, partSome) {
		return nil
	}
	c := timeline.Medium
	if share(n, room, partMost) {
		c = timeline.High
	}
	d := in.about("mlocked", c, "Much memory is locked, and cannot be reclaimed")
	d.say("%s of %s is locked (mlock, a guest with locked memory, ramfs): neither swap nor reclaim helps there, only a smaller program.", size(n), in.place())
	d.cite(h.at, "Locked or unevictable: %s, %s of %s%s.", size(n), percent(n, room), in.place(), h.when)
	d.RefutedBy = "As much locked memory at times when nothing is killed, and something else that has grown."
	d.do("Find who locked it.", "", "whoever runs the program", look("locked memory by process, in kB, the largest last", "grep -H VmLck /proc/[0-9]*/status 2>/dev/null | sort -k2 -n | tail"))
	d.do("Have it lock less (its own option, <locked/> of a libvirt domain), or bound it: LimitMEMLOCK= of its unit, which makes mlock fail for it.", "Who locks for no loss of time locks all that it has, what it does not use as well.", "whoever runs the program", shell{})
	return d
}
