// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"fmt"
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// takeLogged takes what comes from the log, until there is no more.
func (p *pump) takeLogged(e logEvent, more bool) {
	if !more {
		p.fromLog = nil
		p.endOfLog()
		return
	}
	p.logged(e)
}

// endOfLog has nothing held against a log that ended before the session: that it has no
// line of a kill means nothing then.
func (p *pump) endOfLog() {
	if boot := p.clocks.boot(); !p.cross.over(boot) {
		p.cross.end(boot)
		p.cross.seen = nil
		p.armCross()
	}
}

// logged takes what the log tells.
func (p *pump) logged(e logEvent) {
	switch {
	case e.past != nil:
		p.past(e.past)
	case e.Kill != nil && p.log.tells:
		p.logKill(e)
	case e.Kill != nil:
		// What is only concluded may have ended otherwise.
		if !p.cross.on || p.cross.wasSeen(e) || p.cross.over(e.boot) || e.concluded {
			return
		}
		p.await(e)
	case !p.log.tells: // a program tells it
	case e.NoKill != nil, e.End != nil, e.Panic != nil:
		if p.full() {
			p.received[string(e.Type)]++
			return
		}
		if e.NoKill != nil && !p.noKills.let(e.boot) {
			return
		}
		p.number(e.Event)
		p.emit(e.Event)
		p.checkLoss()
	}
}

// noKillsEach is how many invocations without a kill are told a second: a cgroup with nobody
// who can be killed asks again and again.
const noKillsEach = 10

// noKills counts those that the log tells.
type noKills struct {
	since   uint64 // boot clock
	told    int
	leftOut uint64
}

// let says whether one at this time is to be told.
func (n *noKills) let(boot uint64) bool {
	if boot < n.since || boot-n.since >= uint64(time.Second) {
		n.since, n.told = boot, 0
	}
	if n.told == noKillsEach {
		n.leftOut++
		return false
	}
	n.told++
	return true
}

// number makes the log's event one of this session.
func (p *pump) number(e *event.Event) { e.Session, e.Seq = p.id, p.seq.Add(1) }

// logKill tells of a kill by the log's word.
func (p *pump) logKill(e logEvent) {
	if p.full() {
		p.received[string(event.TypeOOMKill)]++
		return
	}
	p.number(e.Event)
	p.complete(e.Event, e.boot)
	if p.incidents != nil {
		e.Kill.Incident = p.incidents.Add(e.Event)
	}
	p.emit(e.Event)
	p.checkLoss()
}

// past tells of the kills that the log has of before the session.
func (p *pump) past(h *past) {
	kills := slices.DeleteFunc(h.kills, func(e logEvent) bool { return p.cross.on && p.cross.wasSeen(e) })
	if n := len(kills) - backfilled; n > 0 {
		kills = kills[n:]
	}
	if !p.log.beside() { // there is no more to compare
		p.cross.on, p.cross.seen = false, nil
		p.armCross()
	}
	if p.opts.NoBackfill {
		return
	}
	for _, e := range kills {
		if p.cross.on && p.log.recent(e) {
			p.await(e)
		} else {
			p.tellPast(e)
		}
	}
	if said := h.say(len(kills)); said != "" && p.opts.Warn != nil {
		p.opts.Warn(said)
	}
}

// tellPast tells of a kill that happened before the session. It does not count as one.
func (p *pump) tellPast(e logEvent) {
	p.number(e.Event)
	for _, o := range p.outs {
		o.push(e.Event)
	}
}

// say puts what the log has of the past in a line, of which told kills are told; "" if
// these are all that there is to say.
func (h *past) say(told int) string {
	some := func(n uint64) string {
		if n == 1 {
			return "1 kill"
		}
		return fmt.Sprintf("%d kills", n)
	}
	switch {
	case h.counted != nil && *h.counted > h.lines:
		has := "none"
		if h.lines > 0 {
			has = fmt.Sprint(h.lines)
		}
		return fmt.Sprintf("%s since boot, the kernel log has %s: older ones were overwritten", some(*h.counted), has)
	case h.all == 0 && (h.whole || h.counted != nil):
		return "no kill since boot"
	case h.all == 0:
		return "no kill in the kernel log, which has lost its beginning"
	case h.matching == 0:
		return fmt.Sprintf("%s since boot, none of which matches the filters", some(h.all))
	case h.matching > uint64(told):
		return fmt.Sprintf("%s since boot, the last %d are told", some(h.matching), told)
	}
	return ""
}
