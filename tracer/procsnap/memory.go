// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

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
	n, err := readAt(unix.AT_FDCWD, filepath.Join(r.opts.Proc, "meminfo"), buf[:])
	if err != nil {
		return nil, fmt.Errorf("read meminfo: %w", err)
	}
	return parseMeminfo(buf[:n]), nil
}

// parseMeminfo reads lines of the form "MemTotal:   8101500 kB", of 1024 bytes each
// (meminfo_proc_show, fs/proc/meminfo.c). Lines that are otherwise are left out.
func parseMeminfo(file []byte) *event.Memory {
	m := &event.Memory{Source: "meminfo"}
	for line := range bytes.Lines(file) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		var field **uint64
		switch string(name) {
		case "MemTotal":
			field = &m.TotalBytes
		case "MemFree":
			field = &m.FreeBytes
		case "MemAvailable":
			field = &m.AvailableBytes
		case "Cached":
			field = &m.CachedBytes
		case "Shmem":
			field = &m.ShmemBytes
		case "Slab":
			field = &m.SlabBytes
		case "SwapTotal":
			field = &m.SwapTotalBytes
		case "SwapFree":
			field = &m.SwapFreeBytes
		default:
			continue
		}
		number, ok := bytes.CutSuffix(bytes.TrimSpace(value), []byte(" kB"))
		if kib, err := strconv.ParseUint(string(bytes.TrimSpace(number)), 10, 54); ok && err == nil {
			*field = event.Ptr(kib << 10)
		}
	}
	return m
}
