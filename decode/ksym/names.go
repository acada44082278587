// SPDX-License-Identifier: Apache-2.0

package ksym

import "strings"

// plain cuts what the compiler appended to a function's name: everything from a
// dot on (.isra.0, .part.0, .constprop.0, .cold, .llvm.1234, .lto_priv.0), since
// C names have none, and _noprof, which memory allocation profiling (6.10) puts
// behind the names of allocators.
func plain(name string) string {
	if i := strings.IndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	return strings.TrimSuffix(name, "_noprof")
}

// isEntry says whether a function (a plain name) is the way into the kernel or
// into a thread rather than a part of what the kernel was doing. Which of them
// show depends on the build and on the CPU; none of them tells two causes apart.
func isEntry(name string) bool {
	switch name {
	case
		// Dispatch of system calls: inlined into each other or not, and
		// x64_sys_call and its siblings are there since the mitigation of
		// branch history injection (6.9, and stable releases).
		"do_syscall_64", "do_syscall_x64", "do_syscall_x32",
		"x64_sys_call", "x32_sys_call", "ia32_sys_call",
		// The same for 32-bit programs on x86-64.
		"do_fast_syscall_32", "__do_fast_syscall_32", "do_SYSENTER_32",
		"do_int80_emulation", "int80_emulation", "do_int80_syscall_32", "do_syscall_32_irqs_on",
		"asm_int80_emulation",
		// arm64.
		"do_el0_svc", "do_el0_svc_compat", "invoke_syscall", "__invoke_syscall",
		"ret_to_user",
		// Page faults: CPUs with FRED enter elsewhere than those with an IDT,
		// and 5.8 renamed page_fault.
		"exc_page_fault", "page_fault", "async_page_fault",
		// Kernel threads begin here; ret_from_fork became C beside
		// ret_from_fork_asm in 6.6.
		"kthread", "ret_from_fork", "ret_from_fork_asm",
		// x86 copies to and from users by a routine chosen from the CPU's
		// features; a fault in it shows it.
		"copy_user_generic_unrolled", "copy_user_generic_string",
		"copy_user_enhanced_fast_string", "copy_user_short_string",
		"rep_movs_alternative", "rep_stos_alternative",
		"clear_user_original", "clear_user_rep_good", "clear_user_erms":
		return true
	}
	return hasPrefix(name,
		"entry_SYSCALL_", "entry_SYSENTER_", "entry_INT80_", // x86 system calls
		"asm_exc_", "asm_fred_", "fred_", // x86 exceptions
		"el0t_", "el1h_", "el1t_", // arm64 vectors, 5.14 on
		"el0_", "el1_", // arm64 el0_svc, el0_da, el1_abort; vectors up to 5.13
	)
}

// isTrampoline says whether a function is what the BPF trampoline of a traced
// function is called: a program at its return makes it a frame between the
// function and its caller. The kernel's own bpf_trampoline_get and the like are
// none.
func isTrampoline(name string) bool {
	rest, ok := strings.CutPrefix(name, "bpf_trampoline_")
	return ok && rest != "" && '0' <= rest[0] && rest[0] <= '9'
}

// isBetween says whether a function stands between a traced one and its caller: a
// trampoline, or the program that a table names in its place, which was there when the
// table was read.
func isBetween(name string) bool { return isTrampoline(name) || isProgram(name) }

// isProgram recognises a BPF program's symbol, bpf_prog_, 16 hex digits, _name.
// The kernel's own bpf_prog_load and the like are none.
func isProgram(name string) bool {
	rest, ok := strings.CutPrefix(name, "bpf_prog_")
	if !ok {
		return false
	}
	_, n := hexDigits([]byte(rest))
	return n == 16 && (len(rest) == n || rest[n] == '_')
}

// isObserver says whether a function at the innermost end of a stack belongs to
// the tracing that took it: the program, its trampoline, and what a tracepoint
// or a kprobe goes through to call it. Which of them show depends on the hook.
func isObserver(name string) bool {
	return isBetween(name) || hasPrefix(name,
		"bpf_get_stack", "__bpf_get_stack", "bpf_dispatcher_", "__bpf_prog_", "bpf_raw_tp_",
		"bpf_trace_run", "__bpf_trace_", "__traceiter_", "__probestub_",
		"trace_call_bpf", "trace_event_raw_event_", "perf_call_bpf_", "perf_syscall_", "perf_trace_",
		"kprobe_", "kretprobe_dispatcher", "kretprobe_perf_func", "aggr_pre_handler", "ftrace_regs_call",
	)
}

// isLostReturn says whether a name stands where a probe of a function's return
// replaced the return address, and the unwinder did not find the true one.
func isLostReturn(name string) bool {
	switch name {
	case "kretprobe_trampoline", "__kretprobe_trampoline", "arch_rethook_trampoline", "return_to_handler":
		return true
	}
	return false
}

func hasPrefix(name string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}
