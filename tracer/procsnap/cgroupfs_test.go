// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func u64(n uint64) *uint64 { return &n }

func TestMemoryStat(t *testing.T) {
	v1 := event.CgroupStat{
		AnonBytes: u64(18034688), FileBytes: u64(1473265664), ShmemBytes: u64(0),
		FileMappedBytes: u64(13160448), FileDirtyBytes: u64(25206784), FileWritebackBytes: u64(0),
		ActiveAnonBytes: u64(69632), InactiveAnonBytes: u64(10809344),
		ActiveFileBytes: u64(836014080), InactiveFileBytes: u64(627056640), UnevictableBytes: u64(17227776),
	}
	v2 := event.CgroupStat{
		AnonBytes: u64(1404411904), FileBytes: u64(681574400), ShmemBytes: u64(671088640),
		KernelBytes: u64(27262976), SlabBytes: u64(18110528), KernelStackBytes: u64(1425408), PagetablesBytes: u64(5242880),
		SlabReclaimableBytes: u64(12140544), SlabUnreclaimableBytes: u64(5969984),
		PercpuBytes: u64(92160), VmallocBytes: u64(8192), SockBytes: u64(36864), ZswapBytes: u64(4096),
		FileMappedBytes: u64(12582912), FileDirtyBytes: u64(135168), FileWritebackBytes: u64(12288),
		ActiveAnonBytes: u64(8388608), InactiveAnonBytes: u64(2067111936),
		ActiveFileBytes: u64(6291456), InactiveFileBytes: u64(4194304), UnevictableBytes: u64(20480),
	}
	for _, tt := range []struct {
		name    string
		file    []byte
		version int
		want    event.CgroupStat
	}{
		{"v1", recorded(t, "v1-memory.stat"), 1, v1},
		{"v2", recorded(t, "v2-memory.stat"), 2, v2},
		{"of the wrong version", recorded(t, "v2-memory.stat"), 1, event.CgroupStat{}},
		{"v1, own counters alone", []byte("rss 4096\ncache 8192\n"), 1, event.CgroupStat{}},
		{"empty", nil, 2, event.CgroupStat{}},
		{"broken", []byte("anon\nfile x\nshmem -1\nslab 18446744073709551616\nsock  5 6\n anon 3\nkernel 7\npercpu 12"), 2, event.CgroupStat{KernelBytes: u64(7)}},
	} {
		if diff := cmp.Diff(tt.want, parseMemoryStat(tt.file, tt.version)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// cgroupTree is a folder that stands for a cgroup, and a Reader that finds it.
func cgroupTree(t *testing.T, version int, files map[string]string) (*Reader, CgroupRef) {
	t.Helper()
	r := newReader(t, Options{})
	root := t.TempDir()
	r.memcgs, r.memcgsErr = memcgs{root, version}, nil
	dir := filepath.Join(root, "shop.slice", "web\n.scope")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return r, CgroupRef{Version: version, Path: "/shop.slice/web\n.scope", ID: inode(t, dir)}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestAnswerLimit(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version int
		files   map[string]string
		want    *event.Limit
	}{
		{"v2", 2, map[string]string{
			"memory.events": "low 1\nhigh 88123\nmax 4120\noom 3\noom_kill 2\noom_group_kill 0\nsock_throttled 0\n",
			"memory.high":   "1932735283\n", "memory.min": "0\n", "memory.low": "536870912\n",
			"memory.stat": "anon 4096\nfile 8192\n",
		}, &event.Limit{
			HighBytes: u64(1932735283), MinBytes: u64(0), LowBytes: u64(536870912),
			Events: &event.CgroupEvents{Low: u64(1), High: u64(88123), Max: u64(4120), OOM: u64(3), OOMKill: u64(2), OOMGroupKill: u64(0)},
			Stat:   &event.CgroupStat{AnonBytes: u64(4096), FileBytes: u64(8192)},
		}},
		{"v2, unlimited", 2, map[string]string{"memory.high": "max\n", "memory.low": "max\n"}, nil},
		{"v1", 1, map[string]string{
			"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
			"memory.failcnt":     "70212\n", "memory.kmem.usage_in_bytes": "135168\n", "memory.stat": "rss 1\ntotal_rss 4096\n",
		}, &event.Limit{
			Events: &event.CgroupEvents{OOMKill: u64(3), FailCnt: u64(70212)},
			Stat:   &event.CgroupStat{AnonBytes: u64(4096), KernelBytes: u64(135168)},
		}},
		{"v1, met by memory and swap", 1, map[string]string{"memory.oom_control": "oom_kill 1\n", "memory.failcnt": "0\n"},
			&event.Limit{Events: &event.CgroupEvents{OOMKill: u64(1)}}},
		{"v1, no files", 1, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, ref := cgroupTree(t, tt.version, tt.files)
			a := r.answer(Request{Limit: &ref})
			a.More = true
			a.Add(r.rest(Request{Limit: &ref}, ""))
			if diff := cmp.Diff(tt.want, a.Limit); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			ref.ID++ // another cgroup of that name
			if a := r.answer(Request{Limit: &ref}); a.Limit != nil {
				t.Errorf("another cgroup: %+v", a.Limit)
			}
		})
	}
}

// No path leads out of the mount.
func TestOpenCgroupBelow(t *testing.T) {
	root := tree(t, map[string]string{"a/b/": "", "file": "", "out": "-> /", "a/up": "-> ..", "a/b/x": ""})
	for _, tt := range []struct {
		path string
		want error
	}{
		{"/", nil},
		{"", nil},
		{"/a/b", nil},
		{"//a/b", nil},
		{"/a/./b", nil},
		{"/a/../a", nil}, // within
		{"/..", unix.EXDEV},
		{"/../../etc", unix.EXDEV},
		{"/a/../../etc", unix.EXDEV},
		{"/out", unix.ELOOP},
		{"/out/etc", unix.ELOOP},
		{"/a/up", unix.ELOOP},
		{"/file", unix.ENOTDIR},
		{"/none", unix.ENOENT},
		{"/" + strings.Repeat("x/", 4096), unix.ENAMETOOLONG},
		{"/a\x00b", unix.EINVAL},
	} {
		fd, err := (memcgs{dir: root}).open(tt.path)
		if err == nil {
			unix.Close(fd)
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%.20q: %v, want %v", tt.path, err, tt.want)
		}
	}
}

// A real cgroup is found by its path and id, and told apart from one made anew.
func TestRealCgroup(t *testing.T) {
	testenv.Privileged(t)
	r := newReader(t, Options{})
	if r.memcgsErr != nil {
		testenv.Skip(t, "%v", r.memcgsErr)
	}
	name := fmt.Sprintf("oomtrace-test-%d", os.Getpid())
	dir := filepath.Join(r.memcgs.dir, name)
	mkdir := func() CgroupRef {
		if err := os.Mkdir(dir, 0o755); err != nil {
			testenv.Skip(t, "no cgroup can be made: %v", err)
		}
		return CgroupRef{Version: r.memcgs.version, Path: "/" + name, ID: inode(t, dir)}
	}
	rmdir := func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	}
	ref := mkdir()
	fd, err := r.openCgroup(ref)
	if err != nil {
		rmdir()
		t.Fatal(err)
	}
	unix.Close(fd)
	_, err = os.Stat(filepath.Join(dir, "memory.stat"))
	if a := r.rest(Request{Limit: &ref}, ""); (a.Limit == nil) != (err != nil) {
		t.Errorf("limit %+v; memory.stat: %v", a.Limit, err)
	} else if err == nil && a.Limit.Stat.AnonBytes == nil {
		t.Errorf("%+v", a.Limit.Stat)
	}
	other := ref
	other.Version = 3 - ref.Version
	if _, err := r.openCgroup(other); err == nil {
		t.Error("opened by the other version's name")
	}
	rmdir()
	if _, err := r.openCgroup(ref); !errors.Is(err, unix.ENOENT) {
		t.Errorf("removed: %v", err)
	}
	again := mkdir()
	if _, err := r.openCgroup(ref); !errors.Is(err, ErrGone) || again.ID == ref.ID {
		t.Errorf("made anew: %v, ids %d and %d", err, ref.ID, again.ID)
	}
	rmdir()
	// The hierarchy's root has the id 1: below another one no path is the kernel's.
	if !r.memcgs.fromRoot() {
		t.Logf("%s shows a part of the hierarchy", r.memcgs.dir)
	}
}

func FuzzMemoryStat(f *testing.F) {
	f.Add(recorded(f, "v1-memory.stat"), 1)
	f.Add(recorded(f, "v2-memory.stat"), 2)
	f.Add([]byte("low 1\noom_kill 2\n"), 2)
	f.Fuzz(func(t *testing.T, file []byte, version int) {
		s := parseMemoryStat(file, version)
		for _, v := range []*uint64{s.AnonBytes, s.FileBytes, s.ShmemBytes, s.UnevictableBytes} {
			if v != nil && !strings.Contains(string(file), fmt.Sprint(*v)) {
				t.Errorf("%d is not in the file", *v) // with zeros in front it is, too
			}
		}
		parseMemoryEvents(file)
		parseOOMControl(file)
	})
}

// BenchmarkLimit reads the cgroup of this process: what a kill waits for first, and the
// rest.
func BenchmarkLimit(b *testing.B) {
	r := newReader(b, Options{})
	self, err := r.Task(os.Getpid(), 0)
	if err != nil || self.Cgroup == nil {
		b.Skipf("no cgroup: %v", err)
	}
	ref := CgroupRef{Version: self.Cgroup.Version, Path: self.Cgroup.Path}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(r.memcgs.dir, ref.Path), &st); err != nil {
		b.Skip(err)
	}
	ref.ID = st.Ino
	req := Request{Limit: &ref}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if r.answer(req).Limit == nil {
				b.Fatal("nothing")
			}
		}
	})
	b.Run("rest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if r.rest(req, "").Limit == nil {
				b.Fatal("nothing")
			}
		}
	})
}
