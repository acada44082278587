// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// victimStuck: a killed process is still there, with its memory.
func victimStuck(in *shortage) *draft {
	last := map[int]ending{}
	for _, e := range in.ends {
		last[e.PID] = e
	}
	var stuck *ending
	for _, e := range in.ends {
		if l := last[e.PID]; l.at == e.at && e.Outcome == event.OutcomeStuck {
			stuck = &l
			break
		}
	}
	if stuck == nil {
		return nil
	}
	d := in.about("victim-stuck", timeline.High, "A process that was killed did not go")
	name := who(stuck.PID, stuck.Comm)
	d.say("%s was killed, and still had its memory", name)
	if stuck.WaitedMS != nil {
		d.Summary += " " + lasting(*stuck.WaitedMS) + " later"
	}
	d.Summary += ". Until it goes the kernel waits for it, or kills others beside it."
	d.cite([]int{stuck.at}, "%s is still there.", name)
	d.RefutedBy = "A later entry that tells of its end."
	var s shell
	pid := itoa(stuck.PID)
	s.look("its threads: D is waiting in the kernel, and for what", "ps -L -o lwp,stat,wchan:32,comm -p %s", pid)
	s.look("as root", "cat /proc/%s/task/*/stack", pid)
	d.do("See what it waits for.", "A thread in uninterruptible sleep (a disk or an NFS server that does not answer) dies only when that ends: no further signal helps.", "whoever responds", s)
	return d
}
