// SPDX-License-Identifier: Apache-2.0

package kmsg

import "github.com/oomtrace/oomtrace/decode/event"

// Report is what a log tells of one invocation of the OOM killer. What it does not
// tell, or tells so that it may be of another invocation at the same time, is absent.
type Report struct {
	// Header's time is that of the first line.
	Header
	// Headed: the first line is there ("… invoked oom-killer"). Without it the log
	// begins within the report, or the kernel left the report out (10 in 5 s at most).
	Headed bool
	// Mixed: lines of another invocation stood between these, and what could be of
	// either was left out.
	Mixed bool

	Trigger Trigger
	// Frames are the call trace, innermost first, without what the unwinder was not
	// sure of ("? …"), unless that is all there is: FramesGuessed.
	Frames        []event.Frame
	FramesGuessed bool

	Memcg *Memcg   // of the cgroup that ran out; nil if none did, or it is not told
	Mem   *MemInfo // of the machine; nil if not told
	Tasks *Tasks   // nil if not told

	// Constraint is the kernel's word: CONSTRAINT_NONE, CONSTRAINT_MEMCG, …; "" before 5.0.
	Constraint string
	// Policy is who decides, where a BPF program may ("oom_policy=…", a patch series for
	// 7.x): "default" is the kernel.
	Policy string
	// NodeMask and MemsAllowed are lists of nodes, "0-1"; NodeMask is "(null)" if there is
	// no such mask.
	NodeMask, MemsAllowed string
	Cpuset                string
	// Global: the log says that the machine ran out, and not a cgroup.
	Global bool
	// OOMMemcg is the cgroup that ran out, TaskMemcg the chosen one's; raw bytes.
	OOMMemcg, TaskMemcg string
	// Chosen is who was chosen, before the kernel looked whether it lives.
	Chosen Chosen
	// GroupOf is the cgroup that is killed as a whole (memory.oom.group).
	GroupOf string

	guessed   []event.Frame // frames that the unwinder was not sure of
	chosenAt  Header        // where Chosen was told
	chosenKey uint64
	killedAt  Moment // when the last kill was

	done      []done // kills so far
	ended     bool   // something was told of how it ended
	stage     stage
	touched   int64  // the number of the last record that it has taken
	caller    string // who prints it
	foreign   bool   // what follows is not the OOM killer's report
	counting  bool   // the machine's counters follow
	stats     bool   // memory.stat follows
	sites     bool   // "Memory allocations:" follow
	slabs     bool   // "Unreclaimable slab info:" follows
	reserveOf int    // 1 + the index of the zone that lowmem_reserve follows for
	perCPU    int    // lines of PerCPU
	percpu    int    // 1 + the index of the zone that they are of
}

// Trigger is the task for whose allocation the OOM killer was invoked.
type Trigger struct {
	Comm     string // raw bytes
	HasComm  bool
	TID      Num // of the thread
	UID      Num
	GFPMask  string // hex, without 0x
	GFPFlags []string
	Order    Int // -1: sysrq-f
	// OOMScoreAdj is its own; OOMAdj the older one, -17 to 15.
	OOMScoreAdj, OOMAdj Int
	CPU                 Num
	Release             string // the kernel's
}

// Chosen is who the kernel chose.
type Chosen struct {
	PID     int // 0: not told
	Comm    string
	UID     Num
	Score   Num // points in thousandths of what is allowed; before 5.3
	Message string
	Child   bool // the kernel may kill a child in its place (before 5.3)

	old bool // 2.6.32, which prints no more than a name when it kills
}

// Memcg is what a report says of the cgroup that ran out.
type Memcg struct {
	// Task and Limit are the paths of the task's cgroup and of the one that ran out,
	// before 5.0.
	Task, Limit string
	// Version is 1 or 2 where the counters tell; 0 if not.
	Version                        int
	Memory, MemorySwap, Swap, Kmem Usage
	MinKB, LowKB                   Num // protection, 7.0 and later
	StatsOf                        string
	Stats                          []Stat
	StatsLeftOut                   int
	done                           bool // those of its own are read
}

// Usage is a counter and its limit.
type Usage struct {
	UsageKB, LimitKB, Failcnt Num
	Unlimited                 bool // LimitKB is the kernel's largest number
}

// Stat is a number of a cgroup's memory.stat.
type Stat struct {
	Name string
	N    uint64 // bytes, or a count
}

// maxStats bounds Stats; 7.2 has 71.
const maxStats = 160

// Stat returns the number of that name.
func (mc *Memcg) Stat(name string) Num {
	for i := range mc.Stats {
		if mc.Stats[i].Name == name {
			return num(mc.Stats[i].N)
		}
	}
	return Num{}
}

// MemInfo is what a report says of the machine's memory.
type MemInfo struct {
	Pages   Counters // of the machine, in pages
	Nodes   []Node
	Zones   []Zone
	HugeTLB []HugeTLB
	Slabs   []Slab      // "Unreclaimable slab info:"
	Sites   []AllocSite // "Memory allocations:" (6.10, memory allocation profiling)
	LeftOut int         // nodes, zones and the like that were too many
	// In pages.
	PagecachePages, SwapCachePages           Num
	SwapAdd, SwapDelete, SwapHits, SwapFinds Num
	RAMPages, HighMemPages, ReservedPages    Num
	CMAReservedPages, HWPoisonedPages        Num
	SharedPages, NonSharedPages              Num
	FreeSwapKB, TotalSwapKB                  Num
}

// Node is a NUMA node; its counters are in KiB.
type Node struct {
	Node int
	Counters
}

// Zone is a zone of a node; its counters are in KiB.
type Zone struct {
	Node int
	Name string
	Counters
	// ProtectionPages is lowmem_reserve: what is kept from allocations that could use
	// a higher zone, by the number of that zone.
	ProtectionPages []uint64
	// Blocks counts free blocks by order; FreeBlocksKB is their sum, as printed.
	Blocks       []Block
	FreeBlocksKB Num
	PerCPU       []PerCPU // before 4.2
}

// Block is how many free blocks of a size there are.
type Block struct {
	Count  uint64
	SizeKB uint64
	Types  string // of whom, one letter each: U, M, E, R, H, C, I
}

// PerCPU is a CPU's own list of free pages in a zone, in pages.
type PerCPU struct {
	CPU, High, Batch, Used uint64
}

// HugeTLB is a pool of huge pages of a node.
type HugeTLB struct {
	Node                 int
	Total, Free, Surplus uint64
	SizeKB               uint64
}

// Slab is a cache of the slab allocator.
type Slab struct {
	Name            string
	UsedKB, TotalKB uint64
}

// AllocSite is a place in the kernel's source that has allocated memory.
type AllocSite struct {
	Size   string // as printed, "48.1 MiB"
	Calls  uint64
	Where  string // file:line
	Module string
	Func   string
}

// Bounds on what a report may hold, above what machines have.
const (
	maxNodes    = 1024
	maxZones    = 4 * maxNodes
	maxHugeTLB  = 4 * maxNodes
	maxSlabs    = 512
	maxSites    = 32
	maxPerCPU   = 16384 // of a report
	maxBlocks   = 32
	maxReserves = 16
	maxFrames   = 128
)

type done struct {
	pid          int
	totalVM, uid Num
}

// stage is how far a report has come.
type stage uint8

const (
	stageHead stage = iota
	stageTrace
	stageMemcg
	stageMem
	stageTasks
	stageChosen
	stageKilled
)
