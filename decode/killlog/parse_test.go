// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

// The lines are from issues and documents that people published, cut to the message.
var lines = []struct {
	name, ident, text string
	want              *Report // nil: tells nothing
}{
	{"systemd saw an OOM kill", "systemd",
		"tmux-spawn-006a872a-28cc-4c3c-878c-7bd85667b915.scope: A process of this unit has been killed by the OOM killer.",
		&Report{Kind: KindOOM, By: event.VerdictSystemd, Signal: "SIGKILL", Unit: "tmux-spawn-006a872a-28cc-4c3c-878c-7bd85667b915.scope"}},
	{"systemd's result", "systemd", "llama-server.service: Failed with result 'oom-kill'.",
		&Report{Kind: KindResult, By: event.VerdictSystemd, Unit: "llama-server.service"}},
	{"another result", "systemd", "llama-server.service: Failed with result 'exit-code'.", nil},
	{"main process", "systemd", "llama-server.service: Main process exited, code=killed, status=9/KILL",
		&Report{Kind: KindExit, By: event.VerdictSystemd, Signal: "SIGKILL", Unit: "llama-server.service"}},
	{"main process, systemd 215", "systemd", "5cfe11d6-343e-49bb-8029-06333844401f.service: main process exited, code=killed, status=9/KILL",
		&Report{Kind: KindExit, By: event.VerdictSystemd, Signal: "SIGKILL", Unit: "5cfe11d6-343e-49bb-8029-06333844401f.service"}},
	{"main process dumped core", "systemd", "x.service: Main process exited, code=dumped, status=6/ABRT",
		&Report{Kind: KindExit, By: event.VerdictSystemd, Signal: "SIGABRT", Unit: "x.service"}},
	{"main process exited by itself", "systemd", "myapp.service: Main process exited, code=exited, status=1/FAILURE", nil},
	{"seccomp", "systemd", "earlyoom.service: Main process exited, code=dumped, status=31/SYS", nil},
	{"systemd tells of systemd-oomd", "systemd", "vte-spawn-dbb4a75e-031f-480d-924b-5de5af7579d2.scope: systemd-oomd killed 12 process(es) in this unit.",
		&Report{Kind: KindKill, By: event.VerdictSystemdOOMD, Signal: "SIGKILL", Unit: "vte-spawn-dbb4a75e-031f-480d-924b-5de5af7579d2.scope", Processes: event.Ptr(12)}},
	{"and does not know how many", "systemd", "app-zcode-7806.scope: systemd-oomd killed some process(es) in this unit.",
		&Report{Kind: KindKill, By: event.VerdictSystemdOOMD, Signal: "SIGKILL", Unit: "app-zcode-7806.scope"}},
	{"with an arrow", "systemd", "[🡕] llama-server.service: systemd-oomd killed 79 process(es) in this unit.",
		&Report{Kind: KindKill, By: event.VerdictSystemdOOMD, Signal: "SIGKILL", Unit: "llama-server.service", Processes: event.Ptr(79)}},
	{"a stop that took too long", "systemd", "session-3.scope: Stopping timed out. Killing.",
		&Report{Kind: KindKill, By: event.VerdictSystemd, Signal: "SIGKILL", Unit: "session-3.scope", Reason: "Stopping timed out. Killing."}},
	{"and what it killed", "systemd", "session-3.scope: Killing process 1797 (CPMMListener) with signal SIGKILL.",
		&Report{Kind: KindKill, By: event.VerdictSystemd, Signal: "SIGKILL", Unit: "session-3.scope", PID: 1797, Comm: event.Ptr("CPMMListener")}},
	{"a name that closes the parenthesis", "systemd", "x.service: Killing process 7 (a) with signal ) with signal SIGKILL.",
		&Report{Kind: KindKill, By: event.VerdictSystemd, Signal: "SIGKILL", Unit: "x.service", PID: 7, Comm: event.Ptr("a) with signal ")}},
	{"a name that is no text", "systemd", "x.service: Killing process 7 (\xff) with signal SIGTERM.",
		&Report{Kind: KindKill, By: event.VerdictSystemd, Signal: "SIGTERM", Unit: "x.service", PID: 7, Comm: event.Ptr("\ufffd"), CommHex: "ff"}},
	{"what a service's description says", "systemd", "Started A process of this unit has been killed by the OOM killer..", nil},

	{"systemd-oomd, pressure", "systemd-oomd",
		"Killed /user.slice/user-1001.slice/user@1001.service/app.slice/vte-spawn-dbb4a75e.scope due to memory pressure for /user.slice/user-1001.slice/user@1001.service being 51.07% > 50.00% for > 20s with reclaim activity",
		&Report{Kind: KindKill, By: event.VerdictSystemdOOMD, Signal: "SIGKILL", Cgroup: "/user.slice/user-1001.slice/user@1001.service/app.slice/vte-spawn-dbb4a75e.scope",
			Reason: "memory pressure for /user.slice/user-1001.slice/user@1001.service being 51.07% > 50.00% for > 20s with reclaim activity"}},
	{"systemd-oomd, swap", "systemd-oomd",
		"Killed /system.slice/httpd.service due to memory used (32305733632) / total (33046216704) and swap used (7729926144) / total (8589930496) being more than 90.00%",
		&Report{Kind: KindKill, By: event.VerdictSystemdOOMD, Signal: "SIGKILL", Cgroup: "/system.slice/httpd.service",
			Reason: "memory used (32305733632) / total (33046216704) and swap used (7729926144) / total (8589930496) being more than 90.00%"}},
	{"systemd-oomd, as of 258", "systemd-oomd",
		"Marked /user.slice/user-1000.slice/session-924.scope for killing due to memory used (30112395264) / total (33382576128) and swap used (21352448000) / total (21352669184) being more than 90.00%",
		&Report{Kind: KindKill, By: event.VerdictSystemdOOMD, Signal: "SIGKILL", Cgroup: "/user.slice/user-1000.slice/session-924.scope",
			Reason: "memory used (30112395264) / total (33382576128) and swap used (21352448000) / total (21352669184) being more than 90.00%"}},
	{"systemd-oomd's list", "systemd-oomd", "Considered 145 cgroups for killing, top candidates were:", nil},

	{"earlyoom 1.7", "earlyoom", `sending SIGTERM to process 57834 uid 1000 "code": badness 866, VmRSS 5 MiB`,
		&Report{Kind: KindKill, By: event.VerdictEarlyOOM, Signal: "SIGTERM", PID: 57834, UID: event.Ptr[uint32](1000), Comm: event.Ptr("code"), RSSBytes: event.Ptr[uint64](5 << 20)}},
	{"earlyoom 1.8", "earlyoom", `sending SIGKILL to process 906175 uid 1000 "java": oom_score 1170, VmRSS 43912 MiB, cmdline "java -jar x"`,
		&Report{Kind: KindKill, By: event.VerdictEarlyOOM, Signal: "SIGKILL", PID: 906175, UID: event.Ptr[uint32](1000), Comm: event.Ptr("java"), RSSBytes: event.Ptr[uint64](43912 << 20)}},
	{"earlyoom 1.2", "earlyoom", `sending SIGTERM to process 12006 "python3": badness 209, VmRSS 2891 MiB`,
		&Report{Kind: KindKill, By: event.VerdictEarlyOOM, Signal: "SIGTERM", PID: 12006, Comm: event.Ptr("python3"), RSSBytes: event.Ptr[uint64](2891 << 20)}},
	{"a name that ends early", "earlyoom", `sending SIGTERM to process 7 uid 0 "a": badness 1, ": badness 866, VmRSS 5 MiB`,
		&Report{Kind: KindKill, By: event.VerdictEarlyOOM, Signal: "SIGTERM", PID: 7, UID: event.Ptr[uint32](0), Comm: event.Ptr(`a": badness 1, `), RSSBytes: event.Ptr[uint64](5 << 20)}},
	{"a command line that makes a name", "earlyoom", `sending SIGTERM to process 7 uid 0 "a": oom_score 1170, VmRSS 5 MiB, cmdline "x": badness 1, VmRSS 9 MiB"`,
		&Report{Kind: KindKill, By: event.VerdictEarlyOOM, Signal: "SIGTERM", PID: 7, UID: event.Ptr[uint32](0), Comm: event.Ptr("a"), RSSBytes: event.Ptr[uint64](5 << 20)}},
	{"earlyoom's trial", "earlyoom", `sending 0 (no-op signal) to process 7 uid 0 "a": badness 866, VmRSS 5 MiB`, nil},
	{"earlyoom's settings", "earlyoom", "sending SIGTERM when mem <= 10.00% and swap <= 10.00%,", nil},

	{"kubelet evicts", "kubelet",
		`I0528 16:05:54.802914 2269385 eviction_manager.go:627] "Eviction manager: pod is evicted successfully" pod="sre/infras-logstash-d484d57fc-rkx95"`,
		&Report{Kind: KindEvict, By: event.VerdictKubelet, Pod: &event.Pod{Namespace: "sre", Name: "infras-logstash-d484d57fc-rkx95"}}},
	{"kubelet evicts, 1.18", "kubelet", "I0101 10:00:00.000000    1234 eviction_manager.go:578] eviction manager: pod cart-7f9c_shop(27aff94d-e0d9-43d1-84d6-9ab000aa57e2) is evicted successfully",
		&Report{Kind: KindEvict, By: event.VerdictKubelet, Pod: &event.Pod{Namespace: "shop", Name: "cart-7f9c", UID: "27aff94d-e0d9-43d1-84d6-9ab000aa57e2"}}},
	{"kubelet stops a container", "kubelet",
		`I1012 19:34:45.000152    2480 kuberuntime_container.go:709] "Killing container with a grace period" pod="default/nginx" podUID=27aff94d-e0d9-43d1-84d6-9ab000aa57e2 containerName="nginx" containerID="containerd://4296b9e2377fddb0e7e42d20223c36771268cb7a1828315331405b66f0030add" gracePeriod=30`,
		&Report{Kind: KindKill, By: event.VerdictKubelet, Signal: "SIGTERM", Container: "4296b9e2377fddb0e7e42d20223c36771268cb7a1828315331405b66f0030add",
			Pod: &event.Pod{Namespace: "default", Name: "nginx", UID: "27aff94d-e0d9-43d1-84d6-9ab000aa57e2"}, Reason: "stopped by the kubelet, with a grace period of 30 s"}},
	{"kubelet ranks", "kubelet",
		`I0528 16:05:50.514706 2269385 eviction_manager.go:405] "Eviction manager: pods ranked for eviction" pods=["sre/infras-logstash-d484d57fc-rkx95"]`, nil},

	{"containerd saw an OOM", "containerd",
		`time="2025-05-19T18:14:43.578084676Z" level=info msg="TaskOOM event container_id:\"9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987\""`,
		&Report{Kind: KindOOM, By: event.VerdictRuntime, Signal: "SIGKILL", Container: "9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987"}},
	{"containerd saw 137", "containerd",
		`time="2025-05-19T18:14:43.767267300Z" level=info msg="received exit event container_id:\"9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987\"  id:\"9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987\"  pid:7620  exit_status:137  exited_at:{seconds:1747649683  nanos:725415123}"`,
		&Report{Kind: KindExit, By: event.VerdictRuntime, Signal: "SIGKILL", PID: 7620, Container: "9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987"}},
	{"containerd 1.3", "containerd",
		`time="2019-11-18T13:57:42.642359076+09:00" level=info msg="TaskExit event &TaskExit{ContainerID:72d440531d468f757ce628deac966828b405df842b0a84f4e737d1d464cdd4ab,ID:72d440531d468f757ce628deac966828b405df842b0a84f4e737d1d464cdd4ab,Pid:31408,ExitStatus:0,ExitedAt:2019-11-18 13:57:42.618338639 +0900 UTC,}"`, nil},
	{"dockerd kills", "dockerd",
		`time="2024-05-19T18:14:43.767267300Z" level=info msg="Container failed to exit within 10s of signal 15 - using the force" container=9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987`,
		&Report{Kind: KindKill, By: event.VerdictRuntime, Signal: "SIGKILL", Container: "9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987",
			Reason: "Container failed to exit within 10s of signal 15 - using the force"}},
	{"dockerd kills, 2017", "dockerd",
		`time="2017-05-19T18:14:43.767267300Z" level=info msg="Container 9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987 failed to exit within 10 seconds of signal 15 - using the force"`,
		&Report{Kind: KindKill, By: event.VerdictRuntime, Signal: "SIGKILL", Container: "9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987",
			Reason: "Container 9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987 failed to exit within 10 seconds of signal 15 - using the force"}},

	{"another program", "sshd", "x.service: Failed with result 'oom-kill'.", nil},
}

func TestParse(t *testing.T) {
	for _, tt := range lines {
		got, ok := Parse(Line{Ident: tt.ident, Text: []byte(tt.text)})
		if !ok {
			if tt.want != nil {
				t.Errorf("%s: not read", tt.name)
			}
			continue
		}
		if tt.want == nil {
			t.Errorf("%s: %+v", tt.name, got)
			continue
		}
		tt.want.Trust = TrustLine
		if diff := cmp.Diff(*tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Who wrote a line decides what it is worth.
func TestTrust(t *testing.T) {
	const text = `sending SIGKILL to process 7 uid 0 "a": badness 866, VmRSS 5 MiB`
	for name, tt := range map[string]struct {
		writer *Writer
		want   Trust
	}{
		"a syslog file":                  {nil, TrustLine},
		"root":                           {&Writer{PID: 9, UID: event.Ptr[uint32](0), Unit: "session-1.scope"}, TrustSystem},
		"its unit, under a dynamic user": {&Writer{PID: 9, UID: event.Ptr[uint32](61876), Unit: "earlyoom.service"}, TrustSystem},
		"a user with logger":             {&Writer{PID: 9, UID: event.Ptr[uint32](1000), Unit: "session-1.scope"}, TrustUser},
		"who is not told":                {&Writer{}, TrustUser},
	} {
		got, ok := Parse(Line{Ident: "earlyoom", Text: []byte(text), Writer: tt.writer})
		if !ok || got.Trust != tt.want {
			t.Errorf("%s: %q, want %q", name, got.Trust, tt.want)
		}
	}
}

// The journal tells the unit beside the text too.
func TestUnitOfTheJournal(t *testing.T) {
	got, ok := Parse(Line{Ident: "systemd", Text: []byte("Killing process 3317461 (pi) with signal SIGKILL."), OfUnit: "a.scope"})
	if !ok || got.Unit != "a.scope" || got.PID != 3317461 {
		t.Errorf("%v %+v", ok, got)
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range lines {
		f.Add(tt.ident, []byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, ident string, text []byte) {
		r, ok := Parse(Line{Ident: ident, Text: text})
		switch {
		case !ok:
		case r.Kind == "" || r.By == "":
			t.Errorf("says nothing: %+v", r)
		case r.PID < 0, r.Container != "" && !isHexID(r.Container):
			t.Errorf("%+v", r)
		case r.PID == 0 && r.Unit == "" && r.Cgroup == "" && r.Container == "" && r.Pod == nil && ident != "systemd":
			t.Errorf("of nobody: %+v", r)
		}
	})
}
