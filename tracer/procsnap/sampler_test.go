// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// sampledTask adds the files of one that a Sampler reads.
func sampledTask(files map[string]string, pid int, comm string, ticks uint64, pages int) {
	dir := fmt.Sprintf("%d/", pid)
	files[dir+"stat"] = statLine(pid, comm, "S", 0x400000, ticks)
	files[dir+"statm"] = statm(pages)
	files[dir+"cgroup"] = "4:cpu,memory:/shop\n0::/\n"
}

func statm(pages int) string { return fmt.Sprintf("9000 %d 257 10 0 300 0\n", pages) }

func resize(t *testing.T, root string, pid, pages int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(root, fmt.Sprint(pid), "statm"), []byte(statm(pages)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func sizes(s *Sample) map[int]uint64 {
	out := map[int]uint64{}
	for _, task := range s.Tasks {
		out[task.PID] = task.Bytes / uint64(os.Getpagesize())
	}
	return out
}

func TestSampler(t *testing.T) {
	files := map[string]string{
		"meminfo":         "MemTotal: 100 kB\n",
		"pressure/memory": "some avg10=1.50 avg60=0.00 avg300=0.00 total=7\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=3\n",
		"vmstat":          "pgscan_direct 5\n",
		"99/statm":        statm(4), // gone meanwhile: it has nothing else
		"self/statm":      statm(9000),
	}
	sampledTask(files, 10, "java", 500, 1000)
	sampledTask(files, 11, "sh", 501, 20)
	sampledTask(files, 12, "w\xffrker\\n", 502, 30)
	sampledTask(files, 13, "kworker", 1, 0)
	root := tree(t, files)
	s := NewSampler(newReader(t, Options{Proc: root, Sys: root}), true)
	defer s.Close()

	got := s.Sample(time.Second)
	if diff := cmp.Diff(map[int]uint64{10: 1000, 11: 20, 12: 30}, sizes(got)); diff != "" {
		t.Errorf("first (-want +got)\n%s", diff)
	}
	if got.BoottimeNS == 0 || got.CPU <= 0 || *got.Memory.TotalBytes != 100<<10 || *got.Pressure.SomeUS != 7 || *got.Reclaim.DirectScanPages != 5 || got.Cgroups == nil || len(got.Cgroups) != 0 {
		t.Errorf("machine %+v", got)
	}
	i := slices.IndexFunc(got.Tasks, func(task TaskSize) bool { return task.PID == 12 })
	want := TaskSize{Slot: got.Tasks[i].Slot, PID: 12, StartNS: 5_020_000_000, Comm: "w\ufffdrker\\n", CommHex: "77ff726b65725c6e", Cgroup: "/shop",
		Size: Size{got.BoottimeNS, 30 * uint64(os.Getpagesize())}}
	if diff := cmp.Diff(want, got.Tasks[i]); diff != "" {
		t.Errorf("task (-want +got)\n%s", diff)
	}

	// It grows; it loses its memory; it executes another program; its pid is another's.
	resize(t, root, 10, 5000)
	resize(t, root, 11, 0)
	if err := os.WriteFile(filepath.Join(root, "12/stat"), []byte(statLine(12, "sleep", "S", 0x400000, 502)), 0o644); err != nil {
		t.Fatal(err)
	}
	resize(t, root, 12, 2)
	got = s.Sample(time.Second)
	if diff := cmp.Diff(map[int]uint64{10: 5000, 12: 2}, sizes(got)); diff != "" {
		t.Errorf("second (-want +got)\n%s", diff)
	}
	i = slices.IndexFunc(got.Tasks, func(task TaskSize) bool { return task.PID == 12 })
	if got.Tasks[i].Comm != "sleep" || got.Tasks[i].Slot != want.Slot {
		t.Errorf("after exec %+v", got.Tasks[i])
	}
	if err := os.WriteFile(filepath.Join(root, "10/stat"), []byte(statLine(10, "other", "S", 0, 900)), 0o644); err != nil {
		t.Fatal(err)
	}
	resize(t, root, 10, 40)
	got = s.Sample(time.Second)
	i = slices.IndexFunc(got.Tasks, func(task TaskSize) bool { return task.PID == 10 })
	if i < 0 || got.Tasks[i].StartNS != 9_000_000_000 {
		t.Errorf("of another process with that pid: %+v", got.Tasks)
	}
}

// Without a budget some are looked at each time, until all were: those worth it are
// found, and who has grown before it was followed is known to have.
func TestSamplerWalks(t *testing.T) {
	const n = FollowedTasks + 100
	files := map[string]string{}
	for i := range n {
		sampledTask(files, 1000+i, "sleep", 10, 100)
	}
	sampledTask(files, 5, "late", 11, 7)
	root := tree(t, files)
	r := newReader(t, Options{Proc: root, Sys: root})
	s := NewSampler(r, true)
	defer s.Close()
	round := func() (got *Sample) {
		for range n/walkLeast + 2 {
			got = s.Sample(0)
		}
		return got
	}
	if got := s.Sample(0); len(got.Tasks) > walkLeast {
		t.Errorf("%d were looked at, without a budget", len(got.Tasks))
	}
	got := round()
	if len(got.Tasks) != FollowedTasks {
		t.Fatalf("%d followed", len(got.Tasks))
	}
	followed := sizes(got)
	if got := sizes(round()); !cmp.Equal(followed, got) {
		t.Error("those of one size take turns")
	}
	if _, ok := followed[5]; ok {
		t.Fatal("the small one is followed: this shows nothing")
	}

	resize(t, root, 5, 90) // smaller than the others, but grown
	got = round()
	i := slices.IndexFunc(got.Tasks, func(task TaskSize) bool { return task.PID == 5 })
	if i < 0 {
		t.Fatal("who has grown is not followed")
	}
	late, page := got.Tasks[i], uint64(os.Getpagesize())
	if late.Earlier.Bytes != 7*page || late.Earlier.BoottimeNS == 0 || late.Earlier.BoottimeNS >= late.BoottimeNS || late.Bytes != 90*page {
		t.Errorf("grown: %+v", late)
	}
}

func TestPlace(t *testing.T) {
	for _, tt := range []struct {
		name  string
		slots []tracked
		worth uint64
		want  int
	}{
		{"a free one", []tracked{{open: true, now: 1}, {}}, 0, 1},
		{"the least", []tracked{{open: true, now: 300, past: 300}, {open: true, now: 200, past: 200}}, 250, 1},
		{"hardly more", []tracked{{open: true, now: 200, past: 200}}, 220, -1},
		{"one that has grown stays", []tracked{{open: true, now: 200, past: 100}, {open: true, now: 300, past: 300}}, 400, 1},
		{"one that shrank", []tracked{{open: true, now: 100, past: 400}}, 200, 0},
	} {
		if got := place(len(tt.slots), func(i int) *tracked { return &tt.slots[i] }, tt.worth); got != tt.want {
			t.Errorf("%s: in %d, want %d", tt.name, got, tt.want)
		}
	}
}

// A cgroup is found wherever it is, followed, and given up when it is gone.
func TestCgroupWalk(t *testing.T) {
	root := tree(t, map[string]string{
		"memory.current":                 "1000000\n",
		"a.slice/memory.current":         "500000\n",
		"a.slice/x.scope/cgroup.type":    "",
		"a.slice/b\xff/c/deep/":          "",
		"a.slice/b\xff/c/memory.current": "300000\n",
		"z.scope/memory.current":         "max\n",
	})
	w := &cgroupWalk{version: 2, usage: "memory.current"}
	w.root.openAt(unix.AT_FDCWD, root)
	defer w.close()
	var buf [64]byte
	never := func() bool { return false }
	w.walk(buf[:], 100, never)
	got := w.appendSizes(nil, 100)
	slices.SortFunc(got, func(a, b CgroupSize) int { return int(b.Bytes) - int(a.Bytes) })
	for i := range got {
		if got[i].ID == 0 {
			t.Errorf("no inode: %+v", got[i])
		}
		got[i].ID, got[i].Slot = 0, 0
	}
	want := []CgroupSize{
		{Path: "/a.slice", Version: 2, Size: Size{100, 500000}},
		{Path: "/a.slice/b\ufffd/c", PathHex: fmt.Sprintf("%x", "/a.slice/b\xff/c"), Version: 2, Size: Size{100, 300000}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	// What is enough ends it, and it goes on from there.
	if w.rounds != 1 {
		t.Errorf("%d rounds", w.rounds)
	}
	for range 20 {
		w.walk(buf[:], 200, func() bool { return true })
	}
	if w.rounds < 2 {
		t.Errorf("%d rounds after walking in pieces", w.rounds)
	}
	if err := os.WriteFile(filepath.Join(root, "a.slice/memory.current"), []byte("-"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.read(buf[:])
	if got := w.appendSizes(nil, 300); len(got) != 1 || got[0].Bytes != 300000 {
		t.Errorf("after one is gone: %+v", got)
	}
	// Not even a hierarchy.
	none := &cgroupWalk{}
	none.open(memcgs{})
	none.walk(buf[:], 1, never)
	none.close()
}

func TestParsePressure(t *testing.T) {
	for _, tt := range []struct {
		file string
		want *event.Pressure
	}{
		{
			"some avg10=12.34 avg60=0.05 avg300=0.00 total=3063662\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=920690\n",
			&event.Pressure{SomeAvg10Percent: event.Ptr(12.34), SomeUS: event.Ptr(uint64(3063662)), FullAvg10Percent: event.Ptr(0.0), FullUS: event.Ptr(uint64(920690))},
		},
		{"some total=5 avg10=nan\nmore avg10=1.00\n", &event.Pressure{SomeUS: event.Ptr(uint64(5))}},
		{"full avg10=101 total=-1\n", nil},
		{"", nil},
	} {
		if diff := cmp.Diff(tt.want, parsePressure([]byte(tt.file))); diff != "" {
			t.Errorf("%q (-want +got)\n%s", tt.file, diff)
		}
	}
}

func TestParseReclaim(t *testing.T) {
	file := "nr_free_pages 6\nworkingset_refault_anon 2\nworkingset_refault_file 40\npswpin 1\npswpout 0\nallocstall_dma 1\nallocstall_normal 8\nallocstall_movable x\npgmajfault 9\npgsteal_direct 3\npgsteal_direct_throttle 7\npgscan_direct 4\ncompact_stall 5\n"
	n := func(v uint64) *uint64 { return &v }
	want := &event.Reclaim{
		AllocStalls: n(9), DirectScanPages: n(4), DirectStealPages: n(3), SwapInPages: n(1), SwapOutPages: n(0),
		MajorFaults: n(9), RefaultPages: n(42), CompactStalls: n(5),
	}
	if diff := cmp.Diff(want, parseReclaim([]byte(file))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := parseReclaim(nil); *got != (event.Reclaim{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func FuzzSamples(f *testing.F) {
	f.Add([]byte("some avg10=12.34 avg60=0.05 avg300=0.00 total=3063662\n"))
	f.Add([]byte("pgscan_direct 4\nallocstall_normal 8\n"))
	f.Add([]byte("9000 4 257 10 0 300 0\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if p := parsePressure(file); p != nil {
			for _, v := range []*float64{p.SomeAvg10Percent, p.FullAvg10Percent} {
				if v != nil && !(*v >= 0 && *v <= 100) {
					t.Errorf("%v percent", *v)
				}
			}
		}
		parseReclaim(file)
		if pages, ok := parseStatm(file); !ok && pages != 0 {
			t.Errorf("%d pages of a line that is none", pages)
		}
	})
}

// dirent is a record of getdents64.
func dirent(inode uint64, typ byte, name string) []byte {
	b := make([]byte, (19+len(name)+1+7)/8*8)
	binary.NativeEndian.PutUint64(b, inode)
	binary.NativeEndian.PutUint16(b[16:], uint16(len(b)))
	b[18] = typ
	copy(b[19:], name)
	return b
}

func FuzzParseDirent(f *testing.F) {
	f.Add(append(dirent(7, unix.DT_DIR, "123"), dirent(8, unix.DT_REG, "memory.current")...))
	f.Fuzz(func(t *testing.T, records []byte) {
		for len(records) > 0 {
			name, _, _, rest := parseDirent(records)
			if len(rest) >= len(records) || len(name) > len(records) {
				t.Fatalf("%d of %d bytes left, a name of %d", len(rest), len(records), len(name))
			}
			parsePID(name)
			records = rest
		}
	})
}

func TestParsePID(t *testing.T) {
	for name, want := range map[string]int{"1": 1, "4194304": 4194304, "": 0, "0": 0, "12a": 0, "self": 0, "99999999999999999999": 0} {
		if got := parsePID([]byte(name)); got != want {
			t.Errorf("%q is process %d, want %d", name, got, want)
		}
	}
}

// On this machine a process that grows is seen to.
func TestSamplerHere(t *testing.T) {
	s := NewSampler(newReader(t, Options{}), true)
	defer s.Close()
	own := func() (size uint64) {
		for range 200 { // others may be worth more; each walk gets further
			for _, task := range s.Sample(50 * time.Millisecond).Tasks {
				if task.PID == os.Getpid() {
					return task.Bytes
				}
			}
		}
		t.Skip("128 larger ones run here")
		return 0
	}
	before := own()
	grown := make([]byte, 64<<20)
	for i := 0; i < len(grown); i += 4096 {
		grown[i] = 1
	}
	if after := own(); after < before+60<<20 {
		t.Errorf("from %d to %d bytes", before, after)
	}
	if grown[4096] != 1 {
		t.Error("not kept")
	}
}

func BenchmarkSampler(b *testing.B) {
	s := NewSampler(newReader(b, Options{}), true)
	defer s.Close()
	var cpu time.Duration
	s.Sample(time.Second)
	b.ReportAllocs()
	for b.Loop() {
		cpu += s.Sample(8 * time.Millisecond).CPU
	}
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "µs-cpu/op")
}
