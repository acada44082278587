// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/explain"
)

func (f *facts) settings(context.Context) (func(*explain.Machine), []Gap) {
	s := explain.Settings{Settings: *f.reader.Settings()}
	if n := f.reader.Sysctl("kernel/panic"); n != nil && *n < 1<<31 {
		s.PanicSeconds = event.Ptr(int(*n))
	}
	if kib := f.reader.Sysctl("vm/min_free_kbytes"); kib != nil && *kib < 1<<53 {
		s.MinFreeBytes = event.Ptr(*kib << 10)
	}
	s.Hugepages = f.reader.Sysctl("vm/nr_hugepages")
	s.ThreadsMax = f.reader.Sysctl("kernel/threads-max")
	var gaps []Gap
	if s.PanicOnOOM == nil && s.OvercommitMemory == nil {
		gaps = gap(errors.New("cannot be read"))
	}
	return func(m *explain.Machine) { m.Settings = s }, gaps
}

func (f *facts) memory(context.Context) (func(*explain.Machine), []Gap) {
	memory, err := f.reader.Memory()
	if err != nil {
		return nil, gap(err)
	}
	file, err := os.ReadFile(filepath.Join(f.proc, "meminfo"))
	info := string(file)
	commit, huge := meminfoBytes(info, "CommitLimit"), meminfoBytes(info, "Hugepagesize")
	// The kernel keeps the two in step; a reader may see them in between.
	var spare *uint64
	free, promised := meminfoPages(info, "HugePages_Free"), meminfoPages(info, "HugePages_Rsvd")
	if free != nil && promised != nil && *free >= *promised {
		spare = event.Ptr(*free - *promised)
	}
	return func(m *explain.Machine) {
		m.Memory, m.CommitLimitBytes, m.HugepageBytes, m.HugepagesSpare = memory, commit, huge, spare
	}, gap(err)
}

// meminfoBytes reads a line "CommitLimit:    8101500 kB"; nil without one.
func meminfoBytes(file, name string) *uint64 {
	kib, ok := strings.CutSuffix(meminfoValue(file, name), " kB")
	n, err := strconv.ParseUint(kib, 10, 53)
	if !ok || err != nil {
		return nil
	}
	return event.Ptr(n << 10)
}

// meminfoPages reads a line "HugePages_Free:       12"; nil without one.
func meminfoPages(file, name string) *uint64 {
	n, err := strconv.ParseUint(meminfoValue(file, name), 10, 53)
	if err != nil {
		return nil
	}
	return &n
}

func meminfoValue(file, name string) string {
	for line := range strings.Lines(file) {
		if key, value, _ := strings.Cut(line, ":"); key == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
