// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

func p[T any](v T) *T { return &v }

const page = 4096

// document is a timeline of events of one boot.
func document(events ...*event.Event) *timeline.Document {
	d := &timeline.Document{Boots: []timeline.Boot{{Host: eventtest.Host()}}}
	for _, e := range events {
		d.Entries = append(d.Entries, timeline.Entry{Event: e})
	}
	return d
}

// boot is when the scenarios' machine booted, began when their first kill was.
var boot = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

const began = uint64(1_000_000 * 1e9)

// killed is an event of a kill, s seconds after the first.
func killed(s float64, change func(k *event.Kill)) *event.Event {
	at := began + uint64(s*1e9)
	e := &event.Event{
		Type: event.TypeOOMKill, Time: boot.Add(time.Duration(at)), BoottimeNS: p(at), Source: event.SourceBPF, Host: eventtest.Host(),
		Kill: &event.Kill{Episode: eventtest.Episode(at), Choice: event.ChoiceBadness, Role: event.RoleChosen},
	}
	change(e.Kill)
	return e
}

// unit is a kill at a unit's limit of 512 MiB, of a victim that fills it.
func unit(s float64, changes ...func(k *event.Kill)) *event.Event {
	return killed(s, func(k *event.Kill) {
		cg := &event.Cgroup{Version: 2, Path: "/system.slice/web.service", ID: "1a2f"}
		k.Scope, k.Message = event.ScopeMemcg, "Memory cgroup out of memory"
		k.Victim = event.Victim{
			PID: 4100 + int(s), Comm: p("webd"), Exe: p("/usr/bin/webd"), OOMScoreAdj: p(0), PointsPages: p(int64(126_000)), AllowedPages: p(uint64(131_072)),
			StartBoottimeNS: p(began + uint64(s*1e9) - 86_400e9),
			AnonRSSBytes:    p(uint64(480 * mib)), FileRSSBytes: p(uint64(4 * mib)), ShmemRSSBytes: p(uint64(0)), SwapBytes: p(uint64(0)), PgtablesBytes: p(uint64(mib)),
			Cgroup: cg, Unit: "web.service",
		}
		k.Trigger = &event.Task{PID: k.Victim.PID, Comm: p("webd"), Cgroup: cg, Unit: "web.service", Order: p(0), GFPFlags: []string{"GFP_KERNEL"}}
		k.Limit = &event.Limit{
			Kind: event.LimitMemory, Owner: event.OwnerOwn, Cgroup: cg, Bytes: p(uint64(512 * mib)), UsageBytes: p(uint64(512 * mib)),
			Stat: &event.CgroupStat{
				AnonBytes: p(uint64(484 * mib)), FileBytes: p(uint64(8 * mib)), ShmemBytes: p(uint64(0)), SlabUnreclaimableBytes: p(uint64(4 * mib)),
				PagetablesBytes: p(uint64(2 * mib)), KernelStackBytes: p(uint64(mib)), UnevictableBytes: p(uint64(0)),
			},
		}
		for _, change := range changes {
			change(k)
		}
	})
}

// machine is a kill for want of RAM, 8 GiB, of a victim of 2 GiB that did not grow.
func machine(s float64, changes ...func(k *event.Kill)) *event.Event {
	return killed(s, func(k *event.Kill) {
		cg := &event.Cgroup{Version: 2, Path: "/system.slice/db.service", ID: "9c"}
		k.Scope, k.Message = event.ScopeGlobal, "Out of memory"
		k.Victim = event.Victim{
			PID: 700, Comm: p("dbd"), Exe: p("/usr/bin/dbd"), OOMScoreAdj: p(0), PointsPages: p(int64(524_288)), AllowedPages: p(uint64(2_097_152)),
			StartBoottimeNS: p(began - 86_400e9),
			AnonRSSBytes:    p(uint64(2 * gib)), FileRSSBytes: p(uint64(mib)), ShmemRSSBytes: p(uint64(0)), SwapBytes: p(uint64(0)), PgtablesBytes: p(uint64(4 * mib)),
			Cgroup: cg, Unit: "db.service",
		}
		k.Trigger = &event.Task{PID: 900, Comm: p("cron"), Order: p(0), GFPFlags: []string{"GFP_HIGHUSER_MOVABLE"}}
		k.Limit = &event.Limit{Kind: event.LimitRAM, Bytes: p(uint64(8 * gib))}
		k.Settings = &event.Settings{PanicOnOOM: p(0), OOMKillAllocatingTask: p(0), OvercommitMemory: p(0), Swappiness: p(60), SwapTotalBytes: p(uint64(2 * gib))}
		k.Memory = &event.Memory{
			TotalBytes: p(uint64(8 * gib)), FreeBytes: p(uint64(60 * mib)), AvailableBytes: p(uint64(80 * mib)), AnonBytes: p(uint64(7 * gib)),
			ShmemBytes: p(uint64(64 * mib)), SlabUnreclaimableBytes: p(uint64(100 * mib)), PagetablesBytes: p(uint64(40 * mib)), KernelStackBytes: p(uint64(20 * mib)),
			MlockedBytes: p(uint64(0)), HugetlbBytes: p(uint64(0)), HugetlbFreeBytes: p(uint64(0)), CommittedBytes: p(uint64(9 * gib)),
			SwapTotalBytes: p(uint64(2 * gib)), SwapFreeBytes: p(uint64(gib)), Source: "meminfo",
		}
		for _, change := range changes {
			change(k)
		}
	})
}

// sampled gives a kill a lead-up: the victim's sizes, evenly over ten minutes, in MiB.
func sampled(mibs ...uint64) func(k *event.Kill) {
	return func(k *event.Kill) {
		l := &event.LeadUp{State: event.LeadUpOK, Samples: 60, SpanMS: p(int64(600_000)), BeforeMS: p(int64(1000)), GrowersOf: event.GrowersOfMachine}
		if k.Scope == event.ScopeMemcg {
			l.GrowersOf = event.GrowersOfLimit
		}
		for i, n := range mibs {
			l.VictimRSS = append(l.VictimRSS, event.RSSPoint{BeforeMS: int64(600_000 * (len(mibs) - i) / len(mibs)), RSSBytes: n * mib})
		}
		if n := len(mibs); n > 0 {
			if rss, _ := k.Victim.RSSBytes(); rss > mibs[0]*mib+mib {
				l.Growers = append(l.Growers, event.Grower{PID: k.Victim.PID, Comm: k.Victim.Comm, RSSBytes: mibs[n-1] * mib, GrewBytes: rss - mibs[0]*mib, OverMS: 600_000})
			}
		}
		k.LeadUp = l
	}
}

// grew adds another process that grew, in MiB.
func grew(pid int, comm string, rss, by uint64) func(k *event.Kill) {
	return func(k *event.Kill) {
		g := event.Grower{PID: pid, Comm: p(comm), RSSBytes: rss * mib, GrewBytes: by * mib, OverMS: 500_000}
		k.LeadUp.Growers = append([]event.Grower{g}, k.LeadUp.Growers...)
	}
}

// candidate adds one, its memory in MiB.
func candidate(pid int, comm string, adj int, anon uint64) func(k *event.Kill) {
	return func(k *event.Kill) {
		c := event.Candidate{PID: pid, Comm: p(comm), OOMScoreAdj: p(adj), AnonRSSBytes: p(anon * mib), FileRSSBytes: p(uint64(0)), ShmemRSSBytes: p(uint64(0)), PgtablesBytes: p(uint64(0))}
		if adj > -1000 && k.Victim.AllowedPages != nil {
			c.PointsPages = p(int64(anon*mib/page) + int64(adj)*int64(*k.Victim.AllowedPages/1000))
		}
		k.Candidates = append(k.Candidates, c)
	}
}

// small makes the victim a small one.
func small(k *event.Kill) {
	k.Victim.AnonRSSBytes, k.Victim.PointsPages = p(uint64(20*mib)), p(int64(6000))
}

func memory(change func(m *event.Memory)) func(k *event.Kill) {
	return func(k *event.Kill) { change(k.Memory) }
}

func stat(change func(s *event.CgroupStat)) func(k *event.Kill) {
	return func(k *event.Kill) { change(k.Limit.Stat) }
}

func victim(change func(v *event.Victim)) func(k *event.Kill) {
	return func(k *event.Kill) { change(&k.Victim) }
}

// in moves a kill's victim and limit to another cgroup.
func at(path string, change func(v *event.Victim)) func(k *event.Kill) {
	return func(k *event.Kill) {
		cg := &event.Cgroup{Version: 2, Path: path}
		k.Victim.Cgroup, k.Limit.Cgroup, k.Trigger.Cgroup = cg, cg, cg
		k.Victim.Unit, k.Trigger.Unit = "", ""
		change(&k.Victim)
	}
}

// zones are those of the log's report, from before the kill.
func zones(list ...event.Zone) func(k *event.Kill) {
	return func(k *event.Kill) { k.Memory.Zones, k.Memory.Source = list, "kmsg" }
}

// later: the memory was read after the kill.
func later(k *event.Kill) { k.Memory.Source, k.Memory.AgeMS = "meminfo", p(int64(3)) }

func zone(node int, name string, free, low uint64, largest int) event.Zone {
	z := event.Zone{Node: node, Name: name, FreeBytes: p(free * mib), MinBytes: p(low * mib), LowBytes: p(low * mib * 5 / 4), HighBytes: p(low * mib * 3 / 2), ManagedBytes: p(uint64(4 * gib))}
	if largest >= 0 {
		z.LargestFreeOrder = p(largest)
		z.FreeBlocks = make([]uint64, 11)
		z.FreeBlocks[largest] = 1
	}
	return z
}

func trigger(change func(t *event.Task)) func(k *event.Kill) {
	return func(k *event.Kill) { change(k.Trigger) }
}

func trace(symbols ...string) func(k *event.Kill) {
	return func(k *event.Kill) {
		k.Stack = &event.Stack{}
		for _, s := range symbols {
			k.Stack.Frames = append(k.Stack.Frames, event.Frame{Symbol: s})
		}
	}
}

// many makes a list of kills.
func many(n int, f func(i int) *event.Event) []*event.Event {
	var list []*event.Event
	for i := range n {
		list = append(list, f(i))
	}
	return list
}

func nokill(change func(n *event.NoKill)) *event.Event {
	e := eventtest.NoKillNobody()
	change(e.NoKill)
	return e
}

const (
	ctrID   = "c0ffee5d1b2a4f7e9d8c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e"
	podUID  = "8f1d2c3b-5a47-4e0e-b9a1-77c2d1e0a942"
	podPath = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f1d2c3b_5a47_4e0e_b9a1_77c2d1e0a942.slice/cri-containerd-" + ctrID + ".scope"
)

func inPod(v *event.Victim) {
	v.Container = &event.Container{Runtime: "containerd", ID: ctrID, Name: "app"}
	v.Pod = &event.Pod{UID: podUID, Namespace: "shop", Name: "cart-7f9", QoS: "burstable"}
}

// java makes a JVM of the victim.
func java(cmdline string, threads int) func(k *event.Kill) {
	return victim(func(v *event.Victim) {
		v.Comm, v.Exe, v.Cmdline, v.Threads = p("java"), p("/usr/lib/jvm/bin/java"), p(cmdline), p(threads)
	})
}

// mayNotSwap is a machine with swap, of which the unit web may use so much.
func mayNotSwap(most, free uint64) *Machine {
	return &Machine{
		CgroupVersion: 2,
		Memory:        &event.Memory{AvailableBytes: p(uint64(4 * gib)), SwapTotalBytes: p(uint64(2 * gib)), SwapFreeBytes: p(free)},
		Cgroups:       []CgroupNow{{Cgroup: event.Cgroup{Version: 2, Path: "/system.slice/web.service"}, MaxBytes: p(uint64(512 * mib)), SwapMaxBytes: p(most)}},
	}
}

// scenario is a timeline, and what is to be said of it.
type scenario struct {
	name    string
	events  []*event.Event
	machine *Machine
	say     map[string]timeline.Confidence // findings that must be there
	silent  []string                       // findings that must not
}

type says = map[string]timeline.Confidence

const (
	high   = timeline.High
	medium = timeline.Medium
	low    = timeline.Low
)

// scenarios hold for each rule its case, and its nearest neighbour.
func scenarios() []scenario {
	bomb := func(age uint64, n int) func(k *event.Kill) {
		return func(k *event.Kill) {
			k.CandidatesSeen = p(uint64(n))
			for i := range 10 {
				candidate(9000+i, "sh", 0, 3)(k)
				k.Candidates[i].StartBoottimeNS = p(began - age*1e9)
			}
			k.Victim.Comm, k.Victim.AnonRSSBytes, k.Victim.PID = p("sh"), p(uint64(3*mib)), 9000
		}
	}
	list := []scenario{
		{name: "steady below its limit", events: []*event.Event{unit(0, sampled(480, 481, 483, 484, 484, 484))},
			say: says{"limit-too-small": medium}, silent: []string{"growth-victim", "limit-reached", "repeated"}},
		{name: "steady, twice", events: []*event.Event{unit(0, sampled(480, 481, 483, 484, 484, 484)), unit(3600, sampled(480, 481, 483, 484, 484, 484))},
			say: says{"limit-too-small": high}, silent: []string{"growth-victim", "limit-reached", "repeated"}},
		{name: "starts again and again", events: many(4, func(i int) *event.Event {
			return unit(float64(30*i), victim(func(v *event.Victim) { v.StartBoottimeNS = p(began + uint64(30*i)*1e9 - 20e9) }))
		}), say: says{"limit-too-small": medium}, silent: []string{"limit-reached"}},
		{name: "once after a day, not sampled", events: []*event.Event{unit(0)}, say: says{"limit-reached": low}, silent: []string{"limit-too-small", "growth-victim"}},
		{name: "file cache, not anonymous", events: []*event.Event{unit(0, stat(func(s *event.CgroupStat) { s.AnonBytes, s.FileBytes = p(uint64(50*mib)), p(uint64(450*mib)) }), victim(func(v *event.Victim) { v.AnonRSSBytes = p(uint64(40 * mib)) }), sampled(40, 40, 40, 41, 40))},
			say: says{"limit-reached": low}, silent: []string{"limit-too-small", "shmem", "growth-victim"}},
		{name: "leak", events: []*event.Event{unit(0, sampled(200, 260, 320, 380, 440))}, say: says{"growth-victim": high}, silent: []string{"limit-too-small", "growth-elsewhere", "limit-reached", "bystanders"}},
		{name: "just started, grew to its size", events: []*event.Event{unit(0, sampled(10, 200, 400, 470), victim(func(v *event.Victim) { v.StartBoottimeNS = p(began - 610e9) }))},
			say: says{"growth-victim": medium}},
		{name: "a sibling grew", events: []*event.Event{unit(0, victim(func(v *event.Victim) { v.AnonRSSBytes, v.PointsPages = p(uint64(248*mib)), p(int64(64_000)) }), sampled(250, 251, 250, 252), grew(4300, "worker", 220, 210), candidate(4300, "worker", 0, 220), candidate(4100, "webd", 0, 252))},
			say: says{"growth-elsewhere": high}, silent: []string{"growth-victim", "limit-too-small", "bystanders"}},
		{name: "another grew, the machine's", events: []*event.Event{machine(0, sampled(2048, 2049, 2048, 2049), grew(800, "leaky", 1900, 1800), candidate(700, "dbd", 0, 2053), candidate(800, "leaky", 0, 1900))},
			say: says{"growth-elsewhere": medium, "bystanders": high}, silent: []string{"growth-victim", "protected-hog"}},
		{name: "the grower is the trigger", events: []*event.Event{machine(0, sampled(2048, 2049, 2048, 2049), grew(900, "cron", 1900, 1800))},
			say: says{"growth-elsewhere": medium}, silent: []string{"bystanders"}},
		{name: "tmpfs in a unit", events: []*event.Event{unit(0, stat(func(s *event.CgroupStat) {
			s.AnonBytes, s.FileBytes, s.ShmemBytes = p(uint64(40*mib)), p(uint64(440*mib)), p(uint64(430*mib))
		}), victim(func(v *event.Victim) { v.AnonRSSBytes = p(uint64(30 * mib)) }))},
			say: says{"shmem": high}, silent: []string{"limit-reached", "limit-too-small", "mlocked"}},
		{name: "tmpfs of the machine", events: []*event.Event{machine(0, sampled(2048, 2048, 2048), memory(func(m *event.Memory) { m.ShmemBytes, m.AnonBytes = p(uint64(3*gib)), p(uint64(4*gib)) }))},
			machine: &Machine{Tmpfs: []Mount{{"/dev/shm", 4 * gib, 2900*mib + 5}, {"/run", 800 * mib, 4 * mib}, {"/run/containerd/io.containerd.grpc.v1.cri/sandboxes/a/shm", 4 * gib, 2 * gib}}},
			say:     says{"shmem": medium, "bystanders": medium}},
		{name: "slab of the machine", events: []*event.Event{machine(0, memory(func(m *event.Memory) {
			m.SlabUnreclaimableBytes = p(uint64(5 * gib))
			m.Slabs = []event.Slab{{Name: "kmalloc-512", UsedBytes: 4 * gib, TotalBytes: 4 * gib}, {Name: "dentry", UsedBytes: mib, TotalBytes: mib}}
		}))}, machine: &Machine{Slabs: []event.Slab{{Name: "kmalloc-512", UsedBytes: 4 * gib, TotalBytes: 4 * gib}}}, say: says{"slab": high}, silent: []string{"swap-absent"}},
		{name: "reclaimable slab", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.SlabReclaimableBytes = p(uint64(5 * gib)) }))}, silent: []string{"slab"}},
		{name: "page tables", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.PagetablesBytes = p(uint64(2 * gib)) }))}, say: says{"page-tables": high}, silent: []string{"slab", "kernel-stacks"}},
		{name: "some page tables", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.PagetablesBytes = p(uint64(400 * mib)) }))}, silent: []string{"page-tables"}},
		{name: "threads", events: []*event.Event{unit(0, stat(func(s *event.CgroupStat) { s.KernelStackBytes, s.AnonBytes = p(uint64(120*mib)), p(uint64(300*mib)) }))}, say: says{"kernel-stacks": high}, silent: []string{"page-tables", "limit-reached"}},
		{name: "locked", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.MlockedBytes = p(uint64(5 * gib)) }))}, say: says{"mlocked": high}, silent: []string{"shmem"}},
		{name: "fork bomb", events: []*event.Event{machine(0, bomb(20, 4000))}, say: says{"fork-bomb": high}},
		{name: "a pool of old workers", events: []*event.Event{machine(0, bomb(50_000, 400))}, silent: []string{"fork-bomb"}},
		{name: "few young ones", events: []*event.Event{machine(0, bomb(20, 30))}, silent: []string{"fork-bomb"}},
		{name: "fragmented", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.Order, t.GFPFlags = p(3), []string{"GFP_KERNEL"} }), zones(zone(0, "DMA32", 200, 20, 1), zone(0, "Normal", 900, 60, 2)),
			trace("oom_kill_process", "out_of_memory", "__alloc_pages_slowpath.constprop.0", "__alloc_pages_noprof", "netdev_ring_init"), func(k *event.Kill) { k.Effort = &event.Effort{Compactions: 12, CompactionUS: 90_000} })},
			machine: &Machine{Settings: Settings{MinFreeBytes: p(uint64(64 * mib))}},
			say:     says{"fragmentation": high}, silent: []string{"zone-exhausted", "swap-absent"}},
		{name: "fragmented, read later", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.Order = p(3) }), zones(zone(0, "Normal", 900, 60, 2)), later)}, say: says{"fragmentation": low}},
		{name: "fragmented, read later, and a small victim", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.Order = p(3) }), zones(zone(0, "Normal", 900, 60, 2)), later, victim(func(v *event.Victim) { v.AnonRSSBytes = p(uint64(100 * mib)) }))}, say: says{"fragmentation": high}},
		{name: "DMA32 is empty, read later", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.GFPFlags = []string{"GFP_DMA32"} }), zones(zone(0, "DMA32", 5, 20, 1), zone(0, "Normal", 1000, 60, 8)), later)}, say: says{"zone-exhausted": low}},
		{name: "a large block is there", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.Order = p(2) }), zones(zone(0, "Normal", 900, 60, 4)))}, silent: []string{"fragmentation"}},
		{name: "fragmented, and DMA at its min", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.Order = p(2) }), zones(zone(0, "DMA", 21, 20, 9), zone(0, "Normal", 900, 60, 1)))}, say: says{"fragmentation": high}},
		{name: "order 2, and empty", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.Order = p(2) }), zones(zone(0, "Normal", 50, 60, 1)))}, silent: []string{"fragmentation"}},
		{name: "order 3 in a cgroup", events: []*event.Event{unit(0, trigger(func(t *event.Task) { t.Order = p(3) }))}, silent: []string{"fragmentation"}},
		{name: "DMA32 is empty", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.GFPFlags = []string{"GFP_KERNEL", "GFP_DMA32"} }), zones(zone(0, "DMA32", 5, 20, 1), zone(0, "Normal", 3000, 60, 8)))}, say: says{"zone-exhausted": high}, silent: []string{"fragmentation"}},
		{name: "all zones are empty", events: []*event.Event{machine(0, zones(zone(0, "DMA32", 5, 20, 1), zone(0, "Normal", 30, 60, 8)))}, silent: []string{"zone-exhausted"}},
		{name: "an unmovable page, and Movable is free", events: []*event.Event{machine(0, trigger(func(t *event.Task) { t.GFPFlags = []string{"GFP_KERNEL"} }), zones(zone(0, "Normal", 5, 20, 1), zone(1, "Movable", 3000, 60, 8)))}, say: says{"zone-exhausted": high}},
		{name: "nodes of a cpuset", events: []*event.Event{machine(0, func(k *event.Kill) {
			k.Scope, k.Limit = event.ScopeCpuset, &event.Limit{Kind: event.LimitNodes, Nodes: "1"}
			k.Trigger.Cgroup = &event.Cgroup{Version: 2, Path: "/system.slice/hpc.service"}
		}, memory(func(m *event.Memory) { m.FreeBytes, m.AvailableBytes = p(uint64(3*gib)), p(uint64(4*gib)) }), zones(zone(1, "Normal", 30, 60, 3)))}, say: says{"nodes-exhausted": high}},
		{name: "nodes of a policy", events: []*event.Event{machine(0, func(k *event.Kill) { k.Scope, k.Limit = event.ScopeMempolicy, nil },
			memory(func(m *event.Memory) { m.FreeBytes, m.AvailableBytes = p(uint64(3*gib)), nil }))}, say: says{"nodes-exhausted": medium}},
		{name: "a cpuset, and nothing elsewhere", events: []*event.Event{machine(0, func(k *event.Kill) { k.Scope, k.Limit = event.ScopeCpuset, nil })}, say: says{"machine-full": low}, silent: []string{"nodes-exhausted", "unexplained"}},
		{name: "huge pages nobody uses", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.HugetlbBytes, m.HugetlbFreeBytes = p(uint64(4*gib)), p(uint64(3*gib)) }))},
			machine: &Machine{HugepageBytes: p(uint64(2 * mib)), HugepagesSpare: p(uint64(1500)), Settings: Settings{Hugepages: p(uint64(2048))}}, say: says{"hugepages": high}},
		{name: "huge pages in use", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.HugetlbBytes, m.HugetlbFreeBytes = p(uint64(4*gib)), p(uint64(0)) }))}, say: says{"hugepages": medium}},
		{name: "no swap", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.SwapTotalBytes, m.SwapFreeBytes = p(uint64(0)), p(uint64(0)) }))}, say: says{"swap-absent": high}, silent: []string{"swap-full"}},
		{name: "no swap on a node", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.SwapTotalBytes, m.SwapFreeBytes = p(uint64(0)), p(uint64(0)) }), victim(inPod))}, say: says{"swap-absent": high}},
		{name: "no swap, and no anonymous memory", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.SwapTotalBytes, m.AnonBytes = p(uint64(0)), p(uint64(gib)) }))}, silent: []string{"swap-absent"}},
		{name: "swap is full", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.SwapFreeBytes = p(uint64(mib)) }))}, say: says{"swap-full": high}, silent: []string{"swap-absent"}},
		{name: "a unit that may not swap", events: []*event.Event{unit(0, sampled(480, 481, 483, 484, 484, 484))}, machine: mayNotSwap(0, gib),
			say: says{"swap-limited": medium, "limit-too-small": medium}},
		{name: "a unit that has used its swap", events: []*event.Event{unit(0, func(k *event.Kill) { k.Limit.SwapBytes = p(uint64(64*mib - page)) })}, machine: mayNotSwap(64*mib, gib),
			say: says{"swap-limited": medium, "limit-reached": low}},
		{name: "a unit that may swap", events: []*event.Event{unit(0, func(k *event.Kill) { k.Limit.SwapBytes = p(uint64(10 * mib)) })}, machine: mayNotSwap(64*mib, gib), silent: []string{"swap-limited"}},
		{name: "no swap, which a unit may not use", events: []*event.Event{unit(0)}, machine: mayNotSwap(0, 0), silent: []string{"swap-limited"}},
		{name: "a unit of page cache that may not swap", events: []*event.Event{unit(0, stat(func(s *event.CgroupStat) { s.AnonBytes = p(uint64(50 * mib)) }), victim(func(v *event.Victim) { v.AnonRSSBytes = p(uint64(40 * mib)) }))}, machine: mayNotSwap(0, gib), silent: []string{"swap-limited"}},
		{name: "a node's unit may not swap", events: []*event.Event{unit(0)}, machine: func() *Machine { m := mayNotSwap(0, gib); m.Kubelet = &Kubelet{Runs: true}; return m }(), silent: []string{"swap-limited"}},
		{name: "promised twice", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.CommittedBytes = p(uint64(40 * gib)) }), func(k *event.Kill) { k.Settings.OvercommitMemory = p(1) })}, say: says{"overcommit": medium}},
		{name: "promised twice, heuristically", events: []*event.Event{machine(0, memory(func(m *event.Memory) { m.CommittedBytes = p(uint64(40 * gib)) }))}, silent: []string{"overcommit"}},
		{name: "strict, and yet", events: []*event.Event{machine(0, func(k *event.Kill) { k.Settings.OvercommitMemory = p(2) })}, machine: &Machine{CommitLimitBytes: p(uint64(12 * gib))}, say: says{"overcommit": medium}},
		{name: "protected", events: []*event.Event{machine(0, candidate(700, "dbd", 0, 2053), candidate(800, "hog", -500, 5000), func(k *event.Kill) {
			k.RunnerUp, k.MarginPages = &event.RunnerUp{PID: 800}, p(int64(100))
		})}, say: says{"protected-hog": high}, silent: []string{"exposed-victim"}},
		{name: "a guaranteed pod stays", events: []*event.Event{machine(0, victim(inPod), candidate(700, "dbd", 0, 2053), candidate(800, "hog", -997, 5000))}, say: says{"protected-hog": high}},
		{name: "protected, and small", events: []*event.Event{machine(0, candidate(700, "dbd", 0, 2053), candidate(800, "sshd", -900, 10))}, silent: []string{"protected-hog"}},
		{name: "immune", events: []*event.Event{machine(0, candidate(800, "hog", -1000, 5000))}, say: says{"protected-hog": high}},
		{name: "immune, by a log that sums up", events: []*event.Event{unit(0, small, func(k *event.Kill) {
			k.Candidates = []event.Candidate{{PID: 55, Comm: p("agent"), OOMScoreAdj: p(-1000), RSSBytes: p(uint64(400 * mib)), SwapBytes: p(uint64(0)), PgtablesBytes: p(uint64(mib))}}
		})}, say: says{"protected-hog": high}},
		{name: "a pod goes first", events: []*event.Event{machine(0, victim(func(v *event.Victim) { inPod(v); v.OOMScoreAdj, v.PointsPages = p(1000), p(int64(2_600_000)) }), candidate(800, "hog", 0, 5000))}, say: says{"exposed-victim": high}, silent: []string{"protected-hog"}},
		{name: "who asked was taken", events: []*event.Event{machine(0, func(k *event.Kill) { k.Choice = event.ChoiceAllocatingTask }, candidate(800, "hog", 0, 5000))}, say: says{"allocating-task": high}, silent: []string{"protected-hog"}},
		{name: "set below the usage", events: []*event.Event{unit(0, trigger(func(t *event.Task) {
			t.PID, t.Comm, t.Cgroup = 1, p("systemd"), &event.Cgroup{Version: 2, Path: "/init.scope"}
		}), func(k *event.Kill) { k.Limit.UsageBytes = p(uint64(900 * mib)) }, trace("out_of_memory", "mem_cgroup_out_of_memory", "memory_max_write", "cgroup_file_write"))},
			say: says{"limit-lowered": high}, silent: []string{"limit-reached", "limit-too-small", "bystanders"}},
		{name: "set below the usage, no trace", events: []*event.Event{unit(0, trigger(func(t *event.Task) {
			t.PID, t.Comm, t.Cgroup = 1, p("systemd"), &event.Cgroup{Version: 2, Path: "/init.scope"}
		}), func(k *event.Kill) { k.Limit.UsageBytes = p(uint64(900 * mib)) })}, say: says{"limit-lowered": medium}},
		{name: "set below the usage, and raised since", events: []*event.Event{unit(0, trace("memory_max_write"), func(k *event.Kill) { k.Limit.UsageBytes = p(uint64(900 * mib)) })},
			machine: &Machine{Cgroups: []CgroupNow{{Cgroup: event.Cgroup{Path: "/system.slice/web.service"}, MaxBytes: p(uint64(gib))}}}, say: says{"limit-lowered": high}},
		{name: "a little over, its own", events: []*event.Event{unit(0, func(k *event.Kill) { k.Limit.UsageBytes = p(uint64(512*mib + 100*page)) })}, say: says{"limit-reached": low}, silent: []string{"limit-lowered"}},
		{name: "throttled", events: []*event.Event{unit(0, func(k *event.Kill) {
			k.Limit.HighBytes, k.Limit.Events = p(uint64(450*mib)), &event.CgroupEvents{High: p(uint64(9000))}
		})}, say: says{"memory-high": high, "limit-reached": low}},
		{name: "never throttled", events: []*event.Event{unit(0, func(k *event.Kill) {
			k.Limit.HighBytes, k.Limit.Events = p(uint64(450*mib)), &event.CgroupEvents{High: p(uint64(0))}
		})}, silent: []string{"memory-high"}},
		{name: "panics, unarmed", events: []*event.Event{machine(0, func(k *event.Kill) { k.Settings.PanicOnOOM, k.Settings.Kdump = p(1), &event.Kdump{Loaded: p(false)} })}, machine: &Machine{Settings: Settings{PanicSeconds: p(0)}}, say: says{"panic-without-dump": high}},
		{name: "panics, not known", events: []*event.Event{machine(0, func(k *event.Kill) { k.Settings.PanicOnOOM = p(1) })}, say: says{"panic-without-dump": low}},
		{name: "panics by now", events: []*event.Event{machine(0, func(k *event.Kill) { k.Settings.PanicOnOOM = p(0) })}, machine: &Machine{Settings: Settings{Settings: event.Settings{PanicOnOOM: p(1), Kdump: &event.Kdump{Loaded: p(false)}}}}, say: says{"panic-without-dump": high}},
		{name: "panics for a cgroup", events: []*event.Event{unit(0)}, machine: &Machine{Settings: Settings{Settings: event.Settings{PanicOnOOM: p(2), Kdump: &event.Kdump{Loaded: p(false)}}}}, say: says{"panic-without-dump": high}},
		{name: "panics no more", events: []*event.Event{machine(0, func(k *event.Kill) { k.Settings.PanicOnOOM = p(1) })}, machine: &Machine{Settings: Settings{Settings: event.Settings{PanicOnOOM: p(0)}}}, silent: []string{"panic-without-dump"}},
		{name: "panics, armed", events: []*event.Event{machine(0, func(k *event.Kill) { k.Settings.PanicOnOOM, k.Settings.Kdump = p(1), &event.Kdump{Loaded: p(true)} })}, silent: []string{"panic-without-dump"}},
		{name: "panicked", events: []*event.Event{eventtest.NoKillPanic()}, machine: &Machine{Kubelet: &Kubelet{Runs: true}}, say: says{"panicked": high}},
		{name: "deadlock", events: []*event.Event{nokill(func(n *event.NoKill) {
			n.Reason, n.Message, n.Candidates = event.NoKillPanic, "System is deadlocked on memory", []event.Candidate{{PID: 5, Comm: p("x"), OOMScoreAdj: p(-1000), AnonRSSBytes: p(uint64(gib))}}
		})}, say: says{"deadlock": high}, silent: []string{"panicked"}},
		{name: "nobody to kill", events: []*event.Event{eventtest.NoKillNobody(), eventtest.NoKillNobody()}, say: says{"no-victim": high}},
		{name: "dying already", events: []*event.Event{eventtest.NoKill()}, silent: []string{"no-victim", "panicked"}},
		{name: "stuck", events: []*event.Event{machine(0), func() *event.Event {
			e := eventtest.EndStuck()
			e.End.Episode, e.End.PID, e.End.Comm = eventtest.Episode(began), 700, p("dbd")
			return e
		}()}, say: says{"victim-stuck": high}},
		{name: "again and again", events: many(5, func(i int) *event.Event { return unit(float64(i) * 6 * 3600) }), say: says{"repeated": high, "limit-reached": low}},
		{name: "a container that is started anew", events: many(4, func(i int) *event.Event {
			id := fmt.Sprintf("%064x", i)
			return unit(float64(i)*7200, at(strings.Replace(podPath, ctrID, id, 1), func(*event.Victim) {}))
		}), say: says{"repeated": high, "limit-reached": low}},
		{name: "twice", events: many(2, func(i int) *event.Event { return unit(float64(i) * 6 * 3600) }), silent: []string{"repeated"}},
		{name: "one storm", events: many(5, func(i int) *event.Event { return unit(float64(i)) }), silent: []string{"repeated"}},
		{name: "simulated", events: []*event.Event{eventtest.KillGlobal()}, say: says{"simulated": high}, silent: []string{"shmem", "swap-absent", "limit-reached"}},
		{name: "earlyoom", events: []*event.Event{eventtest.SigkillOther()}, say: says{"not-the-kernel": high}},
		{name: "a runtime", events: []*event.Event{eventtest.SigkillCgroup(), eventtest.SigkillCgroup()}, say: says{"not-the-kernel": high}},
		{name: "CPU limit", events: []*event.Event{eventtest.SigkillKernel()}, say: says{"not-the-kernel": high}},
		{name: "heap as large as the limit", events: []*event.Event{unit(0, java("java -Xms1g -Xmx512m -XX:+HeapDumpOnOutOfMemoryError -jar x.jar", 40))}, say: says{"jvm-heap-over-limit": high}, silent: []string{"jvm-off-heap", "limit-reached"}},
		{name: "small heap, large process", events: []*event.Event{unit(0, java("java -Xmx200m -XX:MaxMetaspaceSize=64m -Xss512k Main -Xmx9g -jar", 400), java("java -Xmx200m -XX:MaxMetaspaceSize=64m -Xss512k -jar x.jar -Xmx9g", 400))}, say: says{"jvm-off-heap": high}, silent: []string{"jvm-heap-over-limit", "limit-reached"}},
		{name: "heap that fits", events: []*event.Event{unit(0, java("java -Xmx400m -jar x.jar", 40))}, say: says{"limit-reached": low}, silent: []string{"jvm-heap-over-limit", "jvm-off-heap"}},
		{name: "heap not told", events: []*event.Event{unit(0, java("java -jar x.jar", 40))}, say: says{"limit-reached": low}, silent: []string{"jvm-heap-over-limit", "jvm-off-heap"}},
		{name: "a pod's java", events: []*event.Event{unit(0, java("java -XX:MaxRAMPercentage=95 -jar x.jar", 40), at(podPath, func(v *event.Victim) { inPod(v); v.NSPID = p(7) }))}, say: says{"jvm-heap-over-limit": medium}},
		{name: "a limit of kernel memory", events: []*event.Event{unit(0, func(k *event.Kill) { k.Limit.Kind = event.LimitKmem })}, say: says{"kmem-limit": high}, silent: []string{"limit-reached", "limit-too-small"}},
		{name: "in no counter", events: []*event.Event{machine(0, memory(func(m *event.Memory) {
			m.ActiveAnonBytes, m.InactiveAnonBytes, m.ActiveFileBytes, m.InactiveFileBytes, m.SlabReclaimableBytes = p(uint64(2*gib)), p(uint64(gib)), p(uint64(0)), p(uint64(0)), p(uint64(0))
			m.AnonBytes = p(uint64(3 * gib))
		}))}, say: says{"unaccounted": medium}, silent: []string{"machine-full", "kmem-limit"}},
		{name: "all in counters", events: []*event.Event{machine(0, memory(func(m *event.Memory) {
			m.ActiveAnonBytes, m.InactiveAnonBytes, m.ActiveFileBytes, m.InactiveFileBytes, m.SlabReclaimableBytes = p(uint64(6*gib)), p(uint64(gib)), p(uint64(0)), p(uint64(0)), p(uint64(0))
		}), candidate(701, "other", 0, 1500))}, say: says{"machine-full": low}, silent: []string{"unaccounted"}},
		{name: "immune now", events: []*event.Event{machine(0)}, machine: &Machine{Immune: []Process{{PID: 55, Comm: p("agent"), RSSBytes: 3 * gib, Unit: "agent.service"}}, Units: []Unit{{Name: "agent.service", OOMScoreAdjust: "-1000"}}}, say: says{"protected-hog": medium}},
		{name: "immune now, in the cgroup", events: []*event.Event{unit(0, small)}, machine: &Machine{Immune: []Process{
			{PID: 54, Comm: p("elsewhere"), RSSBytes: 3 * gib, Cgroup: "/system.slice/web.service-2"}, {PID: 55, Comm: p("agent"), RSSBytes: 400 * mib, Cgroup: "/system.slice/web.service/agent"},
		}}, say: says{"protected-hog": medium}},
		{name: "immune now, and not in the cgroup", events: []*event.Event{unit(0, small)}, machine: &Machine{Immune: []Process{{PID: 54, Comm: p("elsewhere"), RSSBytes: 3 * gib}}}, silent: []string{"protected-hog"}},
		{name: "raised since", events: []*event.Event{unit(0, sampled(480, 481, 483, 484, 484, 484))}, machine: &Machine{Cgroups: []CgroupNow{{Cgroup: event.Cgroup{Path: "/system.slice/web.service"}, MaxBytes: p(uint64(gib))}}, Units: []Unit{{Name: "web.service", MemoryMax: "512M"}}},
			say: says{"limit-too-small": medium}},
		{name: "one has most", events: []*event.Event{machine(0, victim(func(v *event.Victim) {
			v.AnonRSSBytes, v.Exe, v.Comm = p(uint64(6*gib)), p("/usr/sbin/mysqld"), p("mysqld")
		}))}, say: says{"victim-dominates": medium}, silent: []string{"machine-full", "crowd"}},
		{name: "a crowd", events: []*event.Event{machine(0, func(k *event.Kill) {
			for i := range 10 {
				candidate(3000+i, "php-fpm", 0, 600)(k)
			}
			k.CandidatesSeen = p(uint64(140))
		})}, say: says{"crowd": medium}, silent: []string{"machine-full", "fork-bomb", "victim-dominates"}},
		{name: "a few, and small", events: []*event.Event{machine(0, candidate(1, "a", 0, 100), candidate(2, "a", 0, 100), candidate(3, "a", 0, 100), candidate(4, "a", 0, 100), candidate(5, "a", 0, 100))}, say: says{"machine-full": low}, silent: []string{"crowd"}},
		{name: "a crowd in a unit", events: []*event.Event{unit(0, func(k *event.Kill) {
			for i := range 8 {
				candidate(3000+i, "worker", 0, 50)(k)
			}
		})}, say: says{"crowd": medium}, silent: []string{"limit-reached"}},
		{name: "asked for", events: []*event.Event{machine(0, func(k *event.Kill) { k.Scope = event.ScopeSysrq })}, say: says{"sysrq": high}, silent: []string{"machine-full", "unexplained"}},
		{name: "nothing known", events: []*event.Event{eventtest.KillSparse()}, say: says{"unexplained": low}, silent: []string{"sysrq"}},
		{name: "nothing", events: []*event.Event{eventtest.Boot()}},
	}
	for _, kind := range []struct {
		name, path string
		change     func(v *event.Victim)
	}{
		{"pod", podPath, inPod},
		{"guaranteed pod", podPath, func(v *event.Victim) { inPod(v); v.Pod.QoS = "guaranteed" }},
		{"pod without a name", podPath, func(*event.Victim) {}},
		{"static pod", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8daa50c3a64c9ff60bb9eab7b44b56fd.slice/cri-containerd-" + ctrID + ".scope", func(*event.Victim) {}},
		{"pod as a whole", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f1d2c3b_5a47_4e0e_b9a1_77c2d1e0a942.slice", inPod},
		{"all pods", "/kubepods.slice", inPod},
		{"docker", "/system.slice/docker-" + ctrID + ".scope", func(v *event.Victim) {
			v.Container = &event.Container{Runtime: "docker", ID: ctrID, Name: "web"}
		}},
		{"podman", "/machine.slice/libpod-" + ctrID + ".scope", func(v *event.Victim) { v.Container = &event.Container{Runtime: "podman", ID: ctrID} }},
		{"slice", "/batch.slice", func(v *event.Victim) { v.Unit = "job.service" }},
		{"user unit", "/user.slice/user-1000.slice/user@1000.service/app.slice/tool.service", func(v *event.Victim) { v.Unit = "tool.service" }},
		{"delegated", "/system.slice/web.service/workers", func(v *event.Victim) { v.Unit = "web.service" }},
		{"guest", `/machine.slice/machine-qemu\x2d3\x2dweb\x2d1.scope`, func(v *event.Victim) { v.Unit = `machine-qemu\x2d3\x2dweb\x2d1.scope` }},
		{"by hand", "/lab/a b", func(*event.Victim) {}},
		{"guest, in libvirt's own folder", `/machine.slice/machine-qemu\x2d3\x2dweb\x2d1.scope/libvirt`, func(v *event.Victim) { v.Unit = `machine-qemu\x2d3\x2dweb\x2d1.scope` }},
		{"session", "/user.slice/user-1000.slice/session-3.scope", func(v *event.Victim) { v.Unit = "session-3.scope" }},
		{"template's unit", `/system.slice/system-my\x2djob.slice/my\x2djob@a-b.service`, func(v *event.Victim) { v.Unit = `my\x2djob@a-b.service` }},
		{"user as a whole", "/user.slice/user-1000.slice/user@1000.service", func(v *event.Victim) { v.Unit = "tool.service" }},
		{"rootless podman", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + ctrID + ".scope/container", func(v *event.Victim) { v.Container = &event.Container{Runtime: "podman", ID: ctrID} }},
		{"unit in a docker", "/system.slice/docker-" + ctrID + ".scope/system.slice/nginx.service", func(v *event.Victim) {
			v.Unit, v.Container = "nginx.service", &event.Container{Runtime: "docker", ID: ctrID}
		}},
		{"unit in an lxc", "/lxc.payload.ct1/system.slice/nginx.service", func(v *event.Victim) { v.Unit = "nginx.service" }},
		{"docker in a docker", "/docker/" + strings.Repeat("ab", 32) + "/docker/" + ctrID, func(v *event.Victim) { v.Container = &event.Container{Runtime: "docker", ID: ctrID} }},
	} {
		list = append(list, scenario{name: "limit of a " + kind.name, say: says{"limit-too-small": medium},
			events: []*event.Event{unit(0, sampled(480, 481, 483, 484, 484, 484), at(kind.path, kind.change))}})
	}
	v1 := func(kind event.LimitKind) func(*event.Kill) {
		return func(k *event.Kill) {
			cg := *k.Limit.Cgroup
			cg.Version, cg.Controller = 1, "memory"
			k.Limit.Cgroup, k.Limit.Kind = &cg, kind
		}
	}
	inDocker := at("/docker/"+ctrID, func(v *event.Victim) { v.Container = &event.Container{Runtime: "docker", ID: ctrID, Name: "web"} })
	steady := sampled(480, 481, 483, 484, 484, 484)
	list = append(list,
		scenario{name: "v1, unit", say: says{"limit-too-small": medium}, events: []*event.Event{unit(0, steady, v1(event.LimitMemory))}},
		scenario{name: "v1, unit with swap", say: says{"limit-too-small": medium}, events: []*event.Event{unit(0, steady, v1(event.LimitMemsw))}},
		scenario{name: "v1, docker", say: says{"limit-too-small": medium}, events: []*event.Event{unit(0, steady, inDocker, v1(event.LimitMemory))}},
		scenario{name: "v1, docker with swap", say: says{"limit-too-small": medium}, events: []*event.Event{unit(0, steady, inDocker, v1(event.LimitMemsw))}},
		scenario{name: "a limit above it", say: says{"limit-too-small": medium}, events: []*event.Event{unit(0, steady)}, machine: &Machine{Cgroups: []CgroupNow{
			{Cgroup: event.Cgroup{Path: "/system.slice"}, MaxBytes: p(uint64(600 * mib))}, {Cgroup: event.Cgroup{Path: "/system.slice/web.service"}, MaxBytes: p(uint64(512 * mib))},
		}}},
		scenario{name: "a docker has most", say: says{"victim-dominates": medium}, events: []*event.Event{machine(0, victim(func(v *event.Victim) {
			v.AnonRSSBytes, v.Unit, v.Container = p(uint64(6*gib)), "docker-"+ctrID+".scope", &event.Container{Runtime: "docker", ID: ctrID, Name: "web"}
			v.Cgroup = &event.Cgroup{Version: 2, Path: "/system.slice/docker-" + ctrID + ".scope"}
		}))}},
		scenario{name: "a user's unit has most", say: says{"victim-dominates": medium}, events: []*event.Event{machine(0, victim(func(v *event.Victim) {
			v.AnonRSSBytes, v.Unit = p(uint64(6*gib)), "tool.service"
			v.Cgroup = &event.Cgroup{Version: 2, Path: "/user.slice/user-1000.slice/user@1000.service/app.slice/tool.service"}
		}))}},
	)
	for _, exe := range []string{"node", "python3", "prometheus", "postgres", "mysqld", "php-fpm8.2", "nginx", "redis-server"} {
		list = append(list, scenario{name: exe, say: says{"growth-victim": high}, events: []*event.Event{
			unit(0, victim(func(v *event.Victim) {
				v.Comm, v.Exe, v.Cmdline = p(exe), p("/usr/bin/"+exe), p(exe+" --max-old-space-size=900")
			}), sampled(200, 260, 320, 380, 440)),
		}})
	}
	return list
}
