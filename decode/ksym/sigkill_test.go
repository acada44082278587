// SPDX-License-Identifier: Apache-2.0

package ksym

import (
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestVia(t *testing.T) {
	for trace, want := range map[string]event.Via{
		"__send_signal_locked do_send_sig_info __oom_kill_process oom_kill_process out_of_memory mem_cgroup_out_of_memory": event.ViaOOMKiller,
		"do_send_sig_info oom_kill_process.cold out_of_memory":                                                             event.ViaOOMKiller,
		"__send_signal_locked do_send_sig_info cgroup_kill_write kernfs_fop_write_iter vfs_write":                          event.ViaCgroupKill,
		"do_send_sig_info cgroup_post_fork copy_process kernel_clone":                                                      event.ViaCgroupKill,
		"group_send_sig_info zap_pid_ns_processes do_exit do_group_exit":                                                   event.ViaPIDNamespace,
		"send_sig_info exit_ptrace do_exit do_group_exit":                                                                  event.ViaPtrace,
		"group_send_sig_info do_exit do_group_exit get_signal":                                                             event.ViaParentDeath,
		"send_signal_locked check_process_timers posix_cpu_timers_work task_work_run":                                      event.ViaCPULimit,
		"group_send_sig_info bpf_send_signal bpf_prog_0123456789abcdef_x":                                                  event.ViaBPF,
		"group_send_sig_info kill_pid_info __x64_sys_kill do_syscall_64":                                                   "",
		"  ": "",
	} {
		var frames []event.Frame
		for _, name := range strings.Split(trace, " ") {
			frames = append(frames, event.Frame{Symbol: name})
		}
		if got := Via(frames); got != want {
			t.Errorf("%s: %q, want %q", trace, got, want)
		}
	}
}
