//go:build ignore

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The programs, each a rung of a ladder of docs/hooks.md; user space loads only
 * those it attaches. Floor: Linux 5.10 (ring buffer, tp_btf, boot-time clock).
 */
#include "types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#ifndef offsetof
#define offsetof(t, m) __builtin_offsetof(t, m)
#endif

#include "wire.h"
#include "maps.h"
#include "compat.h"
#include "task.h"
#include "mm.h"
#include "invocation.h"
#include "choice.h"
#include "end.h"
#include "kill.h"
#include "clock.h"
#include "identity.h"
#include "sigkill.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Keeps the types in the object's BTF, where bpf2go finds them. */
const struct wire_moment *keep_moment __attribute__((unused));
const enum wire_kind *keep_kind __attribute__((unused));
const enum wire_role *keep_role __attribute__((unused));
const enum wire_task_valid *keep_task_valid __attribute__((unused));
const enum wire_kill_valid *keep_kill_valid __attribute__((unused));
const enum wire_clock_valid *keep_clock_valid __attribute__((unused));
const enum wire_clock_func *keep_clock_func __attribute__((unused));
const enum wire_choice_valid *keep_choice_valid __attribute__((unused));
const enum wire_candidate_valid *keep_candidate_valid __attribute__((unused));
const enum wire_nokill *keep_nokill __attribute__((unused));
const enum wire_moment_what *keep_moment_what __attribute__((unused));
const enum wire_moment_valid *keep_moment_valid __attribute__((unused));
const enum wire_info *keep_info __attribute__((unused));
const enum wire_sigkill_valid *keep_sigkill_valid __attribute__((unused));
const enum wire_exec_flags *keep_exec_flags __attribute__((unused));

/* --- kills ------------------------------------------------------------- */

/* signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task,
 *		   int group, int result); the same in both kinds of program. */
static __always_inline int signal_args(u64 *args)
{
	if ((u32)args[0] == SIGKILL && args[1] == SEND_SIG_PRIV && (u32)args[3])
		on_signal(args, (void *)args[2], (u32)args[4] == TRACE_SIGNAL_DELIVERED);
	return 0;
}

SEC("tp_btf/signal_generate")
int signal_btf(u64 *ctx)
{
	return signal_args(ctx);
}

SEC("raw_tracepoint/signal_generate")
int signal_raw(u64 *ctx)
{
	return signal_args(ctx);
}

/*
 * mark_victim(int pid) until commit 72ba14deb40a ("mm: update mark_victim
 * tracepoints fields") (in v6.8, and in stable series), then
 * mark_victim(struct task_struct *task, uid_t uid).
 */
static __always_inline int mark_args(u64 *args)
{
	if (mark_victim_has_task)
		on_mark(args, (struct task_struct *)args[0], 0);
	else
		on_mark(args, NULL, (u32)args[0]);
	return 0;
}

SEC("tp_btf/mark_victim")
int mark_btf(u64 *ctx)
{
	return mark_args(ctx);
}

SEC("raw_tracepoint/mark_victim")
int mark_raw(u64 *ctx)
{
	return mark_args(ctx);
}

SEC("tracepoint/signal/signal_generate")
int signal_tp(struct trace_event_raw_signal_generate *ctx)
{
	if (ctx->sig == SIGKILL && ctx->code == SI_KERNEL && ctx->group)
		on_signal_record(ctx);
	return 0;
}

SEC("tracepoint/oom/mark_victim")
int mark_tp(struct trace_event_raw_mark_victim *ctx)
{
	on_mark_record(ctx, ctx);
	return 0;
}

/* --- the invocation ------------------------------------------------------ */

SEC("fentry/out_of_memory")
int BPF_PROG(oom_entry_fentry, struct oom_control *oc)
{
	inv.ends = true; /* its rung hooks the return, too; of kprobes leave_invocation() tells */
	enter_invocation(oc);
	return 0;
}

SEC("fexit/out_of_memory")
int BPF_PROG(oom_return_fexit, struct oom_control *oc, bool ret)
{
	leave_invocation(ret);
	return 0;
}

SEC("kprobe/out_of_memory")
int oom_entry_kprobe(struct pt_regs *ctx)
{
	enter_invocation((void *)PT_REGS_PARM1(ctx));
	return 0;
}

SEC("kretprobe/out_of_memory")
int oom_return_kprobe(struct pt_regs *ctx)
{
	leave_invocation((bool)PT_REGS_RC(ctx));
	return 0;
}

SEC("fentry/oom_kill_process")
int BPF_PROG(kill_process_fentry, struct oom_control *oc, const char *message)
{
	enter_oom_kill_process(oc, message);
	return 0;
}

SEC("kprobe/oom_kill_process")
int kill_process_kprobe(struct pt_regs *ctx)
{
	enter_oom_kill_process((void *)PT_REGS_PARM1(ctx), (void *)PT_REGS_PARM2(ctx));
	return 0;
}

/* --- what led to it ------------------------------------------------------- */

SEC("fexit/oom_badness")
int BPF_PROG(badness_fexit, struct task_struct *p, unsigned long totalpages, long points)
{
	enter_badness(p);
	leave_badness(points);
	return 0;
}

SEC("kprobe/oom_badness")
int badness_kprobe(struct pt_regs *ctx)
{
	enter_badness((void *)PT_REGS_PARM1(ctx));
	return 0;
}

SEC("kretprobe/oom_badness")
int badness_kretprobe(struct pt_regs *ctx)
{
	leave_badness(PT_REGS_RC(ctx));
	return 0;
}

/* mm_vmscan_direct_reclaim_end(unsigned long nr_reclaimed), and so for a memcg's. */
SEC("raw_tracepoint/mm_vmscan_direct_reclaim_begin")
int reclaim_begin_raw(u64 *ctx)
{
	reclaim_begins();
	return 0;
}

SEC("raw_tracepoint/mm_vmscan_direct_reclaim_end")
int reclaim_end_raw(u64 *ctx)
{
	reclaim_ends(ctx[0]);
	return 0;
}

SEC("tracepoint/vmscan/mm_vmscan_direct_reclaim_begin")
int reclaim_begin_tp(void *ctx)
{
	reclaim_begins();
	return 0;
}

SEC("tracepoint/vmscan/mm_vmscan_direct_reclaim_end")
int reclaim_end_tp(struct trace_event_raw_mm_vmscan_direct_reclaim_end_template *ctx)
{
	reclaim_ends(ctx->nr_reclaimed);
	return 0;
}

SEC("raw_tracepoint/mm_compaction_begin")
int compact_begin_raw(u64 *ctx)
{
	compaction_begins();
	return 0;
}

SEC("raw_tracepoint/mm_compaction_end")
int compact_end_raw(u64 *ctx)
{
	compaction_ends();
	return 0;
}

SEC("tracepoint/compaction/mm_compaction_begin")
int compact_begin_tp(void *ctx)
{
	compaction_begins();
	return 0;
}

SEC("tracepoint/compaction/mm_compaction_end")
int compact_end_tp(void *ctx)
{
	compaction_ends();
	return 0;
}

/* --- what came of it --------------------------------------------------------- */

SEC("raw_tracepoint/sched_process_exit")
int exit_raw(u64 *ctx)
{
	on_exit();
	return 0;
}

SEC("tracepoint/sched/sched_process_exit")
int exit_tp(void *ctx)
{
	on_exit();
	return 0;
}

/* finish_task_reaping(int pid) */
SEC("raw_tracepoint/finish_task_reaping")
int reaped_raw(u64 *ctx)
{
	on_reaped(ctx[0]);
	return 0;
}

SEC("tracepoint/oom/finish_task_reaping")
int reaped_tp(struct trace_event_raw_finish_task_reaping *ctx)
{
	on_reaped(ctx->pid);
	return 0;
}

/* exit_mmap(struct mm_struct *mm): near the end of the function, where it exists. */
SEC("raw_tracepoint/exit_mmap")
int freed_raw(u64 *ctx)
{
	on_freed(ctx[0]);
	return 0;
}

SEC("tracepoint/mmap/exit_mmap")
int freed_tp(struct trace_event_raw_exit_mmap *ctx)
{
	on_freed((u64)ctx->mm);
	return 0;
}

SEC("fexit/exit_mmap")
int BPF_PROG(freed_fexit, struct mm_struct *mm)
{
	on_freed(plain(mm));
	return 0;
}

SEC("kprobe/exit_mmap")
int freed_kprobe(struct pt_regs *ctx)
{
	enter_exit_mmap(PT_REGS_PARM1(ctx));
	return 0;
}

SEC("kretprobe/exit_mmap")
int freed_kretprobe(struct pt_regs *ctx)
{
	leave_exit_mmap();
	return 0;
}

/* --- the clock ------------------------------------------------------------- */

SEC("fentry/do_adjtimex")
int BPF_PROG(adjtimex_fentry, void *tx)
{
	enter_adjtimex(WIRE_CLOCK_DO_ADJTIMEX, tx, true);
	return 0;
}

SEC("fexit/do_adjtimex")
int BPF_PROG(adjtimex_fexit, void *tx, int ret)
{
	struct clock_call seen = unseen(WIRE_CLOCK_DO_ADJTIMEX, tx);

	finish_call(WIRE_CLOCK_DO_ADJTIMEX, ret, &seen);
	return 0;
}

SEC("kprobe/do_adjtimex")
int adjtimex_kprobe(struct pt_regs *ctx)
{
	enter_adjtimex(WIRE_CLOCK_DO_ADJTIMEX, (void *)PT_REGS_PARM1(ctx), false);
	return 0;
}

SEC("kretprobe/do_adjtimex")
int adjtimex_kretprobe(struct pt_regs *ctx)
{
	finish_call(WIRE_CLOCK_DO_ADJTIMEX, PT_REGS_RC(ctx), NULL);
	return 0;
}

SEC("fentry/do_settimeofday64")
int BPF_PROG(settime_fentry, const struct timespec64 *ts)
{
	enter_do_settimeofday64(ts, true);
	return 0;
}

SEC("fexit/do_settimeofday64")
int BPF_PROG(settime_fexit, const struct timespec64 *ts, int ret)
{
	struct clock_call seen = unseen(WIRE_CLOCK_DO_SETTIMEOFDAY64, NULL);

	read_time(&seen, ts);
	finish_call(WIRE_CLOCK_DO_SETTIMEOFDAY64, ret, &seen);
	return 0;
}

SEC("kprobe/do_settimeofday64")
int settime_kprobe(struct pt_regs *ctx)
{
	enter_do_settimeofday64((void *)PT_REGS_PARM1(ctx), false);
	return 0;
}

SEC("kretprobe/do_settimeofday64")
int settime_kretprobe(struct pt_regs *ctx)
{
	finish_call(WIRE_CLOCK_DO_SETTIMEOFDAY64, PT_REGS_RC(ctx), NULL);
	return 0;
}

/* timekeeping_warp_clock(void): settimeofday's first time zone after the boot. */
static __always_inline void enter_warp(bool made_up)
{
	struct clock_call call = {.func = WIRE_CLOCK_WARP};

	enter_call(&call, made_up);
}

SEC("fentry/timekeeping_warp_clock")
int BPF_PROG(warp_fentry)
{
	enter_warp(true);
	return 0;
}

SEC("fexit/timekeeping_warp_clock")
int BPF_PROG(warp_fexit)
{
	struct clock_call seen = unseen(WIRE_CLOCK_WARP, NULL);

	finish_call(WIRE_CLOCK_WARP, 0, &seen);
	return 0;
}

SEC("kprobe/timekeeping_warp_clock")
int warp_kprobe(struct pt_regs *ctx)
{
	enter_warp(false);
	return 0;
}

SEC("kretprobe/timekeeping_warp_clock")
int warp_kretprobe(struct pt_regs *ctx)
{
	finish_call(WIRE_CLOCK_WARP, 0, NULL);
	return 0;
}

/* The syscalls' own tracepoints: they see refused calls too, but not the 32-bit
 * calls of a 64-bit kernel, and slow down every syscall a little. */

SEC("tracepoint/syscalls/sys_enter_adjtimex")
int sys_adjtimex(struct trace_event_raw_sys_enter *ctx)
{
	enter_adjtimex(WIRE_CLOCK_SYS_ADJTIMEX, (void *)ctx->args[0], false);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_clock_adjtime")
int sys_clock_adjtime(struct trace_event_raw_sys_enter *ctx)
{
	if ((s32)ctx->args[0] == 0) /* CLOCK_REALTIME; others are not our clock */
		enter_adjtimex(WIRE_CLOCK_SYS_CLOCK_ADJTIME, (void *)ctx->args[1], false);
	else
		forget_call();
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_settimeofday")
int sys_settimeofday(struct trace_event_raw_sys_enter *ctx)
{
	if (ctx->args[0]) /* without a time it sets the zone only */
		enter_sys_set(WIRE_CLOCK_SYS_SETTIMEOFDAY, (void *)ctx->args[0], 1000);
	else
		forget_call();
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_clock_settime")
int sys_clock_settime(struct trace_event_raw_sys_enter *ctx)
{
	if ((s32)ctx->args[0] == 0)
		enter_sys_set(WIRE_CLOCK_SYS_CLOCK_SETTIME, (void *)ctx->args[1], 1);
	else
		forget_call();
	return 0;
}

#if defined(__TARGET_ARCH_x86) /* arch/x86/entry/syscalls/syscall_64.tbl */
#define NR_ADJTIMEX 159
#define NR_CLOCK_ADJTIME 305
#define NR_SETTIMEOFDAY 164
#define NR_CLOCK_SETTIME 227
#else /* include/uapi/asm-generic/unistd.h */
#define NR_ADJTIMEX 171
#define NR_CLOCK_ADJTIME 266
#define NR_SETTIMEOFDAY 170
#define NR_CLOCK_SETTIME 112
#endif

/* Attached to the four sys_exit_* tracepoints. */
SEC("tracepoint/syscalls/sys_exit_adjtimex")
int sys_exit_clock(struct trace_event_raw_sys_exit *ctx)
{
	u32 func = 0;

	switch ((s32)ctx->id) { /* an int, whatever BTF says: kernel/trace/trace_syscalls.c */
	case NR_ADJTIMEX:
		func = WIRE_CLOCK_SYS_ADJTIMEX;
		break;
	case NR_CLOCK_ADJTIME:
		func = WIRE_CLOCK_SYS_CLOCK_ADJTIME;
		break;
	case NR_SETTIMEOFDAY:
		func = WIRE_CLOCK_SYS_SETTIMEOFDAY;
		break;
	case NR_CLOCK_SETTIME:
		func = WIRE_CLOCK_SYS_CLOCK_SETTIME;
		break;
	}
	finish_call(func, ctx->ret, NULL);
	return 0;
}

/* --- who processes are ------------------------------------------------------ */

/* sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm) */
SEC("raw_tracepoint/sched_process_exec")
int exec_raw(u64 *ctx)
{
	return on_exec((void *)ctx[2]);
}

SEC("raw_tracepoint/sched_process_exit")
int forget_raw(void *ctx)
{
	return end_exec();
}

/* Its record does not tell a script from a program: no executable. */
SEC("tracepoint/sched/sched_process_exec")
int exec_tp(void *ctx)
{
	return keep_exec(NULL);
}

SEC("tracepoint/sched/sched_process_exit")
int forget_tp(void *ctx)
{
	return end_exec();
}

/* --- who else kills --------------------------------------------------------- */

static __always_inline int sigkill_args(u64 *args)
{
	if ((u32)args[0] == SIGKILL && (u32)args[4] == TRACE_SIGNAL_DELIVERED)
		on_sigkill(args, (void *)args[2], args[1], (u32)args[3]);
	return 0;
}

SEC("tp_btf/signal_generate")
int sigkill_btf(u64 *ctx)
{
	return sigkill_args(ctx);
}

SEC("raw_tracepoint/signal_generate")
int sigkill_raw(u64 *ctx)
{
	return sigkill_args(ctx);
}

SEC("tracepoint/signal/signal_generate")
int sigkill_tp(struct trace_event_raw_signal_generate *ctx)
{
	if (ctx->sig == SIGKILL && ctx->result == TRACE_SIGNAL_DELIVERED)
		on_sigkill_record(ctx, ctx);
	return 0;
}
