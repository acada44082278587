// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// minLimit leaves room for the acting process itself.
const minLimit = 16 << 20

// MemcgPlan is a memory cgroup OOM to come.
type MemcgPlan struct {
	limit     uint64
	timeout   time.Duration
	count     int
	hierarchy hierarchy
}

// PlanMemcg checks that an OOM in a cgroup of its own would harm nobody here. It
// fails with an *Unsupported where it cannot be done, and refuses where the
// machine would panic or could run out of memory.
func PlanMemcg(o MemcgOptions) (*MemcgPlan, error) {
	p := &MemcgPlan{
		limit:   or(o.LimitBytes, defaultBytes),
		timeout: or(o.Timeout, defaultTimeout),
		count:   or(o.Count, 1),
	}
	procRoot := or(o.ProcFS, defaultProcFS)
	if err := refusePanic(procRoot); err != nil {
		return nil, err
	}
	if p.limit < minLimit {
		return nil, fmt.Errorf("a limit of %d bytes is %w; give %d MiB or more", p.limit, ErrTooSmall, minLimit>>20)
	}
	if err := refuseShortage(procRoot, 2*p.limit); err != nil {
		return nil, err
	}
	var err error
	p.hierarchy, err = findHierarchy(procRoot)
	return p, err
}

// Steps says what Run will do and what it will move, a line each.
func (p *MemcgPlan) Steps() []string {
	counter := "oom_kill of memory.oom_control, in that cgroup"
	if p.hierarchy.version == 2 {
		counter = "max, oom and oom_kill of memory.events, in that cgroup and those above"
	}
	act := "start " + ChildName + " in it, at oom_score_adj 1000, and let it touch memory until the kernel kills it"
	if p.count > 1 {
		act += fmt.Sprintf(", %d times", p.count)
	}
	return []string{
		fmt.Sprintf("make a cgroup %s<pid> below %s (v%d) with a limit of %d MiB and no swap",
			cgroupPrefix, p.hierarchy.mount, p.hierarchy.version, p.limit>>20),
		act,
		"remove the cgroup",
		"these counters will move: oom_kill of /proc/vmstat; " + counter,
		"these may alert: the kernel log (\"Memory cgroup out of memory: Killed process\"), node_exporter's node_vmstat_oom_kill, cAdvisor's container_oom_events_total, node-problem-detector's OOMKilling",
	}
}

// Run causes the kills, and returns what the last did. An end of ctx, and a timeout,
// clean up too; then the error wraps the context's.
func (p *MemcgPlan) Run(ctx context.Context) (last *MemcgResult, err error) {
	err = p.Each(ctx, func(r *MemcgResult) error { last = r; return nil })
	if err != nil {
		return nil, err
	}
	return last, nil
}

// Each is Run that tells of each kill, until told returns an error.
func (p *MemcgPlan) Each(ctx context.Context, told func(*MemcgResult) error) (err error) {
	cg, err := makeCgroup(p.hierarchy, p.limit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cg.remove(ctx)) }()
	for range p.count {
		r, err := p.kill(ctx, cg)
		if err != nil {
			return err
		}
		if err := told(r); err != nil {
			return err
		}
	}
	return nil
}

// kill causes one kill in cg.
func (p *MemcgPlan) kill(ctx context.Context, cg *cgroup) (*MemcgResult, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	// Twice the limit ends a hog that the limit does not stop.
	hog, err := startHog(ctx, 2*p.limit)
	if err != nil {
		return nil, err
	}
	r := &MemcgResult{
		PID: hog.pid(), Comm: ChildName, UID: os.Getuid(),
		Cgroup: cg.path, CgroupVersion: cg.version, LimitBytes: p.limit,
		OOMKillsBefore: cg.oomKills(),
	}
	beginErr := cg.add(hog.pid())
	if beginErr == nil {
		beginErr = hog.begin()
	}
	full := false
	if beginErr == nil {
		full = hog.word() == wordFull
	}
	if beginErr != nil || full {
		hog.kill()
	}
	r.TouchedBytes, err = hog.wait()
	r.OOMKillsAfter = cg.oomKills()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("wait for the kill: %w", ctx.Err())
	case beginErr != nil:
		return nil, beginErr
	case full:
		return nil, fmt.Errorf("the limit of %d bytes did not stop %s at %d bytes", p.limit, ChildName, r.TouchedBytes)
	case err != nil:
		return nil, fmt.Errorf("%s was not killed: %w", ChildName, err)
	case r.OOMKillsBefore != nil && r.OOMKillsAfter != nil && *r.OOMKillsAfter <= *r.OOMKillsBefore:
		return nil, errors.New("the process was killed, yet the cgroup counts no OOM kill: somebody else's SIGKILL")
	}
	return r, nil
}

// refusePanic refuses where an OOM in a cgroup panics the machine.
func refusePanic(procRoot string) error {
	data, err := os.ReadFile(filepath.Join(procRoot, "sys/vm/panic_on_oom"))
	if err != nil {
		return fmt.Errorf("read vm.panic_on_oom, to be sure that this does not panic the machine: %w", err)
	}
	if value := strings.TrimSpace(string(data)); value != "0" && value != "1" {
		return fmt.Errorf("refused: vm.panic_on_oom is %s, so an OOM in a cgroup would panic this machine; set it to 1 or 0 first (sysctl vm.panic_on_oom=1)", value)
	}
	return nil
}

// refuseShortage refuses to touch so many bytes on a machine with less than
// twice as much to spare.
func refuseShortage(procRoot string, bytes uint64) error {
	proc, err := procfs.NewFS(procRoot)
	if err != nil {
		return fmt.Errorf("open proc: %w", err)
	}
	info, err := proc.Meminfo()
	if err != nil {
		return fmt.Errorf("read meminfo: %w", err)
	}
	if available := info.MemAvailableBytes; available == nil || *available < 2*bytes {
		return fmt.Errorf("refused: this may touch %d MiB, and the machine has less than twice that to spare; give a smaller --limit", bytes>>20)
	}
	return nil
}
