// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"
)

// whole reads a record of a framing that keeps it in one piece over several lines, or in
// JSON, and whose first line is b; false: it is none. Text is nil if the record has none.
func (s *Scanner) whole(b []byte, t *slot) bool {
	if s.settled && (!s.layout.exact() || s.layout.outer != outerNone) {
		return false
	}
	switch b[0] {
	case 0x1e:
		b = b[1:]
	case 'd':
		b, _ = bytes.CutPrefix(b, []byte("data: "))
	}
	if len(b) == 0 {
		return false
	}
	switch {
	case b[0] == '_' && isField(b):
		s.export(b, t)
		return true
	case b[0] == '{', b[0] == '}', b[0] == ' ', b[0] == '[', b[0] == ']':
		return s.json(b, t)
	case b[len(b)-1] == ']' && verboseHead(b, t):
		s.verbose(t)
		return true
	}
	return false
}

// isField says whether b is "_KEY=…", with which entries of an export begin, as do the
// remains of one that was cut off.
func isField(b []byte) bool {
	for i, c := range b {
		switch {
		case c == '=':
			return i > 2
		case c != '_' && (c < 'A' || c > 'Z') && !isDigit(c):
			return false
		}
	}
	return false
}

// export reads the fields of an entry up to the empty line behind it: "KEY=value", or
// the key, 8 bytes of length and as many of value.
func (s *Scanner) export(b []byte, t *slot) {
	e := newEntry()
	for len(b) > 0 {
		key, val, ok := bytes.Cut(b, []byte{'='})
		if ok {
			e.field(key, val, t)
		} else if !s.binaryField(key, &e, t) {
			break
		}
		var err error
		if b, err = s.src.next(); err != nil {
			break
		}
	}
	s.entry(&e, t, innerExport)
}

// binaryField reads the value of the field whose name stands alone on its line.
func (s *Scanner) binaryField(key []byte, e *entry, t *slot) bool {
	name := append(s.gather[:0], key[:min(len(key), 64)]...) // the line goes with the next read
	s.gather = name[:0]
	var size [8]byte
	length, err := s.src.raw(size[:0], 8, 8)
	if err != nil {
		return false
	}
	n := binary.LittleEndian.Uint64(length)
	if n > maxField {
		return false
	}
	val, err := s.src.raw(s.scratch[:0], n, maxText)
	s.scratch = val[:0]
	e.field(name, val, t)
	if n > maxText {
		s.cutTexts++
	}
	if err == nil {
		_, err = s.src.raw(nil, 1, 0)
	}
	return err == nil
}

// maxField is the journal's own bound (DATA_SIZE_MAX); a length beyond is none.
const maxField = 768 << 20

func (s *Scanner) entry(e *entry, t *slot, k inner) {
	t.layout = layout{inner: k}
	if !e.finish(t) {
		s.skipped++
		t.Text = nil
	} else if t.Text == nil {
		t.Text = []byte{}
	}
}

// json reads an object of the journal or of dmesg, on one line or on several.
func (s *Scanner) json(b []byte, t *slot) bool {
	trimmed := bytes.TrimSpace(b)
	if len(trimmed) == 0 {
		return false
	}
	last := trimmed[len(trimmed)-1]
	if trimmed[0] == '{' && last == '}' && len(trimmed) > 2 {
		return s.object(trimmed, t)
	}
	if last != '{' || len(trimmed) > 4 { // "{", "},{"
		if s.layout.inner == innerDmesgJSON || s.layout.inner == innerJSON && trimmed[0] != '{' {
			s.skipped++
			return true // the ends of the array
		}
		return trimmed[0] == '{' && s.layout.inner == innerJSON && s.object(trimmed, t)
	}
	return s.pretty(t)
}

// pretty reads an object over several lines up to the one that begins with its closing
// brace.
func (s *Scanner) pretty(t *slot) bool {
	s.src.hold()
	text := append(s.gather[:0], '{')
	ok, first := false, true
	for {
		line, err := s.src.next()
		if err != nil {
			break
		}
		b := bytes.TrimSpace(line)
		if len(b) == 0 {
			continue
		}
		if strings.IndexByte(`"{}[]-0123456789tfn`, b[0]) < 0 || first && b[0] != '"' || len(text) > maxLine && !s.settled {
			break // no JSON, or none that is worth it
		}
		first = false
		if b[0] == '{' && len(b) == 1 { // an object within: of dmesg, the first
			text = append(text[:0], '{')
			s.src.hold()
			continue
		}
		if b[0] == '}' {
			ok = true
			if b[len(b)-1] == '{' {
				s.src.unread() // it begins the next
			}
			break
		}
		if len(text)+len(b) < maxText {
			text = append(append(text, b...), '\n')
		}
	}
	s.gather = text[:0]
	if ok && s.object(text, t) {
		s.src.release()
		return true
	}
	s.src.back()
	return false
}

func (s *Scanner) object(b []byte, t *slot) bool {
	if e, ok := journalObject(b, t, &s.scratch); ok {
		s.entry(&e, t, innerJSON)
		return true
	}
	t.begin(t.Line)
	if dmesgObject(b, t) {
		t.layout = layout{inner: innerDmesgJSON}
		if t.Text == nil {
			t.Text = []byte{}
		}
		return true
	}
	t.begin(t.Line)
	return false
}

// verboseHead reads "Mon 2026-06-20 12:47:02.123456 CEST [s=…;i=…;b=…;m=…;t=…;x=…]".
// The cursor has the boot and the time in UTC.
func verboseHead(b []byte, t *slot) bool {
	var w Wall
	n := fullTime(b, &w)
	if n == 0 || n >= len(b) || b[n] != '[' {
		return false
	}
	t.Wall = w
	for in := b[n+1 : len(b)-1]; len(in) > 0; {
		i := bytes.IndexByte(in, ';')
		part := in
		if i >= 0 {
			part, in = in[:i], in[i+1:]
		} else {
			in = nil
		}
		if len(part) < 3 || part[1] != '=' {
			continue
		}
		switch part[0] {
		case 'b':
			if len(part) == 2+32 {
				t.boot = append(t.boot[:0], part[2:]...)
			}
		case 't':
			if us := hexNumber(part[2:]); us > 0 {
				t.Wall = Wall{Basis: BasisJournal, Time: time.UnixMicro(us).UTC(), Resolution: time.Microsecond}
			}
		}
	}
	return true
}

// hexNumber reads up to 15 hex digits; negative: it is none.
func hexNumber(b []byte) (v int64) {
	if len(b) == 0 || len(b) > 15 {
		return -1
	}
	for _, c := range b {
		d := hexDigit(c)
		if d < 0 {
			return -1
		}
		v = v<<4 | int64(d)
	}
	return v
}

// verbose reads the fields of an entry: "    KEY=value", further lines of a value being
// indented more.
func (s *Scanner) verbose(t *slot) {
	e := newEntry()
	column := 0 // of the message, while in it
	for {
		line, err := s.src.next()
		if err != nil {
			break
		}
		b := s.clean(line)
		if len(b) < 5 || string(b[:4]) != "    " {
			if len(b) > 0 {
				s.src.unread()
			}
			break
		}
		if text, ok := dedent(b, max(column, 5)); ok {
			if column > 0 {
				s.join(t, text)
			}
			continue
		}
		key, val, ok := bytes.Cut(b[4:], []byte{'='})
		if !ok {
			continue
		}
		column = 0
		if string(key) == "MESSAGE" {
			column = 4 + len("MESSAGE=")
		}
		e.field(key, val, t)
	}
	s.entry(&e, t, innerVerbose)
}
