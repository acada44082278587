// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

const (
	// crossWait is how long a kill waits for whoever else is to tell of it: the line comes
	// behind the mark, some of the programs' kills a second late (markWait).
	crossWait = 3 * time.Second
	// crossApart bounds how far apart the two may put one kill.
	crossApart = 5 * time.Second
	// crossLimit bounds the kills that wait.
	crossLimit = 512
)

// crossCheck holds the programs' kills against the log's lines.
type crossCheck struct {
	on      bool       // both are told
	seen    []seenKill // by the programs, and not logged yet; oldest first
	logged  []lateLine // logged, and not seen yet; oldest first
	counts  event.CrossCheck
	timer   *time.Timer
	warned  bool
	endedAt atomic.Uint64 // boot clock; 0: the session goes on
}

// seenKill is one that the programs told.
type seenKill struct {
	pid, tid int
	boot     uint64
	sharer   bool // the log has no line of it
	due      time.Time
}

// lateLine is a line without a kill.
type lateLine struct {
	logEvent
	due time.Time
}

// is says whether the log tells of k. Its pid may be that of a thread.
func (k *seenKill) is(e logEvent) bool {
	if e.Kill.Victim.PID != k.pid && e.Kill.Victim.PID != k.tid && (e.Kill.Victim.TID == nil || *e.Kill.Victim.TID != k.tid) {
		return false
	}
	return e.unsure || max(k.boot, e.boot)-min(k.boot, e.boot) <= uint64(crossApart)
}

// end says that the session ends: what happens from now on is not compared, since one of
// both may not see it any more.
func (c *crossCheck) end(boot uint64) { c.endedAt.CompareAndSwap(0, boot) }

func (c *crossCheck) over(boot uint64) bool {
	ended := c.endedAt.Load()
	return ended != 0 && boot >= ended
}

// seenBy notes a kill that a program told.
func (p *pump) seenBy(k *event.Kill, boot uint64) {
	c := &p.cross
	if !c.on || c.over(boot) {
		return
	}
	s := seenKill{k.Victim.PID, thread(k), boot, k.Role == event.RoleSharedMM, time.Now().Add(crossWait)}
	if i := slices.IndexFunc(c.logged, func(l lateLine) bool { return s.is(l.logEvent) }); i >= 0 {
		c.counts.Both++
		c.logged = slices.Delete(c.logged, i, i+1)
		return
	}
	if len(c.seen) == crossLimit {
		p.unlogged(c.seen[0])
		c.seen = slices.Delete(c.seen, 0, 1)
	}
	c.seen = append(c.seen, s)
	p.armCross()
}

// wasSeen says whether a program has told of a kill that the log tells, too.
func (c *crossCheck) wasSeen(e logEvent) bool {
	i := slices.IndexFunc(c.seen, func(s seenKill) bool { return s.is(e) })
	if i < 0 {
		return false
	}
	c.seen = slices.Delete(c.seen, i, i+1)
	c.counts.Both++
	return true
}

// await waits for a program to tell of a kill that the log tells.
func (p *pump) await(e logEvent) {
	c := &p.cross
	if len(c.logged) == crossLimit {
		p.unseen(c.logged[0].logEvent)
		c.logged = slices.Delete(c.logged, 0, 1)
	}
	c.logged = append(c.logged, lateLine{e, time.Now().Add(crossWait)})
	p.armCross()
}

// lookAcross tells of what nobody else has told in time.
func (p *pump) lookAcross() {
	if len(p.in.oom.full) == 0 { // else it may be there
		p.settleCross(time.Now())
	}
	p.armCross()
}

// settleCross gives up what is due.
func (p *pump) settleCross(now time.Time) {
	c := &p.cross
	for len(c.seen) > 0 && !c.seen[0].due.After(now) {
		p.unlogged(c.seen[0])
		c.seen = c.seen[1:]
	}
	for len(c.logged) > 0 && !c.logged[0].due.After(now) {
		p.unseen(c.logged[0].logEvent)
		c.logged = c.logged[1:]
	}
}

// endCross settles what is left when nothing more comes: the programs have told all, but of
// the log the last lines may not have been there yet.
func (p *pump) endCross() {
	p.settleCross(time.Now())
	for _, l := range p.cross.logged {
		p.unseen(l.logEvent)
	}
	p.cross.seen, p.cross.logged = nil, nil
}

// armCross has it looked at when the first is due. No timer runs while none waits.
func (p *pump) armCross() {
	c := &p.cross
	var due time.Time
	if len(c.seen) > 0 {
		due = c.seen[0].due
	}
	if len(c.logged) > 0 && (due.IsZero() || c.logged[0].due.Before(due)) {
		due = c.logged[0].due
	}
	if due.IsZero() {
		c.timer.Stop()
		return
	}
	c.timer.Reset(max(0, time.Until(due)))
}

// unlogged counts a kill of which the log has no line.
func (p *pump) unlogged(s seenKill) {
	if s.sharer {
		return
	}
	p.cross.counts.BPFOnly++
	p.differs(fmt.Sprintf("the kernel log has no line of the kill of %d: it lost some, or another OOM killer than the kernel's own prints none", s.pid))
}

// unseen tells of a kill that no program saw.
func (p *pump) unseen(e logEvent) {
	if e.Backfill {
		p.tellPast(e)
		return
	}
	p.cross.counts.LogOnly++
	p.differs(fmt.Sprintf("the programs did not see the kill of %d, which is told from the kernel log", e.Kill.Victim.PID))
	p.logKill(e)
}

// differs says once that the two differ; session.end counts how often.
func (p *pump) differs(what string) {
	if p.cross.warned || p.opts.Warn == nil {
		return
	}
	p.cross.warned = true
	p.opts.Warn(what + "; how many differ is said at the end")
}

// crossChecked is what session.end tells; nil where nothing was compared.
func (p *pump) crossChecked() *event.CrossCheck {
	if !p.cross.on || p.opts.Source != SourceAuto {
		return nil
	}
	counts := p.cross.counts
	return &counts
}
