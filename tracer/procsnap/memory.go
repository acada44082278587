// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Memory reads the machine's memory from /proc/meminfo. Counters that this kernel
// does not have are absent. AgeMS is for the caller to set.
//
// A kill waits for it. procfs.Meminfo takes three times as long: os.Open has the
// runtime poll the file, and all of its fifty lines become numbers.
func (r *Reader) Memory() (*event.Memory, error) {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	file, err := r.readProc("meminfo", buf[:])
	if err != nil {
		return nil, fmt.Errorf("read meminfo: %w", err)
	}
	return parseMeminfo(file), nil
}

// parseMeminfo reads lines of the form "MemTotal:   8101500 kB", of 1024 bytes each
// (meminfo_proc_show, fs/proc/meminfo.c). Lines that are otherwise are left out.
func parseMeminfo(file []byte) *event.Memory {
	m := &event.Memory{Source: "meminfo"}
	var hugepage, free *uint64
	fields := [...]counter{
		{"MemTotal", &m.TotalBytes}, {"MemFree", &m.FreeBytes}, {"MemAvailable", &m.AvailableBytes},
		{"Cached", &m.CachedBytes}, {"Shmem", &m.ShmemBytes}, {"Slab", &m.SlabBytes},
		{"SwapTotal", &m.SwapTotalBytes}, {"SwapFree", &m.SwapFreeBytes},
		{"AnonPages", &m.AnonBytes},
		{"Active(anon)", &m.ActiveAnonBytes}, {"Inactive(anon)", &m.InactiveAnonBytes},
		{"Active(file)", &m.ActiveFileBytes}, {"Inactive(file)", &m.InactiveFileBytes},
		{"Unevictable", &m.UnevictableBytes}, {"Mlocked", &m.MlockedBytes},
		{"SReclaimable", &m.SlabReclaimableBytes}, {"SUnreclaim", &m.SlabUnreclaimableBytes},
		{"KernelStack", &m.KernelStackBytes}, {"PageTables", &m.PagetablesBytes},
		{"Committed_AS", &m.CommittedBytes}, {"Hugetlb", &m.HugetlbBytes},
		{"Hugepagesize", &hugepage},
	}
	var values [len(fields)]uint64
	for line := range bytes.Lines(file) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) == "HugePages_Free" { // a number of pages
			if n, ok := parseCount(value); ok && n <= 1<<32 {
				free = &n
			}
			continue
		}
		for i, f := range &fields {
			if string(name) != f.name {
				continue
			}
			number, ok := bytes.CutSuffix(bytes.TrimSpace(value), []byte(" kB"))
			if kib, err := strconv.ParseUint(string(bytes.TrimSpace(number)), 10, 54); ok && err == nil {
				values[i], *f.value = kib<<10, &values[i]
			}
		}
	}
	if hugepage != nil && free != nil && *hugepage <= 1<<31 {
		m.HugetlbFreeBytes = event.Ptr(*free * *hugepage)
	}
	return m
}
