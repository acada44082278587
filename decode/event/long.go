// SPDX-License-Identifier: Apache-2.0

package event

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// keepString is the length, in bytes of JSON, below which no string is cut:
// whatever identifies something is shorter, or exactly this long.
const keepString = 64

// appendLong appends an event that does not fit one line as it is.
func (c *Encoder) appendLong(dst []byte, e *Event) ([]byte, error) {
	first, details := c.split(e)
	dst, err := c.appendCut(dst, first)
	for _, d := range details {
		if err != nil {
			return dst, err
		}
		dst, err = c.appendCut(dst, d)
	}
	return dst, err
}

// split moves the frames of an oom.kill into events of their own. Any other
// event is returned as it is.
func (c *Encoder) split(e *Event) (*Event, []*Event) {
	if e.Type != TypeOOMKill || e.Kill.Stack == nil || len(e.Kill.Stack.Frames) == 0 {
		return e, nil
	}
	kill, stack := *e.Kill, *e.Kill.Stack
	frames := stack.Frames
	stack.Frames, kill.Stack = nil, &stack

	head := *e
	head.Type, head.Kill, head.Truncated = TypeOOMDetail, nil, nil
	base := Detail{Episode: kill.Episode, PID: kill.Victim.PID, Part: len(frames), Parts: len(frames)}
	head.Detail = &base
	empty, err := c.appendLine(nil, &head)
	if err != nil { // the kill itself was encoded, so this cannot be
		return e, nil
	}
	room := c.maxLine() - len(empty) - len(`,"frames":[]`)

	var details []*Event
	for len(frames) > 0 {
		n, size := 1, frameLen(frames[0])
		for n < len(frames) && size+frameLen(frames[n]) <= room {
			size += frameLen(frames[n])
			n++
		}
		d, ev := base, head
		d.Part, d.Frames = len(details)+1, frames[:n]
		ev.Detail = &d
		details = append(details, &ev)
		frames = frames[n:]
	}
	for _, d := range details {
		d.Detail.Parts = len(details)
	}
	kill.Details = len(details)
	first := *e
	first.Kill = &kill
	return &first, details
}

// frameLen is the most that f takes in JSON.
func frameLen(f Frame) int {
	const rest = len(`{"symbol":"","offset":18446744073709551615,"module":"","addr":""},`)
	return rest + textLen(f.Symbol) + textLen(f.Module) + textLen(f.Addr)
}

// appendCut appends e as one line, with the longest strings of its payload cut
// until it fits.
func (c *Encoder) appendCut(dst []byte, e *Event) ([]byte, error) {
	start := len(dst)
	own := false
	for {
		out, err := c.appendLine(dst, e)
		if err != nil {
			return dst, err
		}
		over := len(out) - start - c.maxLine()
		if over <= 0 {
			return out, nil
		}
		if !own { // the caller's event must stay as it is
			if e, err = decode(out[start:]); err != nil {
				return dst, err
			}
			own = true
		}
		dst = out[:start]
		if !cutLongest(e, over) {
			return dst, ErrLineTooLong
		}
	}
}

// text is a string of a payload.
type text struct {
	path string // of JSON names, "victim.cmdline"
	v    reflect.Value
	size int // in JSON, without the quotes
}

// identifies reports whether the string may name something, as a cgroup path
// does, so that its end matters.
func (t text) identifies() bool {
	name := strings.TrimSuffix(t.path[strings.LastIndexByte(t.path, '.')+1:], "_hex")
	return name != "cmdline" && name != "exe"
}

// cutLongest shortens the longest command lines and executables of e's payload,
// or when all of them are short its longest strings, all to one length, so that
// over bytes of JSON are saved or nothing longer than keepString is left. It is
// false when there was nothing to cut.
func cutLongest(e *Event, over int) bool {
	payload, err := e.payload(false)
	if err != nil {
		return false
	}
	texts := longTexts(reflect.ValueOf(payload), "", nil)
	if first := slices.DeleteFunc(slices.Clone(texts), text.identifies); len(first) > 0 {
		texts = first
	}
	if len(texts) == 0 {
		return false
	}
	slices.SortStableFunc(texts, func(a, b text) int { return cmp.Compare(b.size, a.size) })
	level, sum := keepString, 0
	for i, t := range texts {
		sum += t.size
		next := keepString
		if i+1 < len(texts) {
			next = texts[i+1].size
		}
		if l := (sum - over) / (i + 1); l >= next {
			level = l
			break
		}
	}
	for _, t := range texts {
		if t.size <= level {
			break
		}
		s := cutText(t.v.String(), level)
		if strings.HasSuffix(t.path, "_hex") {
			s = s[:len(s)&^1] // whole bytes
		}
		t.v.SetString(s)
		if !slices.Contains(e.Truncated, t.path) {
			e.Truncated = append(e.Truncated, t.path)
		}
	}
	return true
}

// longTexts appends the strings in v that may be cut.
func longTexts(v reflect.Value, path string, out []text) []text {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out = longTexts(v.Elem(), path, out)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if path != "" {
				name = path + "." + name
			}
			out = longTexts(v.Field(i), name, out)
		}
	case reflect.Slice:
		for i := range v.Len() {
			out = longTexts(v.Index(i), path+"."+strconv.Itoa(i), out)
		}
	case reflect.String:
		if n := textLen(v.String()); n > keepString {
			out = append(out, text{path, v, n})
		}
	}
	return out
}

// textLen is the length of s in JSON, without its quotes.
func textLen(s string) int {
	n := 0
	for i, r := range s {
		n += runeLen(s[i:], r)
	}
	return n
}

// cutText returns as much of s, in whole runes, as takes at most n bytes in JSON.
func cutText(s string, n int) string {
	for i, r := range s {
		if n -= runeLen(s[i:], r); n < 0 {
			return s[:i]
		}
	}
	return s
}

// runeLen is the length in JSON of r, with which s begins.
func runeLen(s string, r rune) int {
	switch {
	case r == '"', r == '\\', r == '\b', r == '\f', r == '\n', r == '\r', r == '\t':
		return len(`\n`)
	case r < ' ', r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029':
		return len(`\u001f`)
	case r == utf8.RuneError && !strings.HasPrefix(s, "\ufffd"): // an invalid byte
		return len(`\ufffd`)
	}
	return utf8.RuneLen(r)
}
