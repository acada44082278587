// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// ahead are the settings that the next shortage meets: those of now, else of the kill.
func (in *shortage) ahead() (s *event.Settings, now bool) {
	if in.machine != nil && in.machine.Settings.PanicOnOOM != nil {
		return &in.machine.Settings.Settings, true
	}
	return in.main.Settings, false
}

// panicUnarmed: the next shortage panics the machine, and leaves nothing.
func panicUnarmed(in *shortage) *draft {
	s, now := in.ahead()
	if s == nil || s.PanicOnOOM == nil || *s.PanicOnOOM == 0 {
		return nil
	}
	k := s.Kdump
	if k != nil && is(k.Loaded, true) {
		return nil
	}
	d := in.about("panic-without-dump", timeline.High, "vm.panic_on_oom is set, and no dump is armed")
	d.subject = "" // it is the machine's
	cite := func(format string, args ...any) { d.cite(in.at(), format, args...) }
	if now {
		cite("This shortage ended with a kill.")
		cite = d.now
	}
	whose := "the machine"
	if *s.PanicOnOOM > 1 { // check_panic_on_oom, mm/oom_kill.c
		whose = "the machine, or a single cgroup or cpuset in it,"
	}
	d.say("The next time that %s runs out of memory the machine panics (vm.panic_on_oom %d)", whose, *s.PanicOnOOM)
	if k == nil || k.Loaded == nil {
		d.Title = "vm.panic_on_oom is set, and whether a dump is armed is not known"
		cite("vm.panic_on_oom is %d.", *s.PanicOnOOM)
		d.Summary += "; whether a dump would be taken is not known."
		d.RefutedBy = "A crash kernel that is loaded."
		d.ask("Is a crash kernel loaded?", look("1 is yes", "cat /sys/kernel/kexec_crash_loaded"))
		return d
	}
	d.Summary += ", and with no crash kernel loaded nothing is left to tell why."
	cite("vm.panic_on_oom is %d, and no crash kernel is loaded.", *s.PanicOnOOM)
	d.RefutedBy = "A crash kernel that is loaded by now: /sys/kernel/kexec_crash_loaded is 1."
	d.planPanic(in.machine, in.node())
	return d
}

// planPanic advises to let the kernel kill instead, and says when not to.
func (d *draft) planPanic(m *Machine, node bool) {
	if m != nil && m.Settings.PanicSeconds != nil {
		if *m.Settings.PanicSeconds == 0 {
			d.now("kernel.panic is 0: after a panic without a dump the machine hangs until somebody comes.")
		} else {
			d.now("kernel.panic is %d.", *m.Settings.PanicSeconds)
		}
	}
	var s shell
	s.look("keep the old value in this shell", "old=$(sysctl -n vm.panic_on_oom)")
	s.add(timeline.Reversible, "until the next boot; for good in /etc/sysctl.d", "sysctl -w vm.panic_on_oom=0")
	d.do("Let the kernel kill a process instead of the machine.", "A panic costs everything that runs there: all sessions, all that is not written yet, and the time of a boot.", "the machine's operator", s)
	if node {
		d.undo("Leave it at 0.", "There is no way back on this node: the kubelet sets it to 0 again, and a panic ends all pods.", shell{})
	} else {
		d.undo("Put the old value back.", "Only on a machine whose loss others make up for; with a crash kernel loaded, kernel.panic above 0, no kubelet, and the value 1 (at 2 a single cgroup's limit brings the machine down). The command looks at all but the first.",
			command(timeline.Reversible, "in the same shell", `[ "$(cat /sys/kernel/kexec_crash_loaded)" = 1 ] && [ "$(sysctl -n kernel.panic)" -gt 0 ] && [ ! -e /var/lib/kubelet ] && [ "${old:?}" = 1 ] && sysctl -w vm.panic_on_oom="$old"`))
	}
	d.do("Or arm a dump first, if a panic is meant (of machines in a cluster that fence each other, say).", "The dump then tells what filled memory. It needs crashkernel= on the kernel's command line, which takes that memory for good, and a boot.", "the machine's operator",
		look("whether it is loaded, what is reserved, and the command line", "cat /sys/kernel/kexec_crash_loaded /sys/kernel/kexec_crash_size /proc/cmdline; sysctl kernel.panic"))
}

// panicked are shortages for which the kernel panicked.
func panicked(doc *timeline.Document, m *Machine) []*draft {
	var out []*draft
	for i := range doc.Entries {
		e := doc.Entries[i].Event
		if e == nil || e.NoKill == nil || e.NoKill.Reason != event.NoKillPanic {
			continue
		}
		n := e.NoKill
		d := &draft{Finding: timeline.Finding{ID: "panicked", Confidence: timeline.High, About: []int{i}}}
		at := []int{i}
		d.cite(at, "The kernel panicked: %s.", or(strings.TrimSpace(n.Message), "its message is not in the evidence"))
		largest := largestOf(n.Candidates)
		if largest != nil {
			d.cite(at, "The largest process that is listed: %s with %s.", who(largest.PID, largest.Comm), size(*largest.AnonRSSBytes))
		}
		if strings.Contains(n.Message, "deadlocked") {
			d.ID, d.Title = "deadlock", "The machine ran out of memory, and nobody could be killed: it panicked"
			d.say("No process was left that may be killed: the kernel panics then, whatever vm.panic_on_oom is.")
			d.RefutedBy = "A process in the log's table with an oom_score_adj above -1000 that still had memory."
			immune := 0
			for _, c := range n.Candidates {
				if c.OOMScoreAdj != nil && *c.OOMScoreAdj <= badness.MinAdj {
					immune++
				}
			}
			if immune > 0 {
				d.cite(at, "%d of the %d processes listed are at oom_score_adj -1000.", immune, len(n.Candidates))
			}
			d.do("Take the immunity from what can grow: OOMScoreAdjust= between -900 and -500 in its unit. What is started by an immune process is immune, too.", "The kernel needs somebody to kill.", "the owners of the units",
				look("who is immune now", "grep -lx -e -1000 /proc/[0-9]*/oom_score_adj 2>/dev/null"))
			out = append(out, d)
			continue
		}
		d.Title = "The machine panicked for want of memory (vm.panic_on_oom)"
		d.say("The kernel was told to panic when memory runs out, and did, before it chose whom to kill.")
		d.RefutedBy = "Another panic, of which this line is only the echo."
		d.do("Find what filled memory, from the log before it or from the dump.", "The panic is the answer to a shortage, not its cause.", "whoever responds", look("dumps, where kdump keeps them by default", "ls -lt /var/crash"))
		d.planPanic(m, m != nil && m.Kubelet != nil && m.Kubelet.Runs)
		out = append(out, d)
	}
	return merge(out)
}

func largestOf(list []event.Candidate) *event.Candidate {
	var largest *event.Candidate
	for i := range list {
		if c := &list[i]; c.AnonRSSBytes != nil && (largest == nil || *c.AnonRSSBytes > *largest.AnonRSSBytes) {
			largest = c
		}
	}
	return largest
}
