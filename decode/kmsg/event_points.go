// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"cmp"
	"slices"
	"strings"

	"github.com/oomtrace/oomtrace/decode/badness"
	"github.com/oomtrace/oomtrace/decode/event"
)

// maxCandidates is how many candidates an event has.
const maxCandidates = 10

// pages is what oom_badness counts of a row, oom_score_adj apart.
func (m *maker) pages(row *Task) (uint64, bool) {
	has := m.r.Tasks.Has
	switch {
	case has&HasRSS == 0:
		return 0, false
	case has&HasPTEs != 0:
		return row.RSS + row.Swap + row.Pgtables, true
	case has&HasPgtables != 0 && m.page != 0:
		return row.RSS + row.Swap + row.Pgtables/uint64(m.page), true
	}
	return 0, false
}

// rowPoints are a row's points where the kernel's arithmetic is known for sure.
func (m *maker) rowPoints(row *Task) (int64, bool) {
	if !m.modern || m.allowed == 0 || m.r.Tasks.Has&HasAdj == 0 {
		return 0, false
	}
	pages, ok := m.pages(row)
	if !ok || pages > 1<<52 {
		return 0, false
	}
	return badness.Points(pages, int(row.Adj), m.allowed), true
}

// points fills in the victim's points: computed from its row, or thousandths that an
// older kernel printed.
func (m *maker) points(k *Kill, row *Task, v *event.Victim) {
	chosen := k.Role == RoleChosen && k.Parent == 0
	if score := m.r.Chosen.Score; score.OK && chosen && m.r.Chosen.PID == k.PID {
		v.BadnessPermille = event.Ptr(int64(min(score.N, 1<<53)))
	}
	if row == nil {
		return
	}
	if p, ok := m.rowPoints(row); ok {
		v.PointsPages = &p
	} else if p, ok := m.oldPoints(row, v); ok {
		v.PointsPages = &p
	}
	if v.PointsPages == nil {
		return
	}
	m.sources["victim.points_pages"] = computed
	if v.BadnessPermille != nil {
		return
	}
	if permille, ok := badness.Permille(*v.PointsPages, m.allowed); ok {
		v.BadnessPermille = &permille
		m.sources["victim.badness_permille"] = computed
	}
}

// oldPoints are a row's points where the thousandths that the kernel printed bear them
// out. Else it may have had the bonus of CAP_SYS_ADMIN, or points were counted in
// thousandths (before 3.6).
func (m *maker) oldPoints(row *Task, v *event.Victim) (int64, bool) {
	if v.BadnessPermille == nil || m.allowed == 0 || m.r.Tasks.Has&(HasAdj|HasPTEs|HasSwap) != HasAdj|HasPTEs|HasSwap {
		return 0, false
	}
	pages, ok := m.pages(row)
	if !ok || pages > 1<<52 {
		return 0, false
	}
	p := badness.Points(pages, int(row.Adj), m.allowed)
	permille, ok := badness.Permille(p, m.allowed)
	return p, ok && permille == *v.BadnessPermille
}

// candidates fills in who else could have been chosen.
func (m *maker) candidates(e *event.Kill, k *Kill, row *Task) {
	t := m.r.Tasks
	if t == nil || len(t.Rows) == 0 {
		return
	}
	e.Candidates = m.ranked(row)
	if t.Has&HasAdj == 0 || t.LeftOut > 0 || t.Odd > 0 {
		return
	}
	var seen uint64
	var best *Task
	var bestRank int64
	alike := row != nil // all have one oom_score_adj, so that pages alone decide
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Adj <= badness.MinAdj || r.TGID == 1 {
			continue
		}
		seen++
		if r == row {
			continue
		}
		alike = alike && r.Adj == row.Adj
		if n := m.rank(r); best == nil || n > bestRank {
			best, bestRank = r, n
		}
	}
	e.CandidatesSeen = &seen
	m.sources["candidates_seen"] = computed
	if best == nil || k.Role != RoleChosen || row == nil || !m.modern {
		return
	}
	points, known := m.rowPoints(best)
	if _, ok := m.pages(best); !ok || !known && !alike {
		return
	}
	e.RunnerUp = &event.RunnerUp{PID: int(best.TGID), OOMScoreAdj: event.Ptr(int(best.Adj))}
	if known {
		e.RunnerUp.PointsPages = &points
	}
	e.RunnerUp.Comm, e.RunnerUp.CommHex = event.CleanText([]byte(t.Comm(best)))
	e.MarginPages = event.Ptr(m.rank(row) - bestRank)
	m.sources["runner_up"], m.sources["margin_pages"] = computed, computed
}

// rank is by what the kernel chooses: a row's points, or its pages where they are not
// known.
func (m *maker) rank(r *Task) int64 {
	if p, ok := m.rowPoints(r); ok {
		return p
	}
	if p, ok := m.pages(r); ok {
		return int64(min(p, 1<<62))
	}
	return int64(min(r.RSS, 1<<61) + min(r.Swap, 1<<61))
}

// ranked are the rows of most points, or of most pages where points are not known, the
// highest first; row is always among them, and so is who was spared with most memory.
func (m *maker) ranked(row *Task) []event.Candidate {
	t := m.r.Tasks
	if t == nil || len(t.Rows) == 0 {
		return nil
	}
	type ranked struct {
		row  *Task
		rank int64
	}
	var top []ranked
	for i := range t.Rows {
		r := &t.Rows[i]
		if t.Has&HasAdj != 0 && r.Adj <= badness.MinAdj && r != row {
			continue
		}
		c := ranked{r, m.rank(r)}
		at, _ := slices.BinarySearchFunc(top, c, func(a, b ranked) int { return cmp.Compare(b.rank, a.rank) })
		if at < maxCandidates {
			for at < len(top) && top[at].rank == c.rank {
				at++
			}
			if at < maxCandidates {
				top = slices.Insert(top, at, c)
				top = top[:min(len(top), maxCandidates)]
			}
		}
	}
	if row != nil && !slices.ContainsFunc(top, func(c ranked) bool { return c.row == row }) {
		top[len(top)-1] = ranked{row, m.rank(row)}
	}
	if spared := m.spared(row); spared != nil && !slices.ContainsFunc(top, func(c ranked) bool { return c.row == spared }) {
		if len(top) < maxCandidates {
			top = append(top, ranked{row: spared})
		} else if i := len(top) - 1; top[i].row != row {
			top[i].row = spared
		} else {
			top[i-1], top[i] = top[i], ranked{row: spared}
		}
	}
	out := make([]event.Candidate, len(top))
	for i, c := range top {
		out[i] = m.candidate(c.row)
	}
	return out
}

// spared is the row of most memory that has more than the chosen one, and a lower
// oom_score_adj, which may be that of the immune; nil if there is none.
func (m *maker) spared(row *Task) *Task {
	t := m.r.Tasks
	if row == nil || t.Has&HasAdj == 0 {
		return nil
	}
	most, ok := m.pages(row)
	if !ok {
		return nil
	}
	var spared *Task
	for i := range t.Rows {
		r := &t.Rows[i]
		if n, ok := m.pages(r); ok && n > most && r.Adj < row.Adj && r.TGID != 1 {
			spared, most = r, n
		}
	}
	return spared
}

func (m *maker) candidate(r *Task) event.Candidate {
	t := m.r.Tasks
	c := event.Candidate{PID: int(r.TGID)}
	c.Comm, c.CommHex = event.CleanText([]byte(t.Comm(r)))
	if t.Has&HasUID != 0 {
		c.UID = event.Ptr(r.UID)
	}
	if p, ok := m.rowPoints(r); ok && (t.Has&HasAdj == 0 || r.Adj > badness.MinAdj) {
		c.PointsPages = &p
		m.sources["candidates.points_pages"] = computed
	}
	if t.Has&HasAdj != 0 {
		c.OOMScoreAdj = event.Ptr(int(r.Adj))
	}
	if t.Has&HasSplitRSS != 0 {
		c.AnonRSSBytes, c.FileRSSBytes, c.ShmemRSSBytes = num(r.Anon).pages(m.page), num(r.File).pages(m.page), num(r.Shm).pages(m.page)
	} else if t.Has&HasRSS != 0 {
		c.RSSBytes = num(r.RSS).pages(m.page)
	}
	if t.Has&HasSwap != 0 {
		c.SwapBytes = num(r.Swap).pages(m.page)
	}
	if t.Has&HasPgtables != 0 {
		c.PgtablesBytes = event.Ptr(r.Pgtables)
	}
	return c
}

// byBPF says whether a BPF program chose: its kills have a message of their own, and
// pass through its function.
func (m *maker) byBPF(k *Kill) bool {
	return !isMessage([]byte(k.Message)) ||
		slices.ContainsFunc(m.r.Frames, func(f event.Frame) bool { return f.Symbol == "bpf_oom_kill_process" })
}

// choice tells how the victim came to be chosen.
func (m *maker) choice(k *Kill, e *event.Kill) event.Choice {
	switch {
	case k.Role != RoleChosen:
		return ""
	case strings.HasSuffix(k.Message, "(oom_kill_allocating_task)"):
		return event.ChoiceAllocatingTask
	case m.byBPF(k):
		return event.ChoiceBPF
	case k.Parent != 0:
		return event.ChoiceChild
	case m.r.Chosen.Score.OK && m.r.Chosen.Score.N <= 2*badness.MaxAdj:
		return event.ChoiceBadness // a task that is the origin has the highest number there is
	case e.MarginPages != nil && *e.MarginPages >= 0:
		return event.ChoiceBadness
	case e.Victim.PointsPages != nil && e.CandidatesSeen != nil && *e.CandidatesSeen == 1:
		return event.ChoiceBadness
	}
	return ""
}
