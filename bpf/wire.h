/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The wire contract: what the programs write into the rings and what
 * decode/wire reads. bpf2go makes the Go types from it, tests prove size, offset
 * and name of every field from the object's BTF.
 *
 * Fields are ordered by size, padding is explicit. A record is its fixed part
 * and a tail of strings; header.len is the length of both. A field means
 * something only when its group's bit is set in a `valid` bitmap: bits are set
 * after a read that succeeded, never before.
 */
#ifndef OOMTRACE_WIRE_H
#define OOMTRACE_WIRE_H

#define WIRE_VERSION 2

#define WIRE_COMM_LEN 16
#define WIRE_MESSAGE_LEN 64
#define WIRE_STACK_DEPTH 100
#define WIRE_MEMCG_DEPTH 8
/* A cgroup path: components leaf first, each with its NUL. */
#define WIRE_PATH_LEN 512
#define WIRE_NAME_LEN 256
#define WIRE_PATH_DEPTH 16
#define WIRE_CANDIDATES 10

enum wire_kind {
	WIRE_KIND_KILL = 1,
	WIRE_KIND_SIGNAL = 2, /* tracepoint rung: a SIGKILL by a task that is killing for OOM */
	WIRE_KIND_CLOCK = 3,
	WIRE_KIND_SYNTHETIC = 4, /* by no program: user space makes it, to warm its path */
	WIRE_KIND_CHOICE = 5,	 /* what led to the kill that follows, of the same episode */
	WIRE_KIND_NOKILL = 6,	 /* a wire_kill: an invocation that killed nobody */
	WIRE_KIND_MOMENT = 7,	 /* of a victim's end */
	WIRE_KIND_SIGKILL = 16,	 /* a SIGKILL, whoever sent it */
};

enum wire_role {
	WIRE_ROLE_CHOSEN = 0,
	WIRE_ROLE_GROUP = 1,
	WIRE_ROLE_SHARED_MM = 2,
};

/* Bits of wire_task.valid. */
enum wire_task_valid {
	WIRE_TASK_PID = 0,
	WIRE_TASK_COMM = 1,
	WIRE_TASK_UID = 2,
	WIRE_TASK_START = 3,
	WIRE_TASK_FLAGS = 4,
	WIRE_TASK_CGROUP = 5,
	WIRE_TASK_PATH = 6,
	WIRE_TASK_PATH_CUT = 7, /* the path did not fit */
	WIRE_TASK_NSPID = 8,
	WIRE_TASK_PPID = 9,
	WIRE_TASK_THREADS = 10,
	WIRE_TASK_CGROUP_V1 = 11, /* the memory controller's own hierarchy */
	WIRE_TASK_TGID = 12,	  /* pid is the leader's; without it pid is the thread's */
};

/* Bits of wire_header.valid in a wire_kill. */
enum wire_kill_valid {
	WIRE_KILL_OC = 0, /* constraint, totalpages, gfp_mask, order */
	WIRE_KILL_POINTS = 1,
	WIRE_KILL_MESSAGE = 2,
	WIRE_KILL_TOTAL_VM = 3,
	WIRE_KILL_RSS = 4,	 /* file, anon, swap, shmem */
	WIRE_KILL_RSS_ERROR = 5, /* the counters may be off by rss_error_pages each */
	WIRE_KILL_PGTABLES = 6,
	WIRE_KILL_ADJ = 7,
	WIRE_KILL_ORIGIN = 8,
	WIRE_KILL_STACK = 9,
	WIRE_KILL_MEMCGS = 10,
	WIRE_KILL_OC_MEMCG = 11,       /* limit */
	WIRE_KILL_INVOCATION = 12,     /* episode_ns is out_of_memory's entry */
	WIRE_KILL_RSS_NO_SWAP = 13,    /* the tracepoint's record has no swap */
	WIRE_KILL_MEMCGS_TRIGGER = 14, /* memcgs are the trigger's: the victim's are not known */
	WIRE_KILL_ROLE = 15,	       /* role is by oc->chosen or the mm, not by the order alone */
	WIRE_KILL_MEMCGS_CUT = 16,     /* there are more memcgs above */
};

/* Bits of wire_header.valid in a wire_clock. */
enum wire_clock_valid {
	WIRE_CLOCK_IN = 0,   /* in_*: the caller's timex */
	WIRE_CLOCK_OUT = 1,  /* out_*: the timex given back */
	WIRE_CLOCK_TIME = 2, /* sec, nsec: the time to set */
	WIRE_CLOCK_RET = 3,
	WIRE_CLOCK_NR = 4,	 /* syscall_nr */
	WIRE_CLOCK_COMPAT = 5,	 /* syscall_nr is of the 32-bit table */
	WIRE_CLOCK_NO_ENTRY = 6, /* the entry was missed: header.boottime_ns is at return */
};

/* Bits of wire_header.valid in a wire_choice. */
enum wire_choice_valid {
	WIRE_CHOICE_SEEN = 0,	  /* seen, len, cands: what oom_badness() returned */
	WIRE_CHOICE_COMPUTED = 1, /* with SEEN: by its formula, after the choice */
	WIRE_CHOICE_CUT = 2,	  /* there is more than what was looked at */
	WIRE_CHOICE_EFFORT = 3,
	WIRE_CHOICE_MEMCG = 4, /* with COMPUTED: only tasks below memcg_id were looked at */
};

/* Bits of wire_candidate.valid. */
enum wire_candidate_valid {
	WIRE_CANDIDATE_RSS = 0, /* file, anon, swap, shmem */
	WIRE_CANDIDATE_PGTABLES = 1,
	WIRE_CANDIDATE_ADJ = 2,
	WIRE_CANDIDATE_COMM = 3,
	WIRE_CANDIDATE_UID = 4,
	WIRE_CANDIDATE_START = 5,
	WIRE_CANDIDATE_CGROUP = 6,
	WIRE_CANDIDATE_PID = 7,
	WIRE_CANDIDATE_RSS_QUICK = 8, /* with RSS: without what CPUs keep to themselves */
};

/* Why an invocation killed nobody; wire_kill.role of a NOKILL. */
enum wire_nokill {
	WIRE_NOKILL_CURRENT_EXITING = 1,
	WIRE_NOKILL_CHOSEN_EXITING = 2,
	WIRE_NOKILL_NO_CANDIDATE = 3,
	WIRE_NOKILL_DISABLED = 4, /* oom_killer_disable() */
	WIRE_NOKILL_EARLY = 5,	  /* a notifier freed memory, or the allocation has no __GFP_FS */
};

/* A moment of a victim's end. */
enum wire_moment_what {
	WIRE_MOMENT_EXITED = 1, /* its last thread */
	WIRE_MOMENT_REAPED = 2, /* the OOM reaper has finished */
	WIRE_MOMENT_FREED = 3,	/* its address space is gone */
};

/* Bits of wire_header.valid in a wire_moment. */
enum wire_moment_valid {
	WIRE_MOMENT_ANON = 0,
	WIRE_MOMENT_LIMIT = 1,
};

enum wire_clock_func {
	WIRE_CLOCK_DO_ADJTIMEX = 1,
	WIRE_CLOCK_DO_SETTIMEOFDAY64 = 2,
	WIRE_CLOCK_WARP = 3,
	WIRE_CLOCK_SYS_ADJTIMEX = 4,
	WIRE_CLOCK_SYS_CLOCK_ADJTIME = 5,
	WIRE_CLOCK_SYS_SETTIMEOFDAY = 6,
	WIRE_CLOCK_SYS_CLOCK_SETTIME = 7,
};

struct wire_header {
	u64 boottime_ns;
	u64 valid;
	u32 len;
	u16 version;
	u16 kind;
};

struct wire_task {
	u64 start_boottime_ns;
	u64 cgroup_id; /* kernfs id, of the memory controller's cgroup on v1 */
	u32 valid;
	u32 pid; /* thread-group leader, initial namespace */
	u32 tid;
	u32 ppid;
	u32 nspid; /* leader's, in its own namespace */
	u32 uid;
	u32 flags; /* task_struct.flags: PF_* */
	u32 threads;
	u16 path_off; /* into the tail */
	u16 path_len;
	u32 failed; /* reads of kernel memory that failed */
	char comm[WIRE_COMM_LEN];
};

/* One memory cgroup; amounts in pages. */
struct wire_memcg {
	u64 id;
	u64 usage;
	u64 max;
	u64 swap_usage; /* v2: swap; v1: memory + swap */
	u64 swap_max;
	u32 level; /* depth below the root: how many path components */
	u32 oom_group;
};

struct wire_kill {
	struct wire_header h;
	u64 episode_ns;
	s64 points;
	u64 totalpages;
	u64 total_vm_pages;
	u64 file_pages;
	u64 anon_pages;
	u64 swap_pages;
	u64 shmem_pages;
	u64 rss_error_pages;
	u64 pgtables_bytes;
	u64 mm;	       /* of the victim, to compare with others'; 0: not known */
	u64 signal_ns; /* boottime of its signal, before which it cannot have ended */
	u32 gfp_mask;
	s32 order;
	u32 constraint;
	s32 oom_score_adj;
	u32 role;
	u32 memcgs_len;
	u32 stack_len; /* addresses */
	u32 origin;
	u32 failed;
	u16 limit_off; /* limit's path, when it is another than the victim's */
	u16 limit_len;
	struct wire_task victim;
	struct wire_task trigger;
	struct wire_memcg limit;		    /* oc->memcg: the one that was short */
	struct wire_memcg memcgs[WIRE_MEMCG_DEPTH]; /* the victim's, leaf first */
	char message[WIRE_MESSAGE_LEN];
	u64 stack[WIRE_STACK_DEPTH];
	char tail[3 * (WIRE_PATH_LEN + WIRE_NAME_LEN)];
};

/* A task that could have been the victim; amounts in pages. */
struct wire_candidate {
	s64 points;
	u64 file_pages;
	u64 anon_pages;
	u64 swap_pages;
	u64 shmem_pages;
	u64 pgtables_bytes;
	u64 start_boottime_ns;
	u64 cgroup_id;
	u32 pid; /* thread-group leader */
	u32 uid;
	s32 oom_score_adj;
	u32 valid;
	char comm[WIRE_COMM_LEN];
};

/* Direct reclaim and compaction by the trigger before it invoked the OOM killer, without
 * a pause of more than a second. */
struct wire_effort {
	u64 first_ns; /* boottime of the first */
	u64 last_ns;  /* of the last one's end */
	u64 reclaim_ns;
	u64 compact_ns;
	u64 reclaimed_pages;
	u32 reclaims;
	u32 compactions;
};

struct wire_choice {
	struct wire_header h;
	u64 episode_ns;
	u64 memcg_id; /* kernfs id, for COMPUTED */
	u32 trigger_tid;
	u32 seen; /* tasks that could have been chosen */
	u32 len;  /* of cands */
	u32 min;  /* index of the least */
	struct wire_effort effort;
	struct wire_candidate cands[WIRE_CANDIDATES];
};

struct wire_moment {
	struct wire_header h;
	u64 anon_pages;	 /* that its address space still has */
	u64 limit_pages; /* usage of the memcg that was full */
	u64 mm;		 /* as wire_kill.mm */
	u32 pid;	 /* thread-group leader; for REAPED the marked thread */
	u32 what;	 /* enum wire_moment_what */
};

struct wire_timex {
	s64 offset;
	s64 freq;
	s64 maxerror;
	s64 esterror;
	s64 constant;
	s64 tick;
	s64 sec;
	s64 usec; /* nanoseconds with ADJ_NANO or STA_NANO */
	u32 modes;
	s32 status;
	s32 tai;
	u32 pad;
};

struct wire_clock {
	struct wire_header h; /* boottime_ns: at entry, but for WIRE_CLOCK_NO_ENTRY */
	u64 exit_ns;	      /* boottime at return */
	s64 sec;
	s64 nsec;
	struct wire_timex in;
	struct wire_timex out;
	s32 ret;
	u32 func; /* enum wire_clock_func */
	u32 syscall_nr;
	u32 failed;
	struct wire_task task;
	char tail[WIRE_PATH_LEN + WIRE_NAME_LEN];
};

/* What of the siginfo a SIGKILL came with: kernel/signal.c's special values, or one. */
enum wire_info {
	WIRE_INFO_NONE = 0, /* SEND_SIG_NOINFO */
	WIRE_INFO_PRIV = 1, /* SEND_SIG_PRIV */
	WIRE_INFO_POINTER = 2,
};

/* Bits of wire_header.valid in a wire_sigkill. */
enum wire_sigkill_valid {
	WIRE_SIGKILL_INFO = 0,
	WIRE_SIGKILL_CODE = 1,
	WIRE_SIGKILL_STACK = 2,
};

#define WIRE_SIGKILL_DEPTH 24

struct wire_sigkill {
	struct wire_header h;
	s32 code;  /* siginfo's si_code */
	u32 info;  /* enum wire_info */
	u32 group; /* to all threads, not to one */
	u32 stack_len;
	struct wire_task victim;
	struct wire_task sender;
	u64 stack[WIRE_SIGKILL_DEPTH]; /* of signals of the kernel's own */
	char tail[2 * (WIRE_PATH_LEN + WIRE_NAME_LEN)];
};

/* Lengths of what is kept of a process. */
#define WIRE_EXEC_ARGS 480
#define WIRE_EXEC_EXE 144

enum wire_exec_flags {
	WIRE_EXEC_SEEDED = 1, /* by user space from /proc: the start is cut to a clock tick */
};

/* The value of the map of who processes are. */
struct wire_exec {
	u64 start_boottime_ns;
	u32 args_len; /* of all of them, which may be more than fit; 0: not known */
	u16 exe_len;  /* 0: not known */
	u16 flags;
	char exe[WIRE_EXEC_EXE];
	char args[WIRE_EXEC_ARGS];
};

/* Counters, one set a CPU. */
struct wire_stats {
	u64 oom_reserve;       /* OOM records that did not fit the ring, signals without state */
	u64 clock_reserve;     /* clock records that did not fit, or had no entry state */
	u64 read;	       /* failed reads of kernel memory */
	u64 clock_reads;       /* adjtimex calls that change nothing */
	u64 invocations;       /* of out_of_memory */
	u64 exiting;	       /* mark_victim of a task that was dying already: no kill */
	u64 clock_read_events; /* clock calls whose argument could not be read */
	u64 waits;	       /* invocations that found an earlier victim still dying */
	u64 nokills;	       /* invocations without a kill that were not told: too many */
	u64 sigkill_reserve;   /* SIGKILLs that did not fit */
};

_Static_assert(sizeof(struct wire_header) == 24, "wire_header");
_Static_assert(sizeof(struct wire_task) == 72, "wire_task");
_Static_assert(sizeof(struct wire_memcg) == 48, "wire_memcg");
_Static_assert(sizeof(struct wire_timex) == 80, "wire_timex");
_Static_assert(sizeof(struct wire_candidate) == 96, "wire_candidate");
_Static_assert(sizeof(struct wire_effort) == 48, "wire_effort");
_Static_assert(sizeof(struct wire_moment) == 56, "wire_moment");
_Static_assert(sizeof(struct wire_exec) == 640, "wire_exec");

#endif
