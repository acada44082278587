// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// pageSize is the machine's, 0 if it is not known.
func (in *shortage) pageSize() uint64 {
	if h := in.main.event.Host; h != nil && h.PageSizeBytes > 0 {
		return uint64(h.PageSizeBytes)
	}
	return 0
}

// allowed is oc->totalpages: what the share of an oom_score_adj is of.
func (in *shortage) allowed() (uint64, bool) {
	if a := in.main.Victim.AllowedPages; a != nil {
		return *a, true
	}
	return 0, false
}

// memoryOf is what a process has that counts: resident, swapped, page tables.
func (in *shortage) memoryOf(c *event.Candidate) (uint64, bool) {
	if rss := cmp.Or(c.AnonRSSBytes, c.RSSBytes); rss != nil { // of which the log before 6.8 tells the sum alone
		n := *rss
		for _, p := range []*uint64{c.FileRSSBytes, c.ShmemRSSBytes, c.SwapBytes, c.PgtablesBytes} {
			if p != nil {
				n += *p
			}
		}
		return n, true
	}
	if a, ok := in.allowed(); ok && in.pageSize() > 0 {
		if p, ok := memoryPages(c, a); ok && p >= 0 {
			return uint64(p) * in.pageSize(), true
		}
	}
	return 0, false
}

// victimMemory is the victim's.
func (in *shortage) victimMemory() (uint64, bool) {
	v := &in.main.Victim
	return in.memoryOf(&event.Candidate{
		PID: v.PID, PointsPages: v.PointsPages, OOMScoreAdj: v.OOMScoreAdj, AnonRSSBytes: v.AnonRSSBytes, FileRSSBytes: v.FileRSSBytes,
		ShmemRSSBytes: v.ShmemRSSBytes, SwapBytes: v.SwapBytes, PgtablesBytes: v.PgtablesBytes,
	})
}

// larger is the largest candidate that is larger than the victim, and has an adj for
// which wanted holds.
func (in *shortage) larger(wanted func(adj int) bool) (hog *event.Candidate, has, victim uint64) {
	if in.main.Role != event.RoleChosen || in.main.Choice != event.ChoiceBadness && in.main.Choice != "" || in.main.Scope == event.ScopeSysrq {
		return nil, 0, 0
	}
	victim, ok := in.victimMemory()
	if !ok {
		return nil, 0, 0
	}
	for i := range in.main.Candidates {
		c := &in.main.Candidates[i]
		if n, ok := in.memoryOf(c); ok && c.PID != in.main.Victim.PID && c.OOMScoreAdj != nil && wanted(*c.OOMScoreAdj) && n > victim && n > has {
			hog, has = c, n
		}
	}
	return hog, has, victim
}

// guaranteedAdj is the oom_score_adj of Guaranteed pods (pkg/kubelet/qos/policy.go).
const guaranteedAdj = -997

// protectedHog: who had more memory than the victim was spared for its oom_score_adj.
func protectedHog(in *shortage) *draft {
	v := &in.main.Victim
	if v.OOMScoreAdj == nil {
		return nil
	}
	hog, has, victim := in.larger(func(adj int) bool { return adj < 0 && adj < *v.OOMScoreAdj })
	if room, ok := in.room(); hog == nil || !ok || !share(has, room, 5) {
		return in.immuneNow()
	}
	name, adj := who(hog.PID, hog.Comm), *hog.OOMScoreAdj
	immune := adj <= badness.MinAdj
	d := in.about("protected-hog", timeline.Medium, "The largest process was spared for its oom_score_adj")
	if immune {
		d.Confidence = timeline.High
		d.say("%s had %s, %s, which was killed, %s. At oom_score_adj -1000 it is never chosen, however large, nor are the processes that it starts: they inherit it.", name, size(has), victimName(v), size(victim))
		d.cite(in.at(), "%s: %s, oom_score_adj %d, not among those that may be killed.", name, size(has), adj)
		d.cite(in.at(), "%s: %s, oom_score_adj %d.", victimName(v), size(victim), *v.OOMScoreAdj)
	} else {
		d.say("%s had %s, %s, which was killed, %s. Its oom_score_adj of %d took away what it had more.", name, size(has), victimName(v), size(victim), adj)
		d.cite(in.at(), "%s: %s, oom_score_adj %d. %s: %s, oom_score_adj %d.", name, size(has), adj, victimName(v), size(victim), *v.OOMScoreAdj)
		in.proveAdj(d, hog)
		if adj == guaranteedAdj && in.node() {
			d.and("%d is what the kubelet gives to pods of QoS class Guaranteed and to critical ones: there it is meant so.", adj)
		}
	}
	d.RefutedBy = "A protection that is meant: this process is worth more than whatever is killed in its place, and is as large as it is to be. Then the machine is too small for both."
	in.planHog(d, hog, immune)
	return d
}

// covers says whether what ran out is that of a process in the cgroup at path, too.
func (in *shortage) covers(path string) bool {
	if in.main.Scope == event.ScopeGlobal {
		return true
	}
	c := limitCgroup(in.main.Kill)
	return c != nil && c.Path != "" && !c.Truncated && (path == c.Path || strings.HasPrefix(path, strings.TrimSuffix(c.Path, "/")+"/"))
}

// immuneNow: of immune processes the kernel tells nothing where it holds back its report,
// but the machine does.
func (in *shortage) immuneNow() *draft {
	room, ok := in.room()
	victim, has := in.victimMemory()
	if !ok || !has || in.machine == nil {
		return nil
	}
	at := slices.IndexFunc(in.machine.Immune, func(x Process) bool { return in.covers(x.Cgroup) })
	if at < 0 {
		return nil
	}
	x := in.machine.Immune[at]
	if x.RSSBytes <= victim || !share(x.RSSBytes, room, grewSome) {
		return nil
	}
	d := in.about("protected-hog", timeline.Medium, "A process that may not be killed is larger than the victim was")
	d.say("%s has %s and is immune (oom_score_adj -1000); %s was killed with %s.", who(x.PID, x.Comm), size(x.RSSBytes), victimName(&in.main.Victim), size(victim))
	d.now("%s has %s, and oom_score_adj -1000.", who(x.PID, x.Comm), size(x.RSSBytes))
	d.cite(in.at(), "%s was killed with %s.", victimName(&in.main.Victim), size(victim))
	d.RefutedBy = "That it was small at the kill, or not there yet: its start time, and samples, tell. Or a protection that is meant, of a process that is as large as it is to be."
	in.planHog(d, &event.Candidate{PID: x.PID, Comm: x.Comm, CommHex: x.CommHex}, true)
	return d
}

// proveAdj adds how much of the margin between victim and hog the oom_score_adj made.
func (in *shortage) proveAdj(d *draft, hog *event.Candidate) {
	allowed, ok := in.allowed()
	vp := in.main.Victim.PointsPages
	if !ok || vp == nil || hog.PointsPages == nil {
		return
	}
	margin := *vp - *hog.PointsPages
	diff := badness.AdjPages(*in.main.Victim.OOMScoreAdj, allowed) - badness.AdjPages(*hog.OOMScoreAdj, allowed)
	if margin <= 0 || diff <= margin {
		return
	}
	d.Confidence = timeline.High
	took := badness.AdjPages(*hog.OOMScoreAdj, allowed)
	text := fmt.Sprintf("It was %s points behind the victim (%s against %s). Its adj of %d is %s points (%d · ⌊%s/1000⌋)", count(margin), count(*hog.PointsPages), count(*vp), *hog.OOMScoreAdj, count(took), *hog.OOMScoreAdj, count(allowed))
	if adj := *in.main.Victim.OOMScoreAdj; adj != 0 {
		text += fmt.Sprintf(", the victim's of %d is %s", adj, count(badness.AdjPages(adj, allowed)))
	}
	d.cite(in.at(), "%s: the adj made %s of that margin, and with the same adj it would have been %s points ahead.", text, percent(uint64(diff), uint64(margin)), count(diff-margin))
	unit := int64(allowed / 1000)
	if unit <= 0 {
		return
	}
	mem := *hog.PointsPages - took
	if need := (*vp-mem)/unit + 1; need > int64(*hog.OOMScoreAdj) && need <= badness.MaxAdj {
		d.cite(in.at(), "From an oom_score_adj of some %d on it would have been chosen itself.", need)
	}
	if r := in.main.RunnerUp; r != nil && in.main.MarginPages != nil && r.PID == hog.PID {
		d.cite(in.at(), "It was the runner-up.")
	}
}

// planHog is what to do about a process that is large and protected.
func (in *shortage) planHog(d *draft, hog *event.Candidate, immune bool) {
	pid := itoa(hog.PID)
	in.whoProtects(d, hog)
	const owner = "the owner of its unit or pod"
	var s shell
	s.look("what it is and since when, if it still runs", "ps -o pid,user,lstart,rss,nlwp,args -p %s; cat /proc/%s/cgroup", pid, pid)
	d.do("See who protected it: OOMScoreAdjust= of its unit, a pod's QoS class or priority, or the program itself.", "", owner, s)
	if immune {
		s = shell{}
		began := "$(sed 's/.*) //' /proc/" + pid + "/stat | cut -d' ' -f20)" // starttime: field 22, behind a name that may hold anything
		s.look("keep the old value in this shell, and when the process began", `old="$(cat /proc/%s/oom_score_adj) `+began+`"`, pid)
		s.add(timeline.Reversible, "its children keep what they have", `[ "$(cat /proc/%s/comm)" = %s ] && choom -n -900 -p %s`, pid, commOf(hog), pid)
		d.do("Take the immunity from what can grow: OOMScoreAdjust= between -900 and -500 in its unit, and for the process that runs now as follows.", "At -900 it is still the last to be chosen, unless it takes nearly all there is. Immune is for what cannot grow: where only immune processes are left, a cgroup has no victim and hangs, and the machine panics.", owner, s)
		d.undo("Put the old value back.", "Only if it cannot grow, and while it is the same process: the command looks when that began. In the same shell.",
			command(timeline.Reversible, "", `[ "${old:?}" = "${old%% *} `+began+`" ] && choom -n "${old%% *}" -p %s`, pid))
	}
	d.do("Give it a limit of its own that it can live with (MemoryMax= of its unit), if it is to stay protected.", "Then its growth ends at its own limit, and costs nobody else.", owner, shell{})
	in.care(d, &event.Victim{PID: hog.PID, Comm: hog.Comm, CommHex: hog.CommHex})
}

// commOf is the name of a candidate as the kernel has it; "", which no command takes, where
// it is not known, or not told as it is.
func commOf(c *event.Candidate) string {
	if c.Comm == nil || c.CommHex != "" {
		return ""
	}
	return *c.Comm
}

// exposedVictim: the victim was chosen for the oom_score_adj that it has, as pods do.
func exposedVictim(in *shortage) *draft {
	v := &in.main.Victim
	if v.OOMScoreAdj == nil || *v.OOMScoreAdj <= 0 || in.main.Scope == event.ScopeMemcg || in.found["protected-hog"] {
		return nil
	}
	hog, has, victim := in.larger(func(adj int) bool { return adj >= 0 && adj < *v.OOMScoreAdj })
	if room, ok := in.room(); hog == nil || !ok || !share(has, room, 5) {
		return nil
	}
	d := in.about("exposed-victim", timeline.Medium, "The victim was chosen for its oom_score_adj, not for its size")
	d.say("%s was killed with %s, for its oom_score_adj of %d; %s, at %d, had %s.", victimName(v), size(victim), *v.OOMScoreAdj, who(hog.PID, hog.Comm), *hog.OOMScoreAdj, size(has))
	d.cite(in.at(), "%s: %s, oom_score_adj %d. %s: %s, oom_score_adj %d.", victimName(v), size(victim), *v.OOMScoreAdj, who(hog.PID, hog.Comm), size(has), *hog.OOMScoreAdj)
	in.proveAdj(d, hog)
	d.RefutedBy = "It is meant so: for a pod the kubelet computes the value from its QoS class and its request, so that who uses more than it asked for goes first."
	if v.Pod != nil {
		d.do("If it is not to go first: request what it needs. BestEffort has 1000; Burstable 1000 less a thousand times its request's part of the node's memory, between 3 and 999; Guaranteed -997.", "The request decides where it is scheduled, too: it is then sure to have that memory.", "the spec of pod "+podName(v.Pod), shell{})
		return d
	}
	d.do("If it is not to go first: lower OOMScoreAdjust= in its unit, to 0.", "Who has it from its unit, its session or a browser that marks its own tabs was meant to go first.", "the owner of "+or(v.Unit, "the process"), shell{})
	return d
}

// whoProtects tells what the unit of a process says of its oom_score_adj.
func (in *shortage) whoProtects(d *draft, hog *event.Candidate) {
	if in.machine == nil {
		return
	}
	for _, x := range in.machine.Immune {
		if x.PID != hog.PID {
			continue
		}
		if u := in.unitNow(x.Unit); u != nil && u.OOMScoreAdjust != "" {
			d.now("the files of %s have OOMScoreAdjust=%s.", u.Name, u.OOMScoreAdjust)
		} else if x.Unit != "" {
			d.now("%s belongs to %s.", who(x.PID, x.Comm), x.Unit)
		}
	}
}
