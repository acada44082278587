// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"time"
)

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
