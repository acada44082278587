// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SysrqPlan is a global OOM kill to come.
type SysrqPlan struct {
	procRoot  string
	hold      uint64
	timeout   time.Duration
	candidate Candidate
}

// PlanSysrq checks that this kernel can be told to kill, and finds whom it would
// kill now. vm.panic_on_oom does not matter: the kernel exempts sysrq. Neither
// does kernel.sysrq, which governs the keyboard only. It fails with an
// *Unsupported where the kernel has no sysrq.
func PlanSysrq(o SysrqOptions) (*SysrqPlan, error) {
	p := &SysrqPlan{
		procRoot: or(o.ProcFS, defaultProcFS),
		hold:     or(o.HoldBytes, defaultBytes),
		timeout:  or(o.Timeout, defaultTimeout),
	}
	if _, err := os.Stat(p.trigger()); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for sysrq: %w", err)
		}
		return nil, &Unsupported{
			Missing: "this kernel has no " + p.trigger() + " (CONFIG_MAGIC_SYSRQ is off)",
			Remedy:  "'oomtrace simulate memcg' needs none",
		}
	}
	ranking, err := rank(p.procRoot)
	if err != nil {
		return nil, err
	}
	for _, c := range ranking {
		if c.PID != os.Getpid() { // which ends before anybody could be killed
			p.candidate = c
			return p, nil
		}
	}
	return nil, fmt.Errorf("no process under %s has an oom_score", p.procRoot)
}

func (p *SysrqPlan) trigger() string { return filepath.Join(p.procRoot, "sysrq-trigger") }

// Candidate is the process that the kernel would probably kill now. It is the
// one with the highest oom_score, which is close to, but not the same as, the
// number that the kernel chooses by.
func (p *SysrqPlan) Candidate() Candidate { return p.candidate }

// Run offers the kernel a process at oom_score_adj 1000 that holds memory, and,
// if that is then the first choice, tells it to kill. An end of ctx cleans up.
func (p *SysrqPlan) Run(ctx context.Context) (*SysrqResult, error) {
	if err := refusePIDNamespace(p.procRoot); err != nil {
		return nil, err
	}
	if err := refuseShortage(p.procRoot, p.hold); err != nil {
		return nil, err
	}
	// Opened before anything is started: it tells whether this is permitted.
	trigger, err := os.OpenFile(p.trigger(), os.O_WRONLY, 0)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, &Unsupported{Missing: "may not write to " + p.trigger(), Remedy: "run this as root"}
		}
		return nil, fmt.Errorf("open sysrq: %w", err)
	}
	defer trigger.Close()
	return p.run(ctx, func(pid int) error { return p.pull(trigger, pid) })
}

// run starts the process and lets pull have the kernel kill it.
func (p *SysrqPlan) run(ctx context.Context, pull func(pid int) error) (_ *SysrqResult, err error) {
	r := &SysrqResult{Comm: ChildName}
	cg, err := mark(p.procRoot)
	if err != nil {
		r.Unmarked = err
	} else {
		defer func() { err = errors.Join(err, cg.remove(ctx)) }()
		r.Cgroup = cg.path
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	hog, err := startHog(ctx, p.hold)
	if err != nil {
		return nil, err
	}
	r.PID = hog.pid()
	var triggerErr error
	if cg != nil {
		triggerErr = cg.add(r.PID)
	}
	if triggerErr == nil {
		triggerErr = hog.begin()
	}
	if triggerErr == nil && hog.word() == wordFull {
		triggerErr = pull(r.PID)
		if triggerErr == nil {
			hog.word() // comes, empty, with its end
		}
	}
	if triggerErr != nil {
		hog.kill()
	}
	r.HeldBytes, err = hog.wait()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("wait for the kill: %w", ctx.Err())
	case triggerErr != nil:
		return nil, triggerErr
	case err != nil:
		return nil, fmt.Errorf("%s was not killed: %w", ChildName, err)
	}
	return r, nil
}

// refusePIDNamespace refuses where processes that the kernel could choose are out
// of sight.
func refusePIDNamespace(procRoot string) error {
	ns, err := os.Readlink(filepath.Join(procRoot, "self/ns/pid"))
	if err != nil {
		return fmt.Errorf("read own pid namespace: %w", err)
	}
	const initial = "pid:[4026531836]" // PROC_PID_INIT_INO
	if ns != initial {
		return fmt.Errorf("refused: the processes outside of this pid namespace cannot be seen, and one of them might be killed; run this on the host")
	}
	return nil
}

// pull writes f to the trigger, unless another process than pid comes first.
func (p *SysrqPlan) pull(trigger *os.File, pid int) error {
	ranking, err := rank(p.procRoot)
	if err != nil {
		return err
	}
	if len(ranking) == 0 || ranking[0].PID != pid {
		return fmt.Errorf("refused: the kernel would not choose %s", ChildName)
	}
	if len(ranking) > 1 && ranking[1].OOMScore >= ranking[0].OOMScore {
		return fmt.Errorf("refused: the kernel could as well choose pid %d (%s), whose oom_score of %d is as high as that of %s",
			ranking[1].PID, ranking[1].Comm, ranking[1].OOMScore, ChildName)
	}
	if _, err := trigger.WriteString("f"); err != nil {
		return fmt.Errorf("write to sysrq: %w", err)
	}
	return nil
}

// rank lists the processes by oom_score, highest first. Those that the kernel
// never kills, kernel threads, pid 1 and those at oom_score_adj -1000, have 0 or
// are left out.
func rank(procRoot string) ([]Candidate, error) {
	entries, err := os.ReadDir(procRoot)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var ranking []Candidate
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == 1 {
			continue
		}
		score, err := os.ReadFile(filepath.Join(procRoot, e.Name(), "oom_score"))
		if err != nil {
			continue // it ended meanwhile
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(score)))
		if err != nil || n <= 0 {
			continue
		}
		comm, err := os.ReadFile(filepath.Join(procRoot, e.Name(), "comm"))
		if err != nil {
			continue
		}
		ranking = append(ranking, Candidate{PID: pid, Comm: strings.TrimSuffix(string(comm), "\n"), OOMScore: n})
	}
	slices.SortStableFunc(ranking, func(a, b Candidate) int { return cmp.Compare(b.OOMScore, a.OOMScore) })
	return ranking, nil
}
