// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/scores"
)

// ScoresOptions say what to rank. The zero value ranks all of the machine.
type ScoresOptions struct {
	// Cgroup is the memory cgroup whose processes are ranked, those below it
	// included: a path from the root of its hierarchy.
	Cgroup string
	Top    int   // how many candidates to tell of; 0 is all
	Pods   *Pods // knows the pods' names; may be nil
}

// Scores reads whom the OOM killer would choose. It keeps its buffers from one
// reading to the next, so it must not be used concurrently.
type Scores struct {
	reader  *Reader
	opts    ScoresOptions
	host    *event.Host
	initNS  bool // pid 1 is init, whom nothing kills
	pids    []int
	results []result
	found   []scores.Process
}

// result is what was read of a process.
type result struct {
	outcome outcome
	process scores.Process
}

type outcome uint8

const (
	outcomeGone outcome = iota
	outcomeEligible
	outcomeProtected
	outcomeNoMemory
	outcomeUnreadable
)

// NewScores prepares a ranking. The errors are ErrNoCgroup, errors.ErrUnsupported, or
// what the system says.
func (r *Reader) NewScores(o ScoresOptions) (*Scores, error) {
	s := &Scores{reader: r, opts: o, host: r.Host()}
	// Unknown counts as not: then init is ranked, where it may be anything.
	s.initNS, _ = r.InitPIDNamespace()
	if o.Cgroup == "" {
		return s, nil // memory.oom.group is all that cgroups would be asked for
	}
	if r.memcgsErr != nil {
		return nil, fmt.Errorf("rank a cgroup: %w", r.memcgsErr)
	}
	s.opts.Cgroup = path.Join("/", o.Cgroup)
	// cgroup.procs tells pids as this process sees them.
	if self, err := os.Readlink(filepath.Join(r.opts.Proc, "self")); err == nil && self != strconv.Itoa(os.Getpid()) {
		return nil, fmt.Errorf("rank a cgroup: %s shows another pid namespace than this one, whose pids cgroups are listed with; run in the host's: %w", r.opts.Proc, errors.ErrUnsupported)
	}
	return s, nil
}

// Read ranks the processes as they are now.
func (s *Scores) Read(ctx context.Context) (*scores.Report, error) {
	begin := s.reader.BoottimeNS()
	rep := &scores.Report{Time: time.Now(), Scope: scores.ScopeGlobal, Host: s.host, PageSizeBytes: uint64(os.Getpagesize())}
	limitAt, err := s.frame(rep)
	if err != nil {
		return nil, err
	}
	if err := s.list(rep); err != nil {
		return nil, err
	}
	if err := s.readAll(ctx); err != nil {
		return nil, err
	}
	s.count(rep)
	rep.Sort(s.found)
	for i := range s.found {
		p := &s.found[i]
		if s.opts.Top > 0 && len(rep.Candidates) == s.opts.Top {
			if len(rep.Candidates) == 1 {
				rep.SetMargin(*p)
			}
			break
		}
		id, err := s.identity(p.PID, begin) // what may not be read is absent
		if errors.Is(err, ErrGone) || errors.Is(err, ErrReused) {
			rep.Seen--
			rep.Eligible--
			continue
		}
		rep.Add(*p, id)
		if len(rep.Candidates) == 2 {
			rep.SetMargin(*p)
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("rank processes: %w", err)
		}
	}
	if len(rep.Candidates) > 0 {
		rep.OOMGroup = s.reader.memcgs.oomGroup(rep.Candidates[0].Cgroup, limitAt)
	}
	return rep, nil
}

// frame reads what the processes are measured by. limitAt is the cgroup whose limit
// would be hit, "/" if none's.
func (s *Scores) frame(rep *scores.Report) (limitAt string, err error) {
	m, err := s.reader.Memory()
	if err != nil {
		return "", err
	}
	if m.TotalBytes == nil || m.SwapTotalBytes == nil {
		return "", errors.New("read meminfo: it does not tell MemTotal and SwapTotal")
	}
	rep.RAMBytes, rep.SwapBytes = *m.TotalBytes, *m.SwapTotalBytes
	rep.Settings = scores.Settings{
		PanicOnOOM:            s.reader.sysctl("vm/panic_on_oom"),
		OOMKillAllocatingTask: s.reader.sysctl("vm/oom_kill_allocating_task"),
		Swappiness:            s.reader.sysctl("vm/swappiness"),
	}
	// constrained_alloc (mm/oom_kill.c): totalram_pages + total_swap_pages
	rep.AllowedPages = rep.RAMBytes/rep.PageSizeBytes + rep.SwapBytes/rep.PageSizeBytes
	if s.opts.Cgroup == "" {
		return "/", nil
	}
	rep.Cgroup = s.reader.memcgs.describe(s.opts.Cgroup)
	limitAt, rep.Limit, rep.Tighter = s.reader.memcgs.limits(s.opts.Cgroup)
	if limitAt != s.opts.Cgroup && s.opts.Cgroup != "/" {
		rep.Incomplete = append(rep.Incomplete, scores.GapOutside)
	}
	if rep.Limit == nil {
		return "/", nil
	}
	rep.Scope = scores.ScopeMemcg
	if s.reader.memcgs.version == 1 {
		rep.Settings.Swappiness = nil
		if n, ok := s.reader.memcgs.number(limitAt, "memory.swappiness"); ok {
			rep.Settings.Swappiness = event.Ptr(int(n))
		}
	}
	swappiness := 0
	switch {
	case rep.SwapBytes == 0: // whatever the swappiness
	case rep.Settings.Swappiness == nil:
		return "", fmt.Errorf("read swappiness of cgroup %q: it is not known how much swap counts", limitAt)
	default:
		swappiness = *rep.Settings.Swappiness
	}
	swapMax := uint64(1<<64 - 1)
	if rep.Limit.SwapMaxBytes != nil {
		swapMax = *rep.Limit.SwapMaxBytes
	}
	page := rep.PageSizeBytes
	rep.AllowedPages = badness.MemcgAllowed(rep.Limit.Bytes/page, swapMax/page, rep.SwapBytes/page, swappiness)
	return limitAt, nil
}

// list sets s.pids to the processes to look at.
func (s *Scores) list(rep *scores.Report) (err error) {
	s.pids = s.pids[:0]
	if s.opts.Cgroup != "" {
		var outside bool
		if s.pids, outside, err = s.reader.memcgs.processes(s.opts.Cgroup); outside {
			rep.Incomplete = append(rep.Incomplete, scores.GapPIDNamespace)
		}
		return err
	}
	hidden := true
	if err := s.reader.EachPID(func(pid int) bool {
		s.pids = append(s.pids, pid)
		hidden = hidden && pid != 1
		return true
	}); err != nil {
		return err
	}
	if !s.initNS {
		rep.Incomplete = append(rep.Incomplete, scores.GapPIDNamespace)
	}
	if hidden { // there is always a pid 1
		rep.Incomplete = append(rep.Incomplete, scores.GapHidden)
	}
	return nil
}

// readers bounds how many read at the same time: most of what a file costs is the
// kernel's work, which other CPUs can share.
const readers = 4

// readAll sets s.results to what is read of s.pids.
func (s *Scores) readAll(ctx context.Context) error {
	if cap(s.results) < len(s.pids) {
		s.results = make([]result, len(s.pids)+len(s.pids)/4)
	}
	s.results = s.results[:len(s.pids)]
	proc, err := openAt(unix.AT_FDCWD, s.reader.opts.Proc, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("open procfs: %w", err)
	}
	defer unix.Close(proc)
	const chunk = 32
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(readers, runtime.GOMAXPROCS(0), (len(s.pids)+chunk-1)/chunk) {
		wg.Go(func() {
			buf := s.reader.buffers.Get().(*[bufferSize]byte)
			defer s.reader.buffers.Put(buf)
			for ctx.Err() == nil {
				from := int(next.Add(chunk)) - chunk
				if from >= len(s.pids) {
					return
				}
				for i := from; i < min(from+chunk, len(s.pids)); i++ {
					s.results[i] = s.readOne(proc, s.pids[i], buf[:])
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read processes: %w", err)
	}
	return nil
}

// readOne reads what of a process goes into its points. Between two of its files a pid
// cannot pass to another process: pids are given out in a circle.
func (s *Scores) readOne(proc, pid int, buf []byte) result {
	dir := strconv.Itoa(pid)
	st, err := readStatus(proc, dir, buf)
	if err == nil && !st.hasMemory && st.state == 'Z' && st.memory.Threads > 1 {
		// The first thread has ended, others go on: the kernel looks for one that
		// has an address space (find_lock_task_mm, mm/oom_kill.c).
		st, err = s.readThreads(dir, st, buf)
	}
	if err != nil {
		return result{outcome: failure(err)}
	}
	if !st.hasMemory {
		return result{outcome: outcomeNoMemory}
	}
	n, err := readRecord(proc, dir+"/oom_score_adj", buf)
	if err != nil {
		return result{outcome: failure(err)}
	}
	p := st.memory
	p.PID = pid
	if p.OOMScoreAdj, err = strconv.Atoi(string(bytes.TrimSpace(buf[:n]))); err != nil {
		return result{outcome: outcomeUnreadable}
	}
	if p.OOMScoreAdj <= badness.MinAdj || pid == 1 && s.initNS {
		return result{outcome: outcomeProtected}
	}
	return result{outcomeEligible, p}
}

// readRecord is readAt of a file that the kernel makes up as a whole at the first read:
// no further read is needed to know that there is no more.
func readRecord(dir int, name string, buf []byte) (int, error) {
	fd, err := openAt(dir, name, unix.O_RDONLY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, buf) })
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return n, nil
}

func failure(err error) outcome {
	if errors.Is(orGone(err), ErrGone) {
		return outcomeGone
	}
	return outcomeUnreadable
}

func readStatus(proc int, dir string, buf []byte) (status, error) {
	n, err := readRecord(proc, dir+"/status", buf)
	if err != nil {
		return status{}, err
	}
	st, ok := parseStatus(buf[:n])
	if !ok {
		return status{}, errors.New("malformed status")
	}
	return st, nil
}

// readThreads takes the memory of a process whose first thread has ended from one of
// the others; leader is what the first tells.
func (s *Scores) readThreads(dir string, leader status, buf []byte) (status, error) {
	tasks := filepath.Join(s.reader.opts.Proc, dir, "task")
	found := leader
	err := eachPID(tasks, func(tid int) bool {
		st, err := readStatus(unix.AT_FDCWD, filepath.Join(tasks, strconv.Itoa(tid)), buf)
		if err == nil && st.hasMemory {
			found = st
			return false
		}
		return true
	})
	return found, err
}

// count sets s.found to the processes that may be chosen, and counts the others.
func (s *Scores) count(rep *scores.Report) {
	s.found = s.found[:0]
	for i := range s.results {
		switch r := &s.results[i]; r.outcome {
		case outcomeGone:
			continue
		case outcomeEligible:
			s.found = append(s.found, r.process)
		case outcomeProtected:
			rep.Protected++
		case outcomeNoMemory:
			rep.NoMemory++
		case outcomeUnreadable:
			rep.Unreadable++
		}
		rep.Seen++
	}
	rep.Eligible = len(s.found)
	if rep.Unreadable > 0 {
		rep.Incomplete = append(rep.Incomplete, scores.GapUnreadable)
	}
}

// threadTask is Task of a process whose first thread has ended, from one of the others.
func (s *Scores) threadTask(pid int) (Identity, error) {
	t, found := Identity{}, false
	err := eachPID(filepath.Join(s.reader.opts.Proc, strconv.Itoa(pid), "task"), func(tid int) bool {
		if tid != pid {
			var err error
			t, err = s.reader.Task(tid, 0)
			found = err == nil
		}
		return !found
	})
	switch {
	case found:
		return t, nil
	case err != nil:
		return Identity{}, orGone(err)
	}
	return Identity{}, ErrGone
}

// identity reads who pid is. One that began after boottimeNS is another process.
func (s *Scores) identity(pid int, boottimeNS uint64) (scores.Identity, error) {
	var id scores.Identity
	id.Comm, id.CommHex = s.reader.comm(pid)
	t, err := s.reader.Task(pid, 0)
	if errors.Is(err, ErrGone) {
		t, err = s.threadTask(pid) // that of the first thread alone
	}
	if err != nil {
		return id, err
	}
	if s.reader.startedAfter(&t, boottimeNS) {
		return id, ErrReused
	}
	id.Unit, id.Container, id.Pod, id.Cgroup = t.Unit, t.Container, t.Pod, t.Cgroup
	id.Cmdline, id.CmdlineHex, id.CmdlineTruncated = t.Cmdline, t.CmdlineHex, t.CmdlineTruncated
	id.Exe, id.ExeHex = t.Exe, t.ExeHex
	s.opts.Pods.Fill(id.Container, id.Pod)
	return id, nil
}
