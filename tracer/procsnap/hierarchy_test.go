// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestFindMemcgs(t *testing.T) {
	const v1, controllers = "memory.usage_in_bytes", "cgroup.controllers"
	for _, tt := range []struct {
		name    string
		files   map[string]string
		dir     string // below the root that is looked at
		version int    // 0: none is found
	}{
		{"v2", map[string]string{controllers: "cpu io memory pids\n"}, "", 2},
		{"v2, a cgroup named unified", map[string]string{controllers: "memory\n", "unified/" + controllers: "memory\n"}, "", 2},
		{"v1", map[string]string{"memory/" + v1: "1\n", "cpu/cgroup.procs": ""}, "memory", 1},
		{"v1, its mount", map[string]string{v1: "1\n"}, "", 1},
		{"v1, its mount, and a cgroup named memory", map[string]string{v1: "1\n", "memory/" + v1: "1\n"}, "", 1},
		{"v1, by a link", map[string]string{"cpu,memory/" + v1: "1\n", "memory": "-> cpu,memory"}, "memory", 1},
		{"both, memory on v1", map[string]string{"memory/" + v1: "1\n", "unified/" + controllers: "hugetlb\n"}, "memory", 1},
		{"both, memory on v2", map[string]string{"cpu/cgroup.procs": "", "unified/" + controllers: "memory\n"}, "unified", 2},
		{"v2 without the controller", map[string]string{controllers: "cpu memory2\n"}, "", 0},
		{"v1 without the controller", map[string]string{"cpu/cgroup.procs": "", "memory/": ""}, "", 0},
		{"nothing", nil, "", 0},
	} {
		root := tree(t, tt.files)
		m, err := findMemcgs(root + "/")
		want := memcgs{filepath.Join(root, tt.dir), tt.version}
		if tt.version == 0 {
			want = memcgs{}
		}
		if m != want || errors.Is(err, errNoMemcgs) != (tt.version == 0) {
			t.Errorf("%s: %+v, %v", tt.name, m, err)
		}
		if check := CheckCgroups(root); (check == nil) != (err == nil) {
			t.Errorf("%s: checked: %v, looked for: %v", tt.name, check, err)
		}
	}
	if err := CheckCgroups("/proc"); !errors.Is(err, errNoMemcgs) {
		t.Errorf("procfs: %v", err)
	}
	if err := CheckCgroups(filepath.Join(t.TempDir(), "none")); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

// Everything reads the cgroups where Options.Cgroup says, by way of a link too.
func TestOptionsCgroup(t *testing.T) {
	fourKiB(t)
	root := tree(t, map[string]string{
		"real/cgroup.controllers": "memory\n", "real/cgroup.procs": "5\n",
		"real/a/memory.current": "4096\n", "real/a/b/memory.current": "4096\n", "real/a/b/cgroup.procs": "4\n", "link": "-> real",
	})
	// Another hierarchy, where it is looked for by default.
	sys := tree(t, map[string]string{"fs/cgroup/cgroup.controllers": "memory\n", "fs/cgroup/other/memory.current": "4096\n"})
	r := newReader(t, Options{Proc: machine(t, nil), Sys: sys, Cgroup: filepath.Join(root, "link")})

	s := NewSampler(r, false)
	defer s.Close()
	var paths []string
	for _, c := range s.Sample(time.Second).Cgroups {
		paths = append(paths, c.Path)
	}
	slices.Sort(paths)
	if diff := cmp.Diff([]string{"/a", "/a/b"}, paths); diff != "" {
		t.Errorf("sampled (-want +got)\n%s", diff)
	}
	ranking, err := r.NewScores(ScoresOptions{Cgroup: "/"})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := ranking.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := pages(t, rep); len(got) != 2 || got[4] == 0 || got[5] == 0 {
		t.Errorf("ranked %v", got)
	}
	paths = nil
	if err := r.memcgs.walk("/", func(c string) error { paths = append(paths, c); return nil }); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"/", "/a", "/a/b"}, paths); diff != "" {
		t.Errorf("walked (-want +got)\n%s", diff)
	}
	fd, err := r.openCgroup(CgroupRef{Version: 2, Path: "/a/b", ID: inode(t, filepath.Join(root, "real/a/b"))})
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	// It is none of a host's hierarchies.
	if s.sample.CgroupsFromRoot {
		t.Error("paths in a folder are taken for the kernel's")
	}
	if _, _, err := r.WatchCgroups(nil, nil); err == nil {
		t.Error("a folder is taken for the host's hierarchy")
	}
}
