// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// Log reads a kernel log in any framing. It fails only when ctx has ended: what is wrong
// with the log stands in its Source.
func (b *Builder) Log(ctx context.Context, in Input) error {
	in.Source.Kind, in.Source.State = KindKernelLog, StateRead
	b.sources = append(b.sources, in.Source)
	l := &log{b: b, in: &in, bootID: []byte(strings.ReplaceAll(in.BootID, "-", "")), source: len(b.sources) - 1, boots: map[int]*strand{}, latest: map[string]int{}, marks: map[*strand][]mark{}, written: map[written]*strand{}}
	scanner := kmsg.NewScanner(in.Reader)
	for {
		if l.records%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		r, err := scanner.Next()
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l.end = err
			break
		}
		l.record(r)
	}
	l.parser.Flush()
	l.items()
	l.finish(scanner.Format())
	return nil
}

// log is one that is being read.
type log struct {
	b       *Builder
	in      *Input
	bootID  []byte // in.BootID, as records have it
	source  int
	records uint64
	end     error // of reading

	// A log can be of several machines, which the parser keeps apart by their names.
	parser  kmsg.Parser
	host    string // of the last record
	boots   map[int]*strand
	strands []*strand
	latest  map[string]int // the boot of a host's last record

	marks  map[*strand][]mark
	cal    calendar
	noZone bool

	written map[written]*strand // of what has no stamp: who told it first
}

// named gives a record the short name of its host. One that has no name yet, as early in
// a boot, is of the host that was last.
func (l *log) named(r *kmsg.Record) {
	name := shortName(r.Host)
	if len(name) == 0 || string(name) == "localhost" && l.host != "" {
		name = []byte(l.host)
	}
	if string(name) != l.host {
		l.host = string(name)
	}
	r.Host = name
}

// shortName is a host's name without its domain.
func shortName(name []byte) []byte {
	if i := bytes.IndexByte(name, '.'); i > 0 && bytes.ContainsFunc(name, unicode.IsLetter) {
		return name[:i]
	}
	return name
}

// maxStrands bounds the boots of a log that are kept apart: each line of it can be of a
// host that no other is of.
const maxStrands = 4096

func (l *log) strand(boot int) *strand {
	s := l.boots[boot]
	if s == nil && len(l.strands) >= maxStrands {
		return l.strands[maxStrands-1]
	}
	if s == nil {
		s = &strand{source: l.source, index: len(l.strands)}
		s.host.BootID = dashed(l.in.BootID)
		if own := l.b.o.Machine; l.in.Own && own != nil {
			s.host.Name, s.host.MachineID = own.Host.Name, own.Host.MachineID
			if s.host.BootID != "" && s.host.BootID == own.Host.BootID {
				s.host = own.Host
			}
		}
		l.boots[boot] = s
		l.strands = append(l.strands, s)
		l.b.strands = append(l.b.strands, s)
	}
	return s
}

// record takes the next record.
func (l *log) record(r *kmsg.Record) {
	l.records++
	l.named(r)
	if len(r.BootID) == 0 {
		r.BootID = l.bootID
	}
	l.parser.Add(r)
	boot := l.parser.BootIndex()
	if was, ok := l.latest[l.host]; !ok || was != boot {
		if ok && boot < was { // that one was none
			l.forget(was)
		}
		if !ok && len(l.latest) >= maxStrands {
			clear(l.latest)
		}
		l.latest[l.host] = boot
	}
	s := l.strand(boot)
	if s.host.Name == "" && l.host != "" {
		s.host.Name, _ = event.CleanString([]byte(l.host))
	}
	if s.host.BootID == "" && len(r.BootID) > 0 {
		s.host.BootID = dashed(string(r.BootID))
	}
	if w := &r.Wall; w.Basis != "" {
		l.cal.note(w)
		l.noZone = l.noZone || w.NoZone
		if r.HasPrintk && w.Basis != kmsg.BasisDmesg {
			l.marks[s] = appendMark(l.marks[s], mark{int64(r.Printk), *w})
		}
	}
	l.items()
}

// forget takes back a boot that was none.
func (l *log) forget(boot int) {
	s := l.boots[boot]
	if s == nil || len(s.facts) > 0 {
		return
	}
	delete(l.boots, boot)
	delete(l.marks, s)
	drop := func(t *strand) bool { return t == s }
	l.strands = slices.DeleteFunc(l.strands, drop)
	l.b.strands = slices.DeleteFunc(l.b.strands, drop)
}

func (l *log) items() {
	for item := l.parser.Next(); item != nil; item = l.parser.Next() {
		l.item(item)
	}
}

// item takes what the log tells.
func (l *log) item(item kmsg.Item) {
	s := l.strand(item.BootIndex())
	c := kmsg.Context{Host: &s.host, PageSizeBytes: s.host.PageSizeBytes}
	e := kmsg.Event(item, c)
	if e.Host != nil {
		s.host = *e.Host
	}
	e.Host = nil // the boot's, when all is known of it
	if l.again(s, e, item.When()) {
		return
	}
	l.b.count(s, e)
	l.b.keep(s, e, item.When())
}

// written is what a line without the kernel's stamp is known by.
type written struct {
	sign
	host, sizes, release string
	at                   int64
}

// again says whether the log tells of this for a second time, as one does that was put
// together of pieces that overlap. The parser knows a line by its stamp; without that
// nobody is killed twice, under one pid and with the same sizes, at one written time. What
// stands around it is of the boot of the first time.
func (l *log) again(s *strand, e *event.Event, m kmsg.Moment) bool {
	if m.HasPrintk || m.Wall.Basis == "" {
		return false
	}
	w := written{host: s.host.Name, at: m.Wall.Time.UnixNano()}
	switch {
	case e.Kill != nil:
		v := &e.Kill.Victim
		w.sign, _ = signOf(e)
		for _, n := range []*uint64{v.TotalVMBytes, v.AnonRSSBytes, v.FileRSSBytes} {
			if n != nil {
				w.sizes += strconv.FormatUint(*n, 10)
			}
			w.sizes += " "
		}
	case e.Boot != nil:
		w.sign, w.release = sign{typ: e.Type}, e.Boot.Release
	case e.End != nil:
		w.sign = sign{typ: e.Type, pid: e.End.PID, comm: deref(e.End.Comm), reason: string(e.End.Outcome)}
	default: // what has no pid can be told twice in a second
		return false
	}
	first := l.written[w]
	if first == nil {
		if len(l.written) >= DefaultMost {
			clear(l.written)
		}
		l.written[w] = s
		return false
	}
	if first != s && s.again == nil {
		s.again = first.first()
	}
	return true
}

// finish gives all facts the times that the log itself tells.
func (l *log) finish(format kmsg.Format) {
	src := &l.b.sources[l.source]
	src.Format = string(format)
	src.Records = event.Ptr(l.records)
	if src.Events == nil {
		src.Events, src.Kills = new(uint64), new(uint64)
	}
	if src.Kills == nil {
		src.Kills = new(uint64)
	}
	if l.end != nil && !errors.Is(l.end, io.EOF) {
		src.State, src.Error = StateDamaged, fmt.Sprintf("%v; all before it was read", l.end)
	}
	z := l.zone()
	year := 0
	if l.cal.seen {
		year = l.year(z.loc)
	}
	resolve := func(w *kmsg.Wall) (time.Time, []event.TimeGuess) { return l.resolve(w, z, year) }
	for _, s := range l.strands {
		for _, f := range s.facts {
			if f != nil {
				f.tell(resolve)
			}
		}
	}
	for s, marks := range l.marks {
		for i := range marks {
			m := &marks[i]
			wall, guessed := resolve(&m.wall)
			s.anchors = append(s.anchors, anchor{m.stamp, wall.UnixNano(), int64(m.wall.Resolution)})
			s.rank, s.guessed = rank(event.TimeBasis(m.wall.Basis)), guessed
		}
	}
	l.tell(z, year)
}

// resolve is a time of the log, and what of it was guessed.
func (l *log) resolve(w *kmsg.Wall, z zone, year int) (time.Time, []event.TimeGuess) {
	var guessed []event.TimeGuess
	t := w.Time
	if w.NoYear {
		t = withYear(t, year-(l.cal.years-w.Years))
		if l.b.o.Year == 0 {
			guessed = append(guessed, event.GuessYear)
		}
	}
	if w.NoZone {
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), z.loc)
		if z.guessed {
			guessed = append(guessed, event.GuessZone)
		}
	}
	return t.UTC(), guessed
}

// tell gives a fact the time that its log tells.
func (f *fact) tell(resolve func(*kmsg.Wall) (time.Time, []event.TimeGuess)) {
	w := &f.moment.Wall
	if w.Basis == "" {
		f.TimeBasis = event.BasisOrder
		return
	}
	f.Time, f.TimeGuessed = resolve(w)
	f.TimeBasis = event.TimeBasis(w.Basis)
	if w.Basis == kmsg.BasisSyslog && w.Resolution >= time.Millisecond {
		f.TimeErrorMS = event.Ptr(w.Resolution.Milliseconds())
	}
	f.strand.guessed = f.TimeGuessed
	f.strand.dmesg = f.strand.dmesg || w.Basis == kmsg.BasisDmesg
}

// tell says what was guessed.
func (l *log) tell(z zone, year int) {
	src := &l.b.sources[l.source]
	if l.cal.seen {
		how := "as --assume-year says"
		if l.b.o.Year == 0 {
			how = "guessed; give --assume-year if it is another"
		}
		src.Notes = append(src.Notes, fmt.Sprintf("its times have no year: the last one is of %d (%s)", year, how))
		if y, bad := l.cal.noLeap(year); bad {
			src.Notes = append(src.Notes, fmt.Sprintf("it has a February 29, which %d had not: another year is right", y))
		}
	}
	if l.noZone {
		how := "as --assume-tz says"
		if z.guessed {
			how = "guessed; give --assume-tz if it is another"
		}
		src.Notes = append(src.Notes, fmt.Sprintf("its times have no zone: taken for %s (%s)", z.loc, how))
	}
	for _, s := range l.strands {
		if s.dmesg {
			src.Notes = append(src.Notes, "dmesg computed its times when it ran: wrong after a suspend or a step of the clock")
			break
		}
	}
}

// zone is what times without one are taken for.
type zone struct {
	loc     *time.Location
	guessed bool
}

func (l *log) zone() zone {
	m := l.b.o.Machine
	switch {
	case l.b.o.Zone != nil:
		return zone{l.b.o.Zone, false}
	case m == nil || m.Zone == nil:
		return zone{time.UTC, true}
	case l.in.Own:
		return zone{m.Zone, true}
	}
	for _, s := range l.strands {
		if !sameName(s.host.Name, m.Host.Name) {
			return zone{time.UTC, true}
		}
	}
	return zone{m.Zone, true}
}

// year is that of the last record.
func (l *log) year(loc *time.Location) int {
	if l.b.o.Year != 0 {
		return l.b.o.Year
	}
	ref := l.in.ModTime
	if ref.IsZero() {
		ref = l.b.o.Now
	}
	return l.cal.guess(ref.In(loc))
}

// dashed is a boot id as /proc has it, of one with or without dashes; "" of what is none.
func dashed(id string) string {
	switch {
	case len(id) == 32 && isHex(id):
		return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	case len(id) == 36 && isHex(id[:8]+id[9:13]+id[14:18]+id[19:23]+id[24:]):
		return id
	}
	return ""
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || '9' < c) && (c < 'a' || 'f' < c) {
			return false
		}
	}
	return true
}
