/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What an address space holds. */
#ifndef OOMTRACE_MM_H
#define OOMTRACE_MM_H

/*
 * lib/percpu_counter.c, __percpu_counter_sum(). A global function, which the
 * verifier looks at once, and an iterator, which it looks at for no more than one
 * CPU: attaching takes the same time on 2 CPUs and on 8192.
 */
__noinline s64 percpu_sum(u64 counter)
{
	struct percpu_counter *c = (void *)counter;
	struct bpf_iter_num it;
	u64 offsets = per_cpu_offset, counters;
	s64 sum = BPF_CORE_READ(c, count);
	int *cpu;

	if (!bpf_core_field_exists(c->counters)) /* no CONFIG_SMP */
		return sum;
	counters = (u64)BPF_CORE_READ(c, counters);
	if (!offsets || !HAVE_ITER_NUM)
		return sum;
	bpf_iter_num_new(&it, 0, nr_cpus);
	while ((cpu = bpf_iter_num_next(&it))) {
		u64 base = 0;
		s32 part = 0;

		bpf_probe_read_kernel(&base, sizeof(base), (void *)(offsets + 8 * (u64)*cpu));
		bpf_probe_read_kernel(&part, sizeof(part), (void *)(counters + base));
		sum += part;
	}
	bpf_iter_num_destroy(&it);
	return sum;
}

/* Whether percpu_sum() lacks the CPUs' parts. */
static __always_inline bool percpu_cut(void)
{
	struct percpu_counter *c = NULL;

	return bpf_core_field_exists(c->counters) && (!per_cpu_offset || !HAVE_ITER_NUM);
}

static __always_inline int read_counters_percpu(u64 *pages, struct mm_struct *mm)
{
	struct mm_struct___percpu *p = (void *)mm;
	u64 counter = (u64)__builtin_preserve_access_index(&p->rss_stat);
	s64 first;
	int err = bpf_probe_read_kernel(&first, sizeof(first), (void *)counter);

	for (int i = 0; i < 4; i++) {
		s64 sum = percpu_sum(counter);

		pages[i] = sum > 0 ? sum : 0;
		counter += bpf_core_type_size(struct percpu_counter);
	}
	return err ?: percpu_cut();
}

/*
 * Reads the four counters of resident pages and swap entries, in the order of RSS_*.
 * Returns 1 when the parts that CPUs keep to themselves are missing.
 */
static __always_inline int read_counters(u64 *pages, struct mm_struct *mm)
{
	struct mm_struct___percpu *p = (void *)mm;
	struct mm_struct___atomic *a = (void *)mm;
	s64 v[4] = {};
	int err;

	if (!bpf_core_type_exists(struct mm_rss_stat))
		return bpf_core_field_exists(p->rss_stat) ? read_counters_percpu(pages, mm) : -1;
	err = bpf_core_read(&v, sizeof(v), &a->rss_stat.count);
	for (int i = 0; i < 4; i++)
		pages[i] = v[i] > 0 ? v[i] : 0;
	return err;
}

/* The same without the CPUs' parts, as get_mm_counter(): quick, and off by as much. */
static __always_inline void quick_counters(u64 *pages, struct mm_struct *mm)
{
	struct mm_struct___percpu *p = (void *)mm;
	struct mm_struct___atomic *a = (void *)mm;
	u64 percpu = (u64)__builtin_preserve_access_index(&p->rss_stat);
	s64 v[4] = {};

	if (bpf_core_type_exists(struct mm_rss_stat)) {
		bpf_core_read(&v, sizeof(v), &a->rss_stat.count);
	} else {
		for (int i = 0; i < 4; i++) {
			v[i] = BPF_CORE_READ((struct percpu_counter *)percpu, count);
			percpu += bpf_core_type_size(struct percpu_counter);
		}
	}
	for (int i = 0; i < 4; i++)
		pages[i] = v[i] > 0 ? v[i] : 0;
}

#endif
