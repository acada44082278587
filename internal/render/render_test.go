// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

var update = flag.Bool("update", false, "write the golden files")

var cet = time.FixedZone("CET", 3600)

// golden compares got with testdata/name.golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), go test -update to accept:\n%s", file, diff)
	}
}

// show returns what a sink writes for events.
func show(t testing.TB, o Options, events ...*event.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	s, err := New(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := s.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	for _, format := range []string{FormatTable, FormatWide} {
		for _, width := range []int{0, 60, 80, 120, 160, 200, 300} {
			name := fmt.Sprintf("%s-%d", format, width)
			t.Run(name, func(t *testing.T) {
				got := show(t, Options{Format: format, Width: width, Location: cet}, eventtest.All()...)
				golden(t, name, got)
				wantFits(t, got, width)
			})
		}
	}
	for name, o := range map[string]Options{
		"table-120-color": {Width: 120, Color: true},
		"table-120-stack": {Width: 120, Stack: true},
		"wide-0-utc":      {Format: FormatWide, Location: time.UTC},
	} {
		t.Run(name, func(t *testing.T) {
			if o.Location == nil {
				o.Location = cet
			}
			golden(t, name, show(t, o, eventtest.All()...))
		})
	}
	for _, width := range []int{0, 80, 120} {
		name := fmt.Sprintf("hostile-%d", width)
		t.Run(name, func(t *testing.T) {
			got := show(t, Options{Width: width, Location: cet, Color: width == 120}, eventtest.Hostile()...)
			golden(t, name, got)
			wantInert(t, got, width == 120)
			wantFits(t, got, width)
		})
	}
}

// leastWidth is the narrowest terminal that every row fits.
const leastWidth = 40

// wantFits fails when a line is wider than the terminal.
func wantFits(t testing.TB, out []byte, width int) {
	t.Helper()
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(sgr.ReplaceAllString(line, ""), "\n")
		if w := displayWidth(line); width > 0 && w > width {
			t.Errorf("line of %d columns in %d: %q", w, width, line)
		}
	}
}

func TestTextIsTable(t *testing.T) {
	want := show(t, Options{Location: cet}, eventtest.All()...)
	for _, format := range []string{FormatTable, FormatText} {
		if got := show(t, Options{Format: format, Location: cet}, eventtest.All()...); !bytes.Equal(got, want) {
			t.Errorf("format %q differs from the default", format)
		}
	}
}

// At 80 columns a kill is wrapped: it must tell the same as on one line.
func TestNarrowLosesNothing(t *testing.T) {
	squeeze := func(b []byte) string {
		return strings.NewReplacer(" ", "", "\n", "").Replace(string(b))
	}
	l := newLayout(80, true, false)
	for _, e := range eventtest.All() {
		s := &tableSink{layout: l, loc: cet}
		r, ok := s.row(e)
		if !ok || r.what == nil {
			continue
		}
		narrow := strings.Join(r.what.wrap(l.widths[len(l.widths)-1], false), "\n")
		long := strings.Join(r.what.wrap(math.MaxInt, false), "\n")
		if a, b := strings.ReplaceAll(squeeze([]byte(narrow)), "·", ""), strings.ReplaceAll(squeeze([]byte(long)), "·", ""); a != b {
			t.Errorf("%s\nnarrow %s\nlong   %s", e.Type, a, b)
		}
	}
}

// A name stays with its pid in every column, however narrow, that it fits.
func TestNamesAreNotBroken(t *testing.T) {
	for _, comm := range []string{"fifteen-letters", "a b c d e f g h", "/usr/sbin/ntpd", "日本語日本", "x"} {
		e := eventtest.KillGlobal()
		e.Kill.Victim.PID, e.Kill.Victim.Comm = 4194304, &comm
		e.Kill.Trigger.PID, e.Kill.Trigger.Comm, e.Kill.Trigger.CommHex = 4194303, &comm, ""
		for width := 54; width < 320; width++ {
			out := string(show(t, Options{Width: width, Location: cet}, e))
			for _, want := range []string{comm + "[4194304]", comm + "[4194303]"} {
				if !strings.Contains(out, want) {
					t.Fatalf("%s is broken at %d columns:\n%s", want, width, out)
				}
			}
		}
	}
	// What fits no line at all keeps its pid whole.
	long := cell{{text: "triggered by " + strings.Repeat("x", 80) + "[4194304] (kernel thread)", keep: strings.Repeat("x", 80) + "[4194304]"}}
	for width := 14; width < 60; width++ {
		if lines := strings.Join(long.wrap(width, false), "\n"); !strings.Contains(lines, "[4194304]") {
			t.Errorf("the pid is broken at %d columns:\n%s", width, lines)
		}
	}
}

func TestOneLineWithoutTerminal(t *testing.T) {
	for _, format := range []string{FormatTable, FormatWide} {
		for _, e := range eventtest.All() {
			out := show(t, Options{Format: format, Location: cet}, e)
			if n := bytes.Count(out, []byte("\n")); n != 0 && n != 2 {
				t.Errorf("%s %s: %d lines with the titles, want 2:\n%s", format, e.Type, n, out)
			}
		}
	}
}

func TestUnknownType(t *testing.T) {
	out := show(t, Options{Location: cet}, &event.Event{Type: "oom.\nnew"})
	if want := `event of type oom.\nnew, which this version cannot show`; !strings.Contains(string(out), want) {
		t.Errorf("got %q, want it to hold %q", out, want)
	}
}

func TestWideNamesWhatWasCut(t *testing.T) {
	e := eventtest.Kill()
	e.Truncated = []string{"victim.cmdline"}
	if out := show(t, Options{Format: FormatWide, Location: cet}, e); !bytes.Contains(out, []byte(" · shortened: victim.cmdline\n")) {
		t.Errorf("wide does not say what was cut:\n%s", out)
	}
}

func TestUnknownFormat(t *testing.T) {
	if _, err := New(nil, Options{Format: "xml"}); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("New: %v, want an error that names the format", err)
	}
	if err := Hooks(nil, nil, Options{Format: "xml"}); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("Hooks: %v, want an error that names the format", err)
	}
}

// writes keeps each Write apart.
type writes [][]byte

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, bytes.Clone(b))
	return len(b), nil
}

// A row is out when Event returns, in one piece, its trace with it.
func TestTableStreams(t *testing.T) {
	var w writes
	s, err := New(&w, Options{Width: 80, Stack: true, Location: cet})
	if err != nil {
		t.Fatal(err)
	}
	if len(w) != 0 {
		t.Errorf("wrote %q before any event", w)
	}
	for i, e := range []*event.Event{eventtest.Kill(), eventtest.Clock(), eventtest.KillGlobal()} {
		if err := s.Event(e); err != nil {
			t.Fatal(err)
		}
		if len(w) != i+1 {
			t.Fatalf("%d writes after %d events", len(w), i+1)
		}
	}
	if !bytes.Contains(w[0], []byte("asm_exc_page_fault+0x26\n")) || !bytes.Contains(w[2], []byte("0xffffffffc0a81f33\n")) {
		t.Error("a trace is not in its event's write")
	}
	if err := s.Close(); err != nil || len(w) != 3 {
		t.Errorf("Close: %v, %d writes", err, len(w))
	}
}

func TestJSONLines(t *testing.T) {
	var w writes
	const maxLine = 4000 // a kill and its trace do not fit one line
	s, err := New(&w, Options{Format: FormatJSON, MaxLine: maxLine})
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	enc := event.Encoder{MaxLine: maxLine}
	for _, e := range eventtest.All() {
		if err := s.Event(e); err != nil {
			t.Fatal(err)
		}
		if want, err = enc.Append(want, e); err != nil {
			t.Fatal(err)
		}
	}
	if got := bytes.Join(w, nil); !bytes.Equal(got, want) {
		t.Errorf("not what the encoder makes:\n%s", cmp.Diff(string(want), string(got)))
	}
	if len(w) <= len(eventtest.All()) {
		t.Errorf("%d writes: no event took more than one line", len(w))
	}
	for _, b := range w {
		if bytes.Count(b, []byte("\n")) != 1 || b[len(b)-1] != '\n' {
			t.Errorf("a write is not one line: %q", b)
		}
	}
	if err := s.Event(&event.Event{Type: event.TypeOOMKill}); err == nil {
		t.Error("an event without payload: no error")
	}
}

func TestClosedPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	for _, format := range []string{FormatTable, FormatWide, FormatJSON} {
		s, err := New(w, Options{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Event(eventtest.Kill()); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s: %v, want EPIPE", format, err)
		}
		if err := Hooks(w, nil, Options{Format: format}); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("hooks %s: %v, want EPIPE", format, err)
		}
	}
}

func BenchmarkRow(b *testing.B) {
	for name, e := range map[string]*event.Event{"kill": eventtest.Kill(), "clock": eventtest.ClockFrequency()} {
		for _, o := range []Options{{Width: 120}, {Width: 120, Color: true}, {}, {Format: FormatWide, Width: 120}} {
			b.Run(fmt.Sprintf("%s/%s-%d-color=%t", name, or(o.Format, FormatTable), o.Width, o.Color), func(b *testing.B) {
				o.Location, o.NoFold = cet, true
				var buf bytes.Buffer
				s, err := New(&buf, o)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for b.Loop() {
					buf.Reset()
					if err := s.Event(e); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
