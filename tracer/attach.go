// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// attach loads one program, alone, and attaches it.
func (t *Tracer) attach(kind string, p hookPoint) (link.Link, error) {
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
		attach := link.Kprobe
		if p.ret {
			attach = link.Kretprobe
		}
		l, err := attach(p.target, prog, nil)
		return l, t.perfRefused(kind, err)
	case KindTracepoint:
		group, name, _ := strings.Cut(p.target, "/")
		var l link.Link
		err := t.tracefs.do(func() (err error) {
			l, err = link.Tracepoint(group, name, prog, nil)
			return t.perfRefused(kind, err)
		})
		return l, err
	}
	return nil, fmt.Errorf("unknown kind %q", kind)
}

// perfRefused finds out that perf events may not be opened: Debian's kernels want
// CAP_SYS_ADMIN for that where kernel.perf_event_paranoid is 3, its default.
func (t *Tracer) perfRefused(kind string, err error) error {
	if !errors.Is(err, unix.EACCES) {
		return err
	}
	var file *fs.PathError
	if errors.As(err, &file) { // one for each tracepoint: say it once
		return fmt.Errorf("tracefs may not be read: %w", file.Err)
	}
	t.broken[kind] = fmt.Errorf("opening it is not permitted (CAP_SYS_ADMIN, or a lower kernel.perf_event_paranoid): %w", unix.EACCES)
	return t.broken[kind]
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
