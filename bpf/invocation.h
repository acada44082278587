/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who is inside the OOM killer, and what it has done so far. */
#ifndef OOMTRACE_INVOCATION_H
#define OOMTRACE_INVOCATION_H

/* What a task inside the OOM killer has done so far. */
struct killer {
	u64 signalled; /* task_struct * that got the last SIGKILL */
	u64 mm;	       /* of the last victim */
	u64 group;     /* its memory.oom.group cgroup */
	u64 marked_ns; /* when it was marked; 0: nobody was */
	u64 episode_ns;
	u64 signal_ns; /* when the last SIGKILL was sent */
	u32 signalled_pid;
	u32 signalled_tgid;
	u32 victim_tgid;
	u32 undelivered; /* the signal: its receiver was dying already */
};

/* By thread id. LRU: a killer that never comes back costs nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct killer);
} killers SEC(".maps");

/*
 * The invocation: oom_lock serialises them, so one record serves the machine.
 * owner is the task inside; its oom_control stays on its stack until it returns.
 */
struct invocation {
	u64 owner;
	u64 entry_ns;
	struct oom_control *oc;
	const char *message;
	u64 judged;	 /* task that oom_badness() looks at: between a kprobe and its return */
	u32 chosen_tgid; /* of oc->chosen, once something was chosen */
	u32 ends;	 /* the end is hooked: owner is a task inside, never one that was */
	u32 told;	 /* what came of it was */
	u32 pad;
};

struct invocation inv = {};

/* What led to the choice; filled while the tasks are judged. */
struct wire_choice choice_scratch = {};

static __always_inline void reset_choice(void)
{
	choice_scratch.h.valid = 0;
	choice_scratch.seen = 0;
	choice_scratch.len = 0;
	choice_scratch.min = 0;
}

/* Whether what inv says is of current's. */
static __always_inline bool is_owner(void)
{
	return inv.owner == bpf_get_current_task();
}

/* Whether current is surely inside the OOM killer. */
static __always_inline bool is_inside(void)
{
	return inv.ends && is_owner();
}

static __always_inline void enter_invocation(struct oom_control *oc)
{
	u32 tid = bpf_get_current_pid_tgid();

	COUNT(invocations);
	bpf_map_delete_elem(&killers, &tid);
	inv.entry_ns = bpf_ktime_get_boot_ns();
	inv.oc = oc;
	inv.message = NULL;
	inv.chosen_tgid = 0;
	inv.told = false;
	reset_choice();
	inv.owner = bpf_get_current_task();
}

static __always_inline void enter_oom_kill_process(struct oom_control *oc, const char *message)
{
	u32 tid = bpf_get_current_pid_tgid();

	if (!have_invocation || !is_owner()) {
		/* Nothing saw the entry: this is where the invocation begins for us. */
		bpf_map_delete_elem(&killers, &tid);
		inv.entry_ns = 0;
	}
	inv.oc = oc;
	inv.message = message;
	inv.chosen_tgid = BPF_CORE_READ(oc, chosen, tgid);
	inv.owner = bpf_get_current_task();
}

#endif
