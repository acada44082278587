// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"cmp"
	"slices"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/event"
)

// LedTo says whether c, a record of kind CHOICE, tells what led to the kill k.
func LedTo(c *bpf.OomtraceWireChoice, k *bpf.OomtraceWireKill) bool {
	return c.EpisodeNs == k.EpisodeNs && c.TriggerTid == k.Trigger.Tid && k.Role == uint32(bpf.OomtraceWireRoleWIRE_ROLE_CHOSEN)
}

// Choice adds to k, the kill of w, what led to it. c is of the same episode.
func (d *Decoder) Choice(k *event.Kill, w *bpf.OomtraceWireKill, c *bpf.OomtraceWireChoice) {
	if has(c.H.Valid, bpf.OomtraceWireChoiceValidWIRE_CHOICE_EFFORT) {
		e := &c.Effort
		k.Effort = &event.Effort{
			SpanMS:   int64(c.H.BoottimeNs-e.FirstNs) / 1e6,
			Reclaims: uint64(e.Reclaims), ReclaimUS: e.ReclaimNs / 1000, ReclaimedPages: e.ReclaimedPages,
			Compactions: uint64(e.Compactions), CompactionUS: e.CompactNs / 1000,
		}
	}
	n := int(c.Len)
	if !has(c.H.Valid, bpf.OomtraceWireChoiceValidWIRE_CHOICE_SEEN) || n > len(c.Cands) {
		return
	}
	computed := has(c.H.Valid, bpf.OomtraceWireChoiceValidWIRE_CHOICE_COMPUTED)
	if computed && !has(w.H.Valid, bpf.OomtraceWireKillValidWIRE_KILL_OC) && !d.sameLimit(k, c) {
		return // the programs took another cgroup, or all tasks, for what was short
	}
	var allowed *uint64
	if computed {
		if allowed = k.Victim.AllowedPages; allowed == nil {
			return
		}
	}
	for i := range c.Cands[:n] {
		if cand, ok := d.candidate(&c.Cands[i], allowed); ok {
			k.Candidates = append(k.Candidates, cand)
		}
	}
	slices.SortStableFunc(k.Candidates, func(a, b event.Candidate) int { return cmp.Compare(*b.PointsPages, *a.PointsPages) })
	k.CandidatesSeen = event.Ptr(uint64(c.Seen))
	if has(c.H.Valid, bpf.OomtraceWireChoiceValidWIRE_CHOICE_CUT) {
		k.CandidatesSeen = nil
	}
	if computed {
		if k.Sources == nil {
			k.Sources = map[string]string{}
		}
		k.Sources["candidates"] = "computed"
	}
	d.runnerUp(k)
}

// sameLimit says whether the programs, which guess it, and the decoder agree on whose
// shortage it was.
func (d *Decoder) sameLimit(k *event.Kill, c *bpf.OomtraceWireChoice) bool {
	if !has(c.H.Valid, bpf.OomtraceWireChoiceValidWIRE_CHOICE_MEMCG) {
		return k.Scope == event.ScopeGlobal || k.Scope == event.ScopeSysrq
	}
	return k.Scope == event.ScopeMemcg && k.Limit != nil && k.Limit.Cgroup != nil && k.Limit.Cgroup.ID == hex(c.MemcgId)
}

// runnerUp finds the best of the candidates that is not the victim, and how far behind it
// was by the same measure.
func (d *Decoder) runnerUp(k *event.Kill) {
	var own *int64
	for i := range k.Candidates {
		c := &k.Candidates[i]
		if c.PID == k.Victim.PID {
			own = c.PointsPages
		} else if k.RunnerUp == nil {
			k.RunnerUp = &event.RunnerUp{PID: c.PID, Comm: c.Comm, CommHex: c.CommHex, PointsPages: c.PointsPages, OOMScoreAdj: c.OOMScoreAdj}
		}
	}
	if own == nil {
		// Chosen otherwise (task_origin), or of fewer points than those kept.
		own = k.Victim.PointsPages
	}
	if own != nil && k.RunnerUp != nil {
		k.MarginPages = event.Ptr(*own - *k.RunnerUp.PointsPages)
	}
}

// candidate decodes one; with allowed its points are computed. It is false where they
// cannot be, or nobody is named.
func (d *Decoder) candidate(w *bpf.OomtraceWireCandidate, allowed *uint64) (event.Candidate, bool) {
	valid := uint64(w.Valid)
	if !has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_PID) || w.Pid == 0 {
		return event.Candidate{}, false
	}
	c := event.Candidate{PID: int(w.Pid)}
	if has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_COMM) {
		c.Comm, c.CommHex = cText(w.Comm[:])
	}
	if has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_UID) {
		c.UID = event.Ptr(w.Uid)
	}
	if has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_START) {
		c.StartBoottimeNS = event.Ptr(w.StartBoottimeNs)
	}
	if has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_CGROUP) {
		c.CgroupID = hex(w.CgroupId)
	}
	rss := has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_RSS)
	if rss && !has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_RSS_QUICK) {
		c.FileRSSBytes, c.AnonRSSBytes, c.ShmemRSSBytes, c.SwapBytes = d.bytes(w.FilePages), d.bytes(w.AnonPages), d.bytes(w.ShmemPages), d.bytes(w.SwapPages)
	}
	pgtables := has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_PGTABLES)
	if pgtables {
		c.PgtablesBytes = event.Ptr(w.PgtablesBytes)
	}
	adj := has(valid, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_ADJ) && w.OomScoreAdj >= badness.MinAdj && w.OomScoreAdj <= badness.MaxAdj
	if adj {
		c.OOMScoreAdj = event.Ptr(int(w.OomScoreAdj))
	}
	if allowed != nil {
		if !rss || !pgtables || !adj {
			return event.Candidate{}, false
		}
		memory := badness.Memory{RSSPages: w.FilePages + w.AnonPages + w.ShmemPages, SwapPages: w.SwapPages, PgtablesBytes: w.PgtablesBytes}
		c.PointsPages = event.Ptr(badness.Points(memory.Pages(d.pageSize()), int(w.OomScoreAdj), *allowed))
	} else {
		c.PointsPages = event.Ptr(w.Points)
	}
	return c, true
}
