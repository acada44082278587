// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Recorder appends events to a file. Its methods are for one goroutine, but for Dropped.
type Recorder struct {
	path    string
	file    *os.File
	enc     event.Encoder
	line    []byte
	dropped atomic.Uint64
	err     error // why the last event was not written
	partial bool  // the file does not end with a line's end
}

// Open makes dir if need be and opens its file for appending, for its owner's eyes
// alone. What is no plain file, or another user's, is refused: whoever put it there
// could lead the events elsewhere, or read them. maxLine is as for event.Encoder.
func Open(dir string, maxLine int) (*Recorder, error) {
	r, err := open(dir, maxLine)
	if err != nil {
		return nil, fmt.Errorf("record to %s: %w", dir, err)
	}
	return r, nil
}

func open(dir string, maxLine int) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwrapPath(err)
	}
	path := filepath.Join(dir, FileName)
	// O_NONBLOCK: a FIFO is refused, not waited for.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s is a symbolic link", FileName)
	case err != nil:
		return nil, unwrapPath(err)
	}
	r := &Recorder{path: path, file: f, enc: event.Encoder{MaxLine: maxLine}}
	if err := r.adopt(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// adopt checks that the file is one to write to, makes it private, and finds out
// whether it ends within a line, as after a crash.
func (r *Recorder) adopt() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(r.file.Fd()), &st); err != nil {
		return fmt.Errorf("examine %s: %w", FileName, err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is no plain file", FileName)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user (uid %d)", FileName, st.Uid)
	}
	if err := r.file.Chmod(0o600); err != nil {
		return fmt.Errorf("make %s private: %w", FileName, unwrapPath(err))
	}
	if st.Size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := r.file.ReadAt(last[:], st.Size-1); err != nil {
		return fmt.Errorf("read the end of %s: %w", FileName, unwrapPath(err))
	}
	r.partial = last[0] != '\n'
	return nil
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
// the event and counts it; tracing goes on, and Err says why.
func (r *Recorder) Event(e *event.Event) error {
	var err error
	if r.line, err = r.enc.Append(r.line[:0], e); err != nil {
		return err // it names the event
	}
	if r.err = r.write(); r.err != nil {
		r.dropped.Add(1)
	}
	return nil
}

// write appends r.line.
func (r *Recorder) write() error {
	if r.partial {
		// End the line that a full disk cut, so that only that one is bad.
		if _, err := r.file.Write([]byte("\n")); err != nil {
			return err
		}
		r.partial = false
	}
	n, err := r.file.Write(r.line)
	r.partial = err != nil && n > 0
	return err
}

// Err says why the last event was not written; nil when it was.
func (r *Recorder) Err() error { return r.err }

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
