// SPDX-License-Identifier: Apache-2.0

package explain

import "github.com/oomtrace/oomtrace/decode/event"

// Machine is what the machine that the timeline is from says of itself now. All of it
// is optional: what is nil or empty is not known.
type Machine struct {
	Settings Settings
	// Memory is /proc/meminfo, now; CommitLimitBytes and HugepageBytes are of it too.
	Memory           *event.Memory
	CommitLimitBytes *uint64
	HugepageBytes    *uint64 // the default size of a huge page
	HugepagesSpare   *uint64 // HugePages_Free less HugePages_Rsvd
	// CgroupVersion is of the hierarchy that has the memory controller: 1 or 2.
	CgroupVersion int
	Kubelet       *Kubelet // nil: not known whether it is a node
	Cgroups       []CgroupNow
	Units         []Unit
	// Immune are processes at oom_score_adj -1000, the largest first.
	Immune []Process
	Tmpfs  []Mount
	// Slabs are the caches that hold most memory, the largest first.
	Slabs []event.Slab
}

// Settings are sysctls and what else decides what an OOM does.
type Settings struct {
	event.Settings         // panic_on_oom, oom_kill_allocating_task, overcommit_memory, swappiness, kdump
	PanicSeconds   *int    // kernel.panic: 0 is to hang for ever
	MinFreeBytes   *uint64 // vm.min_free_kbytes
	Hugepages      *uint64 // vm.nr_hugepages
	ThreadsMax     *uint64 // kernel.threads-max
}

// Kubelet is what is known of a kubelet on the machine.
type Kubelet struct {
	Runs bool // the machine is a node
	// SwapBehavior is NoSwap or LimitedSwap, FailSwapOn whether it refuses to start
	// where there is swap; "" and nil: not known.
	SwapBehavior string
	FailSwapOn   *bool
}

// CgroupNow is a control group as it is now. A nil limit is not known, Unlimited says
// which of them are "max".
type CgroupNow struct {
	Cgroup       event.Cgroup
	MaxBytes     *uint64
	HighBytes    *uint64
	SwapMaxBytes *uint64
	UsageBytes   *uint64
	MaxUnlimited bool
}

// Unit is what systemd has of a unit, by the names of its properties.
type Unit struct {
	Name           string
	MemoryMax      string // "infinity", a number of bytes, "" not known
	MemoryHigh     string
	MemorySwapMax  string
	TasksMax       string
	OOMScoreAdjust string
}

// Process is a process that is there now.
type Process struct {
	PID      int
	Comm     *string
	CommHex  string
	RSSBytes uint64
	Unit     string
	Cgroup   string // its path; "" not known
}

// Mount is a mounted tmpfs.
type Mount struct {
	Target    string // where it is mounted
	SizeBytes uint64 // its size= option, or the default of it
	UsedBytes uint64
}

// node says whether the machine is, or by the paths of the incident must be, one that a
// kubelet runs on.
func (in *shortage) node() bool {
	if in.machine != nil && in.machine.Kubelet != nil {
		return in.machine.Kubelet.Runs
	}
	for _, k := range in.kills {
		for _, c := range []*event.Cgroup{k.Victim.Cgroup, limitCgroup(k.Kill)} {
			if c != nil && isKube(c.Path) {
				return true
			}
		}
		if k.Victim.Pod != nil {
			return true
		}
	}
	return false
}

// limitedSwap says that a kubelet lets pods have swap.
func (in *shortage) limitedSwap() bool {
	m := in.machine
	return m != nil && m.Kubelet != nil && m.Kubelet.SwapBehavior == "LimitedSwap"
}
