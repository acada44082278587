// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

// node is as much of JSON Schema as v1.json uses.
type node struct {
	Description          string           `json:"description"`
	Type                 string           `json:"type"`
	Ref                  string           `json:"$ref"`
	Const                string           `json:"const"`
	Enum                 []any            `json:"enum"`
	Pattern              string           `json:"pattern"`
	Minimum              *float64         `json:"minimum"`
	Maximum              *float64         `json:"maximum"`
	Required             []string         `json:"required"`
	Properties           map[string]*node `json:"properties"`
	Items                *node            `json:"items"`
	AdditionalProperties *node            `json:"additionalProperties"`
	Not                  *node            `json:"not"`

	Dialect string           `json:"$schema"`
	Title   string           `json:"title"`
	Defs    map[string]*node `json:"$defs"`
	AllOf   []struct {
		If   *node `json:"if"`
		Then *node `json:"then"`
	} `json:"allOf"`
}

// walker compares Go types with the schema, in lockstep.
type walker struct {
	*testing.T
	root  *node
	enums map[string][]string // the constants of a Go string type
	used  map[string]bool     // the definitions seen
}

// TestSchemaMirrorsTypes keeps the Go types and the schema from drifting apart:
// same fields both ways, same kinds, same fields required, same constants.
func TestSchemaMirrorsTypes(t *testing.T) {
	var root node
	dec := json.NewDecoder(strings.NewReader(string(event.SchemaJSON())))
	dec.DisallowUnknownFields() // a keyword that this test does not know is not compared
	if err := dec.Decode(&root); err != nil {
		t.Fatal(err)
	}
	w := &walker{t, &root, constants(t), map[string]bool{}}
	w.object("event", reflect.TypeFor[event.Event](), &root)
	if got := root.Properties["schema"].Const; got != event.Schema {
		t.Errorf("schema is %q, want %q", got, event.Schema)
	}

	payloads := map[string]reflect.Type{}
	for _, e := range eventtest.All() {
		v := reflect.ValueOf(*e)
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") == "-" && !v.Field(i).IsNil() {
				payloads[string(e.Type)] = v.Field(i).Type().Elem()
			}
		}
	}
	types := w.enums["Type"]
	if diff := cmp.Diff(slices.Sorted(slices.Values(types)), slices.Sorted(maps.Keys(payloads))); diff != "" {
		t.Errorf("types (-constants +examples)\n%s", diff)
	}
	var selected []string
	for _, c := range root.AllOf {
		typ := c.If.Properties["type"].Const
		selected = append(selected, typ)
		if want := "#/$defs/" + typ; c.Then.Ref != want {
			t.Errorf("%s selects %s, want %s", typ, c.Then.Ref, want)
		}
		if payloads[typ] == nil {
			t.Errorf("%s is no type", typ)
			continue
		}
		w.object(typ, payloads[typ], w.resolve(typ, c.Then))
	}
	if diff := cmp.Diff(types, selected); diff != "" {
		t.Errorf("types (-constants +selected by the schema)\n%s", diff)
	}
	for name := range root.Defs {
		if !w.used[name] {
			t.Errorf("definition %s is not used", name)
		}
	}
}

func (w *walker) resolve(path string, n *node) *node {
	if n.Ref == "" {
		return n
	}
	name := strings.TrimPrefix(n.Ref, "#/$defs/")
	w.used[name] = true
	def := w.root.Defs[name]
	if def == nil {
		w.Fatalf("%s: no definition %s", path, name)
	}
	return def
}

func (w *walker) object(path string, typ reflect.Type, n *node) {
	fields := map[string]reflect.StructField{}
	var required []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		fields[name] = f
		if opts != "omitempty" && opts != "omitzero" {
			required = append(required, name)
		}
	}
	if n.Type != "object" || n.Description == "" {
		w.Errorf("%s: type %q, description %q", path, n.Type, n.Description)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(fields)), slices.Sorted(maps.Keys(n.Properties))); diff != "" {
		w.Errorf("%s: fields (-Go +schema)\n%s", path, diff)
	}
	if diff := cmp.Diff(required, n.Required); diff != "" {
		w.Errorf("%s: required (-Go +schema)\n%s", path, diff)
	}
	for name, f := range fields {
		if p := n.Properties[name]; p != nil {
			if p.Description == "" {
				w.Errorf("%s.%s: no description", path, name)
			}
			w.value(path+"."+name, f.Type, p)
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
		if n.Const != "" {
			return
		}
		want = "string"
		if typ.PkgPath() != "" {
			w.enum(path, w.enums[typ.Name()], n)
		}
	case reflect.Bool:
		want = "boolean"
	case reflect.Float64:
		want = "number"
	case reflect.Uint64, reflect.Uint32:
		want = "integer"
		if n.Minimum == nil || *n.Minimum < 0 {
			w.Errorf("%s: unsigned, but the schema takes negative numbers", path)
		}
	case reflect.Int, reflect.Int64:
		want = "integer"
	case reflect.Slice:
		want = "array"
		if n.Items == nil {
			w.Errorf("%s: no items", path)
			break
		}
		w.value(path+"[]", typ.Elem(), n.Items)
	case reflect.Map:
		want = "object"
		if n.AdditionalProperties == nil {
			w.Errorf("%s: no additionalProperties", path)
			break
		}
		w.value(path+"{}", typ.Elem(), n.AdditionalProperties)
	default:
		w.Fatalf("%s: a %s", path, typ)
	}
	if n.Type != want {
		w.Errorf("%s: type %q, want %q", path, n.Type, want)
	}
}

func (w *walker) enum(path string, want []string, n *node) {
	var got []string
	for _, v := range n.Enum {
		s, _ := v.(string)
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got); len(want) == 0 || diff != "" {
		w.Errorf("%s: enum (-Go +schema)\n%s", path, diff)
	}
}

// constants returns the values of the typed string constants of event.go, by
// type.
func constants(t *testing.T) map[string][]string {
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); ok && len(spec.Values) == 1 {
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				s, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				out[typ.Name] = append(out[typ.Name], s)
			}
		}
		return true
	})
	return out
}

// The schema refuses what would mislead a reader.
func TestSchemaRefuses(t *testing.T) {
	line := encode(t, &event.Encoder{}, eventtest.Kill())[0]
	clock := encode(t, &event.Encoder{}, eventtest.Clock())[0]
	for _, tt := range []struct{ line, old, new string }{
		{string(line), `"oomtrace/v1"`, `"oomtrace/v2"`},
		{string(line), `"type":"oom.kill"`, `"type":"oom.kills"`},
		{string(line), `"type":"oom.kill",`, ``},
		{string(line), `"seq":41`, `"seq":-41`},
		{string(line), `"seq":41`, `"seq":"41"`},
		{string(line), `482917339Z"`, `48291733Z"`},
		{string(line), `"role":"chosen"`, `"role":"selected"`},
		{string(line), `"role":"chosen",`, ``},
		{string(line), `"victim":{"pid":48213,`, `"victim":{`},
		{string(line), `"victim":{"pid":48213,`, `"victim":{"pid":0,`},
		{string(line), `"b41fe07c92d3a865"`, `"0xb41fe07c92d3a8"`},
		{string(line), `"gfp_mask":"cc0"`, `"gfp_mask":3264`},
		{string(line), `"swap_bytes":0`, `"swap_bytes":null`},
		{string(clock), `"result":"ok"`, `"result":"ok","errno":"EPERM"`},
		{string(clock), `"kind":"step"`, `"kind":""`},
	} {
		if err := eventtest.Check([]byte(tt.line)); err != nil {
			t.Fatal(err)
		}
		bad := strings.Replace(tt.line, tt.old, tt.new, 1)
		if bad == tt.line {
			t.Fatalf("%s is not in the line", tt.old)
		}
		if eventtest.Check([]byte(bad)) == nil {
			t.Errorf("%s instead of %s is taken", tt.new, tt.old)
		}
	}
	more := strings.Replace(string(line), `"episode"`, `"reclaim_tries":3,"episode"`, 1)
	if err := eventtest.Check([]byte(more)); err != nil {
		t.Errorf("an additional field is refused: %v", err)
	}
}
