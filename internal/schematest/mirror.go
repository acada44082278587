// SPDX-License-Identifier: Apache-2.0

package schematest

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
)

// Node is as much of JSON Schema as the published schemas use.
type Node struct {
	Description          string           `json:"description"`
	Type                 string           `json:"type"`
	Ref                  string           `json:"$ref"`
	Const                string           `json:"const"`
	Enum                 []any            `json:"enum"`
	Pattern              string           `json:"pattern"`
	Format               string           `json:"format"`
	Minimum              *float64         `json:"minimum"`
	Maximum              *float64         `json:"maximum"`
	Required             []string         `json:"required"`
	Properties           map[string]*Node `json:"properties"`
	Items                *Node            `json:"items"`
	AdditionalProperties *Node            `json:"additionalProperties"`
	Not                  *Node            `json:"not"`

	Dialect string           `json:"$schema"`
	Title   string           `json:"title"`
	Defs    map[string]*Node `json:"$defs"`
	AllOf   []struct {
		If   *Node `json:"if"`
		Then *Node `json:"then"`
	} `json:"allOf"`
}

// Schema is compared with Go types, in lockstep.
type Schema struct {
	Root *Node
	// Elsewhere are structs that a schema of their own tells of. Embedded, their fields
	// are left out; as a field, one is an object.
	Elsewhere []reflect.Type
	// As are structs that stand for others: what is written has more fields.
	As map[reflect.Type]reflect.Type
	// PlainEnums: what is a plain string in Go may have an enum, which is not compared.
	PlainEnums bool

	t    testing.TB
	used map[string]bool // the definitions seen
}

// Parse reads a schema, whose documents name it with the constant name. A keyword that
// Node does not know would not be compared, so it is an error.
func Parse(t testing.TB, text []byte, name string) *Schema {
	t.Helper()
	s := &Schema{Root: &Node{}, t: t, used: map[string]bool{}}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s.Root); err != nil {
		t.Fatal(err)
	}
	if p := s.Root.Properties["schema"]; p == nil || p.Const != name {
		t.Errorf("schema is %+v, want %q", p, name)
	}
	return s
}

// AllUsed fails the test where a definition was not compared with any type.
func (s *Schema) AllUsed() {
	s.t.Helper()
	for name := range s.Root.Defs {
		if !s.used[name] {
			s.t.Errorf("definition %s is not used", name)
		}
	}
}

// Mirrors compares a struct with what the schema says of it, at a path that errors name:
// the same fields both ways, of the same kinds, the same of them required, the same
// constants, and each described.
func (s *Schema) Mirrors(path string, typ reflect.Type, n *Node) {
	n = s.resolve(path, n)
	var required, names []string
	types := map[string]reflect.Type{}
	for _, f := range s.fields(typ) {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		types[name] = f.Type
		if opts != "omitempty" && opts != "omitzero" {
			required = append(required, name)
		}
	}
	if n.Type != "object" || n.Description == "" {
		s.t.Errorf("%s: type %q, description %q", path, n.Type, n.Description)
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(n.Properties))); diff != "" {
		s.t.Errorf("%s: fields (-Go +schema)\n%s", path, diff)
	}
	if diff := cmp.Diff(required, n.Required); diff != "" {
		s.t.Errorf("%s: required (-Go +schema)\n%s", path, diff)
	}
	for name, typ := range types {
		if p := n.Properties[name]; p != nil {
			if p.Description == "" {
				s.t.Errorf("%s.%s: no description", path, name)
			}
			s.value(path+"."+name, typ, p)
		}
	}
}

// fields are those that are written of a struct, those of embedded ones among them.
func (s *Schema) fields(typ reflect.Type) (out []reflect.StructField) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		switch {
		case f.Anonymous:
			if embedded := direct(f.Type); !slices.Contains(s.Elsewhere, embedded) {
				out = append(out, s.fields(embedded)...)
			}
		case f.Tag.Get("json") != "-":
			out = append(out, f)
		}
	}
	return out
}

func direct(typ reflect.Type) reflect.Type {
	if typ.Kind() == reflect.Pointer {
		return typ.Elem()
	}
	return typ
}

func (s *Schema) resolve(path string, n *Node) *Node {
	if n.Ref == "" {
		return n
	}
	name := strings.TrimPrefix(n.Ref, "#/$defs/")
	s.used[name] = true
	def := s.Root.Defs[name]
	if def == nil {
		s.t.Fatalf("%s: no definition %s", path, name)
	}
	return def
}

func (s *Schema) value(path string, typ reflect.Type, n *Node) {
	typ = direct(typ)
	if as := s.As[typ]; as != nil {
		typ = as
	}
	n = s.resolve(path, n)
	want := ""
	switch typ.Kind() {
	case reflect.Struct:
		switch {
		case typ == reflect.TypeFor[time.Time]():
			want = "string"
		case slices.Contains(s.Elsewhere, typ):
			want = "object"
		default:
			s.Mirrors(path, typ, n)
			return
		}
	case reflect.String:
		if n.Const != "" && strings.HasSuffix(path, ".schema") {
			return
		}
		want = "string"
		s.enum(path, typ, n)
	case reflect.Bool:
		want = "boolean"
	case reflect.Float64:
		want = "number"
	case reflect.Uint64, reflect.Uint32:
		want = "integer"
		if n.Minimum == nil || *n.Minimum < 0 {
			s.t.Errorf("%s: unsigned, but the schema takes negative numbers", path)
		}
	case reflect.Int, reflect.Int64:
		want = "integer"
	case reflect.Slice:
		want = "array"
		if n.Items == nil {
			s.t.Errorf("%s: no items", path)
			break
		}
		s.value(path+"[]", typ.Elem(), n.Items)
	case reflect.Map:
		want = "object"
		if n.AdditionalProperties == nil {
			s.t.Errorf("%s: no additionalProperties", path)
			break
		}
		s.value(path+"{}", typ.Elem(), n.AdditionalProperties)
	default:
		s.t.Fatalf("%s: a %s", path, typ)
	}
	if n.Type != want {
		s.t.Errorf("%s: type %q, want %q", path, n.Type, want)
	}
}

// enum compares the constants of a string type. A plain string has none.
func (s *Schema) enum(path string, typ reflect.Type, n *Node) {
	if typ.PkgPath() == "" && s.PlainEnums {
		return
	}
	var want, got []string
	for _, v := range n.Enum {
		value, _ := v.(string)
		got = append(got, value)
	}
	if typ.PkgPath() != "" {
		if want = Constants(s.t, typ); len(want) == 0 {
			s.t.Errorf("%s: %s has no constants", path, typ)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s: enum (-Go +schema)\n%s", path, diff)
	}
}
