// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// whole reads a record of a framing that keeps it in one piece over several lines, or in
// JSON, and whose first line is b; false: it is none. Text is nil if the record has none.
func (s *Scanner) whole(b []byte, t *slot) bool {
	if s.strict() {
		return false
	}
	if s.settled && s.layout.outer == outerDocker && b[0] == '{' && len(b) > 2 {
		return false // rather more of the same
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
	case s.isEntry(b):
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

// entry makes the record of an entry of the journal, whose Text is nil if it has none.
func (s *Scanner) entry(e *entry, t *slot, k inner) {
	t.layout = layout{inner: k}
	if !e.finish(t) {
		s.skipped++
		t.Text = nil
	} else if t.Text == nil {
		t.Text = []byte{}
	}
}
