// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// told is what is one entry if two strands tell it.
type told struct {
	typ    event.Type
	pid    int
	reason string
}

func toldOf(e *event.Event) (told, bool) {
	k := told{typ: e.Type}
	switch {
	case e.Kill != nil:
		k.pid = e.Kill.Victim.PID
	case e.NoKill != nil:
		k.reason = string(e.NoKill.Reason)
		if t := e.NoKill.Trigger; t != nil { // a log may not tell its pid
			k.reason += " " + deref(t.Comm)
		}
	case e.End != nil:
		k.pid = e.End.PID
	case e.Boot != nil:
	case e.Panic != nil:
		k.reason = e.Panic.Message
	default:
		return k, false
	}
	return k, true
}

// couple is two accounts that may be of one fact, and how much speaks against it.
type couple struct {
	a, b  *fact
	sizes bool // they tell of different sizes
	apart int64
}

// Bounds of the time between two accounts of one fact.
const (
	endsApart  = int64(60 * time.Second) // a victim is reaped, and later gone
	beginApart = int64(10 * time.Minute) // a boot has one begin
)

// unite makes one fact of the accounts of one. Of each strand there is one at the most,
// so that two kills of a pid that was used again stay two. The nearest are put together
// first.
func (o *boot) unite() {
	if len(o.strands) < 2 {
		o.facts = o.strands[0].facts
		return
	}
	same := map[told][]*fact{}
	var keys []told // in order, so that the result is the same each time
	for _, s := range o.strands {
		for _, f := range s.facts {
			f.seenIn = nil
			if k, ok := toldOf(f.Event); ok {
				if same[k] == nil {
					keys = append(keys, k)
				}
				same[k] = append(same[k], f)
			}
		}
	}
	lead := map[*fact]*fact{}     // of those that were put together
	groups := map[*fact][]*fact{} // by their lead
	of := func(f *fact) []*fact { // the group of f
		if l := lead[f]; l != nil {
			return groups[l]
		}
		return []*fact{f}
	}
	for _, k := range keys {
		for _, c := range couples(same[k]) {
			x, y := of(c.a), of(c.b)
			if slices.ContainsFunc(x, func(f *fact) bool {
				return slices.ContainsFunc(y, func(g *fact) bool { return f.strand == g.strand })
			}) {
				continue // one already, or of one strand
			}
			l := x[0]
			groups[l] = append(slices.Clone(x), y...)
			for _, f := range groups[l] {
				lead[f] = l
			}
		}
	}
	episodes := map[account]string{}
	for _, s := range o.strands {
		for _, f := range s.facts {
			switch l := lead[f]; l {
			case nil:
				o.facts = append(o.facts, f)
			case f:
				o.facts = append(o.facts, merge(groups[f], episodes))
			}
		}
	}
	rename(o.facts, episodes)
}

// couples are those of facts alike that may be one, the likeliest first. Each is compared
// with those just behind it, so that none goes without because others have many.
func couples(facts []*fact) []couple {
	slices.SortStableFunc(facts, func(a, b *fact) int { return cmp.Compare(a.at, b.at) })
	var out []couple
	for i, a := range facts {
		for _, b := range facts[i+1 : min(i+1+maxNear, len(facts))] {
			apart := b.at - a.at
			if apart > beginApart {
				break
			}
			if a.strand != b.strand && apart <= window(a, b) {
				out = append(out, couple{a, b, differ(a.Event, b.Event), apart})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y couple) int {
		if x.sizes != y.sizes {
			if x.sizes {
				return 1
			}
			return -1
		}
		return cmp.Compare(x.apart, y.apart)
	})
	return out
}

// window is how far apart two accounts of one fact may be.
func window(a, b *fact) int64 {
	switch a.Type {
	case event.TypeOOMEnd:
		return endsApart
	case event.TypeKernelBoot:
		return beginApart
	}
	if a.PrintkNS != nil && b.PrintkNS != nil && a.Source == event.SourceKmsg && b.Source == event.SourceKmsg && !sameBegin(a.Event, b.Event) {
		return stampsApart
	}
	return clocksApart + errOf(a.Event) + errOf(b.Event)
}

// differ says whether two kills tell of sizes that one kill cannot have.
func differ(a, b *event.Event) bool {
	if a.Kill == nil || b.Kill == nil {
		return false
	}
	v, w := &a.Kill.Victim, &b.Kill.Victim
	return v.TotalVMBytes != nil && w.TotalVMBytes != nil && !near(*v.TotalVMBytes, *w.TotalVMBytes) ||
		v.AnonRSSBytes != nil && w.AnonRSSBytes != nil && !near(*v.AnonRSSBytes, *w.AnonRSSBytes)
}

// account is the name that one strand gives to an episode.
type account struct {
	strand  *strand
	episode string
}

// rename gives what follows a kill the episode of the account that was kept.
func rename(facts []*fact, episodes map[account]string) {
	for _, f := range facts {
		var episode *string
		switch {
		case f.Kill != nil:
			episode = &f.Kill.Episode
		case f.NoKill != nil:
			episode = &f.NoKill.Episode
		case f.End != nil:
			episode = &f.End.Episode
		case f.Snapshot != nil:
			episode = &f.Snapshot.Episode
		default:
			continue
		}
		if kept := episodes[account{f.strand, *episode}]; kept != "" {
			*episode = kept
		}
	}
}
