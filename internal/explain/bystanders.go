// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// bystanders: neither who was killed nor who asked for memory had to do with it.
func bystanders(in *shortage) *draft {
	t, v := in.main.Trigger, &in.main.Victim
	room, ok := in.room()
	if !ok || t == nil || t.PID == 0 || t.PID == v.PID || in.found["growth-victim"] || in.found["limit-lowered"] {
		return nil
	}
	var causes []string
	for _, id := range []string{"growth-elsewhere", "shmem", "slab", "page-tables", "kernel-stacks", "mlocked", "hugepages"} {
		if in.found[id] {
			causes = append(causes, id)
		}
	}
	if causes == nil {
		return nil
	}
	tr, ok := victimTrend(in.main.Kill)
	if !ok || share(tr.most-tr.least, room, 5) {
		return nil
	}
	for _, g := range in.growers() {
		if g.PID == t.PID && share(g.GrewBytes, room, 5) {
			return nil
		}
	}
	c := timeline.Medium
	if in.found["growth-elsewhere"] {
		c = timeline.High
	}
	d := in.about("bystanders", c, "Neither the victim nor who asked for memory is to blame")
	d.say("%s was killed when %s asked for memory. Neither had grown: what used the memory is told by %s.", victimName(v), who(t.PID, t.Comm), strings.Join(causes, ", "))
	d.cite(in.at(), "%s changed by %s in the %s before.", victimName(v), size(tr.most-tr.least), lasting(tr.spanMS))
	d.cite(in.at(), "%s is not among those that grew.", who(t.PID, t.Comm))
	d.RefutedBy = "Growth of either of them that began before the time that was sampled."
	d.do("Leave the limits and the protection of these two as they are, and look at the cause.", "To protect the victim would have another one killed.", "whoever responds", shell{})
	return d
}
