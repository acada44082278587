// SPDX-License-Identifier: Apache-2.0

package event

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
