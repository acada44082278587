// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"io"
	"time"
)

const (
	// maxText is the longest text of a record in bytes. What is longer is cut.
	maxText = maxLine
	// A record of the kernel is no longer (kernel/printk: PRINTKRB_RECORD_MAX, before
	// that LOG_LINE_MAX), so that more lines than that without the log's framing are not
	// its text. User space's may be longer: rsyslog's 8 KiB.
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
// export come out at once. A line that a container's runtime wrote in pieces comes out
// with its last one, which may be after records of later lines: the other output's pieces
// stand in between.
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
	kernels int  // of dmesg's lines in a row that may be journalctl's

	years   years
	minute  Wall // of dmesg --time-format reltime, which the distances count from
	boot    [32]byte
	hasBoot bool
	reboot  bool
	plus    bool // /dev/kmsg has pieces of lines with the flag +

	outputs outputs
	gather  []byte // lines of one object
	scratch []byte
	bare    []byte // a line without its colours

	coloured bool   // the line read last was
	probe    Record // of a line that is only looked at

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

// NewScanner returns a Scanner that reads from r up to its end. It takes less than 1 MiB,
// however large the log is.
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
		Lines: s.src.line, Bytes: s.src.bytes, Cut: s.src.cut + s.outputs.cut + s.cutTexts,
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
	switch {
	case s.strict():
		s.extend()
	case !s.settled && s.cur.column > 0:
		s.indented()
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
			for p := s.outputs.unfinished(); p != nil; p = s.outputs.unfinished() {
				if s.asItIs(p, t) {
					return nil
				}
			}
			return err
		}
		t.begin(s.src.line)
		if p := s.outputs.unfinished(); p != nil {
			out, in, complete := s.unwrap(b, t)
			switch {
			case out != p.outer:
				// The rest of that line never came.
				s.unread()
				if s.asItIs(p, t) {
					return nil
				}
			case complete && s.one(out, in, t):
				s.accept(t)
				return nil
			}
			continue
		}
		if s.whole(b, t) {
			if t.Text != nil {
				s.accept(t)
				return nil
			}
			continue
		}
		t.begin(s.src.line)
		if out, b, complete := s.unwrap(b, t); complete && s.one(out, b, t) {
			s.accept(t)
			return nil
		}
	}
}

// one reads the record of a line; false: it has none.
func (s *Scanner) one(out outer, b []byte, t *slot) bool {
	if len(b) > 0 && b[0] == ' ' && s.layout.inner == innerKmsg {
		s.skipped++ // a device's field
		return false
	}
	wall := t.Wall // the container's
	if (out != outerNone || s.layout.outer == outerDocker) && len(b) > 0 && b[0] == '{' && s.object(b, t) {
		t.layout.outer = out
	} else {
		f := frame{Record: &t.Record}
		if !s.settled || out != s.layout.outer || !f.as(s.layout, b) {
			if s.rule(b) {
				return false
			}
			if s.settled {
				s.unsettle()
			}
			f.detect(b)
		}
		s.take(t, f, layout{out, f.inner, f.traits}, b)
	}
	if t.Wall.Basis == "" {
		t.Wall = wall
	}
	return true
}

// asItIs makes a record of a container's line whose end never came.
func (s *Scanner) asItIs(p *pieces, t *slot) bool {
	s.outputs.end(p)
	t.begin(p.line)
	t.Wall = p.wall
	s.isAhead = s.one(p.outer, p.text, t)
	return s.isAhead
}

// unread puts the line back that line returned last.
func (s *Scanner) unread() {
	s.src.unread()
	s.outputs.unread()
}

// hold keeps what follows so that back can return to it.
func (s *Scanner) hold() {
	s.src.hold()
	s.outputs.hold()
}

// back returns to where hold was called; false: that is no longer there.
func (s *Scanner) back() bool {
	if !s.src.back() {
		return false
	}
	s.outputs.back()
	return true
}

// line returns the next line that is not empty, without what a console adds.
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
func (s *Scanner) take(t *slot, f frame, l layout, b []byte) {
	t.layout = l
	t.column, t.coloured = len(b)-len(f.text), s.coloured
	t.Text = f.text
	t.own()
	if f.inner == innerKmsg {
		t.text = unescapeHex(t.text)
		// Before 4.9 the first piece of a line has c, the others have +
		// (kernel/printk/printk.c: msg_print_ext_header).
		s.plus = s.plus || f.flag == '+'
		t.Continues = t.Continues || f.flag == '+' || f.flag == 'c' && !s.plus
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
	if s.settled && t.layout == s.layout {
		s.doubt(t)
		return
	}
	if s.settled {
		s.unsettle() // it was exact
	}
	if t.layout.inner == innerPlain && len(t.text) > 0 && t.text[0] == ' ' && !s.fresh {
		return // rather a further line of a record than a record
	}
	if t.layout != s.layout {
		s.layout, s.run = t.layout, 0
	}
	if t.layout.inner == innerPlain {
		s.fresh = false
		return
	}
	// dmesg's text and journalctl's with the same stamp differ in what follows.
	if first, _ := word(t.text); t.layout.inner == innerDmesg && likeProgram(t.text) && first[len(first)-1] != ':' {
		return
	}
	s.run++
	s.settled = s.fresh && t.layout.strong() || s.run >= settling
	s.fresh = false
}

// doubt sees to it that journalctl's lines with a stamp are not taken for dmesg's for
// long, where they stand behind some of dmesg's.
func (s *Scanner) doubt(t *slot) {
	if t.layout.inner != innerDmesg || !ofKernel(t.text) {
		s.kernels = 0
	} else if s.kernels++; s.kernels == settling {
		s.kernels = 0
		s.unsettle()
	}
}

// strict says that a line in another framing is none: the log's is settled and does not
// keep a record in one piece.
func (s *Scanner) strict() bool { return s.settled && !s.layout.exact() }

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
	if !ok || !s.fresh && !s.layout.journal() && (s.settled || s.layout.inner != innerDmesg) {
		return false // short-monotonic begins like dmesg
	}
	if boot {
		s.reboot = true
		if s.hasBoot = id != nil; s.hasBoot {
			copy(s.boot[:], id)
		}
	}
	return true
}
