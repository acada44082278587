// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// lossEvery is how often losses are looked for, when there are events.
const lossEvery = time.Second

// checkLoss reports new losses after an event, once a second at the most, and those that
// come after the last event a second later. Never when idle.
func (p *pump) checkLoss() {
	p.lookLater() // this event's own loss may be yet to come
	if !time.Now().Before(p.lossAt) {
		p.lookForLoss()
	}
}

// lookLater has losses looked for though no event may come any more: what is still
// queued can be lost on its way out, as to a disk that is full.
func (p *pump) lookLater() {
	if !p.lossTimed {
		p.lossTimed = true
		p.lossTimer.Reset(lossEvery)
	}
}

func (p *pump) lookForLoss() {
	p.lossAt = time.Now().Add(lossEvery)
	if !p.outs[0].hasRoom() { // the report would be a loss itself
		p.lookLater()
		return
	}
	counts, delta, grown := p.losses()
	if !grown {
		return
	}
	e := p.event(event.TypeLost, 0, p.clocks.boot(), event.SourceTracer)
	e.Lost = &event.Lost{Counts: counts, Delta: delta}
	p.emit(e)
}

// losses counts what was lost, in all and since it was last asked.
func (p *pump) losses() (counts, delta event.LostCounts, grown bool) {
	counts.Queue = event.Ptr(p.outs[0].dropped.Load())
	if p.opts.Record != nil {
		counts.Record = event.Ptr(p.outs[1].dropped.Load() + p.opts.Record.Dropped())
	}
	if p.tracer == nil {
		// There is no program that could lose anything.
		counts.Reserve, counts.Read, counts.Recursion, counts.ProbeMissed = new(uint64), new(uint64), new(uint64), new(uint64)
	} else if st, err := p.tracer.Stats(); err == nil {
		counts.Reserve = event.Ptr(st.OOMReserve + st.ClockReserve + st.SigkillReserve)
		counts.Read = event.Ptr(st.Read + st.ReadArgument)
		counts.Recursion = st.Recursion
		counts.ProbeMissed = st.ProbeMissed
	}
	if p.log != nil && p.log.beside() {
		counts.Log = event.Ptr(p.log.log.Lost())
	}
	grow := func(now, was *uint64) *uint64 {
		if now == nil {
			return nil
		}
		var d uint64
		if d = *now; was != nil {
			d -= *was
		}
		grown = grown || d > 0
		return &d
	}
	delta = event.LostCounts{
		Reserve: grow(counts.Reserve, p.lost.Reserve), Queue: grow(counts.Queue, p.lost.Queue),
		Read: grow(counts.Read, p.lost.Read), Recursion: grow(counts.Recursion, p.lost.Recursion),
		ProbeMissed: grow(counts.ProbeMissed, p.lost.ProbeMissed), Record: grow(counts.Record, p.lost.Record),
		Log: grow(counts.Log, p.lost.Log),
	}
	p.lost = counts
	return counts, delta, grown
}
