// SPDX-License-Identifier: Apache-2.0

package timeline

import _ "embed"

//go:embed v1.json
var schemaJSON string

// SchemaJSON returns the JSON Schema (draft 2020-12) of a Document.
func SchemaJSON() []byte { return []byte(schemaJSON) }
