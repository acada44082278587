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
	TypeClockAdjust  Type = "clock.adjust"
	TypeClockSummary Type = "clock.summary"
	TypeClockStep    Type = "clock.step"
	TypeSample       Type = "sample"
	TypeLost         Type = "lost"
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
	Host       *Host     `json:"host,omitempty"`
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
	Clock        *Clock        `json:"-"`
	ClockSummary *ClockSummary `json:"-"`
	ClockStep    *ClockStep    `json:"-"`
	Sample       *Sample       `json:"-"`
	Lost         *Lost         `json:"-"`
}

// Source says where an event comes from.
type Source string

// Sources.
const (
	SourceBPF     Source = "bpf"
	SourceTimerFD Source = "timerfd"
	SourceProc    Source = "proc"
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
	Fact string `json:"fact"` // kill, trigger, invocation, adjtimex, settime, warp, clock-step, symbols, pressure
	// Method is the rung that serves, such as "tp_btf signal_generate +
	// mark_victim"; absent when none does.
	Method string `json:"method,omitempty"`
	OK     bool   `json:"ok"`
	// Reason says why better rungs are not used, or why none works.
	Reason string `json:"reason,omitempty"`
}

// SessionStart opens a stream.
type SessionStart struct {
	Version  string    `json:"version"`
	Hooks    []Hook    `json:"hooks"`
	Settings *Settings `json:"settings,omitempty"`
	// Locked says whether the tracer's memory is locked against reclaim.
	Locked bool `json:"locked"`
	// OOMScoreAdj is the tracer's own.
	OOMScoreAdj *int     `json:"oom_score_adj,omitempty"`
	Filters     []string `json:"filters,omitempty"` // what the reader asked to see, "pid=12"
	Warnings    []string `json:"warnings,omitempty"`
	// InitPIDNamespace is false when the tracer runs in another than the initial
	// pid namespace: then no /proc look-up is made.
	InitPIDNamespace *bool `json:"init_pid_namespace,omitempty"`
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
	// ClockReads counts adjtimex calls that changed nothing, dropped in the
	// kernel.
	ClockReads *uint64 `json:"clock_reads,omitempty"`
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
	// boottime_ns of the invocation of the OOM killer.
	Episode string `json:"episode"`
	Scope   Scope  `json:"scope,omitempty"`
	Choice  Choice `json:"choice,omitempty"`
	Role    Role   `json:"role"`
	Message string `json:"message,omitempty"` // the kernel's, "Memory cgroup out of memory"
	Victim  Victim `json:"victim"`
	Trigger *Task  `json:"trigger,omitempty"`
	Limit   *Limit `json:"limit,omitempty"`
	// Sources names every field that did not come from the best rung:
	// hook, computed, proc, kmsg.
	Sources map[string]string `json:"sources,omitempty"`
	LeadUp  *LeadUp           `json:"lead_up,omitempty"`
	Memory  *Memory           `json:"memory,omitempty"`
	Stack   *Stack            `json:"stack,omitempty"`
	// Settings are those in force when they were last read.
	Settings *Settings      `json:"settings,omitempty"`
	Snapshot *SnapshotState `json:"snapshot,omitempty"`
	// Details counts the oom.detail lines that follow, which hold the stack's
	// frames and the lead-up; 0 when all is here.
	Details int `json:"details,omitempty"`
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
	PID             int        `json:"pid"` // thread-group leader
	TID             *int       `json:"tid,omitempty"`
	Comm            *string    `json:"comm,omitempty"`
	CommHex         string     `json:"comm_hex,omitempty"`
	Cmdline         *string    `json:"cmdline,omitempty"`
	CmdlineHex      string     `json:"cmdline_hex,omitempty"`
	Exe             *string    `json:"exe,omitempty"`
	ExeHex          string     `json:"exe_hex,omitempty"`
	UID             *uint32    `json:"uid,omitempty"`
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

// Limit is the limit that was hit.
type Limit struct {
	Kind       LimitKind `json:"kind,omitempty"`
	Cgroup     *Cgroup   `json:"cgroup,omitempty"` // whose limit
	Bytes      *uint64   `json:"bytes,omitempty"`
	Unlimited  *bool     `json:"unlimited,omitempty"`
	UsageBytes *uint64   `json:"usage_bytes,omitempty"`
	SwapBytes  *uint64   `json:"swap_bytes,omitempty"`
	OOMGroup   *bool     `json:"oom_group,omitempty"` // memory.oom.group applies to the victim
}

// Memory is the machine's memory.
type Memory struct {
	TotalBytes     *uint64 `json:"total_bytes,omitempty"`
	FreeBytes      *uint64 `json:"free_bytes,omitempty"`
	AvailableBytes *uint64 `json:"available_bytes,omitempty"`
	CachedBytes    *uint64 `json:"cached_bytes,omitempty"`
	ShmemBytes     *uint64 `json:"shmem_bytes,omitempty"`
	SlabBytes      *uint64 `json:"slab_bytes,omitempty"`
	SwapTotalBytes *uint64 `json:"swap_total_bytes,omitempty"`
	SwapFreeBytes  *uint64 `json:"swap_free_bytes,omitempty"`
	Source         string  `json:"source,omitempty"` // meminfo
	AgeMS          *int64  `json:"age_ms,omitempty"` // read so long after (before: negative) the event
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

// Detail continues an oom.kill that did not fit one line.
type Detail struct {
	Episode string  `json:"episode"`
	PID     int     `json:"pid"`
	Part    int     `json:"part"` // from 1
	Parts   int     `json:"parts"`
	Frames  []Frame `json:"frames,omitempty"`  // the further frames of the stack
	LeadUp  *LeadUp `json:"lead_up,omitempty"` // the kill's
}

// SnapshotLate is what /proc said after the kill's line was out.
type SnapshotLate struct {
	Episode  string        `json:"episode"`
	PID      int           `json:"pid"`
	Victim   *Task         `json:"victim,omitempty"`
	Trigger  *Task         `json:"trigger,omitempty"`
	Memory   *Memory       `json:"memory,omitempty"`
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
