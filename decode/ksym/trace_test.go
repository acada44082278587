// SPDX-License-Identifier: Apache-2.0

package ksym

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

// addresses turns frames back into the addresses of a stack.
func addresses(t *testing.T, table *Table, stack []event.Frame) []uint64 {
	t.Helper()
	var out []uint64
	for _, f := range stack {
		addr, ok := table.Address(f.Symbol)
		if !ok {
			t.Fatalf("%s is not in the sample", f.Symbol)
		}
		out = append(out, addr+f.Offset)
	}
	return out
}

// What the kernel printed of a stack is what Trace makes of its addresses.
func TestTraceLikeTheKernel(t *testing.T) {
	for name, stack := range traces(t) {
		if !strings.HasPrefix(name, "x86_64/7.2/") {
			continue
		}
		table := sample(t, Options{Want: names(stack)})
		got := Trace(append(addresses(t, table, stack), 0, 0, 0), table)
		want := event.Stack{ID: ID(stack), Frames: stack}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The kinds of hook put different frames around the same stack.
func TestTraceIsTheSameOnEveryRung(t *testing.T) {
	const tracing = `
ffffffffc1000000 t bpf_prog_0123456789abcdef_kill	[bpf]
ffffffffc1001000 t bpf_trampoline_6442484736	[bpf]
ffffffffc1002000 T bpf_trace_run1
ffffffffc1003000 T __bpf_trace_mark_victim
ffffffffc1004000 T __traceiter_mark_victim
ffffffffc1005000 T perf_trace_mark_victim
ffffffffc1006000 T perf_trace_run_bpf_submit
ffffffffc1007000 t kprobe_ftrace_handler
ffffffffc1008000 t arch_rethook_trampoline
ffffffffc1009000 t try_charge_memcg
ffffffffc100a000 t mem_cgroup_out_of_memory
ffffffffc100b000 t out_of_memory
ffffffffc100c000 t oom_kill_process.cold
ffffffffc100d000 t __oom_kill_process
ffffffffc100e000 t mark_oom_victim
ffffffffc100f000 t charge_memcg
ffffffffc1010000 t asm_exc_page_fault
ffffffffc1011000 D end
`
	all := []string{"bpf_prog_0123456789abcdef_kill", "bpf_trampoline_6442484736", "bpf_trace_run1", "__bpf_trace_mark_victim",
		"__traceiter_mark_victim", "perf_trace_mark_victim", "perf_trace_run_bpf_submit", "kprobe_ftrace_handler", "arch_rethook_trampoline",
		"try_charge_memcg", "mem_cgroup_out_of_memory", "out_of_memory", "oom_kill_process.cold", "__oom_kill_process",
		"mark_oom_victim", "charge_memcg", "asm_exc_page_fault"}
	table := mustLoad(t, tracing, Options{Want: all})
	stack := func(names ...string) []uint64 {
		var out []uint64
		for _, n := range names {
			addr, ok := table.Address(n)
			if !ok {
				addr = 0xffffffffc2000000 // of no symbol
			}
			out = append(out, addr+0x10)
		}
		return out
	}

	kernel := []string{"mark_oom_victim", "__oom_kill_process", "oom_kill_process.cold", "out_of_memory",
		"mem_cgroup_out_of_memory", "try_charge_memcg", "charge_memcg", "asm_exc_page_fault"}
	want := ID(frames("out_of_memory", "try_charge_memcg", "charge_memcg", "entry_SYSCALL_64_after_hwframe"))
	prog, trampoline := all[0], all[1]
	for name, c := range map[string]struct {
		names []string
		shown int // of the frames of the tracing
		id    string
	}{
		"nothing":         {kernel, 0, want},
		"tp_btf":          {slices.Concat([]string{prog, "bpf_trace_run1", "__bpf_trace_mark_victim", "__traceiter_mark_victim"}, kernel), 0, want},
		"unknown program": {slices.Concat([]string{"?", "bpf_trace_run1", "__traceiter_mark_victim"}, kernel), 0, want},
		"tracepoint":      {slices.Concat([]string{"perf_trace_run_bpf_submit", "perf_trace_mark_victim", "__traceiter_mark_victim"}, kernel), 0, want},
		"fentry":          {slices.Concat([]string{prog, trampoline}, kernel), 0, want},
		"fexit around":    {slices.Concat(kernel[:4], []string{trampoline}, kernel[4:5], []string{trampoline}, kernel[5:]), 2, want},
		"table is older":  {slices.Concat(kernel[:5], []string{prog}, kernel[5:]), 1, want},
		"lost caller":     {slices.Concat(kernel[:5], []string{"arch_rethook_trampoline"}, kernel[6:]), 0, ""},
	} {
		got := Trace(stack(c.names...), table)
		if got.ID != c.id || got.Unresolved != 0 || len(got.Frames) != len(kernel)+c.shown {
			t.Errorf("%s: id %q, want %q; %d unresolved of %q", name, got.ID, c.id, got.Unresolved, names(got.Frames))
		}
	}

	got := Trace(stack(slices.Concat(kernel[:6], []string{"?"}, kernel[6:])...), table)
	if got.ID != "" || got.Unresolved != 1 || got.Frames[6].Addr != "ffffffffc2000010" {
		t.Errorf("unknown caller: %+v", got)
	}
	got = Trace(stack(slices.Concat([]string{"?"}, kernel)...), table)
	if got.ID != want || got.Unresolved != 1 {
		t.Errorf("unknown frame before the OOM killer: %+v", got)
	}
}

// A call that does not return can be a function's last instruction: the return
// address is then the next function's. The first address is no return address.
func TestTraceAtTheEdgeOfAFunction(t *testing.T) {
	table := mustLoad(t, "1000 t a\n2000 t b\n3000 d end\n", Options{})
	got := Trace([]uint64{0x2000, 0x2000, 0x1001, 0x1000, 0x3000}, table)
	want := event.Stack{
		Frames: []event.Frame{
			{Symbol: "b"}, {Symbol: "a", Offset: 0x1000}, {Symbol: "a", Offset: 1}, {Addr: "1000"}, {Symbol: "b", Offset: 0x1000},
		},
		Unresolved: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTraceWithoutATable(t *testing.T) {
	got := Trace([]uint64{0xffffffff81000010, 0xffffffff82000010}, nil)
	want := event.Stack{
		Frames:     []event.Frame{{Addr: "ffffffff81000010"}, {Addr: "ffffffff82000010"}},
		Unresolved: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := Trace(nil, nil); got.ID != "" || len(got.Frames) != 0 || got.Unresolved != 0 {
		t.Errorf("no addresses: %+v", got)
	}
}

func TestID(t *testing.T) {
	// printf '%s\n' try_charge_memcg charge_memcg handle_mm_fault | sha256sum | cut -c1-16
	const want = "ebe6f581da0b007d"
	for name, stack := range map[string][]event.Frame{
		"plain":       frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault"),
		"suffixes":    frames("out_of_memory.cold", "try_charge_memcg.part.0.isra.0", "charge_memcg.llvm.1234567", "handle_mm_fault.constprop.0.cold"),
		"noprof":      frames("out_of_memory", "try_charge_memcg_noprof", "charge_memcg_noprof.constprop.0", "handle_mm_fault"),
		"outermost":   frames("x", "out_of_memory.part.0", "out_of_memory", "mem_cgroup_out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault"),
		"user fault":  frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault", "exc_page_fault", "asm_exc_page_fault"),
		"FRED":        frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault", "exc_page_fault", "fred_entry_from_user", "asm_fred_entrypoint_user"),
		"syscall":     frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault", "x64_sys_call", "do_syscall_64", "entry_SYSCALL_64_after_hwframe"),
		"old syscall": frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault", "do_syscall_64", "entry_SYSCALL_64_safe_stack"),
		"arm64":       frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault", "invoke_syscall", "el0_svc_common.constprop.0", "do_el0_svc", "el0_svc", "el0t_64_sync_handler", "el0t_64_sync"),
		"thread":      frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault", "kthread", "ret_from_fork", "ret_from_fork_asm"),
		"user copy":   frames("out_of_memory", "try_charge_memcg", "charge_memcg", "exc_page_fault", "asm_exc_page_fault", "rep_movs_alternative", "handle_mm_fault"),
		"other copy":  frames("out_of_memory", "try_charge_memcg", "charge_memcg", "exc_page_fault", "asm_exc_page_fault", "copy_user_enhanced_fast_string", "handle_mm_fault"),
	} {
		// Wherever the way in is, and however often: it is not hashed.
		if got := ID(append(stack, frames("entry_SYSCALL_64_after_hwframe")...)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}

	for name, stack := range map[string][]event.Frame{
		"another order":     frames("out_of_memory", "charge_memcg", "try_charge_memcg", "handle_mm_fault"),
		"run together":      frames("out_of_memory", "try_charge_memcgcharge_memcg", "handle_mm_fault"),
		"loading a program": frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault", "bpf_prog_load", "bpf_trampoline_update"),
	} {
		if got := ID(append(stack, frames("ret_from_fork")...)); got == want || len(got) != 16 {
			t.Errorf("%s: %q", name, got)
		}
	}

	for name, stack := range map[string][]event.Frame{
		"empty":          nil,
		"no way in":      frames("out_of_memory", "try_charge_memcg", "charge_memcg", "handle_mm_fault"),
		"no OOM killer":  frames("try_charge_memcg", "charge_memcg"),
		"nothing behind": frames("out_of_memory"),
		"entry alone":    frames("out_of_memory", "exc_page_fault", "asm_exc_page_fault"),
		"unknown":        frames("out_of_memory", "try_charge_memcg", "", "handle_mm_fault"),
	} {
		if got := ID(stack); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestContext(t *testing.T) {
	for name, c := range map[string]struct {
		stack []event.Frame
		scope event.Scope
		sure  bool
	}{
		"empty":              {nil, "", false},
		"memcg, v1 fault":    {frames("out_of_memory", "mem_cgroup_out_of_memory", "mem_cgroup_oom_synchronize", "pagefault_out_of_memory"), event.ScopeMemcg, true},
		"page fault":         {frames("out_of_memory", "pagefault_out_of_memory", "exc_page_fault"), event.ScopeGlobal, true},
		"allocation":         {frames("out_of_memory", "__alloc_pages_may_oom"), event.ScopeGlobal, false},
		"by a traced return": {frames("out_of_memory", "bpf_trampoline_12", "__alloc_pages_slowpath.constprop.0"), event.ScopeGlobal, false},
		"table is older":     {frames("out_of_memory", "bpf_prog_0123456789abcdef_x", "moom_callback"), event.ScopeSysrq, true},
		"and of allocations": {frames("out_of_memory", "bpf_prog_0123456789abcdef_x", "__alloc_pages_slowpath"), event.ScopeGlobal, false},
		"caller unknown":     {frames("out_of_memory", "", "handle_mm_fault"), "", false},
		"caller lost":        {frames("out_of_memory", "kretprobe_trampoline"), "", false},
		"no caller":          {frames("oom_kill_process", "out_of_memory"), "", false},
		"sysrq":              {frames("out_of_memory", "moom_callback", "process_one_work"), event.ScopeSysrq, true},
		"probed too early":   {frames("oom_kill_process", "__alloc_pages_may_oom"), "", false},
		"other":              {frames("dump_stack", "schedule"), "", false},
	} {
		if scope, sure := Context(c.stack); scope != c.scope || sure != c.sure {
			t.Errorf("%s: %q, %v; want %q, %v", name, scope, sure, c.scope, c.sure)
		}
	}
}

func BenchmarkTrace(b *testing.B) {
	table := sample(b, Options{Want: []string{"out_of_memory", "try_charge_memcg", "handle_mm_fault"}})
	var addrs []uint64
	for _, n := range []string{"out_of_memory", "try_charge_memcg", "handle_mm_fault"} {
		addr, ok := table.Address(n)
		if !ok {
			b.Fatal(n)
		}
		for i := range uint64(7) {
			addrs = append(addrs, addr+1+i)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		Trace(addrs, table)
	}
}
