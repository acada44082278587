// SPDX-License-Identifier: Apache-2.0

package event

// Memory is the machine's memory.
type Memory struct {
	TotalBytes             *uint64 `json:"total_bytes,omitempty"`
	FreeBytes              *uint64 `json:"free_bytes,omitempty"`
	AvailableBytes         *uint64 `json:"available_bytes,omitempty"`
	CachedBytes            *uint64 `json:"cached_bytes,omitempty"` // shmem included
	ShmemBytes             *uint64 `json:"shmem_bytes,omitempty"`
	SlabBytes              *uint64 `json:"slab_bytes,omitempty"`
	SwapTotalBytes         *uint64 `json:"swap_total_bytes,omitempty"`
	SwapFreeBytes          *uint64 `json:"swap_free_bytes,omitempty"`
	Source                 string  `json:"source,omitempty"` // meminfo, kmsg
	AgeMS                  *int64  `json:"age_ms,omitempty"` // read so long after (before: negative) the event
	AnonBytes              *uint64 `json:"anon_bytes,omitempty"`
	ActiveAnonBytes        *uint64 `json:"active_anon_bytes,omitempty"`
	InactiveAnonBytes      *uint64 `json:"inactive_anon_bytes,omitempty"`
	ActiveFileBytes        *uint64 `json:"active_file_bytes,omitempty"`
	InactiveFileBytes      *uint64 `json:"inactive_file_bytes,omitempty"`
	UnevictableBytes       *uint64 `json:"unevictable_bytes,omitempty"`
	MlockedBytes           *uint64 `json:"mlocked_bytes,omitempty"`
	SlabReclaimableBytes   *uint64 `json:"slab_reclaimable_bytes,omitempty"`
	SlabUnreclaimableBytes *uint64 `json:"slab_unreclaimable_bytes,omitempty"`
	KernelStackBytes       *uint64 `json:"kernel_stack_bytes,omitempty"`
	PagetablesBytes        *uint64 `json:"pagetables_bytes,omitempty"`
	CommittedBytes         *uint64 `json:"committed_bytes,omitempty"`    // Committed_AS
	HugetlbBytes           *uint64 `json:"hugetlb_bytes,omitempty"`      // of all sizes
	HugetlbFreeBytes       *uint64 `json:"hugetlb_free_bytes,omitempty"` // of the default size
	// The following are told by the log's Mem-Info alone.
	IsolatedAnonBytes          *uint64 `json:"isolated_anon_bytes,omitempty"` // taken off the LRU lists for reclaim
	IsolatedFileBytes          *uint64 `json:"isolated_file_bytes,omitempty"`
	DirtyBytes                 *uint64 `json:"dirty_bytes,omitempty"`
	WritebackBytes             *uint64 `json:"writeback_bytes,omitempty"`
	MappedBytes                *uint64 `json:"mapped_bytes,omitempty"`
	BounceBytes                *uint64 `json:"bounce_bytes,omitempty"`
	SecPagetablesBytes         *uint64 `json:"sec_pagetables_bytes,omitempty"`
	KernelMiscReclaimableBytes *uint64 `json:"kernel_misc_reclaimable_bytes,omitempty"`
	FreePCPBytes               *uint64 `json:"free_pcp_bytes,omitempty"` // on the CPUs' own lists
	FreeCMABytes               *uint64 `json:"free_cma_bytes,omitempty"`
	SwapCachedBytes            *uint64 `json:"swap_cached_bytes,omitempty"`
	ReservedBytes              *uint64 `json:"reserved_bytes,omitempty"` // of RAM, not for the page allocator
	// Slabs are the caches of most unreclaimable slab, which the log lists when that is
	// more than what processes have.
	Slabs []Slab `json:"slabs,omitempty"`
	// Zones are those that have memory, of the nodes allowed where these are known;
	// only where the machine, or its nodes, ran out.
	Zones []Zone `json:"zones,omitempty"`
}

// Slab is a cache of the slab allocator.
type Slab struct {
	Name       string `json:"name"`
	UsedBytes  uint64 `json:"used_bytes"`  // by objects in use
	TotalBytes uint64 `json:"total_bytes"` // taken from the page allocator
}

// Zone is a memory zone of a NUMA node: an allocation of one page fails where
// FreeBytes is below the watermark MinBytes and the protection.
type Zone struct {
	Node         int     `json:"node"`
	Name         string  `json:"name"` // DMA, DMA32, Normal, Movable
	FreeBytes    *uint64 `json:"free_bytes,omitempty"`
	MinBytes     *uint64 `json:"min_bytes,omitempty"`
	LowBytes     *uint64 `json:"low_bytes,omitempty"`
	HighBytes    *uint64 `json:"high_bytes,omitempty"`
	ManagedBytes *uint64 `json:"managed_bytes,omitempty"`
	PresentBytes *uint64 `json:"present_bytes,omitempty"`
	// LargestFreeOrder is the order of the largest free block; FreeBlocks counts them
	// by order. Only for an allocation of more than one page.
	LargestFreeOrder *int     `json:"largest_free_order,omitempty"`
	FreeBlocks       []uint64 `json:"free_blocks,omitempty"`
	// ProtectionBytes is what is kept from allocations that could use a higher zone
	// too, by the number of that zone.
	ProtectionBytes []uint64 `json:"protection_bytes,omitempty"`
}
