// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"encoding/binary"
	"io/fs"

	"golang.org/x/sys/unix"
)

// folder is an open folder that is read piece by piece, again and again.
type folder struct {
	isOpen bool
	fd     int
	buf    [4096]byte
	rest   []byte // of buf
	err    error  // why it is not open, or why its last end is not that of the list
}

func (f *folder) openAt(dir int, name string) {
	f.fd, f.err = openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
	f.isOpen, f.rest = f.err == nil, nil
}

func (f *folder) close() {
	if f.isOpen {
		unix.Close(f.fd)
		f.isOpen = false
	}
}

// next gives an entry, whose name is valid until the next call. ok is false at the
// end, after which it begins anew.
func (f *folder) next() (name []byte, inode uint64, isDir, ok bool) {
	if len(f.rest) == 0 {
		n, err := ignoringEINTR(func() (int, error) { return unix.Getdents(f.fd, f.buf[:]) })
		if err != nil || n <= 0 {
			f.err = err
			_, _ = unix.Seek(f.fd, 0, 0)
			return nil, 0, false, false
		}
		f.rest = f.buf[:n]
	}
	name, inode, isDir, f.rest = parseDirent(f.rest)
	return name, inode, isDir, true
}

// nextPID gives the next entry that is a process or a thread; ok is false at the end,
// after which it begins anew.
func (f *folder) nextPID() (pid int, ok bool) {
	for {
		name, _, _, ok := f.next()
		if !ok {
			return 0, false
		}
		if pid := parsePID(name); pid > 0 {
			return pid, true
		}
	}
}

// eachPID calls f for each process or thread that a folder of procfs lists, until f
// returns false.
func eachPID(dir string, f func(pid int) bool) error {
	var d folder
	d.openAt(unix.AT_FDCWD, dir)
	if !d.isOpen {
		return d.err
	}
	defer d.close()
	for {
		pid, ok := d.nextPID()
		switch {
		case !ok && d.err != nil:
			return &fs.PathError{Op: "getdents64", Path: dir, Err: d.err}
		case !ok, !f(pid):
			return nil
		}
	}
}

// parseDirent takes the first of the records of getdents64(2): inode and offset of 8
// bytes, the record's length of 2, the type of 1, and the name, which ends with NUL.
// What is no record ends the list.
func parseDirent(records []byte) (name []byte, inode uint64, isDir bool, rest []byte) {
	const header = 19
	if len(records) < header {
		return nil, 0, false, nil
	}
	length := int(binary.NativeEndian.Uint16(records[16:]))
	if length < header || length > len(records) {
		return nil, 0, false, nil
	}
	name = records[header:length]
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	return name, binary.NativeEndian.Uint64(records), records[18] == unix.DT_DIR, records[length:]
}

// parsePID is the process that an entry of /proc is of; 0 if of none.
func parsePID(name []byte) int {
	pid := 0
	for _, c := range name {
		if c < '0' || c > '9' || pid > 1<<27 {
			return 0
		}
		pid = pid*10 + int(c-'0')
	}
	return pid
}
