/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Maps, settings from user space and the counters. */
#ifndef OOMTRACE_MAPS_H
#define OOMTRACE_MAPS_H

/* OOM facts have a ring of their own: no clock storm can push out a kill. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
	__type(value, struct wire_kill);
} oom_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
	__type(value, struct wire_clock);
} clock_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct wire_stats);
} stats SEC(".maps");

/* Constants, set before loading: the verifier prunes by them. */
const volatile u32 nr_cpus = 1;
const volatile u32 page_size = 4096;
/* mark_victim(task, uid), else mark_victim(pid). */
const volatile bool mark_victim_has_task = false;
/* The tracepoint's formatted record has the memory fields. */
const volatile bool mark_victim_has_fields = false;
/* Clock records say which system call the caller is in: its registers can be found. */
const volatile bool arch_has_syscall_nr = true;

/*
 * Set while running: &__per_cpu_offset[0], once the symbol table is read, and
 * that out_of_memory's entry is hooked.
 */
u64 per_cpu_offset = 0;
u32 have_invocation = 0;
/* The end of an address space is hooked. */
u32 can_free = 0;
/* totalram_pages() and total_swap_pages. */
u64 ram_pages = 0;
u64 swap_pages = 0;

/* Atomically: fentry programs are preempted, by one another too. */
#define COUNT_N(field, n)                                                                          \
	do {                                                                                       \
		u32 zero_ = 0;                                                                     \
		struct wire_stats *s_ = bpf_map_lookup_elem(&stats, &zero_);                       \
		if (s_)                                                                            \
			__sync_fetch_and_add(&s_->field, n);                                       \
	} while (0)

#define COUNT(field) COUNT_N(field, 1)

/*
 * Sets bit in valid if the read succeeded, counts it in failed otherwise. Without
 * a branch: each would double what the verifier has to look at.
 */
#define GOT(rec_valid, rec_failed, bit, err)                                                       \
	do {                                                                                       \
		u32 bad_ = (u32)(err) >> 31;                                                       \
		(rec_valid) |= (u64)(bad_ ^ 1) << (bit);                                           \
		(rec_failed) += bad_;                                                              \
	} while (0)

#endif
