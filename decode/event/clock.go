// SPDX-License-Identifier: Apache-2.0

package event

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
