// SPDX-License-Identifier: Apache-2.0

package dossier

import _ "embed"

//go:embed v1.json
var schemaJSON string

// SchemaJSON returns the JSON Schema (draft 2020-12) of a Report; its timeline has a
// schema of its own.
func SchemaJSON() []byte { return []byte(schemaJSON) }
