// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// unwrap takes away what a container runtime put around the line; complete false: it is
// a piece of a longer one.
func (s *Scanner) unwrap(b []byte, t *slot) (o outer, in []byte, complete bool) {
	switch {
	case b[0] == '{':
		if s.strict() && s.layout.outer != outerDocker {
			return outerNone, b, true
		}
		log, ok := container(b, s.scratch[:0], &t.Wall)
		s.scratch = log[:0]
		if !ok {
			return outerNone, b, true
		}
		whole := bytes.HasSuffix(log, []byte{'\n'})
		log, complete = s.piece(bytes.TrimRight(log, "\r\n"), whole, t)
		return outerDocker, log, complete
	case isDigit(b[0]) && (!s.strict() || s.layout.outer != outerNone):
		var w Wall
		ct, n := isoTime(b, BasisContainer, &w)
		if n == 0 || n >= len(b) || b[n] != ' ' || w.NoZone || b[10] != 'T' {
			break
		}
		if in, partial, ok := cri(b[n+1:]); ok {
			t.Wall = w
			in, complete = s.piece(in, !partial, t)
			return outerCRI, in, complete
		}
		if s.strict() && s.layout.outer == outerKube || !s.strict() && s.isKube(b, ct, n) {
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
	return t.digits > 6 || s.isFramed(rest)
}

// piece puts a line that came in pieces together.
func (s *Scanner) piece(b []byte, last bool, t *slot) (line []byte, complete bool) {
	if last && len(s.pieces) == 0 {
		return b, true
	}
	if len(s.pieces) == 0 {
		s.first, s.firstWall = t.Line, t.Wall
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
	t.Line = s.first
	line = s.pieces
	s.pieces = s.pieces[:0]
	return line, true
}

// container reads {"log":"…","stream":"…","time":"…"}, which Docker writes for a line, or
// for 16 KiB of a longer one, which then has no newline. The text is appended to dst.
func container(b, dst []byte, w *Wall) (log []byte, ok bool) {
	o, ok := open(b)
	if !ok {
		return dst, false
	}
	isLog, isDocker := false, false
	for o.next() {
		switch string(o.key) {
		case "log":
			dst, isLog = o.text(dst[:0])
		case "stream":
			isDocker = true
		case "time":
			if o.kind != '"' {
				return dst, false
			}
			isDocker = true
			var wall Wall
			if _, n := isoTime(o.val, BasisContainer, &wall); n > 0 {
				*w = wall
			}
		}
	}
	return dst, isLog && isDocker
}
