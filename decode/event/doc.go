// SPDX-License-Identifier: Apache-2.0

// Package event is the event model of oomtrace and its JSON encoding, schema
// "oomtrace/v1".
//
// Every event is an [Event]: the fields that all events share and exactly one
// payload, named by [Event.Type]. A value that could not be read is absent (a
// nil pointer, an empty slice), never zero. Units stand in the JSON names. pids
// and uids are those of the initial namespaces.
//
// [Encoder] writes events, [Scanner] and [Unmarshal] read them, [Joiner] puts
// long kills together again. encoding/json alone sees an Event's common fields
// only.
//
// Within v1 fields may be added; a rename or a change of meaning makes v2.
package event
