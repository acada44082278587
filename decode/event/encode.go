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

// Line lengths in bytes.
const (
	// DefaultMaxLine is what an [Encoder] keeps to unless told otherwise.
	DefaultMaxLine = 8 << 10
	// MinMaxLine is what every event can be made to fit.
	MinMaxLine = 4 << 10
)

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

	buf     bytes.Buffer
	json    *json.Encoder // into buf
	hdr     header
	head    int    // the header's part of the last line, in bytes
	escaped []byte // what is only measured
}

// header is what [Event] shows of itself, with the time as text. A test keeps
// the two alike.
type header struct {
	Schema      string      `json:"schema"`
	Type        Type        `json:"type"`
	Session     string      `json:"session,omitempty"`
	Seq         *uint64     `json:"seq,omitempty"`
	Time        string      `json:"time,omitempty"`
	BoottimeNS  *uint64     `json:"boottime_ns,omitempty"`
	Source      Source      `json:"source"`
	PrintkNS    *uint64     `json:"printk_ns,omitempty"`
	TimeBasis   TimeBasis   `json:"time_basis,omitempty"`
	TimeErrorMS *int64      `json:"time_error_ms,omitempty"`
	TimeGuessed []TimeGuess `json:"time_guessed,omitempty"`
	Backfill    bool        `json:"backfill,omitempty"`
	Host        *Host       `json:"host,omitempty"`
	Simulated   bool        `json:"simulated,omitempty"`
	Truncated   []string    `json:"truncated,omitempty"`
}

// Append appends e to dst as one or more lines, each a complete JSON object of
// at most MaxLine bytes that ends with a newline. The schema written is
// [Schema], whatever e says.
//
// An oom.kill that is too long goes without its stack's frames and, where that does
// not do, the candidates, the lead-up, the limit's stat and the memory: they follow in
// oom.detail lines. What is too long even so is made to fit, and what that costs is named
// in Truncated:
//
//  1. A header of more than half a line has its longest strings cut (the host's
//     name, the values of labels), then goes without labels.
//  2. The longest command lines and executables are cut, then the longest other
//     strings, on a rune boundary and none below 96 bytes of JSON.
//  3. Lists are halved and optional groups left out, the last ones first: of an
//     oom.kill settings, sources, incident, effort, limit and trigger, in this order,
//     then the victim's parents, pod, container and cgroup.
//  4. At last all else that is optional goes, the last first. An oom.kill keeps its
//     header, episode, role, and the victim's pid and comm.
//
// e is not changed. A time beyond what RFC 3339 can tell becomes the last or first
// that it can, a number that is not finite is left out.
//
// It fails, and returns dst as it was, when the type is unknown ([ErrType]), the
// payload or the time is missing, or MaxLine is below [MinMaxLine] and too short
// ([ErrLineTooLong]).
func (c *Encoder) Append(dst []byte, e *Event) ([]byte, error) {
	start := len(dst)
	dst, err := c.appendLine(dst, e)
	if err != nil && errors.As(err, new(*json.UnsupportedValueError)) {
		e = e.clone() // it leaves such numbers out
		dst, err = c.appendLine(dst, e)
	}
	if err == nil && len(dst)-start > c.maxLine() {
		dst, err = c.appendLong(dst[:start], e, len(dst)-start)
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

// AppendEntry appends e as one JSON object of any length, without a newline. What came
// from a log may lack session, seq and time: they are left out then.
func (c *Encoder) AppendEntry(dst []byte, e *Event) ([]byte, error) {
	start := len(dst)
	dst, err := c.appendObject(dst, e, true)
	if err != nil && errors.As(err, new(*json.UnsupportedValueError)) {
		dst, err = c.appendObject(dst, e.clone(), true)
	}
	if err != nil {
		return dst[:start], fmt.Errorf("encode %s: %w", e.Type, err)
	}
	return bytes.TrimSuffix(dst, []byte("\n")), nil
}

// appendLine appends e as one line of any length.
func (c *Encoder) appendLine(dst []byte, e *Event) ([]byte, error) {
	return c.appendObject(dst, e, false)
}

// appendObject appends e and a newline; an entry may lack what a line of a stream has.
func (c *Encoder) appendObject(dst []byte, e *Event, entry bool) ([]byte, error) {
	payload, err := e.payload(false)
	if err != nil {
		return dst, err
	}
	if payload == nil {
		return dst, errors.New("no payload")
	}
	c.hdr = header{
		Schema: Schema, Type: e.Type, BoottimeNS: e.BoottimeNS, Source: e.Source,
		PrintkNS: e.PrintkNS, TimeBasis: e.TimeBasis, TimeErrorMS: e.TimeErrorMS, TimeGuessed: e.TimeGuessed,
		Backfill: e.Backfill, Host: e.Host, Simulated: e.Simulated, Truncated: e.Truncated,
	}
	if e.Session != "" || !entry {
		c.hdr.Session, c.hdr.Seq = e.Session, &e.Seq
	}
	switch {
	case !e.Time.IsZero():
		c.hdr.Time = FormatTime(e.Time)
	case !entry:
		return dst, errors.New("no time")
	}
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
	start := len(dst)
	dst = appendEscaped(dst, c.buf.Bytes()[:joint])
	c.head = len(dst) - start
	return appendEscaped(dst, c.buf.Bytes()[joint:]), nil
}

// FormatTime is t as events have it: RFC 3339, UTC, nanoseconds; or the nearest time
// that can be told so.
func FormatTime(t time.Time) string {
	t = t.UTC()
	switch {
	case t.Year() < 0:
		t = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	}
	return t.Format(timeLayout)
}

// AppendInert appends one JSON text, such as a recorded line, on one line and with
// nothing in it that a terminal could act on: invalid bytes become U+FFFD, control
// characters are escaped, space between tokens is left out. All else stays as it
// is. What is no JSON is not appended.
func AppendInert(dst, text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return dst
	}
	return appendEscaped(dst, bytes.ToValidUTF8(b.Bytes(), []byte("\ufffd")))
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
	case TypeOOMNoKill:
		return payload(&e.NoKill, create), nil
	case TypeOOMEnd:
		return payload(&e.End, create), nil
	case TypeClockAdjust:
		return payload(&e.Clock, create), nil
	case TypeClockSummary:
		return payload(&e.ClockSummary, create), nil
	case TypeClockStep:
		return payload(&e.ClockStep, create), nil
	case TypeProcSigkill:
		return payload(&e.Sigkill, create), nil
	case TypeSample:
		return payload(&e.Sample, create), nil
	case TypeLost:
		return payload(&e.Lost, create), nil
	case TypeKernelBoot:
		return payload(&e.Boot, create), nil
	case TypeKernelPanic:
		return payload(&e.Panic, create), nil
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
