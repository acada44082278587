// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// sysrq: somebody asked the kernel to kill.
func sysrq(in *shortage) *draft {
	if in.main.Scope != event.ScopeSysrq {
		return nil
	}
	d := in.about("sysrq", timeline.High, "Somebody asked for this kill (SysRq-f)")
	d.subject = ""
	d.say("SysRq-f has the kernel kill whoever has most points, whether memory is short or not. It came from a keyboard, a serial console, or a write to /proc/sysrq-trigger.")
	d.cite(in.indices(), "The kill was requested: %s was chosen.", victimName(&in.main.Victim))
	d.RefutedBy = "A report in the log of the same moment that names an allocation (gfp_mask other than that of SysRq, order -1)."
	d.do("Ask who did it; if nobody should be able to, bound it: kernel.sysrq without bit 6 (64) forbids signals by the keyboard, and nothing forbids root's.", "", "the machine's operator", look("", "sysctl kernel.sysrq; journalctl -k | grep -i 'sysrq'"))
	return d
}

// unexplained: nothing is known but that there was a kill.
func unexplained(in *shortage) *draft {
	if len(in.found) > 0 || in.asked {
		return nil
	}
	d := in.about("unexplained", timeline.Low, "A process was killed, and of why the evidence tells nothing")
	d.subject = "" // one question for all
	said := in.main.Message
	if said != "" {
		said = " (" + said + ")"
	}
	d.say("The evidence has the kill of %s%s, and not the numbers that the kernel reports with it: whose limit, how large, what was used.", victimName(&in.main.Victim), said)
	d.cite(in.indices(), "%s without what led to it.", plural(len(in.kills), "kill"))
	d.RefutedBy = "The report, if it is found."
	d.ask("Is the kernel's report still somewhere?", look("the journal's copy; a log on disk or on a log server may have it as well", "journalctl -k --no-pager | grep -n -A60 'invoked oom-killer'"))
	return d
}
