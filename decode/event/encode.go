// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// DefaultMaxLine is the line length, in bytes, that an [Encoder] keeps to
// unless told otherwise.
const DefaultMaxLine = 8 << 10

// timeLayout is RFC 3339 with all nine digits, so that lines sort as text.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// ErrLineTooLong says that an event cannot be made to fit a line, or that an
// input line is longer than a [Scanner] takes.
var ErrLineTooLong = errors.New("line too long")

// Encoder writes events as JSON lines. Its zero value is ready for use; it keeps
// its buffers between calls, so it must not be copied or used by two goroutines
// at once.
type Encoder struct {
	// MaxLine is the most bytes that a line may have, newline included.
	// 0 means DefaultMaxLine.
	MaxLine int

	buf  bytes.Buffer
	json *json.Encoder // into buf
	hdr  header
}

// header is what [Event] shows of itself, with the time as text. A test keeps
// the two alike.
type header struct {
	Schema     string   `json:"schema"`
	Type       Type     `json:"type"`
	Session    string   `json:"session"`
	Seq        uint64   `json:"seq"`
	Time       string   `json:"time"`
	BoottimeNS *uint64  `json:"boottime_ns,omitempty"`
	Source     Source   `json:"source"`
	Host       *Host    `json:"host,omitempty"`
	Simulated  bool     `json:"simulated,omitempty"`
	Truncated  []string `json:"truncated,omitempty"`
}

// Append appends e to dst as one or more lines, each a complete JSON object of
// at most MaxLine bytes that ends with a newline. The schema written is
// [Schema], whatever e says.
//
// An oom.kill that is too long goes without its stack's frames, which follow in
// oom.detail lines. What is too long even so has its longest strings cut, on a
// rune boundary, and named in Truncated. e is not changed.
//
// It fails, and returns dst as it was, when the type is unknown ([ErrType]), the
// payload or the time is missing, a number is not finite, or nothing more can
// be cut ([ErrLineTooLong]).
func (c *Encoder) Append(dst []byte, e *Event) ([]byte, error) {
	start := len(dst)
	dst, err := c.appendLine(dst, e)
	if err == nil && len(dst)-start > c.maxLine() {
		dst, err = c.appendLong(dst[:start], e)
	}
	if err != nil {
		return dst[:start], fmt.Errorf("encode %s: %w", e.Type, err)
	}
	return dst, nil
}

func (c *Encoder) maxLine() int {
	if c.MaxLine > 0 {
		return c.MaxLine
	}
	return DefaultMaxLine
}

// appendLine appends e as one line of any length.
func (c *Encoder) appendLine(dst []byte, e *Event) ([]byte, error) {
	payload, err := e.payload(false)
	if err != nil {
		return dst, err
	}
	if payload == nil {
		return dst, errors.New("no payload")
	}
	at := e.Time.UTC()
	if !writable(at) {
		return dst, fmt.Errorf("time %s is not set or out of range", at.Format(time.RFC3339))
	}
	c.hdr = header{Schema, e.Type, e.Session, e.Seq, at.Format(timeLayout), e.BoottimeNS, e.Source, e.Host, e.Simulated, e.Truncated}
	if c.json == nil {
		c.json = json.NewEncoder(&c.buf)
		c.json.SetEscapeHTML(false)
	}
	c.buf.Reset()
	if err := c.json.Encode(&c.hdr); err != nil {
		return dst, err
	}
	// The payload continues the header's object: "}\n{" becomes ",".
	joint := c.buf.Len() - len("}\n")
	c.buf.Truncate(joint)
	if err := c.json.Encode(payload); err != nil {
		return dst, err
	}
	c.buf.Bytes()[joint] = ','
	return appendEscaped(dst, c.buf.Bytes()), nil
}

// writable reports whether t is set and RFC 3339 can tell it.
func writable(t time.Time) bool {
	return !t.IsZero() && t.Year() >= 0 && t.Year() <= 9999
}

// appendEscaped appends JSON text with the control characters that
// encoding/json leaves alone (DEL and C1, which terminals obey) escaped.
func appendEscaped(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	for {
		i := indexControl(text)
		if i < 0 {
			return append(dst, text...)
		}
		r, size := utf8.DecodeRune(text[i:])
		dst = append(dst, text[:i]...)
		dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		text = text[i+size:]
	}
}

// indexControl returns where the first DEL or C1 character of valid UTF-8 is,
// or -1.
func indexControl(text []byte) int {
	del := bytes.IndexByte(text, 0x7f)
	if del >= 0 {
		text = text[:del]
	}
	for i := 0; ; {
		j := bytes.IndexByte(text[i:], 0xc2)
		if j < 0 {
			return del
		}
		i += j
		if i+1 < len(text) && text[i+1] < 0xa0 {
			return i
		}
		i++
	}
}

// payload returns the payload that e.Type names as a pointer to its struct, nil
// when it is not set; with create it is made first.
func (e *Event) payload(create bool) (any, error) {
	switch e.Type {
	case TypeSessionStart:
		return payload(&e.SessionStart, create), nil
	case TypeSessionEnd:
		return payload(&e.SessionEnd, create), nil
	case TypeOOMKill:
		return payload(&e.Kill, create), nil
	case TypeOOMDetail:
		return payload(&e.Detail, create), nil
	case TypeOOMSnapshot:
		return payload(&e.Snapshot, create), nil
	case TypeClockAdjust:
		return payload(&e.Clock, create), nil
	case TypeClockSummary:
		return payload(&e.ClockSummary, create), nil
	case TypeClockStep:
		return payload(&e.ClockStep, create), nil
	case TypeLost:
		return payload(&e.Lost, create), nil
	}
	return nil, &TypeError{Found: e.Type}
}

func payload[T any](p **T, create bool) any {
	if *p == nil {
		if !create {
			return nil
		}
		*p = new(T)
	}
	return *p
}
