// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// syncPace is the least time from one sync to the next: in a storm of kills they would
// keep the disk busy that the machine swaps to.
const syncPace = 100 * time.Millisecond

// syncer has what was written on the disk. Its goroutine alone waits for that.
type syncer struct {
	failed func(error)
	wake   chan struct{} // something is to be on the disk
	old    chan *file    // to be finished
	ended  chan struct{}
	err    error // of finishing, once ended
	bad    bool  // it failed the last time

	mu        sync.Mutex
	file, dir *os.File // those in use; nil: none
}

// oldFiles may wait to be finished before that holds up who writes.
const oldFiles = 8

func newSyncer(failed func(error)) *syncer {
	s := &syncer{failed: failed, wake: make(chan struct{}, 1), old: make(chan *file, oldFiles), ended: make(chan struct{})}
	go s.run()
	return s
}

// use names the file and the directory in use.
func (s *syncer) use(f *file, dir *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file, s.dir = nil, dir
	if f != nil {
		s.file = f.File
	}
}

// soon has the file on the disk.
func (s *syncer) soon() {
	select {
	case s.wake <- struct{}{}:
	default: // it will be
	}
}

// retire has a file that is not in use any more on the disk, and closed.
func (s *syncer) retire(f *file) { s.old <- f }

// close waits until all is on the disk.
func (s *syncer) close() error {
	close(s.old)
	<-s.ended
	return s.err
}

func (s *syncer) run() {
	defer close(s.ended)
	rest := time.NewTimer(time.Hour)
	rest.Stop()
	wake := s.wake
	for {
		select {
		case f, more := <-s.old:
			if !more {
				return
			}
			err := s.finish(f)
			s.err = errors.Join(s.err, err)
			s.note(err)
		case <-wake:
			s.note(s.sync())
			wake = nil
			rest.Reset(syncPace)
		case <-rest.C:
			wake = s.wake
		}
	}
}

// note tells of the first of some failures.
func (s *syncer) note(err error) {
	if err != nil && !s.bad {
		s.failed(err)
	}
	s.bad = err != nil
}

// finish ends a file that has another name now, or soon.
func (s *syncer) finish(f *file) error {
	err := f.finish()
	s.mu.Lock()
	dir := s.dir
	s.mu.Unlock()
	return errors.Join(err, syncDir(dir))
}

func (s *syncer) sync() error {
	s.mu.Lock()
	f, dir := s.file, s.dir
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	// Its name too may be new.
	return errors.Join(fdatasync(f), syncDir(dir))
}

// fdatasync has the data and the size of f on the disk, and leaves its times be.
func fdatasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// syncDir has the names in dir on the disk. One that was closed meanwhile has nothing
// that is still in use. Not all file systems know how to (EINVAL).
func syncDir(dir *os.File) error {
	if dir == nil {
		return nil
	}
	err := dir.Sync()
	if errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
