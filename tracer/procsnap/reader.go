// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/cmdline"
)

// Errors of a look-up by pid.
var (
	// ErrGone means that the process is not there any more, or that it is dead
	// and has nothing left to read.
	ErrGone = errors.New("process is gone")
	// ErrReused means that another process has this pid now.
	ErrReused = errors.New("pid belongs to another process")
)

// Options say where to read. The zero value reads this machine's own /proc.
type Options struct {
	Proc string // mount of procfs; default /proc
	Sys  string // mount of sysfs; default /sys
	Root string // the host's root folder, for its files in /etc and /var; default /
	// Cgroup is where the host's cgroups are mounted, the hierarchy that accounts memory
	// or those of v1 in folders of their own; default fs/cgroup in Sys.
	Cgroup string
	// HostName replaces the name that the kernel tells, which in a container is
	// the container's.
	HostName string
	// Cmdline is how much of command lines is shown; default redacted.
	Cmdline cmdline.Mode
}

// Reader reads /proc and /sys. It is safe for concurrent use. Its methods may
// block for as long as the kernel does.
type Reader struct {
	opts    Options
	buffers sync.Pool // of *[bufferSize]byte
	// timensNS is what this time namespace adds to the boot clock.
	timensNS int64
	daemons  daemonCache
	memcgs   memcgs // of Options.Cgroup
	// memcgsErr says why there are none.
	memcgsErr error
	users     *users
}

func (o *Options) cgroupfs() string {
	return cmp.Or(o.Cgroup, filepath.Join(cmp.Or(o.Sys, "/sys"), "fs/cgroup"))
}

// bufferSize bounds what is read of one file of a process: the cgroups, one line
// a v1 controller, are the largest.
const bufferSize = 16 << 10

// New returns a Reader. It fails if o.Proc is no folder.
func New(o Options) (*Reader, error) {
	o.Proc = cmp.Or(o.Proc, "/proc")
	o.Sys = cmp.Or(o.Sys, "/sys")
	o.Root = cmp.Or(o.Root, "/")
	o.Cgroup = o.cgroupfs()
	o.Cmdline = cmp.Or(o.Cmdline, cmdline.Redacted)
	if st, err := os.Stat(o.Proc); err != nil {
		return nil, fmt.Errorf("open procfs: %w", err)
	} else if !st.IsDir() {
		return nil, fmt.Errorf("open procfs: %w", &fs.PathError{Op: "open", Path: o.Proc, Err: unix.ENOTDIR})
	}
	r := &Reader{opts: o, users: newUsers(o)}
	r.memcgs, r.memcgsErr = findMemcgs(o.Cgroup)
	r.buffers.New = func() any { return new([bufferSize]byte) }
	r.daemons.now = time.Now
	if b, err := r.read(o.Proc, "self/timens_offsets"); err == nil {
		r.timensNS = boottimeOffset(string(b))
	}
	return r, nil
}

// boottimeOffset reads the line "boottime <seconds> <nanoseconds>" of
// /proc/self/timens_offsets; 0 without it.
func boottimeOffset(offsets string) int64 {
	for line := range strings.Lines(offsets) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != "boottime" {
			continue
		}
		sec, err1 := strconv.ParseInt(f[1], 10, 32)
		nsec, err2 := strconv.ParseInt(f[2], 10, 32)
		if err1 == nil && err2 == nil {
			return sec*int64(time.Second) + nsec
		}
	}
	return 0
}

// BoottimeNS is the boot clock of the initial time namespace, the one of the
// kernel's events.
func (r *Reader) BoottimeNS() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return uint64(ts.Nano() - r.timensNS)
}

// read returns up to bufferSize bytes of a file below root.
func (r *Reader) read(root string, name string) ([]byte, error) {
	b := make([]byte, bufferSize)
	n, err := readAt(unix.AT_FDCWD, filepath.Join(root, name), b)
	return b[:n:n], err
}

// readProc returns what a file below Options.Proc has, as far as buf goes.
func (r *Reader) readProc(name string, buf []byte) ([]byte, error) {
	n, err := readAt(unix.AT_FDCWD, filepath.Join(r.opts.Proc, name), buf)
	return buf[:n], err
}

// word returns the contents of a small file below root without the white space
// around them; "" if it cannot be read.
func (r *Reader) word(root, name string) string {
	b, err := r.read(root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// readAt fills buf from the start of the file name in the folder dir and returns
// the number of bytes.
func readAt(dir int, name string, buf []byte) (int, error) {
	fd, err := openAt(dir, name, unix.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var n int
	for n < len(buf) {
		m, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, buf[n:]) })
		if err != nil {
			return n, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}

func openAt(dir int, name string, flags int) (int, error) {
	fd, err := ignoringEINTR(func() (int, error) {
		return unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, nil
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
