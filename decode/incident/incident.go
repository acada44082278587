// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// DefaultWindow is the time after which the kubelet takes a container that it had to
// start anew for stable. Until then it waits up to five minutes before it starts it
// again: a crash loop stays one incident.
const DefaultWindow = 10 * time.Minute

// What a Grouper remembers: the limits that were hit last, and the invocations of the
// OOM killer that a late kill may belong to.
const (
	maxOpen   = 64
	maxRecent = 256
)

// Grouper puts the kills of one boot, as they come, into incidents. It remembers a
// fixed number of them. It is not for concurrent use.
type Grouper struct {
	window uint64 // ns

	open  [maxOpen]open
	turn  uint64 // counts kills: who was used last
	found uint64

	// recent are the episodes that came last, a ring.
	recent [maxRecent]struct{ episode, id string }
	next   int
}

// open is an incident that may go on.
type open struct {
	key             key
	used            uint64 // turn of its last kill; 0: nothing is here
	firstNS, lastNS uint64
	episodes, kills uint64
	id              string
	first           event.FirstKill
}

// New returns a Grouper of incidents whose kills are no more than window apart; 0 is
// DefaultWindow.
func New(window time.Duration) *Grouper {
	if window <= 0 {
		window = DefaultWindow
	}
	return &Grouper{window: uint64(window)}
}

// Window is the longest time between two kills of one incident.
func (g *Grouper) Window() time.Duration { return time.Duration(g.window) }

// Kills counts the kills that were added.
func (g *Grouper) Kills() uint64 { return g.turn }

// Incidents counts what they were put into.
func (g *Grouper) Incidents() uint64 { return g.found }

// Add takes the next kill, as complete as it will be, and returns its incident as it
// is now. The time of a kill is its boottime_ns, or without that its time.
func (g *Grouper) Add(e *event.Event) *event.Incident {
	k := e.Kill
	at := uint64(e.Time.UnixNano())
	if e.BoottimeNS != nil {
		at = *e.BoottimeNS
	}
	g.turn++
	of := keyOf(k)
	in, known := g.ofEpisode(k.Episode)
	if in == nil {
		in = g.ofKey(of, at)
	}
	if in == nil {
		in = g.begin(of, e, at)
	}
	in.used = g.turn
	in.lastNS = max(in.lastNS, at)
	in.kills++
	if !known {
		in.episodes++
		g.recent[g.next].episode, g.recent[g.next].id = k.Episode, in.id
		g.next = (g.next + 1) % maxRecent
	}
	out := &event.Incident{ID: in.id, Kills: in.kills, Episodes: in.episodes, First: in.first}
	if at > in.firstNS { // a kill told late may have been before
		out.SinceMS = time.Duration(at - in.firstNS).Milliseconds()
	}
	return out
}

// ofEpisode finds the incident that has a kill of this episode.
func (g *Grouper) ofEpisode(episode string) (in *open, known bool) {
	for i := range g.recent {
		if r := &g.recent[i]; r.episode == episode && r.id != "" {
			for j := range g.open {
				if o := &g.open[j]; o.used > 0 && o.id == r.id {
					return o, true
				}
			}
		}
	}
	return nil, false
}

// ofKey finds the incident that a kill at this time goes on with: of several the one
// that was used last.
func (g *Grouper) ofKey(of key, at uint64) *open {
	var in *open
	for i := range g.open {
		o := &g.open[i]
		if o.used == 0 || o.key != of || in != nil && in.used > o.used {
			continue
		}
		// Kills may come a little late, so it reaches back as well.
		if (at <= o.lastNS || at-o.lastNS <= g.window) && (at >= o.firstNS || o.firstNS-at <= g.window) {
			in = o
		}
	}
	return in
}

// begin makes room for an incident: what was used least recently is over.
func (g *Grouper) begin(of key, e *event.Event, at uint64) *open {
	in := &g.open[0]
	for i := range g.open {
		if g.open[i].used < in.used {
			in = &g.open[i]
		}
	}
	k := e.Kill
	*in = open{key: of, id: k.Episode, firstNS: at, lastNS: at, first: event.FirstKill{
		Victim: event.Task{PID: k.Victim.PID, Comm: k.Victim.Comm, CommHex: k.Victim.CommHex},
	}}
	if !e.Time.IsZero() {
		in.first.Time = event.FormatTime(e.Time)
	}
	if t := k.Trigger; t != nil {
		in.first.Trigger = &event.Task{PID: t.PID, Comm: t.Comm, CommHex: t.CommHex}
	}
	g.found++
	return in
}
