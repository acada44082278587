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
