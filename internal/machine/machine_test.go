// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/explain"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// tree writes files below a new folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// The slabs are of a Debian 12 machine, the mounts of a node with containerd.
const (
	slabinfo = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
nf_conntrack          51     51    320   51    4 : tunables    0    0    0 : slabdata      1      1      0
ext4_inode_cache  141426 141642   1176   27    8 : tunables    0    0    0 : slabdata   5246   5246      0
dentry            189903 193368    192   42    2 : tunables    0    0    0 : slabdata   4604   4604      0
kmalloc-8k            52     56   8192    4    8 : tunables    0    0    0 : slabdata     14     14      0
empty                  0      0     16  256    1 : tunables    0    0    0 : slabdata      0      0      0
broken               x 56 8192 4 8 : tunables 0 0 0 : slabdata 14 14 0
`
	mountinfo = `26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
24 26 0:22 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,size=813344k,mode=755
31 26 0:30 / /mnt/nfs rw shared:6 - nfs4 server:/export rw,vers=4.2
32 31 0:31 / /mnt/nfs/scratch rw shared:7 - tmpfs tmpfs rw
33 26 0:32 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw
34 26 0:32 / /again rw shared:4 - tmpfs tmpfs rw
35 26 0:33 / /var/lib/kubelet/pods/a/volumes/kubernetes.io~empty-dir/with\040space rw - tmpfs tmpfs rw,size=4k
36 26 0:34 / /home rw - fuse.sshfs me@host: rw
broken
`
)

func TestParseSlabinfo(t *testing.T) {
	want := []event.Slab{
		{Name: "ext4_inode_cache", UsedBytes: 141426 * 1176, TotalBytes: 5246 * 8 * 4096},
		{Name: "dentry", UsedBytes: 189903 * 192, TotalBytes: 4604 * 2 * 4096},
		{Name: "kmalloc-8k", UsedBytes: 52 * 8192, TotalBytes: 14 * 8 * 4096},
		{Name: "nf_conntrack", UsedBytes: 51 * 320, TotalBytes: 4 * 4096},
	}
	if diff := cmp.Diff(want, parseSlabinfo(slabinfo, 4096)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := parseSlabinfo(strings.Repeat(slabinfo, 9), 4096); len(got) != slabsTold {
		t.Errorf("%d caches, not the first %d", len(got), slabsTold)
	}
}

func TestTmpfsMounts(t *testing.T) {
	want := []string{"/run", "/dev/shm", "/var/lib/kubelet/pods/a/volumes/kubernetes.io~empty-dir/with space"}
	if diff := cmp.Diff(want, tmpfsMounts(mountinfo)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// A mount that says that it is in itself, or in a circle of them, ends the search.
	const circle = "1 2 0:1 / /a rw - tmpfs t rw\n2 1 0:2 / /b rw - ext4 t rw\n3 3 0:3 / /c rw - tmpfs t rw\n"
	if diff := cmp.Diff([]string{"/a", "/c"}, tmpfsMounts(circle)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRead(t *testing.T) {
	u := event.Ptr[uint64]
	proc := tree(t, map[string]string{
		"meminfo":                "MemTotal: 8000 kB\nCommitLimit: 5000 kB\nHugePages_Free:       7\nHugePages_Rsvd:       4\nHugepagesize: 2048 kB\n",
		"slabinfo":               slabinfo,
		"1/mountinfo":            mountinfo,
		"1/comm":                 "systemd\n",
		"7/comm":                 "kubelet\n",
		"7/status":               "Name:\tkubelet\nUid:\t1000\t1000\t1000\t1000\n", // somebody else's
		"7/cmdline":              "kubelet\x00--fail-swap-on=true\x00",
		"8/comm":                 "kubelet\n",
		"8/status":               "Name:\tkubelet\nUid:\t0\t0\t0\t0\n",
		"8/cmdline":              "/usr/bin/kubelet\x00--config=/etc/kubelet.yaml\x00--config-dir=/etc/kubelet.d\x00",
		"sys/vm/panic_on_oom":    "0\n",
		"sys/kernel/panic":       "10\n",
		"sys/vm/min_free_kbytes": "67584\n",
		"sys/kernel/threads-max": "192729\n",
		"sys/vm/nr_hugepages":    "0\n",
	})
	root := tree(t, map[string]string{
		"etc/kubelet.yaml":                "failSwapOn: false\nmemorySwap:\n  swapBehavior: NoSwap\n",
		"etc/kubelet.d/10-swap.conf":      "memorySwap:\n  swapBehavior: LimitedSwap\n",
		"etc/systemd/system/cart.service": "[Service]\nMemoryMax=2G\nTasksMax=100\nOOMScoreAdjust=-500\n",
		"etc/passwd":                      "[Service]\nMemoryMax=1\n",
	})
	sys := tree(t, map[string]string{"fs/cgroup/cgroup.controllers": "memory\n"})
	m, gaps, err := Read(t.Context(), procsnap.Options{Proc: proc, Sys: sys, Root: root}, Wanted{
		Cgroups: []string{"/cart.service"}, Units: []string{"cart.service", "../../../etc/passwd", "none.service"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &explain.Machine{
		Settings: explain.Settings{
			Settings:     event.Settings{PanicOnOOM: event.Ptr(0)},
			PanicSeconds: event.Ptr(10), MinFreeBytes: u(67584 << 10), Hugepages: u(0), ThreadsMax: u(192729),
		},
		Memory:           &event.Memory{Source: "meminfo", TotalBytes: u(8000 << 10), HugetlbFreeBytes: u(7 * 2 << 20)},
		CommitLimitBytes: u(5000 << 10), HugepageBytes: u(2 << 20), HugepagesSpare: u(3),
		CgroupVersion: 2,
		Kubelet:       &explain.Kubelet{Runs: true, SwapBehavior: "LimitedSwap", FailSwapOn: event.Ptr(false)},
		Units:         []explain.Unit{{Name: "cart.service", MemoryMax: "2147483648", TasksMax: "100", OOMScoreAdjust: "-500"}},
		Slabs:         parseSlabinfo(slabinfo, uint64(os.Getpagesize())),
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// A folder is no hierarchy: the cgroup's limits are not known, and that is said. Nor
	// do these processes have an oom_score_adj.
	var told []string
	for _, g := range gaps {
		told = append(told, g.String())
	}
	if len(told) != 1 || !strings.HasPrefix(told[0], "cgroup /cart.service: ") {
		t.Errorf("gaps %q", told)
	}
}

// Nothing can be read: everything is absent, and said.
func TestReadNothing(t *testing.T) {
	none := t.TempDir()
	m, gaps, err := Read(t.Context(), procsnap.Options{Proc: none, Sys: none, Root: none}, Wanted{Units: []string{"a.service"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&explain.Machine{}, m); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	facts := map[string]bool{}
	for _, g := range gaps {
		facts[g.Fact] = true
		if strings.Count(g.String(), "no such file") > 1 {
			t.Errorf("says it twice: %s", g)
		}
	}
	for _, fact := range []string{"sysctls", "memory", "cgroups", "slab caches", "kubelet", "tmpfs"} {
		if !facts[fact] {
			t.Errorf("%s: no gap among %v", fact, gaps)
		}
	}
	if _, _, err := Read(t.Context(), procsnap.Options{Proc: filepath.Join(none, "x")}, Wanted{}); err == nil {
		t.Error("no error without procfs")
	}
}

// What comes too late is not waited for, and does not come after all.
func TestReadLate(t *testing.T) {
	none := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m, gaps, err := Read(ctx, procsnap.Options{Proc: none, Sys: none, Root: none}, Wanted{})
	if err != nil || m == nil || len(gaps) == 0 {
		t.Errorf("%+v, %v, %v", m, gaps, err)
	}
}

// This machine.
func TestReadNative(t *testing.T) {
	m, gaps, err := Read(t.Context(), procsnap.Options{}, Wanted{Cgroups: []string{"/"}})
	if err != nil {
		t.Fatal(err)
	}
	if m.Memory == nil || m.Memory.TotalBytes == nil || m.CommitLimitBytes == nil || m.Settings.OvercommitMemory == nil || m.Settings.ThreadsMax == nil {
		t.Errorf("%+v; gaps %v", m, gaps)
	}
	for _, mount := range m.Tmpfs {
		if mount.UsedBytes > mount.SizeBytes {
			t.Errorf("%+v", mount)
		}
	}
}

func TestGap(t *testing.T) {
	for _, tt := range []struct {
		gap  Gap
		want string
	}{
		{Gap{"slab caches", "/proc/slabinfo", &fs.PathError{Op: "open", Path: "/proc/slabinfo", Err: fs.ErrPermission}}, "slab caches: /proc/slabinfo: permission denied"},
		{Gap{"kubelet", "/proc", errors.New("hidden")}, "kubelet: /proc: hidden"},
		{Gap{"cgroup /a", "", errors.New("read cgroup: x")}, "cgroup /a: read cgroup: x"},
	} {
		if got := tt.gap.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add(slabinfo, mountinfo)
	f.Fuzz(func(t *testing.T, slabs, mounts string) {
		for _, s := range parseSlabinfo(slabs, 4096) {
			if s.TotalBytes == 0 {
				t.Errorf("an empty cache: %+v", s)
			}
		}
		tmpfsMounts(mounts)
	})
}
