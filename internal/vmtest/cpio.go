// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// initramfs writes files (absolute path → content) as an uncompressed cpio
// archive in the newc form, with the folders they need and /dev/console. All
// files are executable.
func initramfs(w io.Writer, files map[string][]byte) error {
	a := cpio{w: w}
	a.entry("dev", 0o040755, nil, 0, 0)
	a.entry("dev/console", 0o020600, nil, 5, 1)
	made := map[string]bool{".": true, "dev": true}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		clean := strings.TrimPrefix(path.Clean("/"+name), "/")
		var parents []string
		for d := path.Dir(clean); !made[d]; d = path.Dir(d) {
			made[d] = true
			parents = append(parents, d)
		}
		for _, d := range slices.Backward(parents) {
			a.entry(d, 0o040755, nil, 0, 0)
		}
		a.entry(clean, 0o100755, files[name], 0, 0)
	}
	a.entry("TRAILER!!!", 0, nil, 0, 0)
	if a.err != nil {
		return fmt.Errorf("write initramfs: %w", a.err)
	}
	return nil
}

// cpio writes entries and keeps the first error.
type cpio struct {
	w   io.Writer
	ino uint32
	err error
}

func (a *cpio) entry(name string, mode uint32, data []byte, major, minor uint32) {
	a.ino++
	// magic, then: ino mode uid gid nlink mtime filesize devmajor devminor
	// rdevmajor rdevminor namesize check
	head := "070701"
	for _, v := range []uint32{a.ino, mode, 0, 0, 1, 0, uint32(len(data)), 0, 0, major, minor, uint32(len(name) + 1), 0} {
		head += fmt.Sprintf("%08X", v)
	}
	head += name + "\x00"
	a.write([]byte(head + "\x00\x00\x00"[:-len(head)&3]))
	a.write(data)
	a.write(make([]byte, -len(data)&3))
}

func (a *cpio) write(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
	}
}
