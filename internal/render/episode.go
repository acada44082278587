// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
)

// notableMS is how long a victim's memory may take to come back before the table says so.
const notableMS = 1000

// notableShmem is how much a kill may leave in tmpfs and shared memory, which no kill
// gives back, before the table says so.
const notableShmem = 64 << 20

// noKillRow shows an invocation that killed nobody.
func noKillRow(e *event.Event, wide bool) row {
	n := e.NoKill
	r := row{event: part{text: "OOM", style: yellow}}
	if n.Reason == event.NoKillPanic {
		r.event = part{text: "PANIC", style: red}
	}
	if t := n.Trigger; t != nil {
		r.process, r.uid, r.where = taskName(t), t.UID, taskPlace(t)
	}
	c := &r.what
	*c = append(*c, part{text: noKillWords(n), style: bold})
	c.add(noKillCause(n))
	if v := n.Victim; v != nil && (n.Trigger == nil || v.PID != n.Trigger.PID) {
		dying := who(v.PID, v.Comm, v.CommHex)
		*c = append(*c, part{text: "dying " + dying, keep: dying})
	}
	if wide {
		c.add(labelled("episode", n.Episode))
	}
	return r
}

func noKillWords(n *event.NoKill) string {
	switch n.Reason {
	case event.NoKillCurrentExiting:
		return "out of memory, nobody killed: who asked for memory was dying already"
	case event.NoKillChosenExiting:
		return "out of memory, nobody killed: the chosen one was dying already"
	case event.NoKillNoCandidate:
		return "out of memory, and nobody can be killed: all are immune (oom_score_adj -1000) or gone"
	case event.NoKillOOMDisabled:
		return "out of memory, nobody killed: the OOM killer is off, as while the machine suspends"
	case event.NoKillPanic:
		return "OUT OF MEMORY, AND THE KERNEL PANICKED instead of killing"
	case event.NoKillUnknown:
		return "out of memory; the log does not tell how it ended"
	case event.NoKillEarly:
		return "out of memory, nobody killed: memory was found otherwise, or the request may not kill"
	}
	return "out of memory, nobody killed: " + string(n.Reason)
}

// noKillCause is whose shortage it was.
func noKillCause(n *event.NoKill) string {
	k := &event.Kill{Scope: n.Scope, Limit: n.Limit}
	if n.Victim != nil {
		k.Victim = *n.Victim
	}
	if n.Scope == "" {
		return ""
	}
	return killCause(k)
}

// endNotable says whether the end of a victim is worth a row of the short table.
func endNotable(n *event.End) bool {
	if n.Sources["outcome"] != "" {
		return false
	}
	if n.LeftShmemRSSBytes != nil && *n.LeftShmemRSSBytes >= notableShmem {
		return true
	}
	return n.Outcome != event.OutcomeFreed && n.WaitedMS != nil || n.FreedMS != nil && *n.FreedMS >= notableMS
}

// endRow shows what became of a victim.
func endRow(e *event.Event, wide bool) row {
	n := e.End
	r := row{event: part{text: "END"}, process: who(n.PID, n.Comm, n.CommHex)}
	c := &r.what
	words := endWords(n)
	if n.Outcome == event.OutcomeStuck {
		r.event.style = red
	}
	*c = append(*c, part{text: words, style: bold})
	if n.FreedBytes != nil {
		c.add("gave back " + size(*n.FreedBytes))
	}
	if n.LimitUsageBytes != nil {
		c.add("its limit's usage now " + size(*n.LimitUsageBytes))
	}
	for _, m := range []struct {
		what string
		ms   *float64
	}{{"exited", n.ExitMS}, {"reaped", n.ReapMS}} {
		if m.ms != nil && (wide || n.Outcome != event.OutcomeFreed) {
			c.add(m.what + " after " + milliseconds(*m.ms))
		}
	}
	for _, m := range []sized{{"left anon", n.LeftAnonRSSBytes}, {"left file", n.LeftFileRSSBytes}, {"left shmem", n.LeftShmemRSSBytes}} {
		if m.bytes != nil && *m.bytes > 0 {
			addSizes(c, m)
		}
	}
	if wide {
		c.add(labelled("episode", n.Episode))
	}
	return r
}

func endWords(n *event.End) string {
	waited := ""
	if n.WaitedMS != nil {
		waited = " " + span(*n.WaitedMS*1e6) + " after the kill"
	}
	switch n.Outcome {
	case event.OutcomeFreed:
		if n.FreedMS != nil {
			return "its memory is back, " + milliseconds(*n.FreedMS) + " after the kill"
		}
		return "its memory is back"
	case event.OutcomeReaped:
		if n.WaitedMS == nil {
			return "the OOM reaper took its memory"
		}
		return "reaped, but still there" + waited
	case event.OutcomeExited:
		if n.Sources["outcome"] == string(event.SourceProc) {
			return "gone; when is not known"
		}
		if n.WaitedMS != nil && n.ExitMS != nil {
			return "exited, but its address space is not seen to be gone" + waited
		}
		return "exited"
	case event.OutcomeStuck:
		return "STUCK: killed, and still there with its memory" + waited
	}
	return "ended: " + string(n.Outcome)
}

func milliseconds(ms float64) string { return span(int64(ms * 1e6)) }

// killRunnerUp says who would have been next, and how far behind.
func killRunnerUp(k *event.Kill) string {
	u := k.RunnerUp
	if u == nil {
		if k.CandidatesSeen != nil && *k.CandidatesSeen == 1 {
			return "the only one that could be killed"
		}
		return ""
	}
	s := "next would have been "
	if (k.Choice == event.ChoiceAllocatingTask || k.Choice == event.ChoiceTaskOrigin) && k.MarginPages != nil && *k.MarginPages < 0 {
		s = "by points it would have been "
	}
	s += who(u.PID, u.Comm, u.CommHex)
	if u.PointsPages != nil {
		s += " with " + count(*u.PointsPages)
	}
	if u.OOMScoreAdj != nil && *u.OOMScoreAdj != 0 {
		s += " (adj " + strconv.Itoa(*u.OOMScoreAdj) + ")"
	}
	if k.CandidatesSeen != nil && *k.CandidatesSeen > 2 {
		s += ", of " + count(*k.CandidatesSeen)
	}
	return s
}

// killEffort says what the trigger did for memory before.
func killEffort(x *event.Effort) string {
	if x == nil {
		return ""
	}
	s := "after " + plural(x.Reclaims, "reclaim")
	if x.ReclaimUS > 0 {
		s += " in " + span(int64(x.ReclaimUS)*1000)
	}
	s += " that gave " + plural(x.ReclaimedPages, "page")
	if x.Compactions > 0 {
		s += " and " + plural(x.Compactions, "compaction")
	}
	return s
}
