// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"errors"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// ChildName is the comm and the argv[0] of the acting process, and begins the name
// of its cgroup. A watcher takes the two together for a simulation: anybody may
// choose a comm, but not a cgroup.
const ChildName = event.Simulator

// Unsupported is the error for what this machine, or these privileges, do not
// offer. errors.Is(err, errors.ErrUnsupported) holds for it.
type Unsupported struct {
	Missing string // what is missing
	Remedy  string // what would do
}

// Error names what is missing and what would do.
func (e *Unsupported) Error() string { return e.Missing + "; " + e.Remedy }

// Is makes the error an errors.ErrUnsupported.
func (e *Unsupported) Is(target error) bool { return target == errors.ErrUnsupported }

// ErrTooSmall is a limit that nothing could start below.
var ErrTooSmall = errors.New("too small for a process to start in")

// MemcgOptions configures a memory cgroup OOM. The zero value is ready.
type MemcgOptions struct {
	LimitBytes uint64        // of the cgroup; 0 means 64 MiB
	Timeout    time.Duration // for each kill to come; 0 means 30 s
	Count      int           // kills, one after the other; 0 means 1
	ProcFS     string        // "" means /proc
}

// MemcgResult is what a memory cgroup OOM did.
type MemcgResult struct {
	PID           int    `json:"pid"` // of the killed process
	Comm          string `json:"comm"`
	UID           int    `json:"uid"`
	Cgroup        string `json:"cgroup"` // from the hierarchy's root as it is mounted here
	CgroupVersion int    `json:"cgroup_version"`
	LimitBytes    uint64 `json:"limit_bytes"`
	TouchedBytes  uint64 `json:"touched_bytes"` // anonymous memory that it had touched
	// OOMKillsBefore and OOMKillsAfter are the cgroup's own count of kills;
	// absent where the kernel keeps none (before 4.13).
	OOMKillsBefore *uint64 `json:"oom_kills_before,omitempty"`
	OOMKillsAfter  *uint64 `json:"oom_kills_after,omitempty"`
}

// ClockOptions configures clock calls. The zero value is ready.
type ClockOptions struct {
	Count  int    // calls; 0 means 1
	ProcFS string // "" means /proc
}

// ClockResult is what the clock calls did.
type ClockResult struct {
	PID   int    `json:"pid"` // of the process that made the calls, ended by now
	Comm  string `json:"comm"`
	Calls int    `json:"calls"`
	// FreqBeforePPM was read before the first call, FreqAfterPPM after the last.
	FreqBeforePPM float64 `json:"freq_before_ppm"`
	FreqAfterPPM  float64 `json:"freq_after_ppm"`
	Mark
}

// SysrqOptions configures a global OOM kill by sysrq. The zero value is ready.
type SysrqOptions struct {
	HoldBytes uint64        // memory that the intended victim holds; 0 means 64 MiB
	Timeout   time.Duration // for the kill to come; 0 means 30 s
	ProcFS    string        // "" means /proc
}

// SysrqResult is what a global OOM kill by sysrq did.
type SysrqResult struct {
	PID       int    `json:"pid"` // of the killed process
	Comm      string `json:"comm"`
	HeldBytes uint64 `json:"held_bytes"`
	Mark
}

// Mark is what tells watchers that an event is simulated.
type Mark struct {
	Cgroup   string `json:"cgroup,omitempty"` // of the acting process, as MemcgResult's
	Unmarked error  `json:"-"`                // why there is none: watchers take the event for a real one
}

// Candidate is a process that the kernel might kill.
type Candidate struct {
	PID      int    `json:"pid"`
	Comm     string `json:"comm"`
	OOMScore int    `json:"oom_score"` // /proc/PID/oom_score
}

const (
	defaultBytes   = 64 << 20
	defaultTimeout = 30 * time.Second
	defaultProcFS  = "/proc"
)

// or returns v, or fallback where v is the zero value.
func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
