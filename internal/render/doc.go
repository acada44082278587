// SPDX-License-Identifier: Apache-2.0

// Package render turns events into what people and pipelines read: a streaming
// table ("table", "wide") or one JSON object a line ("json").
//
// A table row appears when its event happens. Of a storm of kills, those of one
// incident, the first have a row each; the others are counted, and told in a row
// within some seconds, while it goes on within a minute. Every row is one Write, so
// those of several writers to one pipe do not mix. Whatever the table prints may come
// from a hostile process name: [Sanitize] escapes all that a terminal could act on, and
// the table lets nothing through without it.
//
// A value that is absent in an event is left out or shown as "-", never as 0.
package render
