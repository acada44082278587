// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

func TestSanitize(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"java", "java"},
		{`back\slash "quoted"`, `back\slash "quoted"`},
		{"a\nb\r\t\x00", `a\nb\r\t\x00`},
		{"\x1b[31mred\x07\x7f", `\x1b[31mred\a\x7f`},
		{"\u009b31m", `\u009b31m`},
		{"\x9b\xff", `\x9b\xff`},
		{"mended \ufffd", "mended \ufffd"},
		{"ab\u202ecod.exe", `ab\u202ecod.exe`},
		{"a\u2066b\u2069\u200e\u061c", `a\u2066b\u2069\u200e\u061c`},
		{"z\u200bw\u200d\ufeff\u00ad", `z\u200bw\u200d\ufeff\u00ad`},
		{"a\u2028b\u2029c\u00a0d", `a\u2028b\u2029c\u00a0d`},
		{"\u3164\u115f\uffa0\u2800", `\u3164\u115f\uffa0\u2800`}, // letters and a symbol that show nothing
		{"\u2764\ufe0f", "\u2764" + `\ufe0f`},
		{"\U000e0041\ue000\U0010ffff", `\U000e0041\ue000\U0010ffff`},
		{"日本語 é", "日本語 é"},
		{"e\u0301", "e\u0301"}, // a mark on its letter is writing
		{"\u0301e", `\u0301e`},
		{"e\u0301\u0301", "e\u0301" + `\u0301`},
		{" \u0301[\u20dd", ` \u0301[\u20dd`},
	} {
		if got := Sanitize(tt.in); got != tt.want {
			t.Errorf("Sanitize(%+q) = %+q, want %+q", tt.in, got, tt.want)
		}
	}
}

func FuzzSanitize(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Sanitize(s)
		wantInert(t, []byte(got), false)
		if strings.Contains(got, "\n") {
			t.Errorf("newline in %q", got)
		}
		if again := Sanitize(got); again != got {
			t.Errorf("not stable: %q, then %q", got, again)
		}
	})
}

var hostile = []string{
	"java", "", "\x1b[2J\x1b[31mroot", "\x1b]0;pwned\x07x", "a\noom.kill x", "a\r\tb\x08\x7f", "\x9b31m\xff\xfe",
	"\u009b31m\u0085x", "ab\u202ecod.exe", "z\u200bw\u2028x", "日本語日本", "\xe6\x97", "e\u0301\u0301", "  ", "👩‍👩‍👧‍👦🏽🇩🇪",
	"คำที่", strings.Repeat("界", 300), strings.Repeat("x", 5000), "\x1b[0m\x1b[1;31mKILL",
}

// sgr is what the table itself may send to a terminal.
var sgr = regexp.MustCompile("\x1b\\[(0|1|1;31|32|1;33|36|1;35)m")

// wantInert fails when out could do more to a terminal than show text, start
// lines and, if colour is on, switch between the table's own colours.
func wantInert(t testing.TB, out []byte, color bool) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Errorf("not UTF-8: %q", out)
	}
	if color {
		out = sgr.ReplaceAll(out, nil)
	}
	for _, r := range string(out) {
		if r != '\n' && unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Join_Control,
			unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			t.Fatalf("%U is active in %q", r, out)
		}
	}
}

// fill sets every string of an event to s: names, paths and labels, and with
// words the enumerations too. Fields of raw hex get the hex of s.
func fill(v reflect.Value, s string, words bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), s, words)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), s, words)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f, field := v.Type().Field(i), v.Field(i)
			switch {
			case !f.IsExported():
			case field.Kind() == reflect.String && strings.HasSuffix(f.Name, "Hex"):
				field.SetString(hex.EncodeToString([]byte(s)))
			default:
				fill(field, s, words)
			}
		}
	case reflect.String:
		if words || v.Type() == reflect.TypeFor[string]() {
			v.SetString(s)
		}
	}
}

func FuzzTable(f *testing.F) {
	for i, s := range hostile {
		f.Add(s, i%2 == 0, i%3 == 0, i%4 == 0, uint16([]int{0, 80, 120, 200}[i%4]))
	}
	f.Fuzz(func(t *testing.T, s string, words, wide, color bool, width uint16) {
		o := Options{Format: FormatTable, Color: color, Stack: true, Location: cet, Width: int(width % 400)}
		if wide {
			o.Format = FormatWide
		}
		events := eventtest.All()
		for _, e := range events {
			fill(reflect.ValueOf(e), s, words)
			for _, line := range append(Notes(e), Summary(e)) {
				wantInert(t, []byte(line), false)
				if strings.Contains(line, "\n") {
					t.Errorf("newline in note %q", line)
				}
			}
			if e.SessionStart != nil {
				var b bytes.Buffer
				if err := Hooks(&b, e.SessionStart.Hooks, o); err != nil {
					t.Fatal(err)
				}
				wantInert(t, b.Bytes(), color)
			}
		}
		out := show(t, o, events...)
		wantInert(t, out, color)
		o.Stack = false
		rows := show(t, o, events...)
		if o.Width >= leastWidth {
			wantFits(t, rows, o.Width)
		}
		if lines := bytes.Count(rows, []byte("\n")); o.Width == 0 && lines > len(events)+1 {
			t.Errorf("%d lines for %d events:\n%s", lines, len(events), rows)
		}
	})
}

// A row that a hostile name begins must not pass for a row of its own: whatever
// the names, there are as many rows as events.
func TestHostileRows(t *testing.T) {
	events := eventtest.Hostile()
	out := show(t, Options{Location: cet}, events...)
	rows := 0
	for line := range bytes.Lines(out) {
		if bytes.HasPrefix(line, []byte("2026-")) {
			rows++
		}
	}
	if lines := bytes.Count(out, []byte("\n")); rows != len(events) || lines != rows+1 {
		t.Errorf("%d rows in %d lines for %d events:\n%s", rows, lines, len(events), out)
	}
}

// Columns stand where they should, however wide a name's runes are.
func TestAlignment(t *testing.T) {
	for _, comm := range []string{"java", "日本語日本", "e\u0301e\u0301", "\u202e", "ｆｕｌｌ", ""} {
		e := eventtest.KillGlobal()
		e.Kill.Victim.Comm, e.Kill.Victim.CommHex = event.Ptr(comm), ""
		e.Kill.Victim.Unit = "データベース.service"
		lines := strings.Split(string(show(t, Options{Location: cet}, e)), "\n")
		for _, column := range []struct{ title, cell string }{{"WHERE", "データベース"}, {"WHAT HAPPENED", "SIMULATED"}} {
			head, _, _ := strings.Cut(lines[0], column.title)
			row, _, ok := strings.Cut(lines[1], column.cell)
			if !ok || displayWidth(head) != displayWidth(row) {
				t.Errorf("%+q: %s is at column %d, its cell at %d", comm, column.title, displayWidth(head), displayWidth(row))
			}
		}
	}
}
