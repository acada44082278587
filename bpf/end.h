/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What comes of a victim: its last thread exits, the OOM reaper unmaps its memory, its
 * address space is gone.
 */
#ifndef OOMTRACE_END_H
#define OOMTRACE_END_H

/* A process that got the OOM killer's signal. */
struct victim {
	u64 mm;	   /* 0: not known */
	u64 stack; /* where mm's began: another's mm at that address has another; 0: within exec */
	u64 limit_id; /* kernfs id of the memcg that was full; 0: not known, or none */
	u32 tgid;
	u32 seen; /* with mm 0: 1 << WIRE_MOMENT_EXITED, 1 << WIRE_MOMENT_FREED */
};

/* By thread-group id, and by address space. LRU: an end that is not seen costs nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, u32);
	__type(value, struct victim);
} victims SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, u64);
	__type(value, struct victim);
} victim_mms SEC(".maps");

/* Whether there ever was one: exits are many, victims few. */
u32 have_victims = 0;

static __always_inline u64 start_stack(u64 mm)
{
	return BPF_CORE_READ((struct mm_struct *)mm, start_stack);
}

/*
 * Remembers a victim. At the signal, while the victim cannot have seen it: later it may
 * have ended.
 */
static __always_inline void add_victim(u32 tgid, u64 mm)
{
	struct victim v = {.mm = mm, .tgid = tgid};
	struct oom_control *oc = inv.oc;

	if (mm)
		v.stack = start_stack(mm);
	if (HAVE_MEMCG && is_owner() && oc)
		v.limit_id = BPF_CORE_READ(oc, memcg, css.cgroup, kn, id);
	bpf_map_update_elem(&victims, &tgid, &v, BPF_ANY);
	if (mm && can_free)
		bpf_map_update_elem(&victim_mms, &mm, &v, BPF_ANY);
	have_victims = 1;
}

/* What the full memcg above current uses now; false if it is not above. */
static __always_inline bool limit_usage(u64 limit_id, u64 *pages)
{
	struct cgroup_subsys_state *css;

	if (!HAVE_MEMCG || !limit_id)
		return false;
	css = memory_css((void *)bpf_get_current_task());
	for (int i = 0; i < WIRE_MEMCG_DEPTH && css; i++) {
		if (BPF_CORE_READ(css, cgroup, kn, id) == limit_id) {
			*pages = BPF_CORE_READ((struct mem_cgroup *)css, memory.usage.counter);
			return true;
		}
		css = BPF_CORE_READ(css, parent);
	}
	return false;
}

static __always_inline void emit_moment(u32 what, u32 pid, u64 mm, u64 limit_id)
{
	struct wire_moment m = {
		.h = {.boottime_ns = bpf_ktime_get_boot_ns(),
		      .len = sizeof(m),
		      .version = WIRE_VERSION,
		      .kind = WIRE_KIND_MOMENT},
		.mm = mm,
		.pid = pid,
		.what = what,
	};
	u64 pages[4] = {};

	if (mm && !read_counters(pages, (void *)mm)) { /* all of it */
		m.anon_pages = pages[RSS_ANON];
		m.h.valid |= 1 << WIRE_MOMENT_ANON;
	}
	if (limit_usage(limit_id, &m.limit_pages))
		m.h.valid |= 1 << WIRE_MOMENT_LIMIT;
	if (bpf_ringbuf_output(&oom_ring, &m, sizeof(m), 0))
		COUNT(oom_reserve);
}

/*
 * Lets go of current, a victim, once there is nothing more to see of it by its tgid: its
 * memory goes before its last thread is counted out, or after.
 */
static __always_inline void seen(struct victim *v, u32 tgid, u32 what)
{
	v->seen |= 1 << what;
	if (v->mm || !can_free || v->seen == (1 << WIRE_MOMENT_EXITED | 1 << WIRE_MOMENT_FREED))
		bpf_map_delete_elem(&victims, &tgid);
}

/* sched_process_exit of current. */
static __always_inline void on_exit(void)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct victim *v;

	if (!have_victims)
		return;
	v = bpf_map_lookup_elem(&victims, &tgid);
	if (!v)
		return;
	if (!v->mm && !(v->seen & 1 << WIRE_MOMENT_FREED)) {
		/* Of a plain tracepoint's victim; of a sharer it is not known. */
		u64 mm = (u64)BPF_CORE_READ(current, signal, oom_mm);

		if (mm && can_free) {
			v->mm = mm;
			v->stack = start_stack(mm);
			bpf_map_update_elem(&victim_mms, &mm, v, BPF_NOEXIST);
		}
	}
	/* Threads may still run. */
	if (BPF_CORE_READ(current, signal, live.counter))
		return;
	emit_moment(WIRE_MOMENT_EXITED, tgid, 0, 0);
	seen(v, tgid, WIRE_MOMENT_EXITED);
}

/* The memory of mm is back. */
static __always_inline void on_freed(u64 mm)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct victim *v;

	if (!have_victims)
		return;
	v = bpf_map_lookup_elem(&victim_mms, &mm);
	if (!v) {
		/* Of a plain tracepoint's victim the mm is not known. */
		v = bpf_map_lookup_elem(&victims, &tgid);
		if (!v || v->mm)
			return;
	} else if (v->stack && v->stack != start_stack(mm)) {
		bpf_map_delete_elem(&victim_mms, &mm); /* the victim's end was not seen */
		return;
	}
	emit_moment(WIRE_MOMENT_FREED, v->tgid, mm, v->limit_id);
	if (v->mm)
		bpf_map_delete_elem(&victim_mms, &mm);
	else
		seen(v, tgid, WIRE_MOMENT_FREED);
}

/* finish_task_reaping of a marked thread. */
static __always_inline void on_reaped(u32 pid)
{
	struct victim *v = bpf_map_lookup_elem(&victims, &pid);

	/* The reaper holds the mm until later (oom_reap_task, mm/oom_kill.c). */
	emit_moment(WIRE_MOMENT_REAPED, pid, v ? v->mm : 0, 0);
}

/* Which exit_mmap() a thread is in, between a kprobe and its return. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, u64);
} freeing SEC(".maps");

static __always_inline void enter_exit_mmap(u64 mm)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id, tgid = id >> 32;

	if (have_victims &&
	    (bpf_map_lookup_elem(&victim_mms, &mm) || bpf_map_lookup_elem(&victims, &tgid)))
		bpf_map_update_elem(&freeing, &tid, &mm, BPF_ANY);
}

static __always_inline void leave_exit_mmap(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	u64 *mm;

	if (!have_victims)
		return;
	mm = bpf_map_lookup_elem(&freeing, &tid);
	if (!mm)
		return;
	on_freed(*mm);
	bpf_map_delete_elem(&freeing, &tid);
}

#endif
