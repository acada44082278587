// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Room that is kept in the file system behind a file's end, so that some hundred kills
// fit when the disk is full, as with the core dumps of an incident. It is claimed a piece
// at a time, and again after so much when there was none.
const (
	reservePiece = 1 << 20
	reserveLeast = reservePiece / 2
	reserveRetry = 64 << 10
)

// file is one that is written to.
type file struct {
	*os.File
	st       unix.Stat_t // what gone saw last
	partial  bool        // it does not end with a line's end
	begun    bool        // the present session's start is in it
	stuck    bool        // it is full and cannot be retired
	reserved int64       // up to here there is room; -1: there is none to be had
}

// adopt checks that the file is one to write to, makes it private, and finds out
// whether it ends within a line, as after a crash. shared: others may have put it there.
func (f *file) adopt(shared bool) error {
	if err := unix.Fstat(int(f.Fd()), &f.st); err != nil {
		return fmt.Errorf("examine %s: %w", FileName, err)
	}
	switch {
	case f.st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is no plain file", FileName)
	case int(f.st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user (uid %d)", FileName, f.st.Uid)
	case shared && f.st.Nlink > 1:
		// Who may not write to a file of root may still link to it.
		return fmt.Errorf("%s has other names (hard links), and others can write to the directory", FileName)
	}
	if err := f.Chmod(0o600); err != nil {
		return fmt.Errorf("make %s private: %w", FileName, unwrapPath(err))
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err == nil && (fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC) {
		f.reserved = -1 // it would take memory
	}
	if err := f.lookAtEnd(); err != nil {
		return fmt.Errorf("read the end of %s: %w", FileName, unwrapPath(err))
	}
	return nil
}

// lookAtEnd finds out whether the file ends within a line.
func (f *file) lookAtEnd() error {
	f.partial = false
	if f.st.Size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], f.st.Size-1); err != nil {
		return err
	}
	f.partial = last[0] != '\n'
	return nil
}

// gone looks at the file, and says whether it was removed. One that somebody cut short, as
// logrotate's copytruncate does, is one to begin again.
func (f *file) gone() bool {
	was := f.st.Size
	if unix.Fstat(int(f.Fd()), &f.st) != nil || f.st.Nlink == 0 {
		return true
	}
	if f.st.Size < was {
		f.reserved = min(f.reserved, 0) // which went with what was cut
		f.begun = false
		if f.lookAtEnd() != nil {
			f.partial = true // an empty line does no harm
		}
	}
	return false
}

// size is what gone saw: others may have truncated the file.
func (f *file) size() int64 { return f.st.Size }

// append appends whole lines.
func (f *file) append(lines []byte) error {
	f.reserve()
	if f.partial {
		// End the line that a full disk cut, so that only that one is bad.
		if _, err := f.Write([]byte("\n")); err != nil {
			return err
		}
		f.partial = false
	}
	n, err := f.Write(lines)
	f.st.Size += int64(n)
	f.partial = err != nil && n > 0
	return err
}

// reserve claims room behind the end. Where that fails, writing will tell.
func (f *file) reserve() {
	if f.reserved < 0 || f.st.Size+reserveLeast <= f.reserved {
		return
	}
	f.reserved = f.st.Size + reservePiece
	switch err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, f.st.Size, reservePiece); err {
	case nil:
	case unix.EOPNOTSUPP, unix.ENOSYS:
		f.reserved = -1
	default: // ENOSPC
		f.reserved = f.st.Size + reserveLeast + reserveRetry
	}
}

// finish has all on the disk, gives back what was reserved, and closes the file.
func (f *file) finish() error {
	var err error
	if !f.gone() && f.reserved > f.st.Size {
		err = f.Truncate(f.st.Size)
	}
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func (f *file) close() error { return f.Close() }

func (f *file) same(g *file) bool { return f.st.Dev == g.st.Dev && f.st.Ino == g.st.Ino }
