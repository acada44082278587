// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestKillShmem(t *testing.T) {
	b := func(mib uint64) *uint64 { return event.Ptr(mib << 20) }
	memcg := func(shmem, usage *uint64) event.Kill {
		return event.Kill{Scope: event.ScopeMemcg, Limit: &event.Limit{Kind: event.LimitMemory, UsageBytes: usage, Stat: &event.CgroupStat{ShmemBytes: shmem}}}
	}
	memsw := memcg(b(100), b(100))
	memsw.Limit.Kind = event.LimitMemsw
	machine := func(scope event.Scope, shmem, total, available *uint64) event.Kill {
		return event.Kill{Scope: scope, Memory: &event.Memory{ShmemBytes: shmem, TotalBytes: total, AvailableBytes: available}}
	}
	for _, tt := range []struct {
		name string
		kill event.Kill
		want string
	}{
		{"a quarter", memcg(b(128), b(512)), "128.0 MiB of it tmpfs/shared memory"},
		{"less", memcg(b(127), b(512)), ""},
		{"none", memcg(b(0), b(0)), ""},
		{"not known", memcg(nil, b(512)), ""},
		{"usage not known", memcg(b(128), nil), ""},
		{"with swap", memsw, ""},
		{"no stat", event.Kill{Scope: event.ScopeMemcg, Limit: &event.Limit{}}, ""},
		{"machine", machine(event.ScopeGlobal, b(256), b(1024), b(24)), "256.0 MiB of it tmpfs/shared memory"},
		{"machine, less", machine(event.ScopeGlobal, b(249), b(1024), b(24)), ""},
		{"machine, available not known", machine(event.ScopeGlobal, b(256), b(1024), nil), ""},
		{"machine, odd", machine(event.ScopeGlobal, b(256), b(1024), b(2048)), "256.0 MiB of it tmpfs/shared memory"},
		{"nodes", machine(event.ScopeCpuset, b(256), b(1024), b(24)), ""},
		{"nothing", event.Kill{}, ""},
	} {
		if got := killShmem(&tt.kill); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestKillGroup(t *testing.T) {
	const whole, pod = "its whole cgroup is killed with it (memory.oom.group)", "no memory.oom.group: the pod is not marked OOMKilled unless its first process dies"
	inPod := event.Victim{Pod: &event.Pod{UID: "u"}, Container: &event.Container{ID: "c"}, Parents: []event.Parent{{PID: 7}}}
	first := inPod
	first.Parents = nil
	docker := inPod
	docker.Pod = nil
	yes, no := event.Ptr(true), event.Ptr(false)
	for _, tt := range []struct {
		name   string
		victim event.Victim
		scope  event.Scope
		role   event.Role
		group  *bool
		want   string
	}{
		{"group", inPod, event.ScopeMemcg, event.RoleChosen, yes, whole},
		{"group, no pod", event.Victim{}, event.ScopeMemcg, event.RoleChosen, yes, whole},
		{"a child in a pod", inPod, event.ScopeMemcg, event.RoleChosen, no, pod},
		{"perhaps the first process", first, event.ScopeMemcg, event.RoleChosen, no, ""},
		{"no pod", docker, event.ScopeMemcg, event.RoleChosen, no, ""},
		{"not known", inPod, event.ScopeMemcg, event.RoleChosen, nil, ""},
		{"one of the group", inPod, event.ScopeMemcg, event.RoleGroup, yes, ""},
		{"machine", inPod, event.ScopeGlobal, event.RoleChosen, no, ""},
	} {
		k := event.Kill{Scope: tt.scope, Role: tt.role, Victim: tt.victim, Limit: &event.Limit{OOMGroup: tt.group}}
		if got := killGroup(&k); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := killGroup(&event.Kill{Scope: event.ScopeMemcg, Role: event.RoleChosen}); got != "" {
		t.Errorf("no limit: %q", got)
	}
}

func TestKillFragmented(t *testing.T) {
	zone := func(largest int) event.Zone {
		z := event.Zone{Name: "Normal", FreeBlocks: []uint64{0}}
		if largest >= 0 {
			z.LargestFreeOrder = &largest
		}
		return z
	}
	for _, tt := range []struct {
		name  string
		order *int
		zones []event.Zone
		want  string
	}{
		{"fragmented", event.Ptr(3), []event.Zone{zone(1), zone(2), zone(-1)}, "fragmented: asked for order 3, the largest free block is of order 2"},
		{"nothing free", event.Ptr(1), []event.Zone{zone(-1)}, "fragmented: asked for order 1, no block is free"},
		{"large enough", event.Ptr(3), []event.Zone{zone(1), zone(3)}, ""},
		{"one page", event.Ptr(0), []event.Zone{zone(-1)}, ""},
		{"order not known", nil, []event.Zone{zone(-1)}, ""},
		{"one zone not known", event.Ptr(3), []event.Zone{zone(1), {Name: "DMA"}}, ""},
		{"no zones", event.Ptr(3), nil, ""},
	} {
		k := event.Kill{Trigger: &event.Task{Order: tt.order}, Memory: &event.Memory{Zones: tt.zones}}
		if got := killFragmented(&k); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := killFragmented(&event.Kill{}); got != "" {
		t.Errorf("nothing known: %q", got)
	}
}

func TestAddZones(t *testing.T) {
	low, high := event.Ptr(uint64(1<<20)), event.Ptr(uint64(2<<20))
	short := event.Zone{Node: 1, Name: "Normal", FreeBytes: low, LowBytes: high, MinBytes: low}
	var c cell
	addZones(&c, &event.Memory{Zones: []event.Zone{
		{Name: "DMA", FreeBytes: high, LowBytes: low}, {Name: "DMA32"}, short, short, short, short, short,
	}})
	if len(c) != zonesShown || c[0].text != "zone Normal of node 1: free 1.0 MiB, min 1.0 MiB, low 2.0 MiB" {
		t.Errorf("%+v", c)
	}
	c = nil
	addZones(&c, nil)
	addStat(&c, nil)
	addStat(&c, &event.CgroupStat{})
	addLimit(&c, nil)
	if len(c) > 0 {
		t.Errorf("of nothing: %+v", c)
	}
}

func TestAddLimit(t *testing.T) {
	n := func(v uint64) *uint64 { return &v }
	var c cell
	addLimit(&c, &event.Limit{
		HighBytes: n(1 << 20), Events: &event.CgroupEvents{OOMKill: n(2), Max: n(1204), FailCnt: n(0)},
		Stat: &event.CgroupStat{AnonBytes: n(3 << 20), SlabBytes: n(4 << 10), AgeMS: event.Ptr(int64(12))},
	})
	var got []string
	for _, p := range c {
		got = append(got, p.text)
	}
	const want = "memory.high 1.0 MiB|there 12 ms later: anon 3.0 MiB, slab 4.0 KiB|killed there so far 2|limit met 1,204 times"
	if text := strings.Join(got, "|"); text != want {
		t.Errorf("%s, want %s", text, want)
	}
	c = nil
	addLimit(&c, &event.Limit{Owner: event.OwnerSlice, Cgroup: &event.Cgroup{Version: 1}, Events: &event.CgroupEvents{OOMKill: n(0)}})
	if len(c) > 0 {
		t.Errorf("v1, above: %+v", c)
	}
}
