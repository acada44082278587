// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// MemcgNow is a memory cgroup as it is now. What could not be read is absent.
type MemcgNow struct {
	Cgroup event.Cgroup
	// MaxBytes is absent where MaxUnlimited; HighBytes and SwapMaxBytes are absent where
	// they are unlimited.
	MaxBytes     *uint64
	MaxUnlimited bool
	UsageBytes   *uint64
	PeakBytes    *uint64 // since it was made, or since somebody reset it
	// SwapMaxBytes is what it may have in swap; on v1 that is what memory and swap
	// together may be beyond memory alone.
	SwapMaxBytes *uint64
	HighBytes    *uint64 // v2, as those below
	LowBytes     *uint64
	MinBytes     *uint64
	OOMGroup     *bool
	// Events of v2 count the cgroups below it too, those of v1 do not.
	Events event.CgroupEvents
}

// CgroupVersion is that of the hierarchy that accounts memory, 1 or 2; the error says
// why there is none.
func (r *Reader) CgroupVersion() (int, error) { return r.memcgs.version, r.memcgsErr }

// MemcgNow reads the memory cgroup at a path from the root of its hierarchy. Its name
// may have been given to another since: that cannot be told here. The error is
// ErrNoCgroup where there is none.
func (r *Reader) MemcgNow(cgroup string) (*MemcgNow, error) {
	if r.memcgsErr != nil {
		return nil, r.memcgsErr
	}
	m := r.memcgs
	switch {
	case !path.IsAbs(cgroup) || path.Clean(cgroup) != cgroup:
		return nil, fmt.Errorf("%w %q: that is no path from the root of the hierarchy", ErrNoCgroup, cgroup)
	case !m.fromRoot():
		return nil, fmt.Errorf("read cgroup %q: %s shows a part of the hierarchy alone, whose paths are others", cgroup, m.dir)
	}
	return m.now(cgroup)
}

func (m memcgs) now(cgroup string) (*MemcgNow, error) {
	dir, err := m.open(cgroup)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w %q", ErrNoCgroup, cgroup)
	}
	if err != nil {
		return nil, fmt.Errorf("read cgroup: %w", err)
	}
	unix.Close(dir)
	c := &MemcgNow{Cgroup: *m.describe(cgroup)}
	limited := func(name string) *uint64 {
		if n, ok := m.number(cgroup, name); ok && !unlimited(n) {
			return &n
		}
		return nil
	}
	c.UsageBytes = limited(m.usageFile())
	maxFile := "memory.max"
	if m.version == 1 {
		maxFile = "memory.limit_in_bytes"
	}
	if n, ok := m.number(cgroup, maxFile); ok {
		if c.MaxUnlimited = unlimited(n); !c.MaxUnlimited {
			c.MaxBytes = &n
		}
	}
	if m.version == 1 {
		c.PeakBytes = limited("memory.max_usage_in_bytes")
		if memsw := limited("memory.memsw.limit_in_bytes"); memsw != nil && c.MaxBytes != nil && *memsw >= *c.MaxBytes {
			c.SwapMaxBytes = event.Ptr(*memsw - *c.MaxBytes)
		}
		c.Events = parseOOMControl(m.bytes(cgroup, "memory.oom_control"))
		if n := limited("memory.failcnt"); n != nil && *n > 0 { // see cgroupLimits
			c.Events.FailCnt = n
		}
		return c, nil
	}
	c.PeakBytes = limited("memory.peak")
	c.SwapMaxBytes = limited("memory.swap.max")
	c.HighBytes, c.LowBytes, c.MinBytes = limited("memory.high"), limited("memory.low"), limited("memory.min")
	if word, ok := m.word(cgroup, "memory.oom.group"); ok && (word == "0" || word == "1") {
		c.OOMGroup = event.Ptr(word == "1")
	}
	c.Events = parseMemoryEvents(m.bytes(cgroup, "memory.events"))
	return c, nil
}

// bytes reads a small file; nil if it cannot be read.
func (m memcgs) bytes(cgroup, name string) []byte {
	var buf [512]byte
	n, err := readAt(unix.AT_FDCWD, m.file(cgroup, name), buf[:])
	if err != nil {
		return nil
	}
	return buf[:n]
}

// KillCount is how many processes of a cgroup itself, those below it left out, the OOM
// killer has killed since the cgroup was made.
type KillCount struct {
	Cgroup event.Cgroup
	Kills  uint64
}

// killCountsLimit bounds the cgroups that are told of.
const killCountsLimit = 64

// KillCounts lists the cgroups that are there now in which the OOM killer has killed.
// What kernels before 4.13 did they did not count.
func (r *Reader) KillCounts(ctx context.Context) ([]KillCount, error) {
	if r.memcgsErr != nil {
		return nil, r.memcgsErr
	}
	m := r.memcgs
	var all []KillCount
	err := m.walk("/", func(cgroup string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var events event.CgroupEvents
		if m.version == 1 {
			events = parseOOMControl(m.bytes(cgroup, "memory.oom_control"))
		} else {
			// memory.events counts what is below it too. Kernels before 5.3 have no other.
			events = parseMemoryEvents(m.bytes(cgroup, "memory.events.local"))
		}
		if events.OOMKill != nil && *events.OOMKill > 0 {
			all = append(all, KillCount{*m.describe(cgroup), *events.OOMKill})
		}
		if len(all) == killCountsLimit {
			return fs.SkipAll
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.SkipAll) && !errors.Is(err, os.ErrNotExist) {
		return all, fmt.Errorf("count the kills of cgroups: %w", err)
	}
	return all, nil
}

// KillsSinceBoot is how many processes the OOM killer has killed since the machine
// booted (oom_kill of /proc/vmstat, which counts no process that shared a victim's
// memory). Kernels before 4.13 do not tell.
func (r *Reader) KillsSinceBoot() (uint64, error) {
	var kills *uint64
	err := r.eachLine("vmstat", func(line []byte) {
		parseCounters(append(line[:len(line):len(line)], '\n'), []counter{{"oom_kill", &kills}})
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("count kills: %w", err)
	case kills == nil:
		return 0, fmt.Errorf("count kills: vmstat has no oom_kill: %w", errors.ErrUnsupported)
	}
	return *kills, nil
}
