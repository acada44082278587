// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"cmp"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Host reads which machine, and which boot of it, this is. Labels are for the
// caller to set.
func (r *Reader) Host() *event.Host {
	h := &event.Host{
		Name:          r.opts.HostName,
		MachineID:     r.machineID(),
		BootID:        r.word(r.opts.Proc, "sys/kernel/random/boot_id"),
		Kernel:        r.word(r.opts.Proc, "sys/kernel/osrelease"),
		PageSizeBytes: os.Getpagesize(),
	}
	if h.Name == "" && r.opts.Root != "/" {
		// In a container the kernel tells the container's name.
		h.Name = r.word(r.opts.Root, "etc/hostname")
	}
	h.Name = cmp.Or(h.Name, r.word(r.opts.Proc, "sys/kernel/hostname"))
	h.Name, _ = event.CleanString([]byte(h.Name))
	var uts unix.Utsname
	if err := unix.Uname(&uts); err == nil {
		h.Arch = unix.ByteSliceToString(uts.Machine[:])
	}
	return h
}

// machineID reads the 32 hex digits of machine-id(5); "" when there are none,
// as in an image that has not booted yet.
func (r *Reader) machineID() string {
	for _, name := range [...]string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		id := r.word(r.opts.Root, name)
		if _, err := hex.DecodeString(id); err == nil && len(id) == 32 {
			return id
		}
	}
	return ""
}

// initPIDNamespace is the inode of the initial pid namespace: PROC_PID_INIT_INO
// of the kernel's include/linux/proc_ns.h.
const initPIDNamespace = 0xEFFFFFFC

// initCgroupNamespace is the inode of the initial cgroup namespace:
// PROC_CGROUP_INIT_INO of the same file.
const initCgroupNamespace = 0xEFFFFFFB

// initCgroupNamespace says whether this process is in the initial cgroup namespace.
func (r *Reader) initCgroupNamespace() bool {
	var self unix.Stat_t
	err := unix.Stat(filepath.Join(r.opts.Proc, "self/ns/cgroup"), &self)
	return err == nil && self.Ino == initCgroupNamespace
}

// InitPIDNamespace says whether the pids of Options.Proc are those of the initial
// pid namespace, which the kernel's events use. A mount of procfs shows the pids
// of the namespace it was made in, whoever reads it.
func (r *Reader) InitPIDNamespace() (bool, error) {
	name := filepath.Join(r.opts.Proc, "self/ns/pid")
	var self unix.Stat_t
	err := unix.Stat(name, &self)
	// Who finds itself there is in the mount's namespace or in one below it, and
	// nothing is above the initial one.
	if err == nil && self.Ino == initPIDNamespace {
		return true, nil
	}
	// The host's /proc in a container: only the initial namespace has kernel
	// threads, and kthreadd is 2. (Process 1's namespace is not for all to see.)
	line, err2 := r.read(r.opts.Proc, "2/stat")
	if st, ok := parseStat(line); err2 == nil && ok && st.flags&pfKthread != 0 {
		return true, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return false, nil
}
