// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readLog(t testing.TB, name string) Log {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".kmsg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log, err := ParseKmsg(f)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestParseKmsg(t *testing.T) {
	kb := func(n uint64) *uint64 { return &n }
	for name, want := range map[string]Invocation{
		"5.10-global": {
			Trigger: &Trigger{Comm: "memhog", PID: 103, GFPMask: "0x100dca"}, Constraint: "CONSTRAINT_NONE", TaskMemcg: "/", ChosenPID: 103, RAMPages: kb(65403 - 8039),
			Kills: []LoggedKill{{PID: 103, Comm: "memhog", Message: "Out of memory", TotalVMKB: 172072, AnonKB: 170480, FileKB: 4, ShmemKB: 692, PgtablesKB: 372}},
		},
		"6.1-memcg-v1": {
			Trigger: &Trigger{Comm: "java", PID: 113, GFPMask: "0xcc0"}, Constraint: "CONSTRAINT_MEMCG", OOMMemcg: "/docker/abc123", TaskMemcg: "/docker/abc123", ChosenPID: 113, LimitKB: kb(16384),
			Kills: []LoggedKill{{PID: 113, Comm: "java", Message: "Memory cgroup out of memory", TotalVMKB: 17448, AnonKB: 16044, FileKB: 4, ShmemKB: 692, PgtablesKB: 72}},
		},
		"6.1-sysrq": {
			Trigger: &Trigger{Comm: "kworker/0:2", PID: 45, GFPMask: "0xcc0", Order: -1}, Constraint: "CONSTRAINT_NONE", TaskMemcg: "/", ChosenPID: 110, RAMPages: kb(65403 - 9498),
			Kills: []LoggedKill{{PID: 110, Comm: "worker", Message: "Out of memory", TotalVMKB: 31796, AnonKB: 6012, FileKB: 4, ShmemKB: 692, PgtablesKB: 64, Adj: 300}},
		},
		"7.2-cpuset": {
			Trigger: &Trigger{Comm: "memhog", PID: 140, GFPMask: "0x140dca"}, Constraint: "CONSTRAINT_CPUSET", TaskMemcg: "/ns", ChosenPID: 140, RAMPages: kb(98171 - 12306),
			Kills: []LoggedKill{{PID: 140, Comm: "memhog", Message: "Out of memory", TotalVMKB: 159792, AnonKB: 157928, FileKB: 4, ShmemKB: 692, PgtablesKB: 356}},
		},
		"7.2-group": { // the chosen one is logged twice, the protected one not
			Trigger: &Trigger{Comm: "java", PID: 123, GFPMask: "0xcc0"}, Constraint: "CONSTRAINT_MEMCG", OOMMemcg: "/app.slice/pod1", TaskMemcg: "/app.slice/pod1", ChosenPID: 123, LimitKB: kb(32768),
			Kills: []LoggedKill{
				{PID: 123, Comm: "java", Message: "Memory cgroup out of memory", TotalVMKB: 27696, AnonKB: 26156, FileKB: 4, ShmemKB: 692, PgtablesKB: 92},
				{PID: 124, Comm: "sidecar", Message: "Memory cgroup out of memory", TotalVMKB: 3120, AnonKB: 2092, FileKB: 4, ShmemKB: 692, PgtablesKB: 40, Group: true},
				{PID: 125, Comm: "logger", Message: "Memory cgroup out of memory", TotalVMKB: 3120, AnonKB: 2092, FileKB: 4, ShmemKB: 692, PgtablesKB: 44, Adj: -500, Group: true},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := readLog(t, name)
			for i := range log.Invocations {
				if len(log.Invocations[i].Tasks) == 0 {
					t.Error("no task dump was read")
				}
				log.Invocations[i].Tasks = nil
			}
			if diff := cmp.Diff(Log{Invocations: []Invocation{want}}, log); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The dump's columns differ between kernels: one table with three rss columns
// more, one without.
func TestParseKmsgTasks(t *testing.T) {
	got := readLog(t, "7.2-group").Invocations[0].Tasks
	want := map[int]Row{
		123: {RSSPages: 6713, PgtablesBytes: 94208},
		124: {RSSPages: 697, PgtablesBytes: 40960},
		125: {RSSPages: 697, PgtablesBytes: 45056, Adj: -500},
		126: {RSSPages: 696, PgtablesBytes: 45056, Adj: -1000},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	row, ok := readLog(t, "5.10-global").Invocations[0].Tasks[103]
	if want := (Row{RSSPages: 42794, PgtablesBytes: 380928}); !ok || row != want {
		t.Errorf("row %+v, want %+v", row, want)
	}
}

// A process whose leader is dead is logged again under the pid of a thread.
func TestParseKmsgThreadOfDeadLeader(t *testing.T) {
	var names []string
	for _, k := range readLog(t, "6.12-group-thread").Kills() {
		names = append(names, k.Comm)
	}
	if diff := cmp.Diff([]string{"grouphog", "m", "m-1", "m-2", "m-3"}, names); diff != "" {
		t.Error(diff)
	}
}

// Names that hold separators and control characters; most of the kills stand
// without a report, which the kernel's rate limit withheld.
func TestParseKmsgHostileNames(t *testing.T) {
	log := readLog(t, "6.12-hostile")
	var names []string
	reports := 0
	for _, i := range log.Invocations {
		if i.Trigger != nil {
			reports++
		}
		for _, k := range i.Kills {
			names = append(names, k.Comm)
		}
	}
	if diff := cmp.Diff(hostileNames, names); diff != "" {
		t.Error(diff)
	}
	if reports != 1 {
		t.Errorf("%d reports, want 1", reports)
	}
}

func TestParseKmsgParallel(t *testing.T) {
	var limits []string
	for _, i := range readLog(t, "6.12-parallel").Invocations {
		limits = append(limits, i.OOMMemcg)
		if len(i.Kills) != 1 || i.Trigger == nil || i.Trigger.PID != i.Kills[0].PID {
			t.Errorf("%s: trigger %+v, kills %+v", i.OOMMemcg, i.Trigger, i.Kills)
		}
	}
	if diff := cmp.Diff([]string{"/par1", "/par3", "/par2"}, limits); diff != "" {
		t.Error(diff)
	}
}

func TestParseKmsgRefuses(t *testing.T) {
	if _, err := ParseKmsg(strings.NewReader("[    1.0] Killed process; 1\n")); err == nil {
		t.Error("text that is no /dev/kmsg record was taken")
	}
}

func FuzzParseKmsg(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.kmsg")
	if err != nil || len(samples) == 0 {
		f.Fatal("no samples", err)
	}
	for _, s := range samples {
		b, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		log, err := ParseKmsg(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, i := range log.Invocations {
			if i.Tasks == nil {
				t.Error("an invocation without a table of tasks")
			}
		}
	})
}

// The line that names the choice comes in pieces, another's between them.
func TestParseKmsgPieces(t *testing.T) {
	log, err := ParseKmsg(strings.NewReader(`4,742,27714668,-;kworker/0:0 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=-1, oom_score_adj=0
6,789,27716993,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=
11,790,27718010,-;@@ wait sysrq
4,791,27718843,c;/,mems_allowed=0,global_oom,task_memcg=/,task=sysrqhog,pid=292,uid=0
6,792,27718993,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=
3,793,27721421,-;Out of memory: Killed process 292 (sysrqhog) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:1kB, UID:0 pgtables:1kB oom_score_adj:1000
6,794,27718993,-;oom-kill:constraint=CONSTRAINT_MEMCG
`))
	if err != nil {
		t.Fatal(err)
	}
	i := log.Invocations[0]
	if i.ChosenPID != 292 || i.Constraint != "CONSTRAINT_NONE" || i.TaskMemcg != "/" || len(i.Kills) != 1 {
		t.Errorf("%+v", i)
	}
	if i.Trigger != nil { // of the lines that were cut no more is known
		t.Errorf("trigger %+v", i.Trigger)
	}
}
