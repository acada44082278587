// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"bytes"
	"strconv"
	"time"
)

// syslog reads "Jun 20 12:47:02 host systemd[1]: text", with a time as of RFC 3164 or
// RFC 3339, a <30> in front or none, and a host or none.
func (e *Entry) syslog(raw []byte) (Line, bool) {
	if len(raw) > 0 && raw[0] == '<' {
		if i := bytes.IndexByte(raw[:min(len(raw), 6)], '>'); i > 0 {
			raw = raw[i+1:]
		}
	}
	rest, ok := e.time(raw)
	if !ok {
		return Line{}, false
	}
	first, rest := cutWord(rest)
	tag := first
	if ident, ok := identOf(tag); !ok || !Known(ident) {
		e.Host = string(first[:min(len(first), 255)])
		tag, rest = cutWord(rest)
	}
	ident, ok := identOf(tag)
	if !ok || !Known(ident) {
		return Line{}, false
	}
	return Line{Ident: ident, Text: rest}, true
}

// identOf reads "systemd[1]:" and "earlyoom:".
func identOf(tag []byte) (string, bool) {
	tag, ok := bytes.CutSuffix(tag, []byte(":"))
	if !ok || len(tag) == 0 || len(tag) > 64 {
		return "", false
	}
	if head, ok := bytes.CutSuffix(tag, []byte("]")); ok {
		name, number, ok := bytes.Cut(head, []byte("["))
		if _, err := strconv.Atoi(string(number)); !ok || err != nil {
			return "", false
		}
		tag = name
	}
	return string(tag), true
}

// time takes the time off the front.
func (e *Entry) time(raw []byte) (rest []byte, ok bool) {
	const bsd = len("Jan _2 15:04:05")
	if len(raw) > bsd && raw[bsd] == ' ' {
		if t, err := time.Parse(time.Stamp, string(raw[:bsd])); err == nil {
			e.Time, e.NoYear, e.NoZone = t.AddDate(2000, 0, 0), true, true
			return raw[bsd+1:], true
		}
	}
	word, rest := cutWord(raw)
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999"} {
		t, err := time.Parse(layout, string(word[:min(len(word), 64)]))
		if err == nil {
			e.NoZone = layout == "2006-01-02T15:04:05.999999999"
			e.Time = t.UTC()
			return rest, true
		}
	}
	return nil, false
}

func cutWord(b []byte) (word, rest []byte) {
	word, rest, _ = bytes.Cut(b, []byte(" "))
	return word, rest
}

// At is when an entry was logged: where the year is not told it is the one that makes it
// the last such day before now, and where the zone is not told it is zone.
func (e *Entry) At(now time.Time, zone *time.Location) time.Time {
	t := e.Time
	if t.IsZero() || !e.NoYear && !e.NoZone {
		return t
	}
	if e.NoZone {
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	}
	if e.NoYear {
		t = t.AddDate(now.In(zone).Year()-t.Year(), 0, 0)
		if t.After(now.Add(24 * time.Hour)) {
			t = t.AddDate(-1, 0, 0)
		}
	}
	return t
}
