// SPDX-License-Identifier: Apache-2.0

package event

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
