// SPDX-License-Identifier: Apache-2.0

package event

// Settings are the sysctls and the kdump state that decide what an OOM does.
type Settings struct {
	PanicOnOOM            *int    `json:"panic_on_oom,omitempty"`
	OOMKillAllocatingTask *int    `json:"oom_kill_allocating_task,omitempty"`
	OvercommitMemory      *int    `json:"overcommit_memory,omitempty"`
	Swappiness            *int    `json:"swappiness,omitempty"`
	SwapTotalBytes        *uint64 `json:"swap_total_bytes,omitempty"`
	AgeMS                 *int64  `json:"age_ms,omitempty"` // read so long after (before: negative) the event, all but kdump
	Kdump                 *Kdump  `json:"kdump,omitempty"`
}

// Kdump is whether and how a crash would be dumped.
type Kdump struct {
	Loaded        *bool   `json:"loaded,omitempty"`         // /sys/kernel/kexec_crash_loaded
	ReservedBytes *uint64 `json:"reserved_bytes,omitempty"` // /sys/kernel/kexec_crash_size
	Crashkernel   string  `json:"crashkernel,omitempty"`    // from the command line
	Tool          string  `json:"tool,omitempty"`           // kdump-tools, kdump.conf, sysconfig
	Collector     string  `json:"collector,omitempty"`      // makedumpfile, vmcore copy, …
	DumpLevel     *int    `json:"dump_level,omitempty"`
	Target        string  `json:"target,omitempty"`
}
