// SPDX-License-Identifier: Apache-2.0

package event

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
