// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// firstReport returns the report of a log's first kill.
func firstReport(t *testing.T, log []byte) *kmsg.Report {
	t.Helper()
	for _, item := range parse(t, bytes.NewReader(log)) {
		if k, ok := item.(*kmsg.Kill); ok {
			return k.Report
		}
	}
	t.Fatal("no kill")
	return nil
}

// check compares what a report says with what was read from the log by eye.
func check(t *testing.T, got, want map[string]any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func n(v uint64) kmsg.Num { return kmsg.Num{N: v, OK: true} }

// EL6: lists of pages by CPU, no type of free blocks, cpu and oom_adj in the table.
func TestFactsEL6(t *testing.T) {
	r := firstReport(t, public(t, "lukeshirnia_messages_first_el6.txt.gz"))
	m := r.Mem
	zones := map[string]*kmsg.Zone{}
	for i := range m.Zones {
		zones[m.Zones[i].Name] = &m.Zones[i]
	}
	last := &r.Tasks.Rows[len(r.Tasks.Rows)-1]
	check(t, map[string]any{
		"trigger":  []any{r.Trigger.Comm, r.Trigger.TID, r.Trigger.GFPMask, r.Trigger.OOMAdj.OK, r.Trigger.Release},
		"cpuset":   []any{r.Cpuset, r.MemsAllowed},
		"guessed":  r.FramesGuessed,
		"frames":   []any{len(r.Frames), r.Frames[0].Symbol, r.Frames[0].Offset, r.Frames[16].Symbol},
		"pages":    []any{m.Pages.ActiveAnon, m.Pages.IsolatedFile, m.Pages.Unstable, m.Pages.Free, m.Pages.SlabUnreclaimable, m.Pages.Pagetables, m.Pages.Bounce},
		"zones":    len(m.Zones),
		"percpu":   []any{len(zones["DMA32"].PerCPU), zones["DMA32"].PerCPU[0], zones["Normal"].PerCPU[6]},
		"dma":      []any{zones["DMA"].Free, zones["DMA"].Min, zones["DMA"].Low, zones["DMA"].High, zones["DMA"].ProtectionPages},
		"blocks":   []any{len(zones["Normal"].Blocks), zones["Normal"].Blocks[0], zones["Normal"].FreeBlocksKB},
		"swap":     []any{m.FreeSwapKB, m.TotalSwapKB, m.SwapAdd, m.SwapDelete, m.SwapHits, m.SwapFinds, m.SwapCachePages, m.PagecachePages},
		"ram":      []any{m.RAMPages, m.ReservedPages, m.SharedPages, m.NonSharedPages, m.HighMemPages.OK},
		"tasks":    []any{len(r.Tasks.Rows), r.Tasks.Odd, r.Tasks.LeftOut},
		"last":     []any{last.PID, last.TGID, last.UID, last.TotalVM, last.RSS, last.CPU, last.OldAdj, last.Adj, r.Tasks.Comm(last)},
		"udevd":    []any{r.Tasks.Rows[0].OldAdj, r.Tasks.Rows[0].Adj},
		"chosen":   []any{r.Chosen.PID, r.Chosen.Comm, r.Chosen.Score, r.Chosen.Child, r.Chosen.Message},
		"pageSize": r.PageSize,
		"leftOut":  m.LeftOut,
	}, map[string]any{
		"trigger":  []any{"php-fpm", n(23212), "280da", true, "2.6.32-642.11.1.el6.x86_64"},
		"cpuset":   []any{"/", "0"},
		"guessed":  true,
		"frames":   []any{17, "dump_header", uint64(0x90), "page_fault"},
		"pages":    []any{n(7343961), n(317), n(0), n(49825), n(44840), n(124334), n(0)},
		"zones":    3,
		"percpu":   []any{12, kmsg.PerCPU{CPU: 0, High: 186, Batch: 31, Used: 13}, kmsg.PerCPU{CPU: 6, High: 186, Batch: 31, Used: 10}},
		"dma":      []any{n(15744), n(28), n(32), n(40), []uint64{0, 3211, 32248, 32248}},
		"blocks":   []any{11, kmsg.Block{Count: 15426, SizeKB: 4}, n(61864)},
		"swap":     []any{n(0), n(2097148), n(3171300), n(3151732), n(175974644), n(176167521), n(19568), n(72485)},
		"ram":      []any{n(8388607), n(181790), n(3155396), n(8104267), false},
		"tasks":    []any{793, 0, 0},
		"last":     []any{int32(23446), int32(23446), uint32(48), uint64(53756), uint64(881), int32(5), int32(0), int32(0), "httpd"},
		"udevd":    []any{int32(-17), int32(-1000)},
		"chosen":   []any{40738, "mysqld", n(16), true, "Out of memory"},
		"pageSize": 4096,
		"leftOut":  0,
	})
}

// EL7: two nodes, types of free blocks, huge pages of two sizes, nr_ptes.
func TestFactsEL7(t *testing.T) {
	r := firstReport(t, public(t, "oomanalyser_example_rhel7.txt"))
	m := r.Mem
	z := m.Zones[3]
	mysqld := r.Tasks.Find(6576)
	check(t, map[string]any{
		"zones":   []any{len(m.Zones), z.Node, z.Name, z.Free, z.Min, z.ActiveAnon},
		"blocks":  []any{z.Blocks[6], z.FreeBlocksKB},
		"huge":    []any{len(m.HugeTLB), m.HugeTLB[2]},
		"pages":   []any{m.Pages.ActiveAnon, m.Pages.IsolatedFile, m.Pages.SlabReclaimable},
		"frames":  []any{r.FramesGuessed, len(r.Frames), r.Frames[9].Symbol, r.Frames[9].Module},
		"mysqld":  []any{mysqld.RSS, mysqld.Pgtables, mysqld.Swap},
		"nodes":   r.MemsAllowed,
		"highmem": m.HighMemPages,
	}, map[string]any{
		"zones":   []any{4, 1, "Normal", n(49436), n(45444), n(14967844)},
		"blocks":  []any{kmsg.Block{Count: 2, SizeKB: 256, Types: "UM"}, n(50836)},
		"huge":    []any{4, kmsg.HugeTLB{Node: 1, SizeKB: 1048576}},
		"pages":   []any{n(7355653), n(32), n(27412)},
		"frames":  []any{false, 16, "ext4_filemap_fault", "ext4"},
		"mysqld":  []any{uint64(5157063), uint64(15483), uint64(1527848)},
		"nodes":   "0-1",
		"highmem": n(0),
	})
}

// 7.2: the counters of the machine in one record, the statistics of the node, boost,
// resident memory by kind.
func TestFacts72(t *testing.T) {
	r := firstReport(t, lab(t)["7.2/global.kmsg"])
	m := r.Mem
	hog := r.Tasks.Find(121)
	check(t, map[string]any{
		"pages":  []any{m.Pages.ActiveAnon, m.Pages.SlabUnreclaimable, m.Pages.Shmem, m.Pages.Pagetables, m.Pages.SecPagetables, m.Pages.KernelMiscReclaimable, m.Pages.Free, m.Pages.FreePCP, m.Pages.FreeCMA},
		"node":   []any{len(m.Nodes), m.Nodes[0].ActiveAnon, m.Nodes[0].ShmemTHP, m.Nodes[0].KernelStack, m.Nodes[0].AllUnreclaimable, m.Nodes[0].Balloon, m.Nodes[0].GPUActive},
		"zone":   []any{m.Zones[1].Name, m.Zones[1].Free, m.Zones[1].Boost, m.Zones[1].Min, m.Zones[1].FreeHighatomic, m.Zones[1].Present, m.Zones[1].Managed, m.Zones[1].LocalPCP, m.Zones[1].Zspages},
		"blocks": []any{m.Zones[0].Blocks[7], m.Zones[0].FreeBlocksKB},
		"ram":    []any{m.RAMPages, m.ReservedPages, m.CMAReservedPages, m.HWPoisonedPages},
		"hog":    []any{hog.TotalVM, hog.RSS, hog.Anon, hog.File, hog.Shm, hog.Pgtables, hog.Swap, hog.Adj},
		"choice": []any{r.Constraint, r.NodeMask, r.Cpuset, r.MemsAllowed, r.Global, r.TaskMemcg},
		"other":  []any{m.Pages.Other, m.Nodes[0].Other, m.Zones[1].Other},
		"uid":    r.Trigger.UID,
		"flags":  r.Trigger.GFPFlags,
	}, map[string]any{
		"pages":  []any{n(45965), n(1948), n(1227), n(244), n(0), n(0), n(382), n(1057), n(0)},
		"node":   []any{1, n(183860), n(0), n(944), n(1), n(0), n(0)},
		"zone":   []any{"DMA32", n(624), n(0), n(1648), n(0), n(245620), n(199124), n(4004), n(0)},
		"blocks": []any{kmsg.Block{Count: 1, SizeKB: 512, Types: "U"}, n(900)},
		"ram":    []any{n(65403), n(11782), n(0), n(0)},
		"hog":    []any{uint64(38412), uint64(38194), uint64(38020), uint64(1), uint64(173), uint64(348160), uint64(0), int32(0)},
		"choice": []any{"CONSTRAINT_NONE", "(null)", "/", "0", true, "/"},
		"other":  []any{[]kmsg.Named(nil), []kmsg.Named(nil), []kmsg.Named(nil)},
		"uid":    n(0),
		"flags":  []string{"GFP_HIGHUSER_MOVABLE", "__GFP_ZERO", "__GFP_COMP"},
	})
}

// The statistics of a cgroup, in a line (3.13), in one record (5.10), in a record each
// (7.2); 16 KiB pages (arm64).
func TestFactsMemcg(t *testing.T) {
	logs := lab(t)
	for name, test := range map[string]struct {
		log         []byte
		version     int
		unlimited   bool
		stats       int
		stat        string
		value       uint64
		page        int
		min         kmsg.Num
		failcnt     uint64
		swapOrMemsw kmsg.Usage
	}{
		"3.13": {public(t, "cadvisor_stream1.txt"), 1, true, 10, "writeback", 20480, 4096, kmsg.Num{}, 4152239, kmsg.Usage{UsageKB: n(0), LimitKB: n(18014398509481983), Failcnt: n(0), Unlimited: true}},
		"5.10": {logs["5.10/memcg_v1.kmsg"], 1, true, 36, "anon", 16625664, 4096, kmsg.Num{}, 29, kmsg.Usage{UsageKB: n(16384), LimitKB: n(9007199254740988), Failcnt: n(0), Unlimited: true}},
		"7.2":  {logs["7.2/memcg_group.kmsg"], 2, true, 71, "pgfault", 8322, 4096, n(0), 20, kmsg.Usage{UsageKB: n(0), LimitKB: n(9007199254740988), Failcnt: n(0), Unlimited: true}},
		"16k":  {logs["arm64-6.12-16k/memcg_group.kmsg"], 2, true, 65, "slab_reclaimable", 9208, 16384, kmsg.Num{}, 44, kmsg.Usage{UsageKB: n(0), LimitKB: n(9007199254740976), Failcnt: n(0), Unlimited: true}},
	} {
		t.Run(name, func(t *testing.T) {
			r := firstReport(t, test.log)
			m := r.Memcg
			other := m.Swap
			if test.version == 1 {
				other = m.MemorySwap
			}
			check(t, map[string]any{
				"version": m.Version, "stats": len(m.Stats), "left out": m.StatsLeftOut, test.stat: m.Stat(test.stat), "page": r.PageSize,
				"min": m.MinKB, "failcnt": m.Memory.Failcnt, "swap": other,
			}, map[string]any{
				"version": test.version, "stats": test.stats, "left out": 0, test.stat: n(test.value), "page": test.page,
				"min": test.min, "failcnt": n(test.failcnt), "swap": test.swapOrMemsw,
			})
		})
	}
}

// Lines that the logs at hand do not have, as the kernel's source prints them.
func TestLines(t *testing.T) {
	for _, head := range []string{
		"java invoked oom-killer: gfp_mask=0x14280ca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO), nodemask=(null),  order=0, oom_score_adj=-998", // 4.14
		"java invoked oom-killer: gfp_mask=0x14280ca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO), nodemask=0,2-3, order=0, oom_score_adj=-998",   // 4.9
		"java invoked oom-killer: gfp_mask=0x14280ca, order=0, oom_score_adj=-998",                                                    // 3.10
	} {
		r := firstReport(t, []byte(log(5,
			head,
			"java cpuset=a b mems_allowed=0-1",
			"CPU: 3 PID: 4242 Comm: java Tainted: G        W  OE     4.14.35-1902.el7uek.x86_64 #2",
			"Call Trace:",
			" ? __schedule+0x1/0x2",
			" out_of_memory+0x2d1/0x4f0",
			" xfs_filemap_fault+0x36/0x50 [xfs]",
			" async_page_fault+0x28/0x30",
			"Mem-Info:",
			"active_anon:1 inactive_anon:2 isolated_anon:3\n active_file:4 new_counter:5",
			"Node 0 active_anon:4kB all_unreclaimable? no",
			"Node 0 Normal free:8kB min:4kB",
			"lowmem_reserve[]: 0 0",
			"Node 0 Normal: 2*4kB (U) = 8kB",
			"Unreclaimable slab info:",
			"Name                      Used          Total",
			"kmalloc-64            12403KB      12404KB",
			"Memory allocations:",
			"    48.1 MiB     6171 mm/slub.c:1884 func:alloc_slab_page",
			"    1.25 MiB       20 drivers/net/virtio_net.c:10 [virtio_net] func:get_buf",
			"1024 pages RAM",
			"0 pages HighMem/MovableOnly",
			"24 pages reserved",
			"7 pages hwpoisoned",
			"[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name",
			"[ 4242]  1000  4242     6410     6231      12       3        9          -998 java",
			"[   11]     0    11     6410     6231      12       3        9          1440 a row that is no row",
			"[drm] not a row",
			"Out of memory: Kill process 4242 (java) score 7 or sacrifice child",
			"Killed process 4242 (java), UID 1000, total-vm:25640kB, anon-rss:24228kB, file-rss:4kB, shmem-rss:692kB",
		)))
		m := r.Mem
		check(t, map[string]any{
			"trigger":  []any{r.Trigger.Comm, r.Trigger.TID, r.Trigger.CPU, r.Trigger.GFPMask, r.Trigger.Order, r.Trigger.OOMScoreAdj, r.Trigger.Release},
			"cpuset":   []any{r.Cpuset, r.MemsAllowed},
			"frames":   []any{len(r.Frames), r.FramesGuessed, r.Frames[1].Module},
			"counters": []any{m.Pages.ActiveAnon, m.Pages.ActiveFile, m.Pages.Other, m.Nodes[0].AllUnreclaimable, m.Zones[0].ProtectionPages},
			"slabs":    m.Slabs,
			"sites":    m.Sites,
			"ram":      []any{m.RAMPages, m.ReservedPages, m.HWPoisonedPages},
			"tasks":    []any{len(r.Tasks.Rows), r.Tasks.Rows[0].Pgtables, r.Tasks.Rows[0].Swap, r.Tasks.Rows[0].Adj, r.Tasks.Odd},
		}, map[string]any{
			"trigger":  []any{"java", n(4242), n(3), "14280ca", kmsg.Int{N: 0, OK: true}, kmsg.Int{N: -998, OK: true}, "4.14.35-1902.el7uek.x86_64"},
			"cpuset":   []any{"a b", "0-1"},
			"frames":   []any{3, false, "xfs"},
			"counters": []any{n(1), n(4), []kmsg.Named{{Name: "new_counter", N: 5}}, n(0), []uint64{0, 0}},
			"slabs":    []kmsg.Slab{{Name: "kmalloc-64", UsedKB: 12403, TotalKB: 12404}},
			"sites":    []kmsg.AllocSite{{Size: "48.1 MiB", Calls: 6171, Where: "mm/slub.c:1884", Func: "alloc_slab_page"}, {Size: "1.25 MiB", Calls: 20, Where: "drivers/net/virtio_net.c:10", Module: "virtio_net", Func: "get_buf"}},
			"ram":      []any{n(1024), n(24), n(7)},
			"tasks":    []any{1, uint64(15), uint64(9), int32(-998), 1},
		})
	}
}
