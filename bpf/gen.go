// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

// One object an architecture: the kernels' types differ by architecture only
// through CO-RE, but registers (pt_regs) are compiled in. clang is pinned so that
// the committed objects can be rebuilt bit by bit.
//
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-16 -strip llvm-strip-16 -target amd64,arm64 -no-global-types -type wire_header -type wire_task -type wire_memcg -type wire_timex -type wire_kill -type wire_clock -type wire_stats -type wire_kind -type wire_role -type wire_task_valid -type wire_kill_valid -type wire_clock_valid -type wire_clock_func -type wire_candidate -type wire_effort -type wire_choice -type wire_moment -type wire_choice_valid -type wire_candidate_valid -type wire_nokill -type wire_moment_what -type wire_moment_valid -type wire_sigkill -type wire_info -type wire_sigkill_valid -type wire_exec -type wire_exec_flags Oomtrace oomtrace.c -- -O2 -g -mcpu=v3 -Wall -Werror
