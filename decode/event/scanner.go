// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxInputLine is the longest line, in bytes, that a [Scanner] takes.
const MaxInputLine = 1 << 20

// What is wrong with an input as a whole, or with its end.
var (
	ErrEmpty     = errors.New("empty: no event in it")
	ErrTruncated = errors.New("cut off: the last line is incomplete")
)

// LineError is what is wrong with one line; the lines after it can be read.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns Err.
func (e *LineError) Unwrap() error { return e.Err }

// Scanner reads events from JSON Lines. Make one with [NewScanner].
type Scanner struct {
	r    *bufio.Reader
	raw  []byte
	line int
	seen bool  // a line that is not blank
	end  error // once the input has ended
}

// NewScanner returns a Scanner that reads from r, buffered, up to its end.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{r: bufio.NewReaderSize(r, 64<<10)}
}

// Next returns the event of the next line that is not blank.
//
// A line that is no event gives a [*LineError] and does not end the reading; it
// wraps what [Unmarshal] says (with the event's header for [ErrType]),
// [ErrLineTooLong], or [ErrTruncated] for a last line that was cut off. At the
// end it returns io.EOF, or [ErrEmpty] when there was no line; a read error
// ends the reading too. Such an end is returned by every later call.
func (s *Scanner) Next() (*Event, error) {
	for s.end == nil {
		whole, long, err := s.readLine()
		if err != nil {
			s.finish(err)
			if err != io.EOF || len(s.raw) == 0 && !long {
				break
			}
		}
		s.line++
		if long {
			s.seen = true
			return nil, &LineError{s.line, ErrLineTooLong}
		}
		if len(bytes.TrimSpace(s.raw)) == 0 {
			continue
		}
		s.seen = true
		e, err := Unmarshal(s.raw)
		if err == nil {
			return e, nil
		}
		if !whole && cutOff(s.raw) {
			err = ErrTruncated
		}
		return e, &LineError{s.line, err}
	}
	s.raw = nil
	if s.end == io.EOF && !s.seen {
		return nil, ErrEmpty
	}
	return nil, s.end
}

// Line returns the number of the line that Next returned last, from 1.
func (s *Scanner) Line() int { return s.line }

// Raw returns that line as it was read, without its newline, valid or not. It
// is nil when the line was too long and at the end, and good until the next
// call of Next.
func (s *Scanner) Raw() []byte { return s.raw }

func (s *Scanner) finish(err error) {
	s.end = err
	if err != io.EOF {
		s.end = fmt.Errorf("read after line %d: %w", s.line, err)
	}
}

// readLine reads into s.raw up to a newline, which whole says was there. A line
// too long is skipped to its end. err is io.EOF at the end of the input, or why
// the reading failed.
func (s *Scanner) readLine() (whole, long bool, err error) {
	s.raw = s.raw[:0]
	for {
		part, err := s.r.ReadSlice('\n')
		if err == nil {
			part, whole = part[:len(part)-1], true
		}
		if long = long || len(s.raw)+len(part) > MaxInputLine; long {
			s.raw = nil
		} else {
			s.raw = append(s.raw, part...)
		}
		if err != bufio.ErrBufferFull {
			return whole, long, err
		}
	}
}

// cutOff reports whether line is the beginning of a JSON object, or what a
// crash leaves of a file's last block: zeros.
func cutOff(line []byte) bool {
	line = bytes.TrimRight(line, "\x00")
	if len(line) == 0 {
		return true
	}
	if line[0] != '{' {
		return false
	}
	var v json.RawMessage
	err := json.NewDecoder(bytes.NewReader(line)).Decode(&v)
	return errors.Is(err, io.ErrUnexpectedEOF)
}
