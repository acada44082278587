/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Hand-cut kernel types: only the fields that are read. CO-RE finds the offsets
 * in the running kernel's BTF, so order and neighbours do not matter here.
 */
#ifndef OOMTRACE_TYPES_H
#define OOMTRACE_TYPES_H

/* bpf_tracing.h: registers by the kernel's own names, not uapi's. */
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;
#define true 1
#define false 0

/* uapi/linux/bpf.h */
enum {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8;
	unsigned long ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp, pc, pstate;
};
struct pt_regs {
	struct user_pt_regs user_regs;
};
struct pt_regs___arm64_nr {
	s32 syscallno;
	u64 pstate;
} __attribute__((preserve_access_index));
#else
#error "unsupported target"
#endif

enum oom_constraint {
	CONSTRAINT_NONE = 0,
	CONSTRAINT_CPUSET = 1,
	CONSTRAINT_MEMORY_POLICY = 2,
};

/* struct __kernel_timex of uapi/linux/timex.h up to tai: the kernel's own
 * functions and the syscalls share this layout. */
struct uapi_timex {
	u32 modes;
	u32 pad1;
	s64 offset, freq, maxerror, esterror;
	s32 status;
	u32 pad2;
	s64 constant, precision, tolerance;
	s64 sec, usec;
	s64 tick, ppsfreq, jitter;
	s32 shift;
	u32 pad3;
	s64 stabil, jitcnt, calcnt, errcnt, stbcnt;
	s32 tai;
	u32 pad4;
};

_Static_assert(__builtin_offsetof(struct uapi_timex, tai) == 160, "uapi_timex");

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	s64 counter;
} atomic_long_t;

typedef struct {
	int counter;
} atomic_t;

struct page_counter {
	atomic_long_t usage;
	unsigned long max;
};

struct kernfs_node {
	const char *name;
	u64 id;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
	int level;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
	bool oom_group;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

struct percpu_counter {
	s64 count;
	s32 *counters;
};

struct mm_struct {
	unsigned long total_vm;
	unsigned long start_stack;
	unsigned long arg_start;
	unsigned long arg_end;
	atomic_long_t pgtables_bytes;
};

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct list_head {
	struct list_head *next, *prev;
};

struct signal_struct {
	atomic_t live;
	int nr_threads;
	struct list_head thread_head;
	struct mm_struct *oom_mm;
	bool oom_flag_origin;
	short oom_score_adj;
};

typedef struct {
	unsigned int val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct task_struct {
	void *stack;
	unsigned int flags;
	int pid;
	int tgid;
	int exit_code;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct list_head tasks;
	struct list_head thread_node;
	struct pid *thread_pid;
	void *vfork_done;
	u64 start_boottime;
	const struct cred *real_cred;
	char comm[16];
	struct signal_struct *signal;
	struct css_set *cgroups;
	struct mm_struct *mm;
};

struct oom_control {
	struct mem_cgroup *memcg;
	unsigned int gfp_mask;
	int order;
	unsigned long totalpages;
	struct task_struct *chosen;
	long chosen_points;
	enum oom_constraint constraint;
};

struct kernel_siginfo {
	int si_code;
};

struct linux_binprm {
	const char *filename;
	const char *interp;
};

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

struct trace_event_raw_sys_enter {
	long id;
	unsigned long args[6];
};

struct trace_event_raw_sys_exit {
	long id;
	long ret;
};

struct trace_event_raw_signal_generate {
	int sig;
	int code;
	char comm[16];
	int pid;
	int group;
	int result;
};

struct trace_event_raw_mark_victim {
	int pid;
	u32 __data_loc_comm;
	unsigned long total_vm;
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long anon_rss;
	unsigned long file_rss;
	unsigned long shmem_rss;
	u32 uid;
	unsigned long pgtables;
	short oom_score_adj;
};

struct trace_event_raw_mm_vmscan_direct_reclaim_end_template {
	unsigned long nr_reclaimed;
};

struct trace_event_raw_finish_task_reaping {
	int pid;
};

struct trace_event_raw_exit_mmap {
	struct mm_struct *mm;
};

#pragma clang attribute pop

enum cgroup_subsys_id {
	memory_cgrp_id = 0, /* the value comes from the kernel's BTF */
};

#endif
