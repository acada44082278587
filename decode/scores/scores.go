// SPDX-License-Identifier: Apache-2.0

package scores

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/event"
)

// Schema names the format, in the field schema.
const Schema = "oomtrace.scores/v1"

//go:embed v1.json
var schemaJSON string

// SchemaJSON returns the JSON Schema (draft 2020-12) of a Report.
func SchemaJSON() []byte { return []byte(schemaJSON) }

// Scope is what would have to run out of memory.
type Scope string

// Scopes.
const (
	ScopeGlobal Scope = "global" // the machine
	ScopeMemcg  Scope = "memcg"  // a memory cgroup, at its limit
)

// Gap is why a ranking may lack processes.
type Gap string

// Gaps.
const (
	// GapPIDNamespace: those outside of the pid namespace of this procfs.
	GapPIDNamespace Gap = "pid_namespace"
	// GapHidden: those of other users, by the hidepid option of this procfs.
	GapHidden Gap = "hidden"
	// GapUnreadable: those that Report.Unreadable counts.
	GapUnreadable Gap = "unreadable"
	// GapOutside: those outside of Report.Cgroup, which has no limit of its own, so
	// that they stand to be chosen as well.
	GapOutside Gap = "outside_cgroup"
)

// Report is a ranking at one moment. What is not known is absent.
type Report struct {
	Time  time.Time `json:"time"`
	Scope Scope     `json:"scope"`
	// Cgroup is the one whose processes are ranked; absent: all of the machine.
	Cgroup *event.Cgroup `json:"cgroup,omitempty"`
	// Limit is the one that would be hit, in scope memcg: that of Cgroup, or of the
	// nearest one above it that has a limit.
	Limit *Limit `json:"limit,omitempty"`
	// Tighter is the limit further up that leaves less room than Limit, and the
	// least.
	Tighter *Limit `json:"tighter,omitempty"`
	// AllowedPages is what the kernel would measure by: RAM and swap, or the limit
	// and the swap that may be used beside it.
	AllowedPages  uint64   `json:"allowed_pages"`
	PageSizeBytes uint64   `json:"page_size_bytes"`
	RAMBytes      uint64   `json:"ram_bytes"`
	SwapBytes     uint64   `json:"swap_bytes"` // swap space in all, used or not
	Settings      Settings `json:"settings"`
	// OOMGroup is the cgroup that would die whole with the first candidate, for its
	// memory.oom.group.
	OOMGroup   *event.Cgroup `json:"oom_group,omitempty"`
	Incomplete []Gap         `json:"incomplete,omitempty"`
	// Seen are all processes looked at: Eligible, Protected, NoMemory, Unreadable.
	Seen       int `json:"seen"`
	Eligible   int `json:"eligible"`
	Protected  int `json:"protected"` // at oom_score_adj -1000, and init
	NoMemory   int `json:"no_memory"` // kernel threads, and the dead
	Unreadable int `json:"unreadable"`
	// MarginPages is how far the first candidate's points are above those of the
	// second; absent when there is none.
	MarginPages *int64 `json:"margin_pages,omitempty"`
	// Candidates are the first of the eligible ones.
	Candidates []Candidate `json:"candidates"`
	Host       *event.Host `json:"host,omitempty"`
}

// Limit is that of a memory cgroup.
type Limit struct {
	Cgroup event.Cgroup `json:"cgroup"`
	Bytes  uint64       `json:"bytes"`
	// UsageBytes is what is in use of it.
	UsageBytes *uint64 `json:"usage_bytes,omitempty"`
	// SwapMaxBytes is the swap that may be used beside it; absent: as much as there is.
	SwapMaxBytes *uint64 `json:"swap_max_bytes,omitempty"`
	// OOMKillDisabled says that processes wait instead of being killed (v1,
	// memory.oom_control).
	OOMKillDisabled *bool `json:"oom_kill_disabled,omitempty"`
}

// Settings are what else decides.
type Settings struct {
	PanicOnOOM            *int `json:"panic_on_oom,omitempty"`
	OOMKillAllocatingTask *int `json:"oom_kill_allocating_task,omitempty"`
	// Swappiness is the sysctl, on v1 that of the limit's cgroup.
	Swappiness *int `json:"swappiness,omitempty"`
}

// Candidate is a process that may be chosen.
type Candidate struct {
	Rank int `json:"rank"`
	Process
	// PointsPages is what oom_badness gives: the memory and what the adj adds.
	PointsPages int64 `json:"points_pages"`
	AdjPages    int64 `json:"adj_pages"` // what the adj adds
	// BadnessPermille and SharePermille are the points, and the memory alone, in
	// thousandths of the allowed pages.
	BadnessPermille int64 `json:"badness_permille"`
	SharePermille   int64 `json:"share_permille"`
	Identity
}

// Process is what is read of every process.
type Process struct {
	PID           int    `json:"pid"` // thread-group leader
	UID           uint32 `json:"uid"`
	Threads       int    `json:"threads"`
	OOMScoreAdj   int    `json:"oom_score_adj"`
	AnonRSSBytes  uint64 `json:"anon_rss_bytes"`
	FileRSSBytes  uint64 `json:"file_rss_bytes"`
	ShmemRSSBytes uint64 `json:"shmem_rss_bytes"`
	SwapBytes     uint64 `json:"swap_bytes"`
	PgtablesBytes uint64 `json:"pgtables_bytes"`
}

// Identity is who a process is.
type Identity struct {
	Comm       *string          `json:"comm,omitempty"`
	CommHex    string           `json:"comm_hex,omitempty"` // raw bytes, when Comm had to be mended
	Unit       string           `json:"unit,omitempty"`
	Container  *event.Container `json:"container,omitempty"`
	Pod        *event.Pod       `json:"pod,omitempty"`
	Cgroup     *event.Cgroup    `json:"cgroup,omitempty"`
	Cmdline    *string          `json:"cmdline,omitempty"`
	CmdlineHex string           `json:"cmdline_hex,omitempty"`
	// CmdlineTruncated says that the command line goes on.
	CmdlineTruncated bool    `json:"cmdline_truncated,omitempty"`
	Exe              *string `json:"exe,omitempty"`
	ExeHex           string  `json:"exe_hex,omitempty"`
}

// RSSBytes is the resident memory.
func (p *Process) RSSBytes() uint64 { return p.AnonRSSBytes + p.FileRSSBytes + p.ShmemRSSBytes }

func (p *Process) pages(pageSize uint64) uint64 {
	return badness.Memory{
		RSSPages:      p.RSSBytes() / pageSize,
		SwapPages:     p.SwapBytes / pageSize,
		PgtablesBytes: p.PgtablesBytes,
	}.Pages(pageSize)
}

func (r *Report) points(p *Process) int64 {
	return badness.Points(p.pages(r.PageSizeBytes), p.OOMScoreAdj, r.AllowedPages)
}

// Sort puts eligible processes in the order in which the kernel would choose them.
//
// Of two with as many points it takes the one that it meets last (oom_evaluate_task,
// mm/oom_kill.c): of the machine's the younger, which here is the one with the higher
// pid; of a cgroup's it cannot be told.
func (r *Report) Sort(processes []Process) {
	slices.SortFunc(processes, func(a, b Process) int {
		return cmp.Or(cmp.Compare(r.points(&b), r.points(&a)), cmp.Compare(b.PID, a.PID))
	})
}

// Add ranks p next.
func (r *Report) Add(p Process, id Identity) {
	c := Candidate{Rank: len(r.Candidates) + 1, Process: p, Identity: id}
	c.PointsPages = r.points(&p)
	c.AdjPages = badness.AdjPages(p.OOMScoreAdj, r.AllowedPages)
	c.BadnessPermille, _ = badness.Permille(c.PointsPages, r.AllowedPages)
	c.SharePermille, _ = badness.Permille(c.PointsPages-c.AdjPages, r.AllowedPages)
	r.Candidates = append(r.Candidates, c)
}

// SetMargin tells how far the first candidate is ahead of second.
func (r *Report) SetMargin(second Process) {
	r.MarginPages = event.Ptr(r.Candidates[0].PointsPages - r.points(&second))
}

// timeLayout is that of events: RFC 3339, UTC, always nanoseconds.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// Append appends the report as one line of JSON.
func (r *Report) Append(dst []byte) ([]byte, error) {
	type report Report // without methods
	shown := report(*r)
	if shown.Candidates == nil {
		shown.Candidates = []Candidate{}
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	err := enc.Encode(struct {
		Schema string `json:"schema"`
		Time   string `json:"time"`
		report
	}{Schema, r.Time.UTC().Format(timeLayout), shown})
	if err != nil {
		return dst, fmt.Errorf("encode scores: %w", err)
	}
	return append(event.AppendInert(dst, line.Bytes()), '\n'), nil
}
