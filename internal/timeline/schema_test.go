// SPDX-License-Identifier: Apache-2.0

package timeline_test

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
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/timeline"
	"github.com/oomtrace/oomtrace/internal/timeline/timelinetest"
)

// node is as much of JSON Schema as v1.json uses.
type node struct {
	Description          string           `json:"description"`
	Type                 string           `json:"type"`
	Ref                  string           `json:"$ref"`
	Const                string           `json:"const"`
	Enum                 []string         `json:"enum"`
	Pattern              string           `json:"pattern"`
	Minimum              *float64         `json:"minimum"`
	Maximum              *float64         `json:"maximum"`
	Required             []string         `json:"required"`
	Properties           map[string]*node `json:"properties"`
	Items                *node            `json:"items"`
	AdditionalProperties *node            `json:"additionalProperties"`

	Dialect string           `json:"$schema"`
	Title   string           `json:"title"`
	Defs    map[string]*node `json:"$defs"`
}

// walker compares Go types with the schema, in lockstep.
type walker struct {
	*testing.T
	root *node
	used map[string]bool
}

// The Go types and the schema have the same fields, of the same kinds, and the same of
// them required.
func TestSchemaMirrorsTypes(t *testing.T) {
	var root node
	dec := json.NewDecoder(bytes.NewReader(timeline.SchemaJSON()))
	dec.DisallowUnknownFields() // a keyword that this test does not know is not compared
	if err := dec.Decode(&root); err != nil {
		t.Fatal(err)
	}
	w := &walker{t, &root, map[string]bool{}}
	w.object("document", reflect.TypeFor[timeline.Document](), &root, "schema")
	if got := root.Properties["schema"].Const; got != timeline.Schema {
		t.Errorf("schema is %q, want %q", got, timeline.Schema)
	}
	for name := range root.Defs {
		if !w.used[name] {
			t.Errorf("definition %s is not used", name)
		}
	}
}

// enums are the constants of the string types.
var enums = map[reflect.Type][]string{
	reflect.TypeFor[timeline.Kind]():       {string(timeline.KindKernelLog), string(timeline.KindRecord), string(timeline.KindDirectory), string(timeline.KindOther)},
	reflect.TypeFor[timeline.State]():      {string(timeline.StateRead), string(timeline.StateDamaged), string(timeline.StateNotRead)},
	reflect.TypeFor[timeline.Confidence](): {string(timeline.High), string(timeline.Medium), string(timeline.Low)},
	reflect.TypeFor[event.TimeGuess]():     {string(event.GuessYear), string(event.GuessZone), string(event.GuessBoot)},
	reflect.TypeFor[timeline.Class]():      {string(timeline.ReadOnly), string(timeline.Reversible), string(timeline.Disruptive), string(timeline.Irreversible)},
}

func (w *walker) resolve(path string, n *node) *node {
	if n.Ref == "" {
		return n
	}
	name := strings.TrimPrefix(n.Ref, "#/$defs/")
	w.used[name] = true
	if w.root.Defs[name] == nil {
		w.Fatalf("%s: no definition %s", path, name)
	}
	return w.root.Defs[name]
}

// object compares a struct; the schema has the fields more beside.
func (w *walker) object(path string, typ reflect.Type, n *node, more ...string) {
	if typ == reflect.TypeFor[timeline.Entry]() {
		more = append(more, "schema", "type", "source") // of the event, which has its own
	}
	want, required := slices.Clone(more), slices.Clone(more)
	fields := map[string]reflect.Type{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			continue
		}
		fields[name] = f.Type
		want = append(want, name)
		if opts != "omitempty" && opts != "omitzero" {
			required = append(required, name)
		}
	}
	if n.Type != "object" || n.Description == "" {
		w.Errorf("%s: type %q, description %q", path, n.Type, n.Description)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(maps.Keys(n.Properties))); diff != "" {
		w.Errorf("%s: fields (-Go +schema)\n%s", path, diff)
	}
	if diff := cmp.Diff(required, n.Required); diff != "" {
		w.Errorf("%s: required (-Go +schema)\n%s", path, diff)
	}
	for name, typ := range fields {
		if p := n.Properties[name]; p != nil {
			if p.Description == "" {
				w.Errorf("%s.%s: no description", path, name)
			}
			w.value(path+"."+name, typ, p)
		}
	}
}

func (w *walker) value(path string, typ reflect.Type, n *node) {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	n = w.resolve(path, n)
	want := ""
	switch typ.Kind() {
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			want = "string"
			break
		}
		w.object(path, typ, n)
		return
	case reflect.String:
		want = "string"
		if diff := cmp.Diff(enums[typ], n.Enum); diff != "" {
			w.Errorf("%s: enum (-Go +schema)\n%s", path, diff)
		}
	case reflect.Bool:
		want = "boolean"
	case reflect.Uint64:
		want = "integer"
		if n.Minimum == nil || *n.Minimum < 0 {
			w.Errorf("%s: unsigned, but the schema takes negative numbers", path)
		}
	case reflect.Int, reflect.Int64:
		want = "integer"
	case reflect.Slice:
		want = "array"
		if n.Items == nil {
			w.Fatalf("%s: no items", path)
		}
		w.value(path+"[]", typ.Elem(), n.Items)
	case reflect.Map:
		want = "object"
	default:
		w.Fatalf("%s: a %s", path, typ)
	}
	if n.Type != want {
		w.Errorf("%s: type %q, want %q", path, n.Type, want)
	}
}

// A host is what it is in events.
func TestSchemaAgreesWithEvents(t *testing.T) {
	var here, there struct {
		Defs map[string]any `json:"$defs"`
	}
	for text, into := range map[string]any{string(timeline.SchemaJSON()): &here, string(event.SchemaJSON()): &there} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(there.Defs["host"], here.Defs["host"]); diff != "" {
		t.Errorf("host (-events +timeline)\n%s", diff)
	}
}

// No field that an entry adds is one of an event.
func TestEntryFieldsAreItsOwn(t *testing.T) {
	for _, e := range eventtest.All() {
		line, err := new(event.Encoder).AppendEntry(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		for _, own := range []string{"boot", "seen_in", "differs"} {
			if _, ok := fields[own]; ok {
				t.Errorf("%s has a field %s of its own", e.Type, own)
			}
		}
	}
}

func validate(t *testing.T, text []byte) {
	t.Helper()
	if err := timelinetest.Check(text); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestWrite(t *testing.T) {
	one := event.Ptr[uint64](1)
	at := time.Date(2026, 6, 20, 12, 47, 2, 5, time.UTC)
	hostile := "a\x1b[31m\u009b\x7f\xffb"
	d := &timeline.Document{
		Sources: []timeline.Source{{
			Path: hostile, PathHex: "ff", Kind: timeline.KindKernelLog, Format: "dmesg", Compression: "gzip", State: timeline.StateDamaged,
			Default: true, SizeBytes: event.Ptr[int64](7), Records: one, Events: one, Kills: one, Bad: one, Unknown: one,
			LeftOut: one, First: at, Last: at, Boots: []int{0}, Error: hostile, Notes: []string{hostile},
		}, {Path: "-", Kind: timeline.KindOther, State: timeline.StateNotRead}},
		Boots: []timeline.Boot{
			{Offset: -1},
			{Host: &event.Host{Name: "db-2"}, Running: true, Began: at, TimeGuessed: []event.TimeGuess{event.GuessYear}, First: at, Last: at, Entries: 1, Kills: 1, Sources: []int{0}},
		},
		Findings: []timeline.Finding{{
			ID: "limit-too-small", Title: hostile, Confidence: timeline.High, Summary: "s", About: []int{0},
			Evidence: []timeline.Evidence{{Entries: []int{0}, Text: hostile}}, RefutedBy: "r", Question: "q",
			Decide:   &timeline.Command{Run: "true", Class: timeline.ReadOnly, Note: "n"},
			Actions:  []timeline.Action{{Text: "t", Why: "w", Owner: "o", Commands: []timeline.Command{{Run: "x", Class: timeline.Irreversible}}}},
			Rollback: []timeline.Rollback{{Undoes: 0, Text: "t", Guard: "g", Commands: []timeline.Command{{Run: "y", Class: timeline.Disruptive}}}},
		}, {ID: "x", Confidence: timeline.Low}},
	}
	for _, e := range eventtest.All() {
		d.Entries = append(d.Entries, timeline.Entry{Event: e, Boot: 1, SeenIn: []int{0}, Differs: []string{hostile}})
	}
	d.Entries = append(d.Entries, timeline.Entry{Event: eventtest.Kill()})
	for _, d := range []*timeline.Document{d, {}} {
		var out bytes.Buffer
		if err := d.Write(&out); err != nil {
			t.Fatal(err)
		}
		validate(t, out.Bytes())
		if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r < ' ' && r != '\n' || 0x7f <= r && r < 0xa0 }); i >= 0 {
			t.Errorf("a control character at byte %d", i)
		}
	}
}
