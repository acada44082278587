// SPDX-License-Identifier: Apache-2.0

package scores_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/scores"
	"github.com/oomtrace/oomtrace/decode/scores/scorestest"
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

// node is as much of JSON Schema as is compared.
type node struct {
	Description string           `json:"description"`
	Type        string           `json:"type"`
	Ref         string           `json:"$ref"`
	Const       string           `json:"const"`
	Required    []string         `json:"required"`
	Properties  map[string]*node `json:"properties"`
	Items       *node            `json:"items"`
	Minimum     *float64         `json:"minimum"`
	Defs        map[string]*node `json:"$defs"`
	Additional  *node            `json:"additionalProperties"`
}

// TestSchemaMirrorsTypes keeps the Go types and the schema from drifting apart.
func TestSchemaMirrorsTypes(t *testing.T) {
	var root node
	if err := json.Unmarshal(scores.SchemaJSON(), &root); err != nil {
		t.Fatal(err)
	}
	if got := root.Properties["schema"].Const; got != scores.Schema {
		t.Errorf("schema is %q, want %q", got, scores.Schema)
	}
	delete(root.Properties, "schema") // Append writes it
	root.Required = slices.DeleteFunc(root.Required, func(s string) bool { return s == "schema" })
	mirror{t, &root}.object("report", reflect.TypeFor[scores.Report](), &root)
}

// What events and rankings both tell is one thing, and its schema one text.
func TestSchemaAgreesWithEvents(t *testing.T) {
	var own, events struct {
		Defs map[string]any `json:"$defs"`
	}
	for schema, into := range map[string]any{string(scores.SchemaJSON()): &own, string(event.SchemaJSON()): &events} {
		if err := json.Unmarshal([]byte(schema), into); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"cgroup", "container", "pod", "host"} {
		if own.Defs[name] == nil {
			t.Errorf("%s is not defined", name)
		}
		if diff := cmp.Diff(events.Defs[name], own.Defs[name]); diff != "" {
			t.Errorf("%s (-events +scores)\n%s", name, diff)
		}
	}
}

type mirror struct {
	*testing.T
	root *node
}

func (m mirror) object(path string, typ reflect.Type, n *node) {
	fields := map[string]reflect.Type{}
	var required []string
	for _, f := range reflect.VisibleFields(typ) {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			continue // its fields are visible
		}
		fields[name] = f.Type
		if opts == "" {
			required = append(required, name)
		}
	}
	if n.Type != "object" || n.Description == "" {
		m.Errorf("%s: type %q, description %q", path, n.Type, n.Description)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(n.Properties))); diff != "" {
		m.Errorf("%s: fields (-Go +schema)\n%s", path, diff)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(required)), slices.Sorted(slices.Values(n.Required))); diff != "" {
		m.Errorf("%s: required (-Go +schema)\n%s", path, diff)
	}
	for name, typ := range fields {
		if p := n.Properties[name]; p != nil {
			if p.Description == "" {
				m.Errorf("%s.%s: no description", path, name)
			}
			m.value(path+"."+name, typ, p)
		}
	}
}

func (m mirror) value(path string, typ reflect.Type, n *node) {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if n.Ref != "" {
		if n = m.root.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")]; n == nil {
			m.Fatalf("%s: no such definition", path)
		}
	}
	want := map[reflect.Kind]string{
		reflect.String: "string", reflect.Bool: "boolean", reflect.Slice: "array", reflect.Map: "object", reflect.Struct: "object",
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint32: "integer", reflect.Uint64: "integer",
	}[typ.Kind()]
	if typ == reflect.TypeFor[time.Time]() {
		want = "string"
	}
	if n.Type != want {
		m.Errorf("%s: type %q, want %q", path, n.Type, want)
	}
	switch {
	case want == "object" && typ.Kind() == reflect.Struct:
		m.object(path, typ, n)
	case want == "array":
		m.value(path+"[]", typ.Elem(), n.Items)
	case (typ.Kind() == reflect.Uint32 || typ.Kind() == reflect.Uint64) && (n.Minimum == nil || *n.Minimum < 0):
		m.Errorf("%s: unsigned, but the schema takes negative numbers", path)
	}
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
