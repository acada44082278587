/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What led to a choice: the tasks that could have been killed, by the points that the
 * kernel gave them, and what the trigger did for memory before.
 */
#ifndef OOMTRACE_CHOICE_H
#define OOMTRACE_CHOICE_H

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */
#define OOM_SCORE_ADJ_MIN -1000
#define NOT_ELIGIBLE ((s64)(1ULL << 63)) /* LONG_MIN, oom_badness() */

/* Threads of a process whose leader has exited that are asked for its mm. */
#define WALK_THREADS 32
/* Cgroups between a task and the one that was full. */
#define WALK_DEPTH 24
/* Tasks that are looked at. Older verifiers follow each turn of a loop, and compare it with
 * all before: hence one in another. */
#define WALK_STRIDE 64
#define WALK_STRIDES 64
#define WALK_TASKS 65536
/* How far below its maximum a counter may be when a charge failed on it: other CPUs drain
 * stocks of MEMCG_CHARGE_BATCH pages meanwhile (mm/memcontrol.c). */
#define CHARGE_SLACK 64
#define UNLIMITED_PAGES (1ULL << 46)

/* Which tasks a walk wants. */
struct walk {
	u64 first;	/* where it began, and ends */
	u64 memcg;	/* css that the task is to be below; 0: any */
	u64 totalpages; /* for the share of oom_score_adj */
	u32 victim;	/* its tgid; other victims are not to be chosen any more */
	u32 pad;
};

struct walk walk = {};

/* Not all that should have been looked at was. */
static __always_inline void cut_choice(void)
{
	choice_scratch.h.valid |= 1 << WIRE_CHOICE_CUT;
}

/*
 * The functions below that are not inlined, but global, are looked at once by the
 * verifier, each by itself: in line they took it 0.1 s.
 */

/* A task's mm, or that of a thread of its: find_lock_task_mm(). */
__noinline u64 process_mm(u64 process)
{
	struct task_struct *task = (void *)process;
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct signal_struct *signal;
	u64 head, node;

	if (mm)
		return (u64)mm;
	signal = BPF_CORE_READ(task, signal);
	head = (u64)__builtin_preserve_access_index(&signal->thread_head);
	node = (u64)BPF_CORE_READ(signal, thread_head.next);
	for (int i = 0; i < WALK_THREADS && !mm && node && node != head; i++) {
		task = (void *)(node - bpf_core_field_offset(struct task_struct, thread_node));
		mm = BPF_CORE_READ(task, mm);
		node = (u64)BPF_CORE_READ(task, thread_node.next);
	}
	if (!mm && node && node != head)
		cut_choice();
	return (u64)mm;
}

/* Writes what a candidate is, but for its points. */
static __always_inline void read_candidate(struct wire_candidate *c, struct task_struct *task,
					   struct mm_struct *mm)
{
	struct kernfs_node *kn;
	u32 valid = 0, failed = 0;
	s16 adj = 0;
	bool v1;

	GOT(valid, failed, WIRE_CANDIDATE_PID, BPF_CORE_READ_INTO(&c->pid, task, tgid));
	GOT(valid, failed, WIRE_CANDIDATE_COMM, BPF_CORE_READ_INTO(&c->comm, task, comm));
	GOT(valid, failed, WIRE_CANDIDATE_UID,
	    BPF_CORE_READ_INTO(&c->uid, task, real_cred, uid.val));
	GOT(valid, failed, WIRE_CANDIDATE_START,
	    BPF_CORE_READ_INTO(&c->start_boottime_ns, task, start_boottime));
	GOT(valid, failed, WIRE_CANDIDATE_ADJ,
	    BPF_CORE_READ_INTO(&adj, task, signal, oom_score_adj));
	c->oom_score_adj = adj;
	kn = task_kn(task, &v1);
	if (kn)
		GOT(valid, failed, WIRE_CANDIDATE_CGROUP,
		    BPF_CORE_READ_INTO(&c->cgroup_id, kn, id));
	if (mm) {
		quick_counters(&c->file_pages, mm);
		valid |= 1 << WIRE_CANDIDATE_RSS | 1 << WIRE_CANDIDATE_RSS_QUICK;
		GOT(valid, failed, WIRE_CANDIDATE_PGTABLES,
		    BPF_CORE_READ_INTO(&c->pgtables_bytes, mm, pgtables_bytes.counter));
	}
	c->valid = valid;
	if (failed)
		COUNT_N(read, failed);
}

/* Where the candidates were found. */
struct found {
	u64 task;
	u64 mm;
};

struct found found[WIRE_CANDIDATES] = {};

/* Sums up a candidate's counters, of all CPUs. One that has ended keeps the quick ones. */
__noinline int sum_candidate(u32 i)
{
	struct wire_candidate *c;
	struct task_struct *task;
	u64 mm;

	if (i >= WIRE_CANDIDATES)
		return 0;
	c = &choice_scratch.cands[i];
	task = (void *)found[i].task;
	mm = found[i].mm;
	if (!mm || BPF_CORE_READ(task, tgid) != c->pid || process_mm((u64)task) != mm)
		return 0;
	if (!read_counters(&c->file_pages, (void *)mm))
		c->valid &= ~(1 << WIRE_CANDIDATE_RSS_QUICK);
	return 0;
}

/* Of the ten, not of each that was among the best for a while. */
static __always_inline void sum_candidates(void)
{
	for (u32 i = 0; i < WIRE_CANDIDATES && i < choice_scratch.len; i++)
		sum_candidate(i);
}

/* Keeps task if it is among the best. */
__noinline int consider(u64 task, s64 points)
{
	struct wire_choice *c = &choice_scratch;
	u32 slot = c->len, min = 0;
	s64 least;

	c->seen++;
	if (slot >= WIRE_CANDIDATES) {
		slot = c->min;
		if (slot >= WIRE_CANDIDATES || points <= c->cands[slot].points)
			return 0;
	} else {
		c->len = slot + 1;
	}
	found[slot].task = task;
	found[slot].mm = process_mm(task);
	read_candidate(&c->cands[slot], (void *)task, (void *)found[slot].mm);
	c->cands[slot].points = points;
	least = c->cands[0].points;
	for (u32 i = 1; i < WIRE_CANDIDATES; i++) {
		if (c->cands[i].points < least) {
			least = c->cands[i].points;
			min = i;
		}
	}
	c->min = min;
	return 0;
}

/* oom_badness() looks at task. It does so for readers of /proc/PID/oom_score, too. */
static __always_inline void enter_badness(struct task_struct *task)
{
	if (is_owner())
		inv.judged = plain(task);
}

/* It has given the task its points. */
static __always_inline void leave_badness(s64 points)
{
	u64 task = inv.judged;

	inv.judged = 0; /* a kprobe's entry can be missed */
	if (is_owner() && task && points != NOT_ELIGIBLE)
		consider(task, points);
}

/* --- where oom_badness() is not to be seen: its formula ---------------------- */

__noinline int below_memcg(u64 task, u64 memcg)
{
	struct cgroup_subsys_state *css = memory_css((void *)task);

	for (int i = 0; i < WALK_DEPTH && css && (u64)css != memcg; i++)
		css = BPF_CORE_READ(css, parent);
	if (css && (u64)css != memcg)
		cut_choice();
	return (u64)css == memcg;
}

/* Whether task has its parent's mm until it executes: in_vfork(). */
static __always_inline bool in_vfork(struct task_struct *task)
{
	return BPF_CORE_READ(task, vfork_done) &&
	       BPF_CORE_READ(task, real_parent, mm) == BPF_CORE_READ(task, mm);
}

/*
 * Gives the process task the points of oom_badness(), if it can be chosen: neither
 * oom_unkillable_task() nor immune, nor a victim already.
 */
static __always_inline void walk_task(struct task_struct *task)
{
	s64 adj = (s16)BPF_CORE_READ(task, signal, oom_score_adj);
	u64 total = walk.totalpages;
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct mm_struct *mm;
	u64 pages[4];
	s64 points;

	if ((BPF_CORE_READ(task, flags) & PF_KTHREAD) || tgid == 1 || adj == OOM_SCORE_ADJ_MIN)
		return;
	if (tgid != walk.victim && BPF_CORE_READ(task, signal, oom_mm))
		return;
	if (in_vfork(task))
		return;
	if (walk.memcg && !below_memcg((u64)task, walk.memcg))
		return;
	mm = (void *)process_mm((u64)task);
	if (!mm)
		return;
	quick_counters(pages, mm);
	points = pages[0] + pages[1] + pages[2] + pages[3] +
		 (u64)BPF_CORE_READ(mm, pgtables_bytes.counter) / page_size;
	points += adj * (s64)(total / 1000);
	consider((u64)task, points);
}

/* Looks at task and returns the next process, 0 behind the last. */
__noinline u64 walk_step(u64 task)
{
	u64 next;

	walk_task((void *)task);
	next = (u64)BPF_CORE_READ((struct task_struct *)task, tasks.next);
	if (!next)
		return 0;
	next -= bpf_core_field_offset(struct task_struct, tasks);
	return next == walk.first ? 0 : next;
}

/* As so many walk_step(). */
__noinline u64 walk_stride(u64 task)
{
	for (int i = 0; i < WALK_STRIDE && task; i++)
		task = walk_step(task);
	return task;
}

/* for_each_process() from current on. */
static __always_inline void walk_tasks(void)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	u64 task = (u64)BPF_CORE_READ(current, group_leader);

	walk.first = task;
	if (HAVE_ITER_NUM) {
		struct bpf_iter_num it;

		bpf_iter_num_new(&it, 0, WALK_TASKS);
		while (task && bpf_iter_num_next(&it))
			task = walk_step(task);
		bpf_iter_num_destroy(&it);
	} else {
		for (int i = 0; i < WALK_STRIDES && task; i++)
			task = walk_stride(task);
	}
	if (task)
		cut_choice();
}

/* The pages that cg may use, for a ranking: as mem_cgroup_get_max() on v2, near it on v1.
 * User space computes the points of those kept. */
static __always_inline u64 memcg_pages(struct mem_cgroup *cg)
{
	struct mem_cgroup___swap *sw = (void *)cg;
	u64 swap = BPF_CORE_READ(sw, swap.max);

	return BPF_CORE_READ(cg, memory.max) + (swap < swap_pages ? swap : swap_pages);
}

/* Whether the usage of the memcg css stands at its limit, but for the stocks of other CPUs. */
__noinline int is_full(u64 css, u32 v1)
{
	struct mem_cgroup *cg = (void *)css; /* the first member */
	struct mem_cgroup___swap *sw = (void *)cg;

	return BPF_CORE_READ(cg, memory.usage.counter) + CHARGE_SLACK >=
		       BPF_CORE_READ(cg, memory.max) ||
	       /* memory + swap; v2's swap.max is no limit that kills */
	       (v1 && BPF_CORE_READ(sw, swap.max) < UNLIMITED_PAGES &&
		BPF_CORE_READ(sw, swap.usage.counter) + CHARGE_SLACK >=
			BPF_CORE_READ(sw, swap.max));
}

/* The one memcg from task's up that is full; 0 for none, or more than one. */
__noinline u64 full_memcg(u64 process)
{
	struct task_struct *task = (void *)process;
	struct cgroup_subsys_state *css = memory_css(task);
	u64 full = 0;
	bool v1;

	task_kn(task, &v1);
	for (int i = 0; i < WIRE_MEMCG_DEPTH && css; i++) {
		if (is_full((u64)css, v1)) {
			if (full)
				return 0;
			full = (u64)css;
		}
		css = BPF_CORE_READ(css, parent);
	}
	return full;
}

/*
 * Ranks by the formula what oom_badness() was not seen to rank: the machine's tasks, or
 * those of the memcg that was short. Which that was is a guess where no hook told: then
 * user space compares.
 */
static __always_inline void compute_choice(u32 victim)
{
	struct wire_choice *c = &choice_scratch;
	struct task_struct *current = (void *)bpf_get_current_task();
	struct cgroup_subsys_state *css = NULL;
	struct oom_control *oc = is_owner() ? inv.oc : NULL;

	walk.totalpages = ram_pages + swap_pages;
	if (oc) {
		u32 constraint = BPF_CORE_READ(oc, constraint);

		/* Which tasks may use the nodes is not known here. */
		if (constraint == CONSTRAINT_CPUSET || constraint == CONSTRAINT_MEMORY_POLICY)
			return;
		css = HAVE_MEMCG ? (void *)BPF_CORE_READ(oc, memcg) : NULL;
		walk.totalpages = BPF_CORE_READ(oc, totalpages);
	} else if (HAVE_MEMCG) {
		css = (void *)full_memcg((u64)current);
		if (css)
			walk.totalpages = memcg_pages((void *)css);
	}
	if (css) {
		c->memcg_id = BPF_CORE_READ(css, cgroup, kn, id);
		c->h.valid |= 1 << WIRE_CHOICE_MEMCG;
	}
	walk.memcg = (u64)css;
	walk.victim = victim;
	walk_tasks();
	c->h.valid |= 1 << WIRE_CHOICE_SEEN | 1 << WIRE_CHOICE_COMPUTED;
}

/* --- the effort before ------------------------------------------------------- */

/* Longer ago was another shortage. */
#define EFFORT_GAP_NS 1000000000ULL

struct effort {
	struct wire_effort sum;
	u64 reclaim_start;
	u64 compact_start;
};

/* By thread id. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2048);
	__type(key, u32);
	__type(value, struct effort);
} efforts SEC(".maps");

static __always_inline struct effort *get_effort(u64 now)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct effort *e = bpf_map_lookup_elem(&efforts, &tid);
	struct effort fresh = {.sum = {.first_ns = now, .last_ns = now}};

	if (e && now - e->sum.last_ns < EFFORT_GAP_NS)
		return e;
	bpf_map_update_elem(&efforts, &tid, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&efforts, &tid);
}

static __always_inline void reclaim_begins(void)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct effort *e = get_effort(now);

	if (e)
		e->reclaim_start = e->sum.last_ns = now;
}

static __always_inline void reclaim_ends(u64 reclaimed)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct effort *e = bpf_map_lookup_elem(&efforts, &tid);
	u64 now = bpf_ktime_get_boot_ns();

	if (!e || !e->reclaim_start)
		return;
	e->sum.reclaim_ns += now - e->reclaim_start;
	e->sum.reclaimed_pages += reclaimed;
	e->sum.reclaims++;
	e->sum.last_ns = now;
	e->reclaim_start = 0;
}

static __always_inline void compaction_begins(void)
{
	u64 now = bpf_ktime_get_boot_ns();
	struct effort *e = get_effort(now);

	if (e)
		e->compact_start = e->sum.last_ns = now;
}

static __always_inline void compaction_ends(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct effort *e = bpf_map_lookup_elem(&efforts, &tid);
	u64 now = bpf_ktime_get_boot_ns();

	if (!e || !e->compact_start)
		return;
	e->sum.compact_ns += now - e->compact_start;
	e->sum.compactions++;
	e->sum.last_ns = now;
	e->compact_start = 0;
}

/* --- the record -------------------------------------------------------------- */

/* Tells what led to the kill of victim, which follows. */
static __noinline int emit_choice(u32 victim, struct killer *by)
{
	struct wire_choice *c = &choice_scratch;
	u32 tid = bpf_get_current_pid_tgid();
	struct effort *e;
	u64 len;

	if (!by)
		return 0;
	c->h.boottime_ns = bpf_ktime_get_boot_ns();
	c->h.version = WIRE_VERSION;
	c->h.kind = WIRE_KIND_CHOICE;
	c->episode_ns = is_owner() && inv.entry_ns ? inv.entry_ns : by->episode_ns;
	c->trigger_tid = tid;
	if (is_owner() && c->seen) {
		c->h.valid = 1 << WIRE_CHOICE_SEEN;
	} else {
		reset_choice();
		compute_choice(victim);
	}
	sum_candidates();
	e = bpf_map_lookup_elem(&efforts, &tid);
	if (e && e->sum.reclaims + e->sum.compactions &&
	    c->h.boottime_ns - e->sum.last_ns < EFFORT_GAP_NS) {
		c->effort = e->sum;
		c->h.valid |= 1 << WIRE_CHOICE_EFFORT;
	}
	len = c->len;
	if (len > WIRE_CANDIDATES)
		len = WIRE_CANDIDATES;
	len = offsetof(struct wire_choice, cands) + len * sizeof(struct wire_candidate);
	c->h.len = len;
	if (bpf_ringbuf_output(&oom_ring, c, len, 0))
		COUNT(oom_reserve);
	reset_choice();
	return 0;
}

#endif
