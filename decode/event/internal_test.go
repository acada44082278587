// SPDX-License-Identifier: Apache-2.0

package event

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// header must show exactly the fields that Event shows, in the same order; an entry that
// has no session or time lacks what a line of a stream always has.
func TestHeaderMirrorsEvent(t *testing.T) {
	tags := func(v any) (out []string) {
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			if tag := typ.Field(i).Tag.Get("json"); tag != "-" {
				name, _, _ := strings.Cut(tag, ",")
				out = append(out, typ.Field(i).Name+" "+name)
			}
		}
		return out
	}
	if got, want := tags(header{}), tags(Event{}); !reflect.DeepEqual(got, want) {
		t.Errorf("header has\n%q, Event has\n%q", got, want)
	}
}

// The header's fields and a payload's stand in one object, and every payload
// has a field that is always there.
func TestPayloadsFitBesideTheHeader(t *testing.T) {
	names := func(typ reflect.Type) map[string]bool {
		out := map[string]bool{}
		for i := range typ.NumField() {
			name, required := jsonField(typ.Field(i))
			if name != "-" {
				out[name] = required
			}
		}
		return out
	}
	head := names(reflect.TypeFor[header]())
	n := 0
	for i := range reflect.TypeFor[Event]().NumField() {
		f := reflect.TypeFor[Event]().Field(i)
		if f.Tag.Get("json") != "-" {
			continue
		}
		n++
		required := false
		for name, req := range names(f.Type.Elem()) {
			required = required || req
			if _, ok := head[name]; ok {
				t.Errorf("%s.%s is a header field too", f.Name, name)
			}
		}
		if !required {
			t.Errorf("%s may be an empty object", f.Name)
		}
	}
	if n == 0 {
		t.Error("no payloads found")
	}
}

func FuzzTextLen(f *testing.F) {
	for _, s := range []string{"", "java", "a\"\\\n\x00\x7f\u0085\u00a0é\u2028日本\U0001f4a5", "\xff\xe6\x97", "\xef", "\ufffd", "<&>"} {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		encoded := func(s string) int {
			e := &Event{Type: TypeSessionEnd, Time: time.Unix(0, 0), SessionEnd: &SessionEnd{}}
			var c Encoder
			empty, err := c.appendLine(nil, e)
			if err != nil {
				t.Fatal(err)
			}
			e.SessionEnd.Reason = s
			full, err := c.appendLine(nil, e)
			if err != nil {
				t.Fatal(err)
			}
			return len(full) - len(empty)
		}
		if got, want := textLen(s), encoded(s); got != want {
			t.Errorf("textLen(%q) = %d, want %d", s, got, want)
		}
		n &= 0xffff
		cut := cutText(s, n)
		if encoded(cut) > n {
			t.Errorf("cutText(%q, %d) = %q takes %d", s, n, cut, encoded(cut))
		}
		if s[:len(cut)] != cut {
			t.Errorf("cutText(%q, %d) = %q is no beginning of it", s, n, cut)
		}
	})
}
