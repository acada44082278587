// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// addGrowth says in a phrase what grew before a kill: the victim, or who grew more.
func addGrowth(c *cell, k *event.Kill) {
	l := k.LeadUp
	if l == nil {
		return
	}
	victim := victimGrew(k)
	if victim.bytes > 0 {
		c.add("grew " + victim.String())
	}
	if k.Scope == event.ScopeMemcg && l.GrowersOf != event.GrowersOfLimit {
		return // what grew elsewhere is not what reached this limit
	}
	for i := range l.Growers {
		g := &l.Growers[i]
		if g.PID != k.Victim.PID && g.GrewBytes > victim.bytes {
			name := grower(g)
			*c = append(*c, part{text: name + " grew " + grew{g.GrewBytes, g.OverMS}.String(), keep: name})
			return
		}
	}
}

// grew is by how much something grew in what time.
type grew struct {
	bytes uint64
	ms    int64
}

// String is "1.2 GiB in 4 min".
func (g grew) String() string { return size(g.bytes) + " in " + roughly(g.ms) }

// leastGrown is what a table calls growth.
const leastGrown = 1 << 20

// victimGrew is by how much the victim had grown when it was killed, since it was
// smallest.
func victimGrew(k *event.Kill) grew {
	rss, ok := k.Victim.RSSBytes()
	if !ok {
		return grew{}
	}
	var most grew
	for _, p := range k.LeadUp.VictimRSS {
		if g := rss - min(rss, p.RSSBytes); g >= leastGrown && g > most.bytes {
			most = grew{g, p.BeforeMS}
		}
	}
	return most
}

func grower(g *event.Grower) string { return who(g.PID, g.Comm, g.CommHex) }

// roughly is a time in two digits: "0.8 s", "40 s", "4 min".
func roughly(ms int64) string {
	switch {
	case ms < 10_000:
		return strconv.FormatFloat(float64(ms)/1000, 'f', 1, 64) + " s"
	case ms < 99_500:
		return strconv.FormatInt((ms+500)/1000, 10) + " s"
	}
	return strconv.FormatInt((ms+30_000)/60_000, 10) + " min"
}

// addLeadUp adds all that is told of the time before a kill.
func addLeadUp(c *cell, l *event.LeadUp) {
	if l == nil {
		return
	}
	if l.State == event.LeadUpNotSampled {
		c.add("lead-up not sampled")
		return
	}
	if l.Samples > 0 && l.SpanMS != nil {
		s := "lead-up of " + plural(uint64(l.Samples), "sample") + " in " + roughly(*l.SpanMS)
		if l.BeforeMS != nil {
			s += ", the last " + roughly(*l.BeforeMS) + " before"
		}
		c.add(s)
	}
	if len(l.VictimRSS) > 0 {
		var points []string
		for _, p := range l.VictimRSS {
			points = append(points, size(p.RSSBytes)+" "+roughly(p.BeforeMS)+" before")
		}
		c.add("its rss " + strings.Join(points, ", "))
	}
	of := ""
	if l.GrowersOf == event.GrowersOfLimit {
		of = " below the limit"
	}
	addGrowers(c, "grew"+of, l.Growers, l.CgroupGrowers)
	addPressure(c, l.Pressure)
	addReclaim(c, l.Reclaim)
	if m := l.MemoryChange; m != nil {
		for _, v := range []struct {
			label string
			bytes *int64
		}{{"available", m.AvailableBytes}, {"shmem", m.ShmemBytes}, {"slab", m.SlabBytes}, {"free swap", m.SwapFreeBytes}} {
			if v.bytes != nil && magnitude(*v.bytes) >= leastGrown {
				sign := "+"
				if *v.bytes < 0 {
					sign = "-"
				}
				c.add("machine's " + v.label + " " + sign + size(magnitude(*v.bytes)))
			}
		}
	}
}

func addGrowers(c *cell, label string, tasks []event.Grower, cgroups []event.CgroupGrower) {
	var said []string
	for i := range tasks {
		g := &tasks[i]
		s := grower(g) + " " + grew{g.GrewBytes, g.OverMS}.String()
		if g.Began {
			s += " (began)"
		}
		said = append(said, s)
	}
	for i := range cgroups {
		g := &cgroups[i]
		said = append(said, cgroupPath(&g.Cgroup)+" "+grew{g.GrewBytes, g.OverMS}.String())
	}
	for i, s := range said {
		if i == 0 {
			s = label + ": " + s
		}
		c.add(s)
	}
}

func addPressure(c *cell, p *event.Pressure) {
	if p == nil {
		return
	}
	var said []string
	for _, v := range []struct {
		label   string
		percent *float64
	}{{"some", p.SomeAvg10Percent}, {"full", p.FullAvg10Percent}} {
		if v.percent != nil {
			said = append(said, v.label+" "+strconv.FormatFloat(*v.percent, 'f', 1, 64)+" %")
		}
	}
	c.add(labelled("memory pressure", strings.Join(said, ", ")))
}

func addReclaim(c *cell, r *event.Reclaim) {
	if r == nil {
		return
	}
	for _, v := range []struct {
		noun, rest string
		n          *uint64
	}{
		{"direct reclaim", "", r.AllocStalls}, {"page", " scanned by them", r.DirectScanPages}, {"page", " swapped in", r.SwapInPages},
		{"page", " swapped out", r.SwapOutPages}, {"refault", "", r.RefaultPages}, {"direct compaction", "", r.CompactStalls},
	} {
		if v.n != nil && *v.n > 0 {
			c.add(plural(*v.n, v.noun) + v.rest)
		}
	}
}

// sampleRow shows a sample, in wide only.
func sampleRow(e *event.Event) row {
	s := e.Sample
	r := row{event: part{text: "INFO"}, process: "oomtrace"}
	c := &r.what
	reason := "sample"
	if s.Reason == event.SamplePressure {
		reason = "sample, as memory stalls"
	}
	*c = append(*c, part{text: reason, style: bold})
	addMemory(c, s.Memory)
	addPressure(c, s.Pressure)
	addReclaim(c, s.Reclaim)
	addGrowers(c, "growing", s.Growers, s.CgroupGrowers)
	return r
}
