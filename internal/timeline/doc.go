// SPDX-License-Identifier: Apache-2.0

// Package timeline makes one story of several sources: kernel logs in any framing, and
// what a watcher recorded. Boots are kept apart, what two sources tell of the same kill
// becomes one entry, and each entry says how sure its time is.
//
//	sources ─► [Builder] ─► [Document] ─► findings, JSON, tables
//
// A [Document] is what `oomtrace timeline -o json` prints. Its findings are made
// elsewhere, from the document alone.
package timeline
