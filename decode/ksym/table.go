// SPDX-License-Identifier: Apache-2.0

package ksym

// maxFunction is the farthest that an address may lie behind its symbol. It
// bounds the error where a symbol's end is not known.
const maxFunction = 1 << 20

// padding begins the names of the bytes that x86 compilers leave in front of a
// function for call thunks. No return address lies there.
const padding = "__pfx_"

// Table holds a kernel's text symbols and the addresses of the symbols that
// were asked for. It does not change after Load and may be used concurrently. A
// nil Table resolves nothing.
type Table struct {
	// main holds what came in ascending order: the kernel itself. rest holds
	// what came below it: most modules, and programs of BPF.
	main, rest segment
	modules    []string // 0 is the kernel itself
	wanted     map[string]uint64
	symbols    int
}

// Len returns the number of text symbols. Names of one address count once.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return t.symbols
}

// Resolve returns the text symbol that holds addr, how many bytes addr lies
// behind its start, and the module it belongs to (empty for the kernel itself).
//
// A symbol ends where the next one of any kind begins. ok is false below the
// first symbol, in data, in padding between functions, more than 1 MiB behind a
// symbol, and behind the start of the last symbol, whose end is not known.
func (t *Table) Resolve(addr uint64) (sym string, off uint64, module string, ok bool) {
	if t == nil {
		return "", 0, "", false
	}
	at, found, more := t.main.find(addr)
	seg := &t.main
	other, otherFound, otherMore := t.rest.find(addr)
	if otherFound && (!found || other.addr > at.addr || other.addr == at.addr && !at.text) {
		at, found, seg = other, true, &t.rest
	}
	if !found || !at.text {
		return "", 0, "", false
	}
	off = addr - at.addr
	if off > maxFunction || off > 0 && !more && !otherMore {
		return "", 0, "", false
	}
	return string(at.name), off, t.modules[seg.module(at.addr)], true
}

// Address returns the address of a symbol of Options.Want, of whatever type. Of
// several symbols with one name it is the first, so one of the kernel itself
// before one of a module.
func (t *Table) Address(name string) (addr uint64, ok bool) {
	if t == nil {
		return 0, false
	}
	addr, ok = t.wanted[name]
	return addr, ok
}
