// SPDX-License-Identifier: Apache-2.0

package event

import _ "embed"

//go:embed schema/v1.json
var schemaJSON string

// SchemaJSON returns the JSON Schema (draft 2020-12) of one line of the stream.
func SchemaJSON() []byte { return []byte(schemaJSON) }
