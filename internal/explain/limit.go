// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

const (
	steadyFor   = 60_000  // ms that what is called steady was watched
	steadySure  = 300_000 // ms from which it is sure
	startupFor  = 120_000 // ms of age until which a process is starting
	mostlyAnon  = 60      // percent of a limit that only swap or a kill gives back
	notGrown    = 10      // percent of the limit, below which it counts as steady
	othersGrown = 10
)

// limitTooSmall: what runs there needs about what the limit is, and does not grow.
func limitTooSmall(in *shortage) *draft {
	limit, ok := in.memcg()
	anon, has := in.anon()
	if !ok || !has || !share(anon, limit, mostlyAnon) || in.caused() {
		return nil
	}
	if d := in.steady(limit, anon); d != nil {
		return d
	}
	return in.neverStarts(limit, anon)
}

// caused says that another rule has found what filled the memory.
func (in *shortage) caused() bool {
	for _, id := range []string{
		"limit-lowered", "shmem", "slab", "page-tables", "kernel-stacks", "mlocked", "fork-bomb", "growth-victim", "growth-elsewhere",
		"fragmentation", "zone-exhausted", "nodes-exhausted", "hugepages", "jvm-heap-over-limit", "jvm-off-heap", "limit-too-small", "unaccounted",
	} {
		if in.found[id] {
			return true
		}
	}
	return false
}

func (in *shortage) steady(limit, anon uint64) *draft {
	t, ok := victimTrend(in.main.Kill)
	if !ok || t.spanMS < steadyFor || share(t.most-t.least, limit, notGrown) {
		return nil
	}
	var others uint64
	for _, g := range in.growers() {
		if g.PID != in.main.Victim.PID { // of one that began, all that it has is growth
			others += g.GrewBytes
		}
	}
	if share(others, limit, othersGrown) {
		return nil
	}
	c := timeline.Medium
	if t.spanMS >= steadySure && t.points >= 5 && in.hits >= 2 {
		c = timeline.High
	}
	d := in.about("limit-too-small", c, "The limit is too small for what steadily runs there")
	d.say("In the %s before the kill %s stayed between %s and %s, and nothing else below the limit of %s grew, which was nearly full all the time: a small peak was enough. It does not look like a leak.",
		lasting(t.spanMS), victimName(&in.main.Victim), size(t.least), size(t.most), size(limit))
	d.cite(in.at(), "%d readings in %s: %s to %s, a change of %s of the limit.", t.points, lasting(t.spanMS), size(t.least), size(t.most), percent(t.most-t.least, limit))
	d.cite(in.at(), "Anonymous memory, which only swap or a kill gives back: %s, %s of the limit.", size(anon), percent(anon, limit))
	if in.hits > 1 && in.last() {
		d.cite(in.everyKill(), "The limit was hit %d times.", in.hits)
	}
	d.RefutedBy = "Memory that grows over a longer time than was sampled: a leak of some MiB an hour looks steady for ten minutes. Compare with the same process's size a day before."
	in.raiseByStep(d, "What runs there needs it.")
	in.headroom(d)
	return d
}

// headroom says what else helps who stays below a limit.
func (in *shortage) headroom(d *draft) {
	d.do("Or make what runs there smaller: fewer workers, smaller caches and pools. Try it where a kill does no harm, with the production's load: not in production.",
		"A limit that is raised without need takes the memory from others.", "whoever runs the program", shell{})
	in.care(d, &in.main.Victim)
}

// everyKill are the entries of the limit's kills.
func (in *shortage) everyKill() []int {
	var all []int
	for _, h := range in.history {
		all = append(all, h.indices()...)
	}
	return all
}

// neverStarts: each process is killed soon after its start.
func (in *shortage) neverStarts(limit, anon uint64) *draft {
	var young []int
	var oldest int64
	for _, k := range in.kills {
		if k.Role != event.RoleChosen && k.Role != "" {
			continue
		}
		age, ok := ageMS(k)
		if !ok || age > startupFor {
			return nil
		}
		oldest = max(oldest, age)
		young = append(young, k.at)
	}
	if len(young) < 2 || in.episodes() < 2 {
		return nil
	}
	d := in.about("limit-too-small", timeline.Medium, "The limit is too small to start in")
	d.say("%s killed in one crash loop, each within %s of its start, at a limit of %s: it does not come to its working set.", countProcesses(len(young)), lasting(oldest), size(limit))
	d.cite(young, "Killed %s after the start at the latest.", lasting(oldest))
	d.cite(in.at(), "Anonymous memory at the kill: %s, %s of the limit.", size(anon), percent(anon, limit))
	d.RefutedBy = "With a larger limit it is killed as soon: then it grows without bound from its start on (a work queue, a request that is replayed), and no limit will do."
	in.raiseByStep(d, "It cannot start in what it has.")
	in.headroom(d)
	return d
}

func countProcesses(n int) string {
	if n == 1 {
		return "1 process was"
	}
	return count(n) + " processes were"
}

// limitReached is said where a limit was hit and nothing tells why: a question.
func limitReached(in *shortage) *draft {
	limit, ok := in.memcg()
	if !ok || in.caused() || in.found["crowd"] {
		return nil
	}
	d := in.about("limit-reached", timeline.Low, "A limit was hit; whether it is too small or something grows is not known")
	d.say("%s was killed at the limit of %s. That is where both a leak and a limit that is too small end, and at the same size.", victimName(&in.main.Victim), size(limit))
	switch l := in.main.LeadUp; {
	case l == nil:
		d.and("What led up to it is not in the evidence.")
	case l.State == event.LeadUpNotSampled:
		d.and("Nothing was sampled in the ten minutes before.")
	default:
		d.and("The samples before it are too few, or do not show who grew.")
	}
	d.cite(in.indices(), "%s at the limit of %s.", plural(len(in.kills), "kill"), size(limit))
	if anon, ok := in.anon(); ok {
		d.cite(in.at(), "Anonymous memory %s, %s of the limit.", size(anon), percent(anon, limit))
		in.citeRest(d, anon, limit)
	}
	d.RefutedBy = "Samples from before the kill: they tell one from the other."
	d.ask("Does it grow for as long as it runs, or is it steady just below the limit?", in.watchLimit())
	return d
}

// citeRest tells what else there was, where it was more than anonymous memory.
func (in *shortage) citeRest(d *draft, anon, limit uint64) {
	s := in.stat()
	if s == nil || share(anon, limit, mostlyAnon) {
		return
	}
	for _, part := range []struct {
		name  string
		bytes *uint64
	}{{"Page cache and tmpfs", s.FileBytes}, {"Dirty pages", s.FileDirtyBytes}, {"Pages being written", s.FileWritebackBytes}, {"Kernel memory", s.KernelBytes}, {"Socket buffers", s.SockBytes}} {
		if part.bytes != nil && share(*part.bytes, limit, 5) {
			d.cite(in.at(), "%s %s, %s of the limit.", part.name, size(*part.bytes), percent(*part.bytes, limit))
		}
	}
	if s.AgeMS != nil && *s.AgeMS > 0 {
		d.cite(in.at(), "This was read %d ms after the kill, when the victim may have given back some.", *s.AgeMS)
	}
}

// watchLimit is the command that shows what grows below the limit until the next kill.
func (in *shortage) watchLimit() shell {
	const note = "samples every ten seconds; the lead-up of the next kill tells who grew, and how"
	v := &in.main.Victim
	if named(v.Pod) {
		return look(note, "oomtrace watch --sample 10s --namespace %s --pod %s", v.Pod.Namespace, v.Pod.Name)
	}
	if c := limitCgroup(in.main.Kill); c != nil && c.Path != "" && c.PathHex == "" && !c.Truncated {
		if s := look(note, "oomtrace watch --sample 10s --cgroup %s", c.Path); s.refused == 0 {
			return s
		}
	}
	return look(note, "oomtrace watch --sample 10s")
}
