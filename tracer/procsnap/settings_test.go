// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

const meminfo = `MemTotal:        8101500 kB
MemFree:         4812356 kB
MemAvailable:    6890212 kB
Buffers:          158388 kB
Cached:          2034988 kB
SwapTotal:       1048572 kB
SwapFree:        1048000 kB
Shmem:              1116 kB
Slab:             170980 kB
`

func TestMemory(t *testing.T) {
	r := newReader(t, Options{Proc: tree(t, map[string]string{"meminfo": meminfo})})
	got, err := r.Memory()
	if err != nil {
		t.Fatal(err)
	}
	kib := func(n uint64) *uint64 { return event.Ptr(n << 10) }
	want := &event.Memory{
		TotalBytes: kib(8101500), FreeBytes: kib(4812356), AvailableBytes: kib(6890212), CachedBytes: kib(2034988),
		ShmemBytes: kib(1116), SlabBytes: kib(170980), SwapTotalBytes: kib(1048572), SwapFreeBytes: kib(1048000),
		Source: "meminfo",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// As recorded, on a kernel of 6.18.
	got = parseMeminfo(recorded(t, "meminfo"))
	for name, v := range map[string]*uint64{
		"AnonPages": got.AnonBytes, "Active(anon)": got.ActiveAnonBytes, "Inactive(anon)": got.InactiveAnonBytes,
		"Active(file)": got.ActiveFileBytes, "Inactive(file)": got.InactiveFileBytes, "Unevictable": got.UnevictableBytes,
		"Mlocked": got.MlockedBytes, "SReclaimable": got.SlabReclaimableBytes, "SUnreclaim": got.SlabUnreclaimableBytes,
		"KernelStack": got.KernelStackBytes, "PageTables": got.PagetablesBytes, "Committed_AS": got.CommittedBytes, "Hugetlb": got.HugetlbBytes,
	} {
		if v == nil || !regexp.MustCompile(fmt.Sprintf(`(?m)^%s: +%d kB$`, regexp.QuoteMeta(name), *v>>10)).Match(recorded(t, "meminfo")) {
			t.Errorf("%s is %v", name, v)
		}
	}
	if f := got.HugetlbFreeBytes; f == nil || *f != 0 {
		t.Errorf("free huge pages: %v", f)
	}
	const huge = "HugePages_Total:       8\nHugePages_Free:        3\nHugepagesize:       2048 kB\nHugetlb:           16384 kB\n"
	if got = parseMeminfo([]byte(huge)); *got.HugetlbBytes != 16<<20 || *got.HugetlbFreeBytes != 6<<20 {
		t.Errorf("huge pages: %+v", got)
	}
	if got = parseMeminfo([]byte("HugePages_Free: 99999999999\nHugepagesize: 2048 kB\n")); got.HugetlbFreeBytes != nil {
		t.Errorf("too many huge pages: %+v", got)
	}

	// RHEL 6 has no MemAvailable: it is absent, not 0.
	r = newReader(t, Options{Proc: tree(t, map[string]string{"meminfo": "MemTotal: 1 kB\n"})})
	if got, err = r.Memory(); err != nil || got.AvailableBytes != nil || *got.TotalBytes != 1024 {
		t.Errorf("an old meminfo: %+v, %v", got, err)
	}
	const broken = "MemTotal\nMemFree: x kB\nMemAvailable: 5\nCached: 18446744073709551615 kB\nShmem: -1 kB\n:\nSwapFree: 3 kB"
	want = &event.Memory{SwapFreeBytes: event.Ptr[uint64](3 << 10), Source: "meminfo"}
	if diff := cmp.Diff(want, parseMeminfo([]byte(broken))); diff != "" {
		t.Errorf("broken lines (-want +got):\n%s", diff)
	}
	if _, err = newReader(t, Options{Proc: t.TempDir()}).Memory(); err == nil {
		t.Error("no error without meminfo")
	}
}

func TestSettings(t *testing.T) {
	proc := tree(t, map[string]string{
		"meminfo":                         meminfo,
		"cmdline":                         "root=/dev/vda1 crashkernel=256M,high crashkernel=64M,low quiet\n",
		"sys/vm/panic_on_oom":             "2\n",
		"sys/vm/oom_kill_allocating_task": "0\n",
		"sys/vm/swappiness":               "60\n",
	})
	sys := tree(t, map[string]string{"kernel/kexec_crash_loaded": "1\n", "kernel/kexec_crash_size": "268435456\n"})
	kdump := event.Kdump{Loaded: event.Ptr(true), ReservedBytes: event.Ptr(uint64(256 << 20)), Crashkernel: "256M,high 64M,low"}
	with := func(tool, collector string, level *int, target string) *event.Kdump {
		k := kdump
		k.Tool, k.Collector, k.DumpLevel, k.Target = tool, collector, level, target
		return &k
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  *event.Kdump
	}{
		{"no service", nil, &kdump},
		{"Debian", map[string]string{"etc/default/kdump-tools": "KDUMP_COREDIR=/srv\n"},
			with("kdump-tools", "makedumpfile", event.Ptr(31), "/srv")},
		{"RHEL", map[string]string{"etc/kdump.conf": "core_collector makedumpfile -d 17\n", "etc/sysconfig/kdump": "KDUMP_IMG=vmlinuz\n"},
			with("kdump.conf", "makedumpfile", event.Ptr(17), "/var/crash")},
		{"SUSE", map[string]string{"etc/sysconfig/kdump": "KDUMP_SAVEDIR=/d\n"},
			with("sysconfig", "makedumpfile", event.Ptr(31), "/d")},
		{"another sysconfig", map[string]string{"etc/sysconfig/kdump": "KDUMP_IMG=vmlinuz\n"}, &kdump},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t, Options{Proc: proc, Sys: sys, Root: tree(t, tt.files)})
			want := &event.Settings{
				PanicOnOOM: event.Ptr(2), OOMKillAllocatingTask: event.Ptr(0), Swappiness: event.Ptr(60),
				SwapTotalBytes: event.Ptr(uint64(1048572 << 10)), Kdump: tt.want,
			}
			if diff := cmp.Diff(want, r.Settings()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	empty := t.TempDir()
	if diff := cmp.Diff(&event.Settings{}, newReader(t, Options{Proc: empty, Sys: empty, Root: empty}).Settings()); diff != "" {
		t.Errorf("nothing to read, -want +got:\n%s", diff)
	}
}

func TestHost(t *testing.T) {
	const machine = "0123456789abcdef0123456789abcdef"
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	proc := tree(t, map[string]string{
		"sys/kernel/hostname":       "container\n",
		"sys/kernel/osrelease":      "6.1.0-test\n",
		"sys/kernel/random/boot_id": "c8a5c6a2-7f0a-4f43-9a55-6c6a6f2f5a10\n",
	})
	root := tree(t, map[string]string{"etc/machine-id": machine + "\n", "etc/hostname": "node\n"})
	young := tree(t, map[string]string{"etc/machine-id": "uninitialized\n"})
	for _, tt := range []struct {
		name    string
		opts    Options
		want    string
		machine string
	}{
		{"given", Options{Root: root, HostName: "mine"}, "mine", machine},
		{"of the host's root", Options{Root: root}, "node", machine},
		{"of the kernel", Options{Root: young}, "container", ""},
	} {
		tt.opts.Proc = proc
		want := &event.Host{
			Name: tt.want, MachineID: tt.machine, BootID: "c8a5c6a2-7f0a-4f43-9a55-6c6a6f2f5a10",
			Kernel: "6.1.0-test", Arch: unix.ByteSliceToString(uts.Machine[:]), PageSizeBytes: os.Getpagesize(),
		}
		if diff := cmp.Diff(want, newReader(t, tt.opts).Host()); diff != "" {
			t.Errorf("%s, -want +got:\n%s", tt.name, diff)
		}
	}

	// This machine.
	name, err := os.Hostname()
	h := newReader(t, Options{}).Host()
	if err != nil || h.Name != name || h.Kernel != unix.ByteSliceToString(uts.Release[:]) || strings.Count(h.BootID, "-") != 4 {
		t.Errorf("this host %+v, name %q, %v", h, name, err)
	}
}

func FuzzMeminfo(f *testing.F) {
	f.Add([]byte(meminfo))
	f.Add([]byte("MemTotal: 18014398509481983 kB\nSlab:kB\nSlab: kB"))
	f.Fuzz(func(t *testing.T, file []byte) {
		m := parseMeminfo(file)
		for _, v := range []*uint64{m.TotalBytes, m.FreeBytes, m.AvailableBytes, m.CachedBytes, m.ShmemBytes, m.SlabBytes, m.SwapTotalBytes, m.SwapFreeBytes} {
			if v != nil && *v%1024 != 0 {
				t.Errorf("%d bytes are no whole kB", *v)
			}
		}
	})
}

func BenchmarkMemory(b *testing.B) {
	r := newReader(b, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Memory(); err != nil {
			b.Fatal(err)
		}
	}
}
