// SPDX-License-Identifier: Apache-2.0

package ksym

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Trace names the addresses of a kernel stack, innermost first, as
// bpf_get_stack fills them in (behind the last address there may be zeros).
//
// The first address is where the CPU is, the others are return addresses: they
// point behind a call, which can be the last instruction of a function that
// does not return. So the symbol is looked up one byte before, and the offset
// is still that of the address, as the kernel prints its own traces
// (sprint_backtrace in kernel/kallsyms.c, %pB).
//
// The frames of the tracing itself at the innermost end are left out. Without a
// table, or with one that does not know an address, a frame has its address
// alone and counts as unresolved.
func Trace(addrs []uint64, t *Table) event.Stack {
	frames := make([]event.Frame, 0, len(addrs))
	for i, addr := range addrs {
		if addr == 0 {
			break
		}
		var back uint64
		if i > 0 {
			back = 1
		}
		sym, off, module, ok := t.Resolve(addr - back)
		if !ok {
			frames = append(frames, event.Frame{Addr: strconv.FormatUint(addr, 16)})
			continue
		}
		frames = append(frames, event.Frame{Symbol: sym, Offset: off + back, Module: module})
	}
	frames = withoutObserver(frames)
	s := event.Stack{ID: ID(frames), Frames: frames}
	for _, f := range frames {
		if f.Symbol == "" {
			s.Unresolved++
		}
	}
	return s
}

// withoutObserver drops the innermost frames up to the last one of a BPF
// program or of what calls it. An address without a symbol among them is a
// program that the table does not know.
func withoutObserver(frames []event.Frame) []event.Frame {
	n := 0
	for i, f := range frames {
		if isObserver(f.Symbol) {
			n = i + 1
		} else if f.Symbol != "" {
			break
		}
	}
	return frames[n:]
}

// ID returns the call-trace id: 16 hex digits, the first 8 bytes of the SHA-256
// over the names of the functions that led to the OOM killer, innermost first,
// each followed by a newline. They begin behind the outermost frame of the OOM
// killer; entry frames and suffixes that the compiler gave are cut.
//
// It is empty when no frame of the OOM killer is there, when nothing is left to
// hash, when the trace does not reach the entry of the kernel or thread, and when one of the names is not known: an id of what happens to be
// known would differ from one run to the next.
func ID(frames []event.Frame) string {
	i := killer(frames)
	// A trace that does not reach the way in was cut, or lost its way at a probe's
	// trampoline and holds chance addresses.
	if i < 0 || !isEntry(plain(frames[len(frames)-1].Symbol)) {
		return ""
	}
	var names []byte
	for _, f := range frames[i+1:] {
		name := plain(f.Symbol)
		if name == "" || isLostReturn(name) {
			return ""
		}
		if !isBetween(name) && !isEntry(name) {
			names = append(append(names, name...), '\n')
		}
	}
	if len(names) == 0 {
		return ""
	}
	sum := sha256.Sum256(names)
	return hex.EncodeToString(sum[:8])
}

// Context tells from a call trace alone whose shortage an OOM was, for when no
// better hook saw it. sure is false when the stack cannot tell: of an
// allocation it shows that it failed, yet not whether all memory was short or
// that of some nodes (cpuset, mempolicy); scope is then ScopeGlobal. Without
// any sign of the OOM killer scope is empty.
func Context(frames []event.Frame) (scope event.Scope, sure bool) {
	for _, f := range frames {
		switch plain(f.Symbol) {
		case "mem_cgroup_out_of_memory", "mem_cgroup_oom_synchronize":
			return event.ScopeMemcg, true
		case "moom_callback":
			return event.ScopeSysrq, true
		case "pagefault_out_of_memory":
			// It has no zone list, hence no constraint to nodes
			// (constrained_alloc in mm/oom_kill.c).
			return event.ScopeGlobal, true
		}
	}
	i := killer(frames)
	if i < 0 {
		return "", false
	}
	// The caller is what tells a memcg from an allocation.
	for _, f := range frames[i+1:] {
		name := plain(f.Symbol)
		if isBetween(name) {
			continue
		}
		if name != "" && !isLostReturn(name) {
			return event.ScopeGlobal, false
		}
		break
	}
	return "", false
}

// killer returns the index of the outermost frame of the OOM killer, or -1.
func killer(frames []event.Frame) int {
	for i := len(frames) - 1; i >= 0; i-- {
		switch plain(frames[i].Symbol) {
		case "out_of_memory", "mem_cgroup_out_of_memory":
			return i
		}
	}
	return -1
}
