// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"fmt"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Memory reads the machine's memory from /proc/meminfo. Counters that this kernel
// does not have are absent. AgeMS is for the caller to set.
func (r *Reader) Memory() (*event.Memory, error) {
	m, err := r.fs.Meminfo()
	if err != nil {
		return nil, fmt.Errorf("read meminfo: %w", err)
	}
	return &event.Memory{
		TotalBytes:     m.MemTotalBytes,
		FreeBytes:      m.MemFreeBytes,
		AvailableBytes: m.MemAvailableBytes,
		CachedBytes:    m.CachedBytes,
		ShmemBytes:     m.ShmemBytes,
		SlabBytes:      m.SlabBytes,
		SwapTotalBytes: m.SwapTotalBytes,
		SwapFreeBytes:  m.SwapFreeBytes,
		Source:         "meminfo",
	}, nil
}
