// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/ksym"
)

var update = flag.Bool("update", false, "write the events of testdata anew")

type golden struct {
	name string // without .bin
	raw  []byte
}

// goldens are real records: 'go test ./tracer -run TestRecord -record' makes
// them, and the symbols of their call traces.
func goldens(tb testing.TB) []golden {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(files) == 0 {
		tb.Fatalf("find records: %d, %v", len(files), err)
	}
	var out []golden
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, golden{strings.TrimSuffix(f, ".bin"), b})
	}
	return out
}

// Real records become the events beside them.
func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		t.Run(filepath.Base(g.name), func(t *testing.T) {
			d := newDecoder()
			d.Machine.SwapPages = new(uint64)
			symbols, err := os.Open(g.name + ".kallsyms")
			if err == nil {
				defer symbols.Close()
				table, err := ksym.Load(symbols, ksym.Options{})
				if err != nil {
					t.Fatal(err)
				}
				d.Symbols.Store(table)
			}
			var r Record
			if err := r.Parse(g.raw); err != nil {
				t.Fatal(err)
			}
			e := &event.Event{Type: event.TypeOOMKill}
			if r.Kind == bpf.OomtraceWireKindWIRE_KIND_CLOCK {
				e.Type, e.Clock = event.TypeClockAdjust, d.Clock(&r, nil)
			} else {
				e.Kill = d.Kill(&r)
			}
			var got bytes.Buffer
			for _, line := range lines(t, e) {
				if err := json.Indent(&got, line, "", "  "); err != nil {
					t.Fatal(err)
				}
			}
			file := g.name + ".json"
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s: got\n%s", file, got.Bytes())
			}
		})
	}
}
