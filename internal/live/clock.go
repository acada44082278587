// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

const (
	summaryEvery = time.Minute
	daemonsLimit = 32
)

// clock handles one record of the clock ring.
func (p *pump) clock(s *slot) {
	err := p.rec.Parse(s.raw[:s.n])
	seq, step := s.seq, s.step
	if step != nil {
		held := *step
		step = &held
	}
	p.in.clock.free <- s
	if err != nil || p.full() {
		return
	}
	w := &p.rec.Clock
	boot := w.H.BoottimeNs
	c := p.decoder.Clock(&p.rec, step)
	p.identify(c)
	if c.Daemon && c.StepNS == nil && c.Errno == "" && p.opts.Daemon != DaemonAll {
		p.received[string(event.TypeClockAdjust)]++
		if p.opts.Daemon == DaemonSummary {
			if len(p.daemons.sums) >= daemonsLimit {
				p.summarise()
			}
			p.daemons.add(c)
		}
		return
	}
	e := p.event(event.TypeClockAdjust, seq, boot, event.SourceBPF)
	e.Clock = c
	e.Simulated = c.Process.Comm != nil && *c.Process.Comm == simulator
	p.emit(e)
	p.checkLoss()
}

// identify adds what /proc knows of the caller, and whether it is a time daemon.
// Who called before is known already and costs nothing.
func (p *pump) identify(c *event.Clock) {
	t := &c.Process
	p.pods.Fill(t.Container, t.Pod)
	if t.StartBoottimeNS == nil {
		return
	}
	key := callerKey{t.PID, *t.StartBoottimeNS}
	who, known := p.daemons.callers[key]
	if !known {
		r := ref(t.PID, t.StartBoottimeNS)
		r.Daemon, r.Unit = true, t.Unit
		a, ok := procsnap.Wait(p.clerk.Ask(procsnap.Request{Tasks: []procsnap.Ref{r}}), snapshotWait)
		if !ok {
			return
		}
		if len(a.Tasks) != 1 || a.Tasks[0].Err != nil {
			return
		}
		who = caller{a.Tasks[0].Identity, a.Tasks[0].Daemon.By != ""}
		p.daemons.remember(key, who)
	}
	who.identity.FillTask(t)
	c.Daemon = who.daemon
}

// unexplainedStep looks, some moments after the clock was set, whether the
// events explain where it is now.
func (p *pump) unexplainedStep() {
	// What explains it may be waiting: it comes first, and we are asked again.
	if len(p.in.clock.full) > 0 {
		p.settle.Reset(settleWait)
		return
	}
	offset, bound := sampleOffset()
	boot := boottimeNS()
	diff := offset - p.offsets.Last()
	// Small differences are the errors of both readings.
	tolerance := bound + p.errorNS.Load() + int64(100*time.Microsecond)
	unexplained := diff > tolerance || diff < -tolerance
	if unexplained && p.suspect != offset-diff {
		// The clock may have been set again a moment ago, and the event that says
		// so be on its way: look twice before it is said that none does.
		p.suspect = offset - diff
		p.settle.Reset(settleWait)
		return
	}
	p.suspect = 0
	p.errorNS.Store(bound)
	p.offsets.Set(boot, offset)
	// Where clock events are not asked for, a set only moves the times of others.
	if unexplained && !p.opts.Tracer.NoClock {
		e := p.event(event.TypeClockStep, 0, boot, event.SourceTimerFD)
		e.ClockStep = &event.ClockStep{StepNS: diff, StepErrorNS: tolerance, StepSource: "timerfd"}
		p.emit(e)
	}
}

// daemons keeps who has moved the clock, and each time daemon's discipline until
// it is summed up.
type daemons struct {
	callers map[callerKey]caller
	sums    []*summary
	timer   *time.Timer
}

type callerKey struct {
	pid   int
	start uint64
}

type caller struct {
	identity procsnap.Identity
	daemon   bool
}

// summary is one daemon's discipline since began.
type summary struct {
	key   callerKey
	began time.Time
	sum   event.ClockSummary
}

// remember forgets all when there are too many: they are looked up again.
func (d *daemons) remember(key callerKey, c caller) {
	if d.callers == nil || len(d.callers) >= daemonsLimit {
		d.callers = map[callerKey]caller{}
	}
	d.callers[key] = c
}

func (d *daemons) pending() bool { return len(d.sums) > 0 }

// due gives the time to sum up; it never comes while there is nothing.
func (d *daemons) due() <-chan time.Time {
	if d.timer == nil {
		return nil
	}
	return d.timer.C
}

// add counts one call of a daemon.
func (d *daemons) add(c *event.Clock) {
	key := callerKey{c.Process.PID, *c.Process.StartBoottimeNS}
	var s *summary
	for _, have := range d.sums {
		if have.key == key {
			s = have
		}
	}
	if s == nil {
		s = &summary{key: key, began: time.Now(), sum: event.ClockSummary{Process: c.Process}}
		d.sums = append(d.sums, s)
		if d.timer == nil {
			d.timer = time.NewTimer(summaryEvery)
		}
	}
	s.sum.Calls++
	if c.After == nil {
		return
	}
	s.sum.After = c.After
	if f := c.After.FreqPPM; f != nil {
		if s.sum.MinFreqPPM == nil || *f < *s.sum.MinFreqPPM {
			s.sum.MinFreqPPM = f
		}
		if s.sum.MaxFreqPPM == nil || *f > *s.sum.MaxFreqPPM {
			s.sum.MaxFreqPPM = f
		}
	}
}

// summarise emits each daemon's sum and begins anew.
func (p *pump) summarise() {
	for _, s := range p.daemons.sums {
		e := p.event(event.TypeClockSummary, 0, boottimeNS(), event.SourceBPF)
		s.sum.IntervalMS = time.Since(s.began).Milliseconds()
		e.ClockSummary = &s.sum
		p.emit(e)
	}
	p.daemons.sums = nil
	if p.daemons.timer != nil {
		p.daemons.timer.Stop()
		p.daemons.timer = nil
	}
}
