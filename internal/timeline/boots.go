// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// boot is the strands that tell of one boot.
type boot struct {
	strands []*strand
	pairs   []pair // of facts that made it one
	clock   clock
	facts   []*fact
}

// pair is one fact as two strands tell it.
type pair [2]*fact

// weave puts strands of one boot together: those with one boot id, then those that tell
// of the same fact, then those that began at the same time.
func (b *Builder) weave() []*boot {
	ids := map[string]*strand{}
	for _, s := range b.strands {
		s.boot = &boot{strands: []*strand{s}}
		s.began = (&clock{anchors: s.anchors}).began()
		if id := s.host.BootID; id != "" {
			if first := ids[id]; first != nil {
				first.boot.absorb(s.boot) // one id: nothing can speak against it
			} else {
				ids[id] = s
			}
		}
	}
	for _, s := range b.strands {
		if s.again != nil {
			join(s.again, s, nil)
		}
	}
	b.weaveByFacts()
	b.weaveByBegin()
	var out []*boot
	for _, s := range b.strands {
		if s.boot.strands[0] == s {
			out = append(out, s.boot)
		}
	}
	return out
}

// join makes one boot of those of two strands, if nothing speaks against it.
func join(x, y *strand, p *pair) {
	a, b := x.boot, y.boot
	if a == b {
		if p != nil && len(a.pairs) < maxPairs {
			a.pairs = append(a.pairs, *p)
		}
		return
	}
	for _, s := range a.strands {
		for _, t := range b.strands {
			if !compatible(s, t) {
				return
			}
		}
	}
	a.absorb(b)
	if p != nil {
		a.pairs = append(a.pairs, *p)
	}
}

// absorb makes one boot of two.
func (o *boot) absorb(other *boot) {
	for _, s := range other.strands {
		s.boot = o
	}
	o.strands = append(o.strands, other.strands...)
	o.pairs = append(o.pairs, other.pairs...)
}

// compatible says whether two strands may be of one boot.
func compatible(s, t *strand) bool {
	if s.host.BootID != "" && t.host.BootID != "" {
		return s.host.BootID == t.host.BootID
	}
	return (s.source != t.source || s.first() == t.first()) && (s.host.Name == "" || t.host.Name == "" || sameName(s.host.Name, t.host.Name))
}

// sameName compares host names, with or without a domain.
func sameName(a, b string) bool {
	a, _, _ = strings.Cut(a, ".")
	b, _, _ = strings.Cut(b, ".")
	return a != "" && strings.EqualFold(a, b)
}

// sign is what a fact is known by, whoever tells it.
type sign struct {
	typ    event.Type
	pid    int
	comm   string
	reason string
}

func signOf(e *event.Event) (sign, bool) {
	g := sign{typ: e.Type}
	switch {
	case e.Kill != nil:
		v := &e.Kill.Victim
		g.pid, g.comm = v.PID, deref(v.Comm)
	case e.NoKill != nil:
		if t := e.NoKill.Trigger; t != nil {
			g.comm = deref(t.Comm) // a log may not tell its pid
		}
		g.reason = string(e.NoKill.Reason)
	case e.Panic != nil:
		g.reason = e.Panic.Message
	default:
		return g, false
	}
	return g, true
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// maxPairs bounds the pairs of a boot that are remembered.
const maxPairs = 256

// maxAlike bounds how many facts of one sign are compared: a log can repeat itself, and
// what a machine does at each start may look alike.
const maxAlike = 64

// weaveByFacts joins strands that tell of the same fact, those first of which it is surest:
// services that start in the same order may be killed alike in each boot.
func (b *Builder) weaveByFacts() {
	type match struct {
		s, t *strand
		by   doubt
	}
	var matches []match
	at := map[[2]*strand]int{}
	b.eachAlike(func(o, f *fact) {
		if o.strand.boot == f.strand.boot {
			return
		}
		m, key := match{o.strand, f.strand, doubtOf(o, f)}, [2]*strand{o.strand, f.strand}
		if i, ok := at[key]; !ok {
			at[key] = len(matches)
			matches = append(matches, m)
		} else if m.by.compare(matches[i].by) < 0 {
			matches[i] = m
		}
	})
	slices.SortStableFunc(matches, func(x, y match) int { return x.by.compare(y.by) })
	for _, m := range matches {
		join(m.s, m.t, nil)
	}
	b.eachAlike(func(o, f *fact) { join(o.strand, f.strand, &pair{o, f}) })
}

// eachAlike finds the facts that two strands seem to tell.
func (b *Builder) eachAlike(found func(o, f *fact)) {
	alike := map[sign][]*fact{}
	for _, s := range b.strands {
		for _, f := range s.facts {
			g, ok := signOf(f.Event)
			if !ok {
				continue
			}
			for _, o := range alike[g] {
				if o.strand != s && sameFact(o, f) {
					found(o, f)
				}
			}
			if len(alike[g]) < maxAlike {
				alike[g] = append(alike[g], f)
			}
		}
	}
}

// doubt is how unsure it is that two facts are one: whether they are told by something else
// than one moment that both know, and how far apart.
type doubt struct {
	unsure bool
	apart  int64
}

func doubtOf(a, b *fact) doubt {
	if timed(a) && timed(b) {
		if apart := abs(int64(a.Time.Sub(b.Time))); apart <= clocksApart {
			return doubt{false, apart}
		}
	}
	x, stamped := kernelClock(a.Event)
	y, too := kernelClock(b.Event)
	if stamped && too { // two logs would not be here with other stamps
		return doubt{a.PrintkNS == nil || b.PrintkNS == nil, abs(x - y)}
	}
	return doubt{true, abs(int64(a.Time.Sub(b.Time)))}
}

func (d doubt) compare(e doubt) int {
	if d.unsure != e.unsure {
		if d.unsure {
			return 1
		}
		return -1
	}
	return cmp.Compare(d.apart, e.apart)
}

// timed says whether somebody wrote down when a fact was.
func timed(f *fact) bool {
	return !f.Time.IsZero() && len(f.TimeGuessed) == 0 && f.TimeBasis != event.BasisDmesg
}

// otherBoot says whether two facts that look alike are of two boots: their times are far
// apart, and so are the times at which their boots began. A daemon that was started late
// has only its first lines late.
func otherBoot(a, b *fact) bool {
	x, y := a.strand, b.strand
	return timed(a) && timed(b) && abs(int64(a.Time.Sub(b.Time))) > lateApart &&
		!x.began.IsZero() && !y.began.IsZero() && len(x.guessed)+len(y.guessed) == 0 && x.began.Sub(y.began).Abs() > time.Duration(lateApart)
}

// How far apart two accounts of one fact are told.
const (
	stampsApart = int64(time.Millisecond) // the log's own stamp, written with µs or ns
	clocksApart = int64(5 * time.Second)  // the watcher's and the log's, or two writers'
	lateApart   = int64(time.Hour)        // a line that was written down late
	zonesApart  = int64(26 * time.Hour)   // where the zone is guessed
)

// sameFact says whether two facts of one sign, of strands that may be of one boot, are
// one.
func sameFact(a, b *fact) bool {
	sized := sameSizes(a.Event, b.Event)
	switch {
	case sameBegin(a.Event, b.Event):
		return true
	case a.PrintkNS != nil && b.PrintkNS != nil:
		return abs(int64(*a.PrintkNS-*b.PrintkNS)) <= stampsApart
	case !sized:
		return false
	}
	if x, ok := kernelClock(a.Event); ok {
		if y, ok := kernelClock(b.Event); ok && abs(x-y) <= clocksApart {
			return !otherBoot(a, b)
		}
	}
	if a.Time.IsZero() || b.Time.IsZero() {
		_, x := kernelClock(a.Event)
		_, y := kernelClock(b.Event)
		return x != y // one has stamps alone, the other times alone
	}
	apart := abs(int64(a.Time.Sub(b.Time)))
	switch {
	case yearGuessed(a) || yearGuessed(b):
		year := int64(365 * 24 * time.Hour)
		apart = min(apart%year, year-apart%year)
		return apart <= 3*zonesApart // leap days
	case len(a.TimeGuessed)+len(b.TimeGuessed) > 0 || a.TimeBasis == event.BasisDmesg || b.TimeBasis == event.BasisDmesg:
		return apart <= zonesApart
	}
	return apart <= clocksApart
}

// sameBegin says whether the reports of two logs begin with the same stamp. One may lack
// the line that the other's time is that of.
func sameBegin(a, b *event.Event) bool {
	_, x, _ := strings.Cut(episodeOf(a), "-")
	_, y, _ := strings.Cut(episodeOf(b), "-")
	return a.PrintkNS != nil && b.PrintkNS != nil && x == y && x != ""
}

func yearGuessed(f *fact) bool { return slices.Contains(f.TimeGuessed, event.GuessYear) }

// kernelClock is the moment as the kernel counts it.
func kernelClock(e *event.Event) (int64, bool) {
	switch {
	case e.BoottimeNS != nil:
		return int64(*e.BoottimeNS), true
	case e.PrintkNS != nil:
		return int64(*e.PrintkNS), true
	}
	return 0, false
}

// sameSizes says whether two kills tell, as far as they go on while one is told, of the
// same sizes.
func sameSizes(a, b *event.Event) bool {
	if a.Kill == nil || b.Kill == nil {
		return false
	}
	v, w := &a.Kill.Victim, &b.Kill.Victim
	return v.TotalVMBytes != nil && w.TotalVMBytes != nil && near(*v.TotalVMBytes, *w.TotalVMBytes) &&
		v.AnonRSSBytes != nil && w.AnonRSSBytes != nil && near(*v.AnonRSSBytes, *w.AnonRSSBytes)
}

// near takes for the same what differs by what a process does in the moment between two
// looks at it, and by what each CPU counts for itself.
func near(a, b uint64) bool {
	d := max(a, b) - min(a, b)
	return d <= 4<<20 || d <= max(a, b)/64
}

// beginsApart is how far apart what two logs say of one boot's begin may be: the one
// that began late has its first times late.
const beginsApart = 10 * time.Second

// weaveByBegin joins strands of one host whose times say that they began together. Each
// is compared with those that began just before it: a log can have thousands of boots.
func (b *Builder) weaveByBegin() {
	type begin struct {
		n  int // of the strand
		at time.Time
	}
	hosts := map[string][]begin{}
	var names []string // in order, so that the result is the same each time
	for n, s := range b.strands {
		name, _, _ := strings.Cut(strings.ToLower(s.host.Name), ".")
		if s.began.IsZero() || name == "" {
			continue
		}
		if hosts[name] == nil {
			names = append(names, name)
		}
		hosts[name] = append(hosts[name], begin{n, s.began})
	}
	for _, name := range names {
		begins := hosts[name]
		slices.SortStableFunc(begins, func(x, y begin) int { return x.at.Compare(y.at) })
		for i, x := range begins {
			for _, y := range slices.Backward(begins[max(0, i-maxNear):i]) {
				if x.at.Sub(y.at) > beginsApart {
					break
				}
				if s, t := b.strands[x.n], b.strands[y.n]; s.boot != t.boot {
					join(b.strands[min(x.n, y.n)], b.strands[max(x.n, y.n)], nil)
				}
			}
		}
	}
}

// maxNear bounds how many of those that are near in time are compared.
const maxNear = 32

// order puts boots in order of time; one that has none comes behind the one that its
// source tells of before, or before the one behind it.
func (b *Builder) order(boots []*boot) {
	type place struct {
		at time.Time
		n  int
	}
	places := map[*boot]place{}
	for n, o := range boots {
		p := place{o.clock.began(), n}
		for _, s := range o.strands {
			for _, f := range s.facts {
				if !f.Time.IsZero() && (p.at.IsZero() || f.Time.Before(p.at)) {
					p.at = f.Time
				}
			}
		}
		places[o] = p
	}
	for _, forward := range []bool{true, false} {
		var before *strand
		strands := slices.Clone(b.strands)
		if !forward {
			slices.Reverse(strands)
		}
		for _, s := range strands {
			p := places[s.boot]
			if p.at.IsZero() && before != nil && before.source == s.source {
				p.at = places[before.boot].at
				if !forward && !p.at.IsZero() {
					p.at = p.at.Add(-1)
				}
				places[s.boot] = p
			}
			before = s
		}
	}
	slices.SortStableFunc(boots, func(x, y *boot) int {
		p, q := places[x], places[y]
		if a, b := p.at.IsZero(), q.at.IsZero(); a != b { // nobody knows when: last
			if a {
				return 1
			}
			return -1
		}
		return cmp.Or(p.at.Compare(q.at), cmp.Compare(p.n, q.n))
	})
}
