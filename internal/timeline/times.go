// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// setClock gathers what the strands of a boot tell of its clock: the best of them, of
// which nothing was guessed if there is one.
func (b *Builder) setClock(o *boot) {
	trust := func(s *strand) int { return s.rank + 100*len(s.guessed) }
	best := -1
	for _, s := range o.strands {
		if len(s.anchors) > 0 && (best < 0 || trust(s) < best) {
			best = trust(s)
		}
	}
	for _, s := range o.strands {
		if len(s.anchors) > 0 && trust(s) == best {
			o.clock.anchors = append(o.clock.anchors, s.anchors...)
			for _, g := range s.guessed {
				if !slices.Contains(o.clock.guessed, g) {
					o.clock.guessed = append(o.clock.guessed, g)
				}
			}
		}
	}
	if m := b.o.Machine; m != nil && !m.Booted.IsZero() && best != 0 && o.runningOn(m) {
		// All stamps are before now, when the two clocks were compared.
		now := max(0, b.o.Now.Sub(m.Booted)-m.Suspended)
		a := anchor{int64(now), m.Booted.Add(m.Suspended).UnixNano() + int64(now), int64(m.Suspended)}
		o.clock = clock{anchors: []anchor{a}, bounded: true}
	}
	if len(o.clock.anchors) == 0 {
		o.clock.anchors, o.clock.guessed = pairAnchors(o.pairs)
	}
	slices.SortFunc(o.clock.anchors, func(x, y anchor) int { // in the same order whichever source is first
		return cmp.Or(cmp.Compare(x.stamp, y.stamp), cmp.Compare(x.err, y.err), cmp.Compare(x.wall, y.wall))
	})
	for _, s := range o.strands {
		b.move(o, s)
	}
}

// runningOn says whether it is the boot that m is in.
func (o *boot) runningOn(m *Machine) bool {
	return slices.ContainsFunc(o.strands, func(s *strand) bool {
		return s.host.BootID != "" && s.host.BootID == m.Host.BootID
	})
}

// pairAnchors are the moments that one strand has stamps of and the other times, and what
// of these was guessed.
func pairAnchors(pairs []pair) (out []anchor, guessed []event.TimeGuess) {
	for _, p := range pairs {
		for _, q := range []pair{p, {p[1], p[0]}} {
			stamp, stamped := kernelClock(q[0].Event)
			if _, too := kernelClock(q[1].Event); stamped && !too && !q[1].Time.IsZero() && q[1].TimeBasis != event.BasisDmesg {
				out = append(out, anchor{stamp, q[1].Time.UnixNano(), errOf(q[1].Event)})
				guessed = q[1].TimeGuessed
			}
		}
	}
	return out, guessed
}

func errOf(e *event.Event) int64 {
	if e.TimeErrorMS == nil {
		return 0
	}
	return *e.TimeErrorMS * int64(time.Millisecond)
}

// move moves the times of a strand that were guessed, or computed by dmesg, to where
// another one, which knows, has the same fact.
func (b *Builder) move(o *boot, s *strand) {
	if len(s.guessed) == 0 && !s.dmesg {
		return
	}
	for _, p := range o.pairs {
		mine, other := p[0], p[1]
		if other.strand == s {
			mine, other = other, mine
		}
		if mine.strand != s || other.strand == s || mine.Time.IsZero() {
			continue
		}
		known, ok := o.known(other)
		if !ok {
			continue
		}
		by := known.Sub(mine.Time)
		if !s.dmesg { // a zone, a year: what is left are seconds between two clocks
			whole := by.Round(15 * time.Minute)
			if (by - whole).Abs() > time.Minute {
				continue
			}
			by = whole
		}
		s.move(by)
		src := &b.sources[s.source]
		how := "are right"
		if by = by.Round(time.Second); by != 0 {
			how = "were moved by " + by.String()
		}
		src.Notes = append(src.Notes, "its times "+how+": another source tells of the same, and knows when it was")
		return
	}
}

// known is the time of a fact, if nothing of it was guessed.
func (o *boot) known(f *fact) (time.Time, bool) {
	if !f.Time.IsZero() && len(f.TimeGuessed) == 0 && f.TimeBasis != event.BasisDmesg {
		return f.Time, true
	}
	if stamp, ok := kernelClock(f.Event); ok && len(o.clock.guessed) == 0 {
		t, _, ok := o.clock.wall(stamp)
		return t, ok
	}
	return time.Time{}, false
}

func (s *strand) move(by time.Duration) {
	s.guessed = nil
	for i := range s.anchors {
		s.anchors[i].wall += int64(by)
	}
	for _, f := range s.facts {
		if len(f.TimeGuessed) > 0 || f.TimeBasis == event.BasisDmesg {
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
