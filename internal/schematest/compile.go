// SPDX-License-Identifier: Apache-2.0

package schematest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Compile makes the checker of a schema.
func Compile(text []byte) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("v1.json", doc); err != nil {
		return nil, fmt.Errorf("add schema: %w", err)
	}
	return c.Compile("v1.json")
}

// SameDefinitions fails the test where two schemas define one of the names differently:
// what both tell is one thing, and its schema one text.
func SameDefinitions(t testing.TB, a, b []byte, names ...string) {
	t.Helper()
	var in [2]struct {
		Defs map[string]any `json:"$defs"`
	}
	for i, text := range [][]byte{a, b} {
		if err := json.Unmarshal(text, &in[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		if in[0].Defs[name] == nil {
			t.Errorf("%s is not defined", name)
		}
		if diff := cmp.Diff(in[0].Defs[name], in[1].Defs[name]); diff != "" {
			t.Errorf("%s differs\n%s", name, diff)
		}
	}
}
