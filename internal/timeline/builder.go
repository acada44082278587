// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"io"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// Options say how a timeline is made. The zero value is good for logs of any machine.
type Options struct {
	// Now bounds the year that is guessed; zero: no bound but a file's own time.
	Now time.Time
	// Year is that of the last line of a log whose times lack it; 0: it is guessed.
	Year int
	// Zone is that of times that lack it; nil: the Machine's for its own logs, else UTC,
	// both marked as guessed.
	Zone *time.Location
	// Machine is the one that makes the timeline; nil: nothing is known of it.
	Machine *Machine
	// Full is how many events are kept in full, 0: DefaultFull. Those behind them go
	// without lists (call traces, candidates, zones), which their Truncated names.
	Full int
	// Most is how many events are kept at all, 0: DefaultMost: the first Full, and of the
	// others the last. Sources count what is left out.
	Most int
}

// Bounds of the memory that a timeline takes: an event in full has up to 10 KB, one
// without lists about 2 KB.
const (
	DefaultFull = 5_000
	DefaultMost = 50_000
)

// Machine is what tells the logs of the machine that makes the timeline from those of
// others, and gives the stamps of its running boot their times.
type Machine struct {
	Host event.Host
	Zone *time.Location
	// Booted is the wall clock less the boot clock, now; zero: not known.
	Booted time.Time
	// Suspended is for how long it was suspended since, which the log's stamps lack.
	Suspended time.Duration
}

// Input is a source that has been opened.
type Input struct {
	// Source is what is known of it already: Path, Compression, Default, SizeBytes.
	Source Source
	// Reader gives what is in it, unpacked.
	Reader  io.Reader
	ModTime time.Time // of the file; zero: not known
	Own     bool      // the Machine wrote it
	BootID  string    // of all that is in it, where who opened it knows it
	Growing bool      // a watcher may be writing it: a last line that is half there is no damage
}

// Builder makes a Document of sources. Make one with [New]; it is for one goroutine.
type Builder struct {
	o       Options
	sources []Source
	strands []*strand
	kept    int
	later   []place // of the events behind the first Full, a ring once there are Most
	next    int
}

// place is where a fact is kept.
type place struct {
	strand *strand
	index  int
}

// New returns a Builder without sources.
func New(o Options) *Builder {
	if o.Full <= 0 {
		o.Full = DefaultFull
	}
	if o.Most <= 0 {
		o.Most = DefaultMost
	}
	o.Full = min(o.Full, o.Most-1)
	return &Builder{o: o}
}

// NotRead adds a source that is not read; its Error says why.
func (b *Builder) NotRead(s Source) {
	s.State = StateNotRead
	b.sources = append(b.sources, s)
}

// Damaged says what is wrong with the source that was read last.
func (b *Builder) Damaged(why string) {
	src := &b.sources[len(b.sources)-1]
	src.State = StateDamaged
	if src.Error != "" {
		why = src.Error + "; " + why
	}
	src.Error = why
}

// Sources are those so far. Their Boots are known when the Document is made.
func (b *Builder) Sources() []Source { return b.sources }

// strand is what one source tells of one boot; of a record, what one session does.
type strand struct {
	source  int
	index   int    // of the boot in the source
	session string // of a record
	host    event.Host
	facts   []*fact // until all is read nil for those that had to go
	anchors []anchor
	rank    int       // of the anchors: the lower the better
	began   time.Time // by the anchors
	// guessed are parts of its times that were guessed, dmesg that they were computed
	// by dmesg.
	guessed []event.TimeGuess
	dmesg   bool
	// again is the strand that this one is of: its source repeats itself.
	again *strand
	boot  *boot
}

// first is s, or the one that it repeats.
func (s *strand) first() *strand {
	if s.again != nil {
		return s.again
	}
	return s
}

// fact is an event, where it stands in its strand, and on the clock of its boot.
type fact struct {
	*event.Event
	strand  *strand
	moment  kmsg.Moment // of a log
	at      int64       // ns on the boot's clock
	hasAt   bool
	seenIn  []int
	differs []string
}

// keep adds an event to a strand. When there is no more room, the oldest of those behind
// the first ones goes.
func (b *Builder) keep(s *strand, e *event.Event, m kmsg.Moment) {
	s.facts = append(s.facts, &fact{Event: e, strand: s, moment: m})
	b.kept++
	if b.kept <= b.o.Full {
		return
	}
	slim(e)
	p := place{s, len(s.facts) - 1}
	if len(b.later) < b.o.Most-b.o.Full {
		b.later = append(b.later, p)
		return
	}
	old := b.later[b.next]
	old.strand.facts[old.index] = nil
	countUp(&b.sources[old.strand.source].LeftOut)
	b.later[b.next] = p
	b.next = (b.next + 1) % len(b.later)
}

// count counts an event of a source that is about to be kept.
func (b *Builder) count(s *strand, e *event.Event) {
	src := &b.sources[s.source]
	countUp(&src.Events)
	if e.Kill != nil {
		countUp(&src.Kills)
	}
}

// countUp counts one more.
func countUp(n **uint64) {
	if *n == nil {
		*n = new(uint64)
	}
	**n++
}

// slim leaves out the lists of an event, and names them.
func slim(e *event.Event) {
	var out []string
	drop := func(name string, there bool, clear func()) {
		if there {
			clear()
			out = append(out, name)
		}
	}
	memory := func(m *event.Memory) {
		if m != nil {
			drop("memory.slabs", m.Slabs != nil, func() { m.Slabs = nil })
			drop("memory.zones", m.Zones != nil, func() { m.Zones = nil })
		}
	}
	switch {
	case e.Kill != nil:
		k := e.Kill
		drop("candidates", k.Candidates != nil, func() { k.Candidates = nil })
		if s := k.Stack; s != nil {
			drop("stack.frames", s.Frames != nil, func() { s.Frames = nil })
		}
		memory(k.Memory)
	case e.NoKill != nil:
		drop("candidates", e.NoKill.Candidates != nil, func() { e.NoKill.Candidates = nil })
		memory(e.NoKill.Memory)
	}
	e.Truncated = append(e.Truncated, out...)
}
