// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"context"
	"maps"
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
	markWait = 200 * time.Millisecond
	// symbolWait is how long the first kill waits for the symbol table.
	symbolWait = 2 * time.Second
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
	out    *outbox
	cancel context.CancelCauseFunc

	rec      wire.Record
	sharers  []sharer
	late     []lateSnapshot
	daemons  daemons
	sets     chan struct{}
	settle   *time.Timer
	suspects []suspect // oldest first
	received map[string]uint64
	written  map[string]uint64
	shown    uint64

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

func newPump(s *session, in *intake, out *outbox, cancel context.CancelCauseFunc) *pump {
	p := &pump{
		session: s, in: in, out: out, cancel: cancel,
		sets:     make(chan struct{}, 1),
		settle:   time.NewTimer(time.Hour),
		received: map[string]uint64{},
		written:  map[string]uint64{},
	}
	p.settle.Stop()
	return p
}

// clockWasSet is for the timerfd watcher.
func (p *pump) clockWasSet() {
	select {
	case p.sets <- struct{}{}:
	default: // one is waiting already and will see both
	}
}

// run works until stopped is closed and the queues are empty.
func (p *pump) run(stopped <-chan struct{}) {
	mark := time.NewTimer(time.Hour)
	mark.Stop()
	lateTick := time.NewTimer(time.Hour)
	lateTick.Stop()
	// Armed once, not with each event: a storm would put them off for ever.
	marking, ticking := false, false
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
				p.takeLate()
			case <-p.daemons.due():
				p.summarise()
			case <-p.sets:
				p.settle.Reset(settleWait)
			case <-p.settle.C:
				p.lookAtClock()
			case <-stopped:
				p.drain()
				return
			}
		}
		if len(p.sharers) > 0 && !marking {
			marking = true
			mark.Reset(markWait)
		}
		if len(p.late) > 0 && !ticking {
			ticking = true
			lateTick.Reset(snapshotWait)
		}
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
			p.takeLate()
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
	if !p.out.push(e) {
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
	if err != nil || p.full() {
		return // the programs and this binary are one build: it cannot happen
	}
	<-p.waitSymbols()
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

// waitSymbols is closed once kills can be decoded in full, or never will.
func (p *pump) waitSymbols() <-chan struct{} {
	select {
	case <-p.symbols:
		return p.symbols
	default:
	}
	ready := make(chan struct{})
	t := time.NewTimer(symbolWait)
	go func() {
		defer close(ready)
		defer t.Stop()
		select {
		case <-p.symbols:
		case <-t.C:
		}
	}()
	return ready
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
	now := boottimeNS()
	p.letOut(func(s sharer) bool { return s.boot+uint64(markWait) <= now })
}

// letOut emits the announced kills that ready says.
func (p *pump) letOut(ready func(sharer) bool) {
	kept := p.sharers[:0]
	for _, s := range p.sharers {
		if !ready(s) {
			kept = append(kept, s)
			continue
		}
		p.finishKill(s.kill, 0, s.boot)
	}
	p.sharers = kept
}

// finishKill adds what /proc knows and emits.
func (p *pump) finishKill(k *event.Kill, seq, boot uint64) {
	e := p.event(event.TypeOOMKill, seq, boot, event.SourceBPF)
	e.Kill = k
	p.pods.Fill(k.Victim.Container, k.Victim.Pod)
	if k.Trigger != nil {
		p.pods.Fill(k.Trigger.Container, k.Trigger.Pod)
	}
	e.Simulated = k.Victim.Comm != nil && *k.Victim.Comm == simulator &&
		k.Victim.Cgroup != nil && strings.Contains(k.Victim.Cgroup.Path, simulator)
	p.snapshot(k, boot)
	p.emit(e)
}

// snapshot asks the worker and waits for it, for a moment.
func (p *pump) snapshot(k *event.Kill, boot uint64) {
	tasks := []procsnap.Ref{ref(k.Victim.PID, k.Victim.StartBoottimeNS)}
	if t := k.Trigger; t != nil && t.PID != k.Victim.PID {
		tasks = append(tasks, ref(t.PID, t.StartBoottimeNS))
	}
	answer := p.worker.Ask(procsnap.Request{Tasks: tasks, Memory: true})
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
		a.Tasks[0].Identity.FillVictim(&k.Victim)
	}
	if k.Trigger != nil && len(a.Tasks) > 0 {
		// The trigger is the last one asked for, the victim itself where it is both.
		if t := a.Tasks[len(a.Tasks)-1]; t.Err == nil {
			t.Identity.FillTask(k.Trigger)
		}
	}
	p.memory(k, a.Memory, a.AgeMS(boot))
}

func ref(pid int, start *uint64) procsnap.Ref {
	r := procsnap.Ref{PID: pid}
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

// takeLate emits the snapshots that have come meanwhile.
func (p *pump) takeLate() {
	kept := p.late[:0]
	for _, l := range p.late {
		select {
		case a := <-l.answer:
			p.emit(p.lateEvent(l, a))
			p.blockedUntil = time.Time{}
		default:
			kept = append(kept, l)
		}
	}
	p.late = kept
}

func (p *pump) lateEvent(l lateSnapshot, a procsnap.Answer) *event.Event {
	e := p.event(event.TypeOOMSnapshot, 0, boottimeNS(), event.SourceProc)
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
	if !p.out.hasRoom() {
		return // the report would be a loss itself
	}
	counts, delta, grown := p.losses()
	if !grown {
		return
	}
	e := p.event(event.TypeLost, 0, boottimeNS(), event.SourceTracer)
	e.Lost = &event.Lost{Counts: counts, Delta: delta}
	p.emit(e)
}

// losses counts what was lost, in all and since it was last asked.
func (p *pump) losses() (counts, delta event.LostCounts, grown bool) {
	counts.Queue = event.Ptr(p.out.dropped.Load())
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
		ProbeMissed: grow(counts.ProbeMissed, p.lost.ProbeMissed),
	}
	p.lost = counts
	return counts, delta, grown
}

// start emits session.start and warms the path that a kill will take.
func (p *pump) start() {
	p.warm()
	e := p.event(event.TypeSessionStart, 0, boottimeNS(), event.SourceTracer)
	e.SessionStart = &event.SessionStart{
		Version: p.opts.Version, Hooks: hooks(p.tracer.Hooks()), Settings: p.reader.Settings(),
		Locked: p.survive.Locked, OOMScoreAdj: p.survive.OOMScoreAdj,
		Filters: p.opts.Filters, Warnings: p.warns, InitPIDNamespace: p.initNS,
	}
	p.emit(e)
}

// hooks converts the tracer's report.
func hooks(in []tracer.Hook) []event.Hook {
	out := make([]event.Hook, 0, len(in))
	for _, h := range in {
		out = append(out, event.Hook{Fact: h.Fact, Method: h.Method, OK: h.OK, Reason: h.Reason})
	}
	return out
}

// warm decodes and encodes a made-up kill, so that code and buffers are in
// memory before memory is gone.
func (p *pump) warm() {
	var w bpf.OomtraceWireKill
	w.H.BoottimeNs = boottimeNS()
	rec := wire.Record{Kind: bpf.OomtraceWireKindWIRE_KIND_KILL, Kill: w}
	k := p.decoder.Kill(&rec)
	e := &event.Event{Schema: event.Schema, Type: event.TypeOOMKill, Session: p.id, Time: p.offsets.Time(w.H.BoottimeNs), Source: event.SourceBPF, Host: p.host, Kill: k}
	var enc event.Encoder
	_, _ = enc.Append(make([]byte, 0, 4096), e)
}

// end emits session.end.
func (p *pump) end(reason string) {
	counts, _, _ := p.losses()
	e := p.event(event.TypeSessionEnd, 0, boottimeNS(), event.SourceTracer)
	// A copy, for the writer has it from here on; this line counts itself.
	written := maps.Clone(p.written)
	written[string(event.TypeSessionEnd)]++
	e.SessionEnd = &event.SessionEnd{Reason: reason, Received: p.received, Written: written, Lost: counts}
	if st, err := p.tracer.Stats(); err == nil {
		e.SessionEnd.ClockReads = &st.ClockReads
	}
	p.emit(e)
}
