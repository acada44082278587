// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

import (
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/testenv"
)

// kernel runs programs one by one, as a kernel would, on structures made up in a
// map's memory: what no test can bring about, in any order. Every program is loaded
// as one of a raw tracepoint, since that is what BPF_PROG_TEST_RUN takes: its context
// is at most 12 words.
type kernel struct {
	t     *testing.T
	types *btf.Spec
	coll  *ebpf.Collection
	mem   *ebpf.Map
	base  uint64 // where mem is, in the kernel
	used  uint64
	read  map[string]uint64 // of each ring
}

const memSize = 512 << 10

// boot loads the programs whose names are given.
func boot(t *testing.T, constants map[string]any, programs ...string) *kernel {
	t.Helper()
	testenv.Privileged(t)
	// The programs know who they are by the thread that runs them.
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	spec := loadObject(t, runtime.GOARCH)
	for name, value := range constants {
		if err := spec.Variables[name].Set(value); err != nil {
			t.Fatal(err)
		}
	}
	all := spec.Programs
	spec.Programs = map[string]*ebpf.ProgramSpec{}
	for _, name := range programs {
		p := all[name].Copy()
		p.Type, p.AttachType, p.AttachTo = ebpf.RawTracepoint, 0, ""
		spec.Programs[name] = p
	}
	k := &kernel{t: t, read: map[string]uint64{}}
	var err error
	if k.types, err = btf.LoadKernelSpec(); err != nil {
		testenv.Skip(t, "%v", err)
	}
	if k.coll, err = ebpf.NewCollection(spec); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.coll.Close)
	k.mem, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: memSize, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.mem.Close() })
	// A program writes where the memory is to its first word, and current to its second.
	where, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint, License: "GPL",
		Instructions: asm.Instructions{
			asm.FnGetCurrentTask.Call(),
			asm.LoadMapValue(asm.R1, k.mem.FD(), 0),
			asm.StoreMem(asm.R1, 0, asm.R1, asm.DWord),
			asm.StoreMem(asm.R1, 8, asm.R0, asm.DWord),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = where.Close() }()
	if _, err := where.Run(&ebpf.RunOptions{Context: [12]uint64{}}); err != nil {
		testenv.Skip(t, "%v", err)
	}
	k.base = binary.LittleEndian.Uint64(k.memory())
	k.used = 16
	return k
}

func (k *kernel) memory() []byte {
	k.t.Helper()
	b, err := k.mem.LookupBytes(uint32(0))
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

// put writes words to addr.
func (k *kernel) put(addr uint64, data []byte) {
	k.t.Helper()
	b := k.memory()
	copy(b[addr-k.base:], data)
	if err := k.mem.Put(uint32(0), b); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kernel) peek(addr uint64) uint64 {
	return binary.LittleEndian.Uint64(k.memory()[addr-k.base:])
}

func (k *kernel) alloc(size uint64) (addr uint64) {
	k.t.Helper()
	addr = k.base + k.used
	if k.used += (size + 7) &^ 7; k.used > memSize {
		k.t.Fatal("the memory is full")
	}
	return addr
}

// make makes a struct of the running kernel's; fields are its members by path.
func (k *kernel) make(name string, fields map[string]uint64) (addr uint64) {
	k.t.Helper()
	s := structNamed(k.t, k.types, name)
	addr = k.alloc(uint64(s.Size))
	k.set(name, addr, fields)
	return addr
}

func (k *kernel) set(name string, addr uint64, fields map[string]uint64) {
	k.t.Helper()
	for path, value := range fields {
		off, size := k.member(name, path)
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], value)
		k.put(addr+off, b[:size])
	}
}

// member finds a member by its path, also inside members without a name.
func (k *kernel) member(name, path string) (off, size uint64) {
	k.t.Helper()
	var typ btf.Type = structNamed(k.t, k.types, name)
	for _, part := range strings.Split(path, ".") {
		o, t := findMember(typ, part)
		if t == nil {
			k.t.Fatalf("%s has no %s", name, path)
		}
		off, typ = off+o, t
	}
	n, err := btf.Sizeof(typ)
	if err != nil {
		k.t.Fatal(err)
	}
	return off, min(uint64(n), 8)
}

func findMember(t btf.Type, name string) (uint64, btf.Type) {
	var members []btf.Member
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		if m.Name == name {
			return uint64(m.Offset.Bytes()), m.Type
		}
		if m.Name == "" {
			if o, t := findMember(m.Type, name); t != nil {
				return uint64(m.Offset.Bytes()) + o, t
			}
		}
	}
	return 0, nil
}

// run runs a program with the words of its context.
func (k *kernel) run(program string, words ...uint64) {
	k.t.Helper()
	var ctx [12]uint64
	copy(ctx[:], words)
	if _, err := k.coll.Programs[program].Run(&ebpf.RunOptions{Context: ctx}); err != nil {
		k.t.Fatalf("run %s: %v", program, err)
	}
}

// record runs a tracepoint's program with its record.
func (k *kernel) record(program, name string, fields map[string]uint64) {
	k.t.Helper()
	at := k.make(name, fields)
	var words [12]uint64
	for i := range words {
		words[i] = k.peek(at + 8*uint64(i))
	}
	k.run(program, words[:]...)
}

// stats are the counters, of all CPUs.
func (k *kernel) stats() (sum OomtraceWireStats) {
	k.t.Helper()
	var cpus []OomtraceWireStats
	if err := k.coll.Maps["stats"].Lookup(uint32(0), &cpus); err != nil {
		k.t.Fatal(err)
	}
	to := (*[unsafe.Sizeof(sum) / 8]uint64)(unsafe.Pointer(&sum))
	for i := range cpus {
		for j, v := range (*[unsafe.Sizeof(sum) / 8]uint64)(unsafe.Pointer(&cpus[i])) {
			to[j] += v
		}
	}
	return sum
}

// records are what came into a ring since it was last asked. The ring is read as
// kernel/bpf/ringbuf.c lays it out: two pages with positions, then the data, twice.
func records[T any](k *kernel, ring string) (out []T) {
	k.t.Helper()
	m, page := k.coll.Maps[ring], os.Getpagesize()
	b, err := unix.Mmap(m.FD(), int64(page), page+2*int(m.MaxEntries()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(b) }()
	for end := binary.LittleEndian.Uint64(b); k.read[ring] < end; {
		rec := b[uint64(page)+k.read[ring]%uint64(m.MaxEntries()):]
		n := binary.LittleEndian.Uint32(rec)
		if n >= 1<<30 {
			k.t.Fatalf("a record is busy or discarded: %#x", n)
		}
		var w T
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&w)), unsafe.Sizeof(w)), rec[8:8+n])
		out = append(out, w)
		k.read[ring] += uint64(8+n+7) &^ 7
	}
	return out
}

func equal[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
