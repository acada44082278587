// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// CgroupRef names a cgroup of the hierarchy that accounts memory.
type CgroupRef struct {
	Version int    // 1 or 2
	Path    string // from the hierarchy's root, raw
	ID      uint64 // of kernfs; another cgroup of that path is not read
}

// openCgroup opens the folder of a cgroup. Its inode number is the cgroup's id
// (kernfs_id_ino, include/linux/kernfs.h, 40430452fd5d ("kernfs: use 64bit inos if
// ino_t is 64bit") (in v5.5)): what is mounted from elsewhere than the hierarchy's root,
// as in a container, and a cgroup made anew under the same name do not have it.
func (r *Reader) openCgroup(ref CgroupRef) (int, error) {
	if r.memcgsErr != nil {
		return -1, r.memcgsErr
	}
	if ref.Version != r.memcgs.version {
		return -1, fmt.Errorf("open cgroup %q: it is v%d's, and v%d accounts memory", ref.Path, ref.Version, r.memcgs.version)
	}
	fd, err := r.memcgs.open(ref.Path)
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Ino != ref.ID {
		unix.Close(fd)
		return -1, fmt.Errorf("open cgroup %q: %w", ref.Path, errors.Join(err, ErrGone))
	}
	return fd, nil
}

// cgroupLimits sets what the small files of a cgroup tell of it: they cost next to
// nothing.
func (r *Reader) cgroupLimits(dir int, version int, l *event.Limit) {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	read := func(name string) []byte {
		n, err := readAt(dir, name, buf[:])
		if err != nil {
			return nil
		}
		return buf[:n]
	}
	if version == 1 {
		events := parseOOMControl(read("memory.oom_control"))
		// The limit was met, so 0 is not a count: where that of memory and swap was, the
		// kernel counts nothing (mm/memcontrol.c, mem_cgroup_css_alloc: track_failcnt is
		// memory's alone).
		if n, ok := parseCount(read("memory.failcnt")); ok && n > 0 {
			events.FailCnt = &n
		}
		if events != (event.CgroupEvents{}) {
			l.Events = &events
		}
		return
	}
	if events := parseMemoryEvents(read("memory.events")); events != (event.CgroupEvents{}) {
		l.Events = &events
	}
	for _, f := range [...]struct {
		name  string
		value **uint64
	}{{"memory.high", &l.HighBytes}, {"memory.min", &l.MinBytes}, {"memory.low", &l.LowBytes}} {
		if n, ok := parseCount(read(f.name)); ok { // "max" is no number
			*f.value = &n
		}
	}
}

// cgroupStat reads memory.stat; nil if it tells nothing. The kernel sums up the counters
// of all CPUs and of the cgroups below for it, which on a large machine takes
// milliseconds (mem_cgroup_flush_stats, mm/memcontrol.c).
func (r *Reader) cgroupStat(dir int, version int) *event.CgroupStat {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	var s event.CgroupStat
	if n, err := readAt(dir, "memory.stat", buf[:]); err == nil {
		s = parseMemoryStat(buf[:n], version)
	}
	if version == 1 {
		// Its memory.stat has no kernel memory.
		if n, err := readAt(dir, "memory.kmem.usage_in_bytes", buf[:]); err == nil {
			if kernel, ok := parseCount(buf[:n]); ok {
				s.KernelBytes = &kernel
			}
		}
	}
	if s == (event.CgroupStat{}) {
		return nil
	}
	return &s
}

// counter is where the value of a line "name value" belongs.
type counter struct {
	name  string
	value **uint64
}

// parseCounters reads such lines. Those that are otherwise, and a last one that the
// buffer cut, are left out.
func parseCounters(file []byte, counters []counter) {
	values := make([]uint64, len(counters))
	for line := range bytes.Lines(file) {
		name, value, ok := bytes.Cut(line, []byte{' '})
		value, whole := bytes.CutSuffix(value, []byte{'\n'})
		if !ok || !whole {
			continue
		}
		for i, c := range counters {
			if string(name) != c.name {
				continue
			}
			if n, ok := parseCount(value); ok {
				values[i], *c.value = n, &values[i]
			}
		}
	}
}

// parseCount reads one number with perhaps white space around it.
func parseCount(text []byte) (uint64, bool) {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	return n, err == nil
}

// parseMemoryEvents reads memory.events of v2 (__memory_events_show, mm/memcontrol.c).
func parseMemoryEvents(file []byte) (e event.CgroupEvents) {
	parseCounters(file, []counter{
		{"low", &e.Low}, {"high", &e.High}, {"max", &e.Max},
		{"oom", &e.OOM}, {"oom_kill", &e.OOMKill}, {"oom_group_kill", &e.OOMGroupKill},
	})
	return e
}

// parseOOMControl reads memory.oom_control of v1 (mem_cgroup_oom_control_read,
// mm/memcontrol-v1.c).
func parseOOMControl(file []byte) (e event.CgroupEvents) {
	parseCounters(file, []counter{{"oom_kill", &e.OOMKill}})
	return e
}

// parseMemoryStat reads memory.stat. v1 counts the cgroups below in the lines "total_…"
// alone (memcg1_stat_format, mm/memcontrol-v1.c), v2 always (memory_stat_format,
// mm/memcontrol.c); what v1 calls cache and rss are file and anon.
func parseMemoryStat(file []byte, version int) (s event.CgroupStat) {
	if version == 1 {
		parseCounters(file, []counter{
			{"total_rss", &s.AnonBytes}, {"total_cache", &s.FileBytes}, {"total_shmem", &s.ShmemBytes},
			{"total_mapped_file", &s.FileMappedBytes}, {"total_dirty", &s.FileDirtyBytes}, {"total_writeback", &s.FileWritebackBytes},
			{"total_active_anon", &s.ActiveAnonBytes}, {"total_inactive_anon", &s.InactiveAnonBytes},
			{"total_active_file", &s.ActiveFileBytes}, {"total_inactive_file", &s.InactiveFileBytes},
			{"total_unevictable", &s.UnevictableBytes},
		})
		return s
	}
	parseCounters(file, []counter{
		{"anon", &s.AnonBytes}, {"file", &s.FileBytes}, {"shmem", &s.ShmemBytes},
		{"kernel", &s.KernelBytes}, {"slab", &s.SlabBytes}, {"kernel_stack", &s.KernelStackBytes}, {"pagetables", &s.PagetablesBytes},
		{"slab_reclaimable", &s.SlabReclaimableBytes}, {"slab_unreclaimable", &s.SlabUnreclaimableBytes},
		{"percpu", &s.PercpuBytes}, {"vmalloc", &s.VmallocBytes}, {"sock", &s.SockBytes}, {"zswap", &s.ZswapBytes},
		{"file_mapped", &s.FileMappedBytes}, {"file_dirty", &s.FileDirtyBytes}, {"file_writeback", &s.FileWritebackBytes},
		{"active_anon", &s.ActiveAnonBytes}, {"inactive_anon", &s.InactiveAnonBytes},
		{"active_file", &s.ActiveFileBytes}, {"inactive_file", &s.InactiveFileBytes},
		{"unevictable", &s.UnevictableBytes},
	})
	return s
}
