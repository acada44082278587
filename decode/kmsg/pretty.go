// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"strings"
)

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
		if s.layout.inner != innerDmesgJSON && s.layout.inner != innerJSON {
			return false
		}
		if len(bytes.Trim(trimmed, "[]{},")) == 0 {
			s.skipped++
			return true // the end of an array
		}
		return trimmed[0] == '{' && s.object(trimmed, t) // cut off
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
		if strings.IndexByte(`"{}]-0123456789n`, b[0]) < 0 || first && b[0] != '"' || len(text) > maxLine && !s.settled {
			break // no JSON, or none that is worth it
		}
		first = false
		if b[0] == '{' { // an object within
			if len(b) > 1 || !bytes.HasPrefix(text, []byte(`{"dmesg": [`)) {
				break
			}
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

// object reads one object of the journal or of dmesg; false: it is neither's.
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
