// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// Entry is a line of a log that tells of the end of a process.
type Entry struct {
	Report Report
	Line   int64  // of the input, from 1
	Text   string // the message as it stands there; any bytes, up to 1 KiB
	Ident  string // the program's name, as the line gives it
	// Time is zero where the line has none. Where NoZone it is what the clock on the wall
	// showed, as if that were UTC, and where NoYear it is in the year 2000.
	Time           time.Time
	NoYear, NoZone bool
	Host           string
	BootID         string // 32 hex digits; the journal's alone
	// Writer is who wrote it; nil where the log does not tell.
	Writer *Writer
}

// Scanner finds such lines in a syslog file (RFC 3164, RFC 5424's times, journalctl's
// short forms) or in what `journalctl -o json` prints, whatever else is in there. Make
// one with [NewScanner].
type Scanner struct {
	in   *bufio.Reader
	line int64
}

// lineLimit bounds a line; longer ones are passed over.
const lineLimit = 256 << 10

// NewScanner reads from r.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{in: bufio.NewReaderSize(r, lineLimit)}
}

// Next returns the next such line. The error is io.EOF at the end, others are the
// reader's.
func (s *Scanner) Next() (*Entry, error) {
	for {
		raw, err := s.in.ReadSlice('\n')
		whole := true
		for errors.Is(err, bufio.ErrBufferFull) {
			whole = false
			_, err = s.in.ReadSlice('\n')
		}
		if len(raw) > 0 {
			s.line++
		}
		if whole && len(raw) > 0 {
			if e, ok := parseEntry(bytes.TrimRight(raw, "\r\n")); ok {
				e.Line = s.line
				return e, nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// textLimit bounds Entry.Text.
const textLimit = 1 << 10

func parseEntry(raw []byte) (*Entry, bool) {
	if !hinted(raw) {
		return nil, false
	}
	e := &Entry{}
	var line Line
	var ok bool
	if len(raw) > 0 && raw[0] == '{' {
		line, ok = e.journal(raw)
	} else {
		line, ok = e.syslog(raw)
	}
	if !ok {
		return nil, false
	}
	if e.Report, ok = Parse(line); !ok {
		return nil, false
	}
	e.Ident, e.Writer = line.Ident, line.Writer
	e.Text = string(line.Text[:min(len(line.Text), textLimit)])
	return e, true
}
