// SPDX-License-Identifier: Apache-2.0

package kmsg

import "time"

// Item is what a Parser makes of a log: *[Kill], *[NoKill], *[Reaped], *[Panic] or
// *[Boot].
type Item interface {
	// When says when, and where in the log.
	When() Moment
	// BootIndex is the boot's number within the log, from 0.
	BootIndex() int

	header() *Header
}

// Header is what all items have.
type Header struct {
	Moment
	Boot int // the boot's number within the log, from 0
	// Host is the machine's name, BootID 32 hex digits, where the framing has them.
	Host, BootID string
	// Release is the kernel's, as uname -r has it, where the log has told it for this
	// boot; PageSize likewise, in bytes, else 0.
	Release  string
	PageSize int
}

// When implements [Item].
func (h *Header) When() Moment { return h.Moment }

// BootIndex implements [Item].
func (h *Header) BootIndex() int { return h.Boot }

func (h *Header) header() *Header { return h }

// Kill is one process that the OOM killer killed. Its time is that of the line that
// says so.
type Kill struct {
	Header
	// Report is the invocation that it was killed in, shared with the other items of
	// it. It is never nil; of a storm's kill, whose report the kernel left out, it
	// holds next to nothing.
	Report *Report
	Role   Role
	// Message is what stands before "Killed process", such as "Out of memory". Old
	// kernels have it in the line of the choice.
	Message string
	PID     int    // of the process, or of a thread where its leader was dead
	Comm    string // raw bytes
	HasComm bool
	UID     Num
	// What the process had, in KiB.
	TotalVMKB, AnonRSSKB, FileRSSKB, ShmemRSSKB, PgtablesKB Num
	OOMScoreAdj                                             Int
	// Parent is the process that was chosen where the victim is a child of it, which
	// kernels before 5.3 sacrificed in its place; else 0.
	Parent     int
	ParentComm string
	// Concluded: no line says that it was killed. The kernel names who it is about to
	// kill, and the log ends there, or goes on without the line that follows. Where
	// the kernel is one that may kill a child in place of the chosen one, the victim
	// may be such a child.
	Concluded bool
}

// Role is a killed process's part in an invocation.
type Role string

// Roles.
const (
	RoleChosen   Role = "chosen"
	RoleGroup    Role = "group"     // memory.oom.group
	RoleSharedMM Role = "shared_mm" // has the victim's memory, and is not of its process
)

// NoKill is an invocation that killed nobody, as far as the log tells.
type NoKill struct {
	Header
	Report  *Report // never nil
	Reason  Reason
	Message string // the kernel's
	// PID and Comm are the victim's where it was dying already; else 0.
	PID  int
	Comm string
}

// Reason is why nobody was killed.
type Reason string

// Reasons.
const (
	ReasonNoCandidate   Reason = "no_candidate"   // nobody can be killed
	ReasonChosenExiting Reason = "chosen_exiting" // the chosen one was dying already
	ReasonDisabled      Reason = "oom_disabled"   // the OOM killer was off
	ReasonPanic         Reason = "panic"          // the kernel panicked instead
	// ReasonUnknown: the log does not tell how the invocation ended.
	ReasonUnknown Reason = "unknown"
)

// Reaped is the OOM reaper's word on a victim.
type Reaped struct {
	Header
	PID  int
	Comm string
	// What it could not take, in KiB.
	AnonRSSKB, FileRSSKB, ShmemRSSKB Num
	// Failed: it could not take anything, and has given up.
	Failed bool
	// Episode is that of the victim's kill, After the time since then; "" and 0 where
	// the log does not have the kill, HasAfter false where it has no stamps.
	Episode  string
	After    time.Duration
	HasAfter bool
}

// Panic is a panic for another reason than memory; one for memory is a [NoKill].
type Panic struct {
	Header
	Message string // what stands behind "Kernel panic - "
}

// Boot is the begin of a boot in the log.
type Boot struct {
	Header
	CommandLine string // of the kernel
	Version     string // what stands behind "Linux version ", from the release on
}
