// SPDX-License-Identifier: Apache-2.0

// Package schematest helps to test what has a published JSON Schema: it keeps the schema
// and the Go types that are written from drifting apart, and compiles a schema to check
// documents with.
//
//	s := schematest.Parse(t, SchemaJSON(), Schema)
//	s.Mirrors("document", reflect.TypeFor[Document](), s.Root)
//	s.AllUsed()
package schematest
