/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every SIGKILL that takes effect, whoever sent it. Which of them are the OOM killer's
 * user space finds out, by the call trace and by the kills that kill.h tells.
 */
#ifndef OOMTRACE_SIGKILL_H
#define OOMTRACE_SIGKILL_H

#define SI_USER 0

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
	__type(value, struct wire_sigkill);
} sigkill_ring SEC(".maps");

/* signal_generate is called with interrupts off (siglock): one a CPU is enough. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct wire_sigkill);
} sigkill_scratch SEC(".maps");

static __always_inline struct wire_sigkill *new_sigkill(void)
{
	u32 zero = 0;
	struct wire_sigkill *s = bpf_map_lookup_elem(&sigkill_scratch, &zero);

	if (!s)
		return NULL;
	__builtin_memset(s, 0, offsetof(struct wire_sigkill, stack));
	s->h.boottime_ns = bpf_ktime_get_boot_ns();
	s->h.version = WIRE_VERSION;
	s->h.kind = WIRE_KIND_SIGKILL;
	return s;
}

/* By whom, and from where in the kernel: a signal of the kernel's own has no other cause. */
static __always_inline void submit_sigkill(void *ctx, struct wire_sigkill *s, u32 off, bool trace)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	u64 len;

	off = read_task(&s->sender, current, s->tail, off, s->victim.cgroup_id);
	if (trace) {
		long n = bpf_get_stack(ctx, s->stack, sizeof(s->stack), 0);

		if (n > 0) {
			s->stack_len = (u32)n / sizeof(u64);
			s->h.valid |= 1 << WIRE_SIGKILL_STACK;
		}
	}
	if (off > sizeof(s->tail))
		off = sizeof(s->tail);
	len = offsetof(struct wire_sigkill, tail) + off;
	s->h.len = len;
	if (s->victim.failed | s->sender.failed)
		COUNT_N(read, s->victim.failed + s->sender.failed);
	if (bpf_ringbuf_output(&sigkill_ring, s, len, 0))
		COUNT(sigkill_reserve);
}

/*
 * A delivered SIGKILL to task. Whose threads have all exited is not killed by it: before
 * v6.0 a zombie takes signals (commit d80f7d7b2c75 ("signal: Guarantee that
 * SIGNAL_GROUP_EXIT is set on process exit")).
 */
static __noinline int on_sigkill(void *ctx, struct task_struct *task, u64 info, u32 group)
{
	struct wire_sigkill *s;

	if (!BPF_CORE_READ(task, signal, live.counter) || BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return 0;
	s = new_sigkill();
	if (!s)
		return 0;
	s->group = group;
	s->info = info < WIRE_INFO_POINTER ? info : WIRE_INFO_POINTER;
	s->h.valid |= 1 << WIRE_SIGKILL_INFO;
	if (s->info == WIRE_INFO_POINTER) {
		struct kernel_siginfo *si = (void *)info;

		GOT(s->h.valid, s->victim.failed, WIRE_SIGKILL_CODE,
		    BPF_CORE_READ_INTO(&s->code, si, si_code));
	}
	submit_sigkill(ctx, s, read_task(&s->victim, task, s->tail, 0, 0),
		       s->info != WIRE_INFO_POINTER);
	return 0;
}

/* From the plain tracepoint's record: of the victim its thread's pid and comm. */
static __noinline int on_sigkill_record(void *ctx, struct trace_event_raw_signal_generate *rec)
{
	struct wire_sigkill *s = new_sigkill();

	if (!s)
		return 0;
	s->group = rec->group;
	s->code = rec->code;
	s->h.valid |= 1 << WIRE_SIGKILL_CODE;
	s->victim.pid = rec->pid;
	s->victim.tid = rec->pid;
	bpf_core_read(s->victim.comm, WIRE_COMM_LEN, &rec->comm);
	s->victim.valid = 1 << WIRE_TASK_PID | 1 << WIRE_TASK_COMM;
	submit_sigkill(ctx, s, 0, s->code == SI_USER || s->code == SI_KERNEL);
	return 0;
}

#endif
