// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// memcgs is the hierarchy of cgroups that accounts memory; without dir there is none.
type memcgs struct {
	dir     string // its mount
	version int    // 1 or 2
}

// errNoMemcgs says that it was not found.
var errNoMemcgs = errors.New("no hierarchy with the memory controller")

// findMemcgs looks for the hierarchy by the customs of systemd: at dir itself, or in a
// folder for each v1 hierarchy, and perhaps unified beside them. The controller is in
// one alone; where it is on v1 that is the one.
func findMemcgs(dir string) (memcgs, error) {
	// dir comes first: below a hierarchy there may be cgroups of any name.
	for _, d := range [...]string{filepath.Clean(dir), filepath.Join(dir, "memory")} {
		// Any v1 hierarchy may be there, but only that of memory has this file.
		if _, err := os.Stat(filepath.Join(d, "memory.usage_in_bytes")); err == nil {
			return memcgs{d, 1}, nil
		}
	}
	for _, d := range [...]string{filepath.Clean(dir), filepath.Join(dir, "unified")} {
		controllers, err := os.ReadFile(filepath.Join(d, "cgroup.controllers"))
		if err == nil && slices.Contains(strings.Fields(string(controllers)), "memory") {
			return memcgs{d, 2}, nil
		}
	}
	return memcgs{}, fmt.Errorf("%w at %s, nor at memory or unified below it", errNoMemcgs, dir)
}

// CheckCgroups says why there would be nothing to read of cgroups below dir.
func CheckCgroups(dir string) error {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	_, err := findMemcgs(dir)
	return err
}

// rootInode is that of a hierarchy's root: the first that kernfs gives
// (kernfs_create_root, fs/kernfs/dir.c).
const rootInode = 1

// fromRoot says whether its mount shows all of it: what is mounted in a container may
// be a part, whose paths are not the kernel's.
func (m memcgs) fromRoot() bool {
	var st unix.Stat_t
	return m.dir != "" && unix.Stat(m.dir, &st) == nil && st.Ino == rootInode
}

// usageFile names the file that tells what a cgroup is charged.
func (m memcgs) usageFile() string {
	if m.version == 1 {
		return "memory.usage_in_bytes"
	}
	return "memory.current"
}

// open opens the folder of a cgroup by its path from the mount. The kernel lets nothing
// lead out of there.
func (m memcgs) open(cgroup string) (int, error) {
	root, err := openAt(unix.AT_FDCWD, m.dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	name := strings.TrimLeft(cgroup, "/")
	if name == "" {
		name = "."
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd, err := ignoringEINTR(func() (int, error) { return unix.Openat2(root, name, &how) })
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: cgroup, Err: err}
	}
	return fd, nil
}

// walk calls f for a cgroup and for those below it, each with its path from the mount,
// until f returns an error; fs.SkipAll is none. What is removed meanwhile is left out.
func (m memcgs) walk(cgroup string, f func(cgroup string) error) error {
	// The mount may be named by a symbolic link, which WalkDir does not follow.
	top := filepath.Join(m.dir, cgroup) + "/."
	return filepath.WalkDir(top, func(dir string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && dir == top:
			return err
		case err != nil, !d.IsDir():
			return nil
		}
		return f(path.Join("/", strings.TrimPrefix(dir, m.dir)))
	})
}
