/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Kills. A kill is a SIGKILL with info SEND_SIG_PRIV to a whole group, result 0,
 * followed by mark_victim of the same task, both from the task inside the OOM
 * killer (mm/oom_kill.c, __oom_kill_process). A further such signal to a task
 * with the same mm kills a sharer of the mm, which nothing marks or logs.
 * mark_victim alone is a task that was dying anyway.
 */
#ifndef OOMTRACE_KILL_H
#define OOMTRACE_KILL_H

#define SIGKILL 9
#define SEND_SIG_PRIV 1
#define SI_KERNEL 0x80
#define TRACE_SIGNAL_DELIVERED 0
#define PF_EXITING 0x4 /* include/linux/sched.h */
/* Where the end of an invocation is not hooked: what is longer ago was another. Kills of
 * one can be seconds apart: each prints to the console. */
#define STALE_NS 10000000000ULL
/* Cgroups above a task that are looked at for memory.oom.group. */
#define OOM_GROUP_DEPTH 32

/* Filled first, then copied into the ring: a reservation that is preempted
 * would stall every record behind it. oom_lock makes one record enough. */
struct wire_kill kill_scratch = {};

static __always_inline void read_rss(struct wire_kill *k, struct mm_struct *mm)
{
	int cut = read_counters(&k->file_pages, mm);

	GOT(k->h.valid, k->failed, WIRE_KILL_RSS, cut);
	if (cut == 1) {
		/* percpu_counter_batch: max(32, 2 * nr_cpus) on each CPU */
		u32 batch = 2 * nr_cpus > 32 ? 2 * nr_cpus : 32;

		k->rss_error_pages = (u64)batch * nr_cpus;
		k->h.valid |= 1 << WIRE_KILL_RSS_ERROR;
	}
}

static __always_inline int read_memcg(struct wire_memcg *m, struct mem_cgroup *cg)
{
	struct mem_cgroup___swap *sw = (void *)cg;
	bool group = false;
	int err = 0;

	err |= BPF_CORE_READ_INTO(&m->id, cg, css.cgroup, kn, id);
	err |= BPF_CORE_READ_INTO(&m->level, cg, css.cgroup, level);
	err |= BPF_CORE_READ_INTO(&m->usage, cg, memory.usage.counter);
	err |= BPF_CORE_READ_INTO(&m->max, cg, memory.max);
	err |= BPF_CORE_READ_INTO(&m->swap_usage, sw, swap.usage.counter);
	err |= BPF_CORE_READ_INTO(&m->swap_max, sw, swap.max);
	err |= BPF_CORE_READ_INTO(&group, cg, oom_group);
	m->oom_group = group;
	return err;
}

/* A memory cgroup and its ancestors, leaf first. As the other global functions that write
 * the kill, looked at once by the verifier, which saves it half of its work. */
__noinline int read_memcgs(u64 leaf)
{
	struct cgroup_subsys_state *css = (void *)leaf;
	struct wire_kill *k = &kill_scratch;
	u32 n = 0;

	if (!HAVE_MEMCG)
		return 0;
	for (int i = 0; i < WIRE_MEMCG_DEPTH && css; i++) {
		if (read_memcg(&k->memcgs[i], (void *)css)) { /* css is the first member */
			k->failed++;
			break;
		}
		n = i + 1;
		css = BPF_CORE_READ(css, parent);
	}
	k->memcgs_len = n;
	if (n)
		k->h.valid |= 1 << WIRE_KILL_MEMCGS;
	if (css)
		k->h.valid |= 1 << WIRE_KILL_MEMCGS_CUT;
	return 0;
}

/* As read_task(): the kill's victim or trigger. */
__noinline u64 read_party(u64 task, u32 is_victim, u64 off)
{
	struct wire_kill *k = &kill_scratch;

	if (off > 2 * (WIRE_PATH_LEN + WIRE_NAME_LEN))
		return off;
	return read_task(is_victim ? &k->victim : &k->trigger, (void *)task, k->tail, off,
			 is_victim ? 0 : k->victim.cgroup_id);
}

static __always_inline void read_oc(struct wire_kill *k)
{
	struct oom_control *oc = inv.oc;
	struct mem_cgroup *cg;
	u32 constraint = 0;
	u64 totalpages = 0;
	int err = 0;

	if (!oc)
		return;
	err |= BPF_CORE_READ_INTO(&k->gfp_mask, oc, gfp_mask);
	err |= BPF_CORE_READ_INTO(&k->order, oc, order);
	err |= BPF_CORE_READ_INTO(&constraint, oc, constraint);
	err |= BPF_CORE_READ_INTO(&totalpages, oc, totalpages);
	k->constraint = constraint;
	k->totalpages = totalpages;
	GOT(k->h.valid, k->failed, WIRE_KILL_OC, err);
	GOT(k->h.valid, k->failed, WIRE_KILL_POINTS,
	    BPF_CORE_READ_INTO(&k->points, oc, chosen_points));
	cg = HAVE_MEMCG ? BPF_CORE_READ(oc, memcg) : NULL;
	if (cg)
		GOT(k->h.valid, k->failed, WIRE_KILL_OC_MEMCG, read_memcg(&k->limit, cg));
	if (inv.message)
		GOT(k->h.valid, k->failed, WIRE_KILL_MESSAGE,
		    bpf_probe_read_kernel_str(&k->message, sizeof(k->message), inv.message));
}

static __always_inline void read_victim_memory(struct wire_kill *k, struct task_struct *task,
					       struct mm_struct *mm)
{
	s16 adj = 0;
	bool origin = false;
	u64 v = 0;

	GOT(k->h.valid, k->failed, WIRE_KILL_ADJ,
	    BPF_CORE_READ_INTO(&adj, task, signal, oom_score_adj));
	k->oom_score_adj = adj;
	GOT(k->h.valid, k->failed, WIRE_KILL_ORIGIN,
	    BPF_CORE_READ_INTO(&origin, task, signal, oom_flag_origin));
	k->origin = origin;
	if (!mm)
		return;
	GOT(k->h.valid, k->failed, WIRE_KILL_TOTAL_VM, BPF_CORE_READ_INTO(&v, mm, total_vm));
	k->total_vm_pages = v;
	GOT(k->h.valid, k->failed, WIRE_KILL_PGTABLES,
	    BPF_CORE_READ_INTO(&k->pgtables_bytes, mm, pgtables_bytes.counter));
	read_rss(k, mm);
}

static __always_inline struct wire_kill *new_kill(u16 kind)
{
	struct wire_kill *k = &kill_scratch;

	/* The strings are as long as their length says: no need to clear them. */
	__builtin_memset(k, 0, offsetof(struct wire_kill, memcgs));
	k->h.boottime_ns = bpf_ktime_get_boot_ns();
	k->h.version = WIRE_VERSION;
	k->h.kind = kind;
	return k;
}

static __always_inline void submit_kill(struct wire_kill *k, u32 tail)
{
	u64 len;

	if (tail > sizeof(k->tail))
		tail = sizeof(k->tail);
	len = offsetof(struct wire_kill, tail) + tail;
	k->h.len = len;
	if (k->failed | k->victim.failed | k->trigger.failed)
		COUNT_N(read, k->failed + k->victim.failed + k->trigger.failed);
	if (bpf_ringbuf_output(&oom_ring, k, len, 0))
		COUNT(oom_reserve);
}

static __always_inline void read_stack(void *ctx, struct wire_kill *k)
{
	long n = bpf_get_stack(ctx, k->stack, sizeof(k->stack), 0);

	if (n > 0) {
		k->stack_len = (u32)n / sizeof(u64);
		k->h.valid |= 1 << WIRE_KILL_STACK;
	}
}

/* When the invocation, current's, was entered. */
static __always_inline void read_entry(struct wire_kill *k)
{
	if (!inv.entry_ns)
		return;
	k->episode_ns = inv.entry_ns;
	k->h.valid |= 1 << WIRE_KILL_INVOCATION;
}

/* What the invocation knows, if it is current's. */
static __always_inline void read_invocation(struct wire_kill *k)
{
	if (!is_owner())
		return;
	read_entry(k);
	read_oc(k);
}

/* The path of the memcg that was short, unless it is the victim's own. */
__noinline u64 read_limit_path(u64 off)
{
	struct wire_kill *k = &kill_scratch;
	struct oom_control *oc = inv.oc;
	struct kernfs_node *kn;
	bool cut;

	if (!HAVE_MEMCG || !(k->h.valid & (1 << WIRE_KILL_OC_MEMCG)) ||
	    k->limit.id == k->victim.cgroup_id || off > 2 * (WIRE_PATH_LEN + WIRE_NAME_LEN))
		return off;
	kn = BPF_CORE_READ(oc, memcg, css.cgroup, kn);
	k->limit_off = off;
	k->limit_len = read_path(kn, k->tail + off, &cut, &k->failed);
	if (cut)
		k->limit_len = 0;
	return off + k->limit_len;
}

/* The outermost cgroup above task that is killed as one (memory.oom.group), which is
 * mem_cgroup_get_oom_group()'s but for the limit's place; 0: none. Global: looked at
 * once by the verifier. */
__noinline u64 oom_group(u64 task)
{
	struct cgroup_subsys_state *css = memory_css((void *)task), *group = NULL;

	if (!HAVE_MEMCG)
		return 0;
	for (int i = 0; i < OOM_GROUP_DEPTH && css; i++) {
		u64 set = -(u64)BPF_CORE_READ((struct mem_cgroup *)css, oom_group);

		/* without a branch, see GOT() */
		group = (void *)(((u64)group & ~set) | ((u64)css & set));
		css = BPF_CORE_READ(css, parent);
	}
	return group ? BPF_CORE_READ(group, cgroup, kn, id) : 0;
}

/* One kill of task, by current. by is what current has done so far. */
static __noinline int emit_kill(void *ctx, struct task_struct *task, struct killer *by, u32 role)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	struct wire_kill *k = new_kill(WIRE_KIND_KILL);
	u32 off;

	if (!by)
		return 0;
	inv.told = true;
	k->role = role;
	k->mm = by->mm;
	k->signal_ns = by->signal_ns;
	k->episode_ns = by->episode_ns;
	read_invocation(k);
	if (role == WIRE_ROLE_SHARED_MM || (is_owner() && inv.chosen_tgid))
		k->h.valid |= 1 << WIRE_KILL_ROLE;
	read_victim_memory(k, task, (void *)by->mm);
	read_memcgs((u64)memory_css(task));
	off = read_party(plain(task), true, 0);
	off = read_party((u64)current, false, off);
	off = read_limit_path(off);
	read_stack(ctx, k);
	submit_kill(k, off);
	return 0;
}

/* What current has done in this invocation; NULL, counted, if it cannot be kept. */
static __always_inline struct killer *get_killer(void)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct killer *by = bpf_map_lookup_elem(&killers, &tid);
	struct killer fresh = {};

	if (by &&
	    (is_inside() || !by->marked_ns || bpf_ktime_get_boot_ns() - by->marked_ns < STALE_NS))
		return by;
	if (bpf_map_update_elem(&killers, &tid, &fresh, BPF_ANY)) {
		COUNT(oom_reserve);
		return NULL;
	}
	return bpf_map_lookup_elem(&killers, &tid);
}

/*
 * Whether a signal of current's can be the OOM killer's. Where no end of the invocation is
 * seen, nothing by a task that exits is: an init that was a victim sends the like to all
 * of its namespace (kernel/pid_namespace.c, zap_pid_ns_processes).
 */
static __always_inline bool may_kill(void)
{
	struct task_struct *current = (void *)bpf_get_current_task();

	return is_inside() || !(BPF_CORE_READ(current, flags) & PF_EXITING);
}

/* Whether it can be one for a sharer of the last victim's mm. */
static __always_inline bool kills_sharers(struct killer *by)
{
	return by->marked_ns && may_kill();
}

/*
 * by marks one more victim. Where no hook tells where an invocation begins, it is of the
 * same one only if both are killed as one group.
 */
static __always_inline void next_victim(struct killer *by, u64 group)
{
	if (!is_owner() && (!group || group != by->group))
		by->marked_ns = 0;
	by->group = group;
	if (!by->marked_ns)
		by->episode_ns = bpf_ktime_get_boot_ns();
}

static __always_inline u32 role_of(struct killer *by, u32 tgid)
{
	if (is_owner() && inv.chosen_tgid)
		return tgid == inv.chosen_tgid ? WIRE_ROLE_CHOSEN : WIRE_ROLE_GROUP;
	return by->marked_ns ? WIRE_ROLE_GROUP : WIRE_ROLE_CHOSEN;
}

/* --- an invocation that kills nobody ----------------------------------------- */

/* No more than these a second are told: a memcg without a task that can be killed asks
 * again and again. */
#define NOKILLS_A_SECOND 10

/* Of each reason: what is harmless is not to use up the room of what is not. */
struct nokill_budget {
	u64 began_ns;
	u64 told;
};

struct nokill_budget nokill_budgets[8] = {};

static __always_inline bool may_tell_nokill(u32 reason)
{
	struct nokill_budget *b = &nokill_budgets[reason & 7];
	u64 now = bpf_ktime_get_boot_ns();

	if (now - b->began_ns >= 1000000000ULL) {
		b->began_ns = now;
		b->told = 0;
	}
	if (b->told >= NOKILLS_A_SECOND) {
		COUNT(nokills);
		return false;
	}
	b->told++;
	return true;
}

/* An invocation by current that ends, for a reason, without a kill. task is the one that
 * was marked instead, or NULL: then pid is its thread's, or 0. */
static __noinline int emit_nokill(struct task_struct *task, u32 pid, u32 reason)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	struct wire_kill *k;
	u32 off = 0;

	inv.told = true;
	if (!may_tell_nokill(reason))
		return 0;
	k = new_kill(WIRE_KIND_NOKILL);
	k->role = reason;
	k->episode_ns = k->h.boottime_ns;
	/* Where the entry is not hooked, oc may be of an earlier one. */
	if (have_invocation || reason == WIRE_NOKILL_CHOSEN_EXITING)
		read_invocation(k);
	if (task) {
		read_victim_memory(k, task, BPF_CORE_READ(task, mm));
		off = read_party(plain(task), true, 0);
	} else if (pid) {
		k->victim.pid = k->victim.tid = pid;
		k->victim.valid = 1 << WIRE_TASK_PID;
	}
	off = read_party((u64)current, false, off);
	read_memcgs((u64)memory_css(current));
	k->h.valid |= 1 << WIRE_KILL_MEMCGS_TRIGGER;
	off = read_limit_path(off);
	submit_kill(k, off);
	return 0;
}

/* Why out_of_memory() killed nobody, by what it left behind; 0: that was told. */
static __always_inline u32 why_nothing(struct oom_control *oc, bool ret)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	s64 chosen = (s64)BPF_CORE_READ(oc, chosen);

	if (inv.told)
		return 0;
	if (!BPF_CORE_READ(oc, totalpages)) { /* constrained_alloc() sets it */
		if (!ret)
			return WIRE_NOKILL_DISABLED;
		/* mark_oom_victim() says nothing of a task that was marked before. */
		return BPF_CORE_READ(current, signal, oom_mm) ? WIRE_NOKILL_CURRENT_EXITING
							      : WIRE_NOKILL_EARLY;
	}
	if (chosen == -1) {
		COUNT(waits);
		return 0;
	}
	return chosen ? WIRE_NOKILL_CHOSEN_EXITING : WIRE_NOKILL_NO_CANDIDATE;
}

static __always_inline void leave_invocation(bool ret)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 why;

	inv.ends = true;
	if (!is_owner())
		return;
	why = inv.oc ? why_nothing(inv.oc, ret) : 0;
	if (why)
		emit_nokill(NULL, 0, why);
	inv.owner = 0;
	inv.oc = NULL;
	bpf_map_delete_elem(&killers, &tid);
}

/* --- kills --------------------------------------------------------------------- */

/* A SIGKILL to task that may be an OOM kill. */
static __always_inline void on_signal(void *ctx, struct task_struct *task, bool delivered)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct killer *by = get_killer();
	struct oom_control *oc = inv.oc;

	if (!by)
		return;
	if (is_owner() && oc && !inv.chosen_tgid)
		inv.chosen_tgid = BPF_CORE_READ(oc, chosen, tgid);
	by->signal_ns = bpf_ktime_get_boot_ns();
	if (delivered && (inv.ends ? is_owner() : may_kill()))
		add_victim(tgid, (u64)mm);
	/* A leader that has exited has no mm: process_shares_mm() looks at its threads'.
	 * A victim always has one: find_lock_task_mm(). */
	if (delivered && tgid != by->victim_tgid && (!mm || (u64)mm == by->mm) &&
	    kills_sharers(by)) {
		emit_kill(ctx, task, by, WIRE_ROLE_SHARED_MM);
		return;
	}
	by->signalled = (u64)task;
	by->signalled_pid = BPF_CORE_READ(task, pid);
	by->signalled_tgid = tgid;
	by->undelivered = !delivered;
}

/* mark_victim of task (NULL when only its pid is known). */
static __always_inline void on_mark(void *ctx, struct task_struct *task, u32 pid)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct killer *by = bpf_map_lookup_elem(&killers, &tid);

	if (!by || !by->signalled ||
	    (task ? by->signalled != (u64)task : by->signalled_pid != pid)) {
		u32 marked = task ? BPF_CORE_READ(task, pid) : pid;

		COUNT(exiting);
		emit_nokill(task, pid,
			    marked == tid ? WIRE_NOKILL_CURRENT_EXITING
					  : WIRE_NOKILL_CHOSEN_EXITING);
		return;
	}
	task = (void *)by->signalled;
	by->signalled = 0;
	by->mm = (u64)BPF_CORE_READ(task, mm);
	by->victim_tgid = by->signalled_tgid;
	next_victim(by, oom_group((u64)task));
	if (by->undelivered) {
		COUNT(exiting); /* the sharers of its mm may not be */
	} else {
		u32 role = role_of(by, by->victim_tgid);

		if (role == WIRE_ROLE_CHOSEN)
			emit_choice(by->victim_tgid, by);
		emit_kill(ctx, task, by, role);
	}
	by->marked_ns = bpf_ktime_get_boot_ns();
}

/*
 * Plain tracepoints give a thread's pid where the others give its task_struct.
 * When the victim is current its task is known all the same; of another victim
 * only what the record says.
 */
static __always_inline void on_signal_record(struct trace_event_raw_signal_generate *rec)
{
	struct killer *by = get_killer();
	struct wire_kill *k;

	if (!by)
		return;
	by->signalled = 1;
	by->signalled_pid = rec->pid;
	by->undelivered = rec->result != TRACE_SIGNAL_DELIVERED;
	by->signal_ns = bpf_ktime_get_boot_ns();
	if (!by->undelivered && (inv.ends ? is_owner() : may_kill()))
		add_victim(rec->pid, 0);
	if (by->undelivered || !kills_sharers(by))
		return;
	/* A sharer of the victim's mm, unless mark_victim follows: user space waits. */
	inv.told = true;
	k = new_kill(WIRE_KIND_SIGNAL);
	k->role = WIRE_ROLE_SHARED_MM;
	k->signal_ns = by->signal_ns;
	k->episode_ns = by->episode_ns;
	if (is_owner())
		read_entry(k);
	k->victim.pid = rec->pid;
	k->victim.tid = rec->pid;
	bpf_core_read(k->victim.comm, WIRE_COMM_LEN, &rec->comm);
	k->victim.valid = 1 << WIRE_TASK_PID | 1 << WIRE_TASK_COMM;
	submit_kill(k, read_party(bpf_get_current_task(), false, 0));
}

static __noinline int emit_record(void *ctx, struct trace_event_raw_mark_victim *rec,
				  struct killer *by, u32 role)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	struct wire_kill *k = new_kill(WIRE_KIND_KILL);
	u32 off;

	if (!by)
		return 0;
	inv.told = true;
	k->role = role;
	k->signal_ns = by->signal_ns;
	k->episode_ns = by->episode_ns;
	k->victim.pid = k->victim.tid = rec->pid;
	k->victim.valid = 1 << WIRE_TASK_PID;
	if (mark_victim_has_fields) {
		/* include/trace/events/oom.h: PG_COUNT_TO_KB, mm_pgtables_bytes() >> 10 */
		u32 kb = page_size / 1024;
		u16 comm = rec->__data_loc_comm;

		GOT(k->victim.valid, k->failed, WIRE_TASK_COMM,
		    bpf_probe_read_kernel_str(k->victim.comm, WIRE_COMM_LEN, (char *)rec + comm));
		k->victim.uid = rec->uid;
		k->victim.valid |= 1 << WIRE_TASK_UID;
		k->total_vm_pages = rec->total_vm / kb;
		k->anon_pages = rec->anon_rss / kb;
		k->file_pages = rec->file_rss / kb;
		k->shmem_pages = rec->shmem_rss / kb;
		k->pgtables_bytes = rec->pgtables * 1024;
		k->oom_score_adj = rec->oom_score_adj;
		k->h.valid |= 1 << WIRE_KILL_TOTAL_VM | 1 << WIRE_KILL_RSS |
			      1 << WIRE_KILL_RSS_NO_SWAP | 1 << WIRE_KILL_PGTABLES |
			      1 << WIRE_KILL_ADJ;
	}
	read_invocation(k);
	off = read_party((u64)current, false, 0);
	if (k->trigger.valid & (1 << WIRE_TASK_CGROUP_V1))
		k->victim.valid |= 1 << WIRE_TASK_CGROUP_V1;
	if (k->h.valid & (1 << WIRE_KILL_OC_MEMCG)) {
		struct oom_control *oc = inv.oc;

		/* The limit's chain in place of the victim's, which is not known. */
		read_memcgs((u64)BPF_CORE_READ(oc, memcg));
		off = read_limit_path(off);
	} else {
		/* What was short is an ancestor of whoever charged, too. */
		read_memcgs((u64)memory_css(current));
		k->h.valid |= 1 << WIRE_KILL_MEMCGS_TRIGGER;
	}
	read_stack(ctx, k);
	submit_kill(k, off);
	return 0;
}

static __always_inline void on_mark_record(void *ctx, struct trace_event_raw_mark_victim *rec)
{
	struct task_struct *current = (void *)bpf_get_current_task(), *task = NULL;
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = id, tgid = id >> 32, pid = rec->pid;
	struct killer *by = bpf_map_lookup_elem(&killers, &tid);

	if (!by || !by->signalled || by->signalled_pid != pid) {
		COUNT(exiting);
		emit_nokill(pid == tid ? current : NULL, pid,
			    pid == tid ? WIRE_NOKILL_CURRENT_EXITING : WIRE_NOKILL_CHOSEN_EXITING);
		return;
	}
	by->signalled = 0;
	if (pid == tid)
		task = current;
	else if (pid == tgid)
		task = BPF_CORE_READ(current, group_leader);
	/* Of another victim the group is not known: current's stands for it. */
	next_victim(by, oom_group((u64)(task ?: current)));
	if (by->undelivered) {
		COUNT(exiting);
	} else {
		/* rec's pid may be a thread's: it cannot be compared with oc->chosen's. */
		u32 role = task		   ? role_of(by, tgid)
			   : by->marked_ns ? WIRE_ROLE_GROUP
					   : WIRE_ROLE_CHOSEN;

		if (role == WIRE_ROLE_CHOSEN)
			emit_choice(task ? tgid : pid, by);
		if (task) {
			by->mm = (u64)BPF_CORE_READ(task, mm);
			emit_kill(ctx, task, by, role);
		} else {
			emit_record(ctx, rec, by, role);
		}
	}
	by->marked_ns = bpf_ktime_get_boot_ns();
}

#endif
