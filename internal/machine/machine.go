// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/oomtrace/oomtrace/internal/explain"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// Wanted are those that a story names. The names are hostile.
type Wanted struct {
	Cgroups []string // by their paths from the root of the hierarchy
	Units   []string // of the system's manager
}

// Gap is a fact that could not be read.
type Gap struct {
	Fact   string // "slab caches"
	Source string // "/proc/slabinfo"
	Err    error
}

// String says what is not known and why.
func (g Gap) String() string { return fmt.Sprintf("%s: %v", g.Fact, reason(g)) }

// reason is the error with the source where it does not name it itself.
func reason(g Gap) error {
	var path *fs.PathError
	if g.Source == "" || !errors.As(g.Err, &path) && strings.Contains(g.Err.Error(), g.Source) {
		return g.Err
	}
	if path != nil {
		return fmt.Errorf("%s: %w", g.Source, path.Err)
	}
	return fmt.Errorf("%s: %w", g.Source, g.Err)
}

// facts are read one after the other. A fact is put into m under a lock, and not at all
// once the time is over.
type facts struct {
	reader *procsnap.Reader
	proc   string
	root   string
	wanted Wanted

	mu   sync.Mutex
	over bool
	m    explain.Machine
	gaps []Gap
}

// fact reads one thing; apply puts it into the machine. Of several that it looked for
// some may be missing.
type fact struct {
	name, source string
	read         func(context.Context) (apply func(*explain.Machine), gaps []Gap)
}

// Read reads all facts, as far as it gets before ctx ends: a look at /proc or at a mount
// may block for as long as the kernel likes. Then it leaves behind what blocks.
func Read(ctx context.Context, o procsnap.Options, w Wanted) (*explain.Machine, []Gap, error) {
	reader, err := procsnap.New(o)
	if err != nil {
		return nil, nil, err
	}
	f := &facts{reader: reader, proc: or(o.Proc, "/proc"), root: or(o.Root, "/"), wanted: w}
	list := f.list()
	next := 0 // under f.mu
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, one := range list {
			apply, gaps := one.read(ctx)
			f.mu.Lock()
			if f.over {
				f.mu.Unlock()
				return
			}
			next++
			if apply != nil {
				apply(&f.m)
			}
			for _, g := range gaps {
				if g.Fact == "" {
					g.Fact = one.name
				}
				if g.Source == "" {
					g.Source = one.source
				}
				f.gaps = append(f.gaps, g)
			}
			f.mu.Unlock()
		}
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	for _, late := range list[next:] {
		f.gaps = append(f.gaps, Gap{late.name, late.source, errors.New("not read in time")})
	}
	m := f.m
	return &m, f.gaps, nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// gap is one that takes its names from the fact.
func gap(err error) []Gap {
	if err == nil {
		return nil
	}
	return []Gap{{Err: err}}
}

// list are all facts, what cannot block first.
func (f *facts) list() []fact {
	return []fact{
		{"sysctls", filepath.Join(f.proc, "sys"), f.settings},
		{"memory", filepath.Join(f.proc, "meminfo"), f.memory},
		{"cgroups", "", f.cgroups},
		{"units", "/etc/systemd/system", f.units},
		{"slab caches", filepath.Join(f.proc, "slabinfo"), f.slabs},
		{"kubelet", "", f.kubelet},
		{"processes that nothing kills", f.proc, f.immune},
		{"tmpfs", filepath.Join(f.proc, "self/mountinfo"), f.tmpfs},
	}
}
