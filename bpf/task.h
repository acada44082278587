/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who a task is: ids, comm, cgroup and its path. */
#ifndef OOMTRACE_TASK_H
#define OOMTRACE_TASK_H

/* A pointer that the verifier knows as a number: it lets none into a global function. */
static __always_inline u64 plain(const void *known)
{
	const void *p = known;
	u64 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), &p);
	return v;
}

/*
 * Writes the path of kn, leaf first, each component with its NUL, to buf (of
 * WIRE_PATH_LEN + WIRE_NAME_LEN bytes). Returns its length. The root has an
 * empty name and ends the walk.
 */
static __always_inline u32 read_path(struct kernfs_node *kn, char *buf, bool *cut, u32 *failed)
{
	u32 off = 0;

	*cut = true;
	for (int i = 0; i < WIRE_PATH_DEPTH; i++) {
		struct kernfs_node *parent = kn ? kn_parent(kn) : NULL;
		const char *name;
		long n;

		if (!parent) {
			*cut = false;
			break;
		}
		if (off > WIRE_PATH_LEN)
			break;
		name = BPF_CORE_READ(kn, name);
		n = bpf_probe_read_kernel_str(buf + off, WIRE_NAME_LEN, name);
		if (n <= 0 || n > WIRE_NAME_LEN) {
			*failed += 1;
			break;
		}
		off += n;
		kn = parent;
	}
	if (*cut && kn && !kn_parent(kn)) /* the last one was the root's child */
		*cut = false;
	if (off > WIRE_PATH_LEN + WIRE_NAME_LEN)
		off = 0;
	return off;
}

/* The task's css of the memory controller; NULL without one. */
static __always_inline struct cgroup_subsys_state *memory_css(struct task_struct *task)
{
	struct cgroup_subsys_state *css = NULL;
	struct css_set *set;
	u64 idx;

	if (!HAVE_MEMCG)
		return NULL;
	idx = bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	set = BPF_CORE_READ(task, cgroups);
	if (!set)
		return NULL;
	bpf_probe_read_kernel(&css, sizeof(css),
			      (char *)__builtin_preserve_access_index(&set->subsys) +
				      idx * sizeof(css));
	return css;
}

/* The cgroup that speaks for the task's memory: v1's memory cgroup, else v2's. */
static __always_inline struct kernfs_node *task_kn(struct task_struct *task, bool *v1)
{
	struct cgroup_subsys_state *css = memory_css(task);
	struct cgroup *dfl;

	*v1 = false;
	if (!HAVE_CGROUPS)
		return NULL;
	dfl = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	if (css) {
		struct cgroup *cg = BPF_CORE_READ(css, cgroup);

		if (cg && BPF_CORE_READ(cg, root) != BPF_CORE_READ(dfl, root)) {
			*v1 = true;
			return BPF_CORE_READ(cg, kn);
		}
	}
	return BPF_CORE_READ(dfl, kn);
}

static __always_inline void read_ids(struct wire_task *t, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	u32 valid = 0, failed = 0;
	struct pid *pid;

	GOT(valid, failed, WIRE_TASK_PID, BPF_CORE_READ_INTO(&t->tid, task, pid));
	GOT(valid, failed, WIRE_TASK_TGID, BPF_CORE_READ_INTO(&t->pid, task, tgid));
	GOT(valid, failed, WIRE_TASK_COMM, BPF_CORE_READ_INTO(&t->comm, task, comm));
	GOT(valid, failed, WIRE_TASK_UID, BPF_CORE_READ_INTO(&t->uid, task, real_cred, uid.val));
	GOT(valid, failed, WIRE_TASK_FLAGS, BPF_CORE_READ_INTO(&t->flags, task, flags));
	GOT(valid, failed, WIRE_TASK_START,
	    BPF_CORE_READ_INTO(&t->start_boottime_ns, leader, start_boottime));
	GOT(valid, failed, WIRE_TASK_PPID, BPF_CORE_READ_INTO(&t->ppid, task, real_parent, tgid));
	GOT(valid, failed, WIRE_TASK_THREADS,
	    BPF_CORE_READ_INTO(&t->threads, task, signal, nr_threads));

	/* A leader that was reaped has no pid any more: absent, no failure. */
	pid = BPF_CORE_READ(leader, thread_pid);
	if (pid) {
		u64 level = BPF_CORE_READ(pid, level);

		GOT(valid, failed, WIRE_TASK_NSPID,
		    bpf_probe_read_kernel(&t->nspid, sizeof(t->nspid),
					  (char *)__builtin_preserve_access_index(&pid->numbers) +
						  level * bpf_core_type_size(struct upid) +
						  bpf_core_field_offset(struct upid, nr)));
	}
	t->valid = valid;
	t->failed = failed;
}

/*
 * Reads all about task. Its cgroup path goes to tail + off; returns the offset
 * behind it. Nothing is written when the cgroup is same_as.
 */
static __always_inline u32 read_task(struct wire_task *t, struct task_struct *task, char *tail,
				     u32 off, u64 same_as)
{
	struct kernfs_node *kn;
	bool v1, cut;

	read_ids(t, task);
	kn = task_kn(task, &v1);
	if (!kn)
		return off;
	GOT(t->valid, t->failed, WIRE_TASK_CGROUP, BPF_CORE_READ_INTO(&t->cgroup_id, kn, id));
	if (v1)
		t->valid |= 1 << WIRE_TASK_CGROUP_V1;
	if (same_as && t->cgroup_id == same_as)
		return off;
	if (off > 2 * (WIRE_PATH_LEN + WIRE_NAME_LEN))
		return off;
	t->path_off = off;
	t->path_len = read_path(kn, tail + off, &cut, &t->failed);
	t->valid |= 1 << WIRE_TASK_PATH;
	if (cut)
		t->valid |= 1 << WIRE_TASK_PATH_CUT;
	return off + t->path_len;
}

#endif
