// SPDX-License-Identifier: Apache-2.0

package kmsg

// clean takes away what a console adds to a line: returns, colours, NULs.
func (s *Scanner) clean(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\r' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	for len(b) > 0 && (b[0] == '\r' || b[0] == 0) {
		b = b[1:]
	}
	if s.coloured = len(b) > 0 && b[0] == esc || len(b) > 15 && b[13] == ':' && b[15] == esc; s.coloured {
		return s.uncolour(b) // the latter is of dmesg -x
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
