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
	// callerFor is how long who a caller is counts as known.
	callerFor = 10 * time.Second

	// explainWait is how long a change of the clock waits for the event that
	// explains it.
	explainWait   = time.Second
	suspectsLimit = 16
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
	if err != nil {
		return // the programs and this binary are one build: it cannot happen
	}
	if p.full() {
		p.received[string(event.TypeClockAdjust)]++
		return
	}
	w := &p.rec.Clock
	boot := w.H.BoottimeNs
	c := p.decoder.Clock(&p.rec, step)
	cut := p.identify(c, boot)
	if c.Daemon != nil && *c.Daemon && c.StepNS == nil && c.Errno == "" && p.opts.Daemon != DaemonAll {
		p.received[string(event.TypeClockAdjust)]++
		if p.opts.Daemon == DaemonSummary {
			if len(p.daemons.sums) >= daemonsLimit {
				p.summarise()
			}
			p.daemons.add(c)
		}
		p.checkLoss()
		return
	}
	e := p.event(event.TypeClockAdjust, seq, boot, event.SourceBPF)
	e.Clock = c
	if cut {
		e.Truncated = append(e.Truncated, "process.cmdline")
	}
	// A simulation sets the frequency to what it is: nothing else is one.
	e.Simulated = event.BySimulator(c.Process.Comm, c.Process.Cgroup) && c.Kind == event.KindFrequency && c.Errno == ""
	p.emit(e)
	p.checkLoss()
}

// identify adds what /proc knows of the caller, and whether it is a time daemon: its
// unit, which the kernel told, may say so. Who called a moment ago costs nothing. cut
// says that the command line is longer than what is told of it.
func (p *pump) identify(c *event.Clock, boot uint64) (cut bool) {
	t := &c.Process
	p.pods.Fill(t.Container, t.Pod)
	if procsnap.IsTimeDaemonUnit(t.Unit) {
		c.Daemon = event.Ptr(true)
	}
	if t.StartBoottimeNS == nil {
		return false
	}
	key := callerKey{t.PID, *t.StartBoottimeNS}
	who, known := p.daemons.caller(key)
	if !known {
		r := ref(t.PID, t.StartBoottimeNS, boot)
		r.Daemon, r.Unit, r.UID = true, t.Unit, t.UID
		a, ok := procsnap.Wait(p.clerk.Ask(procsnap.Request{Tasks: []procsnap.Ref{r}}), snapshotWait)
		if !ok || len(a.Tasks) != 1 {
			return false
		}
		t.User = a.Tasks[0].User
		if a.Tasks[0].Err != nil {
			return false
		}
		who = caller{identity: a.Tasks[0].Identity, user: t.User, daemon: a.Tasks[0].Daemon.By != ""}
		p.daemons.remember(key, who)
	}
	t.User = who.user
	who.identity.FillTask(t)
	c.Daemon = &who.daemon
	return who.identity.CmdlineTruncated
}

// suspect is a change of the offset that no event explained when it was seen.
type suspect struct {
	boot      uint64 // when the offset was sampled
	offset    int64
	tolerance int64
	due       time.Time
}

// lookAtClock compares, some moments after the clock was set, where it is with
// where the events say it should be.
func (p *pump) lookAtClock() {
	p.tellSteps(time.Now())
	offset, bound := p.clocks.sampleOffset()
	boot := p.clocks.boot()
	diff := offset - p.offsets.Last()
	// Small differences are the errors of both readings.
	tolerance := bound + p.errorNS.Swap(bound) + int64(100*time.Microsecond)
	p.offsets.Set(boot, offset)
	if (diff > tolerance || diff < -tolerance) && len(p.suspects) < suspectsLimit {
		p.suspects = append(p.suspects, suspect{boot, offset, tolerance, time.Now().Add(explainWait)})
	}
	if len(p.suspects) > 0 {
		p.settleIn(time.Until(p.suspects[0].due))
	}
}

// tellSteps emits the changes that nothing has explained until now. What explains
// one is a step before the sample; it comes late when the one who set the clock
// lost the CPU inside the call.
func (p *pump) tellSteps(now time.Time) {
	for len(p.suspects) > 0 && !p.suspects[0].due.After(now) {
		s := p.suspects[0]
		p.suspects = p.suspects[1:]
		diff := s.offset - p.offsets.At(s.boot-1)
		tolerance := s.tolerance + p.in.stepErrorNS.Load()
		// Where clock events are not asked for, a set only moves the times of others.
		if p.opts.Tracer.NoClock || diff <= tolerance && diff >= -tolerance {
			continue
		}
		// As for a call, the time is the one before the clock moved.
		e := p.event(event.TypeClockStep, 0, s.boot-1, event.SourceTimerFD)
		e.ClockStep = &event.ClockStep{StepNS: diff, StepErrorNS: tolerance, StepSource: "timerfd"}
		p.emit(e)
	}
	if len(p.suspects) == 0 {
		p.in.stepErrorNS.Store(0)
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
	user     string
	daemon   bool
	asked    time.Time
}

// summary is one daemon's discipline since began.
type summary struct {
	key   callerKey
	began time.Time
	sum   event.ClockSummary
}

// caller returns who is remembered, unless that was too long ago: a process may
// execute another program, or open the socket that makes it a time daemon.
func (d *daemons) caller(key callerKey) (caller, bool) {
	c, ok := d.callers[key]
	return c, ok && time.Since(c.asked) < callerFor
}

// remember forgets all when there are too many: they are looked up again.
func (d *daemons) remember(key callerKey, c caller) {
	if d.callers == nil || len(d.callers) >= daemonsLimit {
		d.callers = map[callerKey]caller{}
	}
	c.asked = time.Now()
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
	key := callerKey{pid: c.Process.PID}
	if start := c.Process.StartBoottimeNS; start != nil {
		key.start = *start
	}
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
		e := p.event(event.TypeClockSummary, 0, p.clocks.boot(), event.SourceBPF)
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
