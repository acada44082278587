// SPDX-License-Identifier: Apache-2.0

package eventtest

import (
	"fmt"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// The examples play on one node. Every function returns a value of its own, so
// a test may change what it gets.
const (
	session = "5f2c9b1e7a4d8036"
	bootID  = "3b1f0a52-7c7e-4d0e-9a58-0c8f6f2d9e11"
	page    = 4096

	podSlice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f1d2c3b_5a47_4e0e_b9a1_77c2d1e0a942.slice"
	ctrID    = "c0ffee5d1b2a4f7e9d8c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e"
)

// bootTime is the realtime clock at boottime 0.
var bootTime = time.Date(2026, 3, 1, 9, 30, 0, 5, time.UTC)

// p shortens the examples.
func p[T any](v T) *T { return event.Ptr(v) }

// Host returns the machine that all examples are from.
func Host() *event.Host {
	return &event.Host{
		Name:          "node-3",
		MachineID:     "9d0f3c5b2e6a4b1f8c7d6e5f4a3b2c1d",
		BootID:        bootID,
		Kernel:        "6.12.95+deb13-cloud-amd64",
		Arch:          "x86_64",
		PageSizeBytes: page,
		Labels:        map[string]string{"cluster": "prod-eu", "rack": "b7"},
	}
}

// at returns an event of type t, with sequence number seq, ns after boot.
func at(t event.Type, src event.Source, seq, ns uint64) *event.Event {
	return &event.Event{
		Schema:     event.Schema,
		Type:       t,
		Session:    session,
		Seq:        seq,
		Time:       bootTime.Add(time.Duration(ns)),
		BoottimeNS: p(ns),
		Source:     src,
		Host:       Host(),
	}
}

// Episode returns the id of the OOM invoked ns after the boot of [Host].
func Episode(ns uint64) string { return fmt.Sprintf("%s-%x", bootID[:8], ns) }

const (
	killNS   = 1_123_061_482_917_334 // 12 days 23:57:41 after boot
	globalNS = 1_123_200_004_411_902
)

// All returns one or more rich events of every type, in the order of a stream.
// Together they fill every field of the event model. [Hostile] is apart.
func All() []*event.Event {
	return []*event.Event{
		SessionStart(), Kill(), Detail(), Snapshot(), KillGlobal(), KillGroup(), KillNodes(), KillSparse(),
		NoKill(), NoKillNobody(), End(), EndReaped(), EndStuck(), EndByProc(),
		Clock(), ClockFrequency(), ClockRefused(), ClockSummary(), ClockStep(),
		SigkillOther(), SigkillCgroup(), SigkillKernel(), Sample(), KillLogged(), NoKillPanic(), EndLogged(), Boot(), Panic(), Lost(), SessionContinued(), SessionEnd(),
	}
}

// noHooks is why facts are derived on a kernel without hooks of functions.
const noHooks = "fentry: this kernel refuses to load such programs: operation not permitted; kprobe: this kernel has no kprobes (CONFIG_KPROBE_EVENTS)"

// SessionStart is the first line of a stream on a kernel where not all works.
func SessionStart() *event.Event {
	e := at(event.TypeSessionStart, event.SourceTracer, 0, 1_123_000_000_000_000)
	e.SessionStart = &event.SessionStart{
		Version: "v0.1.0",
		Hooks: []event.Hook{
			{Fact: "invocation", Method: "derived in mark_victim", OK: true, Reason: noHooks},
			{Fact: "trigger", Method: "derived in mark_victim", OK: true, Reason: noHooks},
			{Fact: "kill", Method: "tp_btf mark_victim + signal_generate", OK: true},
			{Fact: "adjtimex", Method: "tracepoint sys_exit_adjtimex + sys_enter_adjtimex", OK: true, Reason: noHooks},
			{Fact: "settime", OK: false, Reason: noHooks + "; tracepoint: tracefs is not mounted; mount -t tracefs tracefs /sys/kernel/tracing (or give CAP_SYS_ADMIN): operation not permitted"},
			{Fact: "warp", Method: "timerfd cancel-on-set", OK: true, Reason: noHooks},
			{Fact: "clock-step", Method: "timerfd cancel-on-set", OK: true},
			{Fact: "sigkill", Method: "tp_btf signal_generate", OK: true},
			{Fact: "exec", Method: "raw_tp sched_process_exit + sched_process_exec", OK: true},
			{Fact: "pressure", Method: "psi some 100 ms in 1 s", OK: true},
			{Fact: "symbols", OK: false, Reason: "load kernel symbols: symbol addresses are hidden (kernel.kptr_restrict, CAP_SYSLOG)"},
		},
		Settings:         settings(),
		Locked:           true,
		OOMScoreAdj:      p(-900),
		Filters:          []string{"namespace=shop"},
		Warnings:         []string{"the tracer's memory limit is not raised: CAP_SYS_RESOURCE is missing"},
		InitPIDNamespace: p(true),
		IncidentWindowMS: p(int64(600_000)),
		SampleMS:         p(int64(10000)),
	}
	return e
}

// SessionContinued is what a further file of the session's record begins with.
func SessionContinued() *event.Event {
	e := SessionStart()
	e.SessionStart.Continued = true
	return e
}

// SessionEnd is the last line of a stream.
func SessionEnd() *event.Event {
	e := at(event.TypeSessionEnd, event.SourceTracer, 20418, 1_124_000_000_000_000)
	e.SessionEnd = &event.SessionEnd{
		Reason:      "signal",
		Received:    map[string]uint64{"oom.kill": 7, "clock.adjust": 20402},
		Written:     map[string]uint64{"oom.kill": 7, "clock.adjust": 12, "clock.summary": 16},
		Lost:        lostCounts(),
		Invocations: p(uint64(9)), Waits: p(uint64(1)), NoKillsLeftOut: p(uint64(0)),
		ClockReads: p(uint64(88123)),
		Incidents:  p(uint64(4)),
		CrossCheck: &event.CrossCheck{Both: 5, BPFOnly: 1, LogOnly: 2},
	}
	return e
}

func lostCounts() event.LostCounts {
	return event.LostCounts{
		Reserve:     p(uint64(0)),
		Queue:       p(uint64(120)),
		Read:        p(uint64(3)),
		Recursion:   p(uint64(0)),
		ProbeMissed: p(uint64(1)),
		Record:      p(uint64(0)),
		Log:         p(uint64(2)),
	}
}

// Lost reports losses; how many probes were missed is not known.
func Lost() *event.Event {
	e := at(event.TypeLost, event.SourceTracer, 9000, 1_123_500_000_000_000)
	e.Lost = &event.Lost{Counts: lostCounts(), Delta: event.LostCounts{Queue: p(uint64(20))}}
	e.Lost.Counts.ProbeMissed = nil
	return e
}

func settings() *event.Settings {
	return &event.Settings{
		PanicOnOOM:            p(0),
		OOMKillAllocatingTask: p(0),
		OvercommitMemory:      p(1),
		Swappiness:            p(60),
		SwapTotalBytes:        p(uint64(0)),
		Kdump: &event.Kdump{
			Loaded:        p(true),
			ReservedBytes: p(uint64(268435456)),
			Crashkernel:   "2G-64G:256M,64G-:512M",
			Tool:          "kdump-tools",
			Collector:     "makedumpfile -c",
			DumpLevel:     p(31),
			Target:        "/var/crash",
		},
	}
}

func javaCgroup() *event.Cgroup {
	return &event.Cgroup{
		Version: 2,
		Path:    podSlice + "/cri-containerd-" + ctrID + ".scope",
		ID:      "1a2f7",
	}
}

func container() *event.Container {
	return &event.Container{Runtime: "containerd", ID: ctrID, Name: "checkout"}
}

func pod() *event.Pod {
	return &event.Pod{
		UID:       "8f1d2c3b-5a47-4e0e-b9a1-77c2d1e0a942",
		Namespace: "shop",
		Name:      "checkout-6b9f7d5c8-x2x7k",
		QoS:       "burstable",
	}
}

const javaCmdline = "/opt/java/openjdk/bin/java -Xmx2g -XX:+UseG1GC -Ddb.password=*** -jar /app/checkout.jar --server.port=8080"

// Kill is a java process in a Kubernetes pod at its container's 2 GiB limit,
// killed for the allocation of one of its own threads.
func Kill() *event.Event {
	e := at(event.TypeOOMKill, event.SourceBPF, 41, killNS)
	e.Kill = &event.Kill{
		Episode: Episode(killNS - 312_406),
		Scope:   event.ScopeMemcg,
		Choice:  event.ChoiceBadness,
		Role:    event.RoleChosen,
		Message: "Memory cgroup out of memory",
		Victim: event.Victim{
			PID:             48213,
			TID:             p(48213),
			NSPID:           p(7),
			PPID:            p(48102),
			Comm:            p("java"),
			Cmdline:         p(javaCmdline),
			Exe:             p("/opt/java/openjdk/bin/java"),
			UID:             p(uint32(1001)),
			User:            "deploy",
			StartBoottimeNS: p(uint64(1_118_402_771_204_118)),
			OOMScoreAdj:     p(969),
			Killable:        p(true),
			// rss 520256 + swap 0 + page tables 1088 + 969·(524288/1000)
			PointsPages:     p(int64(1029100)),
			AllowedPages:    p(uint64(524288)),
			BadnessPermille: p(int64(1962)),
			TotalVMBytes:    p(uint64(9_871_360_000)),
			AnonRSSBytes:    p(uint64(517120 * page)),
			FileRSSBytes:    p(uint64(3072 * page)),
			ShmemRSSBytes:   p(uint64(64 * page)),
			SwapBytes:       p(uint64(0)),
			PgtablesBytes:   p(uint64(1088 * page)),
			RSSErrorBytes:   p(uint64(0)),
			Threads:         p(87),
			Cgroup:          javaCgroup(),
			Container:       container(),
			Pod:             pod(),
			Unit:            "cri-containerd-" + ctrID + ".scope",
			Parents:         []event.Parent{{PID: 48102, Comm: p("tini"), Exe: p("/usr/bin/tini")}},
		},
		Trigger: &event.Task{
			PID:             48213,
			TID:             p(48291),
			Comm:            p("http-nio-8080-e"),
			Cmdline:         p(javaCmdline),
			Exe:             p("/opt/java/openjdk/bin/java"),
			UID:             p(uint32(1001)),
			User:            "deploy",
			StartBoottimeNS: p(uint64(1_118_402_771_204_118)),
			KThread:         p(false),
			Cgroup:          javaCgroup(),
			Container:       container(),
			Pod:             pod(),
			Unit:            "cri-containerd-" + ctrID + ".scope",
			GFPMask:         "cc0",
			GFPFlags:        []string{"__GFP_IO", "__GFP_FS", "__GFP_DIRECT_RECLAIM", "__GFP_KSWAPD_RECLAIM"},
			Order:           p(0),
		},
		Limit: &event.Limit{
			Kind:       event.LimitMemory,
			Owner:      event.OwnerOwn,
			Cgroup:     javaCgroup(),
			Bytes:      p(uint64(2 << 30)),
			Unlimited:  p(false),
			UsageBytes: p(uint64(2 << 30)),
			SwapBytes:  p(uint64(0)),
			OOMGroup:   p(false),
			HighBytes:  p(uint64(1932735283)),
			MinBytes:   p(uint64(0)),
			LowBytes:   p(uint64(512 << 20)),
			Events: &event.CgroupEvents{
				Low: p(uint64(0)), High: p(uint64(88123)), Max: p(uint64(4120)),
				OOM: p(uint64(3)), OOMKill: p(uint64(2)), OOMGroupKill: p(uint64(0)),
			},
			Stat: &event.CgroupStat{
				AnonBytes: p(uint64(2_117_861_376)), FileBytes: p(uint64(2_359_296)), ShmemBytes: p(uint64(262_144)),
				KernelBytes: p(uint64(27_262_976)), SlabBytes: p(uint64(18_110_528)), KernelStackBytes: p(uint64(1_425_408)),
				PagetablesBytes: p(uint64(5_242_880)), AgeMS: p(int64(1)),
				SlabReclaimableBytes: p(uint64(12_140_544)), SlabUnreclaimableBytes: p(uint64(5_969_984)),
				PercpuBytes: p(uint64(92_160)), VmallocBytes: p(uint64(0)), SockBytes: p(uint64(36_864)), ZswapBytes: p(uint64(0)),
				FileMappedBytes: p(uint64(1_572_864)), FileDirtyBytes: p(uint64(135_168)), FileWritebackBytes: p(uint64(0)),
				ActiveAnonBytes: p(uint64(8_388_608)), InactiveAnonBytes: p(uint64(2_109_734_912)),
				ActiveFileBytes: p(uint64(1_310_720)), InactiveFileBytes: p(uint64(786_432)), UnevictableBytes: p(uint64(0)),
			},
		},
		LeadUp:   leadUp(),
		Incident: incident(1, 1, 0),
		Memory:   memory(),
		Stack: &event.Stack{
			ID: "b41fe07c92d3a865",
			Frames: []event.Frame{
				{Symbol: "mark_oom_victim", Offset: 0xa9},
				{Symbol: "__oom_kill_process", Offset: 0x112},
				{Symbol: "oom_kill_process", Offset: 0xb6},
				{Symbol: "out_of_memory", Offset: 0x27d},
				{Symbol: "mem_cgroup_out_of_memory", Offset: 0x13a},
				{Symbol: "try_charge_memcg", Offset: 0x6d3},
				{Symbol: "charge_memcg", Offset: 0x34},
				{Symbol: "__mem_cgroup_charge", Offset: 0x2d},
				{Symbol: "alloc_anon_folio", Offset: 0x20f},
				{Symbol: "do_anonymous_page", Offset: 0x8e},
				{Symbol: "__handle_mm_fault", Offset: 0xb1a},
				{Symbol: "handle_mm_fault", Offset: 0x17f},
				{Symbol: "do_user_addr_fault", Offset: 0x1b6},
				{Symbol: "exc_page_fault", Offset: 0x7e},
				{Symbol: "asm_exc_page_fault", Offset: 0x26},
			},
		},
		RunnerUp:       &event.RunnerUp{PID: 48102, Comm: p("tini\ufffd"), CommHex: "74696e69ff", PointsPages: p(int64(507996)), OOMScoreAdj: p(969)},
		MarginPages:    p(int64(1029100 - 507996)),
		CandidatesSeen: p(uint64(3)),
		Candidates:     candidates(),
		Effort:         &event.Effort{SpanMS: 48, Reclaims: 16, ReclaimUS: 41_208, ReclaimedPages: 212, Compactions: 2, CompactionUS: 903},
		Settings:       settings(),
		Snapshot:       &event.SnapshotState{State: "ok", AgeMS: p(int64(1))},
		Sources:        map[string]string{"victim.cmdline": "proc", "victim.exe": "proc", "limit.swap_bytes": "computed"},
	}
	return e
}

// incident is the one that began with [Kill], as a later kill of it tells.
func incident(kills, episodes uint64, sinceMS int64) *event.Incident {
	return &event.Incident{
		ID: Episode(killNS - 312_406), Kills: kills, Episodes: episodes, SinceMS: sinceMS,
		First: event.FirstKill{
			Time:    event.FormatTime(bootTime.Add(killNS)),
			Victim:  event.Task{PID: 48213, Comm: p("java")},
			Trigger: &event.Task{PID: 48213, Comm: p("http-nio-8080-e")},
		},
	}
}

// candidates are the processes below the limit of [Kill].
func candidates() []event.Candidate {
	return []event.Candidate{
		{
			PID: 48213, Comm: p("java"), UID: p(uint32(1001)), StartBoottimeNS: p(uint64(1_118_402_771_204_118)),
			PointsPages: p(int64(1029100)), OOMScoreAdj: p(969),
			AnonRSSBytes: p(uint64(517120 * page)), FileRSSBytes: p(uint64(3072 * page)), ShmemRSSBytes: p(uint64(64 * page)),
			SwapBytes: p(uint64(0)), PgtablesBytes: p(uint64(1088 * page)), CgroupID: "5d21",
		},
		{
			PID: 48102, Comm: p("tini\ufffd"), CommHex: "74696e69ff", UID: p(uint32(1001)), StartBoottimeNS: p(uint64(1_118_402_702_118_030)),
			// 106 pages resident, 14 of page tables, 969·(524288/1000)
			PointsPages: p(int64(507896 + 100)), OOMScoreAdj: p(969),
			AnonRSSBytes: p(uint64(22 * page)), FileRSSBytes: p(uint64(150 * page)), ShmemRSSBytes: p(uint64(0)),
			SwapBytes: p(uint64(0)), PgtablesBytes: p(uint64(14 * page)), CgroupID: "5d21",
		},
	}
}

// leadUp is that of a process that grew to its limit in four minutes.
func leadUp() *event.LeadUp {
	return &event.LeadUp{
		State:    event.LeadUpOK,
		Samples:  25,
		SpanMS:   p(int64(241_003)),
		BeforeMS: p(int64(4_210)),
		VictimRSS: []event.RSSPoint{
			{BeforeMS: 245_213, RSSBytes: 811_032_576}, {BeforeMS: 125_208, RSSBytes: 1_402_880_000},
			{BeforeMS: 14_212, RSSBytes: 2_001_731_584}, {BeforeMS: 4_210, RSSBytes: 2_104_627_200},
		},
		GrowersOf: event.GrowersOfLimit,
		Growers: []event.Grower{
			{PID: 48213, Comm: p("java"), RSSBytes: 2_104_627_200, GrewBytes: 1_293_594_624, OverMS: 241_003},
			{PID: 49012, Comm: p("je\ufffdlloc"), CommHex: "6a65ff6c6c6f63", RSSBytes: 41_943_040, GrewBytes: 41_943_040, OverMS: 31_220, Began: true},
		},
		CgroupGrowers: []event.CgroupGrower{
			{Cgroup: event.Cgroup{Version: 2, Path: javaCgroup().Path}, UsageBytes: 2_140_651_520, GrewBytes: 1_301_012_480, OverMS: 241_003},
		},
		Pressure:     pressure(),
		Reclaim:      reclaim(),
		MemoryChange: &event.MemoryChange{AvailableBytes: p(int64(-1_402_003_456)), CachedBytes: p(int64(12_288)), ShmemBytes: p(int64(2_097_152)), SlabBytes: p(int64(0)), SwapFreeBytes: p(int64(0))},
	}
}

func pressure() *event.Pressure {
	return &event.Pressure{SomeAvg10Percent: p(31.5), FullAvg10Percent: p(12.25), SomeUS: p(uint64(4_110_204)), FullUS: p(uint64(1_200_118))}
}

func reclaim() *event.Reclaim {
	return &event.Reclaim{
		AllocStalls: p(uint64(812)), DirectScanPages: p(uint64(91_204)), DirectStealPages: p(uint64(40_118)),
		SwapInPages: p(uint64(0)), SwapOutPages: p(uint64(0)),
		MajorFaults: p(uint64(6_041)), RefaultPages: p(uint64(51_220)), CompactStalls: p(uint64(3)),
	}
}

// Sample is one that memory pressure caused.
func Sample() *event.Event {
	e := at(event.TypeSample, event.SourceProc, 66, 1_123_450_000_000_000)
	e.Sample = &event.Sample{
		Reason: event.SamplePressure, SpanMS: p(int64(1_001)), Memory: memory(), Pressure: pressure(), Reclaim: reclaim(),
		Growers:       leadUp().Growers,
		CgroupGrowers: leadUp().CgroupGrowers,
		CPUUS:         p(int64(8_204)),
	}
	e.Sample.Memory.AgeMS = p(int64(0))
	return e
}

func memory() *event.Memory {
	return &event.Memory{
		TotalBytes:     p(uint64(33_558_155_264)),
		FreeBytes:      p(uint64(6_120_345_600)),
		AvailableBytes: p(uint64(14_880_415_744)),
		CachedBytes:    p(uint64(8_412_123_136)),
		ShmemBytes:     p(uint64(104_857_600)),
		SlabBytes:      p(uint64(901_775_360)),
		SwapTotalBytes: p(uint64(0)),
		SwapFreeBytes:  p(uint64(0)),
		Source:         "meminfo",
		AgeMS:          p(int64(-1)),

		AnonBytes:              p(uint64(14_220_984_320)),
		ActiveAnonBytes:        p(uint64(104_857_600)),
		InactiveAnonBytes:      p(uint64(14_221_033_472)),
		ActiveFileBytes:        p(uint64(3_145_728_000)),
		InactiveFileBytes:      p(uint64(5_161_537_536)),
		UnevictableBytes:       p(uint64(14_680_064)),
		MlockedBytes:           p(uint64(13_631_488)),
		SlabReclaimableBytes:   p(uint64(702_545_920)),
		SlabUnreclaimableBytes: p(uint64(199_229_440)),
		KernelStackBytes:       p(uint64(31_195_136)),
		PagetablesBytes:        p(uint64(96_468_992)),
		CommittedBytes:         p(uint64(41_875_931_136)),
		HugetlbBytes:           p(uint64(2_147_483_648)),
		HugetlbFreeBytes:       p(uint64(1_073_741_824)),
	}
}

// KillGlobal is postgres killed by the machine's own shortage, for a page fault
// in another process on a file system module; `oomtrace simulate` caused it. The
// stack has a frame without a symbol, and the names had to be mended.
func KillGlobal() *event.Event {
	e := at(event.TypeOOMKill, event.SourceBPF, 42, globalNS)
	e.Simulated = true
	e.Kill = &event.Kill{
		Episode: Episode(globalNS - 901_113),
		Scope:   event.ScopeGlobal,
		Choice:  event.ChoiceBadness,
		Role:    event.RoleChosen,
		Message: "Out of memory",
		Victim: event.Victim{
			PID:             2417,
			TID:             p(2417),
			PPID:            p(2390),
			Comm:            p("postgres"),
			UID:             p(uint32(0)),
			StartBoottimeNS: p(uint64(22_417_118_402)),
			OOMScoreAdj:     p(0),
			Killable:        p(true),
			PointsPages:     p(int64(3_214_002)),
			AllowedPages:    p(uint64(8_192_909)),
			BadnessPermille: p(int64(392)),
			AnonRSSBytes:    p(uint64(3_101_222 * page)),
			FileRSSBytes:    p(uint64(1_024 * page)),
			ShmemRSSBytes:   p(uint64(105_412 * page)),
			SwapBytes:       p(uint64(0)),
			PgtablesBytes:   p(uint64(6_344 * page)),
			RSSErrorBytes:   p(uint64(4 * 32 * page)),
			Cgroup:          &event.Cgroup{Controller: "memory", Version: 1, Path: "/system.slice/postgresql@16-main.service", ID: "8c1"},
			Unit:            "postgresql@16-main.service",
		},
		Trigger: &event.Task{
			PID: 911, TID: p(911), Comm: p("sar\ufffd"), CommHex: "736172ff", UID: p(uint32(0)), KThread: p(false),
			Cmdline: p("sar\ufffd -u"), CmdlineHex: "736172ff202d75", Exe: p("/opt/sar\ufffd"), ExeHex: "2f6f70742f736172ff",
			GFPMask: "140cca", GFPFlags: []string{"GFP_HIGHUSER_MOVABLE", "__GFP_COMP"}, Order: p(2),
			Cgroup: &event.Cgroup{Controller: "memory", Version: 1, Path: "/", ID: "1"},
			Unit:   "init.scope",
		},
		Limit: &event.Limit{Kind: event.LimitRAM, Bytes: p(uint64(33_558_155_264)), UsageBytes: p(uint64(33_441_005_568)), SwapBytes: p(uint64(0))},
		Stack: &event.Stack{
			ID: "70c4d2be1958fa03",
			Frames: []event.Frame{
				{Symbol: "oom_kill_process", Offset: 0xb6},
				{Symbol: "out_of_memory", Offset: 0x27d},
				{Symbol: "__alloc_pages_slowpath.constprop.0", Offset: 0xc12},
				{Symbol: "__alloc_pages_noprof", Offset: 0x30d},
				{Symbol: "filemap_fault", Offset: 0x8a5},
				{Symbol: "xfs_filemap_fault", Offset: 0x75, Module: "xfs"},
				{Addr: "ffffffffc0a81f33"},
				{Symbol: "asm_exc_page_fault", Offset: 0x26},
			},
			Unresolved: 1,
		},
		LeadUp:   &event.LeadUp{State: event.LeadUpNotSampled},
		Snapshot: &event.SnapshotState{State: "late"},
	}
	return e
}

// KillGroup is a further process of a cgroup with memory.oom.group, all of whose
// names had to be mended and whose cgroup path was cut in the kernel.
func KillGroup() *event.Event {
	e := at(event.TypeOOMKill, event.SourceBPF, 43, killNS+1_204_118)
	raw := []byte("/srv/job-\xff\xfe/worker")
	path, pathHex := event.CleanString(raw)
	e.Kill = &event.Kill{
		Episode: Episode(killNS - 312_406),
		Scope:   event.ScopeMemcg,
		Role:    event.RoleGroup,
		Victim: event.Victim{
			PID: 48377, TID: p(48380),
			Comm: p("w\ufffdrker"), CommHex: "77ff726b6572",
			Cmdline: p("w\ufffdrker --all"), CmdlineHex: "77ff726b6572202d2d616c6c",
			Exe: p("/srv/w\ufffdrker"), ExeHex: "2f7372762f77ff726b6572",
			UID: p(uint32(1001)), OOMScoreAdj: p(-1000), Killable: p(false),
			AnonRSSBytes: p(uint64(12 * page)),
			Cgroup:       &event.Cgroup{Version: 2, Path: path, PathHex: pathHex, ID: "1b004", Truncated: true},
			Container:    &event.Container{Runtime: "podman", ID: ctrID},
		},
		Limit: &event.Limit{
			Kind: event.LimitMemsw, Owner: event.OwnerParent, Cgroup: &event.Cgroup{Controller: "memory", Version: 1, Path: "/srv", ID: "1b000"}, Unlimited: p(true), OOMGroup: p(true),
			Events: &event.CgroupEvents{OOMKill: p(uint64(9)), FailCnt: p(uint64(70212))},
		},
		Incident: incident(2, 1, 1),
	}
	return e
}

// KillNodes is a process whose cpuset ran out of the memory of its nodes.
func KillNodes() *event.Event {
	e := at(event.TypeOOMKill, event.SourceBPF, 44, globalNS+2_000_000_000)
	e.Kill = &event.Kill{
		Episode: Episode(globalNS + 1_999_220_118),
		Scope:   event.ScopeCpuset,
		Role:    event.RoleChosen,
		Victim: event.Victim{
			PID: 61220, Comm: p("solver"), Exe: p("/opt/hpc/solver"), UID: p(uint32(1000)), User: "ada",
			AnonRSSBytes: p(uint64(3_900_112 * page)), Unit: "hpc-7.scope",
			Parents: []event.Parent{
				{PID: 61202, Comm: p("m\ufffdirun"), CommHex: "6dff6972756e", Exe: p("/opt/m\ufffdi/run"), ExeHex: "2f6f70742f6dff692f72756e"},
				{PID: 61190, Comm: p("bash")},
			},
		},
		Trigger: &event.Task{PID: 61220, Comm: p("solver"), UID: p(uint32(1000)), User: "ada", Order: p(3)},
		Limit:   &event.Limit{Kind: event.LimitNodes, Nodes: "1"},
		Sources: map[string]string{"limit.nodes": "proc"},
		Memory:  memory(),
	}
	e.Kill.Memory.Zones = []event.Zone{{
		Node: 1, Name: "Normal",
		FreeBytes: p(uint64(52_428_800)), MinBytes: p(uint64(46_137_344)), LowBytes: p(uint64(57_671_680)), HighBytes: p(uint64(69_206_016)),
		ManagedBytes: p(uint64(16_642_998_272)), PresentBytes: p(uint64(17_179_869_184)),
		LargestFreeOrder: p(2), FreeBlocks: []uint64{7028, 2714, 86, 0, 0, 0, 0, 0, 0, 0, 0},
		ProtectionBytes: []uint64{0, 0, 0, 0, 0},
	}}
	return e
}

// KillSparse is a kill of which nearly nothing is known.
func KillSparse() *event.Event {
	e := at(event.TypeOOMKill, event.SourceBPF, 45, globalNS+5_000_000_000)
	e.BoottimeNS, e.Host = nil, nil
	e.Kill = &event.Kill{
		Episode: Episode(globalNS + 5_000_000_000),
		Role:    event.RoleSharedMM,
		Victim:  event.Victim{PID: 7},
	}
	return e
}

// Detail is the first of two continuations of [Kill]'s episode.
func Detail() *event.Event {
	e := at(event.TypeOOMDetail, event.SourceBPF, 41, killNS)
	e.Detail = &event.Detail{
		Episode: Episode(killNS - 312_406),
		PID:     48213,
		Part:    1,
		Parts:   2,
		Limit:   &event.Limit{Stat: &event.CgroupStat{AnonBytes: p(uint64(2_117_861_376))}},
		Memory:  memory(),
		Frames:  []event.Frame{{Symbol: "do_user_addr_fault", Offset: 0x1b6}, {Symbol: "exc_page_fault", Offset: 0x7e}},

		Candidates: candidates(),
		LeadUp:     leadUp(),
	}
	return e
}

// NoKill is an invocation for a trigger that was dying already.
func NoKill() *event.Event {
	e := at(event.TypeOOMNoKill, event.SourceBPF, 46, killNS+8_000_112)
	v, t := Kill().Kill.Victim, *Kill().Kill.Trigger
	e.NoKill = &event.NoKill{
		Episode: Episode(killNS + 7_990_310),
		Reason:  event.NoKillCurrentExiting,
		Scope:   event.ScopeMemcg,
		Victim:  &v, Trigger: &t, Limit: Kill().Kill.Limit,
		Sources: map[string]string{"scope": "computed"},
	}
	return e
}

// NoKillNobody is a cgroup that holds none who can be killed.
func NoKillNobody() *event.Event {
	e := at(event.TypeOOMNoKill, event.SourceBPF, 47, killNS+9_100_840)
	e.NoKill = &event.NoKill{Episode: Episode(killNS + 9_100_011), Reason: event.NoKillNoCandidate, Scope: event.ScopeMemcg, Limit: Kill().Kill.Limit}
	return e
}

// End is the end of the victim of [Kill].
func End() *event.Event {
	e := at(event.TypeOOMEnd, event.SourceBPF, 48, killNS+38_204_118)
	e.End = &event.End{
		Episode: Episode(killNS - 312_406), PID: 48213, Comm: p("java"), Role: event.RoleChosen,
		Outcome: event.OutcomeFreed, ExitMS: p(21.307), FreedMS: p(38.204),
		FreedBytes: p(uint64(517120 * page)), LimitUsageBytes: p(uint64(9_412_608)),
	}
	return e
}

// EndReaped is a victim that the reaper helped, and that is still there.
func EndReaped() *event.Event {
	e := at(event.TypeOOMEnd, event.SourceBPF, 49, globalNS+10_000_200_118)
	e.End = &event.End{
		Episode: Episode(globalNS - 901_113), PID: 2417, Comm: p("sar\ufffd"), CommHex: "736172ff", Role: event.RoleChosen,
		Outcome: event.OutcomeReaped, ReapMS: p(2104.5), WaitedMS: p(int64(10_000)), FreedBytes: p(uint64(3_101_000 * page)),
	}
	return e
}

// EndStuck is a victim that does not go.
func EndStuck() *event.Event {
	e := at(event.TypeOOMEnd, event.SourceBPF, 50, globalNS+10_000_400_000)
	e.End = &event.End{Episode: Episode(globalNS - 901_113), PID: 2430, Comm: p("dd"), Role: event.RoleSharedMM, Outcome: event.OutcomeStuck, WaitedMS: p(int64(10_000))}
	return e
}

// EndByProc is a victim whose end no hook saw.
func EndByProc() *event.Event {
	e := at(event.TypeOOMEnd, event.SourceBPF, 51, globalNS+10_000_400_000)
	e.End = &event.End{
		Episode: Episode(globalNS - 901_113), PID: 2431, Role: event.RoleGroup, Outcome: event.OutcomeExited, WaitedMS: p(int64(10_000)),
		Sources: map[string]string{"outcome": "proc"},
	}
	return e
}

// Snapshot is what /proc said after the line of [KillGlobal] was out.
func Snapshot() *event.Event {
	e := at(event.TypeOOMSnapshot, event.SourceProc, 46, globalNS+9_104_220)
	e.Snapshot = &event.SnapshotLate{
		Episode:  Episode(globalNS - 901_113),
		PID:      2417,
		Victim:   &event.Task{PID: 2417, Comm: p("postgres"), Cmdline: p("postgres: 16/main: shop shop [local] SELECT"), Exe: p("/usr/lib/postgresql/16/bin/postgres"), Unit: "postgresql@16-main.service"},
		Parents:  []event.Parent{{PID: 2390, Comm: p("postgres"), Exe: p("/usr/lib/postgresql/16/bin/postgres")}},
		Trigger:  &event.Task{PID: 911, Comm: p("sar\ufffd"), CommHex: "736172ff"},
		Limit:    &event.Limit{Stat: &event.CgroupStat{AnonBytes: p(uint64(1 << 30)), AgeMS: p(int64(12))}},
		Memory:   memory(),
		Snapshot: event.SnapshotState{State: "ok", AgeMS: p(int64(9))},
	}
	e.Snapshot.Memory.AgeMS = p(int64(9))
	e.Snapshot.Settings = settings()
	e.Snapshot.Settings.AgeMS = p(int64(9))
	return e
}

// Clock is an operator's `date -s`, one hour back.
func Clock() *event.Event {
	e := at(event.TypeClockAdjust, event.SourceBPF, 61, 1_123_300_000_118_402)
	e.Clock = &event.Clock{
		Op:       event.OpClockSettime,
		Function: "do_settimeofday64",
		Kind:     event.KindStep,
		Process: event.Task{
			PID: 51002, TID: p(51002), Comm: p("date"), Cmdline: p("date -s 2026-03-14 08:00"), Exe: p("/usr/bin/date"),
			UID: p(uint32(0)), User: "root", StartBoottimeNS: p(uint64(1_123_299_998_204_118)), KThread: p(false),
			Cgroup: &event.Cgroup{Version: 2, Path: "/user.slice/user-1000.slice/session-14.scope", ID: "2c11"},
			Unit:   "session-14.scope",
		},
		Daemon:      p(false),
		StepNS:      p(int64(-3_600_000_004_118)),
		StepErrorNS: p(int64(840)),
		StepSource:  "argument",
		Result:      "ok",
	}
	return e
}

// ClockFrequency is chronyd at its work: tick and frequency together, and a slew.
func ClockFrequency() *event.Event {
	e := at(event.TypeClockAdjust, event.SourceBPF, 62, 1_123_300_100_118_402)
	e.Clock = &event.Clock{
		Op:       event.OpClockAdjtime,
		Function: "do_adjtimex",
		Kind:     event.KindFrequency,
		Process:  event.Task{PID: 612, TID: p(612), Comm: p("chronyd"), Exe: p("/usr/sbin/chronyd"), UID: p(uint32(107)), KThread: p(false), Unit: "chrony.service"},
		Daemon:   p(true),
		SlewNS:   p(int64(-1500)),
		Modes:    []string{"frequency", "tick", "offset"},
		Before:   &event.ClockState{FreqPPM: p(-12.5), TickUS: p(int64(10000)), RatePPM: p(-12.5), Status: []string{"unsync"}, TAIS: p(37), AgeMS: p(int64(64021))},
		After: &event.ClockState{
			FreqPPM: p(-11.734375), TickUS: p(int64(10001)), RatePPM: p(88.265625), Status: []string{"pll", "nano"}, TAIS: p(37),
			OffsetNS: p(int64(-1500)), MaxErrorUS: p(int64(12043)), EstErrorUS: p(int64(88)),
		},
		Result: "ok",
	}
	return e
}

// ClockRefused is a call that the kernel refused.
func ClockRefused() *event.Event {
	e := at(event.TypeClockAdjust, event.SourceBPF, 63, 1_123_300_200_118_402)
	e.Clock = &event.Clock{
		Op:       event.OpSettimeofday,
		Function: "sys_enter_settimeofday",
		Kind:     event.KindStep,
		Process:  event.Task{PID: 51877, TID: p(51877), Comm: p("python3"), UID: p(uint32(1001)), Container: container(), Pod: pod()},
		Errno:    "EPERM",
	}
	return e
}

// ClockSummary is a minute of chronyd's discipline.
func ClockSummary() *event.Event {
	e := at(event.TypeClockSummary, event.SourceTracer, 64, 1_123_360_000_000_000)
	e.ClockSummary = &event.ClockSummary{
		Process:    event.Task{PID: 612, Comm: p("chronyd"), Exe: p("/usr/sbin/chronyd"), UID: p(uint32(107)), Unit: "chrony.service"},
		IntervalMS: 60000,
		Calls:      14,
		MinFreqPPM: p(-12.5),
		MaxFreqPPM: p(-11.734375),
		After:      &event.ClockState{FreqPPM: p(-11.734375), TickUS: p(int64(10000)), RatePPM: p(-11.734375)},
	}
	return e
}

// ClockStep is a set of the clock that no call explains.
func ClockStep() *event.Event {
	e := at(event.TypeClockStep, event.SourceTimerFD, 65, 1_123_400_000_000_007)
	e.ClockStep = &event.ClockStep{StepNS: 1_999_871_204, StepErrorNS: 2100, StepSource: "timerfd"}
	return e
}

// SigkillOther is earlyoom's work, of a process that /proc forgot at once.
func SigkillOther() *event.Event {
	e := at(event.TypeProcSigkill, event.SourceBPF, 66, 1_123_410_000_220_118)
	e.Sigkill = &event.Sigkill{
		Victim: event.Task{
			PID: 52011, TID: p(52011), Comm: p("chrome"), Cmdline: p("/opt/chrome/chrome --type=renderer"), Exe: p("/opt/chrome/chrome"),
			UID: p(uint32(1000)), StartBoottimeNS: p(uint64(1_123_300_000_204_118)), KThread: p(false),
			Cgroup: &event.Cgroup{Version: 2, Path: "/user.slice/user-1000.slice/session-14.scope", ID: "2c11"},
			Unit:   "session-14.scope",
		},
		Sender: &event.Task{
			PID: 702, TID: p(702), Comm: p("earlyoom"), Cmdline: p("/usr/bin/earlyoom -r 3600"), Exe: p("/usr/bin/earlyoom"),
			UID: p(uint32(0)), KThread: p(false), Cgroup: &event.Cgroup{Version: 2, Path: "/system.slice/earlyoom.service", ID: "9f"}, Unit: "earlyoom.service",
		},
		Verdict:       event.VerdictEarlyOOM,
		VerdictSource: "exe",
		Via:           event.ViaKill,
		Sources:       map[string]string{"victim.cmdline": "exec", "victim.exe": "exec", "sender.cmdline": "proc", "sender.exe": "proc"},
		Snapshot:      &event.SnapshotState{State: "gone", AgeMS: p(int64(0))},
	}
	return e
}

// SigkillCgroup is a container that its runtime ends as a whole.
func SigkillCgroup() *event.Event {
	e := at(event.TypeProcSigkill, event.SourceBPF, 67, 1_123_411_000_220_118)
	e.Sigkill = &event.Sigkill{
		Victim:  event.Task{PID: 52400, Comm: p("java"), UID: p(uint32(1001)), Cgroup: javaCgroup(), Container: container(), Pod: pod()},
		Sender:  &event.Task{PID: 1204, Comm: p("runc"), UID: p(uint32(0)), Unit: "containerd.service"},
		Verdict: event.VerdictRuntime, VerdictSource: "unit", Via: event.ViaCgroupKill,
	}
	return e
}

// SigkillKernel is a process that used up its CPU time: nobody sent the signal.
func SigkillKernel() *event.Event {
	e := at(event.TypeProcSigkill, event.SourceBPF, 68, 1_123_412_000_220_118)
	e.Sigkill = &event.Sigkill{
		Victim:  event.Task{PID: 52500, Comm: p("solver"), UID: p(uint32(1001)), Unit: "batch.slice"},
		Verdict: event.VerdictKernel, VerdictSource: "via", Via: event.ViaCPULimit,
	}
	return e
}

// Hostile returns kills and a clock change whose names attack whoever shows
// them. Each comm is at most 15 bytes, as in the kernel.
func Hostile() []*event.Event {
	comms := []string{
		"\x1b[2J\x1b[31mroot", // clears the screen, colours
		"\x1b]0;pwned\x07x",   // sets the window's title
		"a\noom.kill x",       // forges a line
		"a\r\tb\x08\x7f",      // overwrites a row
		"<script>alert(1",     // 15 bytes of HTML
		"\"},{\"pid\":1,\"",   // breaks JSON
		"\x9b31m\xff\xfe",     // invalid UTF-8 that begins with a C1 CSI
		"\u009b31m\u0085x",    // C1 controls, valid UTF-8
		"ab\u202ecod.exe",     // right-to-left override
		"z\u200bw\u2028x",     // zero width space, line separator
		"exactly15bytes!",     // full
		"日本語日本",               // 15 bytes, 10 columns
		"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c", // cut within a rune
		"| a | b |",      // a table's own rulers
		"%s%n%!d(EXTRA)", // format verbs
		"",               // prctl(PR_SET_NAME, "")
	}
	var out []*event.Event
	for i, raw := range comms {
		s, h := event.CleanString([]byte(raw))
		e := Kill()
		e.Seq += uint64(i)
		v := &e.Kill.Victim
		v.Comm, v.CommHex = p(s), h
		v.Cmdline, v.CmdlineHex = p(s+" --config "+s), ""
		if h != "" {
			v.CmdlineHex = h + fmt.Sprintf("%x", " --config ") + h
		}
		v.Cgroup.Path, v.Cgroup.PathHex = "/"+s, ""
		if h != "" {
			v.Cgroup.PathHex = "2f" + h
		}
		v.Pod.Name, v.Container.Name, v.Unit = s, s, s
		e.Kill.Trigger.Comm, e.Kill.Trigger.CommHex = p(s), h
		e.Kill.Episode = Episode(killNS + uint64(i))
		e.Kill.Incident.ID = e.Kill.Episode
		first := &e.Kill.Incident.First
		first.Victim.Comm, first.Victim.CommHex = p(s), h
		first.Trigger = nil
		out = append(out, e)
	}
	c := Clock()
	c.Clock.Process.Comm = p(comms[0])
	c.Clock.Process.Cmdline = p("date\n\x1b[1A\x1b[2K")
	return append(out, c)
}

// logged returns an event that a kernel log told of, from before the session.
func logged(t event.Type, ns uint64) *event.Event {
	e := at(t, event.SourceKmsg, 1, ns)
	e.BoottimeNS, e.PrintkNS, e.Backfill = nil, p(ns), true
	e.TimeBasis = event.BasisPrintk
	return e
}

// KillLogged is a kill that the log alone told of.
func KillLogged() *event.Event {
	e := logged(event.TypeOOMKill, 1_000_000_123_456_000)
	e.TimeBasis, e.TimeErrorMS, e.TimeGuessed = event.BasisSyslog, p(int64(1000)), []event.TimeGuess{event.GuessYear, event.GuessZone}
	e.Kill = &event.Kill{
		Episode: "log-38d7eab8da3c0", Scope: event.ScopeGlobal, Choice: event.ChoiceBadness, Role: event.RoleChosen,
		Message: "Out of memory",
		Victim: event.Victim{
			PID: 40738, Comm: p("mysqld"), UID: p(uint32(27)), OOMScoreAdj: p(0), PointsPages: p(int64(3283)),
			TotalVMBytes: p(uint64(6_578_499_584)), AnonRSSBytes: p(uint64(13_443_072)), FileRSSBytes: p(uint64(4096)),
		},
		Trigger:    &event.Task{PID: 23212, Comm: p("php-fpm"), GFPMask: "280da", Order: p(0)},
		Limit:      &event.Limit{Kind: event.LimitRAM, Bytes: p(uint64(33_615_118_336))},
		Sources:    map[string]string{"victim.points_pages": "computed"},
		Candidates: []event.Candidate{{PID: 40738, Comm: p("mysqld"), UID: p(uint32(27)), OOMScoreAdj: p(0), RSSBytes: p(uint64(13_447_168))}},
		Memory: &event.Memory{
			TotalBytes: p(uint64(33_615_118_336)), FreeBytes: p(uint64(66_846_720)), SwapTotalBytes: p(uint64(2_147_479_552)), SwapFreeBytes: p(uint64(0)),
			Source:            "kmsg",
			IsolatedAnonBytes: p(uint64(0)), IsolatedFileBytes: p(uint64(131072)), DirtyBytes: p(uint64(4096)), WritebackBytes: p(uint64(0)),
			MappedBytes: p(uint64(8_384_512)), BounceBytes: p(uint64(0)), SecPagetablesBytes: p(uint64(0)), KernelMiscReclaimableBytes: p(uint64(0)),
			FreePCPBytes: p(uint64(57344)), FreeCMABytes: p(uint64(0)), SwapCachedBytes: p(uint64(12288)), ReservedBytes: p(uint64(744_611_840)),
			Slabs: []event.Slab{{Name: "kmalloc-64", UsedBytes: 12_700_672, TotalBytes: 12_701_696}},
		},
	}
	return e
}

// NoKillPanic is a shortage for which the kernel panicked.
func NoKillPanic() *event.Event {
	e := logged(event.TypeOOMNoKill, 1_000_100_123_456_000)
	e.TimeErrorMS = p(int64(250))
	e.NoKill = &event.NoKill{
		Episode: Episode(1_000_100_120_000_000), Reason: event.NoKillPanic, Scope: event.ScopeGlobal,
		Message:    "Out of memory: system-wide panic_on_oom is enabled",
		Trigger:    &event.Task{Comm: p("memhog"), Order: p(0)},
		Memory:     &event.Memory{FreeBytes: p(uint64(2_097_152)), Source: "kmsg"},
		Candidates: []event.Candidate{{PID: 4021, Comm: p("memhog"), AnonRSSBytes: p(uint64(213_909_504))}},
	}
	return e
}

// EndLogged is the OOM reaper's word in the log.
func EndLogged() *event.Event {
	e := logged(event.TypeOOMEnd, 1_000_000_193_456_000)
	e.End = &event.End{
		Episode: "log-38d7eab8da3c0", PID: 40738, Comm: p("mysqld"), Outcome: event.OutcomeReaped, ReapMS: p(70.0),
		LeftAnonRSSBytes: p(uint64(0)), LeftFileRSSBytes: p(uint64(0)), LeftShmemRSSBytes: p(uint64(0)),
	}
	return e
}

// Boot is the begin of a boot.
func Boot() *event.Event {
	e := logged(event.TypeKernelBoot, 0)
	e.Boot = &event.KernelBoot{Release: "6.12.95+deb13-cloud-amd64", CommandLine: "root=/dev/vda1 ro quiet"}
	return e
}

// Panic is a panic for another reason than memory.
func Panic() *event.Event {
	e := logged(event.TypeKernelPanic, 1_000_200_123_456_000)
	e.Panic = &event.KernelPanic{Message: "not syncing: sysrq triggered crash"}
	return e
}
