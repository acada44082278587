// SPDX-License-Identifier: Apache-2.0

// Package record keeps a stream of events in a file, as JSON Lines.
package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/oomtrace/oomtrace/decode/event"
)

// FileName is the file in the directory that events are appended to.
const FileName = "events.jsonl"

// Recorder appends events to a file. Its methods are for one goroutine, but for Dropped.
type Recorder struct {
	path    string
	file    *os.File
	enc     event.Encoder
	line    []byte
	dropped atomic.Uint64
	partial bool // the file does not end with a line's end
}

// Open makes dir if need be and opens its file for appending, readable by its
// owner alone. maxLine is as for event.Encoder.
func Open(dir string, maxLine int) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("record to %s: %w", dir, unwrapPath(err))
	}
	path := filepath.Join(dir, FileName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("record to %s: %w", dir, unwrapPath(err))
	}
	partial, err := endsInLine(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("record to %s: %w", dir, unwrapPath(err)), f.Close())
	}
	return &Recorder{path: path, file: f, enc: event.Encoder{MaxLine: maxLine}, partial: partial}, nil
}

// endsInLine says whether a file ends within a line, as after a crash.
func endsInLine(f *os.File) (bool, error) {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], st.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// unwrapPath leaves out the path, which the message has already.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Event appends e. A file that cannot be written to, as on a full disk, drops
// the event and counts it; tracing goes on.
func (r *Recorder) Event(e *event.Event) error {
	var err error
	if r.line, err = r.enc.Append(r.line[:0], e); err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if r.partial {
		// End the line that a full disk cut, so that only that one is bad.
		if _, err := r.file.Write([]byte("\n")); err != nil {
			r.dropped.Add(1)
			return nil
		}
		r.partial = false
	}
	if n, err := r.file.Write(r.line); err != nil {
		r.partial = n > 0
		r.dropped.Add(1)
	}
	return nil
}

// Dropped counts the events that could not be written. It may be called from any
// goroutine.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

// Close closes the file.
func (r *Recorder) Close() error {
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", r.path, err)
	}
	return nil
}
