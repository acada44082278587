// SPDX-License-Identifier: Apache-2.0

package event

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
