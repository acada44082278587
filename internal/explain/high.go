// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// memoryHigh: it was throttled before it was killed, as memory.high is below what it
// needs.
func memoryHigh(in *shortage) *draft {
	limit, ok := in.memcg()
	l := in.main.Limit
	if !ok || l.HighBytes == nil || *l.HighBytes >= limit || l.Events == nil || l.Events.High == nil || *l.Events.High < 100 {
		return nil
	}
	anon, has := in.anon()
	if !has || anon < *l.HighBytes {
		return nil
	}
	d := in.about("memory-high", timeline.High, "memory.high is below the working set: it was throttled before the kill")
	d.say("Above memory.high (%s) the kernel makes each task that asks for memory reclaim and wait. %s of anonymous memory cannot be reclaimed but by swap: it ran slowly, until it reached the limit of %s all the same.", size(*l.HighBytes), size(anon), size(limit))
	d.cite(in.at(), "Throttled %s times since the cgroup was made; anonymous memory %s, memory.high %s.", count(*l.Events.High), size(anon), size(*l.HighBytes))
	d.RefutedBy = "memory.events whose high did not rise in the time before the kill: the throttling was another time's."
	o := ownerOf(l, &in.main.Victim)
	to := *l.HighBytes + step(limit) - limit
	switch o.kind {
	case ownerUnit, ownerUserUnit:
		var s shell
		s.setProperty(o, fmt.Sprintf("MemoryHigh=%d", to))
		d.do(fmt.Sprintf("When the limit is raised, raise MemoryHigh= with it: from %s to %s, which keeps the distance.", size(*l.HighBytes), size(to)), "memory.high is to be above the working set and below the limit: a brake for peaks, not for every day.", o.label, s)
		d.undo("Put the old value back.", "Only while what is used is below "+size(*l.HighBytes)+", or it is throttled at once. The command looks first.", o.lower("MemoryHigh", *l.HighBytes))
	default:
		d.do("When the limit is raised, have memory.high raised with it, so that it stays above the working set.", "Below that it is no brake for peaks but one for every day.", o.label, shell{})
	}
	return d
}
