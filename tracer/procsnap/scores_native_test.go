// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/scores"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// holderEnv makes this test binary a process that holds as many MiB as each line of
// its input says, and says when it does.
const holderEnv = "OOMTRACE_TEST_HOLDER"

func TestMain(m *testing.M) {
	if os.Getenv(holderEnv) != "" {
		hold()
	}
	os.Exit(m.Run())
}

// leaderless is the value of holderEnv that ends the first thread before.
const leaderless = "leaderless"

func hold() {
	if os.Getenv(holderEnv) == leaderless {
		endLeader()
	}
	var held [][]byte
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		mib, err := strconv.Atoi(in.Text())
		for range mib { // one after the other, so that the limit is hit in small steps
			b, mapErr := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
			if mapErr != nil {
				err = mapErr
				break
			}
			for i := 0; i < len(b); i += os.Getpagesize() {
				b[i] = 1
			}
			held = append(held, b)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stdout, "held", len(held))
	}
	os.Exit(0)
}

// endLeader ends the first thread of this process, and goes on on another.
func endLeader() {
	for ended := false; !ended; {
		tried := make(chan bool, 1)
		go func() {
			runtime.LockOSThread() // and never unlocked: the next try is on another thread
			if leader := unix.Gettid() == unix.Getpid(); leader {
				tried <- true
				_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
			}
			tried <- false
		}()
		ended = <-tried
	}
}

// holder is a process that holds memory.
type holder struct {
	*exec.Cmd
	in   io.Writer
	out  *bufio.Reader
	gone chan struct{} // closed when it has ended
}

// startHolder starts one at an oom_score_adj, in a cgroup unless that is "".
func startHolder(t *testing.T, adj int, cgroup string) *holder {
	t.Helper()
	return startHolderOf(t, "1", adj, cgroup)
}

func startHolderOf(t *testing.T, kind string, adj int, cgroup string) *holder {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderEnv+"="+kind)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-gone
	})
	pid := strconv.Itoa(cmd.Process.Pid)
	write(t, filepath.Join("/proc", pid, "oom_score_adj"), strconv.Itoa(adj))
	if cgroup != "" {
		write(t, filepath.Join(cgroup, "cgroup.procs"), pid)
	}
	return &holder{cmd, in, bufio.NewReader(out), gone}
}

func (h *holder) exited() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

// dead waits for the process to end, and says how it did.
func (h *holder) dead(t *testing.T) syscall.WaitStatus {
	t.Helper()
	select {
	case <-h.gone:
	case <-time.After(10 * time.Second):
		t.Fatalf("%d is still alive", h.Process.Pid)
	}
	return h.ProcessState.Sys().(syscall.WaitStatus)
}

// hold has it take so many MiB more. It fails if the process ends meanwhile.
func (h *holder) hold(mib int) error {
	if _, err := fmt.Fprintln(h.in, mib); err != nil {
		return err
	}
	_, err := h.out.ReadString('\n')
	return err
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The kernel says of each process, in steps of a permille and a half of all memory,
// what it would go by: since 9066e5cfb73c ("mm, oom: make the calculation of oom
// badness more accurate") (in v5.9) (1000 + points·1000/allowed)·2/3 (proc_oom_score,
// fs/proc/base.c), and 0 if it would never choose it.
func TestScoresAgreeWithOOMScore(t *testing.T) {
	mine := map[int]bool{}
	for _, h := range []struct{ adj, mib int }{{0, 64}, {100, 1}, {400, 1}, {401, 1}, {1000, 1}} {
		p := startHolder(t, h.adj, "")
		if err := p.hold(h.mib); err != nil {
			t.Fatal(err)
		}
		mine[p.Process.Pid] = true
	}
	s, err := newReader(t, Options{}).NewScores(ScoresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, compared := 1<<62, 0
	for _, c := range rep.Candidates {
		score, ok := oomScore(c.PID)
		want := (1000 + int(c.PointsPages*1000/int64(rep.AllowedPages))) * 2 / 3
		// Others on this machine come, go and grow.
		if !ok || !mine[c.PID] {
			continue
		}
		compared++
		if score > last || score < want-1 || score > want+1 {
			t.Errorf("%d (adj %d): oom_score %d, want %d; the one before has %d", c.PID, c.OOMScoreAdj, score, want, last)
		}
		last = score
	}
	if compared != len(mine) {
		t.Errorf("%d of %d processes are candidates", compared, len(mine))
	}
	// Who is no candidate has none.
	for i, r := range s.results {
		if r.outcome != outcomeProtected && r.outcome != outcomeNoMemory {
			continue
		}
		if score, ok := oomScore(s.pids[i]); ok && score != 0 {
			t.Errorf("%d is no candidate (%d), and has an oom_score of %d", s.pids[i], r.outcome, score)
		}
	}
}

// A process whose first thread has ended still has memory, and the kernel may choose it.
func TestScoresLeaderless(t *testing.T) {
	p := startHolderOf(t, leaderless, 1000, "")
	if err := p.hold(8); err != nil {
		t.Fatal(err)
	}
	pid := p.Process.Pid
	for { // it exits after it said so
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			t.Fatal(err)
		}
		if st, ok := parseStat(line); ok && st.state == 'Z' {
			break
		}
		if err := p.hold(0); err != nil {
			t.Fatal(err)
		}
	}
	s, err := newReader(t, Options{}).NewScores(ScoresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rep.Candidates {
		if c.PID != pid {
			continue
		}
		score, ok := oomScore(pid)
		want := (1000 + int(c.PointsPages*1000/int64(rep.AllowedPages))) * 2 / 3
		if c.AnonRSSBytes < 8<<20 || c.Exe == nil || c.Cgroup == nil || !ok || score < want-1 || score > want+1 {
			t.Errorf("%+v, oom_score %d, want %d", c, score, want)
		}
		return
	}
	t.Errorf("%d is no candidate", pid)
}

func oomScore(pid int) (score int, ok bool) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "oom_score"))
	if err != nil {
		return 0, false
	}
	score, err = strconv.Atoi(strings.TrimSpace(string(b)))
	return score, err == nil
}

// The kernel kills whom the ranking puts first, each time, until only the one that
// asks for memory is left.
func TestScoresPredictKills(t *testing.T) {
	testenv.Privileged(t)
	// Each holds some 20 MiB more under the race detector.
	const limit = 256 << 20
	m, name := makeMemcg(t, limit)
	grower := startHolder(t, 0, m.file(name, ""))
	all := map[int]*holder{grower.Process.Pid: grower}
	// A thousandth of the limit are 65 pages: the small ones go before the large one,
	// by their adj.
	for _, h := range []struct{ adj, mib int }{{0, 128}, {1000, 1}, {900, 4}} {
		p := startHolder(t, h.adj, m.file(name, ""))
		if err := p.hold(h.mib); err != nil {
			t.Fatal(err)
		}
		all[p.Process.Pid] = p
	}
	s, err := newReader(t, Options{}).NewScores(ScoresOptions{Cgroup: name})
	if err != nil {
		t.Fatal(err)
	}
	for before := oomKills(t, m, name); before < 3; {
		rep, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rep.Scope != scores.ScopeMemcg || rep.Limit == nil || rep.Limit.Bytes != limit || len(rep.Candidates) == 0 {
			t.Fatalf("%+v", rep)
		}
		if now := oomKills(t, m, name); now != before {
			before = now
			continue // one more has died meanwhile
		}
		if rep.Candidates[0].PID == grower.Process.Pid {
			t.Fatalf("the one that grows is first: %+v", rep.Candidates)
		}
		// Several threads that ask at once may have the kernel kill more than one.
		now := before
		for err = nil; now == before && err == nil; now = oomKills(t, m, name) {
			err = grower.hold(1)
		}
		for i, c := range rep.Candidates {
			h := all[c.PID]
			if i < now-before {
				if state := h.dead(t); state.Signal() != unix.SIGKILL {
					t.Fatalf("%d, of rank %d, ended by itself: %v", c.PID, c.Rank, state)
				}
			} else if h.exited() && oomKills(t, m, name) == now {
				t.Fatalf("%d died, of rank %d, and %d were killed", c.PID, c.Rank, now-before)
			}
		}
		before = now
	}
}

// oomKills is how many the kernel has killed for the limit of a cgroup.
func oomKills(t *testing.T, m memcgs, name string) (n int) {
	t.Helper()
	file := m.file(name, "memory.events")
	if m.version == 1 {
		file = m.file(name, "memory.oom_control")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "oom_kill %d", &n); err == nil {
			return n
		}
	}
	t.Fatalf("%s does not count kills", file)
	return 0
}

// makeMemcg makes a memory cgroup with a limit.
func makeMemcg(t *testing.T, limit int) (m memcgs, name string) {
	t.Helper()
	r := newReader(t, Options{})
	if r.memcgsErr != nil {
		testenv.Skip(t, "%v", r.memcgsErr)
	}
	m = r.memcgs
	name = "/oomtrace-test-" + strconv.Itoa(os.Getpid())
	dir := filepath.Join(m.dir, name)
	file := "memory.max"
	if m.version == 1 {
		file = "memory.limit_in_bytes"
	} else if err := os.WriteFile(filepath.Join(m.dir, "cgroup.subtree_control"), []byte("+memory"), 0o644); err != nil {
		testenv.Skip(t, "enable the memory controller: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		testenv.Skip(t, "make a memory cgroup: %v", err)
	}
	t.Cleanup(func() {
		// The killed are taken out of it as they are waited for, or some moments later.
		for deadline := time.Now().Add(10 * time.Second); ; {
			if err := unix.Rmdir(dir); !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
				if err != nil {
					t.Errorf("remove %s: %v", dir, err)
				}
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	write(t, filepath.Join(dir, file), strconv.Itoa(limit))
	return m, name
}

// BenchmarkScores ranks a machine with 2,000 processes more than it has.
func BenchmarkScores(b *testing.B) {
	for range 2000 {
		cmd := exec.Command("sleep", "1h")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
	}
	s, err := newReader(b, Options{}).NewScores(ScoresOptions{Top: 10})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		rep, err := s.Read(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if rep.Eligible < 2000 || len(rep.Candidates) != 10 {
			b.Fatalf("%d eligible, %d shown", rep.Eligible, len(rep.Candidates))
		}
	}
}
