// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// watcher tells of names that come and go in folders. It asks inotify for these
// events alone: a library that also asks for writes would wake with every line
// that is written to a file of /var/log.
type watcher struct {
	file *os.File
	fd   int
}

func newWatcher() (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	// The descriptor itself is kept, as File.Fd would make it blocking.
	return &watcher{file: os.NewFile(uintptr(fd), "inotify"), fd: fd}, nil
}

// add watches the folder dir and returns its watch descriptor.
func (w *watcher) add(dir string) (int, error) {
	wd, err := unix.InotifyAddWatch(w.fd, dir, unix.IN_ONLYDIR|
		unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE|unix.IN_MOVED_FROM)
	if err != nil {
		return -1, &os.PathError{Op: "watch", Path: dir, Err: err}
	}
	return wd, nil
}

// remove ends the watch of a folder; it may be gone.
func (w *watcher) remove(wd int) { _, _ = unix.InotifyRmWatch(w.fd, uint32(wd)) }

// change is one name in a watched folder; overflow means that some were lost.
type change struct {
	wd       int
	name     string
	added    bool
	ignored  bool // the folder itself is gone
	overflow bool
}

// read waits for changes, hands each to f, and returns when the watcher is closed.
func (w *watcher) read(f func(change)) error {
	buf := make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		n, err := w.file.Read(buf)
		if err != nil {
			if errors.Is(err, os.ErrClosed) {
				return nil
			}
			return err
		}
		parseChanges(buf[:n], f)
	}
}

// parseChanges reads struct inotify_event {int wd; u32 mask, cookie, len; char
// name[len]}, one after the other.
func parseChanges(buf []byte, f func(change)) {
	for len(buf) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(buf[4:])
		size := binary.NativeEndian.Uint32(buf[12:])
		wd := int32(binary.NativeEndian.Uint32(buf))
		buf = buf[unix.SizeofInotifyEvent:]
		if uint64(size) > uint64(len(buf)) {
			return
		}
		f(change{
			wd:       int(wd),
			name:     string(event.CutNUL(buf[:size])),
			added:    mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0,
			ignored:  mask&unix.IN_IGNORED != 0,
			overflow: mask&unix.IN_Q_OVERFLOW != 0,
		})
		buf = buf[size:]
	}
}

func (w *watcher) close() error { return w.file.Close() }
