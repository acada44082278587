// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// cgroupPrefix begins the name of every cgroup made here; the pid of its maker
// follows.
const cgroupPrefix = ChildName + "-"

// hierarchy is the cgroup hierarchy that accounts memory.
type hierarchy struct {
	version int
	mount   string // where it is mounted
	// parents are the cgroups that could hold a new one, paths below mount, the
	// mount's own root first: what lies there is under no further limit.
	parents []string
}

// findHierarchy looks for the memory controller: v1 if it is mounted there, else
// v2.
func findHierarchy(procRoot string) (hierarchy, error) {
	proc, err := procfs.NewFS(procRoot)
	if err != nil {
		return hierarchy{}, fmt.Errorf("open proc: %w", err)
	}
	mounts, err := proc.GetMounts()
	if err != nil {
		return hierarchy{}, fmt.Errorf("read mounts: %w", err)
	}
	self, err := proc.Self()
	if err != nil {
		return hierarchy{}, fmt.Errorf("find own process: %w", err)
	}
	own, err := self.Cgroups()
	if err != nil {
		return hierarchy{}, fmt.Errorf("read own cgroups: %w", err)
	}

	var found *procfs.MountInfo
	version, ownPath := 0, "/"
	for _, m := range mounts {
		_, v1Memory := m.SuperOptions["memory"]
		switch {
		case m.FSType == "cgroup" && v1Memory:
			found, version = m, 1
		case m.FSType == "cgroup2" && version != 1 && hasWord(filepath.Join(m.MountPoint, "cgroup.controllers"), "memory"):
			found, version = m, 2
		}
	}
	if found == nil {
		return hierarchy{}, &Unsupported{
			Missing: "no cgroup filesystem with the memory controller is mounted",
			Remedy:  "mount one, or run this on the host instead of in the container",
		}
	}
	_, readOnly := found.Options["ro"]
	_, readOnlySuper := found.SuperOptions["ro"]
	if readOnly || readOnlySuper {
		return hierarchy{}, &Unsupported{
			Missing: found.MountPoint + " is mounted read-only",
			Remedy:  "run this on the host, or in a container with a writable cgroup filesystem",
		}
	}
	for _, c := range own {
		if version == 1 && slices.Contains(c.Controllers, "memory") || version == 2 && c.HierarchyID == 0 {
			ownPath = c.Path
		}
	}
	return hierarchy{version: version, mount: found.MountPoint, parents: lineage(found.Root, ownPath)}, nil
}

// lineage lists the cgroups from the mount's root down to own, as paths below
// the mount. Of an own cgroup outside of what is mounted only the root remains.
func lineage(root, own string) []string {
	paths := []string{"/"}
	rel, err := filepath.Rel(root, own)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, "../") {
		return paths
	}
	at := "/"
	for _, name := range strings.Split(rel, "/") {
		at = filepath.Join(at, name)
		paths = append(paths, at)
	}
	return paths
}

// cgroup is a cgroup made for one simulation.
type cgroup struct {
	hierarchy
	path string // below the mount
	// enabled is the subtree_control that the memory controller was switched on
	// in, "" when it was on.
	enabled string
}

func (c *cgroup) file(name string) string { return filepath.Join(c.mount, c.path, name) }

// mark makes a cgroup without a limit: by its name a watcher knows that what
// happens in it is simulated. The caller must call remove.
func mark(procRoot string) (*cgroup, error) {
	h, err := findHierarchy(procRoot)
	if err != nil {
		return nil, err
	}
	return makeCgroup(h, 0)
}

// makeCgroup makes a cgroup with a memory limit, or without one (0), below the
// first parent that allows it, after removing what crashed runs left there. The
// caller must call remove.
func makeCgroup(h hierarchy, limit uint64) (*cgroup, error) {
	var first error // the root's refusal, which tells most
	for _, parent := range h.parents {
		c := &cgroup{hierarchy: h, path: filepath.Join(parent, cgroupPrefix+strconv.Itoa(os.Getpid()))}
		err := c.make(parent, limit)
		if err == nil {
			return c, nil
		}
		first = or(first, err)
	}
	var remedy string
	switch {
	case errors.Is(first, fs.ErrPermission):
		remedy = "run this as root"
	case errors.Is(first, syscall.EBUSY):
		// A v2 cgroup with processes in it, here a container's, can have no
		// children with controllers.
		remedy = "run this on the host instead of in the container"
	default:
		return nil, fmt.Errorf("make cgroup: %w", first)
	}
	return nil, &Unsupported{Missing: fmt.Sprintf("cannot make a cgroup below %s (%v)", h.mount, first), Remedy: remedy}
}

func (c *cgroup) make(parent string, limit uint64) error {
	dir := filepath.Join(c.mount, parent)
	sweep(dir)
	if limit > 0 && c.version == 2 {
		if err := c.enable(filepath.Join(dir, "cgroup.subtree_control")); err != nil {
			return err
		}
	}
	err := os.Mkdir(filepath.Join(c.mount, c.path), 0o755)
	if err != nil {
		return errors.Join(err, c.disable())
	}
	if limit > 0 {
		err = c.limit(parent, limit)
	}
	if err != nil {
		return errors.Join(err, c.remove(context.Background()))
	}
	return nil
}

// enable switches the memory controller on for the children of a v2 cgroup.
func (c *cgroup) enable(subtreeControl string) error {
	if hasWord(subtreeControl, "memory") {
		return nil
	}
	if err := os.WriteFile(subtreeControl, []byte("+memory"), 0); err != nil {
		return fmt.Errorf("enable the memory controller: %w", err)
	}
	c.enabled = subtreeControl
	return nil
}

// disable undoes enable, unless another simulation lives there by now.
func (c *cgroup) disable() error {
	if c.enabled == "" {
		return nil
	}
	others, err := simulations(filepath.Dir(c.enabled))
	if err != nil || len(others) > 0 {
		return err
	}
	if err := os.WriteFile(c.enabled, []byte("-memory"), 0); err != nil {
		return fmt.Errorf("disable the memory controller: %w", err)
	}
	return nil
}

// limit sets the limit, and sees to it that reaching it kills: no swap, no
// handler in userspace, no lower limit above.
func (c *cgroup) limit(parent string, limit uint64) error {
	type setting struct {
		file, value string
		optional    bool // absent without swap accounting
	}
	bytes := strconv.FormatUint(limit, 10)
	settings := []setting{
		{"memory.max", bytes, false},
		{"memory.swap.max", "0", true},
	}
	usage, limitFile := "memory.current", "memory.max"
	if c.version == 1 {
		settings = []setting{
			{"memory.limit_in_bytes", bytes, false},
			{"memory.memsw.limit_in_bytes", bytes, true},
			{"memory.swappiness", "0", true},
			{"memory.oom_control", "0", false}, // inherited from the parent
		}
		usage, limitFile = "memory.usage_in_bytes", "memory.limit_in_bytes"
	}
	for _, s := range settings {
		err := os.WriteFile(c.file(s.file), []byte(s.value), 0)
		if s.optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("set %s: %w", s.file, err)
		}
	}
	for at := parent; ; at = filepath.Dir(at) {
		dir := filepath.Join(c.mount, at)
		maximum, ok := readNumber(filepath.Join(dir, limitFile))
		used, known := readNumber(filepath.Join(dir, usage))
		if ok && known && maximum-min(used, maximum) < 2*limit {
			return fmt.Errorf("%s has too little room for %d bytes below its own limit of %d", dir, limit, maximum)
		}
		if at == "/" {
			return nil
		}
	}
}

// procs is the file that takes the processes to move into the cgroup.
func (c *cgroup) procs() string { return c.file("cgroup.procs") }

// add moves a process into the cgroup.
func (c *cgroup) add(pid int) error { return addTo(c.procs(), pid) }

// addTo moves a process, 0 for this one, into the cgroup of that procs file.
func addTo(procs string, pid int) error {
	if err := os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0); err != nil {
		return fmt.Errorf("move process into cgroup: %w", err)
	}
	return nil
}

// oomKills is the cgroup's own count of kills, nil where the kernel keeps none.
func (c *cgroup) oomKills() *uint64 {
	name := "memory.events"
	if c.version == 1 {
		name = "memory.oom_control" // since 4.13
	}
	data, err := os.ReadFile(c.file(name))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "oom_kill "); ok {
			if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64); err == nil {
				return &n
			}
		}
	}
	return nil
}

// remove removes the cgroup, whose processes must be reaped. The kernel may take
// a moment to see that it is empty.
func (c *cgroup) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for {
		err := os.Remove(filepath.Join(c.mount, c.path))
		if !errors.Is(err, syscall.EBUSY) {
			return errors.Join(err, c.disable())
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("remove cgroup: %w", err), c.disable())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// sweep removes the cgroups that crashed runs left in dir. The kernel refuses
// to remove one that has a process in it.
func sweep(dir string) {
	left, err := simulations(dir)
	if err != nil {
		return
	}
	for _, name := range left {
		pid, err := strconv.Atoi(strings.TrimPrefix(name, cgroupPrefix))
		if err != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		_ = os.Remove(filepath.Join(dir, name)) // if it is in use it is not ours to remove
	}
}

// simulations lists the cgroups of simulations in dir. It matches no pattern, for
// which the backslashes of systemd's names would be escapes.
func simulations(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list simulations: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), cgroupPrefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func hasWord(file, word string) bool {
	data, err := os.ReadFile(file)
	return err == nil && slices.Contains(strings.Fields(string(data)), word)
}

// readNumber reads a limit or a counter; "max" is no limit.
func readNumber(file string) (uint64, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	s := strings.TrimSpace(string(data))
	if s == "max" {
		return math.MaxUint64, true
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
