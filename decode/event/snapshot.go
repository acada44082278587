// SPDX-License-Identifier: Apache-2.0

package event

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
