// SPDX-License-Identifier: Apache-2.0

package ksym

import "github.com/oomtrace/oomtrace/decode/event"

// Via tells from the call trace of a SIGKILL of the kernel's own why it was sent; "" when
// the trace does not. The functions named are called through pointers or from other files
// of the kernel's source, so that compilers cannot inline them away.
func Via(frames []event.Frame) event.Via {
	for _, f := range frames {
		switch plain(f.Symbol) {
		case "oom_kill_process", "out_of_memory", "mem_cgroup_out_of_memory": // mm/oom_kill.c
			return event.ViaOOMKiller
		case "cgroup_kill_write", // kernel/cgroup/cgroup.c
			"cgroup_post_fork": // a child born meanwhile
			return event.ViaCgroupKill
		case "zap_pid_ns_processes": // kernel/pid_namespace.c
			return event.ViaPIDNamespace
		case "exit_ptrace", "ptrace_request": // kernel/ptrace.c: PTRACE_O_EXITKILL, PTRACE_KILL
			return event.ViaPtrace
		case "run_posix_cpu_timers", "posix_cpu_timers_work": // kernel/time/posix-cpu-timers.c
			return event.ViaCPULimit
		case "memory_failure": // mm/memory-failure.c
			return event.ViaMemoryFailure
		case "sysrq_handle_kill": // drivers/tty/sysrq.c
			return event.ViaSysrq
		case "bpf_send_signal", "bpf_send_signal_thread", "do_bpf_send_signal": // kernel/trace/bpf_trace.c
			return event.ViaBPF
		case "do_exit":
			// kernel/exit.c, forget_original_parent; what else kills there stands above.
			return event.ViaParentDeath
		}
	}
	return ""
}
