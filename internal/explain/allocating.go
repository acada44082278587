// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// allocatingTask: vm.oom_kill_allocating_task chose the victim, not its size.
func allocatingTask(in *shortage) *draft {
	if in.main.Choice != event.ChoiceAllocatingTask {
		return nil
	}
	v := &in.main.Victim
	d := in.about("allocating-task", timeline.High, "The victim was whoever asked for memory, whatever its size")
	d.say("vm.oom_kill_allocating_task is set: the kernel killed %s since it asked for memory at that moment.", victimName(v))
	d.cite(in.at(), "The kernel chose the allocating task.")
	if rss, ok := v.RSSBytes(); ok {
		d.cite(in.at(), "Resident memory of the victim: %s.", size(rss))
		var largest *event.Candidate
		var most uint64
		for i := range in.main.Candidates {
			c := &in.main.Candidates[i]
			if n, ok := in.memoryOf(c); ok && c.PID != v.PID && n > most {
				largest, most = c, n
			}
		}
		switch {
		case largest == nil:
		case most <= rss:
			d.and("It happens to be the largest that is known; the next one need not be.")
		default:
			d.cite(in.at(), "The largest that is known is %s, with %s.", who(largest.PID, largest.Comm), size(most))
		}
	}
	d.RefutedBy = "vm.oom_kill_allocating_task that is 0, and was at the kill."
	var s shell
	s.look("keep the old value in this shell", "old=$(sysctl -n vm.oom_kill_allocating_task)")
	s.add(timeline.Reversible, "until the next boot; for good, take it out of /etc/sysctl.d", "sysctl -w vm.oom_kill_allocating_task=0")
	d.do("Let the kernel choose by size again.", "Who asks for a page at the wrong moment is seldom to blame: with this set, small processes die one after another while the large one stays.", "the machine's operator", s)
	d.undo("Put the old value back.", "Only if somebody can say why it was set; in the same shell.", command(timeline.Reversible, "", `sysctl -w vm.oom_kill_allocating_task="${old:?}"`))
	return d
}
