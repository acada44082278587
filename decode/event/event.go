// SPDX-License-Identifier: Apache-2.0

package event

import "time"

// Schema is the value of the "schema" field of every line.
const Schema = "oomtrace/v1"

// Type names an event's payload.
type Type string

// The event types of schema v1 that this version writes.
const (
	TypeSessionStart Type = "session.start"
	TypeSessionEnd   Type = "session.end"
	TypeOOMKill      Type = "oom.kill"
	TypeOOMDetail    Type = "oom.detail"
	TypeOOMSnapshot  Type = "oom.snapshot"
	TypeOOMNoKill    Type = "oom.nokill"
	TypeOOMEnd       Type = "oom.end"
	TypeClockAdjust  Type = "clock.adjust"
	TypeClockSummary Type = "clock.summary"
	TypeClockStep    Type = "clock.step"
	TypeProcSigkill  Type = "proc.sigkill"
	TypeSample       Type = "sample"
	TypeLost         Type = "lost"
	TypeKernelBoot   Type = "kernel.boot"
	TypeKernelPanic  Type = "kernel.panic"
)

// Ptr returns a pointer to v: the way to say that an optional field is known.
func Ptr[T any](v T) *T { return &v }

// Event is one line of the stream.
type Event struct {
	Schema  string `json:"schema"`
	Type    Type   `json:"type"`
	Session string `json:"session"` // hex, one a run of the tracer
	// Seq counts events as they leave the kernel ring, before any filter or
	// queue. A gap is a counted drop or a filter named in session.start.
	Seq uint64 `json:"seq"`
	// Time is BoottimeNS plus the realtime offset in force at the event; at a step
	// of the clock, the one just before it.
	Time       time.Time `json:"time"`
	BoottimeNS *uint64   `json:"boottime_ns,omitempty"`
	Source     Source    `json:"source"`
	// PrintkNS is the kernel log's own stamp: local_clock(), in nanoseconds since boot,
	// which stands still in suspend.
	PrintkNS *uint64 `json:"printk_ns,omitempty"`
	// TimeBasis is what Time rests on if not on BoottimeNS, TimeErrorMS by how much it
	// may be wrong, where that is known, and TimeGuessed what of it nobody told.
	TimeBasis   TimeBasis   `json:"time_basis,omitempty"`
	TimeErrorMS *int64      `json:"time_error_ms,omitempty"`
	TimeGuessed []TimeGuess `json:"time_guessed,omitempty"`
	// Backfill: it happened before the session began.
	Backfill bool  `json:"backfill,omitempty"`
	Host     *Host `json:"host,omitempty"`
	// Simulated marks what `oomtrace simulate` caused.
	Simulated bool `json:"simulated,omitempty"`
	// Truncated names what was cut or left out so that the line fits, such as
	// "victim.cmdline": strings, lists and whole groups.
	Truncated []string `json:"truncated,omitempty"`

	// The payload: the one that Type names. Its fields stand beside the ones
	// above in the JSON object.
	SessionStart *SessionStart `json:"-"`
	SessionEnd   *SessionEnd   `json:"-"`
	Kill         *Kill         `json:"-"`
	Detail       *Detail       `json:"-"`
	Snapshot     *SnapshotLate `json:"-"`
	NoKill       *NoKill       `json:"-"`
	End          *End          `json:"-"`
	Clock        *Clock        `json:"-"`
	ClockSummary *ClockSummary `json:"-"`
	ClockStep    *ClockStep    `json:"-"`
	Sigkill      *Sigkill      `json:"-"`
	Sample       *Sample       `json:"-"`
	Lost         *Lost         `json:"-"`
	Boot         *KernelBoot   `json:"-"`
	Panic        *KernelPanic  `json:"-"`
}

// TimeBasis is what the time of an event rests on.
type TimeBasis string

// Bases, but for the absent one, which is the kernel's boot clock and the offset of the
// wall clock at that moment.
const (
	// BasisPrintk is the log's own stamp and the time of the boot. It is off by what
	// the machine was suspended for, and by steps of the clock since.
	BasisPrintk TimeBasis = "printk"
	// BasisJournal, BasisSyslog and BasisContainer are when who wrote the log down had
	// it from the kernel.
	BasisJournal   TimeBasis = "journal"
	BasisSyslog    TimeBasis = "syslog"
	BasisContainer TimeBasis = "container"
	// BasisDmesg is what dmesg computed when it ran: wrong after a suspend or a step
	// of the clock, by an amount that it does not tell.
	BasisDmesg TimeBasis = "dmesg"
	// BasisOrder: there is no time, only a place among other events.
	BasisOrder TimeBasis = "order"
)

// TimeGuess is a part of a time that was guessed.
type TimeGuess string

// Guesses.
const (
	GuessYear TimeGuess = "year"
	GuessZone TimeGuess = "zone"
	GuessBoot TimeGuess = "boot" // when the boot was that a stamp counts from
)

// Source says where an event comes from.
type Source string

// Sources.
const (
	SourceBPF     Source = "bpf"
	SourceTimerFD Source = "timerfd"
	SourceProc    Source = "proc"
	SourceKmsg    Source = "kmsg"   // the kernel's log
	SourceTracer  Source = "tracer" // the tracer speaks of itself
)

// Host identifies the machine and the boot an event belongs to.
type Host struct {
	Name          string            `json:"name,omitempty"`
	MachineID     string            `json:"machine_id,omitempty"`
	BootID        string            `json:"boot_id,omitempty"`
	Kernel        string            `json:"kernel,omitempty"` // uname -r
	Arch          string            `json:"arch,omitempty"`   // uname -m
	PageSizeBytes int               `json:"page_size_bytes,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
}

// Hook reports how one fact is obtained.
type Hook struct {
	Fact string `json:"fact"` // as docs/hooks.md names it: kill, trigger, candidates, adjtimex, symbols, …
	// Method is the rung that serves, such as "tp_btf signal_generate +
	// mark_victim"; absent when none does.
	Method string `json:"method,omitempty"`
	OK     bool   `json:"ok"`
	// Reason says why better rungs are not used, or why none works.
	Reason string `json:"reason,omitempty"`
}

// SessionStart opens a stream.
type SessionStart struct {
	Version string `json:"version"`
	// Continued: the session began in an earlier file of the record. This repeats how,
	// so that each file can be read alone.
	Continued bool      `json:"continued,omitempty"`
	Hooks     []Hook    `json:"hooks"`
	Settings  *Settings `json:"settings,omitempty"`
	// Locked says whether the tracer's memory is locked against reclaim.
	Locked bool `json:"locked"`
	// OOMScoreAdj is the tracer's own.
	OOMScoreAdj *int     `json:"oom_score_adj,omitempty"`
	Filters     []string `json:"filters,omitempty"` // what the reader asked to see, "pid=12"
	Warnings    []string `json:"warnings,omitempty"`
	// InitPIDNamespace is false when the tracer runs in another than the initial
	// pid namespace: then no /proc look-up is made.
	InitPIDNamespace *bool `json:"init_pid_namespace,omitempty"`
	// IncidentWindowMS is the longest time between two kills of one incident; absent
	// when kills are not grouped.
	IncidentWindowMS *int64 `json:"incident_window_ms,omitempty"`
	// SampleMS is the time between samples; absent: only while memory stalls, if the
	// hook of pressure is there.
	SampleMS *int64 `json:"sample_ms,omitempty"`
}

// SessionEnd closes a stream.
type SessionEnd struct {
	Reason   string            `json:"reason"` // signal, duration, count, error, closed-pipe
	Received map[string]uint64 `json:"received"`
	Written  map[string]uint64 `json:"written,omitempty"`
	Lost     LostCounts        `json:"lost"`
	// Invocations counts those of the OOM killer: each made an episode with kills or an
	// oom.nokill, but for Waits, which found an earlier victim still dying, and
	// NoKillsLeftOut, which were too many to be told. Absent where not all are seen.
	Invocations    *uint64 `json:"invocations,omitempty"`
	Waits          *uint64 `json:"waits,omitempty"`
	NoKillsLeftOut *uint64 `json:"nokills_left_out,omitempty"`
	// ClockReads counts adjtimex calls that changed nothing, dropped in the
	// kernel; absent when the clock was not watched.
	ClockReads *uint64 `json:"clock_reads,omitempty"`
	// Incidents counts those that the kills received belong to; absent when kills
	// were not grouped, or not all.
	Incidents *uint64 `json:"incidents,omitempty"`
	// CrossCheck holds the programs against the kernel's log; absent when it was not
	// read beside them.
	CrossCheck *CrossCheck `json:"cross_check,omitempty"`
}

// CrossCheck counts kills by who told of them. The log has no line of those that share a
// victim's memory, so that they are left out. So are those that happened as the session
// ended.
type CrossCheck struct {
	Both uint64 `json:"both"`
	// BPFOnly are those of which the log has no line: it lost some, or somebody keeps
	// them out.
	BPFOnly uint64 `json:"bpf_only"`
	// LogOnly are those that the programs missed. Each is told, with source kmsg.
	LogOnly uint64 `json:"log_only"`
}

// LostCounts says what was lost and where. Absent means not known.
type LostCounts struct {
	Reserve     *uint64 `json:"reserve,omitempty"`      // the kernel ring was full
	Queue       *uint64 `json:"queue,omitempty"`        // the reader's own queue was full (slow output)
	Read        *uint64 `json:"read,omitempty"`         // reads of kernel memory that failed
	Recursion   *uint64 `json:"recursion,omitempty"`    // programs skipped since another ran (5.12+)
	ProbeMissed *uint64 `json:"probe_missed,omitempty"` // probes that did not fire
	// Record counts events that could not be recorded, as on a full disk; absent
	// when nothing is recorded.
	Record *uint64 `json:"record,omitempty"`
	// Log counts records of the kernel's log that were overwritten before they were
	// read; absent when it is not read.
	Log *uint64 `json:"log,omitempty"`
}

// Lost reports new losses as they are noticed.
type Lost struct {
	Counts LostCounts `json:"counts"` // since the session began
	Delta  LostCounts `json:"delta"`  // since the last report
}

// Scope is whose shortage an OOM was.
type Scope string

// Scopes: the kernel's oom_constraint, and sysrq.
const (
	ScopeGlobal    Scope = "global"
	ScopeMemcg     Scope = "memcg"
	ScopeCpuset    Scope = "cpuset"
	ScopeMempolicy Scope = "mempolicy"
	ScopeSysrq     Scope = "sysrq"
)

// Choice is how the victim was chosen.
type Choice string

// Choices.
const (
	ChoiceBadness        Choice = "badness"
	ChoiceAllocatingTask Choice = "allocating_task"
	ChoiceTaskOrigin     Choice = "task_origin"
	// ChoiceChild: a child of who was chosen by its points, which kernels before 5.3
	// killed in its place. The victim's parent is who was chosen.
	ChoiceChild Choice = "child"
	ChoiceBPF   Choice = "bpf" // a BPF program chose
)

// Role is a killed process's part in an episode.
type Role string

// Roles. Each is a process that was killed.
const (
	RoleChosen   Role = "chosen"
	RoleGroup    Role = "group"     // memory.oom.group
	RoleSharedMM Role = "shared_mm" // shares the victim's mm
)

// Kill is one process killed by the kernel's OOM killer. Of this struct and the
// others, an Encoder that lacks room leaves out the last field first.
type Kill struct {
	// Episode is the first 8 hex digits of boot_id, "-", and the hex
	// boottime_ns of the invocation of the OOM killer. From a log it is the stamp of the
	// report's first line; "log" stands for a boot_id that is not known, and a line's
	// number behind "line-" for both where there is no stamp.
	Episode string `json:"episode"`
	Scope   Scope  `json:"scope,omitempty"`
	Choice  Choice `json:"choice,omitempty"`
	Role    Role   `json:"role"`
	Message string `json:"message,omitempty"` // the kernel's, "Memory cgroup out of memory"
	Victim  Victim `json:"victim"`
	Trigger *Task  `json:"trigger,omitempty"`
	Limit   *Limit `json:"limit,omitempty"`
	// RunnerUp is the one of most points that was not chosen, MarginPages how many
	// points more the victim had. Group members and sharers have neither.
	RunnerUp    *RunnerUp `json:"runner_up,omitempty"`
	MarginPages *int64    `json:"margin_pages,omitempty"`
	// CandidatesSeen counts the tasks that could have been chosen.
	CandidatesSeen *uint64 `json:"candidates_seen,omitempty"`
	Effort         *Effort `json:"effort,omitempty"`
	// Incident is absent where kills are not grouped.
	Incident *Incident `json:"incident,omitempty"`
	// Sources names every field that did not come from the best rung:
	// hook, computed, proc, kmsg, exec.
	Sources map[string]string `json:"sources,omitempty"`
	LeadUp  *LeadUp           `json:"lead_up,omitempty"`
	Memory  *Memory           `json:"memory,omitempty"`
	Stack   *Stack            `json:"stack,omitempty"`
	// Settings are those in force when they were last read.
	Settings *Settings      `json:"settings,omitempty"`
	Snapshot *SnapshotState `json:"snapshot,omitempty"`
	// Candidates are the ten of most points, highest first, the victim among them; of a log
	// the one that was spared with most memory as well, which may be immune.
	Candidates []Candidate `json:"candidates,omitempty"`
	// Details counts the oom.detail lines that follow, which hold the stack's
	// frames, the candidates, the lead-up, the limit's stat and the memory; 0 when all is
	// here.
	Details int `json:"details,omitempty"`
}

// Incident is what a kill is a part of: kills that the same limit caused, each within
// a window of time after the one before, as decode/incident groups them.
type Incident struct {
	// ID is the episode of the incident's first kill.
	ID       string `json:"id"`
	Kills    uint64 `json:"kills"`    // so far, this one included
	Episodes uint64 `json:"episodes"` // so far: invocations of the OOM killer
	SinceMS  int64  `json:"since_ms"` // from the first kill to this one
	// First is the first kill, where it all began; this one, if Kills is 1.
	First FirstKill `json:"first"`
}

// FirstKill is the kill that an incident began with. Of its tasks pid and comm are
// told; its own line has the rest.
type FirstKill struct {
	Time    string `json:"time,omitempty"` // see FormatTime; absent where a log does not tell
	Victim  Task   `json:"victim"`
	Trigger *Task  `json:"trigger,omitempty"`
}

// Candidate is a process that the OOM killer could have chosen.
type Candidate struct {
	PID             int     `json:"pid"` // thread-group leader
	Comm            *string `json:"comm,omitempty"`
	CommHex         string  `json:"comm_hex,omitempty"`
	UID             *uint32 `json:"uid,omitempty"`
	StartBoottimeNS *uint64 `json:"start_boottime_ns,omitempty"`
	PointsPages     *int64  `json:"points_pages,omitempty"` // as a victim's
	OOMScoreAdj     *int    `json:"oom_score_adj,omitempty"`
	AnonRSSBytes    *uint64 `json:"anon_rss_bytes,omitempty"`
	FileRSSBytes    *uint64 `json:"file_rss_bytes,omitempty"`
	ShmemRSSBytes   *uint64 `json:"shmem_rss_bytes,omitempty"`
	SwapBytes       *uint64 `json:"swap_bytes,omitempty"`
	PgtablesBytes   *uint64 `json:"pgtables_bytes,omitempty"`
	CgroupID        string  `json:"cgroup_id,omitempty"` // as Cgroup.ID
	// RSSBytes is all that is resident, from a log that does not tell its kinds.
	RSSBytes *uint64 `json:"rss_bytes,omitempty"`
}

// RunnerUp is what the kill's own line tells of a candidate.
type RunnerUp struct {
	PID         int     `json:"pid"`
	Comm        *string `json:"comm,omitempty"`
	CommHex     string  `json:"comm_hex,omitempty"`
	PointsPages *int64  `json:"points_pages,omitempty"`
	OOMScoreAdj *int    `json:"oom_score_adj,omitempty"`
}

// Effort is what the trigger itself did for memory before it invoked the OOM killer,
// from the first reclaim or compaction that no pause of a second follows.
type Effort struct {
	SpanMS         int64  `json:"span_ms"` // from the first one's begin to the kill
	Reclaims       uint64 `json:"reclaims"`
	ReclaimUS      uint64 `json:"reclaim_us"`
	ReclaimedPages uint64 `json:"reclaimed_pages"`
	Compactions    uint64 `json:"compactions"`
	CompactionUS   uint64 `json:"compaction_us"`
}

// NoKillReason is why an invocation of the OOM killer killed nobody.
type NoKillReason string

// Reasons.
const (
	NoKillCurrentExiting NoKillReason = "current_exiting" // the trigger was dying already
	NoKillChosenExiting  NoKillReason = "chosen_exiting"  // the chosen one was
	NoKillNoCandidate    NoKillReason = "no_candidate"    // there is nobody who can be killed
	NoKillOOMDisabled    NoKillReason = "oom_disabled"    // as while the machine suspends
	// NoKillEarly: a notifier freed memory (a balloon driver's, for one), or the
	// allocation was one without __GFP_FS, for which nobody is killed.
	NoKillEarly NoKillReason = "early_return"
	// NoKillPanic: the kernel panicked instead, as vm.panic_on_oom asks or because there
	// was nobody to kill.
	NoKillPanic NoKillReason = "panic"
	// NoKillUnknown: a log that does not tell how the invocation ended.
	NoKillUnknown NoKillReason = "unknown"
)

// NoKill is an invocation of the OOM killer that killed nobody.
type NoKill struct {
	Episode string       `json:"episode"`
	Reason  NoKillReason `json:"reason"`
	Scope   Scope        `json:"scope,omitempty"`
	Message string       `json:"message,omitempty"` // the kernel's
	// Victim is the process that was dying already.
	Victim  *Victim           `json:"victim,omitempty"`
	Trigger *Task             `json:"trigger,omitempty"`
	Limit   *Limit            `json:"limit,omitempty"`
	Sources map[string]string `json:"sources,omitempty"`
	Memory  *Memory           `json:"memory,omitempty"`
	// Candidates are the processes of most memory, where a log lists them.
	Candidates []Candidate `json:"candidates,omitempty"`
}

// Outcome is what became of a killed process and its memory.
type Outcome string

// Outcomes.
const (
	OutcomeFreed  Outcome = "freed"  // its address space is gone
	OutcomeReaped Outcome = "reaped" // the OOM reaper took its memory, and it is still there
	OutcomeExited Outcome = "exited" // all its threads are gone; whether its memory is, is not known or not so
	OutcomeStuck  Outcome = "stuck"  // it is still there, with its memory
)

// End is what became of a killed process. One that is stuck may have another End later.
// Times are from the kill on.
type End struct {
	Episode  string   `json:"episode"`
	PID      int      `json:"pid"` // of the victim
	Comm     *string  `json:"comm,omitempty"`
	CommHex  string   `json:"comm_hex,omitempty"`
	Role     Role     `json:"role,omitempty"`
	Outcome  Outcome  `json:"outcome"`
	ExitMS   *float64 `json:"exit_ms,omitempty"`   // its last thread exited
	ReapMS   *float64 `json:"reap_ms,omitempty"`   // the OOM reaper had finished
	FreedMS  *float64 `json:"freed_ms,omitempty"`  // its address space was gone
	WaitedMS *int64   `json:"waited_ms,omitempty"` // stuck: how long it has been waited for
	// FreedBytes is the anonymous memory that left its address space since the kill.
	// What it shares with a process that it forked stays until that lets go.
	FreedBytes *uint64 `json:"freed_bytes,omitempty"`
	// LeftAnonRSSBytes and the like are what the OOM reaper left, as the log says.
	LeftAnonRSSBytes  *uint64 `json:"left_anon_rss_bytes,omitempty"`
	LeftFileRSSBytes  *uint64 `json:"left_file_rss_bytes,omitempty"`
	LeftShmemRSSBytes *uint64 `json:"left_shmem_rss_bytes,omitempty"`
	// LimitUsageBytes is what the cgroup whose limit was hit used when the memory was
	// back.
	LimitUsageBytes *uint64 `json:"limit_usage_bytes,omitempty"`
	// Sources says proc for an outcome that no hook saw.
	Sources map[string]string `json:"sources,omitempty"`
}

// Victim is the killed process as the kernel saw it when it was chosen.
type Victim struct {
	PID             int     `json:"pid"`           // thread-group leader
	TID             *int    `json:"tid,omitempty"` // the thread that was marked
	NSPID           *int    `json:"nspid,omitempty"`
	PPID            *int    `json:"ppid,omitempty"`
	Comm            *string `json:"comm,omitempty"`
	CommHex         string  `json:"comm_hex,omitempty"` // raw bytes, when Comm had to be mended
	Cmdline         *string `json:"cmdline,omitempty"`
	CmdlineHex      string  `json:"cmdline_hex,omitempty"`
	Exe             *string `json:"exe,omitempty"`
	ExeHex          string  `json:"exe_hex,omitempty"`
	UID             *uint32 `json:"uid,omitempty"`
	User            string  `json:"user,omitempty"` // the host's name for UID
	StartBoottimeNS *uint64 `json:"start_boottime_ns,omitempty"`
	OOMScoreAdj     *int    `json:"oom_score_adj,omitempty"`
	Killable        *bool   `json:"killable,omitempty"` // oom_score_adj above -1000
	// PointsPages is what oom_badness gave: rss + swap + page tables + adj share.
	PointsPages *int64 `json:"points_pages,omitempty"`
	// AllowedPages is oc->totalpages: the limit, or RAM, with the swap it may use.
	AllowedPages *uint64 `json:"allowed_pages,omitempty"`
	// BadnessPermille is points·1000/allowed, oom_score_adj included. It is not
	// the scale of /proc/PID/oom_score.
	BadnessPermille *int64     `json:"badness_permille,omitempty"`
	TotalVMBytes    *uint64    `json:"total_vm_bytes,omitempty"`
	AnonRSSBytes    *uint64    `json:"anon_rss_bytes,omitempty"`
	FileRSSBytes    *uint64    `json:"file_rss_bytes,omitempty"`
	ShmemRSSBytes   *uint64    `json:"shmem_rss_bytes,omitempty"`
	SwapBytes       *uint64    `json:"swap_bytes,omitempty"`
	PgtablesBytes   *uint64    `json:"pgtables_bytes,omitempty"`
	RSSErrorBytes   *uint64    `json:"rss_error_bytes,omitempty"` // bound, each counter
	Threads         *int       `json:"threads,omitempty"`
	Cgroup          *Cgroup    `json:"cgroup,omitempty"`
	Container       *Container `json:"container,omitempty"`
	Pod             *Pod       `json:"pod,omitempty"`
	Unit            string     `json:"unit,omitempty"` // systemd unit
	// Parents are those above it, the nearest first, up to the first process of its
	// container or unit.
	Parents []Parent `json:"parents,omitempty"`
}

// Parent is a process above another one.
type Parent struct {
	PID     int     `json:"pid"`
	Comm    *string `json:"comm,omitempty"`
	CommHex string  `json:"comm_hex,omitempty"`
	Exe     *string `json:"exe,omitempty"`
	ExeHex  string  `json:"exe_hex,omitempty"`
}

// RSSBytes is the sum of the resident counters that are known.
func (v *Victim) RSSBytes() (uint64, bool) {
	var sum uint64
	var ok bool
	for _, p := range []*uint64{v.AnonRSSBytes, v.FileRSSBytes, v.ShmemRSSBytes} {
		if p != nil {
			sum, ok = sum+*p, true
		}
	}
	return sum, ok
}

// Cgroup is a control group in the hierarchy that accounts memory.
type Cgroup struct {
	Controller string `json:"controller,omitempty"` // "memory" on v1, absent on v2
	Version    int    `json:"version,omitempty"`    // 1 or 2
	Path       string `json:"path,omitempty"`       // from the hierarchy's root
	PathHex    string `json:"path_hex,omitempty"`
	ID         string `json:"id,omitempty"` // kernfs node id, hex
	Truncated  bool   `json:"truncated,omitempty"`
}

// Container is what a cgroup path tells of a container.
type Container struct {
	Runtime string `json:"runtime,omitempty"` // docker, containerd, cri-o, podman
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
}

// Pod is a Kubernetes pod.
type Pod struct {
	UID       string `json:"uid,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	QoS       string `json:"qos,omitempty"` // guaranteed, burstable, besteffort
}

// Task is a task that did something: it triggered an OOM, or moved the clock.
type Task struct {
	PID             int        `json:"pid,omitzero"` // thread-group leader; 0: a trigger whose pid a log does not tell
	TID             *int       `json:"tid,omitempty"`
	Comm            *string    `json:"comm,omitempty"`
	CommHex         string     `json:"comm_hex,omitempty"`
	Cmdline         *string    `json:"cmdline,omitempty"`
	CmdlineHex      string     `json:"cmdline_hex,omitempty"`
	Exe             *string    `json:"exe,omitempty"`
	ExeHex          string     `json:"exe_hex,omitempty"`
	UID             *uint32    `json:"uid,omitempty"`
	User            string     `json:"user,omitempty"` // the host's name for UID
	StartBoottimeNS *uint64    `json:"start_boottime_ns,omitempty"`
	KThread         *bool      `json:"kthread,omitempty"`
	Cgroup          *Cgroup    `json:"cgroup,omitempty"`
	Container       *Container `json:"container,omitempty"`
	Pod             *Pod       `json:"pod,omitempty"`
	Unit            string     `json:"unit,omitempty"`
	// GFPMask and the following belong to an allocation, so to triggers only.
	GFPMask  string   `json:"gfp_mask,omitempty"` // hex
	GFPFlags []string `json:"gfp_flags,omitempty"`
	Order    *int     `json:"order,omitempty"`
}

// LimitKind is what ran full.
type LimitKind string

// Kinds of limit.
const (
	LimitMemory LimitKind = "memory"
	LimitMemsw  LimitKind = "memsw"
	LimitKmem   LimitKind = "kmem" // cgroup v1 only
	LimitRAM    LimitKind = "ram"
	LimitNodes  LimitKind = "nodes"
)

// LimitOwner is whose a cgroup's limit is, to the victim.
type LimitOwner string

// Owners of a limit.
const (
	OwnerOwn       LimitOwner = "own"       // the victim's cgroup itself
	OwnerContainer LimitOwner = "container" // its container, from further out
	OwnerPod       LimitOwner = "pod"
	OwnerUnit      LimitOwner = "unit" // its systemd unit, from further out
	OwnerSlice     LimitOwner = "slice"
	OwnerParent    LimitOwner = "parent" // another cgroup above
)

// Limit is the limit that was hit.
type Limit struct {
	Kind       LimitKind  `json:"kind,omitempty"`
	Owner      LimitOwner `json:"owner,omitempty"`
	Cgroup     *Cgroup    `json:"cgroup,omitempty"` // whose limit
	Nodes      string     `json:"nodes,omitempty"`  // of kind nodes: the NUMA nodes allowed, "0-1"
	Bytes      *uint64    `json:"bytes,omitempty"`
	Unlimited  *bool      `json:"unlimited,omitempty"`
	UsageBytes *uint64    `json:"usage_bytes,omitempty"`
	SwapBytes  *uint64    `json:"swap_bytes,omitempty"`
	OOMGroup   *bool      `json:"oom_group,omitempty"` // memory.oom.group applies to the victim
	// HighBytes, where reclaim begins, is absent when unlimited. That and the
	// protections MinBytes and LowBytes are of cgroup v2.
	HighBytes *uint64       `json:"high_bytes,omitempty"`
	MinBytes  *uint64       `json:"min_bytes,omitempty"`
	LowBytes  *uint64       `json:"low_bytes,omitempty"`
	Events    *CgroupEvents `json:"events,omitempty"`
	Stat      *CgroupStat   `json:"stat,omitempty"`
}

// CgroupEvents are a cgroup's counters since it was made, this kill included: of v2
// with those of the cgroups below, of v1 its own.
type CgroupEvents struct {
	Low          *uint64 `json:"low,omitempty"`  // reclaimed below memory.low
	High         *uint64 `json:"high,omitempty"` // throttled at memory.high
	Max          *uint64 `json:"max,omitempty"`  // about to go over memory.max
	OOM          *uint64 `json:"oom,omitempty"`  // at the limit, and reclaim did not help
	OOMKill      *uint64 `json:"oom_kill,omitempty"`
	OOMGroupKill *uint64 `json:"oom_group_kill,omitempty"`
	FailCnt      *uint64 `json:"failcnt,omitempty"` // v1: charges that met the limit
}

// CgroupStat is what a cgroup's memory is, with the cgroups below it. It is read
// after the kill, so it may lack what the victim has given back already.
type CgroupStat struct {
	AnonBytes              *uint64 `json:"anon_bytes,omitempty"`
	FileBytes              *uint64 `json:"file_bytes,omitempty"` // shmem included
	ShmemBytes             *uint64 `json:"shmem_bytes,omitempty"`
	KernelBytes            *uint64 `json:"kernel_bytes,omitempty"` // those below and more
	SlabBytes              *uint64 `json:"slab_bytes,omitempty"`
	KernelStackBytes       *uint64 `json:"kernel_stack_bytes,omitempty"`
	PagetablesBytes        *uint64 `json:"pagetables_bytes,omitempty"`
	AgeMS                  *int64  `json:"age_ms,omitempty"` // read so long after the event
	SlabReclaimableBytes   *uint64 `json:"slab_reclaimable_bytes,omitempty"`
	SlabUnreclaimableBytes *uint64 `json:"slab_unreclaimable_bytes,omitempty"`
	PercpuBytes            *uint64 `json:"percpu_bytes,omitempty"`
	VmallocBytes           *uint64 `json:"vmalloc_bytes,omitempty"`
	SockBytes              *uint64 `json:"sock_bytes,omitempty"`
	ZswapBytes             *uint64 `json:"zswap_bytes,omitempty"`
	FileMappedBytes        *uint64 `json:"file_mapped_bytes,omitempty"`
	FileDirtyBytes         *uint64 `json:"file_dirty_bytes,omitempty"`
	FileWritebackBytes     *uint64 `json:"file_writeback_bytes,omitempty"`
	ActiveAnonBytes        *uint64 `json:"active_anon_bytes,omitempty"`
	InactiveAnonBytes      *uint64 `json:"inactive_anon_bytes,omitempty"`
	ActiveFileBytes        *uint64 `json:"active_file_bytes,omitempty"`
	InactiveFileBytes      *uint64 `json:"inactive_file_bytes,omitempty"`
	UnevictableBytes       *uint64 `json:"unevictable_bytes,omitempty"`
}

// Memory is the machine's memory.
type Memory struct {
	TotalBytes             *uint64 `json:"total_bytes,omitempty"`
	FreeBytes              *uint64 `json:"free_bytes,omitempty"`
	AvailableBytes         *uint64 `json:"available_bytes,omitempty"`
	CachedBytes            *uint64 `json:"cached_bytes,omitempty"` // shmem included
	ShmemBytes             *uint64 `json:"shmem_bytes,omitempty"`
	SlabBytes              *uint64 `json:"slab_bytes,omitempty"`
	SwapTotalBytes         *uint64 `json:"swap_total_bytes,omitempty"`
	SwapFreeBytes          *uint64 `json:"swap_free_bytes,omitempty"`
	Source                 string  `json:"source,omitempty"` // meminfo, kmsg
	AgeMS                  *int64  `json:"age_ms,omitempty"` // read so long after (before: negative) the event
	AnonBytes              *uint64 `json:"anon_bytes,omitempty"`
	ActiveAnonBytes        *uint64 `json:"active_anon_bytes,omitempty"`
	InactiveAnonBytes      *uint64 `json:"inactive_anon_bytes,omitempty"`
	ActiveFileBytes        *uint64 `json:"active_file_bytes,omitempty"`
	InactiveFileBytes      *uint64 `json:"inactive_file_bytes,omitempty"`
	UnevictableBytes       *uint64 `json:"unevictable_bytes,omitempty"`
	MlockedBytes           *uint64 `json:"mlocked_bytes,omitempty"`
	SlabReclaimableBytes   *uint64 `json:"slab_reclaimable_bytes,omitempty"`
	SlabUnreclaimableBytes *uint64 `json:"slab_unreclaimable_bytes,omitempty"`
	KernelStackBytes       *uint64 `json:"kernel_stack_bytes,omitempty"`
	PagetablesBytes        *uint64 `json:"pagetables_bytes,omitempty"`
	CommittedBytes         *uint64 `json:"committed_bytes,omitempty"`    // Committed_AS
	HugetlbBytes           *uint64 `json:"hugetlb_bytes,omitempty"`      // of all sizes
	HugetlbFreeBytes       *uint64 `json:"hugetlb_free_bytes,omitempty"` // of the default size
	// The following are told by the log's Mem-Info alone.
	IsolatedAnonBytes          *uint64 `json:"isolated_anon_bytes,omitempty"` // taken off the LRU lists for reclaim
	IsolatedFileBytes          *uint64 `json:"isolated_file_bytes,omitempty"`
	DirtyBytes                 *uint64 `json:"dirty_bytes,omitempty"`
	WritebackBytes             *uint64 `json:"writeback_bytes,omitempty"`
	MappedBytes                *uint64 `json:"mapped_bytes,omitempty"`
	BounceBytes                *uint64 `json:"bounce_bytes,omitempty"`
	SecPagetablesBytes         *uint64 `json:"sec_pagetables_bytes,omitempty"`
	KernelMiscReclaimableBytes *uint64 `json:"kernel_misc_reclaimable_bytes,omitempty"`
	FreePCPBytes               *uint64 `json:"free_pcp_bytes,omitempty"` // on the CPUs' own lists
	FreeCMABytes               *uint64 `json:"free_cma_bytes,omitempty"`
	SwapCachedBytes            *uint64 `json:"swap_cached_bytes,omitempty"`
	ReservedBytes              *uint64 `json:"reserved_bytes,omitempty"` // of RAM, not for the page allocator
	// Slabs are the caches of most unreclaimable slab, which the log lists when that is
	// more than what processes have.
	Slabs []Slab `json:"slabs,omitempty"`
	// Zones are those that have memory, of the nodes allowed where these are known;
	// only where the machine, or its nodes, ran out.
	Zones []Zone `json:"zones,omitempty"`
}

// Slab is a cache of the slab allocator.
type Slab struct {
	Name       string `json:"name"`
	UsedBytes  uint64 `json:"used_bytes"`  // by objects in use
	TotalBytes uint64 `json:"total_bytes"` // taken from the page allocator
}

// Zone is a memory zone of a NUMA node: an allocation of one page fails where
// FreeBytes is below the watermark MinBytes and the protection.
type Zone struct {
	Node         int     `json:"node"`
	Name         string  `json:"name"` // DMA, DMA32, Normal, Movable
	FreeBytes    *uint64 `json:"free_bytes,omitempty"`
	MinBytes     *uint64 `json:"min_bytes,omitempty"`
	LowBytes     *uint64 `json:"low_bytes,omitempty"`
	HighBytes    *uint64 `json:"high_bytes,omitempty"`
	ManagedBytes *uint64 `json:"managed_bytes,omitempty"`
	PresentBytes *uint64 `json:"present_bytes,omitempty"`
	// LargestFreeOrder is the order of the largest free block; FreeBlocks counts them
	// by order. Only for an allocation of more than one page.
	LargestFreeOrder *int     `json:"largest_free_order,omitempty"`
	FreeBlocks       []uint64 `json:"free_blocks,omitempty"`
	// ProtectionBytes is what is kept from allocations that could use a higher zone
	// too, by the number of that zone.
	ProtectionBytes []uint64 `json:"protection_bytes,omitempty"`
}

// LeadUpState says whether there are samples of the time before a kill.
type LeadUpState string

// States of a lead-up.
const (
	LeadUpOK         LeadUpState = "ok"
	LeadUpNotSampled LeadUpState = "not_sampled" // none in the ten minutes before
)

// LeadUp is what samples tell of the ten minutes before a kill, in brief.
type LeadUp struct {
	State   LeadUpState `json:"state"`
	Samples int         `json:"samples,omitempty"`
	// SpanMS is the time from the first sample to the last, which was taken BeforeMS
	// before the kill.
	SpanMS   *int64 `json:"span_ms,omitempty"`
	BeforeMS *int64 `json:"before_ms,omitempty"`
	// VictimRSS is the victim's, the oldest first; absent if no sample has it.
	VictimRSS []RSSPoint `json:"victim_rss,omitempty"`
	// GrowersOf says where Growers and CgroupGrowers were looked for.
	GrowersOf     GrowersOf      `json:"growers_of,omitempty"`
	Growers       []Grower       `json:"growers,omitempty"`
	CgroupGrowers []CgroupGrower `json:"cgroup_growers,omitempty"`
	Pressure      *Pressure      `json:"pressure,omitempty"`
	Reclaim       *Reclaim       `json:"reclaim,omitempty"`
	MemoryChange  *MemoryChange  `json:"memory_change,omitempty"`
}

// GrowersOf is where what grew is looked for.
type GrowersOf string

// Places where what grew is looked for.
const (
	GrowersOfLimit   GrowersOf = "limit" // the cgroup whose limit was hit
	GrowersOfMachine GrowersOf = "machine"
)

// RSSPoint is the resident memory of a process some time before a kill.
type RSSPoint struct {
	BeforeMS int64  `json:"before_ms"`
	RSSBytes uint64 `json:"rss_bytes"`
}

// Grower is a process that has grown, the one that grew most first.
type Grower struct {
	PID      int     `json:"pid"`
	Comm     *string `json:"comm,omitempty"`
	CommHex  string  `json:"comm_hex,omitempty"`
	RSSBytes uint64  `json:"rss_bytes"` // when it was last sampled
	// GrewBytes is RSSBytes less the lowest that was sampled, OverMS before.
	GrewBytes uint64 `json:"grew_bytes"`
	OverMS    int64  `json:"over_ms"`
	// Began: it has begun in that time, and all that it has counts as growth, what it
	// shares with the process that forked it included.
	Began bool `json:"began,omitempty"`
}

// CgroupGrower is a control group that has grown. One that grew through another in it
// is left out.
type CgroupGrower struct {
	Cgroup     Cgroup `json:"cgroup"`
	UsageBytes uint64 `json:"usage_bytes"`
	GrewBytes  uint64 `json:"grew_bytes"`
	OverMS     int64  `json:"over_ms"`
}

// Pressure is the machine's memory pressure: the averages when it was last sampled,
// and for how long tasks waited for memory in the time between the samples.
type Pressure struct {
	SomeAvg10Percent *float64 `json:"some_avg10_percent,omitempty"`
	FullAvg10Percent *float64 `json:"full_avg10_percent,omitempty"`
	SomeUS           *uint64  `json:"some_us,omitempty"` // at least one
	FullUS           *uint64  `json:"full_us,omitempty"` // all that had something to do
}

// Reclaim is what the kernel did to get memory back between the samples, for the
// machine: what a cgroup reclaims for its own limit is not in it.
type Reclaim struct {
	AllocStalls      *uint64 `json:"alloc_stalls,omitempty"` // direct reclaims entered
	DirectScanPages  *uint64 `json:"direct_scan_pages,omitempty"`
	DirectStealPages *uint64 `json:"direct_steal_pages,omitempty"`
	SwapInPages      *uint64 `json:"swap_in_pages,omitempty"`
	SwapOutPages     *uint64 `json:"swap_out_pages,omitempty"`
	MajorFaults      *uint64 `json:"major_faults,omitempty"`
	RefaultPages     *uint64 `json:"refault_pages,omitempty"`
	CompactStalls    *uint64 `json:"compact_stalls,omitempty"`
}

// MemoryChange is by how much the machine's memory changed between the samples.
type MemoryChange struct {
	AvailableBytes *int64 `json:"available_bytes,omitempty"`
	CachedBytes    *int64 `json:"cached_bytes,omitempty"`
	ShmemBytes     *int64 `json:"shmem_bytes,omitempty"`
	SlabBytes      *int64 `json:"slab_bytes,omitempty"`
	SwapFreeBytes  *int64 `json:"swap_free_bytes,omitempty"`
}

// Stack is a kernel call trace, innermost first.
type Stack struct {
	// ID is the first 8 bytes of SHA-256 over the symbol names, hex.
	ID     string  `json:"id,omitempty"`
	Frames []Frame `json:"frames,omitempty"`
	// Unresolved counts frames without a symbol.
	Unresolved int `json:"unresolved,omitempty"`
}

// Frame is one return address of a call trace.
type Frame struct {
	Symbol string `json:"symbol,omitempty"`
	Offset uint64 `json:"offset,omitempty"`
	Module string `json:"module,omitempty"`
	Addr   string `json:"addr,omitempty"` // hex; only when there is no symbol
}

// Settings are the sysctls and the kdump state that decide what an OOM does.
type Settings struct {
	PanicOnOOM            *int    `json:"panic_on_oom,omitempty"`
	OOMKillAllocatingTask *int    `json:"oom_kill_allocating_task,omitempty"`
	OvercommitMemory      *int    `json:"overcommit_memory,omitempty"`
	Swappiness            *int    `json:"swappiness,omitempty"`
	SwapTotalBytes        *uint64 `json:"swap_total_bytes,omitempty"`
	AgeMS                 *int64  `json:"age_ms,omitempty"` // read so long after (before: negative) the event, all but kdump
	Kdump                 *Kdump  `json:"kdump,omitempty"`
}

// Kdump is whether and how a crash would be dumped.
type Kdump struct {
	Loaded        *bool   `json:"loaded,omitempty"`         // /sys/kernel/kexec_crash_loaded
	ReservedBytes *uint64 `json:"reserved_bytes,omitempty"` // /sys/kernel/kexec_crash_size
	Crashkernel   string  `json:"crashkernel,omitempty"`    // from the command line
	Tool          string  `json:"tool,omitempty"`           // kdump-tools, kdump.conf, sysconfig
	Collector     string  `json:"collector,omitempty"`      // makedumpfile, vmcore copy, …
	DumpLevel     *int    `json:"dump_level,omitempty"`
	Target        string  `json:"target,omitempty"`
}

// SnapshotState says what came of reading /proc for a kill.
type SnapshotState struct {
	// State is ok, late (an oom.snapshot follows), gone (the process was not
	// there any more), blocked, or off (not looked up: see session.start).
	State string `json:"state"`
	AgeMS *int64 `json:"age_ms,omitempty"`
}

// Detail continues an oom.kill that did not fit one line: each of Limit, Memory and
// Frames goes on where the kill has it.
type Detail struct {
	Episode string  `json:"episode"`
	PID     int     `json:"pid"`
	Part    int     `json:"part"` // from 1
	Parts   int     `json:"parts"`
	Limit   *Limit  `json:"limit,omitempty"` // its Stat
	Memory  *Memory `json:"memory,omitempty"`
	Frames  []Frame `json:"frames,omitempty"` // the further frames of the stack
	// Candidates are the further ones.
	Candidates []Candidate `json:"candidates,omitempty"`
	LeadUp     *LeadUp     `json:"lead_up,omitempty"`
}

// SnapshotLate is what /proc said after the kill's line was out.
type SnapshotLate struct {
	Episode  string        `json:"episode"`
	PID      int           `json:"pid"`
	Victim   *Task         `json:"victim,omitempty"`
	Parents  []Parent      `json:"parents,omitempty"` // the victim's
	Trigger  *Task         `json:"trigger,omitempty"`
	Limit    *Limit        `json:"limit,omitempty"` // what was read of it
	Memory   *Memory       `json:"memory,omitempty"`
	Settings *Settings     `json:"settings,omitempty"`
	Snapshot SnapshotState `json:"snapshot"`
}

// ClockOp is the system call that changed the clock.
type ClockOp string

// Clock operations.
const (
	OpAdjtimex     ClockOp = "adjtimex"
	OpClockAdjtime ClockOp = "clock_adjtime"
	OpSettimeofday ClockOp = "settimeofday"
	OpClockSettime ClockOp = "clock_settime"
)

// ClockKind is what a call did to the clock.
type ClockKind string

// Clock kinds.
const (
	KindStep      ClockKind = "step"
	KindSlew      ClockKind = "slew"
	KindFrequency ClockKind = "frequency"
	KindTick      ClockKind = "tick"
	KindStatus    ClockKind = "status"
	KindLeap      ClockKind = "leap"
	KindTAI       ClockKind = "tai"
)

// Clock is one call that changed, or tried to change, the clock.
type Clock struct {
	Op       ClockOp   `json:"op,omitempty"`       // absent when no known system call did it
	Function string    `json:"function,omitempty"` // the kernel function or tracepoint seen
	Kind     ClockKind `json:"kind"`
	Process  Task      `json:"process"`
	// Daemon says whether the caller is a time daemon; absent when /proc did not
	// tell, as of a process that has ended.
	Daemon *bool `json:"daemon,omitempty"`
	// StepNS is the change of (REALTIME - BOOTTIME).
	StepNS      *int64 `json:"step_ns,omitempty"`
	StepErrorNS *int64 `json:"step_error_ns,omitempty"` // bound
	StepSource  string `json:"step_source,omitempty"`   // argument, offset, timerfd
	// SlewNS is the offset to be slewed away (ADJ_OFFSET, ADJ_OFFSET_SINGLESHOT).
	SlewNS *int64      `json:"slew_ns,omitempty"`
	Modes  []string    `json:"modes,omitempty"` // ADJ_…, lower case without the prefix
	Before *ClockState `json:"before,omitempty"`
	After  *ClockState `json:"after,omitempty"`
	// Result is the clock state that a call returned that succeeded: ok, ins, del,
	// oop, wait, or error, which is a clock that is not synchronised.
	Result string `json:"result,omitempty"`
	Errno  string `json:"errno,omitempty"` // EPERM, …: the call failed and changed nothing
}

// ClockState is the kernel's clock discipline.
type ClockState struct {
	FreqPPM *float64 `json:"freq_ppm,omitempty"`
	TickUS  *int64   `json:"tick_us,omitempty"`
	// RatePPM is (tick_us·USER_HZ/10^6 - 1)·10^6 + freq_ppm.
	RatePPM    *float64 `json:"rate_ppm,omitempty"`
	Status     []string `json:"status,omitzero"` // STA_…, lower case without the prefix
	TAIS       *int     `json:"tai_s,omitempty"`
	OffsetNS   *int64   `json:"offset_ns,omitempty"`
	MaxErrorUS *int64   `json:"maxerror_us,omitempty"`
	EstErrorUS *int64   `json:"esterror_us,omitempty"`
	AgeMS      *int64   `json:"age_ms,omitempty"` // before: how old that state was
}

// ClockSummary counts a time daemon's discipline over an interval.
type ClockSummary struct {
	Process    Task        `json:"process"`
	IntervalMS int64       `json:"interval_ms"`
	Calls      uint64      `json:"calls"`
	MinFreqPPM *float64    `json:"min_freq_ppm,omitempty"`
	MaxFreqPPM *float64    `json:"max_freq_ppm,omitempty"`
	After      *ClockState `json:"after,omitempty"` // the last state
}

// ClockStep is a set of the clock that no event explains.
type ClockStep struct {
	StepNS      int64  `json:"step_ns"`
	StepErrorNS int64  `json:"step_error_ns"`
	StepSource  string `json:"step_source"` // timerfd
}

// Verdict is who sent a SIGKILL, as far as names tell.
type Verdict string

// Verdicts.
const (
	VerdictKernelOOM   Verdict = "kernel-oom" // only where OOM kills have no event of their own
	VerdictKernel      Verdict = "kernel"     // for another reason than memory, or one not known
	VerdictSystemdOOMD Verdict = "systemd-oomd"
	VerdictEarlyOOM    Verdict = "earlyoom"
	VerdictKubelet     Verdict = "kubelet"
	VerdictRuntime     Verdict = "runtime" // a container runtime
	VerdictSystemd     Verdict = "systemd"
	VerdictOther       Verdict = "other"
)

// Via is how a SIGKILL came to be sent.
type Via string

// Ways.
const (
	ViaKill          Via = "kill" // kill(2) or pidfd_send_signal(2), to a group of processes too
	ViaTgkill        Via = "tgkill"
	ViaSigqueue      Via = "sigqueue"
	ViaTimer         Via = "timer"
	ViaCgroupKill    Via = "cgroup.kill"
	ViaPIDNamespace  Via = "pid-namespace" // its init ended
	ViaParentDeath   Via = "parent-death"  // PR_SET_PDEATHSIG
	ViaPtrace        Via = "ptrace"
	ViaCPULimit      Via = "cpu-limit" // RLIMIT_CPU, RLIMIT_RTTIME
	ViaMemoryFailure Via = "memory-failure"
	ViaSysrq         Via = "sysrq"
	ViaBPF           Via = "bpf"
	ViaOOMKiller     Via = "oom-killer"
)

// Sigkill is one process that a SIGKILL ended, whoever sent it.
type Sigkill struct {
	Victim Task `json:"victim"`
	// Sender is who caused the signal; absent where nobody did, or it cannot be told.
	Sender  *Task   `json:"sender,omitempty"`
	Verdict Verdict `json:"verdict"`
	// VerdictSource is by what of the sender it was found: via, exe, unit or comm.
	VerdictSource string `json:"verdict_source,omitempty"`
	Via           Via    `json:"via,omitempty"` // absent when it is not known
	// Sources names every field that did not come from the best rung.
	Sources  map[string]string `json:"sources,omitempty"`
	Snapshot *SnapshotState    `json:"snapshot,omitempty"`
}

// SampleReason is why a sample was taken.
type SampleReason string

// Reasons.
const (
	SampleInterval SampleReason = "interval"
	SamplePressure SampleReason = "pressure" // tasks wait for memory
)

// Sample is the machine's memory at one moment.
type Sample struct {
	Reason SampleReason `json:"reason"`
	// SpanMS is the time since the sample before, in which what is counted was
	// counted; absent in the first.
	SpanMS   *int64    `json:"span_ms,omitempty"`
	Memory   *Memory   `json:"memory,omitempty"`
	Pressure *Pressure `json:"pressure,omitempty"`
	Reclaim  *Reclaim  `json:"reclaim,omitempty"`
	// Growers and CgroupGrowers are those of the last ten minutes.
	Growers       []Grower       `json:"growers,omitempty"`
	CgroupGrowers []CgroupGrower `json:"cgroup_growers,omitempty"`
	CPUUS         *int64         `json:"cpu_us,omitempty"` // processor time that it took
}

// KernelBoot is the begin of a boot, as the log has it.
type KernelBoot struct {
	Release     string `json:"release"` // uname -r
	CommandLine string `json:"command_line,omitempty"`
}

// KernelPanic is a panic for another reason than memory; one for that is an [NoKill].
type KernelPanic struct {
	Message string `json:"message"` // what stands behind "Kernel panic - "
}
