// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/wire"
	"github.com/oomtrace/oomtrace/tracer"
)

// DefaultStuckAfter is how long a victim may take to end before it is told to be stuck.
const DefaultStuckAfter = 10 * time.Second

const (
	// endLimit bounds the victims that are waited for. The oldest is let go first.
	endLimit = 512
	// forgetAfter is how long a victim is waited for in all.
	forgetAfter = 10 * time.Minute
)

// victim is one that was killed and whose end is waited for.
type victim struct {
	end       event.End
	tid       int
	simulated bool
	boot      uint64 // of the kill
	anon      *uint64
	stuck     time.Time // when it is told to be stuck; zero: it was
	forget    time.Time
}

// ends are the victims whose end is waited for, oldest first.
type ends struct {
	list  []victim
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
func (p *pump) awaitEnd(k *event.Kill, boot uint64, simulated bool) {
	if !p.ends.seesExit && !p.ends.seesFreed {
		return // it would be taken for stuck
	}
	if len(p.ends.list) == endLimit {
		p.ends.list = slices.Delete(p.ends.list, 0, 1)
	}
	now := time.Now()
	p.ends.list = append(p.ends.list, victim{
		end: event.End{Episode: k.Episode, PID: k.Victim.PID, Comm: k.Victim.Comm, CommHex: k.Victim.CommHex, Role: k.Role},
		tid: thread(k), simulated: simulated, boot: boot, anon: k.Victim.AnonRSSBytes,
		stuck: now.Add(p.opts.StuckAfter), forget: now.Add(forgetAfter),
	})
	p.armEnds()
}

// moment takes what the kernel tells of a victim's end.
func (p *pump) moment(m wire.Moment, boot uint64) {
	i := slices.IndexFunc(p.ends.list, func(v victim) bool { return v.end.PID == m.PID || v.tid == m.PID })
	if i < 0 {
		return // the signal was not the OOM killer's after all, or it is forgotten
	}
	v := &p.ends.list[i]
	after := event.Ptr(float64(max(0, int64(boot)-int64(v.boot))/1000) / 1000)
	if m.Anon != nil && v.anon != nil && *v.anon >= *m.Anon {
		v.end.FreedBytes = event.Ptr(*v.anon - *m.Anon)
	}
	switch m.What {
	case bpf.OomtraceWireMomentWhatWIRE_MOMENT_EXITED:
		v.end.ExitMS = after
		if !p.ends.seesFreed {
			p.tellEnd(i, event.OutcomeExited, boot)
		}
	case bpf.OomtraceWireMomentWhatWIRE_MOMENT_REAPED:
		v.end.ReapMS = after
	case bpf.OomtraceWireMomentWhatWIRE_MOMENT_FREED:
		p.freed(i, after, m.Limit, boot)
	}
}

// freed tells of the end of victim i, and of the others of its address space.
func (p *pump) freed(i int, after *float64, limit *uint64, boot uint64) {
	episode := p.ends.list[i].end.Episode
	for {
		v := &p.ends.list[i]
		v.end.FreedMS, v.end.LimitUsageBytes = after, limit
		p.tellEnd(i, event.OutcomeFreed, boot)
		i = slices.IndexFunc(p.ends.list, func(v victim) bool {
			return v.end.Episode == episode && v.end.Role == event.RoleSharedMM && v.end.ExitMS != nil
		})
		if i < 0 {
			return
		}
	}
}

// tellEnd emits the end of victim i. One that is not freed may end later.
func (p *pump) tellEnd(i int, outcome event.Outcome, boot uint64) {
	v := &p.ends.list[i]
	end := v.end
	end.Outcome = outcome
	if outcome != event.OutcomeFreed {
		end.WaitedMS = event.Ptr(int64(boot-v.boot) / 1e6)
	}
	e := p.event(event.TypeOOMEnd, 0, boot, event.SourceBPF)
	e.End, e.Simulated = &end, v.simulated
	if outcome == event.OutcomeFreed || outcome == event.OutcomeExited && !p.ends.seesFreed {
		p.ends.list = slices.Delete(p.ends.list, i, i+1)
	}
	p.emit(e)
	p.armEnds()
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

// lookAtEnds tells of the victims that take too long, and lets go of the oldest.
func (p *pump) lookAtEnds() {
	now, boot := time.Now(), p.clocks.boot()
	p.ends.list = slices.DeleteFunc(p.ends.list, func(v victim) bool { return now.After(v.forget) })
	for i := range p.ends.list {
		v := &p.ends.list[i]
		if v.stuck.IsZero() || now.Before(v.stuck) {
			continue
		}
		v.stuck = time.Time{}
		outcome := event.OutcomeStuck
		switch {
		case v.end.ExitMS != nil:
			outcome = event.OutcomeExited
		case v.end.ReapMS != nil:
			outcome = event.OutcomeReaped
		}
		p.tellEnd(i, outcome, boot)
	}
	p.armEnds()
}
