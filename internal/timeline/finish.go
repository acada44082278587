// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/incident"
)

// Document makes the timeline of all that was read. The Builder is used up by it.
func (b *Builder) Document() *Document {
	for _, s := range b.strands {
		s.facts = slices.DeleteFunc(s.facts, func(f *fact) bool { return f == nil })
	}
	b.later = nil
	boots := b.weave()
	for _, o := range boots {
		b.setClock(o)
		o.setTimes()
		o.unite()
		slices.SortStableFunc(o.facts, func(x, y *fact) int { return cmp.Compare(x.at, y.at) })
		o.group()
	}
	b.order(boots)
	d := &Document{Sources: b.sources}
	for i, o := range boots {
		d.Boots = append(d.Boots, b.boot(o))
		host := d.Boots[i].Host
		for _, f := range o.facts {
			if f.Host == nil {
				f.Host = host
			}
			if f.seenIn == nil {
				f.seenIn = []int{f.strand.source}
			}
			d.Entries = append(d.Entries, Entry{f.Event, i, f.seenIn, f.differs})
		}
		for _, n := range d.Boots[i].Sources {
			src := &d.Sources[n]
			src.Boots = append(src.Boots, i)
		}
		b.span(o)
	}
	b.strands = nil
	number(d.Boots)
	return d
}

// boot tells of a boot.
func (b *Builder) boot(o *boot) Boot {
	out := Boot{Host: o.host(), Began: o.clock.began(), TimeGuessed: o.clock.guessed, Entries: uint64(len(o.facts))}
	if m := b.o.Machine; m != nil {
		out.Running = o.runningOn(m)
	}
	for _, s := range o.strands {
		if !slices.Contains(out.Sources, s.source) {
			out.Sources = append(out.Sources, s.source)
		}
	}
	slices.Sort(out.Sources)
	for _, f := range o.facts {
		if f.Kill != nil {
			out.Kills++
		}
		if !f.Time.IsZero() {
			if out.First.IsZero() {
				out.First = f.Time
			}
			out.Last = f.Time
		}
	}
	return out
}

// host is what the strands know of the machine.
func (o *boot) host() *event.Host {
	var h event.Host
	for _, s := range o.strands {
		t := &s.host
		h.Name = cmp.Or(h.Name, t.Name)
		h.MachineID = cmp.Or(h.MachineID, t.MachineID)
		h.BootID = cmp.Or(h.BootID, t.BootID)
		h.Kernel = cmp.Or(h.Kernel, t.Kernel)
		h.Arch = cmp.Or(h.Arch, t.Arch)
		h.PageSizeBytes = cmp.Or(h.PageSizeBytes, t.PageSizeBytes)
		if h.Labels == nil {
			h.Labels = t.Labels
		}
	}
	if h.Name == "" && h.BootID == "" && h.Kernel == "" && h.MachineID == "" {
		return nil
	}
	return &h
}

// span tells each source of the times of its events.
func (b *Builder) span(o *boot) {
	for _, s := range o.strands {
		src := &b.sources[s.source]
		for _, f := range s.facts {
			if f.Time.IsZero() {
				continue
			}
			if src.First.IsZero() || f.Time.Before(src.First) {
				src.First = f.Time
			}
			if f.Time.After(src.Last) {
				src.Last = f.Time
			}
		}
	}
}

// group puts the kills of a boot into incidents, unless the watcher has done so for each.
func (o *boot) group() {
	if !slices.ContainsFunc(o.facts, func(f *fact) bool { return f.Kill != nil && f.Kill.Incident == nil }) {
		return
	}
	g := incident.New(0)
	for _, f := range o.facts {
		if f.Kill == nil {
			continue
		}
		e := *f.Event
		e.BoottimeNS = event.Ptr(uint64(max(0, f.at)))
		f.Kill.Incident = g.Add(&e)
	}
}

// number tells each boot of a machine from its last one.
func number(boots []Boot) {
	seen := map[string]int{}
	for i := range slices.Backward(boots) {
		b := &boots[i]
		name := ""
		if b.Host != nil {
			name, _, _ = strings.Cut(strings.ToLower(b.Host.Name), ".")
		}
		b.Offset = -seen[name]
		seen[name]++
	}
}

// Keep leaves out the entries that keep is false of. Call it before there are findings.
func (d *Document) Keep(keep func(*Entry) bool) {
	var out []Entry
	for i := range d.Entries {
		if keep(&d.Entries[i]) {
			out = append(out, d.Entries[i])
		}
	}
	d.Entries = out
}

// Kills counts those of the timeline.
func (d *Document) Kills() int {
	n := 0
	for i := range d.Entries {
		if d.Entries[i].Kill != nil {
			n++
		}
	}
	return n
}

// Between leaves out what was before since or, if that is not zero, after until; what has
// no time stays.
func (d *Document) Between(since, until time.Time) {
	d.Keep(func(e *Entry) bool {
		return e.Time.IsZero() || !e.Time.Before(since) && (until.IsZero() || !e.Time.After(until))
	})
}
