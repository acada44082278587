// SPDX-License-Identifier: Apache-2.0

package event

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// keepString is the length, in bytes of JSON, below which no string is cut:
// whatever identifies something is shorter. A comm, at 15 bytes, is never cut.
const keepString = 96

// text is a string that may be cut.
type text struct {
	path string // of JSON names, "victim.cmdline"; that of a list for what is in it
	s    string
	size int // in JSON, without the quotes
	set  func(string)
}

// identifies reports whether the string may name something, as a cgroup path
// does, so that its end matters.
func (t text) identifies() bool {
	name := strings.TrimSuffix(t.path[strings.LastIndexByte(t.path, '.')+1:], "_hex")
	return name != "cmdline" && name != "exe"
}

// headTexts returns the strings of e's header that may be cut.
func headTexts(e *Event) []text {
	texts := appendTexts(nil, "host", reflect.ValueOf(e.Host))
	texts = appendTexts(texts, "session", reflect.ValueOf(&e.Session))
	texts = appendTexts(texts, "source", reflect.ValueOf(&e.Source))
	return appendTexts(texts, "truncated", reflect.ValueOf(e.Truncated))
}

// payloadTexts returns the strings of e's payload that may be cut.
func payloadTexts(e *Event) []text {
	payload, err := e.payload(false)
	if err != nil {
		return nil
	}
	return appendTexts(nil, "", reflect.ValueOf(payload))
}

// appendTexts appends the strings in v that are long enough to be cut.
func appendTexts(out []text, path string, v reflect.Value) []text {
	add := func(s string, set func(string)) {
		if n := textLen(s); n > keepString {
			out = append(out, text{path, s, n, set})
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out = appendTexts(out, path, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _ := jsonField(v.Type().Field(i))
			out = appendTexts(out, join(path, name), v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			out = appendTexts(out, path, v.Index(i))
		}
	case reflect.Map:
		if m, ok := v.Interface().(map[string]string); ok {
			for _, key := range slices.Sorted(maps.Keys(m)) {
				add(m[key], func(s string) { m[key] = s })
			}
		}
	case reflect.String:
		add(v.String(), v.SetString)
	}
	return out
}

// cutLongest shortens the longest of texts, all to one length, so that over
// bytes of JSON are saved or nothing longer than keepString is left, and says so
// in e. It is false when there was nothing to cut.
func cutLongest(e *Event, texts []text, over int) bool {
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
		s := cutText(t.s, level)
		if strings.HasSuffix(t.path, "_hex") {
			s = s[:len(s)&^1] // whole bytes
		}
		t.set(s)
		e.truncate(t.path)
	}
	return true
}

// truncate notes that what is at path was cut.
func (e *Event) truncate(path string) {
	if !slices.Contains(e.Truncated, path) {
		e.Truncated = append(e.Truncated, path)
	}
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
