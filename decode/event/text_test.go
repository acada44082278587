// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"testing"
	"unicode/utf8"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestCleanString(t *testing.T) {
	for _, tt := range []struct{ raw, s, hex string }{
		{"", "", ""},
		{"java", "java", ""},
		{"日本語", "日本語", ""},
		{"\x1b[31m\n", "\x1b[31m\n", ""}, // escaping is up to whoever shows it
		{"a\ufffdb", "a\ufffdb", ""},
		{"a\xff\xfeb", "a\ufffd\ufffdb", "61fffe62"},
		{"日\xe6\x9c", "日\ufffd\ufffd", "e697a5e69c"},
		{"\xed\xa0\x80", "\ufffd\ufffd\ufffd", "eda080"}, // a surrogate
	} {
		s, h := event.CleanString([]byte(tt.raw))
		if s != tt.s || h != tt.hex {
			t.Errorf("CleanString(%q) = %q, %q, want %q, %q", tt.raw, s, h, tt.s, tt.hex)
		}
	}
}

func TestCutNUL(t *testing.T) {
	for raw, want := range map[string]string{"": "", "java": "java", "java\x00er/0": "java", "\x00x": "", "a\x00": "a"} {
		if got := event.CutNUL([]byte(raw)); string(got) != want {
			t.Errorf("CutNUL(%q) = %q, want %q", raw, got, want)
		}
	}
	if event.CutNUL(nil) != nil {
		t.Error("nil is not nil any more")
	}
}

func FuzzCleanString(f *testing.F) {
	f.Add([]byte("java"))
	f.Add([]byte("\xff\xe6\x97"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, h := event.CleanString(raw)
		if !utf8.ValidString(s) {
			t.Errorf("%q is invalid", s)
		}
		if back := event.RawString(s, h); back != string(raw) {
			t.Errorf("%q is lost: %q, %q", raw, s, h)
		}
	})
}
