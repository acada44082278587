// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"context"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/incident"
	"github.com/oomtrace/oomtrace/decode/wire"
)

// settleWait is how long after a set the clock is looked at: usually the event that
// explains it has come by then.
const settleWait = 20 * time.Millisecond

// pump turns records into events. Its methods, but for clockWasSet, are for the
// goroutine of run.
type pump struct {
	*session
	in     *intake
	outs   []*outbox // the first is the one that is shown
	cancel context.CancelCauseFunc

	rec       wire.Record
	sharers   []sharer
	sigkills  sigkills
	late      []*lateSnapshot
	incidents *incident.Grouper // nil: kills are not grouped
	daemons   daemons
	settle    *time.Timer
	settleAt  time.Time // when settle fires; zero: it does not run
	suspects  []suspect // oldest first
	ends      ends
	cross     crossCheck
	noKills   noKills
	fromLog   <-chan logEvent // nil: nothing comes from the log, or no more
	received  map[string]uint64
	written   map[string]uint64
	shown     uint64

	symbolsBy    time.Time // kills wait for symbols until then
	blockedUntil time.Time // /proc hangs: do not wait for it
	lossAt       time.Time
	lossTimer    *time.Timer // runs after an event, as losses may come after the last one
	lossTimed    bool
	lost         event.LostCounts
}

func newPump(s *session, in *intake, outs []*outbox, cancel context.CancelCauseFunc) *pump {
	p := &pump{
		session: s, in: in, outs: outs, cancel: cancel,
		settle:    time.NewTimer(time.Hour),
		lossTimer: time.NewTimer(time.Hour),
		symbolsBy: time.Now().Add(symbolWait),
		received:  map[string]uint64{},
		written:   map[string]uint64{},
	}
	if s.opts.Incidents > 0 && !s.opts.Tracer.NoOOM {
		p.incidents = incident.New(s.opts.Incidents)
	}
	p.settle.Stop()
	p.lossTimer.Stop()
	p.ends = newEnds(s.hooks)
	p.cross.timer = time.NewTimer(time.Hour)
	p.cross.timer.Stop()
	if s.log != nil {
		p.fromLog = s.log.events
		p.cross.on = !s.log.tells
	}
	return p
}

// sets tells that the clock was set; it never comes where nobody watches.
func (p *pump) sets() <-chan struct{} {
	if p.set == nil {
		return nil
	}
	return p.set.sets
}

// run works until stopped is closed and the queues are empty.
func (p *pump) run(stopped <-chan struct{}) {
	mark := time.NewTimer(time.Hour)
	mark.Stop()
	lateTick := time.NewTimer(time.Hour)
	lateTick.Stop()
	// Armed once, not with each event: a storm would put them off for ever.
	marking, ticking := false, false
	var alive <-chan time.Time
	if p.opts.AliveEvery > 0 {
		ticker := time.NewTicker(p.opts.AliveEvery)
		defer ticker.Stop()
		alive = ticker.C
	}
	tick := lateEvery
	for {
		// Kills first: a clock storm must not hold them up.
		select {
		case s := <-p.in.oom.full:
			p.kill(s)
		default:
			select {
			case s := <-p.in.oom.full:
				p.kill(s)
			case s := <-p.in.clock.full:
				p.clock(s)
			case s := <-p.in.sigkill.full:
				p.sigkill(s)
			case e, more := <-p.fromLog:
				p.takeLogged(e, more)
			case <-p.cross.timer.C:
				p.lookAcross()
			case <-mark.C:
				marking = false
				p.letOutOld()
			case <-lateTick.C:
				ticking = false
				// A process that the kernel holds can take for ever: ask less often.
				if tick = min(2*tick, lateEveryMost); p.takeLate() > 0 {
					tick = lateEvery
				}
			case <-p.ends.timer.C:
				p.lookAtEnds()
			case <-p.daemons.due():
				p.summarise()
			case t := <-p.sampling.samples():
				p.sampled(t)
			case <-alive:
				p.opts.Alive()
			case <-p.lossTimer.C:
				p.lossTimed = false
				p.lookForLoss()
			case <-p.sets():
				p.settleIn(settleWait)
			case <-p.settle.C:
				p.settleAt = time.Time{}
				p.lookAtClock()
			case <-stopped:
				p.drain()
				return
			}
		}
		p.pulse.Touch()
		if (len(p.sharers) > 0 || len(p.sigkills.held) > 0) && !marking {
			marking = true
			mark.Reset(markWait)
		}
		if len(p.late) > 0 && !ticking {
			ticking = true
			lateTick.Reset(tick)
		}
	}
}

// settleIn has the clock looked at after d at the latest: a storm of sets does not
// put it off.
func (p *pump) settleIn(d time.Duration) {
	at := time.Now().Add(d)
	if p.settleAt.IsZero() || at.Before(p.settleAt) {
		p.settleAt = at
		p.settle.Reset(d)
	}
}

// drain handles what is left when nothing comes any more.
func (p *pump) drain() {
	for {
		select {
		case s := <-p.in.oom.full:
			p.kill(s)
		case s := <-p.in.clock.full:
			p.clock(s)
		case s := <-p.in.sigkill.full:
			p.sigkill(s)
		case e, more := <-p.fromLog:
			p.takeLogged(e, more)
		default:
			p.letOut(func(sharer) bool { return true })
			p.endCross()
			p.tellEnds()
			p.letOutSigkills(func(heldSigkill) bool { return true })
			p.giveUpLate()
			select {
			case <-p.sets():
				p.settleIn(0)
			default:
			}
			if !p.settleAt.IsZero() {
				p.lookAtClock()
			}
			p.tellSteps(time.Now().Add(explainWait))
			if p.daemons.pending() {
				p.summarise()
			}
			return
		}
	}
}

// event makes an event of this session. seq 0 gives it the next number.
func (p *pump) event(typ event.Type, seq, boot uint64, source event.Source) *event.Event {
	if seq == 0 {
		seq = p.seq.Add(1)
	}
	return &event.Event{
		Schema: event.Schema, Type: typ, Session: p.id, Seq: seq,
		Time: p.offsets.Time(boot), BoottimeNS: &boot, Source: source, Host: p.host,
	}
}

// emit hands e to the output if the filter lets it.
func (p *pump) emit(e *event.Event) {
	switch e.Type {
	case event.TypeSessionStart, event.TypeSessionEnd, event.TypeLost:
	default:
		p.received[string(e.Type)]++
		if !p.opts.Match(e) {
			return
		}
	}
	shown := p.outs[0].push(e)
	for _, o := range p.outs[1:] {
		o.push(e)
	}
	if !shown {
		return
	}
	p.written[string(e.Type)]++
	switch e.Type {
	case event.TypeOOMKill, event.TypeClockAdjust, event.TypeClockStep, event.TypeProcSigkill:
		p.shown++
		if p.opts.Count > 0 && p.shown >= p.opts.Count {
			p.cancel(errCounted)
		}
	}
}

// full says whether Count was reached: what the rings still hold is not shown.
func (p *pump) full() bool { return p.opts.Count > 0 && p.shown >= p.opts.Count }
