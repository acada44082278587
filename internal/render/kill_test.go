// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

func TestKillCause(t *testing.T) {
	const uid = "8f1d2c3b-5a47-4e0e-b9a1-77c2d1e0a942"
	podPath := "/kubepods.slice/kubepods-burstable-pod8f1d2c3b_5a47_4e0e_b9a1_77c2d1e0a942.slice"
	inPod := event.Victim{
		Cgroup:    &event.Cgroup{Path: podPath + "/cri-containerd-c0ffee.scope"},
		Container: &event.Container{Runtime: "containerd", ID: "c0ffee5d1b2a4f7e", Name: "app"},
		Pod:       &event.Pod{UID: uid, Namespace: "shop", Name: "cart-7f9"},
	}
	inUnit := event.Victim{Cgroup: &event.Cgroup{Path: "/system.slice/web.service"}, Unit: "web.service"}
	limit := func(path string) *event.Limit {
		return &event.Limit{Kind: event.LimitMemory, Bytes: event.Ptr(uint64(512 << 20)), Cgroup: &event.Cgroup{Path: path}}
	}
	owned := func(owner event.LimitOwner, path string) *event.Limit {
		l := limit(path)
		l.Owner = owner
		return l
	}
	for _, tt := range []struct {
		name string
		kill event.Kill
		want string
	}{
		{"nothing known", event.Kill{}, "out of memory (whose limit is not known)"},
		{"message only", event.Kill{Message: "Out of memory"}, "Out of memory (whose limit is not known)"},
		{"global", event.Kill{Scope: event.ScopeGlobal}, "the machine is out of memory"},
		{"global, size", event.Kill{Scope: event.ScopeGlobal, Limit: &event.Limit{Kind: event.LimitRAM, Bytes: event.Ptr(uint64(16 << 30))}}, "the machine is out of memory (RAM 16.0 GiB)"},
		{"memcg, no limit", event.Kill{Scope: event.ScopeMemcg}, "a cgroup reached its memory limit (whose is not known)"},
		{"memcg, limit without owner", event.Kill{Scope: event.ScopeMemcg, Limit: &event.Limit{Kind: event.LimitMemsw}}, "memory+swap limit of a cgroup reached"},
		{"container", event.Kill{Scope: event.ScopeMemcg, Victim: inPod, Limit: limit(inPod.Cgroup.Path)}, "memory limit 512.0 MiB of container app reached"},
		{"pod, systemd driver", event.Kill{Scope: event.ScopeMemcg, Victim: inPod, Limit: limit(podPath)}, "memory limit 512.0 MiB of pod shop/cart-7f9 reached"},
		{"pod, cgroupfs driver", event.Kill{Scope: event.ScopeMemcg, Victim: inPod, Limit: limit("/kubepods/burstable/pod" + uid)}, "memory limit 512.0 MiB of pod shop/cart-7f9 reached"},
		{"above the pod", event.Kill{Scope: event.ScopeMemcg, Victim: inPod, Limit: limit("/kubepods.slice")}, "memory limit 512.0 MiB of cgroup /kubepods.slice reached"},
		{"unit", event.Kill{Scope: event.ScopeMemcg, Victim: inUnit, Limit: limit("/system.slice/web.service")}, "memory limit 512.0 MiB of web.service reached"},
		{"above the unit", event.Kill{Scope: event.ScopeMemcg, Victim: inUnit, Limit: limit("/system.slice")}, "memory limit 512.0 MiB of cgroup /system.slice reached"},
		{"container, victim further in", event.Kill{Scope: event.ScopeMemcg, Victim: inPod, Limit: owned(event.OwnerContainer, podPath+"/cri")}, "memory limit 512.0 MiB of container app reached"},
		{"slice", event.Kill{Scope: event.ScopeMemcg, Victim: inUnit, Limit: owned(event.OwnerSlice, "/a.slice/a-b.slice")}, "memory limit 512.0 MiB of a-b.slice reached"},
		{"unit, victim further in", event.Kill{Scope: event.ScopeMemcg, Victim: inUnit, Limit: owned(event.OwnerUnit, "/system.slice/x.service")}, "memory limit 512.0 MiB of x.service reached"},
		{"parent", event.Kill{Scope: event.ScopeMemcg, Victim: inUnit, Limit: owned(event.OwnerParent, "/system")}, "memory limit 512.0 MiB of cgroup /system reached"},
		{"unlimited", event.Kill{Scope: event.ScopeMemcg, Limit: &event.Limit{Unlimited: event.Ptr(true), Cgroup: &event.Cgroup{Path: "/"}}}, "out of memory in the root cgroup, its memory limit is unlimited"},
		{"cpuset", event.Kill{Scope: event.ScopeCpuset, Limit: &event.Limit{Kind: event.LimitNodes, Cgroup: &event.Cgroup{Path: "/ml"}}}, "out of memory on the NUMA nodes that its cpuset allows, cgroup /ml"},
		{"sysrq", event.Kill{Scope: event.ScopeSysrq}, "killed on request, by SysRq-f"},
		{"new scope", event.Kill{Scope: "tier"}, "out of memory, scope tier"},
	} {
		if got := killCause(&tt.kill); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The cgroup that has the limit is named once, be it the one beside it.
func TestKillNamesACgroupOnce(t *testing.T) {
	limit := &event.Limit{Kind: event.LimitMemory, Bytes: event.Ptr(uint64(512 << 20)), Cgroup: &event.Cgroup{Path: "/a/b"}}
	for path, want := range map[string]string{
		"/a/b":   "memory limit 512.0 MiB of its cgroup reached",
		"/a/b/c": "memory limit 512.0 MiB of cgroup /a/b reached",
	} {
		k := event.Kill{Scope: event.ScopeMemcg, Victim: event.Victim{PID: 42, Cgroup: &event.Cgroup{Path: path}}, Limit: limit}
		if r := killRow(&event.Event{Kill: &k}, false); r.where != "cgroup "+path || r.what[0].text != want {
			t.Errorf("in %s: %q", r.where, r.what[0].text)
		}
	}
}

// A victim's other threads may ask for memory while it dies: that is no news.
func TestDyingVictimIsNoNews(t *testing.T) {
	kill, echo := eventtest.Kill(), eventtest.NoKill()
	again := eventtest.NoKill() // another process by that pid
	again.NoKill.Victim.StartBoottimeNS = event.Ptr(*again.NoKill.Victim.StartBoottimeNS + 1)
	for _, tt := range []struct {
		name   string
		o      Options
		events []*event.Event
		want   bool
	}{
		{"after its kill", Options{}, []*event.Event{kill, echo}, false},
		{"after its kill, not folded", Options{NoFold: true}, []*event.Event{kill, echo}, false},
		{"by itself", Options{}, []*event.Event{echo}, true},
		{"in wide", Options{Format: "wide"}, []*event.Event{kill, echo}, true},
		{"another process", Options{}, []*event.Event{kill, again}, true},
		{"another reason", Options{}, []*event.Event{kill, eventtest.NoKillNobody()}, true},
	} {
		if got := strings.Contains(string(show(t, tt.o, tt.events...)), " OOM "); got != tt.want {
			t.Errorf("%s: told %v", tt.name, got)
		}
	}
}

func TestKillTrigger(t *testing.T) {
	victim := event.Victim{PID: 4242, Comm: event.Ptr("java")}
	for _, tt := range []struct {
		scope   event.Scope
		trigger *event.Task
		want    string
	}{
		{"", nil, ""},
		{"", &event.Task{PID: 4242}, "triggered by itself"},
		{"", &event.Task{PID: 4242, Comm: event.Ptr("java")}, "triggered by itself"},
		{"", &event.Task{PID: 4242, Comm: event.Ptr("GC")}, "triggered by itself (thread GC)"},
		{"", &event.Task{PID: 7}, "triggered by pid 7"},
		{"", &event.Task{TID: event.Ptr(9), Comm: event.Ptr("GC")}, "triggered by thread GC[9]"},
		{"", &event.Task{PID: 7, Comm: event.Ptr("kswapd0"), KThread: event.Ptr(true)}, "triggered by kswapd0[7] (kernel thread)"},
		{event.ScopeSysrq, &event.Task{PID: 7}, ""},
	} {
		if got := killTrigger(&event.Kill{Scope: tt.scope, Victim: victim, Trigger: tt.trigger}); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.trigger, got, tt.want)
		}
	}
}

func TestKillPoints(t *testing.T) {
	for _, tt := range []struct {
		victim event.Victim
		want   string
	}{
		{event.Victim{}, ""},
		{event.Victim{OOMScoreAdj: event.Ptr(-1000)}, "adj -1000"},
		{event.Victim{PointsPages: event.Ptr(int64(1204))}, "points 1,204 pages"},
		{event.Victim{PointsPages: event.Ptr(int64(131204)), AllowedPages: event.Ptr(uint64(131072)), BadnessPermille: event.Ptr(int64(1001)), OOMScoreAdj: event.Ptr(0)}, "points 131,204 of 131,072 pages (100.1 %)"},
	} {
		if got := killPoints(&tt.victim); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// Who would have been next comes behind the victim, unless the victim was not chosen by
// points.
func TestKillRunnerUp(t *testing.T) {
	next := &event.RunnerUp{PID: 7, Comm: event.Ptr("db"), PointsPages: event.Ptr(int64(9000)), OOMScoreAdj: event.Ptr(-50)}
	for _, tt := range []struct {
		kill event.Kill
		want string
	}{
		{event.Kill{}, ""},
		{event.Kill{CandidatesSeen: event.Ptr(uint64(1))}, "the only one that could be killed"},
		{event.Kill{RunnerUp: next, CandidatesSeen: event.Ptr(uint64(2))}, "next would have been db[7] with 9,000 (adj -50)"},
		{event.Kill{RunnerUp: next, Choice: event.ChoiceBadness, MarginPages: event.Ptr(int64(-3)), CandidatesSeen: event.Ptr(uint64(1200))}, "next would have been db[7] with 9,000 (adj -50), of 1,200"},
		{event.Kill{RunnerUp: next, Choice: event.ChoiceAllocatingTask, MarginPages: event.Ptr(int64(-3))}, "by points it would have been db[7] with 9,000 (adj -50)"},
		{event.Kill{RunnerUp: next, Choice: event.ChoiceAllocatingTask, MarginPages: event.Ptr(int64(3))}, "next would have been db[7] with 9,000 (adj -50)"},
		{event.Kill{RunnerUp: next, Choice: event.ChoiceTaskOrigin, MarginPages: event.Ptr(int64(-3))}, "by points it would have been db[7] with 9,000 (adj -50)"},
	} {
		if got := killRunnerUp(&tt.kill); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
