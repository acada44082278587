// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// attach loads one program, alone, and attaches it.
func (t *Tracer) attach(kind string, p hookPoint) (link.Link, error) {
	// Asked first: link.Kprobe would go on to tracefs, and remember that it was
	// not mounted.
	if kind == KindKprobe && !havePMU("kprobe") {
		t.broken[kind] = errors.New("this kernel has no kprobes (CONFIG_KPROBE_EVENTS)")
		return nil, t.broken[kind]
	}
	prog, err := t.load(p.program)
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			t.broken[kind] = fmt.Errorf("this kernel refuses to load such programs: %w", unix.EPERM)
			return nil, t.broken[kind]
		}
		return nil, err
	}
	switch kind {
	case KindFentry, KindTPBTF:
		return link.AttachTracing(link.TracingOptions{Program: prog})
	case KindRawTP:
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: p.target, Program: prog})
	case KindKprobe:
		if p.ret {
			return link.Kretprobe(p.target, prog, nil)
		}
		return link.Kprobe(p.target, prog, nil)
	case KindTracepoint:
		group, name, _ := strings.Cut(p.target, "/")
		var l link.Link
		err := t.tracefs.do(func() (err error) {
			l, err = link.Tracepoint(group, name, prog, nil)
			return err
		})
		return l, err
	}
	return nil, fmt.Errorf("unknown kind %q", kind)
}

// load loads one program with the maps all share. Programs that no rung uses
// never reach the kernel.
func (t *Tracer) load(name string) (*ebpf.Program, error) {
	if p := t.programs[name]; p != nil {
		return p, nil
	}
	spec := t.spec.Programs[name]
	if spec == nil {
		return nil, fmt.Errorf("no program %q in the object", name)
	}
	one := *t.spec
	one.Programs = map[string]*ebpf.ProgramSpec{name: spec}
	coll, err := ebpf.NewCollectionWithOptions(&one, ebpf.CollectionOptions{
		MapReplacements: t.maps.Maps,
		Cache:           t.cache,
		Programs:        ebpf.ProgramOptions{KernelTypes: t.kernel.types},
	})
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	defer coll.Close()
	t.programs[name] = coll.DetachProgram(name)
	return t.programs[name], nil
}
