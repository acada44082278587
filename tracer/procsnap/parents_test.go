// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/cmdline"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// family adds one to a tree of /proc.
func family(files map[string]string, pid, ppid int, comm, cgroup string, ticks uint64) {
	dir := strconv.Itoa(pid) + "/"
	files[dir+"stat"] = strings.Replace(statLine(pid, comm, "S", 0, ticks), " S 1 ", fmt.Sprintf(" S %d ", ppid), 1)
	files[dir+"cmdline"] = comm + "\x00"
	files[dir+"cgroup"] = "0::" + cgroup + "\n"
	files[dir+"exe"] = "-> /bin/" + comm
}

func TestParents(t *testing.T) {
	const (
		ctr     = "/kubepods.slice/kubepods-pod2fc932ce_fdcc_454b_97bd_aadfdeb4c340.slice/cri-containerd-2032491dcae31e6746f47daa0ac74564f2843a1bd847c5e6c4eb501ca132ac36.scope"
		session = "/user.slice/user-1000.slice/session-3.scope"
	)
	files := map[string]string{}
	family(files, 1, 0, "systemd", "/init.scope", 1)
	// A container, whose first process has made a cgroup of its own.
	family(files, 10, 1, "shim", "/system.slice/containerd.service", 5)
	family(files, 11, 10, "tini", ctr+"/init", 100)
	family(files, 12, 11, "sh", ctr, 110)
	family(files, 13, 12, "java", ctr, 120)
	// A session.
	family(files, 20, 1, "sshd", "/system.slice/ssh.service", 6)
	family(files, 21, 20, "sshd-session", session, 50)
	family(files, 22, 21, "ba)sh", session, 60)
	family(files, 23, 22, "make", session, 70)
	// Without systemd: one cgroup.
	family(files, 30, 1, "runit", "/", 7)
	family(files, 31, 30, "svc", "/", 8)
	// A pid that was taken again, a cgroup of the same unit, and a slice.
	family(files, 40, 1, "younger", session, 500)
	family(files, 41, 40, "orphan", session, 400)
	family(files, 50, 1, "manager", "/user.slice/user-1000.slice", 9)
	family(files, 51, 50, "child", "/user.slice/user-1000.slice/x", 10)
	// A parent of itself, and a long chain.
	family(files, 60, 60, "loop", "/", 10)
	for i := range 40 {
		family(files, 100+i, 101+i, "deep", "/", 10)
	}
	files["22/exe"] = "-> /bin/ba\xffsh"
	proc := tree(t, files)
	r := newReader(t, Options{Proc: proc, Cmdline: cmdline.Redacted})

	gone := func(pid, ppid int, path string, ticks uint64) Ref {
		return Ref{PID: pid, PPID: ppid, StartBoottimeNS: ticks * tickNS, Cgroup: &CgroupRef{Version: 2, Path: path}}
	}
	for _, tt := range []struct {
		name string
		ref  Ref
		want []string
	}{
		{"container", Ref{PID: 13}, []string{"12 sh /bin/sh", "11 tini /bin/tini"}},
		{"container's first process", Ref{PID: 11}, nil},
		{"session", Ref{PID: 23}, []string{"22 ba)sh /bin/ba\ufffdsh", "21 sshd-session /bin/sshd-session"}},
		{"one cgroup", Ref{PID: 31}, []string{"30 runit /bin/runit"}},
		{"a pid taken again", Ref{PID: 41}, nil},
		{"another cgroup of a slice", Ref{PID: 51}, nil},
		{"gone, in a container", gone(99, 12, ctr, 130), []string{"12 sh /bin/sh", "11 tini /bin/tini"}},
		{"gone, in a session", gone(99, 22, session, 61), []string{"22 ba)sh /bin/ba\ufffdsh", "21 sshd-session /bin/sshd-session"}},
		{"gone, of a parent that began later", gone(99, 40, session, 400), nil},
		{"gone, its start not known", Ref{PID: 99, PPID: 40, EventBoottimeNS: 400 * tickNS, Cgroup: &CgroupRef{Version: 2, Path: session}}, nil},
		{"gone, its cgroup not known", Ref{PID: 99, PPID: 22}, nil},
		{"gone, its parent not known", gone(99, 0, session, 61), nil},
		{"gone with its parent", gone(99, 98, session, 61), nil},
	} {
		a := r.answer(Request{Tasks: []Ref{tt.ref}, Parents: true})
		var got []string
		for _, p := range a.Parents {
			got = append(got, fmt.Sprintf("%d %s %s", p.PID, *p.Comm, *p.Exe))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for _, pid := range []int{60, 100} {
		if a := r.answer(Request{Tasks: []Ref{{PID: pid}}, Parents: true}); len(a.Parents) != parentsLimit {
			t.Errorf("%d parents of %d", len(a.Parents), pid)
		}
	}
	if a := r.answer(Request{Tasks: []Ref{{PID: 13}}}); a.Parents != nil {
		t.Errorf("not asked for: %+v", a.Parents)
	}
	r = newReader(t, Options{Proc: proc, Cmdline: cmdline.None})
	if a := r.answer(Request{Tasks: []Ref{{PID: 13}}, Parents: true}); len(a.Parents) != 2 || a.Parents[0].Exe != nil {
		t.Errorf("executables are shown: %+v", a.Parents)
	}
}

// Real processes, the last of which is gone: the kernel told who its parent was.
func TestParentsOfDead(t *testing.T) {
	r := newReader(t, Options{})
	self, err := r.Task(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if self.Cgroup == nil {
		testenv.Skip(t, "this process is in no cgroup")
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	ref := Ref{PID: cmd.Process.Pid, PPID: os.Getpid(), EventBoottimeNS: r.BoottimeNS(), Cgroup: &CgroupRef{Version: self.Cgroup.Version, Path: self.Cgroup.Path}}
	a := r.answer(Request{Tasks: []Ref{ref}, Parents: true})
	if !errors.Is(a.Tasks[0].Err, ErrGone) {
		t.Skipf("pid %d is taken again", cmd.Process.Pid)
	}
	// On v1 the unit is in a hierarchy of its own, and the dead one's is not known.
	if !self.livesWith(&Identity{Cgroup: self.Cgroup, Unit: self.Unit, Container: self.Container}) || len(a.Parents) == 0 {
		t.Fatalf("no parents of a child of this process")
	}
	if p := a.Parents[0]; p.PID != os.Getpid() || p.Comm == nil || p.Exe == nil || *p.Exe != *self.Exe {
		t.Errorf("parent %+v of %d", p, os.Getpid())
	}
}

func BenchmarkParents(b *testing.B) {
	r := newReader(b, Options{})
	ref := Ref{PID: os.Getpid()}
	var parents []event.Parent
	b.ReportAllocs()
	for b.Loop() {
		parents = r.answer(Request{Tasks: []Ref{ref}, Parents: true}).Parents
	}
	b.ReportMetric(float64(len(parents)), "parents")
}
