// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrUTF16 is a log that was saved as UTF-16, as Windows does.
var ErrUTF16 = errors.New("the text is UTF-16: convert it first, such as with iconv -f UTF-16 -t UTF-8")

const (
	// maxLine is the longest line in bytes. What is longer is cut.
	maxLine = 64 << 10
	// bufSize holds a run of lines to go back to, the line that ends it and the next.
	bufSize = 4 * maxLine
	// maxEmptyReads in a row end the reading: the reader is broken.
	maxEmptyReads = 100
)

// source gives the lines of a reader through one buffer of fixed size.
type source struct {
	r        io.Reader
	buf      []byte
	pos, end int // what is read and not yet given: buf[pos:end]
	last     int // where the line given last begins
	mark     int // what to keep for back; negative: nothing
	markLine int64
	line     int64 // number of the line given last
	bytes    int64
	cut      int64
	started  bool
	err      error // of the reader
}

// next returns a line without its newline, which is good until the next call, and
// without NULs before it: a crash leaves them where a block was never written.
func (s *source) next() ([]byte, error) {
	if !s.started {
		if err := s.start(); err != nil {
			return nil, err
		}
	}
	scanned := 0 // bytes of the line that have no newline
	for {
		if scanned == 0 {
			for s.pos < s.end && s.buf[s.pos] == 0 {
				s.pos++
			}
		}
		if i := bytes.IndexByte(s.buf[s.pos+scanned:s.end], '\n'); i >= 0 {
			n := scanned + i
			if n > maxLine {
				s.shorten(s.pos + n)
				n = maxLine
			}
			return s.give(n, 1), nil
		}
		scanned = s.end - s.pos
		if scanned > maxLine {
			return s.long()
		}
		if s.err != nil {
			if scanned == 0 {
				return nil, s.err
			}
			return s.give(scanned, 0), nil
		}
		s.fill()
	}
}

// give returns the n bytes at pos and goes behind them and skip more.
func (s *source) give(n, skip int) []byte {
	s.last = s.pos
	b := s.buf[s.pos : s.pos+n]
	s.pos += n + skip
	s.line++
	return b
}

// shorten cuts the line at pos, whose newline is at nl, as if it had been so short: it
// may be read again.
func (s *source) shorten(nl int) {
	at := s.pos + maxLine
	copy(s.buf[at:], s.buf[nl:s.end])
	s.end -= nl - at
	s.cut++
}

// long gives the head of a line that is longer than what is buffered of it.
func (s *source) long() ([]byte, error) {
	for {
		s.end = s.pos + maxLine
		if s.err != nil {
			s.cut++
			return s.give(maxLine, 0), nil
		}
		s.fill() // may move pos
		at := s.pos + maxLine
		if i := bytes.IndexByte(s.buf[at:s.end], '\n'); i >= 0 {
			s.shorten(at + i)
			return s.give(maxLine, 1), nil
		}
	}
}

// fill reads once, or notes why it cannot.
func (s *source) fill() {
	keep := s.pos
	if s.mark >= 0 {
		keep = s.mark
	}
	if keep > 0 && (s.end == len(s.buf) || keep == s.end) {
		s.end = copy(s.buf, s.buf[keep:s.end])
		s.pos -= keep
		if s.mark >= 0 {
			s.mark = 0
		}
	}
	if s.end == len(s.buf) {
		// NULs without end within what is kept: nothing to go back to is better
		// than nothing to go on with.
		s.mark = -1
		s.end = copy(s.buf, s.buf[s.pos:s.end])
		s.pos = 0
	}
	for range maxEmptyReads {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		s.bytes += int64(n)
		if err != nil && err != io.EOF {
			err = fmt.Errorf("read after line %d: %w", s.line, err)
		}
		s.err = err
		if n > 0 || err != nil {
			return
		}
	}
	s.err = fmt.Errorf("read after line %d: %w", s.line, io.ErrNoProgress)
}

// start looks at the first bytes for how the text is encoded.
func (s *source) start() error {
	for s.end < 4 && s.err == nil {
		s.fill()
	}
	s.started = true
	b := s.buf[:s.end]
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		s.pos = 3
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")),
		len(b) >= 4 && b[0] != 0 && b[1] == 0 && b[2] != 0 && b[3] == 0,
		len(b) >= 4 && b[0] == 0 && b[1] != 0 && b[2] == 0 && b[3] != 0:
		s.err = ErrUTF16
		s.pos = s.end
		return s.err
	}
	return nil
}

// unread puts back the line that was given last.
func (s *source) unread() {
	s.pos = s.last
	s.line--
}

// hold keeps what follows so that back can return to it.
func (s *source) hold() { s.mark, s.markLine = s.pos, s.line }

func (s *source) release() { s.mark = -1 }

// back returns to where hold was called; false: that is no longer there.
func (s *source) back() bool {
	if s.mark < 0 {
		return false
	}
	s.pos, s.line = s.mark, s.markLine
	s.mark = -1
	return true
}

// raw reads n bytes, whatever they are, and appends the first of them to dst, which
// grows to that at most.
func (s *source) raw(dst []byte, n uint64, most int) ([]byte, error) {
	for n > 0 {
		if s.pos == s.end {
			if s.err != nil {
				return dst, s.err
			}
			s.fill()
			continue
		}
		part := s.buf[s.pos:s.end]
		if uint64(len(part)) > n {
			part = part[:n]
		}
		if room := most - len(dst); room > 0 {
			dst = append(dst, part[:min(room, len(part))]...)
		}
		s.line += int64(bytes.Count(part, []byte{'\n'}))
		s.pos += len(part)
		n -= uint64(len(part))
	}
	return dst, nil
}
