// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/internal/testenv"
)

// The test binary is also the acting process.
func TestMain(m *testing.M) {
	if os.Args[0] == ChildName {
		os.Exit(Child(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// fakeProc makes a /proc with these files; the own process is 42.
func fakeProc(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "42"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("42", filepath.Join(root, "self")); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestFindHierarchy(t *testing.T) {
	unified := t.TempDir()
	if err := os.WriteFile(filepath.Join(unified, "cgroup.controllers"), []byte("cpuset cpu io memory pids\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const (
		v1       = "35 31 0:32 %s /sys/fs/cgroup/memory %s,relatime - cgroup cgroup rw,memory\n"
		v1Other  = "33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
		v2       = "41 31 0:38 / %s %s - cgroup2 cgroup2 rw\n"
		noMemory = "41 31 0:38 / /nowhere rw - cgroup2 cgroup2 rw\n"
	)
	tests := []struct {
		name, mounts, own string
		want              hierarchy
		missing           string
	}{
		{
			name:   "v1, beside a v2 without controllers",
			mounts: v1Other + fmt.Sprintf(v1, "/", "rw") + noMemory,
			own:    "5:cpu:/x\n4:memory:/a/b\n0::/c\n",
			want:   hierarchy{version: 1, mount: "/sys/fs/cgroup/memory", parents: []string{"/", "/a", "/a/b"}},
		},
		{
			name:   "v2",
			mounts: fmt.Sprintf(v2, unified, "rw,nosuid"),
			own:    "0::/user.slice/x.scope\n",
			want:   hierarchy{version: 2, mount: unified, parents: []string{"/", "/user.slice", "/user.slice/x.scope"}},
		},
		{
			name:   "a container sees its part only",
			mounts: fmt.Sprintf(v1, "/docker/1", "rw"),
			own:    "4:memory:/docker/1/x\n",
			want:   hierarchy{version: 1, mount: "/sys/fs/cgroup/memory", parents: []string{"/", "/x"}},
		},
		{
			name:   "own cgroup out of sight",
			mounts: fmt.Sprintf(v1, "/", "rw"),
			own:    "4:memory:/../other\n",
			want:   hierarchy{version: 1, mount: "/sys/fs/cgroup/memory", parents: []string{"/", "/other"}},
		},
		{name: "read-only", mounts: fmt.Sprintf(v1, "/", "ro"), own: "4:memory:/\n", missing: "read-only"},
		{name: "none", mounts: v1Other, own: "5:cpu:/\n", missing: "no cgroup filesystem"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			proc := fakeProc(t, map[string]string{"42/cgroup": tt.own, "42/mountinfo": tt.mounts})
			got, err := findHierarchy(proc)
			if tt.missing != "" {
				if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), tt.missing) {
					t.Fatalf("error %v, want an Unsupported with %q", err, tt.missing)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(hierarchy{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPlanMemcgRefuses(t *testing.T) {
	const plenty = "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n"
	for _, tt := range []struct {
		name    string
		files   map[string]string
		options MemcgOptions
		want    string
	}{
		{"panic", map[string]string{"sys/vm/panic_on_oom": "2\n", "meminfo": plenty}, MemcgOptions{}, "would panic this machine; set it to 1 or 0 first"},
		{"unknown", map[string]string{"meminfo": plenty}, MemcgOptions{}, "to be sure that this does not panic the machine"},
		{"small", map[string]string{"sys/vm/panic_on_oom": "1\n", "meminfo": plenty}, MemcgOptions{LimitBytes: 4096}, "too small"},
		{"large", map[string]string{"sys/vm/panic_on_oom": "0\n", "meminfo": plenty}, MemcgOptions{LimitBytes: 4 << 30}, "give a smaller --limit"},
		{"no figure", map[string]string{"sys/vm/panic_on_oom": "0\n", "meminfo": "MemTotal: 1 kB\n"}, MemcgOptions{}, "give a smaller --limit"},
		{"no cgroups", map[string]string{"sys/vm/panic_on_oom": "0\n", "meminfo": plenty, "42/mountinfo": "", "42/cgroup": ""}, MemcgOptions{}, "no cgroup filesystem"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.ProcFS = fakeProc(t, tt.files)
			if _, err := PlanMemcg(tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestPlanSysrq(t *testing.T) {
	proc := fakeProc(t, map[string]string{
		"1/oom_score": "2000\n", "1/comm": "init\n",
		"7/oom_score": "666\n", "7/comm": "java\n",
		"8/oom_score": "1332\n", "8/comm": "sandboxed (x)\n",
		"9/oom_score": "0\n", "9/comm": "sshd\n",
		"10/comm": "gone\n",
	})
	if _, err := PlanSysrq(SysrqOptions{ProcFS: proc}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without sysrq-trigger: %v", err)
	}
	if err := os.WriteFile(filepath.Join(proc, "sysrq-trigger"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := PlanSysrq(SysrqOptions{ProcFS: proc})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Candidate{PID: 8, Comm: "sandboxed (x)", OOMScore: 1332}, plan.Candidate()); diff != "" {
		t.Error(diff)
	}

	// The trigger is pulled only when the intended victim is the clear choice.
	trigger, err := os.OpenFile(plan.trigger(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer trigger.Close()
	if err := plan.pull(trigger, 7); err == nil || !strings.Contains(err.Error(), "would not choose") {
		t.Errorf("another comes first: %v", err)
	}
	if err := os.WriteFile(filepath.Join(proc, "7/oom_score"), []byte("1332\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := plan.pull(trigger, 7); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("another is as likely: %v", err)
	}
	if pulled, _ := os.ReadFile(plan.trigger()); len(pulled) > 0 {
		t.Fatalf("the trigger was pulled: %q", pulled)
	}
	if err := plan.pull(trigger, 8); err == nil {
		t.Error("a tie was taken for a clear choice")
	}
	if err := os.WriteFile(filepath.Join(proc, "7/oom_score"), []byte("1331\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := plan.pull(trigger, 8); err != nil {
		t.Errorf("clear choice: %v", err)
	}
	if pulled, _ := os.ReadFile(plan.trigger()); string(pulled) != "f" {
		t.Errorf("the trigger got %q", pulled)
	}
}

func TestSweep(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), `app-a\x2db[1].slice`) // as systemd escapes
	stale := cgroupPrefix + strconv.Itoa(ended.Process.Pid)
	keep := []string{cgroupPrefix + strconv.Itoa(os.Getpid()), cgroupPrefix + "x", "other"}
	slices.Sort(keep)
	for _, name := range append(keep, stale) {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sweep(dir)
	var left []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff(keep, left); diff != "" {
		t.Error(diff)
	}
}

// The controller stays for as long as another simulation is there.
func TestDisable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `app-a\x2db.slice`)
	other := filepath.Join(dir, cgroupPrefix+"1")
	if err := os.MkdirAll(other, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &cgroup{enabled: filepath.Join(dir, "cgroup.subtree_control")}
	for _, want := range []string{"", "-memory"} {
		if err := os.WriteFile(c.enabled, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := c.disable(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(c.enabled); err != nil || string(got) != want {
			t.Errorf("wrote %q (%v), want %q", got, err, want)
		}
		if err := os.RemoveAll(other); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChildRefuses(t *testing.T) {
	for _, args := range [][]string{{}, {"hog"}, {"hog", "x"}, {"hog", "-1"}, {"hog", "1", "2"}, {"clock", "1", "2", "3"}} {
		var stdout, stderr strings.Builder
		if code := Child(args, strings.NewReader(""), &stdout, &stderr); code != 1 || stderr.Len() == 0 {
			t.Errorf("%q: code %d, %q", args, code, stderr.String())
		}
	}
}

// inOwnCgroup says whether a process is in the cgroup at path, of any hierarchy.
func inOwnCgroup(t *testing.T, pid int, path string) bool {
	t.Helper()
	cgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasPrefix(filepath.Base(path), cgroupPrefix) && strings.Contains(string(cgroups), path+"\n")
}

// The kernel kills in a cgroup that says that this is simulated, if one can be made.
func TestSysrq(t *testing.T) {
	hierarchy := memcgPlan(t, MemcgOptions{}).hierarchy
	for _, tt := range []struct {
		name, proc string
		marked     bool
	}{
		{"marked", "/proc", true},
		{"no cgroups", fakeProc(t, map[string]string{"42/mountinfo": "", "42/cgroup": ""}), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := &SysrqPlan{procRoot: tt.proc, hold: 1 << 20, timeout: 30 * time.Second}
			r, err := plan.run(t.Context(), func(pid int) error {
				if l := left(t, hierarchy); (l != nil) != tt.marked {
					t.Errorf("cgroups %q", l)
				} else if tt.marked && !inOwnCgroup(t, pid, strings.TrimPrefix(l[0], hierarchy.mount)) {
					t.Errorf("%d is not in %s", pid, l[0])
				}
				return syscall.Kill(pid, syscall.SIGKILL)
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.HeldBytes != 1<<20 || (r.Cgroup != "") != tt.marked || (r.Unmarked == nil) != tt.marked {
				t.Errorf("%+v", r)
			}
			if l := left(t, hierarchy); l != nil {
				t.Errorf("left behind: %q", l)
			}
		})
	}
}

func memcgPlan(t *testing.T, o MemcgOptions) *MemcgPlan {
	t.Helper()
	testenv.Privileged(t)
	plan, err := PlanMemcg(o)
	if errors.Is(err, errors.ErrUnsupported) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// left lists the cgroups of this process that are still there.
func left(t *testing.T, h hierarchy) []string {
	t.Helper()
	var found []string
	for _, parent := range h.parents {
		path := filepath.Join(h.mount, parent, cgroupPrefix+strconv.Itoa(os.Getpid()))
		if _, err := os.Stat(path); err == nil {
			found = append(found, path)
		}
	}
	return found
}

func TestMemcg(t *testing.T) {
	const limit = 32 << 20
	plan := memcgPlan(t, MemcgOptions{LimitBytes: limit})
	r, err := plan.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The rest of the limit is page tables and what the kernel charges ahead.
	if r.TouchedBytes < limit*9/10 || r.TouchedBytes > limit {
		t.Errorf("killed after touching %d of %d bytes", r.TouchedBytes, limit)
	}
	if r.OOMKillsBefore == nil || r.OOMKillsAfter == nil || *r.OOMKillsBefore != 0 || *r.OOMKillsAfter != 1 {
		t.Errorf("the cgroup's count of kills is not 0, then 1: %+v", r)
	}
	if l := left(t, plan.hierarchy); l != nil {
		t.Errorf("left behind: %q", l)
	}
}

// Ctrl-C in the midst of it leaves no process and no cgroup behind.
func TestMemcgCancelled(t *testing.T) {
	plan := memcgPlan(t, MemcgOptions{LimitBytes: 1 << 30})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	pids := make(chan string)
	go func() {
		defer close(pids)
		for ctx.Err() == nil {
			for _, dir := range left(t, plan.hierarchy) {
				procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
				if err == nil && len(procs) > 0 {
					cancel()
					pids <- strings.TrimSpace(string(procs))
					return
				}
			}
		}
	}()
	done := make(chan error, 1)
	go func() {
		_, err := plan.Run(ctx)
		done <- err
	}()
	pid := <-pids
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want that of the context", err)
	}
	if _, err := os.Stat("/proc/" + pid); pid == "" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %q is still there: %v", pid, err)
	}
	if l := left(t, plan.hierarchy); l != nil {
		t.Errorf("left behind: %q", l)
	}
}

// A hog that no limit stops ends by itself when its parent lets go of it.
func TestHogEndsWithParent(t *testing.T) {
	hog, err := startHog(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", hog.pid()))
	if err != nil || string(comm) != ChildName+"\n" {
		t.Errorf("comm is %q (%v)", comm, err)
	}
	adj, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", hog.pid()))
	if err != nil || string(adj) != "1000\n" {
		t.Errorf("oom_score_adj is %q (%v)", adj, err)
	}
	if err := hog.begin(); err != nil {
		t.Fatal(err)
	}
	if word := hog.word(); word != wordFull {
		t.Fatalf("word %q", word)
	}
	if err := hog.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	touched, err := hog.wait()
	if err == nil || touched != 1<<20 {
		t.Errorf("touched %d, error %v, want all of it and an exit", touched, err)
	}
}

func TestClock(t *testing.T) {
	testenv.Privileged(t)
	none := fakeProc(t, map[string]string{"42/mountinfo": "", "42/cgroup": ""})
	hierarchy := memcgPlan(t, MemcgOptions{}).hierarchy
	for proc, marked := range map[string]bool{"/proc": true, none: false} {
		r, err := Clock(t.Context(), ClockOptions{Count: 3, ProcFS: proc})
		if err != nil {
			t.Fatal(err)
		}
		if r.PID <= 0 || r.PID == os.Getpid() || r.Calls != 3 || (r.Cgroup != "") != marked || (r.Unmarked == nil) != marked {
			t.Errorf("%+v", r)
		}
		if l := left(t, hierarchy); l != nil {
			t.Errorf("left behind: %q", l)
		}
	}
	// It enters the cgroup that it is told of.
	procs := filepath.Join(t.TempDir(), "cgroup.procs")
	if err := act(t.Context(), "clock", "1", procs).Run(); err != nil {
		t.Fatal(err)
	}
	if entered, err := os.ReadFile(procs); err != nil || string(entered) != "0" {
		t.Errorf("wrote %q (%v)", entered, err)
	}
	err := act(t.Context(), "clock", "1", procs+"/none").Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Errorf("without its cgroup: %v", err)
	}
}
