// SPDX-License-Identifier: Apache-2.0

package explain

import "github.com/oomtrace/oomtrace/decode/event"

// trend is how the memory of a process went before a kill.
type trend struct {
	from, to, most, least uint64
	spanMS                int64
	points                int // the kill's own included
	falls                 int // steps downwards of more than a tenth of what it grew
}

// victimTrend is known where the process was sampled, and its memory at the kill is.
func victimTrend(k *event.Kill) (trend, bool) {
	l := k.LeadUp
	rss, ok := k.Victim.RSSBytes()
	if l == nil || l.State != event.LeadUpOK || len(l.VictimRSS) < 2 || !ok {
		return trend{}, false
	}
	first := l.VictimRSS[0]
	t := trend{from: first.RSSBytes, to: rss, most: rss, least: rss, spanMS: first.BeforeMS, points: len(l.VictimRSS) + 1}
	for _, p := range l.VictimRSS {
		t.most, t.least = max(t.most, p.RSSBytes), min(t.least, p.RSSBytes)
	}
	last := first.RSSBytes
	for _, p := range append(l.VictimRSS[1:len(l.VictimRSS):len(l.VictimRSS)], event.RSSPoint{RSSBytes: rss}) {
		if last > p.RSSBytes && last-p.RSSBytes > t.grew()/10 {
			t.falls++
		}
		last = p.RSSBytes
	}
	return t, true
}

// grew is by how much it is larger at the kill than at the first sample.
func (t trend) grew() uint64 { return t.to - min(t.from, t.to) }

// rate is in bytes a second.
func (t trend) rate() float64 {
	if t.spanMS <= 0 {
		return 0
	}
	return float64(t.grew()) / (float64(t.spanMS) / 1000)
}

// growers are the processes that grew where memory ran out; nothing where that was not
// looked at: of a limit, what grew elsewhere is nobody's fault.
func (in *shortage) growers() []event.Grower {
	l := in.main.LeadUp
	if l == nil || in.main.Scope == event.ScopeMemcg && l.GrowersOf != event.GrowersOfLimit {
		return nil
	}
	return l.Growers
}

// ageMS is how long the victim had been there.
func ageMS(k kill) (int64, bool) {
	start, at := k.Victim.StartBoottimeNS, k.event.BoottimeNS
	if start == nil || at == nil || *at < *start {
		return 0, false
	}
	return int64((*at - *start) / 1e6), true
}

// anon is the anonymous memory below the limit: of the cgroup, or if that was read when
// the victim had given some back, of the victim.
func (in *shortage) anon() (uint64, bool) {
	var most uint64
	var ok bool
	if s := in.stat(); s != nil && s.AnonBytes != nil {
		most, ok = *s.AnonBytes, true
	}
	if a := in.main.Victim.AnonRSSBytes; a != nil {
		most, ok = max(most, *a), true
	}
	return most, ok
}
