// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Protected is a process that the OOM killer spares, or nearly so.
type Protected struct {
	PID         int
	OOMScoreAdj int
	RSSBytes    uint64
	Identity
	Comm    *string
	CommHex string
}

// Protected lists the processes at oom_score_adj of at most adj that have memory of
// their own, the largest first, and counts those of which that could not be read.
func (r *Reader) Protected(ctx context.Context, adj int) (found []Protected, unreadable int, err error) {
	proc, err := openAt(unix.AT_FDCWD, r.opts.Proc, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, 0, fmt.Errorf("open procfs: %w", err)
	}
	defer unix.Close(proc)
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	err = r.EachPID(func(pid int) bool {
		p, outcome := r.protected(proc, pid, adj, buf[:])
		switch outcome {
		case outcomeProtected:
			found = append(found, p)
		case outcomeUnreadable:
			unreadable++
		}
		return ctx.Err() == nil
	})
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("look at processes: %w", ctx.Err())
	}
	slices.SortStableFunc(found, func(a, b Protected) int { return cmp.Compare(b.RSSBytes, a.RSSBytes) })
	return found, unreadable, err
}

func (r *Reader) protected(proc, pid, adj int, buf []byte) (p Protected, o outcome) {
	dir := strconv.Itoa(pid)
	n, err := readRecord(proc, dir+"/oom_score_adj", buf)
	if err != nil {
		return p, failure(err)
	}
	p.PID = pid
	if p.OOMScoreAdj, err = strconv.Atoi(string(bytes.TrimSpace(buf[:n]))); err != nil {
		return p, outcomeUnreadable
	}
	if p.OOMScoreAdj > adj {
		return p, outcomeEligible
	}
	st, err := readStatus(proc, dir, buf)
	switch {
	case err != nil:
		return p, failure(err)
	case !st.hasMemory:
		return p, outcomeNoMemory
	}
	p.RSSBytes = st.memory.AnonRSSBytes + st.memory.FileRSSBytes + st.memory.ShmemRSSBytes
	p.Comm, p.CommHex = r.comm(pid)
	p.Identity, _ = r.Task(pid, 0) // what may not be read is absent
	return p, outcomeProtected
}
