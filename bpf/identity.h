/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who a process is, kept when it begins a program: /proc has forgotten that by the
 * time that its death is looked at. Nothing here wakes user space.
 */
#ifndef OOMTRACE_IDENTITY_H
#define OOMTRACE_IDENTITY_H

/*
 * By process. Those that have ended are taken out (see end_exec), so that short-lived
 * ones do not push out a database; LRU, for what is left over all the same.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct wire_exec);
} execs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct wire_exec);
} exec_scratch SEC(".maps");

/* The last processes that ended on a CPU: user space may still want to know them. */
#define ENDED 64

struct ended {
	u64 start_boottime_ns;
	u32 tgid;
	u32 pad;
};

struct ended_ring {
	u64 next;
	struct ended last[ENDED];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct ended_ring);
} ended SEC(".maps");

/* A clock tick of /proc/PID/stat, to which the start of a seeded entry is cut. */
#define TICK_NS 10000000ULL

/* current has begun the program at path, a kernel string; NULL: which is not known. */
static __always_inline int keep_exec(const char *path)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u32 zero = 0, tgid = bpf_get_current_pid_tgid() >> 32;
	struct wire_exec *e = bpf_map_lookup_elem(&exec_scratch, &zero);
	u64 start, len, n;

	if (!e)
		return 0;
	__builtin_memset(e, 0, sizeof(*e)); /* else other processes' words lie behind */
	e->start_boottime_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	start = BPF_CORE_READ(task, mm, arg_start);
	len = BPF_CORE_READ(task, mm, arg_end) - start;
	n = len < sizeof(e->args) ? len : sizeof(e->args);
	barrier_var(n);
	if (n <= sizeof(e->args) && !bpf_probe_read_user(e->args, n, (void *)start))
		e->args_len = len < ~0U ? len : ~0U;
	if (path) {
		long got = bpf_probe_read_kernel_str(e->exe, sizeof(e->exe), path);

		if (got > 0 && got < sizeof(e->exe)) /* else it may have been cut */
			e->exe_len = got - 1;
	}
	bpf_map_update_elem(&execs, &tgid, e, BPF_ANY);
	return 0;
}

/*
 * fs/exec.c: interp is filename itself, unless a script's first line or binfmt_misc put
 * another program in its place (bprm_change_interp).
 */
static __always_inline int on_exec(struct linux_binprm *bprm)
{
	const char *filename = BPF_CORE_READ(bprm, filename);

	return keep_exec(BPF_CORE_READ(bprm, interp) == filename ? filename : NULL);
}

/*
 * The last thread of a process ends: forget the process after some more have. One that
 * was killed is kept for as long as there is room, for that is whom people ask about.
 * kernel/exit.c, do_exit() sets both before it comes to the tracepoint.
 */
static __always_inline int end_exec(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u32 zero = 0, tgid;
	struct ended_ring *r;
	struct wire_exec *e;
	struct ended *slot;

	if (BPF_CORE_READ(task, signal, live.counter) ||
	    (BPF_CORE_READ(task, exit_code) & 0x7f) == SIGKILL)
		return 0;
	r = bpf_map_lookup_elem(&ended, &zero);
	if (!r)
		return 0;
	slot = &r->last[r->next++ % ENDED];
	tgid = slot->tgid;
	e = tgid ? bpf_map_lookup_elem(&execs, &tgid) : NULL;
	/* Another process may have the pid by now. */
	if (e && slot->start_boottime_ns - e->start_boottime_ns < TICK_NS)
		bpf_map_delete_elem(&execs, &tgid);
	slot->tgid = bpf_get_current_pid_tgid() >> 32;
	slot->start_boottime_ns = BPF_CORE_READ(task, group_leader, start_boottime);
	return 0;
}

#endif
