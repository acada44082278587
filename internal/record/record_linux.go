// SPDX-License-Identifier: Apache-2.0

package record

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/oomtrace/oomtrace/decode/event"
)

// What Options default to: at most some 576 MiB.
const (
	DefaultSize = 64 << 20
	DefaultKeep = 8
)

// lineRoom is what most events fit, their details included.
const lineRoom = 64 << 10

// Options of a Recorder. Each has a useful zero value.
type Options struct {
	MaxLine int   // as for event.Encoder
	Size    int64 // a file that would become larger, in bytes, is full; default DefaultSize
	Keep    int   // so many full files are kept, the oldest are removed; default DefaultKeep
	// Warn takes, in words, what keeps events from being recorded, once, and that it is
	// over. It is called by whichever goroutine notices and must not wait.
	Warn func(string)
}

// Recorder appends events to the files of a directory. It may be used by several
// goroutines.
type Recorder struct {
	opts    Options
	place   place
	syncer  *syncer
	dropped atomic.Uint64

	mu      sync.Mutex
	enc     event.Encoder
	line    []byte
	start   []byte // the session's session.start, for files that it did not begin in
	file    *file  // nil: there is none, see err
	err     error  // why the last event was not written
	failing uint64 // events dropped since one was written
	closed  bool
}

// Open makes dir if need be and opens its file for appending, for its owner's eyes
// alone. What is no plain file, or another user's, is refused: whoever put it there
// could lead the events elsewhere, or read them. So is a directory that another Recorder
// has.
func Open(dir string, o Options) (*Recorder, error) {
	r := &Recorder{
		opts:  o,
		place: place{path: dir},
		enc:   event.Encoder{MaxLine: o.MaxLine},
		// Now, while there is memory.
		line: make([]byte, 0, lineRoom), start: make([]byte, 0, event.DefaultMaxLine),
	}
	r.opts.Size = cmp.Or(o.Size, DefaultSize)
	r.opts.Keep = cmp.Or(o.Keep, DefaultKeep)
	if r.opts.Warn == nil {
		r.opts.Warn = func(string) {}
	}
	if err := r.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("record to %s: %w", dir, err), r.place.close())
	}
	r.syncer = newSyncer(func(err error) {
		r.opts.Warn(fmt.Sprintf("the record may not be on the disk: %v", err))
	})
	r.syncer.use(r.file, r.place.dir)
	return r, nil
}

// open opens the directory, unless it is open, and the file.
func (r *Recorder) open() (err error) {
	if err = r.place.open(); err == nil {
		r.file, err = r.place.current()
	}
	return err
}

// unwrapPath leaves out the path, which the message has already.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Warm goes the way of e but for the disk: what that needs is in memory then.
func (r *Recorder) Warm(e *event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if line, err := r.enc.Append(r.line[:0], e); err == nil {
		r.line = line
	}
}

// Event appends e. A file that cannot be written to, as on a full disk, drops
// the event and counts it; tracing goes on, and Err says why.
func (r *Recorder) Event(e *event.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var err error
	if r.line, err = r.enc.Append(r.line[:0], e); err != nil {
		return err // it names the event
	}
	if e.SessionStart != nil {
		if err := r.keepStart(*e); err != nil {
			return err
		}
	}
	r.err = r.write(e.SessionStart != nil)
	r.tell()
	if r.err == nil && urgent(e) {
		r.syncer.soon()
	}
	return nil
}

// urgent says whether e is to be on the disk at once: after an OOM kill the machine may
// not live much longer. What was written before goes with it.
func urgent(e *event.Event) bool {
	return e.SessionStart != nil || strings.HasPrefix(string(e.Type), "oom.")
}

// keepStart keeps what each further file of the session begins with, so that it can be
// read alone.
func (r *Recorder) keepStart(e event.Event) (err error) {
	start := *e.SessionStart
	start.Continued = true
	e.SessionStart = &start
	r.start, err = r.enc.Append(r.start[:0], &e)
	return err
}

// tell counts the event if it was dropped, and says so of the first, and that one was
// written again.
func (r *Recorder) tell() {
	switch {
	case r.err != nil:
		r.dropped.Add(1)
		if r.failing++; r.failing == 1 {
			r.opts.Warn(fmt.Sprintf("events are not recorded, until this is over: %v", r.err))
		}
	case r.failing > 0:
		r.opts.Warn(fmt.Sprintf("events are recorded again; %d were not", r.failing))
		r.failing = 0
	}
}

// write appends r.line, to a new file if need be. starts: it begins the session.
func (r *Recorder) write(starts bool) error {
	if r.closed {
		return os.ErrClosed
	}
	if r.file == nil || r.file.gone() {
		if err := r.reopen(); err != nil {
			return err
		}
	}
	if size := r.file.size(); size > 0 && size+int64(len(r.line)) > r.opts.Size {
		if err := r.rotate(); err != nil {
			return err
		}
	}
	if !starts && !r.file.begun {
		if err := r.file.append(r.start); err != nil {
			return err
		}
		r.file.begun = true
	}
	err := r.file.append(r.line)
	r.file.begun = err == nil || r.file.begun
	return err
}

// rotate makes the file a full one and begins another. Where that cannot be, the old one
// goes on.
func (r *Recorder) rotate() error {
	if err := r.place.retire(r.opts.Keep); err != nil {
		if !r.file.stuck {
			r.opts.Warn(fmt.Sprintf("%s grows beyond its size: %v", FileName, err))
		}
		r.file.stuck = true
		return nil
	}
	next, err := r.place.current()
	r.swap(next)
	if err != nil {
		return fmt.Errorf("begin a new %s: %w", FileName, err)
	}
	return nil
}

// swap writes to next, which may be nil, from now on.
func (r *Recorder) swap(next *file) {
	old := r.file
	r.file = next
	r.syncer.use(next, r.place.dir)
	if old != nil {
		r.syncer.retire(old)
	}
}

// Reopen begins a new file where the present one was moved away, or its directory. An
// error is no loss yet: each event tries again.
func (r *Recorder) Reopen() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	return r.reopen()
}

func (r *Recorder) reopen() error {
	if err := r.place.follow(); err != nil {
		r.swap(nil)
		return fmt.Errorf("record to %s: %w", r.place.path, err)
	}
	next, err := r.place.current()
	if err != nil {
		r.swap(nil)
		return fmt.Errorf("record to %s: %w", r.place.path, err)
	}
	if r.file != nil && next.same(r.file) {
		return next.close()
	}
	r.swap(next)
	return nil
}

// Err says why the last event was not written; nil when it was.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Dropped counts the events that could not be written.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

// Close has all on the disk and closes the file.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return os.ErrClosed
	}
	r.closed = true
	r.swap(nil)
	err := errors.Join(r.syncer.close(), r.place.close())
	if err != nil {
		return fmt.Errorf("close the record in %s: %w", r.place.path, err)
	}
	return nil
}
