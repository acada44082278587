// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

import (
	"testing"

	"github.com/cilium/ebpf/asm"
)

// Verifiers of older kernels (check_cfg of kernel/bpf/verifier.c, seen on 5.10 and 6.1)
// refuse a loop that is closed by an instruction which is no jump: clang lays one out
// so when it enters the loop in the middle.
func TestLoops(t *testing.T) {
	for arch := range objects {
		for name, p := range loadObject(t, arch).Programs {
			if f := closedByFallingThrough(p.Instructions); f != "" {
				t.Errorf("%s: %s: a loop of %s", arch, name, f)
			}
		}
	}
}

// closedByFallingThrough names a function with such a loop.
func closedByFallingThrough(all asm.Instructions) string {
	const discovered, explored = 1, 2
	at := map[int]asm.Instruction{}
	next := map[int]int{}
	function := map[int]string{}
	last, in := -1, ""
	for it := all.Iterate(); it.Next(); {
		off := int(it.Offset)
		if last >= 0 {
			next[last] = off
		}
		if s := it.Ins.Symbol(); s != "" {
			in = s
		}
		at[off], function[off], last = *it.Ins, in, off
	}
	state := map[int]int{}
	var visit func(off int) string
	visit = func(off int) string {
		state[off] = discovered
		ins := at[off]
		op := ins.OpCode.JumpOp()
		edges, jump := []int{next[off]}, false
		if ins.OpCode.Class().IsJump() {
			switch op {
			case asm.Exit:
				edges = nil
			case asm.Ja:
				edges, jump = []int{off + 1 + int(ins.Offset)}, true
			case asm.Call:
			default:
				edges, jump = append(edges, off+1+int(ins.Offset)), true
			}
		}
		for _, to := range edges {
			switch state[to] {
			case discovered:
				if !jump {
					return function[to]
				}
			case 0:
				if f := visit(to); f != "" {
					return f
				}
			}
		}
		state[off] = explored
		return ""
	}
	for off := range at {
		if at[off].Symbol() != "" && state[off] == 0 {
			if f := visit(off); f != "" {
				return f
			}
		}
	}
	return ""
}
