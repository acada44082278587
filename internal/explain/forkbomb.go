// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"math"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

const (
	manyCandidates = 200  // processes from which there are many
	bombKills      = 5    // or so many kills of one name
	bornBefore     = 60e9 // ns in which a fork bomb's processes began
	smallPart      = 2    // percent of what ran out that one of them has at the most
	mostOf         = 80   // percent of the listed candidates that are of one name
	fewListed      = 5    // candidates below which a list tells nothing
)

// forkBomb: many small processes of one name, just begun.
func forkBomb(in *shortage) *draft {
	room, ok := in.room()
	if !ok {
		return nil
	}
	seen := in.main.CandidatesSeen
	many := seen != nil && *seen >= manyCandidates
	if many { // so many cannot have more each: what they show is what they share
		room = math.MaxUint64
	}
	comm, same, listed, born, bornKnown := in.siblings(room)
	if comm == "" {
		return nil
	}
	kills := 0
	for _, k := range in.kills {
		if k.Victim.Comm != nil && *k.Victim.Comm == comm {
			kills++
		}
	}
	if !many && kills < bombKills {
		return nil
	}
	// A pool of workers is many small processes of one name as well, but not all of them
	// have just begun.
	if bornKnown > 0 && born*100 < mostOf*bornKnown {
		return nil
	}
	c := timeline.Medium
	if many && bornKnown >= fewListed {
		c = timeline.High
	}
	if !many && bornKnown == 0 {
		return nil // a pool that loses its workers one after another looks the same
	}
	d := in.about("fork-bomb", c, "Processes of one name multiply")
	d.say("Of the %d candidates that are listed %d are called %s, each small", listed, same, comm)
	if bornKnown > 0 {
		d.Summary += fmt.Sprintf(", and %d of %d began in the minute before", born, bornKnown)
	}
	d.Summary += ". To kill one does not help: the next has begun already."
	if seen != nil {
		d.cite(in.at(), "%s processes could have been chosen.", count(*seen))
	}
	if many {
		d.cite(in.at(), "%d of %d listed are %s.", same, listed, comm)
	} else {
		d.cite(in.at(), "%d of %d listed are %s, none with more than %d %% of %s.", same, listed, comm, smallPart, in.place())
	}
	if kills > 1 {
		d.cite(in.indices(), "%d processes of this name were killed in %s.", kills, plural(in.episodes(), "invocation"))
	}
	d.RefutedBy = "As many processes of this name at times when nothing is killed: then it is a pool of workers that is too large, and each is to be smaller or fewer."
	var s shell
	s.look("the parents of most processes: pid, and how many", "ps -eo ppid= | sort -n | uniq -c | sort -n | tail -5")
	d.do("Find the parent, and stop it first: what it starts comes back as long as it is there.", "", "whoever runs it", s)
	in.boundTasks(d)
	return d
}

// siblings is the name that most listed candidates have, if they are small, and how many
// of them, and of those with a known start, had just begun.
func (in *shortage) siblings(room uint64) (comm string, same, listed, born, bornKnown int) {
	by := map[string]int{}
	for _, c := range in.main.Candidates {
		if c.Comm != nil {
			by[*c.Comm]++
		}
	}
	for name, n := range by {
		if n > same || n == same && name < comm {
			comm, same = name, n
		}
	}
	listed = len(in.main.Candidates)
	if listed < fewListed || same*100 < mostOf*listed {
		return "", 0, 0, 0, 0
	}
	for _, c := range in.main.Candidates {
		if c.Comm == nil || *c.Comm != comm {
			continue
		}
		if c.AnonRSSBytes != nil && share(*c.AnonRSSBytes, room, smallPart) {
			return "", 0, 0, 0, 0
		}
		if at := in.main.event.BoottimeNS; at != nil && c.StartBoottimeNS != nil {
			bornKnown++
			if *at < *c.StartBoottimeNS+bornBefore {
				born++
			}
		}
	}
	return comm, same, listed, born, bornKnown
}

// boundTasks advises a bound of tasks for who has too many.
func (in *shortage) boundTasks(d *draft) {
	v := &in.main.Victim
	const why = "fork() then fails for it with EAGAIN, and nobody else is hurt. Too low a bound breaks it under load: take some times what it has at its busiest."
	switch {
	case v.Pod != nil:
		d.do("Bound the pids of pods: podPidsLimit in the kubelet's configuration.", why, "the kubelet", shell{})
	case v.Container != nil:
		var s shell
		if cli := containerCLI(v.Container, pathOf(v.Cgroup)); cli != "" && hexID.MatchString(v.Container.ID) {
			s.look("how many it has now", cli+" stats --no-stream %s", v.Container.ID)
		}
		d.do("Bound the container's pids (--pids-limit, where it is started from).", why, containerName(v.Container), s)
	case v.Unit != "" && v.Unit != "init.scope" && (v.Cgroup == nil || hostUnit(v.Cgroup.Path) == v.Unit):
		var s shell
		s.look("how many it has, and may have", "systemctl show -p TasksCurrent -p TasksMax %s", v.Unit)
		if u := in.unitNow(v.Unit); u != nil && u.TasksMax != "" {
			d.now("the files of %s have TasksMax=%s.", u.Name, u.TasksMax)
		}
		d.do("Bound the unit's tasks: TasksMax=.", why, "systemd, unit "+v.Unit, s)
	}
}
