// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// ProcessNow is the process that has a pid now.
type ProcessNow struct {
	Comm    *string
	CommHex string
	// Dead: it has exited, and whoever started it has not asked for its status yet.
	Dead            bool
	StartBoottimeNS uint64 // cut to 10 ms
	OOMScoreAdj     *int
	// Identity is what may be read of who it is.
	Identity
}

// Process reads who has a pid now. The error is ErrGone where nobody has.
func (r *Reader) Process(pid int) (*ProcessNow, error) {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	dir, st, err := r.openTask(pid, 0, buf[:])
	if err != nil {
		return nil, fmt.Errorf("read process %d: %w", pid, err)
	}
	defer unix.Close(dir)
	p := &ProcessNow{Dead: st.dead(), StartBoottimeNS: r.startNS(st)}
	if n, err := readAt(dir, "comm", buf[:]); err == nil {
		p.Comm, p.CommHex = event.CleanText(bytes.TrimSuffix(buf[:n], []byte{'\n'}))
	}
	if n, err := readAt(dir, "oom_score_adj", buf[:]); err == nil {
		if adj, err := strconv.Atoi(string(bytes.TrimSpace(buf[:n]))); err == nil {
			p.OOMScoreAdj = &adj
		}
	}
	p.Identity, _ = r.Task(pid, p.StartBoottimeNS)
	return p, nil
}

// comm reads the name of a process.
func (r *Reader) comm(pid int) (*string, string) {
	var buf [64]byte
	n, err := readAt(unix.AT_FDCWD, filepath.Join(r.opts.Proc, strconv.Itoa(pid), "comm"), buf[:])
	if err != nil {
		return nil, ""
	}
	return event.CleanText(bytes.TrimSuffix(buf[:n], []byte{'\n'}))
}
