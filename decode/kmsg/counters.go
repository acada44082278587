// SPDX-License-Identifier: Apache-2.0

package kmsg

// Counters are the counters of memory that a report lists for the machine (in pages),
// a node or a zone (in KiB): show_free_areas, mm/show_mem.c, before 6.4 mm/page_alloc.c.
// Each kernel has some of them.
type Counters struct {
	ActiveAnon, InactiveAnon, IsolatedAnon Num
	ActiveFile, InactiveFile, IsolatedFile Num
	Unevictable, Mlocked                   Num
	Dirty, Writeback, WritebackTmp         Num
	WritePending, Unstable                 Num
	SlabReclaimable, SlabUnreclaimable     Num
	KernelMiscReclaimable                  Num
	Mapped, Shmem, Bounce                  Num
	ShmemTHP, ShmemPMDMapped               Num
	AnonTHP, FileTHP                       Num
	KernelStack, ShadowCallStack           Num
	Pagetables, SecPagetables              Num
	Free, FreePCP, LocalPCP, FreeCMA       Num
	Balloon, GPUActive, GPUReclaim         Num
	Zspages                                Num
	Buffer, PagesScanned                   Num
	// Of a zone: its watermarks, what is kept from others, its size.
	Boost, Min, Low, High              Num
	ReservedHighatomic, FreeHighatomic Num
	Spanned, Present, Managed          Num
	// AllUnreclaimable is 1 where the kernel had given up on it, else 0.
	AllUnreclaimable Num
	// Other are those that this version does not know, as the kernel names them; the
	// first maxOther of them.
	Other []Named
}

// Named is a number with the kernel's name for it.
type Named struct {
	Name string
	N    uint64
}

// maxOther bounds what is kept of counters without a field.
const maxOther = 16

// field returns the counter that the kernel calls name, nil if there is none.
func (c *Counters) field(name []byte) *Num {
	switch string(name) {
	case "active_anon", "active":
		return &c.ActiveAnon
	case "inactive_anon", "inactive":
		return &c.InactiveAnon
	case "isolated_anon", "isolated(anon)":
		return &c.IsolatedAnon
	case "active_file":
		return &c.ActiveFile
	case "inactive_file":
		return &c.InactiveFile
	case "isolated_file", "isolated(file)":
		return &c.IsolatedFile
	case "unevictable":
		return &c.Unevictable
	case "mlocked":
		return &c.Mlocked
	case "dirty":
		return &c.Dirty
	case "writeback":
		return &c.Writeback
	case "writeback_tmp":
		return &c.WritebackTmp
	case "writepending":
		return &c.WritePending
	case "unstable":
		return &c.Unstable
	case "slab_reclaimable":
		return &c.SlabReclaimable
	case "slab_unreclaimable":
		return &c.SlabUnreclaimable
	case "kernel_misc_reclaimable":
		return &c.KernelMiscReclaimable
	case "mapped":
		return &c.Mapped
	case "shmem":
		return &c.Shmem
	case "shmem_thp":
		return &c.ShmemTHP
	case "shmem_pmdmapped":
		return &c.ShmemPMDMapped
	case "anon_thp":
		return &c.AnonTHP
	case "file_thp":
		return &c.FileTHP
	case "bounce":
		return &c.Bounce
	case "kernel_stack":
		return &c.KernelStack
	case "shadow_call_stack":
		return &c.ShadowCallStack
	case "pagetables":
		return &c.Pagetables
	case "sec_pagetables":
		return &c.SecPagetables
	case "free":
		return &c.Free
	case "free_pcp":
		return &c.FreePCP
	case "local_pcp":
		return &c.LocalPCP
	case "free_cma":
		return &c.FreeCMA
	case "Balloon", "balloon":
		return &c.Balloon
	case "gpu_active":
		return &c.GPUActive
	case "gpu_reclaim":
		return &c.GPUReclaim
	case "zspages":
		return &c.Zspages
	case "buffer":
		return &c.Buffer
	case "pages_scanned":
		return &c.PagesScanned
	case "boost":
		return &c.Boost
	case "min":
		return &c.Min
	case "low":
		return &c.Low
	case "high":
		return &c.High
	case "reserved_highatomic":
		return &c.ReservedHighatomic
	case "free_highatomic":
		return &c.FreeHighatomic
	case "spanned":
		return &c.Spanned
	case "present":
		return &c.Present
	case "managed":
		return &c.Managed
	}
	return nil
}
