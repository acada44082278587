// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// unwrap takes away what a container runtime put around the line; complete false: it is
// a piece of a longer one.
func (s *Scanner) unwrap(b []byte, t *slot) (o outer, in []byte, complete bool) {
	s.outputs.forget()
	switch {
	case b[0] == '{':
		if s.strict() && s.layout.outer != outerDocker {
			return outerNone, b, true
		}
		log, of, ok := container(b, s.scratch[:0], &t.Wall)
		s.scratch = log[:0]
		if !ok {
			return outerNone, b, true
		}
		whole := bytes.HasSuffix(log, []byte{'\n'})
		log, complete = s.outputs.piece(bytes.TrimRight(log, "\r\n"), whole, of, outerDocker, t)
		return outerDocker, log, complete
	case isDigit(b[0]) && (!s.strict() || s.layout.outer != outerNone):
		var w Wall
		ct, n := isoTime(b, BasisContainer, &w)
		if n == 0 || n >= len(b) || b[n] != ' ' || w.NoZone || b[10] != 'T' {
			break
		}
		if in, of, partial, ok := cri(b[n+1:]); ok {
			t.Wall = w
			in, complete = s.outputs.piece(in, !partial, of, outerCRI, t)
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
func cri(b []byte) (in []byte, of stream, partial, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte("stdout "))
	if !ok {
		if rest, ok = bytes.CutPrefix(b, []byte("stderr ")); !ok {
			return nil, 0, false, false
		}
		of = stderr
	}
	tags, in := word(rest)
	if len(tags) == 0 || tags[0] != 'F' && tags[0] != 'P' || len(tags) > 1 && tags[1] != ':' {
		return nil, 0, false, false
	}
	return in, of, tags[0] == 'P', true
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

// container reads {"log":"…","stream":"…","time":"…"}, which Docker writes for a line, or
// for 16 KiB of a longer one, which then has no newline. The text is appended to dst.
func container(b, dst []byte, w *Wall) (log []byte, of stream, ok bool) {
	o, ok := open(b)
	if !ok {
		return dst, 0, false
	}
	isLog, isDocker := false, false
	for o.next() {
		switch string(o.key) {
		case "log":
			dst, isLog = o.text(dst[:0])
		case "stream":
			isDocker = true
			if string(o.val) == "stderr" {
				of = stderr
			}
		case "time":
			if o.kind != '"' {
				return dst, 0, false
			}
			isDocker = true
			var wall Wall
			if _, n := isoTime(o.val, BasisContainer, &wall); n > 0 {
				*w = wall
			}
		}
	}
	return dst, of, isLog && isDocker
}
