// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// Kept makes an identity of what was kept of a process elsewhere: its arguments as in
// /proc/PID/cmdline, of which cut says that there were more, and the path that it was
// executed by. It is shown as Options.Cmdline says, and looks at no file.
func (r *Reader) Kept(args []byte, cut bool, exe []byte) Identity {
	var id Identity
	if len(exe) > 0 && namesExe(exe) {
		id.Exe, id.ExeHex = r.showExe(exe)
	}
	if len(args) == 0 {
		return id
	}
	limit := len(args)
	if cut {
		args = append(bytes.Clone(args), 'x') // what is cut may be the beginning of a secret
	}
	r.showCmdline(&id, args, limit)
	return id
}

// namesExe says whether a path that was executed names an executable to others too: not
// where it is relative, or goes by way of what was open or running then.
func namesExe(exe []byte) bool {
	return exe[0] == '/' && !bytes.HasPrefix(exe, []byte("/dev/fd/")) && !bytes.HasPrefix(exe, []byte("/proc/"))
}

// Raw is what /proc has of a process, as it is there.
type Raw struct {
	// StartBoottimeNS is cut to a clock tick: the process began at it or less than
	// 10 ms later.
	StartBoottimeNS uint64
	Args            []byte // at most what was asked for
	Exe             []byte // nil when it could not be read
}

// Raw reads who pid is, of its arguments at most limit bytes. A process without any, such
// as a kernel thread, is ErrGone.
func (r *Reader) Raw(pid, limit int) (Raw, error) {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	dir, st, err := r.openTask(pid, 0, buf[:])
	if err != nil {
		return Raw{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	defer unix.Close(dir)
	raw := Raw{StartBoottimeNS: r.startNS(st)}
	n, err := readAt(dir, "cmdline", buf[:min(limit, len(buf))])
	if err != nil || n == 0 {
		return Raw{}, fmt.Errorf("read process %d: %w", pid, ErrGone)
	}
	raw.Args = bytes.Clone(buf[:n])
	if exe, err := readlinkAt(dir, "exe", buf[:cmdlineLimit]); err == nil {
		raw.Exe = bytes.Clone(exe)
	}
	return raw, nil
}

// EachPID calls f for each process that /proc lists, until f returns false.
func (r *Reader) EachPID(f func(pid int) bool) error {
	if err := eachPID(r.opts.Proc, f); err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	return nil
}
