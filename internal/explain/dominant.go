// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// dominant: the victim alone had most of the machine's memory.
func dominant(in *shortage) *draft {
	ram, ok := in.global()
	has, known := in.victimMemory()
	if !ok || !known || in.caused() || !share(has, ram, partMost) {
		return nil
	}
	v := &in.main.Victim
	d := in.about("victim-dominates", timeline.Medium, "The victim alone had most of the machine's memory")
	d.say("%s had %s, %s of RAM: no other choice would have freed as much. Whether it had grown, or is meant to be so large on a machine that is too small for it, the evidence does not tell.", victimName(v), size(has), percent(has, ram))
	in.citeLargest(d, ram)
	in.citeMachine(d, ram)
	d.RefutedBy = "The same size on days when nothing was killed: then another has grown since, by what was free before."
	in.care(d, v)
	in.bound(d, v, has)
	if len(d.Actions) == 0 {
		d.do("Find out how large it is meant to be, and give it a limit above that.", "A limit of its own keeps its next shortage from being the machine's.", "whoever runs it", shell{})
	}
	return d
}

const crowdLeast = 5 // processes of one name from which they are a crowd

// crowd: many processes of one name have most of the memory together.
func crowd(in *shortage) *draft {
	room, ok := in.room()
	if !ok || in.caused() || in.found["victim-dominates"] {
		return nil
	}
	type group struct {
		n         int
		has, most uint64
	}
	groups := map[string]group{}
	var name string
	for i := range in.main.Candidates {
		c := &in.main.Candidates[i]
		n, ok := in.memoryOf(c)
		if !ok || c.Comm == nil {
			continue
		}
		// What is shared would be counted once for each.
		if c.ShmemRSSBytes != nil {
			n -= min(n, *c.ShmemRSSBytes)
		}
		g := groups[*c.Comm]
		g.n, g.has, g.most = g.n+1, g.has+n, max(g.most, n)
		groups[*c.Comm] = g
		if best := groups[name]; name == "" || g.has > best.has || g.has == best.has && *c.Comm < name {
			name = *c.Comm
		}
	}
	g := groups[name]
	if g.n < crowdLeast || !share(g.has, room, partMost) {
		return nil
	}
	d := in.about("crowd", timeline.Medium, "Processes of one name have most of the memory together")
	d.say("%d processes called %s had %s together, the largest %s: %s of %s. None is to blame alone; there are too many, or each is too large.", g.n, name, size(g.has), size(g.most), percent(g.has, room), in.place())
	d.cite(in.at(), "%d listed processes called %s: %s without shared memory.", g.n, name, size(g.has))
	if n := in.main.CandidatesSeen; n != nil {
		d.cite(in.at(), "%s processes could have been chosen; the list has %d of them.", count(*n), len(in.main.Candidates))
	}
	d.RefutedBy = "As many of them, as large, at times when nothing is killed. Pages that a fork left shared are counted once for each: the sum of Pss in /proc/PID/smaps_rollup tells the truth."
	v := &event.Victim{Comm: &name}
	d.do("Make (how many) · (how large one becomes) fit what there is: a bound on workers, and on what one may take.", "A pool that starts as many as there are requests grows with the load.", "whoever runs the program", look("how many there are now, and how large", "ps -eo comm,rss --no-headers | awk '{n[$1]++; s[$1]+=$2} END{for (c in n) print s[c], n[c], c}' | sort -n | tail"))
	in.care(d, v)
	return d
}
