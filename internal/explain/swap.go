// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"path"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// swap is what of swap space is known at the kill.
func (in *shortage) swap() (total, free *uint64) {
	if m := in.main.Memory; m != nil {
		total, free = m.SwapTotalBytes, m.SwapFreeBytes
	}
	if s := in.main.Settings; total == nil && s != nil {
		total = s.SwapTotalBytes
	}
	return total, free
}

// anonymous is what only swap could have taken from RAM.
func anonymous(m *event.Memory) (uint64, bool) {
	switch {
	case m == nil:
		return 0, false
	case m.AnonBytes != nil:
		return *m.AnonBytes, true
	case m.ActiveAnonBytes != nil && m.InactiveAnonBytes != nil:
		return *m.ActiveAnonBytes + *m.InactiveAnonBytes, true
	}
	return 0, false
}

// swapAbsent: there was nowhere to put anonymous memory.
func swapAbsent(in *shortage) *draft {
	ram, ok := in.global()
	total, _ := in.swap()
	anon, has := anonymous(in.main.Memory)
	if !ok || !has || !is(total, 0) || !share(anon, ram, 50) || in.found["fragmentation"] || in.found["zone-exhausted"] {
		return nil
	}
	d := in.about("swap-absent", timeline.High, "There is no swap: memory that is not in use could not make room")
	d.say("%s of %s was anonymous memory. Without swap all of it stays in RAM, used or not, and the page cache alone can give way.", size(anon), size(ram))
	d.cite(in.at(), "Swap 0; anonymous memory %s, %s of RAM.", size(anon), percent(anon, ram))
	d.RefutedBy = "Anonymous memory that is all in use: swap would then be read back at once, and the machine slow instead of short of memory."
	if in.node() && !in.limitedSwap() {
		d.do("Leave it so on this node: a kubelet does not start where it finds swap, unless failSwapOn is false, and pods do not use it unless swapBehavior is LimitedSwap. Give pods requests that fit the node instead.", "Swap on a node is a decision for the cluster.", "the cluster's operator", shell{})
		return d
	}
	n := min(ram/8, 8*gib) / mib * mib
	if n < 64*mib {
		return d
	}
	var s shell
	s.look("room on the disk, and which filesystem", "df -hT /")
	s.add(timeline.Reversible, "on ext4 and XFS; until the next boot; for good with a line in /etc/fstab", fmt.Sprintf("[ ! -e /swapfile-oom ] && (umask 077; fallocate -l %d /swapfile-oom) && mkswap /swapfile-oom && swapon /swapfile-oom", n))
	why := fmt.Sprintf("It buys time, and no more: memory that grows without end fills swap as well. %s is an eighth of RAM, at most 8 GiB: a start, and not computed from a need, which the evidence does not tell. On a slow disk, stalls take the place of kills.", size(n))
	if in.found["growth-victim"] || in.found["growth-elsewhere"] {
		why += " Something grows here: that comes first."
	}
	d.do(fmt.Sprintf("Add %s of swap.", size(n)), why, "the machine's operator", s)
	d.undo("Take it away again.", "Only while more memory is available than swap is used: what is in swap comes back into RAM. The command looks first.",
		command(timeline.Reversible, "", `awk '/^(MemAvailable|SwapTotal|SwapFree):/{v[$1]=$2} END{exit !(v["MemAvailable:"]>v["SwapTotal:"]-v["SwapFree:"])}' /proc/meminfo && swapoff /swapfile-oom && rm /swapfile-oom`))
	return d
}

// swapFull: swap was used up before RAM was.
func swapFull(in *shortage) *draft {
	_, ok := in.global()
	total, free := in.swap()
	if !ok || total == nil || free == nil || *total == 0 || !share(*total-min(*total, *free), *total, 98) {
		return nil
	}
	d := in.about("swap-full", timeline.High, "Swap was full as well")
	d.say("Of %s of swap %s was free: nothing was left to put memory into. More swap only moves the end.", size(*total), size(*free))
	d.cite(in.at(), "Swap %s, free %s.", size(*total), size(*free))
	if l := in.main.LeadUp; l != nil && l.MemoryChange != nil && l.MemoryChange.SwapFreeBytes != nil && *l.MemoryChange.SwapFreeBytes < -mib && l.SpanMS != nil {
		d.cite(in.at(), "Free swap fell by %s in the %s that were sampled.", size(uint64(-*l.MemoryChange.SwapFreeBytes)), lasting(*l.SpanMS))
	}
	d.RefutedBy = "Swap that has been full for weeks, while nothing was killed: then it holds what nobody needs."
	d.do("Find what is in swap.", "Who has most there has grown, or has slept for long.", "whoever responds", look("swap by process, in kB, the largest last", "grep -H VmSwap /proc/[0-9]*/status 2>/dev/null | sort -k2 -n | tail"))
	return d
}

// swapLimited: the machine has swap to spare, and the cgroup that ran out may have none of
// it, or no more. Whether a cgroup may swap is no part of a kill: it is what is set now.
func swapLimited(in *shortage) *draft {
	limit, ok := in.memcg()
	anon, has := in.anon()
	c := limitCgroup(in.main.Kill)
	if !ok || !has || c == nil || c.Path == "" || !share(anon, limit, mostlyAnon) || in.machine == nil || in.machine.CgroupVersion != 2 {
		return nil
	}
	if in.node() && !in.limitedSwap() || isKube(c.Path) { // the kubelet decides there
		return nil
	}
	var most *uint64
	for _, n := range in.machine.Cgroups {
		if n.Cgroup.Path == c.Path {
			most = n.SwapMaxBytes
		}
	}
	used, usedKnown := known(in.main.Limit.SwapBytes)
	if most == nil || *most > 0 && (!usedKnown || used < *most-*most/50) {
		return nil
	}
	total, free := in.swap()
	when := "at the kill"
	if m := in.machine.Memory; free == nil && m != nil {
		total, free, when = m.SwapTotalBytes, m.SwapFreeBytes, "now"
	}
	if total == nil || free == nil || !share(*free, limit, 10) {
		return nil
	}
	d := in.about("swap-limited", timeline.Medium, "There is swap, and the cgroup may not use it")
	d.say("%s of the limit of %s was anonymous memory, which only swap or a kill gives back. The machine had %s of swap free, and memory.swap.max of the cgroup is %s: none of it, used or not, could make room.", size(anon), size(limit), size(*free), size(*most))
	if *most > 0 {
		d.Title = "There is swap, and the cgroup had used what it may"
		d.say("%s of the limit of %s was anonymous memory, which only swap or a kill gives back. The machine had %s of swap free, but the cgroup had used the %s that it may (memory.swap.max).", size(anon), size(limit), size(*free), size(*most))
		d.cite(in.at(), "Swap of the cgroup at the kill: %s.", size(used))
	}
	d.cite(in.at(), "Anonymous memory %s, %s of the limit.", size(anon), percent(anon, limit))
	if when == "now" {
		d.now("swap %s, free %s.", size(*total), size(*free))
	} else {
		d.cite(in.at(), "Swap of the machine %s, free %s.", size(*total), size(*free))
	}
	d.now("memory.swap.max of the cgroup is %d.", *most)
	d.RefutedBy = "memory.swap.max that was set since the kill. Or memory that is all in use: swap would be read back at once, and the cgroup slow instead of short of memory; who answers requests is often kept from swap for that."
	in.allowSwap(d, limit, *most, *free)
	return d
}

// allowSwap advises some swap for a cgroup, and the way back to old.
func (in *shortage) allowSwap(d *draft, limit, old, free uint64) {
	o := ownerOf(in.main.Limit, &in.main.Victim)
	more := min(limit/4, free/2) / mib * mib
	why := "It buys time, and no more: memory that grows without end fills swap as well, and stalls take the place of kills."
	if in.found["growth-victim"] || in.found["growth-elsewhere"] {
		why += " Something grows here: that comes first."
	}
	if o.kind != ownerUnit && o.kind != ownerUserUnit || more == 0 {
		d.do("If its memory is not all in use, have it use some swap (memory.swap.max; of a container --memory-swap, which is memory and swap together).", why, o.label, shell{})
		return
	}
	var s shell
	s.setProperty(o, fmt.Sprintf("MemorySwapMax=%d", old+more))
	d.do(fmt.Sprintf("If its memory is not all in use, let it use some swap: MemorySwapMax= of %s from %s to %s.", o.unit, size(old), size(old+more)),
		why+fmt.Sprintf(" %s more is a quarter of the limit, at most half of what is free: a start, and not computed from a need.", size(more)), o.label, s)
	now := usageFile(o)
	s = command(timeline.Reversible, "", `[ $(($(cat %s) + $(cat %s))) -lt `+fmt.Sprint(limit)+` ] && `+o.systemctl()+` set-property --runtime %s MemorySwapMax=`+fmt.Sprint(old),
		now, path.Join(path.Dir(now), "memory.swap.current"), o.unit)
	d.undo("Put the old value back.", "Only while what is in swap would fit below "+size(limit)+" beside what is used. The command looks first.", s)
}
