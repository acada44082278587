// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"io"
	"time"
)

const (
	// maxText is the longest text of a record in bytes. What is longer is cut.
	maxText = maxLine
	// A record of the kernel is no longer (kernel/printk/printk.c: PRINTKRB_RECORD_MAX,
	// LOG_LINE_MAX before 5.18), so that more lines than that without the log's framing
	// are not its text. User space's may be longer: rsyslog's 8 KiB.
	kernelText = 1024
	userText   = 8 << 10
	// settling is how many lines of one framing in a row make it the log's, unless the
	// log begins with it.
	settling = 3
)

// Stats counts what a Scanner has read.
type Stats struct {
	Lines, Bytes int64
	// Cut is how many lines and texts were longer than 64 KiB and lost their ends.
	Cut int64
	// Foreign is how many lines of a log with a framing were without it, and taken for
	// text of the record before.
	Foreign int64
	// Skipped is how many lines were none of a record's: fields of devices, entries of
	// the journal without a message.
	Skipped int64
}

// Scanner finds the records of a kernel log in any framing that the constants of
// [Format] name, by the content of its lines. Make one with [NewScanner].
//
// A log has one framing, which its first lines settle. After that a line without it, or
// with another, is not a record but text of the record before: a newline in the name of
// a process splits a line, and what follows is the process's own choice. Only where more
// follows than one record can hold is the framing looked for anew, from there on. The
// framings of /dev/kmsg, of the journal's export and JSON formats, and of journalctl -o
// verbose keep a record in one piece.
//
// What cannot be told: the kernel's console and syslog(2) begin each line of a record
// with the record's stamp, so that such a line is a record here, with the same stamp as
// the one before.
//
// Where a record ends is known when the next begins, so in text that is still being
// written a record comes out after the next one is there; those of /dev/kmsg, JSON and
// export come out at once.
type Scanner struct {
	src     source
	end     error
	cur     *slot
	ahead   *slot
	isAhead bool

	layout  layout
	settled bool
	run     int  // lines in this layout in a row
	fresh   bool // none was read since the framing was looked for

	years   years
	minute  Wall // of dmesg --time-format reltime, which the distances count from
	boot    [32]byte
	hasBoot bool
	reboot  bool

	pieces  []byte // of a container's line
	gather  []byte // lines of one object
	scratch []byte
	bare    []byte // a line without its colours

	coloured bool // the line read last was

	foreign, skipped, cutTexts int64
}

// slot is a record and the room for its bytes.
type slot struct {
	Record
	layout                   layout
	column                   int // where on the line the text begins
	coloured                 bool
	text, host, caller, boot []byte
}

// own copies what the record refers to.
func (t *slot) own() {
	t.text = append(t.text[:0], t.Text...)
	t.host = append(t.host[:0], t.Host...)
	t.caller = append(t.caller[:0], t.Caller...)
	t.boot = append(t.boot[:0], t.BootID...)
	t.Text, t.Host, t.Caller, t.BootID = t.text, t.host, t.caller, t.boot
}

// NewScanner returns a Scanner that reads from r up to its end. It takes 0.5 MiB at the
// most, however large the log is.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{
		src:   source{r: r, buf: make([]byte, bufSize), mark: -1},
		cur:   &slot{},
		ahead: &slot{},
		fresh: true,
	}
}

// Format is the framing of the record that Next returned last; "" before the first.
func (s *Scanner) Format() Format {
	if s.cur.Line == 0 {
		return ""
	}
	return s.cur.layout.format()
}

// Stats counts what was read so far, which may be a little more than what Next returned.
func (s *Scanner) Stats() Stats {
	return Stats{
		Lines: s.src.line, Bytes: s.src.bytes, Cut: s.src.cut + s.cutTexts,
		Foreign: s.foreign, Skipped: s.skipped,
	}
}

// Next returns the next record. It is io.EOF at the end, [ErrUTF16], or the reader's
// error, which every later call returns too; what was read before it comes out first.
func (s *Scanner) Next() (*Record, error) {
	if !s.isAhead {
		if s.end != nil {
			return nil, s.end
		}
		if err := s.read(); err != nil {
			s.end = err
			return nil, err
		}
	}
	s.cur, s.ahead, s.isAhead = s.ahead, s.cur, false
	if s.settled && !s.cur.layout.exact() {
		s.extend()
	}
	s.finish()
	return &s.cur.Record, nil
}

// finish makes the record what the user sees.
func (s *Scanner) finish() {
	t := s.cur
	switch t.layout.inner {
	case innerSyslog, innerSyslogISO:
		t.text = unescapeOctal(t.text)
	}
	t.Text = t.text
	if t.Wall.Basis != "" && t.Wall.NoYear {
		s.years.add(&t.Wall)
	}
}

// read finds the next record and puts it into s.ahead.
func (s *Scanner) read() error {
	t := s.ahead
	for {
		b, err := s.line()
		if err != nil {
			if len(s.pieces) == 0 {
				return err
			}
			// The end of a container's line never came.
			t.begin(s.src.line)
			f := frame{Record: &t.Record}
			f.detect(s.pieces)
			s.take(t, f, s.pieces)
			t.layout = layout{s.layout.outer, f.inner, f.traits}
			s.pieces = s.pieces[:0]
			s.isAhead = true
			return nil
		}
		t.begin(s.src.line)
		if s.whole(b, t) {
			if t.Text == nil {
				continue
			}
			s.accept(t)
			return nil
		}
		if b[0] == ' ' && s.layout.inner == innerKmsg && s.settled {
			s.skipped++ // a device's field
			continue
		}
		t.begin(s.src.line)
		out, b, complete := s.unwrap(b, t)
		if !complete {
			continue
		}
		if out != outerNone && len(b) > 0 && b[0] == '{' && s.object(b, t) {
			t.layout.outer = out
			s.accept(t)
			return nil
		}
		f := frame{Record: &t.Record}
		if !s.settled || out != s.layout.outer || !f.as(s.layout, b) {
			if s.rule(b) {
				continue
			}
			if s.settled {
				s.unsettle()
			}
			wall := t.Wall
			f.detect(b)
			if t.Wall.Basis == "" {
				t.Wall = wall
			}
		}
		t.layout = layout{out, f.inner, f.traits}
		s.take(t, f, b)
		s.accept(t)
		return nil
	}
}

// line returns the next line that is not empty, without what a console adds. At the end
// it gives what came of a container's line in pieces.
func (s *Scanner) line() ([]byte, error) {
	for {
		line, err := s.src.next()
		if err != nil {
			return nil, err
		}
		if b := s.clean(line); len(b) > 0 {
			return b, nil
		}
	}
}

// begin makes t empty, for a record that begins on such a line.
func (t *slot) begin(line int64) {
	text, host, caller, boot := t.text, t.host, t.caller, t.boot
	*t = slot{text: text[:0], host: host[:0], caller: caller[:0], boot: boot[:0]}
	t.Line = line
	t.Priority = -1
}

// take copies the record that f read from line b.
func (s *Scanner) take(t *slot, f frame, b []byte) {
	t.column, t.coloured = len(b)-len(f.text), s.coloured
	t.Text = f.text
	t.own()
	if f.inner == innerKmsg {
		t.text = unescapeHex(t.text)
	}
	if f.inner == innerDmesgDelta {
		s.reltime(t, f.since)
	}
}

// reltime computes a time of dmesg --time-format reltime, which tells one for the first
// record of a minute, and distances after it.
func (s *Scanner) reltime(t *slot, since time.Duration) {
	switch {
	case t.Wall.Basis != "":
		s.minute = t.Wall
	case s.minute.Basis != "":
		s.minute.Time = s.minute.Time.Add(since)
		t.Wall = s.minute
	}
}

// accept notes a record's framing and settles the log's.
func (s *Scanner) accept(t *slot) {
	s.isAhead = true
	if s.hasBoot && len(t.BootID) == 0 {
		t.boot = append(t.boot[:0], s.boot[:]...)
		t.BootID = t.boot
	}
	t.Reboot = s.reboot
	s.reboot = false
	if s.settled {
		return
	}
	if t.layout != s.layout {
		s.layout, s.run = t.layout, 0
	}
	if t.layout.inner == innerPlain {
		s.fresh = false
		return
	}
	// dmesg's text and journalctl's with the same stamp differ in what follows.
	if t.layout.inner == innerDmesg && likeProgram(t.text) {
		return
	}
	s.run++
	s.settled = s.fresh || s.run >= settling
	s.fresh = false
}

// likeProgram says whether text may be "host program: text".
func likeProgram(b []byte) bool {
	_, rest := word(b)
	ident, _ := word(rest)
	return len(ident) > 1 && ident[len(ident)-1] == ':'
}

func (s *Scanner) unsettle() {
	s.settled, s.run, s.fresh = false, 0, true
	s.layout = layout{}
}

// isRule says whether the line is journalctl's own. In text that it did not write, such a
// line is anybody's.
func (s *Scanner) isRule(b []byte) bool {
	_, _, ok := rule(b)
	return ok && s.layout.journal()
}

// rule reads what journalctl prints between entries.
func (s *Scanner) rule(b []byte) bool {
	boot, id, ok := rule(b)
	if !ok || !s.fresh && !s.layout.journal() {
		return false
	}
	if boot {
		s.reboot = true
		if s.hasBoot = id != nil; s.hasBoot {
			copy(s.boot[:], id)
		}
	}
	return true
}

// extend adds the lines to the record that are text of it, up to the next record, which
// it puts into s.ahead.
func (s *Scanner) extend() {
	t := s.cur
	limit := kernelText
	if t.User {
		limit = userText
	}
	s.src.hold()
	defer s.src.release()
	sure, foreign, lines := len(t.text), 0, int64(0)
	for {
		b, err := s.line()
		if err != nil {
			s.end = err
			s.foreign += lines
			return
		}
		s.ahead.begin(s.src.line)
		out, in, complete := s.unwrap(b, s.ahead)
		if !complete {
			continue
		}
		if out != s.layout.outer || s.isRule(in) {
			s.src.unread()
			s.unsettle()
			s.foreign += lines
			return
		}
		f := frame{Record: &s.ahead.Record}
		if f.as(s.layout, in) {
			s.ahead.layout = s.layout
			s.take(s.ahead, f, in)
			s.accept(s.ahead)
			s.foreign += lines
			return
		}
		if t.coloured {
			in = s.uncolour(in) // the record's end is where the colour ends
		}
		text, indented := dedent(in, t.column)
		if indented {
			s.join(t, text)
			sure, foreign, lines = len(t.text), 0, 0
			s.src.hold()
			continue
		}
		lines++
		if foreign += len(in) + 1; foreign > limit && s.src.back() {
			t.text = t.text[:sure]
			s.pieces = s.pieces[:0]
			s.unsettle()
			return
		}
		s.join(t, text)
	}
}

// join adds a line to the text of a record.
func (s *Scanner) join(t *slot, text []byte) {
	if room := maxText - len(t.text) - 1; len(text) > room {
		if room >= 0 {
			s.cutTexts++
		}
		text = text[:max(room, 0)]
		if len(text) == 0 {
			return
		}
	}
	t.text = append(t.text, '\n')
	t.text = append(t.text, text...)
}

// dedent takes the spaces away that dmesg, journalctl and makedumpfile put before the
// further lines of a record, up to the column of its text.
func dedent(b []byte, column int) ([]byte, bool) {
	if column == 0 || len(b) < column {
		return b, false
	}
	for _, c := range b[:column] {
		if c != ' ' {
			return b, false
		}
	}
	return b[column:], true
}

// clean takes away what a console adds to a line: returns, colours, NULs.
func (s *Scanner) clean(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\r' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	for len(b) > 0 && (b[0] == '\r' || b[0] == 0) {
		b = b[1:]
	}
	if s.coloured = len(b) > 0 && b[0] == esc; s.coloured {
		return s.uncolour(b)
	}
	return b
}

const esc = 0x1b

// uncolour takes the terminal's control sequences away, of a line that begins with one.
// Of other lines they are text: the name of a process may hold them.
func (s *Scanner) uncolour(b []byte) []byte {
	out := s.bare[:0]
	for i := 0; i < len(b); i++ {
		if b[i] != esc || i+1 == len(b) {
			out = append(out, b[i])
			continue
		}
		i++
		if b[i] != '[' {
			continue // a sequence of two bytes
		}
		for i+1 < len(b) {
			i++
			if b[i] >= '@' && b[i] <= '~' {
				break
			}
		}
	}
	s.bare = out
	return out
}

// unwrap takes away what a container runtime put around the line; complete false: it is
// a piece of a longer one.
func (s *Scanner) unwrap(b []byte, t *slot) (o outer, in []byte, complete bool) {
	switch {
	case b[0] == '{':
		if s.settled && s.layout.outer != outerDocker {
			return outerNone, b, true
		}
		log, ok := container(b, s.scratch[:0], &t.Wall)
		s.scratch = log[:0]
		if !ok {
			return outerNone, b, true
		}
		whole := bytes.HasSuffix(log, []byte{'\n'})
		log, complete = s.piece(bytes.TrimRight(log, "\r\n"), whole)
		return outerDocker, log, complete
	case isDigit(b[0]) && (!s.settled || s.layout.outer != outerNone):
		var w Wall
		ct, n := isoTime(b, BasisContainer, &w)
		if n == 0 || n >= len(b) || b[n] != ' ' || w.NoZone || b[10] != 'T' {
			break
		}
		if in, partial, ok := cri(b[n+1:]); ok {
			t.Wall = w
			in, complete = s.piece(in, !partial)
			return outerCRI, in, complete
		}
		if s.settled && s.layout.outer == outerKube || !s.settled && s.isKube(b, ct, n) {
			t.Wall = w
			return outerKube, b[n+1:], true
		}
	}
	return outerNone, b, true
}

// cri reads "stdout F " behind a time; partial: more of the line follows.
func cri(b []byte) (in []byte, partial, ok bool) {
	for _, stream := range [...]string{"stdout ", "stderr "} {
		rest, ok := bytes.CutPrefix(b, []byte(stream))
		if !ok || len(rest) == 0 {
			continue
		}
		tags, in := word(rest)
		if len(tags) > 0 && (tags[0] == 'F' || tags[0] == 'P') && (len(tags) == 1 || tags[1] == ':') {
			return in, tags[0] == 'P', true
		}
	}
	return nil, false, false
}

// isKube says whether the time, n bytes long, stands before a line of a container's:
// kubectl's has as many digits as it takes, syslog's three or six, and a program.
func (s *Scanner) isKube(b []byte, t clockTime, n int) bool {
	if t.comma || b[n-1] != 'Z' && t.digits != 9 {
		return false
	}
	rest := b[n+1:]
	if t.digits == 0 || t.digits == 3 || t.digits == 6 {
		if ofProgram(rest) {
			return false
		}
	}
	var r Record
	f := frame{Record: &r}
	f.detect(rest)
	return f.inner != innerPlain || t.digits > 6
}

// piece puts a line that came in pieces together.
func (s *Scanner) piece(b []byte, last bool) (line []byte, complete bool) {
	if last && len(s.pieces) == 0 {
		return b, true
	}
	if room := maxLine - len(s.pieces); len(b) > room {
		if room > 0 {
			s.cutTexts++
		}
		b = b[:max(room, 0)]
	}
	s.pieces = append(s.pieces, b...)
	if !last {
		return nil, false
	}
	line = s.pieces
	s.pieces = s.pieces[:0]
	return line, true
}
