// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/wire"
	"github.com/oomtrace/oomtrace/tracer"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// DefaultStuckAfter is how long a victim may take to end before it is told to be stuck.
const DefaultStuckAfter = 10 * time.Second

const (
	// endLimit bounds the victims that are waited for. The oldest is let go first.
	endLimit = 512
	// momentLimit bounds the moments that are kept of victims which are not told yet: a
	// sharer on the tracepoint rung is told a second late.
	momentLimit = 64
	// forgetAfter is how long a victim is waited for in all.
	forgetAfter = 10 * time.Minute
)

// victim is one that was killed and whose end is waited for.
type victim struct {
	end       event.End
	tid       int
	mm        uint64 // as the programs name it; 0: not known
	simulated bool
	boot      uint64 // of the kill
	signal    uint64 // of its signal, before which it cannot have ended
	last      uint64 // of the last moment
	start     *uint64
	anon      *uint64
	stuck     time.Time // when it is told to be stuck; zero: it was
	forget    time.Time
}

// moment is one of a victim's end, and when it was.
type moment struct {
	wire.Moment
	boot    uint64
	episode string // FREED of a victim that is known
}

// ends are the victims whose end is waited for, oldest first.
type ends struct {
	list  []victim
	early []moment
	timer *time.Timer
	// What of an end can be seen here.
	seesExit, seesFreed bool
}

func newEnds(hooks []tracer.Hook) ends {
	e := ends{timer: time.NewTimer(time.Hour)}
	e.timer.Stop()
	for _, h := range hooks {
		switch h.Fact {
		case tracer.FactExit:
			e.seesExit = h.OK
		case tracer.FactFreed:
			e.seesFreed = h.OK
		}
	}
	return e
}

// awaitEnd waits for the end of k's victim, killed at boot.
func (p *pump) awaitEnd(k *event.Kill, boot uint64, w killed, simulated bool) {
	n := &p.ends
	if !n.seesExit && !n.seesFreed {
		return // it would be taken for stuck
	}
	if len(n.list) == endLimit {
		n.list = slices.Delete(n.list, 0, 1)
	}
	now := time.Now()
	n.list = append(n.list, victim{
		end: event.End{Episode: k.Episode, PID: k.Victim.PID, Comm: k.Victim.Comm, CommHex: k.Victim.CommHex, Role: k.Role},
		tid: thread(k), mm: w.mm, simulated: simulated, boot: boot, signal: cmp.Or(w.signalNS, boot), start: k.Victim.StartBoottimeNS, anon: k.Victim.AnonRSSBytes,
		stuck: now.Add(p.opts.StuckAfter), forget: now.Add(forgetAfter),
	})
	v := &n.list[len(n.list)-1]
	for _, m := range n.early {
		if m.boot >= v.signal && v.is(m) {
			v.take(m)
		}
	}
	p.tellEnded()
}

// is says whether m is of v's end.
func (v *victim) is(m moment) bool {
	if v.end.PID == m.PID || v.tid == m.PID || v.mm != 0 && v.mm == m.MM {
		return true
	}
	// Plain tracepoints do not tell a sharer's mm, which is the victim's.
	return v.mm == 0 && v.end.Role == event.RoleSharedMM && m.episode == v.end.Episode
}

// take notes m.
func (v *victim) take(m moment) {
	v.last = max(v.last, m.boot)
	after := event.Ptr(float64(max(0, int64(m.boot)-int64(v.boot))/1000) / 1000)
	if m.Anon != nil && v.anon != nil && *v.anon >= *m.Anon {
		v.end.FreedBytes = event.Ptr(*v.anon - *m.Anon)
	}
	switch m.What {
	case bpf.OomtraceWireMomentWhatWIRE_MOMENT_EXITED:
		if v.end.PID == m.PID { // not a sharer's
			v.end.ExitMS = after
		}
	case bpf.OomtraceWireMomentWhatWIRE_MOMENT_REAPED:
		// The reaper tells its end when it could not do anything, too.
		if m.Anon == nil || v.anon == nil || *m.Anon < *v.anon {
			v.end.ReapMS = after
		}
	case bpf.OomtraceWireMomentWhatWIRE_MOMENT_FREED:
		v.end.FreedMS, v.end.LimitUsageBytes = after, m.Limit
	}
}

// moment takes what the kernel tells of a victim's end.
func (p *pump) moment(w wire.Moment, boot uint64) {
	m := moment{Moment: w, boot: boot}
	owner := p.ends.owner(m)
	if owner != nil && m.What == bpf.OomtraceWireMomentWhatWIRE_MOMENT_FREED {
		m.episode = owner.end.Episode
	}
	for i := range p.ends.list {
		if v := &p.ends.list[i]; v.is(m) && v.with(owner) {
			v.take(m)
		}
	}
	// Others that share what is gone may not be told yet.
	if len(p.ends.early) == momentLimit {
		p.ends.early = slices.Delete(p.ends.early, 0, 1)
	}
	p.ends.early = append(p.ends.early, m)
	p.tellEnded()
}

// owner is the victim that m names, the last one by that pid, or else the last that shares
// what m is of; nil: none is told yet. An earlier one may have had the same pid or the same
// place for its mm, and an end that was not seen.
func (n *ends) owner(m moment) *victim {
	var shares *victim
	for i := range slices.Backward(n.list) {
		v := &n.list[i]
		if v.end.PID == m.PID || v.tid == m.PID {
			return v
		}
		if shares == nil && v.is(m) {
			shares = v
		}
	}
	return shares
}

// with says whether v ended with owner: in one episode, or killed in two.
func (v *victim) with(owner *victim) bool {
	return v.end.Episode == owner.end.Episode ||
		v.end.PID == owner.end.PID && (v.start == nil || owner.start == nil || *v.start == *owner.start)
}

// ended says whether nothing more is to come. The memory may be back a moment before the
// last thread is counted out, or after.
func (n *ends) ended(v *victim) bool {
	return (v.end.FreedMS != nil || !n.seesFreed) && (v.end.ExitMS != nil || !n.seesExit)
}

// tellEnded tells of the victims that have ended.
func (p *pump) tellEnded() {
	p.ends.list = slices.DeleteFunc(p.ends.list, func(v victim) bool {
		if !p.ends.ended(&v) {
			return false
		}
		p.tellEnd(&v, v.last)
		return true
	})
	p.armEnds()
}

// tellEnd emits what became of v up to now.
func (p *pump) tellEnd(v *victim, boot uint64) {
	end := v.end
	switch {
	case end.Outcome != "": // known otherwise
	case end.FreedMS != nil:
		end.Outcome = event.OutcomeFreed
	case end.ExitMS != nil:
		end.Outcome = event.OutcomeExited
	case end.ReapMS != nil:
		end.Outcome = event.OutcomeReaped
	default:
		end.Outcome = event.OutcomeStuck
	}
	if end.Outcome != event.OutcomeFreed && p.ends.seesFreed {
		end.WaitedMS = event.Ptr(int64(boot-v.boot) / 1e6)
	}
	e := p.event(event.TypeOOMEnd, 0, boot, event.SourceBPF)
	e.End, e.Simulated = &end, v.simulated
	p.emit(e)
}

// armEnds has the list looked at when its first deadline is over.
func (p *pump) armEnds() {
	var next time.Time
	for i := range p.ends.list {
		v := &p.ends.list[i]
		at := v.stuck
		if at.IsZero() {
			at = v.forget
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if next.IsZero() {
		p.ends.timer.Stop()
		return
	}
	p.ends.timer.Reset(time.Until(next))
}

// lookAtEnds tells of the victims that take too long, and lets go of the oldest. The
// kernel skips a program whose like is under way on the CPU: so those that seem stuck are
// looked for in /proc.
func (p *pump) lookAtEnds() {
	now, boot := time.Now(), p.clocks.boot()
	gone := p.goneOf(now)
	p.ends.list = slices.DeleteFunc(p.ends.list, func(v victim) bool {
		switch {
		case now.After(v.forget):
			return true
		case !v.overdue(now):
			return false
		}
		if gone[v.end.PID] {
			v.end.Outcome, v.end.Sources = event.OutcomeExited, map[string]string{"outcome": string(event.SourceProc)}
		}
		p.tellEnd(&v, boot)
		return gone[v.end.PID]
	})
	for i := range p.ends.list {
		if v := &p.ends.list[i]; v.overdue(now) {
			v.stuck = time.Time{}
		}
	}
	p.armEnds()
}

// overdue says whether v is to be told to be stuck.
func (v *victim) overdue(now time.Time) bool { return !v.stuck.IsZero() && !now.Before(v.stuck) }

// goneOf asks /proc for all victims that are overdue and not seen to have ended, and
// returns those that are gone.
func (p *pump) goneOf(now time.Time) map[int]bool {
	var asked []procsnap.Ref
	for i := range p.ends.list {
		if v := &p.ends.list[i]; v.overdue(now) && v.end.ExitMS == nil && v.end.FreedMS == nil {
			asked = append(asked, ref(v.end.PID, v.start, v.boot))
		}
	}
	if len(asked) == 0 || now.Before(p.blockedUntil) {
		return nil
	}
	a, ok := procsnap.Wait(p.worker.Ask(procsnap.Request{Tasks: asked}), snapshotWait)
	if !ok {
		p.blockedUntil = now.Add(time.Second)
		return nil
	}
	gone := map[int]bool{}
	for i, t := range a.Tasks {
		gone[asked[i].PID] = errors.Is(t.Err, procsnap.ErrGone) || errors.Is(t.Err, procsnap.ErrReused)
	}
	return gone
}

// tellEnds tells of the victims of which something is known, when nothing more will come.
func (p *pump) tellEnds() {
	boot := p.clocks.boot()
	for i := range p.ends.list {
		if v := &p.ends.list[i]; !v.stuck.IsZero() && (v.end.ExitMS != nil || v.end.FreedMS != nil || v.end.ReapMS != nil) {
			p.tellEnd(v, boot)
		}
	}
	p.ends.list = nil
}
