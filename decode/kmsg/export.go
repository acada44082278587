// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"encoding/binary"
)

// isEntry says whether an entry of an export begins with b, or the remains of one with
// which a file begins.
func (s *Scanner) isEntry(b []byte) bool {
	if bytes.HasPrefix(b, []byte("__CURSOR=")) {
		return true
	}
	key, _, ok := bytes.Cut(b, []byte{'='})
	return ok && b[0] == '_' && isKey(key) && (s.fresh || s.layout.inner == innerExport)
}

// isKey says whether b is the name of a field.
func isKey(b []byte) bool {
	for _, c := range b {
		if c != '_' && (c < 'A' || c > 'Z') && !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

// export reads the fields of an entry up to the empty line behind it: "KEY=value", or
// the key, 8 bytes of length and as many of value.
func (s *Scanner) export(b []byte, t *slot) {
	e := newEntry()
	for len(b) > 0 {
		key, val, ok := bytes.Cut(b, []byte{'='})
		if !isKey(key) {
			s.src.unread() // text that only began like an entry
			break
		}
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
	s.src.hold()
	length, err := s.src.raw(s.scratch[:0], 8, 8)
	s.scratch = length[:0]
	if err != nil || binary.LittleEndian.Uint64(length) > maxField {
		s.src.back() // no field, but text that looks like its name
		return false
	}
	s.src.release()
	n := binary.LittleEndian.Uint64(length)
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
