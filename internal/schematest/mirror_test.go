// SPDX-License-Identifier: Apache-2.0

package schematest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type colour string

const (
	red  colour = "red"
	blue colour = "blue"
)

type inner struct {
	N uint64 `json:"n"`
}

type document struct {
	Schema string `json:"schema"`
	inner
	Colour colour            `json:"colour,omitempty"`
	List   []inner           `json:"list,omitempty"`
	Map    map[string]colour `json:"map,omitempty"`
	Own    *reflect.Method   `json:"-"`
}

const schema = `{"description":"d","type":"object","required":["schema","n"],"properties":{
"schema":{"description":"d","const":"x/v1"},
"n":{"description":"d","type":"integer","minimum":0},
"colour":{"description":"d","type":"string","enum":["red","blue"]},
"list":{"description":"d","type":"array","items":{"$ref":"#/$defs/inner"}},
"map":{"description":"d","type":"object","additionalProperties":{"type":"string","enum":["red","blue"]}}},
"$defs":{"inner":{"description":"d","type":"object","required":["n"],"properties":{"n":{"description":"d","type":"integer","minimum":0}}}}}`

// failures is a test that notes what fails.
type failures struct {
	testing.TB
	what []string
}

func (f *failures) Helper() {}

func (f *failures) Errorf(format string, args ...any) {
	f.what = append(f.what, fmt.Sprintf(format, args...))
}

func (f *failures) Fatal(args ...any) {
	f.what = append(f.what, fmt.Sprint(args...))
	panic(f)
}

func (f *failures) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

func compared(t *testing.T, text string) (what []string) {
	f := &failures{TB: t}
	defer func() {
		what = f.what
		if r := recover(); r != nil && r != any(f) {
			panic(r)
		}
	}()
	s := Parse(f, []byte(text), "x/v1")
	s.Mirrors("document", reflect.TypeFor[document](), s.Root)
	s.AllUsed()
	return f.what
}

func TestMirrors(t *testing.T) {
	if got := Constants(t, reflect.TypeFor[colour]()); got != nil || red+blue == "" {
		t.Errorf("%q of a test's source", got)
	}
	// The type is a test's, and has no constants that are looked for.
	const none = "schematest.colour has no constants"
	for _, what := range compared(t, schema) {
		if !strings.Contains(what, none) && !strings.Contains(what, "enum") {
			t.Error(what)
		}
	}
	for _, tt := range []struct{ old, new, want string }{
		{`"x/v1"`, `"x/v2"`, "schema is"},
		{`"required":["schema","n"]`, `"required":["n"]`, "document: required"},
		{`"n":{"description":"d",`, `"n":{`, "document.n: no description"},
		{`"minimum":0},`, `"minimum":-1},`, "document.n: unsigned"},
		{`"n":{"description":"d","type":"integer"`, `"n":{"description":"d","type":"number"`, `document.n: type "number"`},
		{`"colour":`, `"color":`, "document: fields"},
		{`"items":{"$ref":"#/$defs/inner"}`, `"items":{"$ref":"#/$defs/other"}`, "no definition other"},
		{`"items":{"$ref":"#/$defs/inner"}`, `"$ref":"#/$defs/inner"`, `document.list: type "object"`},
		{`,"items":{"$ref":"#/$defs/inner"}`, ``, "document.list: no items"},
		{`"additionalProperties":{"type":"string",`, `"additionalProperties":{"type":"object",`, `document.map{}: type "object"`},
		{`"$defs":{`, `"$defs":{"more":{"type":"object"},`, "definition more is not used"},
		{`"minimum":0}}}}`, `"multipleOf":2}}}}`, "unknown field"},
	} {
		bad := strings.Replace(schema, tt.old, tt.new, 1)
		if bad == schema {
			t.Fatalf("%s is not in the schema", tt.old)
		}
		if got := strings.Join(compared(t, bad), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("%s instead of %s: want %q, got\n%s", tt.new, tt.old, tt.want, got)
		}
	}
}
