/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Clock changes: what was asked at entry, what came of it at return. */
#ifndef OOMTRACE_CLOCK_H
#define OOMTRACE_CLOCK_H

/* include/uapi/linux/timex.h */
#define ADJ_SETOFFSET 0x0100
#define ADJ_OFFSET_SS_READ 0xa001

#define THREAD_SIZE 16384 /* arch/x86/include/asm/page_64_types.h */

/* A call under way, by pid_tgid. */
struct clock_call {
	u64 entry_ns;
	u64 arg; /* the caller's struct */
	s64 sec;
	s64 nsec;
	struct wire_timex in;
	u32 func;
	u32 valid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct clock_call);
} clock_calls SEC(".maps");

/* One for each function: fexit programs can be preempted by one another, though
 * not by themselves. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WIRE_CLOCK_SYS_CLOCK_SETTIME + 1);
	__type(key, u32);
	__type(value, struct wire_clock);
} clock_scratch SEC(".maps");

/* Reads the timex at src, in user memory or the kernel's. 0 or an error. */
static __always_inline long read_timex(struct wire_timex *t, const void *src, bool user)
{
	struct uapi_timex u;
	long err = user ? bpf_probe_read_user(&u, sizeof(u), src)
			: bpf_probe_read_kernel(&u, sizeof(u), src);

	if (err)
		return err;
	t->offset = u.offset;
	t->freq = u.freq;
	t->maxerror = u.maxerror;
	t->esterror = u.esterror;
	t->constant = u.constant;
	t->tick = u.tick;
	t->sec = u.sec;
	t->usec = u.usec;
	t->modes = u.modes;
	t->status = u.status;
	t->tai = u.tai;
	return 0;
}

/* The system call current is in, from the registers saved at its entry. */
static __always_inline void read_syscall(struct wire_clock *c, struct task_struct *task)
{
	void *regs;

	if (!arch_has_syscall_nr)
		return;
	if (HAVE_TASK_PT_REGS) {
		regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	} else {
		/* arch/x86/include/asm/processor.h, task_pt_regs(); before v5.15
		 * nothing lies between the registers and the stack's end. */
		char *stack = BPF_CORE_READ(task, stack);

		if (!stack)
			return;
		regs = stack + THREAD_SIZE - sizeof(struct pt_regs);
	}
#if defined(__TARGET_ARCH_x86)
	{
		struct pt_regs r;

		if (bpf_probe_read_kernel(&r, sizeof(r), regs)) {
			c->failed++;
			return;
		}
		if ((r.cs & 3) != 3) /* not entered from user space */
			return;
		c->syscall_nr = r.orig_ax;
		c->h.valid |= 1 << WIRE_CLOCK_NR;
		if ((r.cs & 0xffff) == 0x23) /* __USER32_CS */
			c->h.valid |= 1 << WIRE_CLOCK_COMPAT;
	}
#else
	{
		struct pt_regs___arm64_nr *r = regs;
		u64 pstate = 0;
		s32 nr = -1;

		if (bpf_core_read(&nr, sizeof(nr), &r->syscallno) ||
		    bpf_core_read(&pstate, sizeof(pstate), &r->pstate)) {
			c->failed++;
			return;
		}
		if (nr < 0 || (pstate & 0xf)) /* EL0 only */
			return;
		c->syscall_nr = nr;
		c->h.valid |= 1 << WIRE_CLOCK_NR;
		if (pstate & 0x10) /* PSR_MODE32_BIT */
			c->h.valid |= 1 << WIRE_CLOCK_COMPAT;
	}
#endif
}

/* A call that is none of ours begins: what an earlier one left behind is not its. */
static __always_inline void forget_call(void)
{
	u64 id = bpf_get_current_pid_tgid();

	if (bpf_map_lookup_elem(&clock_calls, &id)) /* takes no lock, unlike deleting */
		bpf_map_delete_elem(&clock_calls, &id);
}

/* made_up says that the call's end knows it all the same. */
static __always_inline void enter_call(struct clock_call *call, bool made_up)
{
	u64 id = bpf_get_current_pid_tgid();

	call->entry_ns = bpf_ktime_get_boot_ns();
	if (bpf_map_update_elem(&clock_calls, &id, call, BPF_ANY) && !made_up)
		COUNT(clock_reserve);
}

static __always_inline struct wire_clock *leave_call(struct clock_call *call, s32 ret)
{
	u32 func = call->func;
	struct wire_clock *c = bpf_map_lookup_elem(&clock_scratch, &func);

	if (!c)
		return NULL;
	__builtin_memset(c, 0, offsetof(struct wire_clock, tail));
	c->h.boottime_ns = call->entry_ns;
	c->exit_ns = bpf_ktime_get_boot_ns();
	c->h.version = WIRE_VERSION;
	c->h.kind = WIRE_KIND_CLOCK;
	c->h.valid = call->valid | 1 << WIRE_CLOCK_RET;
	c->sec = call->sec;
	c->nsec = call->nsec;
	c->in = call->in;
	c->func = call->func;
	c->ret = ret;
	return c;
}

static __always_inline void submit_clock(struct wire_clock *c)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 len;
	u32 tail;

	read_syscall(c, task);
	tail = read_task(&c->task, task, c->tail, 0, 0);
	if (tail > sizeof(c->tail))
		tail = sizeof(c->tail);
	len = offsetof(struct wire_clock, tail) + tail;
	c->h.len = len;
	if (c->failed | c->task.failed)
		COUNT_N(read, c->failed + c->task.failed);
	if (bpf_ringbuf_output(&clock_ring, c, len, 0))
		COUNT(clock_reserve);
}

/* kernel/time/ntp.c looks at no other bit beside these, but ADJ_SETOFFSET. */
static __always_inline bool is_read(u32 modes)
{
	return modes == 0 ||
	       ((modes & ADJ_OFFSET_SS_READ) == ADJ_OFFSET_SS_READ && !(modes & ADJ_SETOFFSET));
}

/* Whether a's argument is b's. A timex on the kernel's stack lies elsewhere with
 * each call (commit 39218ff4c625 ("stack: Optionally randomize kernel stack
 * offset each syscall")); where it does not, its modes tell. */
static __always_inline bool same_call(const struct clock_call *a, const struct clock_call *b)
{
	return a->func == b->func && a->arg == b->arg && a->sec == b->sec && a->nsec == b->nsec;
}

/*
 * The end of a call of func. seen is what its end alone knows of it (NULL: nothing),
 * for when its beginning was missed: fentry programs are skipped while the same one,
 * preempted, is under way on the CPU.
 */
static __always_inline void finish_call(u32 func, s32 ret, struct clock_call *seen)
{
	u64 id = bpf_get_current_pid_tgid();
	struct clock_call *begun = bpf_map_lookup_elem(&clock_calls, &id);
	struct clock_call *call = begun;
	struct wire_clock *c;

	/* The thread's call before this one may have left its own behind: its end
	 * was missed, and this one's beginning. */
	if (call && (call->func != func || (seen && !same_call(call, seen))))
		call = NULL;
	if (!call)
		call = seen;
	c = call ? leave_call(call, ret)
		 : NULL; /* else a read of the clock, or begun before we came */
	if (c) {
		bool read = false;

		if (call->arg) {
			bool kernels = func == WIRE_CLOCK_DO_ADJTIMEX;

			GOT(c->h.valid, c->failed, WIRE_CLOCK_OUT,
			    read_timex(&c->out, (void *)call->arg, !kernels));
			/* The kernel leaves the modes as they were asked for. */
			if (kernels && call == begun && c->in.modes != c->out.modes) {
				c->h.valid &= ~(1ULL << WIRE_CLOCK_IN);
				c->h.valid |= 1 << WIRE_CLOCK_NO_ENTRY;
				c->h.boottime_ns = c->exit_ns;
			}
			/* In its own memory the caller can change them meanwhile. */
			read = !(c->h.valid & (1 << WIRE_CLOCK_IN)) &&
			       (c->h.valid & (1 << WIRE_CLOCK_OUT)) && is_read(c->out.modes);
		}
		if (!read)
			submit_clock(c);
	}
	if (begun)
		bpf_map_delete_elem(&clock_calls, &id);
}

/* A call with a timex at tx, in user memory in the syscall's own rung. */
static __always_inline void enter_adjtimex(u32 func, const void *tx, bool made_up)
{
	struct clock_call call = {.func = func, .arg = (u64)tx};
	bool user = func != WIRE_CLOCK_DO_ADJTIMEX;

	if (read_timex(&call.in, tx, user)) {
		/* The page may not be in: the kernel's own copy comes later. */
		COUNT(clock_read_events);
	} else if (is_read(call.in.modes)) {
		COUNT(clock_reads);
		forget_call();
		return;
	} else {
		call.valid |= 1 << WIRE_CLOCK_IN;
	}
	enter_call(&call, made_up);
}

static __always_inline void read_time(struct clock_call *call, const struct timespec64 *ts)
{
	long nsec = 0;
	int err;

	err = BPF_CORE_READ_INTO(&call->sec, ts, tv_sec);
	err |= BPF_CORE_READ_INTO(&nsec, ts, tv_nsec);
	call->nsec = nsec;
	if (!err)
		call->valid |= 1 << WIRE_CLOCK_TIME;
	else
		COUNT(clock_read_events);
}

/* A call as its end alone knows it. */
static __always_inline struct clock_call unseen(u32 func, const void *arg)
{
	struct clock_call call = {
		.func = func,
		.arg = (u64)arg,
		.entry_ns = bpf_ktime_get_boot_ns(),
		.valid = 1 << WIRE_CLOCK_NO_ENTRY,
	};

	return call;
}

static __always_inline void enter_do_settimeofday64(const struct timespec64 *ts, bool made_up)
{
	struct clock_call call = {.func = WIRE_CLOCK_DO_SETTIMEOFDAY64};

	read_time(&call, ts);
	enter_call(&call, made_up);
}

/* struct __kernel_timespec and, with usec, struct __kernel_old_timeval */
static __always_inline void enter_sys_set(u32 func, const void *arg, u64 nsec_per_unit)
{
	struct clock_call call = {.func = func};
	s64 v[2] = {};

	if (!bpf_probe_read_user(&v, sizeof(v), arg)) {
		call.valid |= 1 << WIRE_CLOCK_TIME;
		call.sec = v[0];
		call.nsec = v[1] * nsec_per_unit;
	} else {
		COUNT(clock_read_events);
	}
	enter_call(&call, false);
}

#endif
