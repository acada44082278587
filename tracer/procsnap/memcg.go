// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/scores"
)

// ErrNoCgroup means that there is no such memory cgroup.
var ErrNoCgroup = errors.New("no such cgroup")

func (m memcgs) file(cgroup, name string) string { return filepath.Join(m.dir, cgroup, name) }

// word is the contents of a small file; ok is false if it cannot be read.
func (m memcgs) word(cgroup, name string) (word string, ok bool) {
	var buf [64]byte
	n, err := readAt(unix.AT_FDCWD, m.file(cgroup, name), buf[:])
	return strings.TrimSpace(string(buf[:n])), err == nil
}

// number is a file that holds one number, or on v2 "max", which is math.MaxUint64.
func (m memcgs) number(cgroup, name string) (n uint64, ok bool) {
	word, ok := m.word(cgroup, name)
	if word == "max" && m.version == 2 {
		return 1<<64 - 1, true
	}
	n, err := strconv.ParseUint(word, 10, 64)
	return n, ok && err == nil
}

// unlimited says whether a number of bytes is no limit: "max", or on v1
// PAGE_COUNTER_MAX pages (include/linux/page_counter.h), with pages of up to 64 KiB.
func unlimited(bytes uint64) bool { return bytes >= 1<<63-64<<10 }

// describe names a cgroup of the hierarchy that accounts memory.
func describe(version int, path []byte) *event.Cgroup {
	c := &event.Cgroup{Version: version}
	if version == 1 {
		c.Controller = "memory"
	}
	c.Path, c.PathHex = event.CleanString(path)
	return c
}

func (m memcgs) describe(cgroup string) *event.Cgroup { return describe(m.version, []byte(cgroup)) }

// lineage lists a cgroup and those above it, up to the root.
func lineage(cgroup string) []string {
	all := []string{cgroup}
	for cgroup != "/" {
		cgroup = path.Dir(cgroup)
		all = append(all, cgroup)
	}
	return all
}

// limit reads the limit of a cgroup; nil if it has none, as the root never has.
func (m memcgs) limit(cgroup string) *scores.Limit {
	limitFile := "memory.max"
	if m.version == 1 {
		limitFile = "memory.limit_in_bytes"
	}
	bytes, ok := m.number(cgroup, limitFile)
	if !ok || unlimited(bytes) {
		return nil
	}
	l := &scores.Limit{Cgroup: *m.describe(cgroup), Bytes: bytes}
	if usage, ok := m.number(cgroup, m.usageFile()); ok {
		l.UsageBytes = &usage
	}
	if m.version == 2 {
		if swap, ok := m.number(cgroup, "memory.swap.max"); ok && !unlimited(swap) {
			l.SwapMaxBytes = &swap
		}
		return l
	}
	// mem_cgroup_get_max: what memory and swap together may be beyond memory alone.
	if memsw, ok := m.number(cgroup, "memory.memsw.limit_in_bytes"); ok && !unlimited(memsw) && memsw >= bytes {
		l.SwapMaxBytes = event.Ptr(memsw - bytes)
	}
	if control, ok := m.word(cgroup, "memory.oom_control"); ok {
		l.OOMKillDisabled = event.Ptr(strings.HasPrefix(control, "oom_kill_disable 1"))
	}
	return l
}

// limits finds the limit that stops a cgroup, its own or the nearest above it, and the
// one further up that leaves less room than that. They are nil where there is none;
// at is where the first one is.
func (m memcgs) limits(cgroup string) (at string, limit, tighter *scores.Limit) {
	for _, c := range lineage(cgroup) {
		l := m.limit(c)
		switch {
		case l == nil:
		case limit == nil:
			at, limit = c, l
		case l.UsageBytes == nil || limit.UsageBytes == nil:
		case room(l) < room(limit) && (tighter == nil || room(l) < room(tighter)):
			tighter = l
		}
	}
	return at, limit, tighter
}

// room is how much of a limit is left; negative where more is in use.
func room(l *scores.Limit) int64 { return int64(l.Bytes) - int64(*l.UsageBytes) }

// oomGroup finds the cgroup that the kernel would kill as a whole with a process in
// cgroup: of those from there up to the limit's, the highest with memory.oom.group
// (mem_cgroup_get_oom_group, mm/memcontrol.c). v1 has no such thing.
func (m memcgs) oomGroup(cgroup *event.Cgroup, limit string) *event.Cgroup {
	if m.version != 2 || cgroup == nil || cgroup.Version != 2 {
		return nil
	}
	own := event.RawString(cgroup.Path, cgroup.PathHex)
	if !path.IsAbs(own) || path.Clean(own) != own {
		return nil // outside of this cgroup namespace
	}
	var group *event.Cgroup
	for _, c := range lineage(own) {
		if word, _ := m.word(c, "memory.oom.group"); word == "1" {
			group = m.describe(c)
		}
		if c == limit {
			break
		}
	}
	return group
}

// processes lists the processes in a cgroup and below it; outside says that there are
// others, outside of this pid namespace, which v1 does not tell.
func (m memcgs) processes(cgroup string) (pids []int, outside bool, err error) {
	err = m.walk(cgroup, func(c string) error {
		file, err := os.ReadFile(m.file(c, "cgroup.procs"))
		switch {
		case err == nil:
		case c != cgroup, errors.Is(err, unix.EOPNOTSUPP):
			// Removed; or a threaded cgroup, whose processes are those of the
			// domain above it.
			return nil
		default:
			return err
		}
		for line := range bytes.Lines(file) {
			if pid, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil && pid > 0 {
				pids = append(pids, pid)
			} else if err == nil && pid == 0 {
				outside = true
			}
		}
		return nil
	})
	// A cgroup's file is none.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENODEV) {
		return nil, false, fmt.Errorf("%w %q: looked for %s", ErrNoCgroup, cgroup, filepath.Join(m.dir, cgroup))
	}
	if err != nil {
		return nil, false, fmt.Errorf("list processes of cgroup %q: %w", cgroup, err)
	}
	// One that moved meanwhile was met twice.
	slices.Sort(pids)
	return slices.Compact(pids), outside, nil
}
