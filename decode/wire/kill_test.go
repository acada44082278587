// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/printfmt"
)

// All that a kill can tell.
func TestKillFull(t *testing.T) {
	d := newDecoder()
	d.Symbols.Store(newSymbols(t))
	names, err := printfmt.Flags([]byte(`print fmt: "gfp_flags=%s", (REC->gfp_flags) ? __print_flags((unsigned long)REC->gfp_flags, "|", {0xcc0u, "GFP_KERNEL"}, {0x100u, "__GFP_ZERO"}) : "none"`), "gfp_flags")
	if err != nil {
		t.Fatal(err)
	}
	d.GFP.Store(&names)
	got := killJSON(t, d, rawKill(newKill(), tailLen))
	want := map[string]string{
		"schema": "oomtrace/v1", "type": "oom.kill", "session": "00", "seq": "1", "time": "2023-11-14T22:13:20.000000000Z", "boottime_ns": "1", "source": "bpf",
		"episode": "0f1e2d3c-123456", "scope": "memcg", "choice": "badness", "role": "chosen", "message": "Memory cgroup out of memory",
		"victim.pid": "1200", "victim.tid": "1201", "victim.nspid": "7", "victim.ppid": "2", "victim.comm": "java", "victim.uid": "1000",
		"victim.start_boottime_ns": "1000001200", "victim.oom_score_adj": "100", "victim.killable": "true",
		"victim.points_pages": "5000", "victim.allowed_pages": "8192", "victim.badness_permille": "610",
		"victim.total_vm_bytes": "81920000", "victim.anon_rss_bytes": "16384000", "victim.file_rss_bytes": "40960", "victim.shmem_rss_bytes": "20480",
		"victim.swap_bytes": "122880", "victim.pgtables_bytes": "40960", "victim.threads": "8",
		"victim.cgroup.version": "2", "victim.cgroup.path": "/shop.slice/web.scope", "victim.cgroup.id": "4d", "victim.unit": "web.scope",
		"trigger.pid": "30", "trigger.tid": "31", "trigger.comm": "cron", "trigger.uid": "1000", "trigger.start_boottime_ns": "1000000030", "trigger.kthread": "false",
		"trigger.cgroup.version": "2", "trigger.cgroup.path": "/system.slice/cron.service", "trigger.cgroup.id": "c", "trigger.unit": "cron.service",
		"trigger.gfp_mask": "cc0", "trigger.gfp_flags[0]": "GFP_KERNEL", "trigger.order": "2",
		"limit.kind": "memory", "limit.owner": "own", "limit.bytes": "33554432", "limit.usage_bytes": "33546240", "limit.swap_bytes": "12288", "limit.oom_group": "false",
		"limit.cgroup.version": "2", "limit.cgroup.path": "/shop.slice/web.scope", "limit.cgroup.id": "4d",
		"stack.frames[0].symbol": "mem_cgroup_out_of_memory", "stack.frames[0].offset": "16",
		"stack.frames[1].symbol": "try_charge_memcg", "stack.frames[1].offset": "16",
		"stack.frames[2].symbol": "asm_exc_page_fault", "stack.frames[2].offset": "16", "stack.id": got["stack.id"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(got["stack.id"]) != 16 {
		t.Errorf("call-trace id %q", got["stack.id"])
	}
}

// A field is there if and only if its bit is set: clear each in turn.
func TestKillAbsent(t *testing.T) {
	full := killJSON(t, newDecoder(), rawKill(newKill(), tailLen))
	kill := func(bit bpf.OomtraceWireKillValid) func(*killRecord) {
		return func(w *killRecord) { w.H.Valid &^= 1 << bit }
	}
	victim := func(bit bpf.OomtraceWireTaskValid) func(*killRecord) {
		return func(w *killRecord) { w.Victim.Valid &^= 1 << bit }
	}
	trigger := func(bit bpf.OomtraceWireTaskValid) func(*killRecord) {
		return func(w *killRecord) { w.Trigger.Valid &^= 1 << bit }
	}
	cgroup := "victim.cgroup.id victim.cgroup.path victim.cgroup.version victim.unit limit.owner limit.cgroup.path limit.cgroup.version limit.oom_group"
	for name, tt := range map[string]struct {
		clear func(*killRecord)
		// The fields that go; behind a "+" those that come or change.
		want string
	}{
		"oc": {kill(bpf.OomtraceWireKillValidWIRE_KILL_OC), `scope choice trigger.gfp_mask trigger.order victim.allowed_pages victim.points_pages victim.badness_permille
			limit.kind limit.owner limit.bytes limit.usage_bytes limit.swap_bytes limit.oom_group limit.cgroup.id limit.cgroup.path limit.cgroup.version`},
		"points":   {kill(bpf.OomtraceWireKillValidWIRE_KILL_POINTS), "+victim.points_pages=4855 +victim.badness_permille=592 +sources.victim.points_pages=computed +sources.victim.badness_permille=computed"},
		"message":  {kill(bpf.OomtraceWireKillValidWIRE_KILL_MESSAGE), "message choice +victim.points_pages=4855 +victim.badness_permille=592 +sources.victim.points_pages=computed +sources.victim.badness_permille=computed"},
		"total_vm": {kill(bpf.OomtraceWireKillValidWIRE_KILL_TOTAL_VM), "victim.total_vm_bytes"},
		"rss":      {kill(bpf.OomtraceWireKillValidWIRE_KILL_RSS), "victim.anon_rss_bytes victim.file_rss_bytes victim.shmem_rss_bytes victim.swap_bytes"},
		"pgtables": {kill(bpf.OomtraceWireKillValidWIRE_KILL_PGTABLES), "victim.pgtables_bytes"},
		"adj":      {kill(bpf.OomtraceWireKillValidWIRE_KILL_ADJ), "victim.oom_score_adj victim.killable"},
		"origin":   {kill(bpf.OomtraceWireKillValidWIRE_KILL_ORIGIN), ""},
		"stack":    {kill(bpf.OomtraceWireKillValidWIRE_KILL_STACK), "stack.frames[0].addr stack.frames[1].addr stack.frames[2].addr stack.unresolved"},
		"memcgs":   {kill(bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS), "limit.oom_group"},
		"oc_memcg": {kill(bpf.OomtraceWireKillValidWIRE_KILL_OC_MEMCG), `limit.kind limit.owner limit.bytes limit.usage_bytes limit.swap_bytes limit.oom_group
			limit.cgroup.id limit.cgroup.path limit.cgroup.version`},
		"invocation": {kill(bpf.OomtraceWireKillValidWIRE_KILL_INVOCATION), "+sources.episode=computed"},
		"role":       {kill(bpf.OomtraceWireKillValidWIRE_KILL_ROLE), "+sources.role=computed"},

		"victim pid":     {victim(bpf.OomtraceWireTaskValidWIRE_TASK_PID), "victim.tid"},
		"victim comm":    {victim(bpf.OomtraceWireTaskValidWIRE_TASK_COMM), "victim.comm"},
		"victim uid":     {victim(bpf.OomtraceWireTaskValidWIRE_TASK_UID), "victim.uid"},
		"victim start":   {victim(bpf.OomtraceWireTaskValidWIRE_TASK_START), "victim.start_boottime_ns"},
		"victim flags":   {victim(bpf.OomtraceWireTaskValidWIRE_TASK_FLAGS), ""},
		"victim cgroup":  {victim(bpf.OomtraceWireTaskValidWIRE_TASK_CGROUP), cgroup},
		"victim path":    {victim(bpf.OomtraceWireTaskValidWIRE_TASK_PATH), "victim.cgroup.path victim.unit limit.cgroup.path"},
		"victim nspid":   {victim(bpf.OomtraceWireTaskValidWIRE_TASK_NSPID), "victim.nspid"},
		"victim ppid":    {victim(bpf.OomtraceWireTaskValidWIRE_TASK_PPID), "victim.ppid"},
		"victim threads": {victim(bpf.OomtraceWireTaskValidWIRE_TASK_THREADS), "victim.threads"},

		"trigger pid":    {trigger(bpf.OomtraceWireTaskValidWIRE_TASK_PID), "trigger.tid"},
		"trigger comm":   {trigger(bpf.OomtraceWireTaskValidWIRE_TASK_COMM), "trigger.comm"},
		"trigger uid":    {trigger(bpf.OomtraceWireTaskValidWIRE_TASK_UID), "trigger.uid"},
		"trigger start":  {trigger(bpf.OomtraceWireTaskValidWIRE_TASK_START), "trigger.start_boottime_ns"},
		"trigger flags":  {trigger(bpf.OomtraceWireTaskValidWIRE_TASK_FLAGS), "trigger.kthread"},
		"trigger cgroup": {trigger(bpf.OomtraceWireTaskValidWIRE_TASK_CGROUP), "trigger.cgroup.id trigger.cgroup.path trigger.cgroup.version trigger.unit"},
		"trigger path":   {trigger(bpf.OomtraceWireTaskValidWIRE_TASK_PATH), "trigger.cgroup.path trigger.unit"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newKill()
			tt.clear(w)
			got := killJSON(t, newDecoder(), rawKill(w, tailLen))
			want := maps.Clone(full)
			for _, f := range strings.Fields(tt.want) {
				if field, ok := strings.CutPrefix(f, "+"); ok {
					path, value, _ := strings.Cut(field, "=")
					want[path] = value
					continue
				}
				if _, ok := want[f]; !ok {
					t.Errorf("the full record has no %s", f)
				}
				delete(want, f)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Bits that say that something is less than it could be add a field, or take one.
func TestKillRSSBits(t *testing.T) {
	w := newKill()
	w.RssErrorPages = 64
	w.H.Valid |= bits(bpf.OomtraceWireKillValidWIRE_KILL_RSS_ERROR)
	expect(t, killJSON(t, newDecoder(), rawKill(w, tailLen)), map[string]string{"victim.rss_error_bytes": "262144", "victim.swap_bytes": "122880"})
	w = newKill()
	w.H.Valid |= bits(bpf.OomtraceWireKillValidWIRE_KILL_RSS_NO_SWAP)
	w.H.Valid &^= bits(bpf.OomtraceWireKillValidWIRE_KILL_POINTS)
	expect(t, killJSON(t, newDecoder(), rawKill(w, tailLen)), map[string]string{
		"victim.anon_rss_bytes": "16384000", "victim.swap_bytes": "", "victim.points_pages": "", "victim.badness_permille": "",
	})
	// Without swap on the machine there is nothing to know.
	d := newDecoder()
	d.Machine.SwapPages = new(uint64)
	w.SwapPages = 0
	expect(t, killJSON(t, d, rawKill(w, tailLen)), map[string]string{"victim.swap_bytes": "", "victim.points_pages": "4825"})
}

const (
	ocBits      = 1<<bpf.OomtraceWireKillValidWIRE_KILL_OC | 1<<bpf.OomtraceWireKillValidWIRE_KILL_POINTS | 1<<bpf.OomtraceWireKillValidWIRE_KILL_MESSAGE | 1<<bpf.OomtraceWireKillValidWIRE_KILL_OC_MEMCG
	noStackBits = ^uint64(1 << bpf.OomtraceWireKillValidWIRE_KILL_STACK)
)

func TestKill(t *testing.T) {
	v1 := func(w *killRecord) { w.Victim.Valid |= 1 << bpf.OomtraceWireTaskValidWIRE_TASK_CGROUP_V1 }
	// derived is a record of the tracepoint rung, whose stack leads to addr.
	derived := func(w *killRecord, addr ...uint64) {
		w.H.Valid &^= ocBits
		w.StackLen = uint32(1 + copy(w.Stack[1:], addr))
		w.Stack[0] = markAddr
	}
	for name, tt := range map[string]struct {
		make func(*killRecord, *Machine)
		want map[string]string
	}{
		"global": {func(w *killRecord, _ *Machine) { w.Constraint = constraintNone; w.Order = 0 },
			map[string]string{"scope": "global", "limit.kind": "ram", "limit.bytes": "", "limit.cgroup.id": "", "trigger.order": "0"}},
		"cpuset": {func(w *killRecord, _ *Machine) { w.Constraint = constraintCpuset },
			map[string]string{"scope": "cpuset", "limit.kind": "nodes", "limit.cgroup.id": ""}},
		"mempolicy": {func(w *killRecord, _ *Machine) { w.Constraint = constraintMempolicy },
			map[string]string{"scope": "mempolicy", "limit.kind": "nodes"}},
		"unknown constraint": {func(w *killRecord, _ *Machine) { w.Constraint = 9 },
			map[string]string{"scope": "", "limit.kind": "", "victim.allowed_pages": "8192"}},
		"sysrq": {func(w *killRecord, _ *Machine) { w.Constraint = constraintNone; w.Order = -1 },
			map[string]string{"scope": "sysrq", "limit.kind": "", "trigger.order": "", "trigger.gfp_mask": "cc0"}},

		"limit of the parent": {func(w *killRecord, _ *Machine) {
			w.Memcgs[1].Max, w.Memcgs[1].OomGroup = 9000, 1
			w.Limit = w.Memcgs[1]
		}, map[string]string{"limit.cgroup.id": "5", "limit.cgroup.path": "/shop.slice", "limit.owner": "slice", "limit.bytes": "36864000", "limit.unlimited": "", "limit.oom_group": "true"}},
		"limit of the root": {func(w *killRecord, _ *Machine) { w.Limit = w.Memcgs[2] },
			map[string]string{"limit.cgroup.id": "1", "limit.cgroup.path": "/", "limit.owner": "parent", "limit.unlimited": "true", "limit.bytes": "", "limit.usage_bytes": "409595904"}},
		"group above the limit": {func(w *killRecord, _ *Machine) { w.Memcgs[1].OomGroup = 1 },
			map[string]string{"limit.cgroup.id": "4d", "limit.oom_group": "false"}},
		"limit elsewhere": {func(w *killRecord, _ *Machine) { w.Limit.Id = 0xabc; w.Memcgs[0].OomGroup = 1 },
			map[string]string{"limit.cgroup.id": "abc", "limit.cgroup.path": "", "limit.owner": "", "limit.bytes": "33554432", "limit.kind": "memory", "limit.oom_group": ""}},
		"limit beyond the chain": {func(w *killRecord, _ *Machine) {
			w.H.Valid |= bits(bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS_CUT)
			w.Limit = memcgRecord{Id: 0xabc, Usage: 10000, Max: 10000, OomGroup: 1}
		}, map[string]string{"limit.cgroup.id": "abc", "limit.bytes": "40960000", "limit.usage_bytes": "40960000", "limit.oom_group": "true"}},
		"limit beyond the chain, a group below": {func(w *killRecord, _ *Machine) {
			w.H.Valid |= bits(bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS_CUT)
			w.Limit.Id, w.Memcgs[2].OomGroup = 0xabc, 1
		}, map[string]string{"limit.cgroup.id": "abc", "limit.oom_group": "true"}},
		"limit beyond the chain, no group known": {func(w *killRecord, _ *Machine) {
			w.H.Valid |= bits(bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS_CUT)
			w.Limit.Id = 0xabc
		}, map[string]string{"limit.cgroup.id": "abc", "limit.oom_group": ""}},
		"limit elsewhere, with its path": {func(w *killRecord, _ *Machine) {
			w.Limit.Id, w.LimitOff = 0xabc, w.Trigger.PathOff+w.Trigger.PathLen
			w.LimitLen = uint16(copy(bytesOf(w.Tail[w.LimitOff:]), "b\x00a\x00"))
		}, map[string]string{"limit.cgroup.id": "abc", "limit.cgroup.path": "/a/b", "limit.owner": "", "limit.bytes": "33554432"}},
		"chain of the trigger": {func(w *killRecord, _ *Machine) {
			w.H.Valid |= bits(bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS_TRIGGER)
			w.Limit.Level = 1
		}, map[string]string{"limit.cgroup.path": "/system.slice", "limit.bytes": "33554432"}},
		"limit's path beyond the record": {func(w *killRecord, _ *Machine) { w.Limit.Id, w.LimitOff, w.LimitLen = 0xabc, 65535, 1 },
			map[string]string{"limit.cgroup.id": "abc", "limit.cgroup.path": ""}},
		"limit of a path that is mended": {func(w *killRecord, _ *Machine) { w.Tail[0] = -1 },
			map[string]string{"victim.cgroup.path_hex": "2f73686f702e736c6963652fff65622e73636f7065", "limit.cgroup.path": "/shop.slice/\ufffdeb.scope", "limit.cgroup.path_hex": "2f73686f702e736c6963652fff65622e73636f7065"}},
		"limit above what is mended": {func(w *killRecord, _ *Machine) { w.Tail[0] = -1; w.Limit = w.Memcgs[1] },
			map[string]string{"limit.cgroup.id": "5", "limit.cgroup.path": "/shop.slice", "limit.cgroup.path_hex": ""}},
		"limit that is mended itself": {func(w *killRecord, _ *Machine) { w.Tail[len("web.scope")+1] = -1; w.Limit = w.Memcgs[1] },
			map[string]string{"limit.cgroup.path": "/\ufffdhop.slice", "limit.owner": "", "limit.cgroup.path_hex": "2fff686f702e736c696365"}},
		"v1": {func(w *killRecord, _ *Machine) { v1(w); w.Limit.SwapUsage, w.Limit.SwapMax = 8200, 9000 },
			map[string]string{"victim.cgroup.version": "1", "victim.cgroup.controller": "memory", "limit.cgroup.controller": "memory", "limit.kind": "memory", "limit.bytes": "33554432", "limit.swap_bytes": "40960"}},
		"v1 memsw": {func(w *killRecord, _ *Machine) {
			v1(w)
			w.Limit = memcgRecord{Id: 77, Usage: 4000, Max: 8192, SwapUsage: 9000, SwapMax: 9000, Level: 2}
		}, map[string]string{"limit.kind": "memsw", "limit.bytes": "36864000", "limit.usage_bytes": "36864000", "limit.swap_bytes": "20480000"}},
		"v1 without swap accounting": {func(w *killRecord, _ *Machine) { v1(w); w.Limit.SwapUsage, w.Limit.SwapMax = 0, unlimitedPages },
			map[string]string{"limit.kind": "memory", "limit.swap_bytes": ""}},

		"allocating task": {func(w *killRecord, _ *Machine) {
			setC(w.Message[:], "Out of memory (oom_kill_allocating_task)")
		}, map[string]string{"choice": "allocating_task", "victim.points_pages": "4855", "sources.victim.points_pages": "computed", "sources.victim.badness_permille": "computed"}},
		"task origin": {func(w *killRecord, _ *Machine) { w.Origin = 1; w.Points = 1<<63 - 1 },
			map[string]string{"choice": "task_origin", "victim.points_pages": "4855"}},
		"group": {func(w *killRecord, _ *Machine) { w.Role = 1 },
			map[string]string{"role": "group", "choice": "", "victim.points_pages": "4855"}},
		"shared mm": {func(w *killRecord, _ *Machine) { w.Role = 2 }, map[string]string{"role": "shared_mm", "choice": ""}},

		"comm with stale bytes": {func(w *killRecord, _ *Machine) { setC(w.Victim.Comm[:], "java\x00er/0") }, map[string]string{"victim.comm": "java", "victim.comm_hex": ""}},
		"comm of 16 bytes":      {func(w *killRecord, _ *Machine) { setC(w.Victim.Comm[:], "0123456789abcdef") }, map[string]string{"victim.comm": "0123456789abcdef"}},
		"invalid UTF-8":         {func(w *killRecord, _ *Machine) { setC(w.Victim.Comm[:], "a\xff\xc3") }, map[string]string{"victim.comm": "a\ufffd\ufffd", "victim.comm_hex": "61ffc3"}},
		"hostile comm":          {func(w *killRecord, _ *Machine) { setC(w.Victim.Comm[:], "\x1b[2J\n\"</b>") }, map[string]string{"victim.comm": "\x1b[2J\n\"</b>", "victim.comm_hex": ""}},
		"kernel thread":         {func(w *killRecord, _ *Machine) { w.Trigger.Flags = pfKthread }, map[string]string{"trigger.kthread": "true"}},
		"path cut":              {func(w *killRecord, _ *Machine) { w.Victim.Valid |= 1 << bpf.OomtraceWireTaskValidWIRE_TASK_PATH_CUT }, map[string]string{"victim.cgroup.truncated": "true", "limit.cgroup.path": "/shop.slice/web.scope", "limit.cgroup.truncated": "true"}},
		"path cut, limit above": {func(w *killRecord, _ *Machine) {
			w.Victim.Valid |= 1 << bpf.OomtraceWireTaskValidWIRE_TASK_PATH_CUT
			w.Limit = w.Memcgs[1]
		}, map[string]string{"limit.cgroup.id": "5", "limit.cgroup.path": "", "limit.owner": ""}},
		"root cgroup":            {func(w *killRecord, _ *Machine) { w.Victim.PathLen = 0 }, map[string]string{"victim.cgroup.path": "/"}},
		"path beyond the record": {func(w *killRecord, _ *Machine) { w.Victim.PathOff, w.Victim.PathLen = 60000, 60000 }, map[string]string{"victim.cgroup.path": "", "victim.cgroup.id": "4d"}},
		"same cgroup": {func(w *killRecord, _ *Machine) {
			w.Trigger.CgroupId = 77
			w.Trigger.Valid &^= 1 << bpf.OomtraceWireTaskValidWIRE_TASK_PATH
		}, map[string]string{"trigger.cgroup.path": "/shop.slice/web.scope", "trigger.unit": "web.scope"}},
		"too many memcgs":  {func(w *killRecord, _ *Machine) { w.MemcgsLen = 9 }, map[string]string{"limit.oom_group": "", "limit.cgroup.id": "4d"}},
		"too long a stack": {func(w *killRecord, _ *Machine) { w.StackLen = uint32(len(w.Stack)) + 1 }, map[string]string{"stack.frames[0].symbol": ""}},
		"adj out of range": {func(w *killRecord, _ *Machine) { w.OomScoreAdj = 1001 }, map[string]string{"victim.oom_score_adj": "", "victim.killable": ""}},
		"not killable":     {func(w *killRecord, _ *Machine) { w.OomScoreAdj = -1000 }, map[string]string{"victim.oom_score_adj": "-1000", "victim.killable": "false"}},
		"hostile path": {func(w *killRecord, _ *Machine) {
			w.Victim.PathLen = uint16(copy(bytesOf(w.Tail[:]), "\xff\n\x00<script>\x00"))
			w.Trigger.PathLen = 0
		}, map[string]string{"victim.cgroup.path": "/<script>/\ufffd\n", "victim.cgroup.path_hex": "2f3c7363726970743e2fff0a"}},
		"points of 0 allowed":      {func(w *killRecord, _ *Machine) { w.Totalpages = 0 }, map[string]string{"victim.allowed_pages": "", "victim.badness_permille": ""}},
		"boot id not known":        {func(_ *killRecord, m *Machine) { m.BootID = "0f1e2d3c" }, map[string]string{"episode": "0f1e2d3c-123456"}},
		"without invocation hook":  {func(w *killRecord, _ *Machine) { w.H.Valid &^= bits(bpf.OomtraceWireKillValidWIRE_KILL_INVOCATION) }, map[string]string{"episode": "0f1e2d3c-123456", "sources.episode": "computed"}},
		"order of no allocation":   {func(w *killRecord, _ *Machine) { w.Order = -2 }, map[string]string{"trigger.order": "", "scope": "memcg"}},
		"threads' own counts":      {func(_ *killRecord, m *Machine) { m.ThreadRSSPages = 64 }, map[string]string{"victim.rss_error_bytes": "2097152"}},
		"large pages":              {func(_ *killRecord, m *Machine) { m.PageSize = 16384 }, map[string]string{"victim.anon_rss_bytes": "65536000", "limit.bytes": "134217728"}},
		"unlimited, large pages":   {func(w *killRecord, m *Machine) { m.PageSize = 16384; w.Limit.Max = (1<<63 - 1) / 16384 }, map[string]string{"limit.unlimited": "true", "limit.bytes": ""}},
		"nspid that is not known":  {func(w *killRecord, _ *Machine) { w.Victim.Nspid = 0 }, map[string]string{"victim.nspid": ""}},
		"thread that is not known": {func(w *killRecord, _ *Machine) { w.Victim.Tid = 0 }, map[string]string{"victim.tid": ""}},

		"derived memcg, v2, no swap": {func(w *killRecord, m *Machine) { derived(w, memcgAddr, callerAddr); m.SwapPages = new(uint64) }, map[string]string{
			"scope": "memcg", "sources.scope": "computed", "limit.cgroup.id": "4d", "limit.kind": "memory", "sources.limit": "computed",
			"victim.allowed_pages": "8192", "sources.victim.allowed_pages": "computed", "victim.points_pages": "4855", "sources.victim.badness_permille": "computed", "trigger.gfp_mask": "", "trigger.order": "", "choice": "", "message": "",
		}},
		"derived memcg, v2, swap": {func(w *killRecord, m *Machine) {
			derived(w, memcgAddr, callerAddr)
			m.SwapPages, m.Swappiness = event.Ptr(uint64(50)), event.Ptr(60)
		},
			map[string]string{"victim.allowed_pages": "8242"}},
		"derived memcg, v2, swappiness 0": {func(w *killRecord, m *Machine) {
			derived(w, memcgAddr, callerAddr)
			m.SwapPages, m.Swappiness = event.Ptr(uint64(50)), event.Ptr(0)
		},
			map[string]string{"victim.allowed_pages": "8192"}},
		"derived memcg, v2, swappiness not known": {func(w *killRecord, m *Machine) {
			derived(w, memcgAddr, callerAddr)
			m.SwapPages = event.Ptr(uint64(50))
		},
			map[string]string{"limit.cgroup.id": "4d", "victim.allowed_pages": "", "victim.points_pages": ""}},
		"derived memcg, swap not known": {func(w *killRecord, _ *Machine) { derived(w, memcgAddr, callerAddr) },
			map[string]string{"limit.cgroup.id": "4d", "victim.allowed_pages": "", "victim.points_pages": ""}},
		"derived memcg, v1, swap": {func(w *killRecord, m *Machine) {
			derived(w, memcgAddr, callerAddr)
			v1(w)
			m.SwapPages, m.Swappiness = event.Ptr(uint64(50)), event.Ptr(60)
		},
			map[string]string{"limit.cgroup.id": "4d", "victim.allowed_pages": "", "victim.points_pages": ""}},
		"derived memsw": {func(w *killRecord, m *Machine) {
			derived(w, memcgAddr, callerAddr)
			v1(w)
			m.SwapPages = new(uint64)
			w.Memcgs[0] = memcgRecord{Id: 77, Usage: 4000, Max: 8192, SwapUsage: 9000, SwapMax: 9000, Level: 2}
		}, map[string]string{"limit.kind": "memsw", "limit.bytes": "36864000"}},
		"derived, two at their maximum": {func(w *killRecord, _ *Machine) { derived(w, memcgAddr, callerAddr); w.Memcgs[1].Max = 9000 },
			map[string]string{"scope": "memcg", "limit.kind": "", "limit.cgroup.id": ""}},
		"derived, more above": {func(w *killRecord, _ *Machine) {
			derived(w, memcgAddr, callerAddr)
			w.H.Valid |= bits(bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS_CUT)
		}, map[string]string{"scope": "memcg", "limit.kind": "", "limit.cgroup.id": "", "sources.limit": ""}},
		"derived, none at its maximum": {func(w *killRecord, _ *Machine) { derived(w, memcgAddr, callerAddr); w.Memcgs[0].Usage = 8000 },
			map[string]string{"scope": "memcg", "limit.kind": ""}},
		"derived global": {func(w *killRecord, m *Machine) {
			derived(w, globalAddr, faultAddr, callerAddr)
			m.RAMPages, m.SwapPages = event.Ptr(uint64(1000000)), event.Ptr(uint64(999))
		}, map[string]string{"scope": "global", "limit.kind": "ram", "sources.limit": "computed", "victim.allowed_pages": "1000999", "victim.points_pages": "104055"}},
		"derived sysrq":         {func(w *killRecord, _ *Machine) { derived(w, globalAddr, sysrqAddr) }, map[string]string{"scope": "sysrq", "limit.kind": ""}},
		"derived, nodes or all": {func(w *killRecord, _ *Machine) { derived(w, globalAddr, callerAddr) }, map[string]string{"scope": "", "limit.kind": ""}},
		"derived without a stack": {func(w *killRecord, _ *Machine) { derived(w); w.H.Valid &= noStackBits },
			map[string]string{"scope": "", "limit.kind": "", "stack.unresolved": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newKill(), newDecoder()
			d.Symbols.Store(newSymbols(t))
			tt.make(w, &d.Machine)
			expect(t, killJSON(t, d, rawKill(w, tailLen)), tt.want)
		})
	}
}

// The kernel divides first: at 32 MiB an adj of 1000 adds 8000 pages, not 8192.
func TestBadness(t *testing.T) {
	for _, tt := range []struct {
		adj    int32
		allow  uint64
		points string
	}{
		{0, 8192, "4055"}, {1000, 8192, "12055"}, {-1000, 8192, "-3945"}, {1000, 999, "4055"}, {500, 262144, "135055"},
	} {
		w := newKill()
		w.H.Valid &^= bits(bpf.OomtraceWireKillValidWIRE_KILL_POINTS)
		w.OomScoreAdj, w.Totalpages = tt.adj, tt.allow
		expect(t, killJSON(t, newDecoder(), rawKill(w, tailLen)), map[string]string{"victim.points_pages": tt.points})
	}
}

// A sharer announced by the tracepoint rung: little is known of it.
func TestSignal(t *testing.T) {
	w := &killRecord{Role: 2, EpisodeNs: 1, Victim: taskRecord{Pid: 9, Tid: 9}, Trigger: newTask(30, 31, "cron", 12)}
	w.Victim.Valid = uint32(bits(bpf.OomtraceWireTaskValidWIRE_TASK_PID, bpf.OomtraceWireTaskValidWIRE_TASK_COMM))
	setC(w.Victim.Comm[:], "sharer")
	w.Trigger.PathLen = uint16(copy(bytesOf(w.Tail[:]), triggerPath))
	got := killJSON(t, newDecoder(), raw(w, bpf.OomtraceWireKindWIRE_KIND_SIGNAL, killFixed, tailLen))
	expect(t, got, map[string]string{
		"role": "shared_mm", "sources.role": "computed", "victim.pid": "9", "victim.tid": "9", "victim.comm": "sharer", "victim.uid": "", "victim.cgroup.id": "",
		"trigger.pid": "30", "trigger.cgroup.path": "/system.slice/cron.service", "limit.kind": "", "scope": "",
	})
	for path := range got {
		if slices.Contains([]string{"victim.threads", "victim.oom_score_adj", "victim.anon_rss_bytes"}, path) {
			t.Errorf("%s is there", path)
		}
	}
}

func TestParseErrors(t *testing.T) {
	good := rawKill(newKill(), tailLen)
	clock := rawClock(newClock(), 0)
	change := func(b []byte, at int, v byte) []byte {
		b = slices.Clone(b)
		b[at] = v
		return b
	}
	short := rawKill(newKill(), 0)[:killFixed-8]
	short[16], short[17] = byte(len(short)), byte(len(short)>>8)
	longClock := append(slices.Clone(clock), make([]byte, MaxClockLen)...)
	longClock[16], longClock[17] = byte(len(longClock)), byte(len(longClock)>>8)
	for name, tt := range map[string]struct {
		raw  []byte
		want error
	}{
		"empty":           {nil, ErrLength},
		"header cut":      {good[:23], ErrLength},
		"cut":             {good[:len(good)-1], ErrLength},
		"trailing bytes":  {append(slices.Clone(good), 0), ErrLength},
		"fixed part cut":  {short, ErrLength},
		"longer than any": {longClock, ErrLength},
		"version":         {change(good, 20, 9), ErrVersion},
		"kind 0":          {change(good, 22, 0), ErrKind},
		"synthetic":       {Synthetic(1, 1), nil},
		"unknown":         {change(good, 22, 99), ErrKind},
		"no victim":       {rawKill(func() *killRecord { w := newKill(); w.Victim.Pid = 0; return w }(), 0), ErrValue},
		"role":            {rawKill(func() *killRecord { w := newKill(); w.Role = 3; return w }(), 0), ErrValue},
		"good":            {good, nil},
		"good clock":      {clock, nil},
	} {
		var r Record
		if err := r.Parse(tt.raw); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// A shorter record leaves nothing of the one before it.
func TestParseReuses(t *testing.T) {
	var r Record
	if err := r.Parse(rawKill(newKill(), tailLen)); err != nil {
		t.Fatal(err)
	}
	if err := r.Parse(rawKill(newKill(), 0)); err != nil {
		t.Fatal(err)
	}
	if got := newDecoder().Kill(&r).Victim.Cgroup.Path; got != "/" {
		t.Errorf("path %q of the record before", got)
	}
}
