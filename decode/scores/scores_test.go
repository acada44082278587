// SPDX-License-Identifier: Apache-2.0

package scores_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/scores"
	"github.com/oomtrace/oomtrace/decode/scores/scorestest"
	"github.com/oomtrace/oomtrace/internal/schematest"
)

func TestSort(t *testing.T) {
	const page = 4096
	r := &scores.Report{AllowedPages: 8192, PageSizeBytes: page}
	ps := []scores.Process{
		{PID: 10, AnonRSSBytes: 5000 * page},
		{PID: 11, FileRSSBytes: 4999 * page, PgtablesBytes: 2*page - 1},
		{PID: 12, SwapBytes: 1000 * page, OOMScoreAdj: 1000}, // 8192/1000 is 8: 8000 more
		{PID: 13, ShmemRSSBytes: 6000 * page, OOMScoreAdj: -999},
		{PID: 9, AnonRSSBytes: 100 * page},
	}
	r.Sort(ps)
	var order []int
	for _, p := range ps {
		order = append(order, p.PID)
		r.Add(p, scores.Identity{})
	}
	if diff := cmp.Diff([]int{12, 11, 10, 9, 13}, order); diff != "" {
		t.Errorf("of two with as many points the younger goes first\n%s", diff)
	}
	r.SetMargin(ps[1])
	first, last := r.Candidates[0], r.Candidates[4]
	for _, tt := range []struct {
		what      string
		got, want int64
	}{
		{"margin", *r.MarginPages, 4000},
		{"points", first.PointsPages, 9000},
		{"adj pages", first.AdjPages, 8000},
		{"badness", first.BadnessPermille, 1098},
		{"share", first.SharePermille, 122},
		{"last points", last.PointsPages, 6000 - 7992},
		{"last badness", last.BadnessPermille, -243},
		{"last rank", int64(last.Rank), 5},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d, want %d", tt.what, tt.got, tt.want)
		}
	}
}

func lines(t *testing.T) [][]byte {
	t.Helper()
	var all [][]byte
	for _, r := range scorestest.All() {
		line, err := r.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

func TestExamplesConform(t *testing.T) {
	for i, line := range lines(t) {
		if err := scorestest.Check(line); err != nil {
			t.Errorf("example %d: %v\n%s", i, err, line)
		}
		if bytes.Count(line, []byte("\n")) != 1 || bytes.ContainsAny(line[:len(line)-1], "\x1b\x7f\n") {
			t.Errorf("example %d is no inert line: %q", i, line)
		}
	}
	// Without a single process it is still a list.
	line, err := (&scores.Report{}).Append(nil)
	if err != nil || !bytes.Contains(line, []byte(`"candidates":[]`)) {
		t.Errorf("%s, %v", line, err)
	}
}

// Together the examples fill every field, so that nothing goes untested.
func TestExamplesFillEveryField(t *testing.T) {
	filled, all := map[string]bool{}, map[string]bool{}
	for _, r := range scorestest.All() {
		visit(reflect.ValueOf(*r), filled, all)
	}
	for field := range all {
		if !filled[field] {
			t.Errorf("no example fills %s", field)
		}
	}
}

func visit(v reflect.Value, filled, all map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			visit(v.Elem(), filled, all)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), filled, all)
		}
	case reflect.Struct:
		// Those of events have examples of their own.
		if typ := v.Type(); typ == reflect.TypeFor[time.Time]() || !strings.HasSuffix(typ.PkgPath(), "decode/scores") {
			return
		}
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			all[name] = true
			filled[name] = filled[name] || !v.Field(i).IsZero()
			visit(v.Field(i), filled, all)
		}
	}
}

// TestSchemaMirrorsTypes keeps the Go types and the schema from drifting apart.
func TestSchemaMirrorsTypes(t *testing.T) {
	type line struct { // as Append writes it
		Schema string `json:"schema"`
		scores.Report
	}
	s := schematest.Parse(t, scores.SchemaJSON(), scores.Schema)
	s.PlainEnums = true
	s.Mirrors("report", reflect.TypeFor[line](), s.Root)
	s.AllUsed()
}

// What events and rankings both tell is one thing, and its schema one text.
func TestSchemaAgreesWithEvents(t *testing.T) {
	schematest.SameDefinitions(t, scores.SchemaJSON(), event.SchemaJSON(), "cgroup", "container", "pod", "host")
}

// The schema refuses what would mislead a reader.
func TestSchemaRefuses(t *testing.T) {
	line := string(lines(t)[0])
	for _, tt := range []struct{ old, new string }{
		{`"oomtrace.scores/v1"`, `"oomtrace.scores/v2"`},
		{`"scope":"global"`, `"scope":"machine"`},
		{`"allowed_pages":1572864`, `"allowed_pages":0`},
		{`"rank":1,`, ``},
		{`"oom_score_adj":800`, `"oom_score_adj":-1000`},
		{`"swap_bytes":41943040`, `"swap_bytes":null`},
		{`"candidates":[`, `"candidates":[1,`},
	} {
		bad := strings.Replace(line, tt.old, tt.new, 1)
		if bad == line {
			t.Fatalf("%s is not in the line", tt.old)
		}
		if scorestest.Check([]byte(bad)) == nil {
			t.Errorf("%s instead of %s is taken", tt.new, tt.old)
		}
	}
}
