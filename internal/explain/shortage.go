// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"time"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/incident"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// kill is one of an incident, and its place in the document.
type kill struct {
	*event.Kill
	at    int // index in Document.Entries
	event *event.Event
}

// ending is what became of a victim.
type ending struct {
	*event.End
	at int
}

// shortage is an incident: the kills of one limit, not long after one another, and what
// is known beside them.
type shortage struct {
	doc     *timeline.Document
	machine *Machine // nil: another machine's timeline, or nothing is known
	boot    int
	kills   []kill // at least one, in order
	ends    []ending
	main    kill            // the one that most is known of
	before  *reading        // what a sample tells of the machine's memory just before it
	found   map[string]bool // rules that have spoken of it, and not only asked
	asked   bool
	// history are the shortages of the same limit, in order, this one included.
	history []*shortage
	hits    int // episodes of all of them
	key     string
}

// shortages groups the kills of a document, boot by boot.
func shortages(d *timeline.Document, m *Machine) []*shortage {
	var list []*shortage
	byID := map[string]*shortage{}
	groupers := map[int]*incident.Grouper{}
	histories := map[string][]*shortage{}
	wall := wallBoots(d)
	late, reads := lateOf(d), readingsOf(d)
	for i := range d.Entries {
		e := d.Entries[i].Event
		if e == nil || e.Kill == nil {
			continue
		}
		boot := d.Entries[i].Boot
		g := groupers[boot]
		if g == nil {
			g = incident.New(0)
			groupers[boot] = g
		}
		key := limitKey(e.Kill)
		if wall[boot] {
			e = onWall(e)
		}
		id := fmt.Sprint(boot, " ", g.Add(e).ID)
		in := byID[id]
		if in == nil {
			in = &shortage{doc: d, machine: m, boot: boot, found: map[string]bool{}, key: key}
			byID[id] = in
			list = append(list, in)
			histories[key] = append(histories[key], in)
		}
		in.kills = append(in.kills, kill{late.complete(boot, e.Kill), i, d.Entries[i].Event})
	}
	for _, h := range histories {
		hits := 0
		for _, in := range h {
			hits += in.episodes()
		}
		for _, in := range h {
			in.hits = hits
		}
	}
	for _, in := range list {
		in.history = histories[in.key]
		in.main = richest(in.kills)
		in.before = reads.before(in)
	}
	addEnds(d, list)
	return list
}

// limitKey names the limit that a kill is of, as it is named for good: a container that
// was started anew has another cgroup, and the same limit.
func limitKey(k *event.Kill) string {
	if k.Scope == event.ScopeGlobal {
		return "global"
	}
	c := limitCgroup(k)
	if c == nil || c.Path == "" {
		c = k.Victim.Cgroup
	}
	if c == nil || c.Path == "" || c.Truncated || k.Scope == event.ScopeSysrq {
		return "episode " + k.Episode
	}
	name := c.Path + "\x00" + c.PathHex
	ident := cgroup.Parse(c.Path)
	if ident.Pod != nil && ident.Container != nil {
		name = ident.Pod.UID + "\x00"
		switch v := &k.Victim; {
		case v.Container != nil && v.Container.ID == ident.Container.ID && v.Container.Name != "":
			name += v.Container.Name
		case v.Comm != nil: // of the pod's containers the one that runs this
			name += "\x00" + *v.Comm
		}
	}
	return string(k.Scope) + " " + name
}

// wallBoots are the boots of which not all kills have a time on the boot clock: there
// all are taken by their wall time.
func wallBoots(d *timeline.Document) map[int]bool {
	wall := map[int]bool{}
	for _, e := range d.Entries {
		if e.Event != nil && e.Kill != nil && e.BoottimeNS == nil {
			wall[e.Boot] = true
		}
	}
	return wall
}

// onWall is a copy of e that has no time but that of the wall clock.
func onWall(e *event.Event) *event.Event {
	c := *e
	c.BoottimeNS = nil
	if c.Time.IsZero() {
		c.Time = time.Unix(0, 0) // its order is all that is known
	}
	return &c
}

// richest is the kill that tells most of how it came about: the first of those.
func richest(kills []kill) kill {
	best, most := kills[0], -1
	for _, k := range kills {
		n := 0
		if k.Role == event.RoleChosen || k.Role == "" {
			n += 8
		}
		if k.LeadUp != nil && k.LeadUp.State == event.LeadUpOK {
			n += 4
		}
		if k.Limit != nil && k.Limit.Stat != nil || k.Memory != nil {
			n += 2
		}
		if len(k.Candidates) > 0 {
			n++
		}
		if n > most {
			best, most = k, n
		}
	}
	return best
}

// addEnds finds what became of the victims.
func addEnds(d *timeline.Document, list []*shortage) {
	type victim struct {
		boot    int
		episode string
		pid     int
	}
	of := map[victim]*shortage{}
	for _, in := range list {
		for _, k := range in.kills {
			of[victim{in.boot, k.Episode, k.Victim.PID}] = in
		}
	}
	for i, e := range d.Entries {
		if e.Event == nil || e.End == nil {
			continue
		}
		if in := of[victim{e.Boot, e.End.Episode, e.End.PID}]; in != nil {
			in.ends = append(in.ends, ending{e.End, i})
		}
	}
}

// indices are the kills' in the document.
func (in *shortage) indices() []int {
	list := make([]int, len(in.kills))
	for i, k := range in.kills {
		list[i] = k.at
	}
	return list
}

// at is the entry of the kill that most is known of.
func (in *shortage) at() []int { return []int{in.main.at} }

// subject names whom a finding is about.
func (in *shortage) subject() string { return in.key }

// last says that it is the last incident of its limit.
func (in *shortage) last() bool { return in.history[len(in.history)-1] == in }

// episodes counts the invocations of the OOM killer.
func (in *shortage) episodes() int {
	seen := map[string]bool{}
	for _, k := range in.kills {
		seen[k.Episode] = true
	}
	return len(seen)
}

func (in *shortage) simulated() bool {
	for _, k := range in.kills {
		if k.event.Simulated {
			return true
		}
	}
	return false
}

// memcg says whether a cgroup's limit was hit, and how large it is.
func (in *shortage) memcg() (limit uint64, ok bool) {
	l := in.main.Limit
	if in.main.Scope != event.ScopeMemcg || l == nil || l.Kind == event.LimitKmem || is(l.Unlimited, true) || l.Bytes == nil || *l.Bytes == 0 {
		return 0, false
	}
	return *l.Bytes, true
}

// global says whether the machine ran out, and how much RAM it has.
func (in *shortage) global() (ram uint64, ok bool) {
	if in.main.Scope != event.ScopeGlobal {
		return 0, false
	}
	switch m, l := in.main.Memory, in.main.Limit; {
	case m != nil && m.TotalBytes != nil:
		return *m.TotalBytes, true
	case l != nil && l.Kind == event.LimitRAM && l.Bytes != nil:
		return *l.Bytes, true
	}
	return 0, false
}

// room is what ran out: the limit, or the machine's RAM.
func (in *shortage) room() (uint64, bool) {
	if n, ok := in.memcg(); ok {
		return n, true
	}
	return in.global()
}

// place is what ran out, in words.
func (in *shortage) place() string {
	if n, ok := in.memcg(); ok {
		return "the limit of " + size(n)
	}
	if n, ok := in.global(); ok {
		return "RAM (" + size(n) + ")"
	}
	return "what is allowed"
}

func limitCgroup(k *event.Kill) *event.Cgroup {
	if k.Limit == nil {
		return nil
	}
	return k.Limit.Cgroup
}

func (in *shortage) stat() *event.CgroupStat {
	if in.main.Limit == nil {
		return nil
	}
	return in.main.Limit.Stat
}
