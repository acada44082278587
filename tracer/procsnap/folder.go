// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// folder is an open folder that is read piece by piece, again and again.
type folder struct {
	isOpen bool
	fd     int
	buf    [4096]byte
	rest   []byte // of buf
}

func (f *folder) openAt(dir int, name string) {
	fd, err := openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
	f.isOpen, f.fd, f.rest = err == nil, fd, nil
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
			_, _ = unix.Seek(f.fd, 0, 0)
			return nil, 0, false, false
		}
		f.rest = f.buf[:n]
	}
	name, inode, isDir, f.rest = parseDirent(f.rest)
	return name, inode, isDir, true
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
