// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/oomtrace/oomtrace/decode/unitfile"
	"github.com/oomtrace/oomtrace/internal/explain"
)

func (f *facts) units(context.Context) (func(*explain.Machine), []Gap) {
	if len(f.wanted.Units) == 0 {
		return nil, nil
	}
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, gap(err)
	}
	defer root.Close()
	var found []explain.Unit
	for _, name := range head(f.wanted.Units) {
		if p, files := unitfile.Read(hostRoot{root}, name); len(files) > 0 {
			found = append(found, explain.Unit{
				Name: name, MemoryMax: p.MemoryMax, MemoryHigh: p.MemoryHigh, MemorySwapMax: p.MemorySwapMax,
				TasksMax: p.TasksMax, OOMScoreAdjust: p.OOMScoreAdjust,
			})
		}
	}
	return func(m *explain.Machine) { m.Units = found }, nil
}

// hostRoot is the host's root folder. Links within it are followed, none leads out.
type hostRoot struct{ *os.Root }

// fileLimit bounds a file of somebody's configuration.
const fileLimit = 1 << 20

// ReadFile reads a regular file: one that waits for a writer would block.
func (r hostRoot) ReadFile(name string) ([]byte, error) {
	file, err := r.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("read %s: no regular file: %w", name, fs.ErrInvalid))
	}
	return io.ReadAll(io.LimitReader(file, fileLimit))
}

// Names lists what is in a folder.
func (r hostRoot) Names(dir string) []string {
	folder, err := r.Open(dir)
	if err != nil {
		return nil
	}
	defer folder.Close()
	names, err := folder.Readdirnames(1024)
	if err != nil {
		return nil
	}
	return names
}
