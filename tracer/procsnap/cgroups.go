// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// cgroupWalk follows the control groups worth it and walks through the others, as a
// Sampler does with processes.
type cgroupWalk struct {
	root    folder // of the hierarchy that accounts memory; not open: there is none
	version int
	usage   string // the file that tells what a cgroup is charged

	followed [FollowedCgroups]followedCgroup
	seen     [512]seen
	rounds   int
	todo     []string // folders that the walk has yet to go into
	dir      folder   // the one that it reads, below root at …
	at       string   // … "" or /…
}

type followedCgroup struct {
	tracked
	id CgroupSize
}

// todoLimit bounds the folders that wait; what does not fit is not looked into.
const todoLimit = 256

func (w *cgroupWalk) open(m memcgs) {
	if m.dir == "" {
		return
	}
	w.version, w.usage = m.version, m.usageFile()
	w.root.openAt(unix.AT_FDCWD, m.dir)
	w.todo = make([]string, 0, todoLimit)
}

func (w *cgroupWalk) close() {
	for i := range w.followed {
		w.followed[i].tracked.close()
	}
	w.dir.close()
	w.root.close()
}

// read reads the followed ones again.
func (w *cgroupWalk) read(buf []byte) {
	for i := range w.followed {
		c := &w.followed[i]
		if !c.open {
			continue
		}
		if bytes, ok := readUsage(c.fd, buf); ok {
			c.update(bytes)
		} else {
			c.close()
		}
	}
}

// walk goes on until it is enough or all were seen.
func (w *cgroupWalk) walk(buf []byte, now uint64, enough func() bool) {
	if !w.root.isOpen {
		return
	}
	begun := false
	for n := 1; ; n++ {
		if n%8 == 0 && enough() {
			return
		}
		if !w.dir.isOpen {
			if len(w.todo) == 0 {
				if begun {
					return
				}
				begun = true
				w.todo = append(w.todo, "")
			}
			last := len(w.todo) - 1
			w.at, w.todo = w.todo[last], w.todo[:last]
			w.dir.openAt(w.root.fd, "."+w.at)
			if !w.dir.isOpen && len(w.todo) == 0 {
				return // not even the root, or the last one is gone
			}
			continue
		}
		name, inode, isDir, ok := w.dir.next()
		switch {
		case ok && isDir && string(name) != "." && string(name) != "..":
			w.visit(string(name), inode, buf, now)
		case !ok:
			w.dir.close()
			if len(w.todo) == 0 {
				w.rounds++
			}
		}
	}
}

// visit looks at a folder of the one that is read.
func (w *cgroupWalk) visit(name string, inode uint64, buf []byte, now uint64) {
	path := w.at + "/" + name
	// A folder counts as a link, and has two more if there are none in it
	// (kernfs_refresh_inode, fs/kernfs/inode.c).
	var st unix.Stat_t
	if err := unix.Fstatat(w.dir.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Nlink != 2 && len(w.todo) < todoLimit {
		w.todo = append(w.todo, path)
	}
	for i := range w.followed {
		if c := &w.followed[i]; c.open && c.id.ID == inode {
			return
		}
	}
	fd, err := openAt(w.dir.fd, name+"/"+w.usage, unix.O_RDONLY)
	if err != nil {
		return
	}
	bytes, ok := readUsage(fd, buf)
	if !ok {
		unix.Close(fd)
		return
	}
	earlier, grown := revisit(&w.seen[inode%uint64(len(w.seen))], inode, Size{now, bytes}, w.rounds > 0)
	slot := place(FollowedCgroups, func(i int) *tracked { return &w.followed[i].tracked }, worth(bytes, grown))
	if slot < 0 {
		unix.Close(fd)
		return
	}
	w.followed[slot].close()
	id := CgroupSize{ID: inode, Version: w.version}
	id.Path, id.PathHex = event.CleanString([]byte(path))
	w.followed[slot] = followedCgroup{follow(fd, bytes, grown, earlier), id}
}

func (w *cgroupWalk) appendSizes(sizes []CgroupSize, now uint64) []CgroupSize {
	for i := range w.followed {
		if c := &w.followed[i]; c.open {
			c.id.Slot, c.id.Size, c.id.Earlier = i, Size{now, c.now}, c.earlier
			sizes = append(sizes, c.id)
		}
	}
	return sizes
}

// readUsage reads a file with one number of bytes.
func readUsage(fd int, buf []byte) (bytes uint64, ok bool) {
	n, err := ignoringEINTR(func() (int, error) { return unix.Pread(fd, buf[:32], 0) })
	if err != nil {
		return 0, false
	}
	return parseCount(buf[:n])
}
