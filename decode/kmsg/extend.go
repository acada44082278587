// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// extend adds the lines to the record that are text of it, up to the next record, which
// it puts into s.ahead.
func (s *Scanner) extend() {
	t := s.cur
	limit := kernelText
	if t.User {
		limit = userText
	}
	s.hold()
	defer s.src.release()
	sure, foreign, lines := len(t.text), 0, int64(0)
	for {
		b, err := s.line()
		if err != nil {
			s.foreign += lines
			return
		}
		s.ahead.begin(s.src.line)
		out, in, complete := s.unwrap(b, s.ahead)
		if !complete && out == s.layout.outer {
			continue
		}
		if out != s.layout.outer || s.isRule(in) {
			s.unread()
			s.unsettle()
			s.foreign += lines
			return
		}
		f, wall := frame{Record: &s.ahead.Record}, s.ahead.Wall
		if f.as(s.layout, in) {
			s.take(s.ahead, f, s.layout, in)
			if s.ahead.Wall.Basis == "" {
				s.ahead.Wall = wall
			}
			s.accept(s.ahead)
			s.foreign += lines
			return
		}
		if t.coloured {
			in = s.uncolour(in) // the record's end is where the colour ends
		}
		// What indents the further lines of a record does so with all of them.
		if text, ok := dedent(in, t.column); ok && foreign == 0 {
			s.join(t, text)
			sure = len(t.text)
			s.hold()
			continue
		}
		if s.breaks(t, in) {
			s.unread()
			s.unsettle()
			s.foreign += lines
			return
		}
		if at := s.behind(t, in); at > 0 && f.as(s.layout, in[at:]) {
			s.take(s.ahead, f, s.layout, in[at:])
			s.accept(s.ahead)
			s.foreign += lines
			return
		}
		lines++
		if foreign += len(in) + 1; foreign > limit && s.back() {
			t.text = t.text[:sure]
			s.unsettle()
			return
		}
		s.join(t, in)
	}
}

// indented does so before the framing is settled, with the lines that are sure to be the
// record's.
func (s *Scanner) indented() {
	t := s.cur
	for {
		b, err := s.line()
		if err != nil {
			return
		}
		s.ahead.begin(s.src.line)
		out, in, complete := s.unwrap(b, s.ahead)
		if !complete {
			return
		}
		text, indented := dedent(in, t.column)
		if out != t.layout.outer || !indented {
			s.unread()
			return
		}
		s.join(t, text)
	}
}

// breaks says whether a line of another framing is a record all the same. In the syslog
// of a console, such as a cloud's, the kernel's own lines stand between those of daemons,
// and a daemon that would fake one can do so anyway.
func (s *Scanner) breaks(t *slot, b []byte) bool {
	return t.User && s.layout.journal() && s.isFramed(b)
}

// isFramed says whether a line has any framing.
func (s *Scanner) isFramed(b []byte) bool {
	if len(b) > 0 && b[0] == '{' {
		return true
	}
	if _, n := isoTime(b, "", &s.probe.Wall); n > 0 {
		return true // a container's at least
	}
	f := frame{Record: &s.probe}
	f.detect(b)
	return f.inner != innerPlain
}

// behind returns where on a console's line the kernel's begins, behind a prompt that a
// program left there: where there is a stamp that is later than the last. 0: nowhere.
func (s *Scanner) behind(t *slot, b []byte) int {
	if s.layout.inner != innerDmesg || s.layout.traits&^traitCaller != 0 || s.isFramed(b) {
		return 0
	}
	for at := 0; ; at++ {
		i := bytes.IndexByte(b[at:], '[')
		if i < 0 {
			return 0
		}
		at += i
		if d, n := stamp(b[at:]); n >= len("[    0.000000]") && d > t.Printk {
			return at
		}
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
