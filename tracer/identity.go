// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/oomtrace/oomtrace/bpf"
)

// Lengths of what is kept of a process, in bytes.
const (
	MaxArgs = len(bpf.OomtraceWireExec{}.Args)
	MaxExe  = len(bpf.OomtraceWireExec{}.Exe)
)

// tickNS is the unit of start times in /proc/PID/stat, to which Seed's are cut.
const tickNS = 10_000_000

// Identity is who a process was when it began its program.
type Identity struct {
	StartBoottimeNS uint64
	// Args are the first MaxArgs bytes of its arguments, each with its NUL, as in
	// /proc/PID/cmdline; nil when they could not be read.
	Args []byte
	// ArgsCut says that there are more.
	ArgsCut bool
	// Exe is the path that it was executed by, which may be a symbolic link and may be
	// relative; nil when that is not known, as of a script. What Seed put in is the
	// executable itself.
	Exe []byte
}

// ErrFull means that no more identities fit.
var ErrFull = errors.New("as many processes as are kept are known")

// execs is the map of identities. Seeding goes on beside the tracer's end.
type execs struct {
	mu sync.RWMutex
	m  *ebpf.Map // nil: nothing is kept

	seeded int
}

func (x *execs) close() {
	x.mu.Lock()
	x.m = nil
	x.mu.Unlock()
}

// Identity returns what the kernel's programs kept of the process pid that began at
// startBoottimeNS. It looks at no /proc and never waits for another process.
func (t *Tracer) Identity(pid int, startBoottimeNS uint64) (Identity, bool) {
	t.execs.mu.RLock()
	defer t.execs.mu.RUnlock()
	var w bpf.OomtraceWireExec
	if t.execs.m == nil || pid <= 0 || t.execs.m.Lookup(uint32(pid), &w) != nil {
		return Identity{}, false
	}
	return identity(&w, startBoottimeNS)
}

func identity(w *bpf.OomtraceWireExec, startBoottimeNS uint64) (Identity, bool) {
	late := startBoottimeNS - w.StartBoottimeNs // wraps where it began before
	seeded := w.Flags&uint16(bpf.OomtraceWireExecFlagsWIRE_EXEC_SEEDED) != 0
	if startBoottimeNS == 0 || late != 0 && (!seeded || late >= tickNS) {
		return Identity{}, false
	}
	id := Identity{StartBoottimeNS: startBoottimeNS}
	if n := int(w.ArgsLen); n > 0 {
		id.ArgsCut = n > len(w.Args)
		id.Args = bytesOf(w.Args[:min(n, len(w.Args))])
	}
	if n := int(w.ExeLen); n > 0 && n <= len(w.Exe) {
		id.Exe = bytesOf(w.Exe[:n])
	}
	return id, true
}

// Seed keeps who a process is that ran before the programs were attached; Args may be
// longer than what is kept. What is known of it already stays. It fails with ErrFull
// when there are as many as fit.
func (t *Tracer) Seed(pid int, id Identity) error {
	t.execs.mu.RLock()
	defer t.execs.mu.RUnlock()
	if t.execs.m == nil || pid <= 0 {
		return nil
	}
	if t.execs.seeded >= int(t.execs.m.MaxEntries())/2 {
		return ErrFull // the rest is for those to come
	}
	w := bpf.OomtraceWireExec{
		StartBoottimeNs: id.StartBoottimeNS,
		ArgsLen:         uint32(len(id.Args)),
		Flags:           uint16(bpf.OomtraceWireExecFlagsWIRE_EXEC_SEEDED),
	}
	put(w.Args[:], id.Args)
	if len(id.Exe) < len(w.Exe) {
		w.ExeLen = uint16(put(w.Exe[:], id.Exe))
	}
	err := t.execs.m.Update(uint32(pid), &w, ebpf.UpdateNoExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
		return fmt.Errorf("keep who process %d is: %w", pid, err)
	}
	t.execs.seeded++
	return nil
}

// Seeds says whether Seed has a use.
func (t *Tracer) Seeds() bool {
	t.execs.mu.RLock()
	defer t.execs.mu.RUnlock()
	return t.execs.m != nil
}

func bytesOf(c []int8) []byte {
	out := make([]byte, len(c))
	for i, b := range c {
		out[i] = byte(b)
	}
	return out
}

func put(dst []int8, src []byte) int {
	n := min(len(dst), len(src))
	for i := range n {
		dst[i] = int8(src[i])
	}
	return n
}
