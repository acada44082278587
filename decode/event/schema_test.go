// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/schematest"
)

// TestSchemaMirrorsTypes keeps the Go types and the schema from drifting apart:
// same fields both ways, same kinds, same fields required, same constants.
func TestSchemaMirrorsTypes(t *testing.T) {
	s := schematest.Parse(t, event.SchemaJSON(), event.Schema)
	s.PlainEnums = true
	s.Mirrors("event", reflect.TypeFor[event.Event](), s.Root)

	payloads := map[string]reflect.Type{}
	for _, e := range eventtest.All() {
		v := reflect.ValueOf(*e)
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") == "-" && !v.Field(i).IsNil() {
				payloads[string(e.Type)] = v.Field(i).Type().Elem()
			}
		}
	}
	types := schematest.Constants(t, reflect.TypeFor[event.Type]())
	if diff := cmp.Diff(slices.Sorted(slices.Values(types)), slices.Sorted(maps.Keys(payloads))); diff != "" {
		t.Errorf("types (-constants +examples)\n%s", diff)
	}
	var selected []string
	for _, c := range s.Root.AllOf {
		typ := c.If.Properties["type"].Const
		selected = append(selected, typ)
		if want := "#/$defs/" + typ; c.Then.Ref != want {
			t.Errorf("%s selects %s, want %s", typ, c.Then.Ref, want)
		}
		if payloads[typ] == nil {
			t.Errorf("%s is no type", typ)
			continue
		}
		s.Mirrors(typ, payloads[typ], c.Then)
	}
	if diff := cmp.Diff(types, selected); diff != "" {
		t.Errorf("types (-constants +selected by the schema)\n%s", diff)
	}
	s.AllUsed()
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
