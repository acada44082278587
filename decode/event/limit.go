// SPDX-License-Identifier: Apache-2.0

package event

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

// LimitOwner is whose a cgroup's limit is, to the victim.
type LimitOwner string

// Owners of a limit.
const (
	OwnerOwn       LimitOwner = "own"       // the victim's cgroup itself
	OwnerContainer LimitOwner = "container" // its container, from further out
	OwnerPod       LimitOwner = "pod"
	OwnerUnit      LimitOwner = "unit" // its systemd unit, from further out
	OwnerSlice     LimitOwner = "slice"
	OwnerParent    LimitOwner = "parent" // another cgroup above
)

// Limit is the limit that was hit.
type Limit struct {
	Kind       LimitKind  `json:"kind,omitempty"`
	Owner      LimitOwner `json:"owner,omitempty"`
	Cgroup     *Cgroup    `json:"cgroup,omitempty"` // whose limit
	Nodes      string     `json:"nodes,omitempty"`  // of kind nodes: the NUMA nodes allowed, "0-1"
	Bytes      *uint64    `json:"bytes,omitempty"`
	Unlimited  *bool      `json:"unlimited,omitempty"`
	UsageBytes *uint64    `json:"usage_bytes,omitempty"`
	SwapBytes  *uint64    `json:"swap_bytes,omitempty"`
	OOMGroup   *bool      `json:"oom_group,omitempty"` // memory.oom.group applies to the victim
	// HighBytes, where reclaim begins, is absent when unlimited. That and the
	// protections MinBytes and LowBytes are of cgroup v2.
	HighBytes *uint64       `json:"high_bytes,omitempty"`
	MinBytes  *uint64       `json:"min_bytes,omitempty"`
	LowBytes  *uint64       `json:"low_bytes,omitempty"`
	Events    *CgroupEvents `json:"events,omitempty"`
	Stat      *CgroupStat   `json:"stat,omitempty"`
}

// CgroupEvents are a cgroup's counters since it was made, this kill included: of v2
// with those of the cgroups below, of v1 its own.
type CgroupEvents struct {
	Low          *uint64 `json:"low,omitempty"`  // reclaimed below memory.low
	High         *uint64 `json:"high,omitempty"` // throttled at memory.high
	Max          *uint64 `json:"max,omitempty"`  // about to go over memory.max
	OOM          *uint64 `json:"oom,omitempty"`  // at the limit, and reclaim did not help
	OOMKill      *uint64 `json:"oom_kill,omitempty"`
	OOMGroupKill *uint64 `json:"oom_group_kill,omitempty"`
	FailCnt      *uint64 `json:"failcnt,omitempty"` // v1: charges that met the limit
}

// CgroupStat is what a cgroup's memory is, with the cgroups below it. It is read
// after the kill, so it may lack what the victim has given back already.
type CgroupStat struct {
	AnonBytes              *uint64 `json:"anon_bytes,omitempty"`
	FileBytes              *uint64 `json:"file_bytes,omitempty"` // shmem included
	ShmemBytes             *uint64 `json:"shmem_bytes,omitempty"`
	KernelBytes            *uint64 `json:"kernel_bytes,omitempty"` // those below and more
	SlabBytes              *uint64 `json:"slab_bytes,omitempty"`
	KernelStackBytes       *uint64 `json:"kernel_stack_bytes,omitempty"`
	PagetablesBytes        *uint64 `json:"pagetables_bytes,omitempty"`
	AgeMS                  *int64  `json:"age_ms,omitempty"` // read so long after the event
	SlabReclaimableBytes   *uint64 `json:"slab_reclaimable_bytes,omitempty"`
	SlabUnreclaimableBytes *uint64 `json:"slab_unreclaimable_bytes,omitempty"`
	PercpuBytes            *uint64 `json:"percpu_bytes,omitempty"`
	VmallocBytes           *uint64 `json:"vmalloc_bytes,omitempty"`
	SockBytes              *uint64 `json:"sock_bytes,omitempty"`
	ZswapBytes             *uint64 `json:"zswap_bytes,omitempty"`
	FileMappedBytes        *uint64 `json:"file_mapped_bytes,omitempty"`
	FileDirtyBytes         *uint64 `json:"file_dirty_bytes,omitempty"`
	FileWritebackBytes     *uint64 `json:"file_writeback_bytes,omitempty"`
	ActiveAnonBytes        *uint64 `json:"active_anon_bytes,omitempty"`
	InactiveAnonBytes      *uint64 `json:"inactive_anon_bytes,omitempty"`
	ActiveFileBytes        *uint64 `json:"active_file_bytes,omitempty"`
	InactiveFileBytes      *uint64 `json:"inactive_file_bytes,omitempty"`
	UnevictableBytes       *uint64 `json:"unevictable_bytes,omitempty"`
}
