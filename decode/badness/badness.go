// SPDX-License-Identifier: Apache-2.0

// Package badness is the arithmetic by which the kernel's OOM killer ranks
// processes: oom_badness and constrained_alloc (mm/oom_kill.c).
package badness

// The range of oom_score_adj (include/uapi/linux/oom.h). A process at MinAdj is
// never chosen.
const (
	MinAdj = -1000
	MaxAdj = 1000
)

// Memory is what counts of a process.
type Memory struct {
	RSSPages      uint64 // anonymous, file and shmem pages
	SwapPages     uint64 // swap entries
	PgtablesBytes uint64
}

// Pages is the sum, in pages of pageSize bytes.
func (m Memory) Pages(pageSize uint64) uint64 {
	return m.RSSPages + m.SwapPages + m.PgtablesBytes/pageSize
}

// AdjPages is what an oom_score_adj adds where allowed pages may be used. The kernel
// divides first: below 1000 pages it adds nothing.
func AdjPages(adj int, allowed uint64) int64 { return int64(adj) * int64(allowed/1000) }

// Points are the pages of a process and what its oom_score_adj adds: who has most is
// chosen, even if that is less than 0.
func Points(pages uint64, adj int, allowed uint64) int64 {
	return int64(pages) + AdjPages(adj, allowed)
}

// Permille is a part of the allowed pages; ok is false when none are.
func Permille(pages int64, allowed uint64) (permille int64, ok bool) {
	if int64(allowed) <= 0 {
		return 0, false
	}
	return pages * 1000 / int64(allowed), true
}

// MemcgAllowed is how many pages are allowed when the limit of a memory cgroup was
// hit (mem_cgroup_get_max, mm/memcontrol.c): max, and unless its swappiness is 0 as
// much of the machine's totalSwap as swapMax lets it use beside that.
func MemcgAllowed(max, swapMax, totalSwap uint64, swappiness int) uint64 {
	if swappiness > 0 {
		max += min(swapMax, totalSwap)
	}
	if max == 0 {
		return 1
	}
	return max
}
