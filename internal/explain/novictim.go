// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// noVictim are shortages in which nobody could be killed: a cgroup at its limit that holds
// immune processes only hangs.
func noVictim(doc *timeline.Document) []*draft {
	var out []*draft
	by := map[string]*draft{}
	for i := range doc.Entries {
		e := doc.Entries[i].Event
		if e == nil || e.NoKill == nil || e.NoKill.Reason != event.NoKillNoCandidate {
			continue
		}
		n := e.NoKill
		key, name := "", "a cgroup"
		if n.Limit != nil && n.Limit.Cgroup != nil {
			key = n.Limit.Cgroup.Path
			name = "the cgroup " + key
		}
		if key != "" && dying(doc, i, key) {
			continue
		}
		if d := by[key]; d != nil {
			d.About = append(d.About, i)
			d.Evidence[0].Entries = d.About
			continue
		}
		d := &draft{Finding: timeline.Finding{ID: "no-victim", Confidence: timeline.High, Title: "A cgroup is at its limit, and nobody in it may be killed", About: []int{i}}}
		by[key] = d
		out = append(out, d)
		d.say("The kernel found no process in %s that it may kill. Who asks for memory there fails or tries again, for ever: the kernel says so in the log, and nothing ends it.", name)
		d.cite(d.About, "Nobody could be chosen.")
		d.RefutedBy = "A process there with an oom_score_adj above -1000."
		v := &event.Victim{}
		if n.Trigger != nil {
			v.Cgroup, v.Container, v.Pod, v.Unit = n.Trigger.Cgroup, n.Trigger.Container, n.Trigger.Pod, n.Trigger.Unit
			d.cite([]int{i}, "%s asked for memory.", who(n.Trigger.PID, n.Trigger.Comm))
		}
		d.do("Take the immunity from what can grow: OOMScoreAdjust= between -900 and -500 in its unit; of a pod its QoS class decides. A child has what its parent had.", "Then there is a victim, and the cgroup goes on.", "the owners of the units",
			look("who is immune now", "grep -lx -e -1000 /proc/[0-9]*/oom_score_adj 2>/dev/null"))
		if n.Limit != nil && n.Limit.Bytes != nil && n.Scope == event.ScopeMemcg {
			d.raise(ownerOf(n.Limit, v), *n.Limit.Bytes, step(*n.Limit.Bytes), n.Limit.Kind, "So that it gets on at once. It is a step, a quarter more; how much it needs the evidence does not tell.")
		}
	}
	return out
}

// dyingFor is how long, in ns, a victim may be on its way out before there is nobody else.
const dyingFor = 2e9

// dying says whether somebody was killed at that limit a moment before an entry: who asks
// until the memory is back finds nobody else.
func dying(doc *timeline.Document, at int, limit string) bool {
	e := doc.Entries[at]
	for i := at - 1; i >= 0; i-- {
		k := doc.Entries[i]
		if k.Boot != e.Boot {
			return false
		}
		if k.Event == nil || k.Kill == nil {
			continue
		}
		if c := limitCgroup(k.Kill); c == nil || c.Path != limit {
			continue
		}
		return k.BoottimeNS != nil && e.BoottimeNS != nil && *e.BoottimeNS-min(*k.BoottimeNS, *e.BoottimeNS) < dyingFor ||
			k.PrintkNS != nil && e.PrintkNS != nil && *e.PrintkNS-min(*k.PrintkNS, *e.PrintkNS) < dyingFor
	}
	return false
}
