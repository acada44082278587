// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"fmt"
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// setClock gathers what the strands of a boot tell of its clock.
func (b *Builder) setClock(o *boot) {
	b.moveGuessed(o)
	best := -1
	for _, s := range o.strands {
		if len(s.anchors) > 0 && (best < 0 || s.rank < best) {
			best = s.rank
		}
	}
	for _, s := range o.strands {
		if len(s.anchors) > 0 && s.rank == best {
			o.clock.anchors = append(o.clock.anchors, s.anchors...)
			o.clock.guessed = s.guessed
		}
	}
	o.clock.rank = best
	if m := b.o.Machine; m != nil && !m.Booted.IsZero() && o.runningOn(m) && best != 0 {
		// Now is when the two clocks were compared: all stamps are before it.
		now := max(0, b.o.Now.Sub(m.Booted)-m.Suspended)
		a := anchor{int64(now), m.Booted.Add(m.Suspended).UnixNano() + int64(now), int64(m.Suspended)}
		o.clock = clock{anchors: []anchor{a}, rank: rank(event.BasisPrintk)}
	}
	if len(o.clock.anchors) == 0 {
		o.clock.anchors = pairAnchors(o.pairs)
		for _, s := range o.strands {
			if len(s.guessed) > 0 {
				o.clock.guessed = s.guessed
			}
		}
	}
	slices.SortFunc(o.clock.anchors, func(x, y anchor) int {
		return cmpInt(x.stamp, y.stamp)
	})
}

func cmpInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// runningOn says whether it is the boot that m is in.
func (o *boot) runningOn(m *Machine) bool {
	return slices.ContainsFunc(o.strands, func(s *strand) bool {
		return s.host.BootID != "" && s.host.BootID == m.Host.BootID
	})
}

// pairAnchors are the moments that one strand has stamps of and the other times.
func pairAnchors(pairs []pair) []anchor {
	var out []anchor
	for _, p := range pairs {
		for _, q := range []pair{p, {p[1], p[0]}} {
			stamp, stamped := kernelClock(q[0].Event)
			if _, too := kernelClock(q[1].Event); stamped && !too && !q[1].Time.IsZero() && q[1].TimeBasis != event.BasisDmesg {
				out = append(out, anchor{stamp, q[1].Time.UnixNano(), errOf(q[1].Event)})
			}
		}
	}
	return out
}

func errOf(e *event.Event) int64 {
	if e.TimeErrorMS == nil {
		return 0
	}
	return *e.TimeErrorMS * int64(time.Millisecond)
}

// moveGuessed moves the times of strands whose year or zone was guessed to where another
// one, which knows, has the same fact.
func (b *Builder) moveGuessed(o *boot) {
	for _, s := range o.strands {
		if len(s.guessed) == 0 {
			continue
		}
		for _, p := range o.pairs {
			mine, other := p[0], p[1]
			if other.strand == s {
				mine, other = other, mine
			}
			if mine.strand != s || other.strand == s || len(other.TimeGuessed) > 0 || mine.Time.IsZero() {
				continue
			}
			known := other.Time
			if other.TimeBasis == event.BasisDmesg || known.IsZero() {
				continue
			}
			by := known.Sub(mine.Time).Round(15 * time.Minute)
			if (known.Sub(mine.Time) - by).Abs() > time.Minute {
				continue
			}
			s.move(by)
			src := &b.sources[s.source]
			src.Notes = append(src.Notes, fmt.Sprintf("what was guessed of its times is known from a kill that another source tells of too: they were moved by %s", by))
			break
		}
	}
}

func (s *strand) move(by time.Duration) {
	s.guessed = nil
	for i := range s.anchors {
		s.anchors[i].wall += int64(by)
	}
	for _, f := range s.facts {
		if len(f.TimeGuessed) > 0 {
			f.Time, f.TimeGuessed = f.Time.Add(by), nil
		}
	}
}

// setTimes gives the facts of a boot times where they have none, and a place on the
// boot's clock.
func (o *boot) setTimes() {
	for _, s := range o.strands {
		for _, f := range s.facts {
			o.setTime(f)
		}
		s.fill()
	}
}

func (o *boot) setTime(f *fact) {
	f.at, f.hasAt = kernelClock(f.Event)
	if f.hasAt && (f.Time.IsZero() || f.TimeBasis == event.BasisOrder) {
		if t, errMS, ok := o.clock.wall(f.at); ok {
			f.Time, f.TimeErrorMS, f.TimeBasis = t, errMS, event.BasisPrintk
			f.TimeGuessed = o.clock.guessed
		}
	}
	if f.hasAt || f.Time.IsZero() {
		return
	}
	if f.at, f.hasAt = o.clock.stamp(f.Time); !f.hasAt {
		f.at, f.hasAt = f.Time.UnixNano(), true
	}
}

// fill gives facts without any time that of the one before them, else of the one behind.
func (s *strand) fill() {
	for i, f := range s.facts {
		if !f.hasAt && i > 0 {
			f.at, f.hasAt = s.facts[i-1].at, s.facts[i-1].hasAt
		}
	}
	for i, f := range slices.Backward(s.facts) {
		if !f.hasAt && i+1 < len(s.facts) {
			f.at, f.hasAt = s.facts[i+1].at, s.facts[i+1].hasAt
		}
	}
}
