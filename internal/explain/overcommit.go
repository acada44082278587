// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// settings are those of the kill, else what the machine has now.
func (in *shortage) settings() (s *event.Settings, now bool) {
	if in.main.Settings != nil {
		return in.main.Settings, false
	}
	if in.machine != nil {
		return &in.machine.Settings.Settings, true
	}
	return nil, false
}

// overcommit: the kernel was told to promise more than there is, or the opposite did not
// help.
func overcommit(in *shortage) *draft {
	ram, ok := in.global()
	s, now := in.settings()
	m := in.main.Memory
	if !ok || s == nil || s.OvercommitMemory == nil || m == nil || m.CommittedBytes == nil {
		return nil
	}
	swap, _ := in.swap()
	if swap == nil {
		return nil
	}
	all, committed := ram+*swap, *m.CommittedBytes
	d := in.about("overcommit", timeline.Medium, "")
	mode := *s.OvercommitMemory
	switch {
	case mode == 1 && committed >= all+all/2:
		d.Title = "More memory is promised than there is, and nobody is refused"
		d.say("vm.overcommit_memory is 1: no allocation is ever refused. %s was promised, RAM and swap are %s.", size(committed), size(all))
		d.RefutedBy = "Programs that reserve much and use little (Go, Java, databases): what is promised is then no measure. Their resident memory is."
		d.do("Look for who set it and why; some programs (Redis, for its fork) ask for it. Compare what programs have resident, not what they were promised.",
			"This is a circumstance, no cause: with another setting who asks for too much is refused, and programs that were not tested for that fail. It is no remedy for a leak.", "the machine's operator",
			look("", "sysctl vm.overcommit_memory; grep -rs overcommit /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d /run/sysctl.d"))
	case mode == 2:
		d.Title = "Memory ran out although promises are bounded (vm.overcommit_memory 2)"
		d.say("With vm.overcommit_memory 2 the kernel refuses what it could not keep, and yet RAM ran out: promised were %s, RAM and swap are %s. What it does not count took the rest, such as slab, page tables and other kernel memory, or the bound (vm.overcommit_ratio, vm.overcommit_kbytes) lets too much through.", size(committed), size(all))
		d.RefutedBy = "Programs that failed with ENOMEM before the kill: then the bound did work, and the kill is another's."
		d.do("Compare the bound with what there is.", "CommitLimit is to leave room for the kernel's own memory.", "the machine's operator", look("", "grep -E 'Commit|MemTotal|SwapTotal|SUnreclaim|PageTables|Hugetlb' /proc/meminfo; sysctl vm.overcommit_ratio vm.overcommit_kbytes"))
	default:
		return nil
	}
	when := ""
	switch age := s.AgeMS; {
	case now:
		when = " (now)"
	case age != nil && *age <= -1000:
		when = " (read " + lasting(-*age) + " before the kill)"
	case age != nil && *age >= 1000:
		when = " (read " + lasting(*age) + " after the kill)"
	}
	d.cite(in.at(), "vm.overcommit_memory %d%s; promised (Committed_AS) %s, %s of RAM and swap.", mode, when, size(committed), percent(committed, all))
	if in.machine != nil && in.machine.CommitLimitBytes != nil {
		d.now("CommitLimit is %s.", size(*in.machine.CommitLimitBytes))
	}
	return d
}
