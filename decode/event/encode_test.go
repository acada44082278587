// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

var update = flag.Bool("update", false, "write the golden files")

// encode returns the lines of e, each without its newline.
func encode(t testing.TB, enc *event.Encoder, e *event.Event) [][]byte {
	t.Helper()
	out, err := enc.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(out, []byte("\n")) {
		t.Fatalf("no newline at the end of %q", out)
	}
	return bytes.Split(out[:len(out)-1], []byte("\n"))
}

func examples() []*event.Event { return append(eventtest.All(), eventtest.Hostile()...) }

func name(i int, e *event.Event) string { return fmt.Sprintf("%02d-%s", i, e.Type) }

func TestRoundTrip(t *testing.T) {
	var enc event.Encoder // one for all: nothing of an event may stay behind
	for i, e := range examples() {
		t.Run(name(i, e), func(t *testing.T) {
			lines := encode(t, &enc, e)
			if len(lines) != 1 {
				t.Fatalf("%d lines, want 1", len(lines))
			}
			eventtest.Validate(t, lines[0])
			got, err := event.Unmarshal(lines[0])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e, got); diff != "" {
				t.Errorf("(-encoded +decoded)\n%s", diff)
			}
			if got.Time.Location() != time.UTC {
				t.Errorf("time in %v", got.Time.Location())
			}
		})
	}
}

// The bytes of the format are pinned: what reads v1 depends on them.
func TestGolden(t *testing.T) {
	var enc event.Encoder
	var got []byte
	for _, e := range eventtest.All() {
		var err error
		if got, err = enc.Append(got, e); err != nil {
			t.Fatal(err)
		}
	}
	const file = "testdata/v1.jsonl"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got), -update writes it anew:\n%s", file, diff)
	}
}

func TestHeaderIsFirstAndInOrder(t *testing.T) {
	e := eventtest.Kill()
	e.Simulated = true
	dec := json.NewDecoder(bytes.NewReader(encode(t, &event.Encoder{}, e)[0]))
	var keys []string
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"schema", "type", "session", "seq", "time", "boottime_ns", "source", "host", "simulated", "episode", "scope", "choice", "role"}
	if diff := cmp.Diff(want, keys[:len(want)]); diff != "" {
		t.Error(diff)
	}
}

func TestTimeHasNineDigitsInUTC(t *testing.T) {
	e := eventtest.ClockStep()
	e.Time = time.Date(2026, 3, 14, 1, 0, 0, 120_000_000, time.FixedZone("", 2*3600))
	line := encode(t, &event.Encoder{}, e)[0]
	if want := `"time":"2026-03-13T23:00:00.120000000Z"`; !bytes.Contains(line, []byte(want)) {
		t.Errorf("no %s in %s", want, line)
	}
}

func TestStringsAreInert(t *testing.T) {
	var all []byte
	for r := rune(1); r < 0x100; r++ {
		all = utf8.AppendRune(all, r)
	}
	for name, comm := range map[string]string{
		"every control":  string(all),
		"DEL behind C1":  "\u0085\x7f",
		"C1 behind DEL":  "\x7f\u0085",
		"not quite C1":   "\u00a0\u00c2\u00c3",
		"not escaped":    "<script>&日本語",
		"bidi and zwsp":  "\u202e\u200b\ufeff",
		"line separator": "\u2028\u2029",
	} {
		t.Run(name, func(t *testing.T) {
			e := eventtest.KillSparse()
			e.Kill.Victim.Comm = &comm
			line := encode(t, &event.Encoder{}, e)[0]
			for _, r := range string(line) {
				if r < ' ' || r >= 0x7f && r < 0xa0 {
					t.Errorf("control character %U in %q", r, line)
				}
			}
			got, err := event.Unmarshal(line)
			if err != nil {
				t.Fatal(err)
			}
			if *got.Kill.Victim.Comm != comm {
				t.Errorf("got %q, want %q", *got.Kill.Victim.Comm, comm)
			}
		})
	}
	e := eventtest.KillSparse()
	e.Kill.Victim.Comm = event.Ptr("a\xffb\xe6\x97")
	line := encode(t, &event.Encoder{}, e)[0]
	if !utf8.Valid(line) || !bytes.Contains(line, []byte(`"comm":"a\ufffdb\ufffd\ufffd"`)) {
		t.Errorf("invalid bytes left as %q", line)
	}
}

func TestAppendInert(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"as it was":        {`{"b":1.50,"a":{"x":[1e3,null]},"b":"<日&\u202e>"}`, `{"b":1.50,"a":{"x":[1e3,null]},"b":"<日&\u202e>"}`},
		"space":            {"{\"a\":\r1 ,\t\"b\" : \" \" }\r", `{"a":1,"b":" "}`},
		"controls":         {"{\"a\u009b\":\"\x7f\u0085x\"}", `{"a\u009b":"\u007f\u0085x"}`},
		"invalid":          {"{\"a\":\"\xff\x9b31m\xe6\x97\"}", "{\"a\":\"\ufffd31m\ufffd\"}"},
		"an escape behind": {`{"a":"\u001b\\"}`, `{"a":"\u001b\\"}`},
		"no JSON":          {"\x1b[2J", ""},
	} {
		if got := string(event.AppendInert([]byte(">"), []byte(tt.in))); got != ">"+tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	var enc event.Encoder
	for _, e := range examples() {
		for _, line := range encode(t, &enc, e) {
			if got := event.AppendInert(nil, line); !bytes.Equal(got, line) {
				t.Errorf("not as it was written:\n%s\n%s", got, line)
			}
		}
	}
}

func TestAppendFails(t *testing.T) {
	typ := eventtest.Kill()
	typ.Type = "oom.later"
	none := eventtest.Kill()
	none.Type = event.TypeLost
	notime := eventtest.Kill()
	notime.Time = time.Time{}
	for _, tt := range []struct {
		e    *event.Event
		want string
		is   error
	}{
		{typ, `encode oom.later: unknown event type "oom.later"`, event.ErrType},
		{none, "encode lost: no payload", nil},
		{notime, "encode oom.kill: no time", nil},
		{eventtest.Kill(), "encode oom.kill: line too long", event.ErrLineTooLong},
	} {
		var enc event.Encoder
		if tt.is == event.ErrLineTooLong {
			enc.MaxLine = 300
		}
		dst, err := enc.Append([]byte("before"), tt.e)
		if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
		if string(dst) != "before" {
			t.Errorf("dst is %q after an error", dst)
		}
		enc.MaxLine = 0
		encode(t, &enc, eventtest.Kill()) // the encoder still works
	}
}

// What JSON cannot write is no reason to lose an event.
func TestAppendMends(t *testing.T) {
	far, past := eventtest.Kill(), eventtest.Kill()
	far.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	past.Time = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)
	nan, inf := eventtest.ClockFrequency(), eventtest.ClockFrequency()
	nan.Clock.After.FreqPPM = event.Ptr(math.NaN())
	inf.Clock.After.FreqPPM = event.Ptr(math.Inf(-1))
	for want, e := range map[string]*event.Event{
		`"time":"9999-12-31T23:59:59.999999999Z"`: far,
		`"time":"0000-01-01T00:00:00.000000000Z"`: past,
		`"after":{"tick_us":10001,"rate_ppm":`:    nan,
		`"after":{"tick_us":10001,"rate_ppm"`:     inf,
	} {
		line := encode(t, &event.Encoder{}, e)[0]
		eventtest.Validate(t, line)
		if !bytes.Contains(line, []byte(want)) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	if nan.Clock.After.FreqPPM == nil {
		t.Error("the event was changed")
	}
}

// bigKill is Kill with n different frames and command lines of cmdline bytes.
func bigKill(n, cmdline int) *event.Event {
	e := eventtest.Kill()
	for i := len(e.Kill.Stack.Frames); i < n; i++ {
		e.Kill.Stack.Frames = append(e.Kill.Stack.Frames, event.Frame{Symbol: fmt.Sprintf("nf_hook_slow_%d", i), Offset: uint64(i), Module: "nf_tables"})
	}
	if cmdline > 0 {
		e.Kill.Victim.Cmdline = event.Ptr(strings.Repeat("-Dé=\x1b\"", cmdline/7+1)[:cmdline])
		e.Kill.Trigger.Cmdline = event.Ptr(strings.Repeat("日", cmdline/3+1)[:cmdline/3*3])
		e.Kill.Victim.CmdlineHex = strings.Repeat("2d", cmdline)
	}
	return e
}

func BenchmarkEncode(b *testing.B) {
	for _, bb := range []struct {
		name string
		e    *event.Event
		max  int
	}{
		{"oom.kill-40-frames", bigKill(40, 0), 16 << 10},
		{"oom.kill-in-two", bigKill(40, 0), 0},
		{"clock.adjust", eventtest.ClockFrequency(), 0},
		{"oom.kill-split", bigKill(127, 0), 0},
		{"oom.kill-split-and-cut", bigKill(127, 6000), 0},
	} {
		b.Run(bb.name, func(b *testing.B) {
			enc := event.Encoder{MaxLine: bb.max}
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = enc.Append(dst[:0], bb.e); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(dst)), "bytes/event")
		})
	}
}

// An entry lacks what its source did not tell; a line of a stream may not.
func TestAppendEntry(t *testing.T) {
	e := eventtest.KillLogged()
	e.Session, e.Time = "", time.Time{}
	var enc event.Encoder
	got, err := enc.AppendEntry(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(got, &fields); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for _, name := range []string{"session", "seq", "time"} {
		if _, ok := fields[name]; ok {
			t.Errorf("%s is there: %s", name, got)
		}
	}
	if fields["printk_ns"] == nil || bytes.HasSuffix(got, []byte("\n")) {
		t.Errorf("got %s", got)
	}
	if _, err := enc.Append(nil, e); err == nil {
		t.Error("a line without a time was written")
	}
}
