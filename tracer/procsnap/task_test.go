// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/oomtrace/oomtrace/decode/cmdline"
	"github.com/oomtrace/oomtrace/decode/event"
)

const (
	testID  = "2032491dcae31e6746f47daa0ac74564f2843a1bd847c5e6c4eb501ca132ac36"
	testUID = "2fc932ce-fdcc-454b-97bd-aadfdeb4c340"
)

func TestTask(t *testing.T) {
	long := strings.Repeat("x", cmdlineLimit-2)
	proc := tree(t, map[string]string{
		"10/stat":    statLine(10, "a) R (b", "S", 0x400000, 500),
		"10/cmdline": "java\x00--password=x\x00-Xmx1g\x00\x00",
		"10/exe":     "-> /usr/bin/java (deleted)",
		"10/cgroup":  "5:cpuset:/\n4:cpu,memory:/kubepods/burstable/pod" + testUID + "/" + testID + "\n1:name=systemd:/system.slice/a.service\n0::/\n",
		// A kernel thread.
		"11/stat":    statLine(11, "kworker/0:1", "I", 0x4208060, 500),
		"11/cmdline": "",
		"11/cgroup":  "0::/\n",
		// Dead, in three ways.
		"12/stat":    statLine(12, "zombie", "Z", 0x40000c, 500),
		"12/cmdline": "",
		"12/cgroup":  "0::/system.slice/a.service\n",
		"13/stat":    statLine(13, "exiting", "R", 0x400004, 500),
		"13/cmdline": "",
		"14/":        "",
		// Hostile, and too long.
		"15/stat":    statLine(15, "\xff\n", "S", 0, 500),
		"15/cmdline": long + "\x00\xff\x00z",
		"15/exe":     "-> /tmp/\xff",
		"15/cgroup":  "0::/user.slice/user-1.slice/\xfe (deleted)\n3:memory:/cut",
		"16/stat":    "nonsense",
		// Cut within a secret that only its end gives away.
		"17/stat":    statLine(17, "a", "S", 0, 500),
		"17/cmdline": "a\x00https://u:hunter2" + long + "@host",
	})
	tests := []struct {
		name  string
		mode  cmdline.Mode
		pid   int
		start uint64
		want  Identity
		err   error
	}{
		{"a pod's process on cgroup v1", "", 10, 5_000_000_000, Identity{
			Cmdline: event.Ptr("java --password=*** -Xmx1g"), Exe: event.Ptr("/usr/bin/java (deleted)"),
			PPID: event.Ptr(1), KThread: event.Ptr(false),
			Cgroup:    &event.Cgroup{Controller: "memory", Version: 1, Path: "/kubepods/burstable/pod" + testUID + "/" + testID},
			Container: &event.Container{ID: testID}, Pod: &event.Pod{UID: testUID, QoS: "burstable"}, Unit: "a.service",
		}, nil},
		{"full", cmdline.Full, 10, 0, Identity{
			Cmdline: event.Ptr("java --password=x -Xmx1g"), Exe: event.Ptr("/usr/bin/java (deleted)"),
			PPID: event.Ptr(1), KThread: event.Ptr(false),
			Cgroup:    &event.Cgroup{Controller: "memory", Version: 1, Path: "/kubepods/burstable/pod" + testUID + "/" + testID},
			Container: &event.Container{ID: testID}, Pod: &event.Pod{UID: testUID, QoS: "burstable"}, Unit: "a.service",
		}, nil},
		{"kernel thread", "", 11, 5_009_999_999, Identity{
			PPID: event.Ptr(1), KThread: event.Ptr(true), Cgroup: &event.Cgroup{Version: 2, Path: "/"},
		}, nil},
		{"hostile, only its executable", cmdline.Exe, 15, 0, Identity{
			Exe: event.Ptr("/tmp/\ufffd"), ExeHex: "2f746d702fff",
			PPID: event.Ptr(1), KThread: event.Ptr(false),
			Cgroup: &event.Cgroup{Version: 2, Path: "/user.slice/user-1.slice/\ufffd",
				PathHex: "2f757365722e736c6963652f757365722d312e736c6963652ffe"},
			Unit: "user-1.slice",
		}, nil},
		{"nothing", cmdline.None, 15, 0, Identity{
			PPID: event.Ptr(1), KThread: event.Ptr(false),
			Cgroup: &event.Cgroup{Version: 2, Path: "/user.slice/user-1.slice/\ufffd",
				PathHex: "2f757365722e736c6963652f757365722d312e736c6963652ffe"},
			Unit: "user-1.slice",
		}, nil},
		{"a tick before", "", 11, 5_010_000_000, Identity{
			PPID: event.Ptr(1), KThread: event.Ptr(true), Cgroup: &event.Cgroup{Version: 2, Path: "/"},
		}, nil},
		{"started later", "", 10, 4_980_000_000, Identity{}, ErrReused},
		{"started before", "", 10, 5_020_000_000, Identity{}, ErrReused},
		{"zombie", "", 12, 0, Identity{}, ErrGone},
		{"exiting", "", 13, 0, Identity{}, ErrGone},
		{"no stat", "", 14, 0, Identity{}, ErrGone},
		{"not there", "", 99, 0, Identity{}, ErrGone},
		{"no pid", "", 0, 0, Identity{}, ErrGone},
		{"negative", "", -1, 0, Identity{}, ErrGone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReader(t, Options{Proc: proc, Cmdline: tt.mode})
			got, err := r.Task(tt.pid, tt.start)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Identity{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}

	r := newReader(t, Options{Proc: proc})
	if _, err := r.Task(16, 0); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("malformed stat: %v", err)
	}
	id, err := r.Task(15, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := long + " \ufffd"; id.Cmdline == nil || *id.Cmdline != want || id.CmdlineHex == "" {
		t.Errorf("a long hostile command line is not cut at %d bytes, cleaned and kept in hex", cmdlineLimit)
	}
	if id, err = r.Task(17, 0); err != nil || !id.CmdlineTruncated || strings.Contains(*id.Cmdline, "hunter2") {
		t.Errorf("the beginning of a secret is shown: %.40q, %v", *id.Cmdline, err)
	}
}

// TestTaskInTimeNamespace reads a start time that the kernel shows shifted.
func TestTaskInTimeNamespace(t *testing.T) {
	proc := tree(t, map[string]string{
		"self/timens_offsets": "monotonic 0 0\nboottime 1000 0\n",
		"10/stat":             statLine(10, "a", "S", 0, 100_500),
		"10/cgroup":           "0::/\n",
	})
	if _, err := newReader(t, Options{Proc: proc}).Task(10, 5_000_000_000); err != nil {
		t.Error(err)
	}
}

func TestFill(t *testing.T) {
	id := Identity{
		Cmdline: event.Ptr("c"), CmdlineHex: "63", Exe: event.Ptr("e"), PPID: event.Ptr(7), KThread: event.Ptr(false),
		Cgroup: &event.Cgroup{Path: "/p"}, Container: &event.Container{ID: testID}, Unit: "u.service",
	}
	victim := event.Victim{Cmdline: event.Ptr("kernel's"), Pod: &event.Pod{UID: testUID}}
	id.FillVictim(&victim)
	want := event.Victim{Cmdline: event.Ptr("kernel's"), Exe: event.Ptr("e"), PPID: event.Ptr(7),
		Cgroup: &event.Cgroup{Path: "/p"}, Pod: &event.Pod{UID: testUID}, Unit: "u.service"}
	if diff := cmp.Diff(want, victim); diff != "" {
		t.Errorf("victim, -want +got:\n%s", diff)
	}
	for unit, want := range map[string]string{"": "u.service", "system.slice": "u.service", "k.service": "k.service"} {
		task := event.Task{Unit: unit}
		id.FillTask(&task)
		wantTask := event.Task{Cmdline: event.Ptr("c"), CmdlineHex: "63", Exe: event.Ptr("e"), KThread: event.Ptr(false),
			Cgroup: &event.Cgroup{Path: "/p"}, Container: &event.Container{ID: testID}, Unit: want}
		if diff := cmp.Diff(wantTask, task); diff != "" {
			t.Errorf("task of unit %q, -want +got:\n%s", unit, diff)
		}
	}
	task := event.Task{Unit: "system.slice"}
	if (&Identity{}).FillTask(&task); task.Unit != "system.slice" {
		t.Errorf("a slice gave way to %q", task.Unit)
	}
}

// child starts cat, which lives until its input is closed.
func child(t *testing.T, args ...string) (pid int, exit func()) {
	t.Helper()
	cmd := exec.Command("cat", append([]string{"-", "-"}, args...)...)
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
	// It echoes once it has been executed.
	if _, err := in.Write([]byte("ready\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	exit = func() {
		in.Close()
		_ = cmd.Wait() // it fails for args that are no files
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd.Process.Pid, exit
}

func TestTaskLive(t *testing.T) {
	r := newReader(t, Options{})
	pid, exit := child(t, "--", "\xfe --token=x", "PASSWORD=x")

	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	st, ok := parseStat(stat)
	if !ok || st.ppid != os.Getpid() {
		t.Fatalf("parseStat(%q) = %+v, %v", stat, st, ok)
	}
	start := st.startTicks * tickNS
	if now := r.BoottimeNS(); start > now || now-start > 60e9 {
		t.Errorf("started at %d, and now is %d", start, now)
	}

	id, err := r.Task(pid, start)
	if err != nil {
		t.Fatal(err)
	}
	if id.Cmdline == nil || *id.Cmdline != "cat - - -- \ufffd --token=*** PASSWORD=***" || id.CmdlineHex == "" {
		t.Errorf("command line %v", id.Cmdline)
	}
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil || id.Exe == nil || *id.Exe != exe {
		t.Errorf("executable %v, want %q (%v)", id.Exe, exe, err)
	}
	if id.PPID == nil || *id.PPID != os.Getpid() || id.KThread == nil || *id.KThread || id.Cgroup == nil {
		t.Errorf("identity %+v", id)
	}

	if _, err := r.Task(pid, start+1e9); !errors.Is(err, ErrReused) {
		t.Errorf("with another start time: %v", err)
	}
	if _, err := r.TimeDaemon(pid, start+1e9, ""); !errors.Is(err, ErrReused) {
		t.Errorf("time daemon, with another start time: %v", err)
	}
	if d, err := r.TimeDaemon(pid, start, ""); err != nil || d != (Daemon{}) {
		t.Errorf("cat is a time daemon: %+v, %v", d, err)
	}
	exit()
	if _, err := r.Task(pid, start); !errors.Is(err, ErrGone) {
		t.Errorf("after its end: %v", err)
	}
}

// TestTaskZombie looks at a child that has ended but was not waited for.
func TestTaskZombie(t *testing.T) {
	r := newReader(t, Options{})
	cmd := exec.Command("cat")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err == nil { // its output closes while it exits
		t.Fatal("cat wrote something")
	}
	for deadline := r.BoottimeNS() + uint64(soon); ; {
		_, err := r.Task(cmd.Process.Pid, 0)
		if errors.Is(err, ErrGone) {
			break
		}
		if r.BoottimeNS() > deadline {
			t.Fatalf("a zombie gives %v", err)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(statLine(10, "a) R (b", "S", 0x400000, 500)))
	f.Add([]byte("1 (x) S 1"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if st, ok := parseStat(line); !ok && st != (stat{}) {
			t.Errorf("%+v of a line that is none", st)
		}
	})
}

func FuzzParseCgroups(f *testing.F) {
	f.Add([]byte("4:cpu,memory:/a:b\n1:name=systemd:/c (deleted)\n0::/d\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var id Identity
		id.setCgroup(file)
		if id.Cgroup != nil && id.Cgroup.Path == "" {
			t.Error("a cgroup without a path")
		}
	})
}

func BenchmarkTask(b *testing.B) {
	r := newReader(b, Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Task(os.Getpid(), 0); err != nil {
			b.Fatal(err)
		}
	}
}
