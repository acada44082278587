// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Schema names the format, in the field schema.
const Schema = "oomtrace.timeline/v1"

// Document is a timeline. What is not known is absent.
type Document struct {
	Sources []Source `json:"sources"`
	// Boots are in order of time, as far as it is known.
	Boots []Boot `json:"boots"`
	// Entries are in order of time: boot by boot, and within a boot by its clock.
	Entries []Entry `json:"entries"`
	// Findings are what the entries mean; they refer to entries by index.
	Findings []Finding `json:"findings"`
}

// Entry is an event of the timeline. Of several sources' accounts of one kill it is the
// best, with what the others add: its Sources name what came from a lesser one.
type Entry struct {
	*event.Event
	Boot int `json:"boot"` // index in Document.Boots
	// SeenIn are the sources that tell of it, as indices in Document.Sources, in which
	// the first is the one that the event is from.
	SeenIn []int `json:"seen_in"`
	// Differs says, in words, what these sources tell differently.
	Differs []string `json:"differs,omitempty"`
}

// Source is an input that was looked at.
type Source struct {
	// Path is a file's name as it was given, "-" for standard input, or the command
	// that was run for it.
	Path    string `json:"path"`
	PathHex string `json:"path_hex,omitempty"` // raw bytes, when Path had to be mended
	// Parts are the files of a log that was rotated, or of a record, the oldest first.
	Parts []string `json:"parts,omitempty"`
	Kind  Kind     `json:"kind"`
	// Format is the framing of a log (kmsg.Format), or the schema of a record.
	Format      string `json:"format,omitempty"`
	Compression string `json:"compression,omitempty"` // gzip, zstd, bzip2, xz, lz4
	State       State  `json:"state"`
	// Default: nobody named it; it is one of the places that are looked at then.
	Default   bool   `json:"default,omitempty"`
	SizeBytes *int64 `json:"size_bytes,omitempty"` // of the file, as it is stored
	// Records counts the log's records, or a record's lines.
	Records *uint64 `json:"records,omitempty"`
	Events  *uint64 `json:"events,omitempty"` // it tells of so many
	Kills   *uint64 `json:"kills,omitempty"`  // of processes, among these
	// Bad counts lines that could not be read, Unknown events of a type that this version
	// does not know.
	Bad     *uint64 `json:"bad,omitempty"`
	Unknown *uint64 `json:"unknown,omitempty"`
	// LeftOut counts events that are not in the timeline, which has room for so many.
	LeftOut *uint64 `json:"left_out,omitempty"`
	// First and Last are the times of the first and last event that has one.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	Boots []int     `json:"boots,omitempty"` // indices in Document.Boots
	// Error says what is wrong with it and what to do.
	Error string   `json:"error,omitempty"`
	Notes []string `json:"notes,omitempty"` // what was guessed or inferred
}

// Kind is what an input is.
type Kind string

// Kinds.
const (
	KindKernelLog Kind = "kernel-log"
	KindRecord    Kind = "record"    // events that a watcher wrote
	KindDirectory Kind = "directory" // a source that stands for what could not be read in it
	KindOther     Kind = "other"     // known to be something else, or not known
)

// State is what came of reading a source.
type State string

// States.
const (
	StateRead    State = "read"     // in full
	StateDamaged State = "damaged"  // as far as possible; see Error
	StateNotRead State = "not-read" // see Error
)

// Boot is one boot of a machine.
type Boot struct {
	// Offset is 0 for the machine's last boot here, -1 for the one before it.
	Offset int         `json:"offset"`
	Host   *event.Host `json:"host,omitempty"` // the machine, and the boot's id
	// Running: it is the running boot of the machine that made the timeline.
	Running bool `json:"running,omitempty"`
	// Began is when the machine booted.
	Began time.Time `json:"began,omitzero"`
	// TimeGuessed is what of Began nobody told.
	TimeGuessed []event.TimeGuess `json:"time_guessed,omitempty"`
	// First and Last are the times of the first and last entry that has one.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
	// Entries and Kills count those of the timeline, Sources are those that tell of it.
	Entries uint64 `json:"entries"`
	Kills   uint64 `json:"kills"`
	Sources []int  `json:"sources"`
}
