// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"fmt"

	"github.com/oomtrace/oomtrace/decode/event"
)

// OOMKills reads how many kills the kernel has counted since boot (OOM_KILL of
// __oom_kill_process, mm/oom_kill.c, 8e675f7af507 ("mm/oom_kill: count global and memory
// cgroup oom kills") (in v4.13)): one for each line "Killed process" of its log. It is
// nil where the kernel does not tell.
func (r *Reader) OOMKills() (*uint64, error) {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	file, err := r.readProc("vmstat", buf[:])
	if err != nil {
		return nil, fmt.Errorf("count kills: %w", err)
	}
	var kills *uint64
	parseCounters(file, []counter{{"oom_kill", &kills}})
	if kills == nil {
		return nil, nil
	}
	return event.Ptr(*kills), nil // without the parser's other values
}
