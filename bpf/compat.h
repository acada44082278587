/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every difference between kernels, in one place: the commit that made it, the
 * flavour of the type that was, and one accessor. Newest layout first. Never
 * the kernel's version: BTF decides.
 */
#ifndef OOMTRACE_COMPAT_H
#define OOMTRACE_COMPAT_H

/*
 * commit 633488947ef6 ("kernfs: Use RCU to access kernfs_node::parent.")
 * (in v6.15) renamed parent to __parent.
 */
struct kernfs_node___rcu {
	struct kernfs_node *__parent;
} __attribute__((preserve_access_index));

struct kernfs_node___plain {
	struct kernfs_node *parent;
} __attribute__((preserve_access_index));

static __always_inline struct kernfs_node *kn_parent(struct kernfs_node *kn)
{
	struct kernfs_node___rcu *rcu = (void *)kn;

	if (bpf_core_field_exists(rcu->__parent))
		return BPF_CORE_READ(rcu, __parent);
	return BPF_CORE_READ((struct kernfs_node___plain *)kn, parent);
}

/*
 * commit f1a7941243c1 ("mm: convert mm's rss stats into percpu_counter")
 * (in v6.2). Before it, mm_rss_stat held one atomic count each; the indices
 * (enum in linux/mm_types_task.h: file, anon, swap, shmem) are the same.
 */
struct mm_struct___percpu {
	struct percpu_counter rss_stat[4];
} __attribute__((preserve_access_index));

struct mm_rss_stat {
	atomic_long_t count[4];
} __attribute__((preserve_access_index));

struct mm_struct___atomic {
	struct mm_rss_stat rss_stat;
} __attribute__((preserve_access_index));

/*
 * commit 6018e1f407cc ("bpf: implement numbers iterator") (in v6.4): a loop that
 * the verifier looks at once, however many CPUs there are.
 */
struct bpf_iter_num {
	u64 __opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __weak __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __weak __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __weak __ksym;

#define HAVE_ITER_NUM ((u64)bpf_iter_num_new != 0)

#define RSS_FILE 0
#define RSS_ANON 1
#define RSS_SWAP 2
#define RSS_SHMEM 3

/* Without CONFIG_MEMCG there is the name alone; without CONFIG_CGROUPS, no css_set. */
#define HAVE_MEMCG bpf_core_type_exists(struct mem_cgroup)
#define HAVE_CGROUPS bpf_core_type_exists(struct css_set)

/*
 * include/linux/memcontrol.h, struct mem_cgroup: swap (default hierarchy) and
 * memsw (v1: memory + swap) share their place in a union.
 */
struct mem_cgroup___swap {
	struct page_counter swap;
} __attribute__((preserve_access_index));

/*
 * commit dd6e10fbd9fb ("bpf: Add bpf_task_pt_regs() helper") (in v5.15).
 */
enum bpf_func_id___pt_regs {
	BPF_FUNC_task_pt_regs___pt_regs = 175,
};

#define HAVE_TASK_PT_REGS                                                                          \
	bpf_core_enum_value_exists(enum bpf_func_id___pt_regs, BPF_FUNC_task_pt_regs___pt_regs)

#endif
