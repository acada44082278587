// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/scores"
)

// statusFile is /proc/PID/status; sizes are kB, none: no address space.
func statusFile(state string, threads int, sizes ...uint64) string {
	s := "Name:\tx\\ny\nUmask:\t0022\nState:\t" + state + "\nTgid:\t7\nUid:\t1000\t0\t0\t0\nGid:\t0\t0\t0\t0\n"
	for i, size := range sizes {
		s += fmt.Sprintf("%s:\t%8d kB\n", [...]string{"RssAnon", "RssFile", "RssShmem", "VmPTE", "VmSwap"}[i], size)
	}
	return s + fmt.Sprintf("Threads:\t%d\nSigQ:\t0/96364\n", threads)
}

func TestParseStatus(t *testing.T) {
	whole := statusFile("S (sleeping)", 3, 100, 200, 300, 40, 5)
	for _, tt := range []struct {
		name, file string
		want       status
		ok         bool
	}{
		{"a process", whole, status{state: 'S', hasMemory: true, memory: scores.Process{
			UID: 1000, Threads: 3, AnonRSSBytes: 100 << 10, FileRSSBytes: 200 << 10, ShmemRSSBytes: 300 << 10,
			PgtablesBytes: 40 << 10, SwapBytes: 5 << 10,
		}}, true},
		{"a kernel thread", statusFile("I (idle)", 1), status{state: 'I', memory: scores.Process{UID: 1000, Threads: 1}}, true},
		{"four of five sizes", statusFile("S (sleeping)", 1, 1, 2, 3, 4), status{}, false},
		{"other units", strings.Replace(whole, " kB", " MB", 1), status{}, false},
		{"no number", strings.Replace(whole, "100 kB", "x kB", 1), status{}, false},
		{"too large", strings.Replace(whole, "100 kB", "99999999999999999999 kB", 1), status{}, false},
		{"a uid of 33 bits", strings.Replace(whole, "\t1000\t", "\t4294967296\t", 1), status{}, false},
		{"cut", whole[:len(whole)-20], status{}, false},
		{"empty", "", status{}, false},
	} {
		got, ok := parseStatus([]byte(tt.file))
		if ok != tt.ok {
			t.Errorf("%s: ok is %v", tt.name, ok)
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(status{})); tt.ok && diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(statusFile("S (sleeping)", 3, 100, 200, 300, 40, 5)))
	f.Add([]byte(statusFile("Z (zombie)", 2)))
	if own, err := os.ReadFile("/proc/self/status"); err == nil {
		f.Add(own)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		st, ok := parseStatus(file)
		if ok && !st.hasMemory && st.memory.RSSBytes()+st.memory.SwapBytes+st.memory.PgtablesBytes != 0 {
			t.Errorf("memory of a process without any: %+v", st)
		}
	})
}

// machine is a procfs with a few processes; more adds to it or replaces.
func machine(t *testing.T, more map[string]string) string {
	files := map[string]string{
		"meminfo":                         "MemTotal: 32768 kB\nSwapTotal: 4096 kB\n",
		"sys/vm/swappiness":               "60\n",
		"sys/vm/panic_on_oom":             "0\n",
		"sys/vm/oom_kill_allocating_task": "1\n",
		"2/stat":                          statLine(2, "kthreadd", "S", pfKthread, 0),
	}
	process := func(pid int, comm, adj, status string) {
		dir := strconv.Itoa(pid) + "/"
		if files[dir+"stat"] == "" {
			files[dir+"stat"] = statLine(pid, comm, "S", 0, 5)
		}
		files[dir+"status"] = status
		files[dir+"comm"], files[dir+"oom_score_adj"] = comm+"\n", adj+"\n"
		files[dir+"cmdline"], files[dir+"exe"] = comm+"\x00--password=hunter2\x00", "-> /bin/"+comm
		files[dir+"cgroup"] = "4:memory:/a\n0::/a/b\n"
	}
	const page = 4
	process(1, "init", "0", statusFile("S (sleeping)", 1, 5000*page, 0, 0, 0, 0))
	process(2, "kthreadd", "0", statusFile("S (sleeping)", 1))
	process(3, "protected", "-1000", statusFile("S (sleeping)", 1, 5000*page, 0, 0, 0, 0))
	process(4, "plain", "0", statusFile("S (sleeping)", 1, 1000*page, 10*page, 1*page, 4, 2*page))
	process(5, "favoured", "100", statusFile("S (sleeping)", 1, 200*page, 0, 0, 0, 0)) // 9 a thousandth
	process(6, "leaderless", "0", statusFile("Z (zombie)", 2))
	// As the kernel shows it: the first thread has neither command line nor executable.
	files["6/stat"], files["6/cmdline"], files["6/exe"] = statLine(6, "leaderless", "Z", 0, 5), "", ""
	files["6/task/6/status"] = statusFile("Z (zombie)", 2)
	files["60/stat"], files["60/exe"] = statLine(60, "thread", "S", 0, 6), "-> /bin/leaderless"
	files["60/cmdline"], files["60/cgroup"] = "leaderless\x00", "0::/a/b\n" // to be opened, but not listed
	files["6/task/60/status"] = statusFile("S (sleeping)", 2, 50*page, 0, 0, 0, 0)
	process(7, "dead", "0", statusFile("Z (zombie)", 1))
	process(8, "odd", "0", "Name:\todd\n")
	files["9/stat"] = statLine(9, "going", "S", 0, 5) // no status any more
	for name, content := range more {
		files[name] = content
	}
	return tree(t, files)
}

// read ranks; cgroups is their mount, none if it is "".
func read(t *testing.T, proc, cgroups string, o ScoresOptions) *scores.Report {
	t.Helper()
	if cgroups == "" {
		cgroups = t.TempDir()
	}
	s, err := newReader(t, Options{Proc: proc, Cgroup: cgroups}).NewScores(o)
	if err != nil {
		t.Fatal(err)
	}
	s.host = nil
	rep, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func pages(t *testing.T, rep *scores.Report) map[int]int64 {
	t.Helper()
	got := map[int]int64{}
	for i, c := range rep.Candidates {
		got[c.PID] = c.PointsPages
		if c.Rank != i+1 || i > 0 && c.PointsPages > rep.Candidates[i-1].PointsPages {
			t.Errorf("rank %d of %d points follows %d", c.Rank, c.PointsPages, rep.Candidates[i-1].PointsPages)
		}
	}
	return got
}

func fourKiB(t *testing.T) {
	t.Helper()
	if os.Getpagesize() != 4096 {
		t.Skip("the pages of this test are of 4 KiB")
	}
}

func TestScoresOfTheMachine(t *testing.T) {
	fourKiB(t)
	rep := read(t, machine(t, nil), "", ScoresOptions{})
	if diff := cmp.Diff(map[int]int64{4: 1014, 5: 200 + 900, 6: 50}, pages(t, rep)); diff != "" {
		t.Errorf("points\n%s", diff)
	}
	first := rep.Candidates[0]
	if first.PID != 5 || *rep.MarginPages != 86 || first.AdjPages != 900 || first.BadnessPermille != 119 || first.SharePermille != 21 {
		t.Errorf("%+v, margin %d", first, *rep.MarginPages)
	}
	if want := "favoured --password=***"; first.Cmdline == nil || *first.Cmdline != want || *first.Comm != "favoured" || *first.Exe != "/bin/favoured" || first.Cgroup.Path != "/a" {
		t.Errorf("%+v", first.Identity)
	}
	if last := rep.Candidates[2]; last.PID != 6 || *last.Comm != "leaderless" || last.Exe == nil || *last.Exe != "/bin/leaderless" {
		t.Errorf("%+v", last)
	}
	rep.Candidates, rep.MarginPages = nil, nil
	want := &scores.Report{
		Time: rep.Time, Scope: scores.ScopeGlobal, AllowedPages: 8192 + 1024, PageSizeBytes: 4096, RAMBytes: 32 << 20, SwapBytes: 4 << 20,
		Settings:   scores.Settings{PanicOnOOM: event.Ptr(0), OOMKillAllocatingTask: event.Ptr(1), Swappiness: event.Ptr(60)},
		Incomplete: []scores.Gap{scores.GapUnreadable},
		Seen:       8, Eligible: 3, Protected: 2, NoMemory: 2, Unreadable: 1,
	}
	if diff := cmp.Diff(want, rep); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Of what is not shown nothing is read but what ranks it.
func TestScoresTop(t *testing.T) {
	fourKiB(t)
	for top, want := range map[int]int{1: 1, 2: 2, 3: 3, 9: 3} {
		rep := read(t, machine(t, nil), "", ScoresOptions{Top: top})
		if len(rep.Candidates) != want || rep.Eligible != 3 || rep.MarginPages == nil || *rep.MarginPages != 86 {
			t.Errorf("top %d: %d candidates of %d, margin %v", top, len(rep.Candidates), rep.Eligible, rep.MarginPages)
		}
	}
}

// A pid that passed to another process after its memory was read is none of the
// candidates, nor does it count.
func TestScoresPidReused(t *testing.T) {
	fourKiB(t)
	now := newReader(t, Options{}).BoottimeNS()/tickNS + 1000
	rep := read(t, machine(t, map[string]string{"5/stat": statLine(5, "other", "S", 0, now)}), "", ScoresOptions{Top: 1})
	if len(rep.Candidates) != 1 || rep.Candidates[0].PID != 4 || rep.Eligible != 2 || *rep.MarginPages != 1014-50 {
		t.Errorf("%+v", rep)
	}
}

func TestScoresOfAPartOfTheMachine(t *testing.T) {
	proc := machine(t, map[string]string{"2/stat": statLine(2, "bash", "S", 0, 5)})
	if err := os.RemoveAll(filepath.Join(proc, "1")); err != nil {
		t.Fatal(err)
	}
	rep := read(t, proc, "", ScoresOptions{})
	if diff := cmp.Diff([]scores.Gap{scores.GapPIDNamespace, scores.GapHidden, scores.GapUnreadable}, rep.Incomplete); diff != "" {
		t.Error(diff)
	}
	// In another pid namespace 1 is a process like the others.
	rep = read(t, machine(t, map[string]string{"2/stat": statLine(2, "bash", "S", 0, 5)}), "", ScoresOptions{Top: 1})
	if rep.Candidates[0].PID != 1 || rep.Protected != 1 {
		t.Errorf("%+v", rep)
	}
}

func TestScoresWithoutMeminfo(t *testing.T) {
	s, err := newReader(t, Options{Proc: machine(t, map[string]string{"meminfo": "MemTotal: 1 kB\n"})}).NewScores(ScoresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "SwapTotal") {
		t.Errorf("%v", err)
	}
}

func TestScoresCancelled(t *testing.T) {
	s, err := newReader(t, Options{Proc: machine(t, nil)}).NewScores(ScoresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

const v1Unlimited = "9223372036854771712\n"

func TestScoresOfACgroup(t *testing.T) {
	fourKiB(t)
	v1 := map[string]string{
		"memory/memory.usage_in_bytes": "1\n", "memory/memory.limit_in_bytes": v1Unlimited, "memory/cgroup.procs": "5\n",
		"memory/a/memory.limit_in_bytes": "8388608\n", "memory/a/memory.usage_in_bytes": "4194304\n",
		"memory/a/memory.memsw.limit_in_bytes": "12582912\n", "memory/a/memory.swappiness": "1\n",
		"memory/a/memory.oom_control": "oom_kill_disable 1\nunder_oom 0\n",
		"memory/a/cgroup.procs":       "4\n",
		"memory/a/b/cgroup.procs":     "6\n4\n", "memory/a/b/memory.limit_in_bytes": v1Unlimited,
	}
	v2 := map[string]string{
		"cgroup.controllers": "cpu memory pids\n", "cgroup.procs": "5\n",
		"a/memory.max": "8388608\n", "a/memory.current": "8000000\n", "a/memory.swap.max": "max\n", "a/memory.oom.group": "1\n", "a/cgroup.procs": "",
		"a/b/memory.max": "4194304\n", "a/b/memory.current": "1048576\n", "a/b/memory.swap.max": "0\n", "a/b/memory.oom.group": "0\n", "a/b/cgroup.procs": "4\n6\n",
		"c/memory.max": "max\n", "c/cgroup.procs": "0\n",
	}
	v1At := func(path string) *event.Cgroup { return &event.Cgroup{Version: 1, Controller: "memory", Path: path} }
	v2At := func(path string) *event.Cgroup { return &event.Cgroup{Version: 2, Path: path} }
	a1 := &scores.Limit{Cgroup: *v1At("/a"), Bytes: 8 << 20, UsageBytes: event.Ptr[uint64](4 << 20), SwapMaxBytes: event.Ptr[uint64](4 << 20), OOMKillDisabled: event.Ptr(true)}
	a2 := &scores.Limit{Cgroup: *v2At("/a"), Bytes: 8 << 20, UsageBytes: event.Ptr[uint64](8000000)}
	b2 := &scores.Limit{Cgroup: *v2At("/a/b"), Bytes: 4 << 20, UsageBytes: event.Ptr[uint64](1 << 20), SwapMaxBytes: event.Ptr[uint64](0)}
	for _, tt := range []struct {
		name, cgroup string
		files, proc  map[string]string
		want         scores.Report
		pages        map[int]int64
	}{
		{"v1", "/a", v1, nil, scores.Report{Scope: scores.ScopeMemcg, Cgroup: v1At("/a"), Limit: a1, AllowedPages: 3072, Eligible: 2}, map[int]int64{4: 1014, 6: 50}},
		{"v1, swappiness 0", "/a", with(v1, "memory/a/memory.swappiness", "0\n"), nil,
			scores.Report{Scope: scores.ScopeMemcg, Cgroup: v1At("/a"), Limit: a1, AllowedPages: 2048, Eligible: 2}, map[int]int64{4: 1014, 6: 50}},
		{"v1, without a limit of its own", "a/b/", v1, nil,
			scores.Report{Scope: scores.ScopeMemcg, Cgroup: v1At("/a/b"), Limit: a1, AllowedPages: 3072, Eligible: 2, Incomplete: []scores.Gap{scores.GapOutside}}, map[int]int64{4: 1014, 6: 50}},
		{"v1, the root", "/", v1, nil,
			scores.Report{Scope: scores.ScopeGlobal, Cgroup: v1At("/"), AllowedPages: 9216, Eligible: 3}, map[int]int64{5: 1100, 4: 1014, 6: 50}},
		{"v2, with all of the swap", "/a", v2, map[string]string{"4/cgroup": "0::/a/b\n"},
			scores.Report{Scope: scores.ScopeMemcg, Cgroup: v2At("/a"), Limit: a2, AllowedPages: 3072, Eligible: 2, OOMGroup: v2At("/a")}, map[int]int64{4: 1014, 6: 50}},
		{"v2, without swap, in a tighter one", "/a/b", v2, map[string]string{"4/cgroup": "0::/a/b\n"},
			scores.Report{Scope: scores.ScopeMemcg, Cgroup: v2At("/a/b"), Limit: b2, Tighter: a2, AllowedPages: 1024, Eligible: 2}, map[int]int64{4: 1014, 6: 50}},
		{"v2, no limit, nobody in this pid namespace", "/c", v2, nil,
			scores.Report{Scope: scores.ScopeGlobal, Cgroup: v2At("/c"), AllowedPages: 9216, Incomplete: []scores.Gap{scores.GapOutside, scores.GapPIDNamespace}}, map[int]int64{}},
		{"v2, the whole machine's group", "", v2, map[string]string{"5/cgroup": "0::/a/b\n"},
			scores.Report{Scope: scores.ScopeGlobal, AllowedPages: 9216, Eligible: 3, OOMGroup: v2At("/a"), Incomplete: []scores.Gap{scores.GapUnreadable}}, map[int]int64{5: 1100, 4: 1014, 6: 50}},
		{"v2, a group in another namespace", "", v2, map[string]string{"5/cgroup": "0::/../a/b\n"},
			scores.Report{Scope: scores.ScopeGlobal, AllowedPages: 9216, Eligible: 3, Incomplete: []scores.Gap{scores.GapUnreadable}}, map[int]int64{5: 1100, 4: 1014, 6: 50}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rep := read(t, machine(t, tt.proc), tree(t, tt.files), ScoresOptions{Cgroup: tt.cgroup})
			if diff := cmp.Diff(tt.pages, pages(t, rep)); diff != "" {
				t.Errorf("points\n%s", diff)
			}
			got := scores.Report{
				Scope: rep.Scope, Cgroup: rep.Cgroup, Limit: rep.Limit, Tighter: rep.Tighter, AllowedPages: rep.AllowedPages,
				Eligible: rep.Eligible, OOMGroup: rep.OOMGroup, Incomplete: rep.Incomplete,
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func with(files map[string]string, name, content string) map[string]string {
	out := map[string]string{name: content}
	for n, c := range files {
		if n != name {
			out[n] = c
		}
	}
	return out
}

func TestScoresOfNoCgroup(t *testing.T) {
	proc, dir := machine(t, nil), tree(t, map[string]string{"cgroup.controllers": "memory\n"})
	r := newReader(t, Options{Proc: proc, Cgroup: dir})
	for _, cgroup := range []string{"/none/../other", "/cgroup.controllers"} { // the latter is a file
		s, err := r.NewScores(ScoresOptions{Cgroup: cgroup})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(t.Context()); !errors.Is(err, ErrNoCgroup) || !strings.Contains(err.Error(), "looked for "+filepath.Join(dir, cgroup)) {
			t.Errorf("%v", err)
		}
	}
	empty := t.TempDir()
	if _, err := newReader(t, Options{Proc: proc, Cgroup: empty}).NewScores(ScoresOptions{Cgroup: "/a"}); !errors.Is(err, errNoMemcgs) || !strings.Contains(err.Error(), empty) {
		t.Errorf("%v", err)
	}
	// Pids of this namespace do not name processes of that procfs.
	r = newReader(t, Options{Proc: machine(t, map[string]string{"self": "-> 4194305"}), Cgroup: dir})
	if _, err := r.NewScores(ScoresOptions{Cgroup: "/a"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

// The buffers of an earlier reading leave nothing behind.
func TestScoresAgain(t *testing.T) {
	proc := machine(t, nil)
	s, err := newReader(t, Options{Proc: proc}).NewScores(ScoresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for want := 3; want > 0; want-- {
		rep, err := s.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if rep.Eligible != want || len(rep.Candidates) != want {
			t.Fatalf("%d eligible, want %d", rep.Eligible, want)
		}
		if err := os.RemoveAll(filepath.Join(proc, strconv.Itoa(rep.Candidates[0].PID))); err != nil {
			t.Fatal(err)
		}
	}
}
