// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/wire"
	"github.com/oomtrace/oomtrace/tracer"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

const (
	// snapshotWait is how long a kill's line waits for /proc.
	snapshotWait = 5 * time.Millisecond
	// markWait is how long an announced kill waits for its mark_victim, which is
	// written microseconds later unless the CPU is taken away in between.
	markWait = time.Second
	// symbolWait is how long after the start kills wait for the symbol table.
	symbolWait = 10 * time.Second
	// lateEvery is how often answers of /proc that came late are looked for, less and
	// less often while none comes.
	lateEvery     = 5 * time.Millisecond
	lateEveryMost = time.Second
	// lateGrace is how long the session's end waits for them.
	lateGrace = 100 * time.Millisecond
	// settleWait is how long after a set the clock is looked at: usually the event
	// that explains it has come by then.
	settleWait = 20 * time.Millisecond
	// lateLimit bounds the snapshots that are waited for after their line.
	lateLimit = 64
	// lossEvery is how often losses are looked for, when there are events.
	lossEvery = time.Second
)

// simulator is the comm of what `oomtrace simulate` runs.
const simulator = "oomtrace-sim"

// pump turns records into events. Its methods, but for clockWasSet, are for the
// goroutine of run.
type pump struct {
	*session
	in     *intake
	outs   []*outbox // the first is the one that is shown
	cancel context.CancelCauseFunc

	rec      wire.Record
	sharers  []sharer
	late     []lateSnapshot
	daemons  daemons
	settle   *time.Timer
	settleAt time.Time // when settle fires; zero: it does not run
	suspects []suspect // oldest first
	received map[string]uint64
	written  map[string]uint64
	shown    uint64

	symbolsBy    time.Time // kills wait for symbols until then
	blockedUntil time.Time // /proc hangs: do not wait for it
	lossAt       time.Time
	lost         event.LostCounts
}

// sharer is a process that got the signal; mark_victim may still claim it
// (tracepoint rung only).
type sharer struct {
	kill    *event.Kill
	boot    uint64
	trigger int
}

// lateSnapshot is an answer that a kill did not wait for.
type lateSnapshot struct {
	answer <-chan procsnap.Answer
	boot   uint64
	kill   *event.Kill
	tasks  []procsnap.Ref
}

func newPump(s *session, in *intake, outs []*outbox, cancel context.CancelCauseFunc) *pump {
	p := &pump{
		session: s, in: in, outs: outs, cancel: cancel,
		settle:    time.NewTimer(time.Hour),
		symbolsBy: time.Now().Add(symbolWait),
		received:  map[string]uint64{},
		written:   map[string]uint64{},
	}
	p.settle.Stop()
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
			case <-mark.C:
				marking = false
				p.letOutOld()
			case <-lateTick.C:
				ticking = false
				// A process that the kernel holds can take for ever: ask less often.
				if tick *= 2; p.takeLate() > 0 || tick > lateEveryMost {
					tick = lateEvery
				}
			case <-p.daemons.due():
				p.summarise()
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
		if len(p.sharers) > 0 && !marking {
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
		default:
			p.letOut(func(sharer) bool { return true })
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
	case event.TypeOOMKill, event.TypeClockAdjust, event.TypeClockStep:
		p.shown++
		if p.opts.Count > 0 && p.shown >= p.opts.Count {
			p.cancel(errCounted)
		}
	}
}

// full says whether Count was reached: what the rings still hold is not shown.
func (p *pump) full() bool { return p.opts.Count > 0 && p.shown >= p.opts.Count }

// kill handles one record of the OOM ring.
func (p *pump) kill(s *slot) {
	err := p.rec.Parse(s.raw[:s.n])
	seq := s.seq
	p.in.oom.free <- s
	if err != nil {
		return // the programs and this binary are one build: it cannot happen
	}
	if p.full() {
		p.received[string(event.TypeOOMKill)]++
		return
	}
	p.waitSymbols()
	boot := p.rec.Kill.H.BoottimeNs
	k := p.decoder.Kill(&p.rec)
	trigger := 0
	if k.Trigger != nil && k.Trigger.TID != nil {
		trigger = *k.Trigger.TID
	}
	if p.rec.Kind == bpf.OomtraceWireKindWIRE_KIND_SIGNAL {
		p.sharers = append(p.sharers, sharer{k, boot, trigger})
		return
	}
	p.claim(k, trigger)
	p.finishKill(k, seq, boot)
	p.checkLoss()
}

// waitSymbols waits until kills can be decoded in full, or never will.
func (p *pump) waitSymbols() {
	if p.symbolsKnown() || !time.Now().Before(p.symbolsBy) {
		return
	}
	t := time.NewTimer(time.Until(p.symbolsBy))
	defer t.Stop()
	select {
	case <-p.symbols:
	case <-t.C:
	}
}

// claim forgets the announcement of a kill that mark_victim has confirmed, and
// lets the killer's other ones out: nothing will confirm them.
func (p *pump) claim(k *event.Kill, trigger int) {
	p.sharers = slices.DeleteFunc(p.sharers, func(s sharer) bool {
		return s.trigger == trigger && thread(s.kill) == thread(k)
	})
	p.letOut(func(s sharer) bool { return s.trigger == trigger })
}

// thread is the thread that was signalled and marked, which need not be a leader.
func thread(k *event.Kill) int {
	if k.Victim.TID != nil {
		return *k.Victim.TID
	}
	return k.Victim.PID
}

// letOutOld lets out the announced kills whose mark_victim would be here by now.
func (p *pump) letOutOld() {
	if len(p.in.oom.full) > 0 {
		return // it may be there
	}
	now := p.clocks.boot()
	p.letOut(func(s sharer) bool { return s.boot+uint64(markWait) <= now })
}

// letOut emits the announced kills that ready says.
func (p *pump) letOut(ready func(sharer) bool) {
	kept := p.sharers[:0]
	for _, s := range p.sharers {
		switch {
		case !ready(s):
			kept = append(kept, s)
		case p.full():
			p.received[string(event.TypeOOMKill)]++
		default:
			p.finishKill(s.kill, 0, s.boot)
		}
	}
	p.sharers = kept
}

// finishKill adds what /proc knows and emits.
func (p *pump) finishKill(k *event.Kill, seq, boot uint64) {
	e := p.event(event.TypeOOMKill, seq, boot, event.SourceBPF)
	e.Kill = k
	p.complete(e, boot)
	p.emit(e)
}

// complete adds what /proc and the kubelet's files know.
func (p *pump) complete(e *event.Event, boot uint64) {
	k := e.Kill
	p.snapshot(e, boot)
	p.pods.Fill(k.Victim.Container, k.Victim.Pod)
	if k.Trigger != nil {
		p.pods.Fill(k.Trigger.Container, k.Trigger.Pod)
	}
	e.Simulated = bySimulator(k.Victim.Comm, k.Victim.Cgroup)
}

// bySimulator tells a process of `oomtrace simulate`: the name alone anybody can take,
// but not the cgroup.
func bySimulator(comm *string, cg *event.Cgroup) bool {
	return comm != nil && *comm == simulator && cg != nil && strings.HasPrefix(path.Base(cg.Path), simulator+"-")
}

// snapshot asks the worker and waits for it, for a moment.
func (p *pump) snapshot(e *event.Event, boot uint64) {
	k := e.Kill
	tasks := []procsnap.Ref{ref(k.Victim.PID, k.Victim.StartBoottimeNS, boot)}
	if t := k.Trigger; t != nil && t.PID != k.Victim.PID {
		tasks = append(tasks, ref(t.PID, t.StartBoottimeNS, boot))
	}
	k.Settings = p.settings // those last read, unless the answer comes
	answer := p.worker.Ask(procsnap.Request{Tasks: tasks, Machine: true})
	wait := snapshotWait
	if time.Now().Before(p.blockedUntil) {
		wait = 0
	}
	a, ok := procsnap.Wait(answer, wait)
	if !ok {
		p.blockedUntil = time.Now().Add(time.Second)
		state := procsnap.StateLate
		if len(p.late) >= lateLimit {
			state = procsnap.StateBlocked
		} else {
			p.late = append(p.late, lateSnapshot{answer, boot, k, tasks})
		}
		k.Snapshot = &event.SnapshotState{State: state}
		return
	}
	k.Snapshot = &event.SnapshotState{State: a.State, AgeMS: a.AgeMS(boot)}
	if len(a.Tasks) > 0 && a.Tasks[0].Err == nil {
		v := &k.Victim
		was := *v
		a.Tasks[0].Identity.FillVictim(v)
		if a.Tasks[0].Identity.CmdlineTruncated && was.Cmdline == nil {
			e.Truncated = append(e.Truncated, "victim.cmdline")
		}
		fromProc(k, "victim", known{was.Cmdline, was.Exe, was.Cgroup, was.Unit}, known{v.Cmdline, v.Exe, v.Cgroup, v.Unit})
	}
	if t := k.Trigger; t != nil && len(a.Tasks) > 0 {
		// The trigger is the last one asked for, the victim itself where it is both.
		if answer := a.Tasks[len(a.Tasks)-1]; answer.Err == nil {
			was := *t
			answer.Identity.FillTask(t)
			if answer.Identity.CmdlineTruncated && was.Cmdline == nil {
				e.Truncated = append(e.Truncated, "trigger.cmdline")
			}
			fromProc(k, "trigger", known{was.Cmdline, was.Exe, was.Cgroup, was.Unit}, known{t.Cmdline, t.Exe, t.Cgroup, t.Unit})
		}
	}
	p.memory(k, a.Memory, a.AgeMS(boot))
	if a.Settings != nil {
		a.Settings.Kdump = p.settings.Kdump
		p.settings, k.Settings = a.Settings, a.Settings
		p.decoder.Machine.Swappiness = a.Settings.Swappiness
	}
}

// known is what /proc may add to a task.
type known struct {
	cmdline, exe *string
	cgroup       *event.Cgroup
	unit         string
}

// fromProc names in sources what of a task is known since /proc was read.
func fromProc(k *event.Kill, who string, was, is known) {
	for field, added := range map[string]bool{
		"cmdline": was.cmdline == nil && is.cmdline != nil,
		"exe":     was.exe == nil && is.exe != nil,
		"cgroup":  was.cgroup == nil && is.cgroup != nil,
		"unit":    was.unit == "" && is.unit != "",
	} {
		if !added {
			continue
		}
		if k.Sources == nil {
			k.Sources = map[string]string{}
		}
		k.Sources[who+"."+field] = string(event.SourceProc)
	}
}

func ref(pid int, start *uint64, boot uint64) procsnap.Ref {
	r := procsnap.Ref{PID: pid, EventBoottimeNS: boot}
	if start != nil {
		r.StartBoottimeNS = *start
	}
	return r
}

func (p *pump) memory(k *event.Kill, m *event.Memory, age *int64) {
	if m == nil {
		return
	}
	m.AgeMS = age
	k.Memory = m
	if k.Limit != nil && k.Limit.Kind == event.LimitRAM && k.Limit.Bytes == nil {
		k.Limit.Bytes = m.TotalBytes
	}
}

// takeLate emits the snapshots that have come meanwhile, and says how many.
func (p *pump) takeLate() int {
	was := len(p.late)
	p.late = slices.DeleteFunc(p.late, func(l lateSnapshot) bool {
		select {
		case a := <-l.answer:
			p.emit(p.lateEvent(l, a))
			p.blockedUntil = time.Time{}
			return true
		default:
			return false
		}
	})
	return was - len(p.late)
}

// giveUpLate waits a little for the snapshots that are due and says of the others
// that they will not come.
func (p *pump) giveUpLate() {
	if len(p.late) == 0 {
		return
	}
	grace, cancel := context.WithTimeout(context.Background(), lateGrace)
	defer cancel()
	for _, l := range p.late {
		a := procsnap.Answer{State: procsnap.StateBlocked}
		select {
		case a = <-l.answer:
		case <-grace.Done():
		}
		p.emit(p.lateEvent(l, a))
	}
	p.late = nil
}

func (p *pump) lateEvent(l lateSnapshot, a procsnap.Answer) *event.Event {
	e := p.event(event.TypeOOMSnapshot, 0, p.clocks.boot(), event.SourceProc)
	e.Snapshot = &event.SnapshotLate{
		Episode: l.kill.Episode, PID: l.kill.Victim.PID, Memory: a.Memory,
		Snapshot: event.SnapshotState{State: a.State, AgeMS: a.AgeMS(l.boot)},
	}
	for i := range a.Tasks {
		if a.Tasks[i].Err != nil {
			continue
		}
		t := &event.Task{PID: l.tasks[i].PID}
		a.Tasks[i].Identity.FillTask(t)
		p.pods.Fill(t.Container, t.Pod)
		if i == 0 {
			e.Snapshot.Victim = t
		} else {
			e.Snapshot.Trigger = t
		}
	}
	return e
}

// checkLoss reports new losses, once a second at the most and never when idle.
func (p *pump) checkLoss() {
	now := time.Now()
	if now.Before(p.lossAt) {
		return
	}
	p.lossAt = now.Add(lossEvery)
	if !p.outs[0].hasRoom() {
		return // the report would be a loss itself
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
	if st, err := p.tracer.Stats(); err == nil {
		counts.Reserve = event.Ptr(st.OOMReserve + st.ClockReserve)
		counts.Read = event.Ptr(st.Read + st.ReadArgument)
		counts.Recursion = st.Recursion
		counts.ProbeMissed = st.ProbeMissed
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
	}
	p.lost = counts
	return counts, delta, grown
}

// start emits session.start and warms the path that a kill will take.
func (p *pump) start() {
	p.warm()
	e := p.event(event.TypeSessionStart, 0, p.clocks.boot(), event.SourceTracer)
	e.SessionStart = &event.SessionStart{
		Version: p.opts.Version, Hooks: Hooks(p.tracer.Hooks(), p.setErr, p.symbolsErr), Settings: p.settings,
		Locked: p.survive.Locked, OOMScoreAdj: p.survive.OOMScoreAdj,
		Filters: p.filters(), Warnings: p.warns, InitPIDNamespace: p.initNS,
	}
	p.emit(e)
}

// filters says what is left out of the stream though it has numbers.
func (p *pump) filters() []string {
	f := slices.Clone(p.opts.Filters)
	if p.opts.Tracer.NoOOM {
		f = append(f, "events=clock")
	}
	if p.opts.Tracer.NoClock {
		f = append(f, "events=oom")
	} else if p.opts.Daemon != DaemonAll {
		f = append(f, "clock-daemon="+string(p.opts.Daemon))
	}
	if p.opts.Count > 0 {
		f = append(f, fmt.Sprintf("count=%d", p.opts.Count))
	}
	return f
}

// Facts that have no programs.
const (
	FactClockStep = "clock-step" // the clock was set by a call that no hook saw
	FactSymbols   = "symbols"    // the names of call traces
)

// Hooks is the tracer's report and, with it, what is had without programs. steps and
// symbols say why those are not to be had; nil is fine.
func Hooks(in []tracer.Hook, steps, symbols error) []event.Hook {
	const timerFD = "timerfd cancel-on-set"
	own := func(fact, method string, err error) event.Hook {
		if err != nil {
			return event.Hook{Fact: fact, Reason: err.Error()}
		}
		return event.Hook{Fact: fact, Method: method, OK: true}
	}
	out := make([]event.Hook, 0, len(in)+2)
	asked := map[string]bool{}
	for _, h := range in {
		if h.Fact == tracer.FactWarp && !h.OK && steps == nil {
			h.OK, h.Method = true, timerFD
		}
		out = append(out, event.Hook{Fact: h.Fact, Method: h.Method, OK: h.OK, Reason: h.Reason})
		asked[h.Fact] = true
	}
	if asked[tracer.FactSettime] {
		out = append(out, own(FactClockStep, timerFD, steps))
	}
	if asked[tracer.FactKill] {
		out = append(out, own(FactSymbols, kallsyms, symbols))
	}
	return out
}

// warm goes the way of a kill once, from the queue behind the ring to the outputs,
// with a made-up kill of this process: what it needs is in memory, and locked, before
// memory is gone.
func (p *pump) warm() {
	boot := p.clocks.boot()
	p.in.OOM(wire.Synthetic(os.Getpid(), boot))
	s := <-p.in.oom.full
	err := p.rec.Parse(s.raw[:s.n])
	p.in.oom.free <- s
	if err != nil {
		return // its own record: it cannot happen
	}
	e := p.event(event.TypeOOMKill, 1, boot, event.SourceBPF)
	e.Kill = p.decoder.Kill(&p.rec)
	p.complete(e, boot)
	p.late = nil
	if p.opts.Warm != nil {
		p.opts.Warm(e)
	}
}

// end emits session.end.
func (p *pump) end(reason string) *event.SessionEnd {
	counts, _, _ := p.losses()
	e := p.event(event.TypeSessionEnd, 0, p.clocks.boot(), event.SourceTracer)
	// A copy, for the writer has it from here on; this line counts itself.
	written := maps.Clone(p.written)
	written[string(event.TypeSessionEnd)]++
	e.SessionEnd = &event.SessionEnd{Reason: reason, Received: p.received, Written: written, Lost: counts}
	if st, err := p.tracer.Stats(); err == nil {
		e.SessionEnd.ClockReads = &st.ClockReads
	}
	end := *e.SessionEnd
	p.emit(e)
	return &end
}
