// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"

	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// What growth must be of what ran out, in percent, to be its cause.
const (
	grewSome = 10
	grewMuch = 25
)

// growthVictim: who was killed had grown, and more than any other.
func growthVictim(in *shortage) *draft {
	room, ok := in.room()
	t, has := victimTrend(in.main.Kill)
	if !ok || !has || !share(t.grew(), room, grewSome) {
		return nil
	}
	v := &in.main.Victim
	for _, g := range in.growers() {
		if g.PID != v.PID && g.GrewBytes > in.victimGrew(&g, t.grew()) {
			return nil
		}
	}
	c := timeline.Medium
	if share(t.grew(), room, grewMuch) && t.points >= 4 && t.falls == 0 && t.spanMS >= steadyFor && len(in.growers()) > 0 {
		c = timeline.High
	}
	d := in.about("growth-victim", c, "The victim itself grew until memory ran out")
	d.say("%s grew by %s in the %s before, to %s: %s of %s. It was the right one to kill.", victimName(v), size(t.grew()), lasting(t.spanMS), size(t.to), percent(t.to, room), in.place())
	d.cite(in.at(), "%s at the first of %d readings, %s before the kill; %s at the kill: %s a minute.", size(t.from), t.points, lasting(t.spanMS), size(t.to), size(uint64(t.rate()*60)))
	if gs := in.growers(); len(gs) > 1 {
		second := gs[0]
		if second.PID == v.PID {
			second = gs[1]
		}
		d.cite(in.at(), "The one that grew most beside it, %s, grew by %s.", who(second.PID, second.Comm), size(second.GrewBytes))
	}
	if age, ok := ageMS(in.main); ok {
		if age <= t.spanMS+startupFor {
			d.Confidence = timeline.Medium
			d.cite(in.at(), "It had been started %s before: it may have been growing to its usual size, so this need not be a leak.", lasting(age))
		} else {
			d.cite(in.at(), "It had been running for %s.", lasting(age))
		}
	}
	d.RefutedBy = "Growth that ends: with more room the same process levels off, and stays so. Then the limit was too small for its load, and this no leak. Growth with the load (sessions, requests) is no leak either."
	in.care(d, v)
	if limit, ok := in.memcg(); ok {
		if r := t.rate(); r > 0 {
			more := step(limit) - limit
			in.raiseByStep(d, fmt.Sprintf("It buys time, and no more: at %s a minute the step lasts for %s.", size(uint64(r*60)), lasting(int64(float64(more)/r*1000))))
		}
	} else {
		in.bound(d, v, t.to)
	}
	return d
}

// bound advises a limit for what grew on a machine that ran out: so the next shortage is
// its own.
func (in *shortage) bound(d *draft, v *event.Victim, usage uint64) {
	const why = "What has no limit of its own runs until the machine has nothing left, and the kernel then chooses among all. A limit keeps the next shortage where it comes from: a limit below what it needs kills it."
	need := "above what it is known to need: how much that is, its usage over some days tells, and the size at the kill (" + size(usage) + ") does not."
	o := ownerOf(&event.Limit{Cgroup: v.Cgroup}, v)
	switch {
	case v.Pod != nil:
		d.do("Give the container a memory limit in its manifest, and a request that is what it needs.", why, "the spec of pod "+podName(v.Pod), shell{})
	case v.Container != nil:
		d.do("Give the container a limit (--memory, mem_limit of a compose file) where it is started from, "+need, why, containerName(v.Container), shell{})
	case o.kind == ownerUserUnit:
		d.do("Give the unit a limit (MemoryMax=), "+need, why, o.label, look("the limits that are set, and what it uses", o.systemctl()+" show -p MemoryMax -p MemoryHigh -p MemoryCurrent %s", o.unit))
	case v.Unit != "" && v.Unit != "init.scope" && (v.Cgroup == nil || hostUnit(v.Cgroup.Path) == v.Unit):
		var s shell
		s.look("the limits that are set, and what it uses", "systemctl show -p MemoryMax -p MemoryHigh -p MemoryCurrent -p MemoryPeak %s", v.Unit)
		d.do("Give the unit a limit (MemoryMax=), "+need, why, "systemd, unit "+v.Unit, s)
	}
}

// containerName names a container in words.
func containerName(c *event.Container) string {
	return or(c.Runtime, "the container runtime") + ", container " + or(c.Name, short(c.ID))
}

// growthElsewhere: another grew, and was not killed for it.
func growthElsewhere(in *shortage) *draft {
	room, ok := in.room()
	if !ok || in.main.LeadUp == nil {
		return nil
	}
	v := &in.main.Victim
	var victim uint64
	if t, ok := victimTrend(in.main.Kill); ok {
		victim = t.grew()
	} else if in.main.LeadUp.State != event.LeadUpOK {
		return nil
	}
	var g *event.Grower
	for i := range in.growers() {
		x := &in.growers()[i]
		if x.PID != v.PID && !in.killedBefore(x.PID) { // the memory of who was had not come back
			g = x
			break
		}
	}
	if g == nil || !share(g.GrewBytes, room, grewSome) || g.GrewBytes < 2*in.victimGrew(g, victim) {
		return nil
	}
	victim = in.victimGrew(g, victim)
	c := in.candidate(g.PID)
	conf := timeline.Medium
	if c != nil && !g.Began && share(g.GrewBytes, room, grewMuch) {
		conf = timeline.High
	}
	name := who(g.PID, g.Comm)
	d := in.about("growth-elsewhere", conf, "Another process grew than the one that was killed")
	d.say("%s grew by %s in %s, to %s; %s, which was killed, grew by %s. %s", name, size(g.GrewBytes), lasting(g.OverMS), size(g.RSSBytes), victimName(v), size(victim), in.whyNot(g, c))
	d.cite(in.at(), "%s: %s, of which %s in %s.", name, size(g.RSSBytes), size(g.GrewBytes), lasting(g.OverMS))
	if rss, ok := v.RSSBytes(); ok {
		d.cite(in.at(), "%s: %s, of which %s in the time that was sampled.", victimName(v), size(rss), size(victim))
	}
	if g.Began {
		d.cite(in.at(), "%s began in that time: all that it has counts as growth, also what it shares with who started it.", name)
	}
	if p := points(c); p != "" {
		d.cite(in.at(), "Points: %s %s; %s %s.", name, p, victimName(v), points(in.victimCandidate()))
	}
	d.RefutedBy = fmt.Sprintf("%s that was to grow so (a cache that fills up, a batch that is done) while the victim was larger than ever. Its size before and after the kill tells.", name)
	grower := &event.Victim{PID: g.PID, Comm: g.Comm, CommHex: g.CommHex}
	var s shell
	s.look("who it is, if it still runs", fmt.Sprintf("ps -o pid,ppid,user,lstart,rss,nlwp,args -p %d; cat /proc/%d/cgroup /proc/%d/oom_score_adj", g.PID, g.PID, g.PID))
	d.do("Look at the one that grew, not at the one that died: "+name+".", "A larger limit, or protection for the victim, would only have it kill another.", "whoever runs it", s)
	in.care(d, grower)
	if _, ok := in.memcg(); !ok {
		d.do("Give what grew a limit of its own (MemoryMax= of its unit, the limit of its container).", "Then it reaches that before the machine runs out, and is killed itself.", "the owner of its unit or pod", shell{})
	}
	return d
}

// victimGrew is what to hold another's growth against. Of one that began in the time that
// was sampled all that it has is growth: then the victim's is too, if it began then.
func (in *shortage) victimGrew(g *event.Grower, sampled uint64) uint64 {
	for _, x := range in.growers() {
		if x.PID == in.main.Victim.PID && (g.Began || !x.Began) {
			return max(sampled, x.GrewBytes)
		}
	}
	return sampled
}

// killedBefore says whether a process was killed in this incident, before the kill that
// most is known of.
func (in *shortage) killedBefore(pid int) bool {
	for _, k := range in.kills {
		if k.at == in.main.at {
			return false
		}
		if k.Victim.PID == pid {
			return true
		}
	}
	return false
}

// whyNot says why the one that grew was not chosen.
func (in *shortage) whyNot(g *event.Grower, c *event.Candidate) string {
	vc := in.victimCandidate()
	switch {
	case in.main.Choice == event.ChoiceAllocatingTask:
		return "The kernel took whoever asked for memory (vm.oom_kill_allocating_task)."
	case c == nil:
		return "Why it was not chosen is not in the evidence: it is not among the candidates that were kept, and so either had fewer points, or may not be killed (oom_score_adj -1000)."
	case c.PointsPages == nil || vc == nil || vc.PointsPages == nil:
		return "Of its points nothing is known."
	case c.OOMScoreAdj != nil && vc.OOMScoreAdj != nil && *c.OOMScoreAdj < *vc.OOMScoreAdj:
		return fmt.Sprintf("It had fewer points, and its oom_score_adj of %d against %d helped it.", *c.OOMScoreAdj, *vc.OOMScoreAdj)
	}
	_ = g
	return "The kernel chooses who is largest, not who grows: it was still the smaller one."
}

// candidate finds one by its pid.
func (in *shortage) candidate(pid int) *event.Candidate {
	for i := range in.main.Candidates {
		if c := &in.main.Candidates[i]; c.PID == pid {
			return c
		}
	}
	return nil
}

// victimCandidate is the victim as a candidate: by what the kill itself tells, where it
// is not in the list.
func (in *shortage) victimCandidate() *event.Candidate {
	v := &in.main.Victim
	if c := in.candidate(v.PID); c != nil && c.PointsPages != nil {
		return c
	}
	return &event.Candidate{PID: v.PID, Comm: v.Comm, PointsPages: v.PointsPages, OOMScoreAdj: v.OOMScoreAdj}
}

// points are in words: "3,214,002 (adj 0)".
func points(c *event.Candidate) string {
	if c == nil || c.PointsPages == nil {
		return ""
	}
	s := count(*c.PointsPages)
	if c.OOMScoreAdj != nil {
		s += fmt.Sprintf(" (adj %d)", *c.OOMScoreAdj)
	}
	return s
}

// memoryPages are the points without what the oom_score_adj gave or took.
func memoryPages(c *event.Candidate, allowed uint64) (int64, bool) {
	if c == nil || c.PointsPages == nil || c.OOMScoreAdj == nil {
		return 0, false
	}
	return *c.PointsPages - badness.AdjPages(*c.OOMScoreAdj, allowed), true
}
