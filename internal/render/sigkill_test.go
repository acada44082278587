// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestSigkillRow(t *testing.T) {
	victim := event.Task{PID: 42, Comm: event.Ptr("java"), Unit: "shop.service"}
	by := func(comm, unit string) *event.Task { return &event.Task{PID: 7, Comm: &comm, Unit: unit} }
	for _, tt := range []struct {
		name string
		kill event.Sigkill
		want string
	}{
		{"a person", event.Sigkill{Sender: by("bash", "session-1.scope"), Via: event.ViaKill, Verdict: event.VerdictOther}, "SIGKILL from bash[7] · session-1.scope"},
		{"itself", event.Sigkill{Sender: &event.Task{PID: 42, Comm: event.Ptr("java")}, Via: event.ViaTgkill, Verdict: event.VerdictOther}, "SIGKILL from java[42] by tgkill · by itself"},
		{"kubelet", event.Sigkill{Sender: by("kubelet", ""), Via: event.ViaKill, Verdict: event.VerdictKubelet, VerdictSource: "exe"}, "SIGKILL from kubelet[7] · kubelet"},
		{"a name alone", event.Sigkill{Sender: by("systemd-oomd", ""), Via: event.ViaKill, Verdict: event.VerdictSystemdOOMD, VerdictSource: "comm"}, "SIGKILL from systemd-oomd[7] · systemd-oomd, an OOM killer of user space (by its name alone)"},
		{"runtime", event.Sigkill{Sender: by("runc", "docker.service"), Via: event.ViaCgroupKill, Verdict: event.VerdictRuntime, VerdictSource: "unit"}, "killed with its cgroup, runc[7] wrote cgroup.kill · docker.service · container runtime"},
		{"systemd", event.Sigkill{Sender: by("systemd", "init.scope"), Via: event.ViaKill, Verdict: event.VerdictSystemd, VerdictSource: "exe"}, "SIGKILL from systemd[7] · init.scope · systemd"},
		{"namespace", event.Sigkill{Sender: by("tini", ""), Via: event.ViaPIDNamespace, Verdict: event.VerdictKernel}, "killed with its pid namespace, whose init tini[7] ended"},
		{"parent", event.Sigkill{Sender: by("make", ""), Via: event.ViaParentDeath, Verdict: event.VerdictKernel}, "killed since its parent make[7] ended (PR_SET_PDEATHSIG)"},
		{"tracer", event.Sigkill{Sender: by("strace", ""), Via: event.ViaPtrace, Verdict: event.VerdictOther}, "killed by its tracer strace[7]"},
		{"timer", event.Sigkill{Via: event.ViaTimer, Verdict: event.VerdictOther}, "SIGKILL from a timer of its own"},
		{"CPU time", event.Sigkill{Via: event.ViaCPULimit, Verdict: event.VerdictKernel}, "its limit of CPU time is used up (RLIMIT_CPU, RLIMIT_RTTIME)"},
		{"broken memory", event.Sigkill{Via: event.ViaMemoryFailure, Verdict: event.VerdictKernel}, "killed for memory that is broken"},
		{"SysRq", event.Sigkill{Via: event.ViaSysrq, Verdict: event.VerdictKernel}, "killed on request, by SysRq"},
		{"BPF", event.Sigkill{Via: event.ViaBPF, Verdict: event.VerdictKernel}, "SIGKILL from a BPF program"},
		{"OOM killer", event.Sigkill{Via: event.ViaOOMKiller, Verdict: event.VerdictKernelOOM}, "SIGKILL from the kernel's OOM killer · out of memory"},
		{"kernel", event.Sigkill{Verdict: event.VerdictKernel}, "SIGKILL from the kernel (why is not known)"},
		{"nobody known", event.Sigkill{Verdict: event.VerdictOther}, "SIGKILL (from whom is not known)"},
		{"neighbour", event.Sigkill{Sender: by("sh", "shop.service"), Via: event.ViaKill, Verdict: event.VerdictOther}, "SIGKILL from sh[7] · in the same place"},
		{"new words", event.Sigkill{Via: "warp", Verdict: "martians"}, "SIGKILL by warp · martians"},
	} {
		tt.kill.Victim = victim
		r := sigkillRow(&event.Event{Sigkill: &tt.kill}, false)
		if got := r.what.wrap(1000, false); len(got) != 1 || got[0] != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if r.process != "java[42]" || r.where != "shop.service" {
			t.Errorf("%s: of %s in %s", tt.name, r.process, r.where)
		}
	}
}
