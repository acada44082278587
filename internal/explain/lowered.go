// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// limitLowered: a limit was set below what was used, and the kill is its writer's.
// memory_max_write (mm/memcontrol.c) sets the limit first, reclaims, and then kills until
// the usage is below it.
func limitLowered(in *shortage) *draft {
	limit, ok := in.memcg()
	if !ok {
		return nil
	}
	l, t := in.main.Limit, in.main.Trigger
	wrote := in.calls("memory_max_write")
	over := l.UsageBytes != nil && *l.UsageBytes > limit && *l.UsageBytes-limit >= max(mib, limit/100)
	if !wrote && (!over || t == nil || !outside(t, l.Cgroup)) {
		return nil
	}
	c := timeline.Medium
	if wrote {
		c = timeline.High
	}
	d := in.about("limit-lowered", c, "The limit was set below what was in use")
	by := "somebody"
	if t != nil {
		by = who(t.PID, t.Comm)
	}
	d.say("%s set the limit to %s while more was in use. The kernel takes the limit first, reclaims, and kills until what is used is below it: no process asked for more memory, and the victim did nothing.", by, size(limit))
	if over {
		d.cite(in.at(), "Usage %s above a limit of %s.", size(*l.UsageBytes), size(limit))
	}
	if wrote {
		d.cite(in.at(), "memory_max_write is in the call trace: the kill came of a write to memory.max.")
	}
	if t != nil {
		text := "The trigger is " + by
		if outside(t, l.Cgroup) {
			text += ", which is not in the cgroup"
		}
		d.cite(in.at(), "%s.", text)
	}
	d.RefutedBy = "A limit that has been what it is for long: its owner's history (a rollout, a deploy, an autoscaler, systemctl set-property in a shell's) has no change at that time. A charge on behalf of the cgroup by a task outside of it looks the same where there is no call trace."
	o := ownerOf(l, &in.main.Victim)
	switch {
	case in.raised(d, limit):
	case over:
		use := *l.UsageBytes
		d.raise(o, limit, (use+use/10+16*mib-1)/(16*mib)*(16*mib), l.Kind, "What it was before is not in the evidence. Computed: the usage at the kill and a tenth more.")
	default:
		d.do("Put the old limit back, or one above what is used; what it was before is not in the evidence.", "", o.label, shell{})
	}
	d.do("To lower a limit, first have what runs there give memory back, and lower it in steps that stay above the usage.", "memory.high, set first and above the working set, makes it give back what it can, without a kill.", o.label, shell{})
	return d
}

// outside says that a task is known to be in another part of the hierarchy.
func outside(t *event.Task, c *event.Cgroup) bool {
	if t.Cgroup == nil || c == nil || t.Cgroup.Path == "" || c.Path == "" || t.Cgroup.Truncated || c.Truncated || is(t.KThread, true) {
		return false
	}
	return t.Cgroup.Path != c.Path && !strings.HasPrefix(t.Cgroup.Path, strings.TrimSuffix(c.Path, "/")+"/")
}

// calls says whether a function is in the call trace.
func (in *shortage) calls(name string) bool {
	if in.main.Stack == nil {
		return false
	}
	for _, f := range in.main.Stack.Frames {
		if f.Symbol == name {
			return true
		}
	}
	return false
}
