// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"cmp"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// parentsLimit bounds the parents that are named.
const parentsLimit = 16

// parents are the processes above child, the nearest first, as long as they live where
// it does: in its container, its unit, or else its cgroup. What is above the first
// process there is who manages it.
func (r *Reader) parents(child *Identity, ppid int) []event.Parent {
	var out []event.Parent
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	began := child.startTicks
	for ppid > 2 && len(out) < parentsLimit {
		p, at, st, ok := r.parent(ppid, buf)
		// Who began later has the pid of a parent that is gone.
		if !ok || began != 0 && st.startTicks > began || !child.livesWith(&at) {
			break
		}
		out = append(out, p)
		began, ppid = st.startTicks, st.ppid
	}
	return out
}

// parentsOf are the parents of a process that may be gone: then of what the caller knows
// of it.
func (r *Reader) parentsOf(ref Ref, t *TaskAnswer) []event.Parent {
	child, ppid := t.Identity, ref.PPID
	if t.Err == nil && child.PPID != nil {
		ppid = *child.PPID
	}
	if t.Err != nil {
		child = Identity{}
		if began := cmp.Or(ref.StartBoottimeNS, ref.EventBoottimeNS); began != 0 {
			child.startTicks = uint64((int64(began)+r.timensNS)/tickNS) + 1
		}
		switch c := ref.Cgroup; {
		case c == nil:
		case c.Version == 1:
			child.setOwner(cgroupPaths{memory: []byte(c.Path)})
		default:
			child.setOwner(cgroupPaths{unified: []byte(c.Path)})
		}
	}
	return r.parents(&child, ppid)
}

// parent reads one of them, and where it lives.
func (r *Reader) parent(pid int, buf *[bufferSize]byte) (p event.Parent, at Identity, st stat, ok bool) {
	dir, st, err := r.openTask(pid, 0, buf[:])
	if err != nil {
		return p, at, st, false
	}
	defer unix.Close(dir)
	p.PID = pid
	p.Comm, p.CommHex = event.CleanText(st.comm(buf[:]))
	n, err := readAt(dir, "cgroup", buf[:])
	if err != nil {
		return p, at, st, false
	}
	at.setCgroup(buf[:n])
	if exe, err := readlinkAt(dir, "exe", buf[:cmdlineLimit]); err == nil {
		p.Exe, p.ExeHex = r.showExe(exe)
	}
	return p, at, st, true
}

// livesWith says whether another process is in the same container, unit or cgroup.
func (id *Identity) livesWith(other *Identity) bool {
	switch {
	case id.Container != nil:
		return other.Container != nil && other.Container.ID == id.Container.ID
	case id.Unit != "" && !isSlice(id.Unit):
		return other.Unit == id.Unit
	}
	return id.Cgroup != nil && other.Cgroup != nil && id.Cgroup.Path == other.Cgroup.Path
}
