// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

// scan reads all of r and tells what came: a line number and type or an error
// each, at last how it ended.
func scan(t *testing.T, r io.Reader) []string {
	t.Helper()
	s := event.NewScanner(r)
	var out []string
	for {
		e, err := s.Next()
		var bad *event.LineError
		switch {
		case err == nil:
			out = append(out, fmt.Sprintf("%d %s", s.Line(), e.Type))
		case errors.As(err, &bad):
			if bad.Line != s.Line() {
				t.Errorf("line %d in the error, %d in the scanner", bad.Line, s.Line())
			}
			out = append(out, err.Error())
		default:
			if s.Raw() != nil {
				t.Errorf("raw line %q at the end", s.Raw())
			}
			if _, again := s.Next(); again != err {
				t.Errorf("end %v, then %v", err, again)
			}
			return append(out, err.Error())
		}
	}
}

func TestScanner(t *testing.T) {
	step := string(encode(t, &event.Encoder{}, eventtest.ClockStep())[0])
	long := strings.Repeat("x", event.MaxInputLine+1)
	fits := step[:len(step)-1] + strings.Repeat(" ", event.MaxInputLine-len(step)) + "}"
	for name, tt := range map[string]struct {
		in   string
		want []string
	}{
		"empty":                  {"", []string{"empty: no event in it"}},
		"blank":                  {"\n \n\r\n\t", []string{"empty: no event in it"}},
		"one":                    {step + "\n", []string{"1 clock.step", "EOF"}},
		"no newline at the end":  {step, []string{"1 clock.step", "EOF"}},
		"blank lines and CRLF":   {"\n" + step + "\r\n\n \n" + step + "\n\n", []string{"2 clock.step", "5 clock.step", "EOF"}},
		"goes on":                {"junk\n" + step + "\n{}\n" + step, []string{"line 1: not JSON: invalid character 'j' looking for beginning of value", "2 clock.step", `line 3: not an oomtrace event: no "schema" field`, "4 clock.step", "EOF"}},
		"newer type":             {head + `"type":"oom.future"}` + "\n" + step, []string{`line 1: unknown event type "oom.future"`, "2 clock.step", "EOF"}},
		"truncated":              {step + "\n" + step[:len(step)/2], []string{"1 clock.step", "line 2: cut off: the last line is incomplete", "EOF"}},
		"truncated in a rune":    {`{"a":"` + "\xe6\x97", []string{"line 1: cut off: the last line is incomplete", "EOF"}},
		"cut, then a newline":    {step[:20] + "\n" + step, []string{"line 1: not JSON: unexpected end of JSON input", "2 clock.step", "EOF"}},
		"garbage at the end":     {step + "\njunk", []string{"1 clock.step", "line 2: not JSON: invalid character 'j' looking for beginning of value", "EOF"}},
		"garbage behind a brace": {step + "\n{junk", []string{"1 clock.step", "line 2: not JSON: invalid character 'j' looking for beginning of object key string", "EOF"}},
		"foreign at the end":     {`{"a":1}`, []string{`line 1: not an oomtrace event: no "schema" field`, "EOF"}},
		"zeros after a crash":    {step + "\n" + strings.Repeat("\x00", 5000), []string{"1 clock.step", "line 2: cut off: the last line is incomplete", "EOF"}},
		"cut, zeros behind":      {step + "\n" + step[:30] + strings.Repeat("\x00", 5000), []string{"1 clock.step", "line 2: cut off: the last line is incomplete", "EOF"}},
		"too long":               {step + "\n" + long + "\n" + step + "\n", []string{"1 clock.step", "line 2: line too long", "3 clock.step", "EOF"}},
		"much too long":          {long + long + long, []string{"line 1: line too long", "EOF"}},
		"as long as may be":      {fits + "\n" + step, []string{"1 clock.step", "2 clock.step", "EOF"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, scan(t, strings.NewReader(tt.in))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, scan(t, iotest.DataErrReader(iotest.HalfReader(strings.NewReader(tt.in))))); diff != "" {
				t.Errorf("in pieces (-want +got)\n%s", diff)
			}
		})
	}
}

func TestScannerReadError(t *testing.T) {
	step := string(encode(t, &event.Encoder{}, eventtest.ClockStep())[0])
	for _, in := range []string{step + "\n", step + "\n" + step} {
		got := scan(t, io.MultiReader(strings.NewReader(in), iotest.ErrReader(errors.New("disk on fire"))))
		if diff := cmp.Diff([]string{"1 clock.step", "read after line 1: disk on fire"}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestScannerErrorsAreTyped(t *testing.T) {
	for in, want := range map[string]error{
		"":                                event.ErrEmpty,
		`{"schema":"oomtrace/v2"}`:        event.ErrSchema,
		head + `"type":"oom.future"}`:     event.ErrType,
		`{"schema":"oomtrace/v1",`:        event.ErrTruncated,
		strings.Repeat("x", 2<<20):        event.ErrLineTooLong,
		`{"schema":"oomtrace/v2"` + "}\n": event.ErrSchema,
	} {
		if _, err := event.NewScanner(strings.NewReader(in)).Next(); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
}

// Lines can be passed on byte for byte, bad ones too.
func TestScannerRaw(t *testing.T) {
	var in []byte
	var enc event.Encoder
	for i, e := range examples() {
		var err error
		if in, err = enc.Append(in, e); err != nil {
			t.Fatal(err)
		}
		in = fmt.Appendf(in, "junk \xff %d\r\n", i)
	}
	s := event.NewScanner(bytes.NewReader(in))
	var out []byte
	for {
		_, err := s.Next()
		if err == io.EOF {
			break
		}
		out = append(append(out, s.Raw()...), '\n')
	}
	if !bytes.Equal(in, out) {
		t.Error(cmp.Diff(string(in), string(out)))
	}
}

func FuzzScanner(f *testing.F) {
	step := encode(f, &event.Encoder{}, eventtest.ClockStep())[0]
	f.Add([]byte{})
	f.Add(step)
	f.Add(append(append(bytes.Clone(step), "\n\n\r\n{\"a\":\x00\n"...), step[:50]...))
	f.Add([]byte("{\x00\x00\n\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := event.NewScanner(iotest.HalfReader(bytes.NewReader(in)))
		lines := bytes.Split(in, []byte("\n"))
		last := 0
		for {
			e, err := s.Next()
			var bad *event.LineError
			if err != nil && !errors.As(err, &bad) {
				if err != io.EOF && err != event.ErrEmpty {
					t.Errorf("ended with %v", err)
				}
				break
			}
			if err == nil && e == nil {
				t.Fatal("neither event nor error")
			}
			n := s.Line()
			if n <= last || n > len(lines) {
				t.Fatalf("line %d after %d of %d", n, last, len(lines))
			}
			for _, l := range lines[last : n-1] {
				if len(bytes.TrimSpace(l)) != 0 {
					t.Errorf("line %q is left out", l)
				}
			}
			if len(lines[n-1]) <= event.MaxInputLine && !bytes.Equal(s.Raw(), lines[n-1]) {
				t.Errorf("raw %q, want %q", s.Raw(), lines[n-1])
			}
			if errors.Is(err, event.ErrTruncated) && n != len(lines) {
				t.Errorf("line %d of %d is called cut off", n, len(lines))
			}
			last = n
		}
		for _, l := range lines[last:] {
			if len(bytes.TrimSpace(l)) != 0 {
				t.Errorf("line %q is left out", l)
			}
		}
	})
}
