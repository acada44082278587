// SPDX-License-Identifier: Apache-2.0

// Package timelinetest helps to test what makes or shows timelines: it checks documents
// against the published schemas.
package timelinetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/schematest"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

var document = sync.OnceValues(func() (*jsonschema.Schema, error) { return schematest.Compile(timeline.SchemaJSON()) })

// entry is the schema of events without what an entry may lack.
var entry = sync.OnceValues(func() (*jsonschema.Schema, error) {
	var schema map[string]any
	if err := json.Unmarshal(event.SchemaJSON(), &schema); err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	schema["required"] = []string{"schema", "type", "source"}
	text, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	return schematest.Compile(text)
})

// Check says why text is not a valid timeline with valid events, or returns nil.
func Check(text []byte) error {
	whole, err := document()
	if err != nil {
		return err
	}
	each, err := entry()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("parse timeline: %w", err)
	}
	if err := whole.Validate(v); err != nil {
		return err
	}
	entries, _ := v.(map[string]any)["entries"].([]any) // it is valid
	for i, e := range entries {
		if err := each.Validate(e); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}
