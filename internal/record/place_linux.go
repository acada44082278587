// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrTaken says that another Recorder has the directory.
var ErrTaken = errors.New("another oomtrace records to it")

// place is the directory of a record, and what is full in it. All is done by its
// descriptor: who renames it, or mounts over it, has the files stay together.
type place struct {
	path string
	dir  *os.File // locked; nil: not open
	full []uint64 // numbers, lowest first
	last uint64   // number given
}

// open makes the directory if need be, and takes it. One that is open stays so.
func (p *place) open() error {
	if p.dir != nil {
		return nil
	}
	if err := os.MkdirAll(p.path, 0o700); err != nil {
		return unwrapPath(err)
	}
	dir, err := os.OpenFile(p.path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return unwrapPath(err)
	}
	if err := take(dir); err != nil {
		return errors.Join(err, dir.Close())
	}
	full, _, err := list(dir)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	p.dir, p.full = dir, full
	if len(full) > 0 {
		p.last = full[len(full)-1]
	}
	return nil
}

// take locks dir: two that write, rename and remove there would lose events. A lock on
// the file would not do, as the file changes. Where there are no such locks, as on some
// network file systems, nobody is kept out.
func take(dir *os.File) error {
	err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrTaken
	}
	return nil
}

// follow opens the directory that has the path now, if it is another one.
func (p *place) follow() error {
	if p.dir != nil {
		was, err := p.dir.Stat()
		if err != nil {
			return unwrapPath(err)
		}
		if is, err := os.Stat(p.path); err == nil && os.SameFile(was, is) {
			return nil
		}
		if err := p.close(); err != nil {
			return err
		}
	}
	return p.open()
}

// current opens the file that is written to, or makes it.
func (p *place) current() (*file, error) {
	// O_NONBLOCK: a FIFO is refused, not waited for.
	fd, err := unix.Openat(int(p.dir.Fd()), FileName, unix.O_RDWR|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("%s is a symbolic link", FileName)
	case err != nil:
		return nil, err
	}
	f := &file{File: os.NewFile(uintptr(fd), FileName)}
	if err := f.adopt(p.shared()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// shared says whether others may put files into the directory.
func (p *place) shared() bool {
	var st unix.Stat_t
	return unix.Fstat(int(p.dir.Fd()), &st) != nil || st.Mode&0o022 != 0 || st.Uid != 0 && int(st.Uid) != os.Geteuid()
}

// retire gives the present file a number, and removes what is too old then. That it has
// the name no more, as when somebody moved it away, is fine. A crash at any point leaves
// each file whole under one name.
func (p *place) retire(keep int) error {
	// First, as its room may be what the next file needs.
	for len(p.full) >= keep {
		err := unix.Unlinkat(int(p.dir.Fd()), fullName(p.full[0]), 0)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove %s: %w", fullName(p.full[0]), err)
		}
		p.full = append(p.full[:0], p.full[1:]...)
	}
	for n := p.last + 1; ; n++ {
		err := rename(p.dir, FileName, fullName(n))
		switch {
		case err == nil:
			p.full, p.last = append(p.full, n), n
			return nil
		case errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EEXIST):
			return fmt.Errorf("rename to %s: %w", fullName(n), err)
		}
	}
}

// rename overwrites nothing, where the file system knows how (not all do: EINVAL).
func rename(dir *os.File, from, to string) error {
	fd := int(dir.Fd())
	err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		err = unix.Renameat(fd, from, fd, to)
	}
	return err
}

func (p *place) close() error {
	if p.dir == nil {
		return nil
	}
	dir := p.dir
	p.dir, p.full, p.last = nil, nil, 0
	return dir.Close() // which unlocks it
}
