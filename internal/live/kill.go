// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/wire"
)

const (
	// markWait is how long an announced kill waits for its mark_victim, which is
	// written microseconds later unless the CPU is taken away in between.
	markWait = time.Second
	// symbolWait is how long after the start kills wait for the symbol table.
	symbolWait = 10 * time.Second
)

// sharer is a process that got the signal; mark_victim may still claim it
// (tracepoint rung only).
type sharer struct {
	kill    *event.Kill
	boot    uint64
	by      killed
	trigger int
}

// kill handles one record of the OOM ring.
func (p *pump) kill(s *slot) {
	err := p.rec.Parse(s.raw[:s.n])
	seq := s.seq
	p.in.oom.free <- s
	if err != nil {
		return // the programs and this binary are one build: it cannot happen
	}
	switch p.rec.Kind {
	case bpf.OomtraceWireKindWIRE_KIND_CHOICE:
		return // it stays in rec until its kill comes
	case bpf.OomtraceWireKindWIRE_KIND_MOMENT:
		p.moment(p.decoder.Moment(&p.rec), p.rec.Moment.H.BoottimeNs)
		return
	case bpf.OomtraceWireKindWIRE_KIND_NOKILL:
		p.noKill(seq)
		return
	}
	if p.full() {
		p.received[string(event.TypeOOMKill)]++
		return
	}
	p.waitSymbols()
	boot := p.rec.Kill.H.BoottimeNs
	k := p.decoder.Kill(&p.rec)
	if wire.LedTo(&p.rec.Choice, &p.rec.Kill) {
		p.decoder.Choice(k, &p.rec.Kill, &p.rec.Choice)
	}
	trigger := 0
	if k.Trigger != nil && k.Trigger.TID != nil {
		trigger = *k.Trigger.TID
	}
	p.claimSigkill(k, trigger, boot)
	if p.rec.Kind == bpf.OomtraceWireKindWIRE_KIND_SIGNAL {
		p.sharers = append(p.sharers, sharer{k, boot, killedBy(&p.rec), trigger})
		return
	}
	p.claim(k, trigger)
	p.finishKill(k, seq, boot, killedBy(&p.rec))
	p.checkLoss()
}

// killed is what of a kill's record is needed to see its end.
type killed struct {
	mm       uint64 // as the programs name it; 0: not known
	signalNS uint64 // 0: not known
}

func killedBy(r *wire.Record) killed { return killed{r.Kill.Mm, r.Kill.SignalNs} }

// noKill handles the record of an invocation that killed nobody.
func (p *pump) noKill(seq uint64) {
	if p.full() {
		p.received[string(event.TypeOOMNoKill)]++
		return
	}
	e := p.event(event.TypeOOMNoKill, seq, p.rec.Kill.H.BoottimeNs, event.SourceBPF)
	n := p.decoder.NoKill(&p.rec)
	e.NoKill = n
	if v := n.Victim; v != nil {
		p.pods.Fill(v.Container, v.Pod)
		e.Simulated = event.BySimulator(v.Comm, v.Cgroup)
	}
	if t := n.Trigger; t != nil {
		p.pods.Fill(t.Container, t.Pod)
		e.Simulated = e.Simulated || event.BySimulator(t.Comm, t.Cgroup)
	}
	p.emit(e)
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
	p.letOutSigkills(func(h heldSigkill) bool { return h.boot+uint64(markWait) <= now })
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
			p.finishKill(s.kill, 0, s.boot, s.by)
		}
	}
	p.sharers = kept
}

// finishKill adds what /proc knows and emits.
func (p *pump) finishKill(k *event.Kill, seq, boot uint64, by killed) {
	e := p.event(event.TypeOOMKill, seq, boot, event.SourceBPF)
	e.Kill = k
	p.complete(e, boot)
	if p.incidents != nil {
		k.Incident = p.incidents.Add(e)
	}
	p.emit(e)
	p.seenBy(k, boot)
	p.awaitEnd(k, boot, by, e.Simulated)
}

// complete adds what /proc and the kubelet's files know.
func (p *pump) complete(e *event.Event, boot uint64) {
	p.snapshot(e, boot)
	p.keptOfKill(e)
	p.name(e)
}

// name adds the names of pods that the kubelet's files tell, and who simulates.
func (s *session) name(e *event.Event) {
	k := e.Kill
	s.pods.Fill(k.Victim.Container, k.Victim.Pod)
	if k.Trigger != nil {
		s.pods.Fill(k.Trigger.Container, k.Trigger.Pod)
	}
	e.Simulated = event.BySimulator(k.Victim.Comm, k.Victim.Cgroup)
}
