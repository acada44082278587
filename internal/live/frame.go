// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/incident"
	"github.com/oomtrace/oomtrace/decode/wire"
	"github.com/oomtrace/oomtrace/tracer"
)

// start emits session.start and warms the path that a kill will take.
func (p *pump) start() {
	p.warm()
	e := p.event(event.TypeSessionStart, 0, p.clocks.boot(), event.SourceTracer)
	e.SessionStart = &event.SessionStart{
		Version: p.opts.Version, Settings: p.settings,
		Hooks:  append(append(Hooks(p.hooks, p.setErr, p.symbolsErr), p.logHooks()...), p.sampling.hooks()...),
		Locked: p.survive.Locked, OOMScoreAdj: p.survive.OOMScoreAdj,
		Filters: p.filters(), Warnings: p.warns, InitPIDNamespace: p.initNS,
		SampleMS: p.sampling.ms(),
	}
	if p.incidents != nil {
		e.SessionStart.IncidentWindowMS = event.Ptr(p.incidents.Window().Milliseconds())
	}
	p.emit(e)
}

// filters says what is left out of the stream though it has numbers.
func (p *pump) filters() []string {
	f := slices.Clone(p.opts.Filters)
	var events []string
	for _, group := range []struct {
		name string
		in   bool
	}{{"oom", !p.opts.Tracer.NoOOM}, {"clock", !p.opts.Tracer.NoClock}, {"kill", p.opts.Tracer.Sigkills}} {
		if group.in {
			events = append(events, group.name)
		}
	}
	if p.opts.Tracer.NoOOM || p.opts.Tracer.NoClock {
		f = append(f, "events="+strings.Join(events, ","))
	}
	if !p.opts.Tracer.NoClock && p.opts.Daemon != DaemonAll {
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
	// The kernel's log has the names in it.
	if asked[tracer.FactKill] && killHook(in).Method != MethodLog || asked[tracer.FactSigkill] {
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
	if p.incidents != nil {
		e.Kill.Incident = incident.New(0).Add(e) // nor is it counted
	}
	p.late, p.blockedUntil = nil, time.Time{}
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
	e.SessionEnd = &event.SessionEnd{Reason: reason, Received: p.received, Written: written, Lost: counts, Incidents: p.incidentCount(), CrossCheck: p.crossChecked()}
	if p.logTells() {
		e.SessionEnd.NoKillsLeftOut = event.Ptr(p.noKills.leftOut)
	}
	if p.tracer == nil {
		// It has nothing to tell.
	} else if st, err := p.tracer.Stats(); err == nil {
		if p.seesClock() {
			e.SessionEnd.ClockReads = &st.ClockReads
		}
		if p.tracer.SeesInvocations() {
			e.SessionEnd.Invocations, e.SessionEnd.Waits, e.SessionEnd.NoKillsLeftOut = &st.Invocations, &st.Waits, &st.NoKills
		}
	}
	end := *e.SessionEnd
	p.emit(e)
	return &end
}

// seesClock says whether changes of the clock have a hook: else nobody counts reads.
func (p *pump) seesClock() bool {
	return slices.ContainsFunc(p.hooks, func(h tracer.Hook) bool { return h.Fact == tracer.FactAdjtimex && h.OK })
}

// incidentCount is how many incidents the kills were of; nil if that is not known: once
// Count is reached kills are counted, and not looked at.
func (p *pump) incidentCount() *uint64 {
	if g := p.incidents; g != nil && g.Kills() == p.received[string(event.TypeOOMKill)] {
		return event.Ptr(g.Incidents())
	}
	return nil
}
