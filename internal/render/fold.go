// SPDX-License-Identifier: Apache-2.0

package render

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// A storm of kills is folded: the first kills of an incident have a row each, of those
// that follow one row tells, now and then, how many they were. What the rows say adds
// up to every kill.
const (
	foldAfter = 3                // so many have a row of their own
	foldCalm  = 30 * time.Second // and so has one that comes after such a quiet
	foldPause = 3 * time.Second  // a storm that rests so long is told of
	// While it goes on it is told of at the latest so long after the first kill that was
	// not, which doubles each time.
	foldFrom, foldMost = 5 * time.Second, time.Minute
)

// What a folder remembers. Incidents as many as are open at a time at the most.
const (
	maxFolds  = 64
	maxFolded = 256
	maxNames  = 4
)

// folder decides which kills have a row. Its clock is the events' own boot clock.
type folder struct {
	session string
	now     uint64 // boottime_ns of the stream
	turn    uint64
	folds   [maxFolds]fold
	folded  [maxFolded]victim // those that had no row last, a ring
	next    int
}

// victim names a kill.
type victim struct {
	episode string
	pid     int
}

// fold is an incident.
type fold struct {
	id      string
	used    uint64 // turn of its last kill; 0: nothing is here
	rows    int
	lastNS  uint64
	patient time.Duration // how long it may go untold

	untold untold
}

// untold are the kills that no row told of yet.
type untold struct {
	kills     uint64
	sinceNS   uint64
	since     time.Time
	last      *event.Event // nil: there are none
	where     string       // of all; "" if they differ
	simulated bool         // all
	names     []named      // the first few
	others    uint64
}

type named struct {
	name  string
	count uint64
}

// add takes a kill of an incident, and says whether it has a row of its own. over is
// what must be told first since there is no more room.
func (f *folder) add(e *event.Event) (own bool, over untold) {
	in := e.Kill.Incident
	at := f.now
	if e.BoottimeNS != nil {
		at = *e.BoottimeNS
	}
	f.turn++
	i := slices.IndexFunc(f.folds[:], func(o fold) bool { return o.used > 0 && o.id == in.ID })
	if i < 0 {
		i = 0
		for j := range f.folds {
			if f.folds[j].used < f.folds[i].used {
				i = j
			}
		}
		over = f.folds[i].untold
		f.folds[i] = fold{id: in.ID, lastNS: at, patient: foldFrom}
	}
	o := &f.folds[i]
	calm := since(o.lastNS, at) > foldCalm
	o.used, o.lastNS = f.turn, max(o.lastNS, at)
	if calm {
		o.patient = foldFrom
	}
	if calm || o.rows < foldAfter {
		o.rows++
		return true, over
	}
	o.untold.add(e, at)
	f.folded[f.next] = victim{e.Kill.Episode, e.Kill.Victim.PID}
	f.next = (f.next + 1) % maxFolded
	return false, over
}

// since is how long after from to is.
func since(from, to uint64) time.Duration {
	if to <= from {
		return 0
	}
	return time.Duration(min(to-from, math.MaxInt64))
}

func (u *untold) add(e *event.Event, at uint64) {
	v := &e.Kill.Victim
	where := victimPlace(v)
	if u.kills == 0 {
		*u = untold{sinceNS: at, since: e.Time, where: where, simulated: true}
	}
	u.kills++
	u.last = e
	u.simulated = u.simulated && e.Simulated
	if u.where != where {
		u.where = ""
	}
	name := clip(optional(v.Comm, v.CommHex), 64)
	i := slices.IndexFunc(u.names, func(n named) bool { return n.name == name })
	switch {
	case i >= 0:
		u.names[i].count++
	case name != "" && len(u.names) < maxNames:
		u.names = append(u.names, named{name, 1})
	default:
		u.others++
	}
}

// due is how long after now o must be told of: 0 or less is at once.
func (o *fold) due(now uint64) time.Duration {
	// A slow storm would have a row for each of its kills if every pause were told.
	pause := max(foldPause, o.patient/4)
	return min(pause-since(o.lastNS, now), o.patient-since(o.untold.sinceNS, now))
}

// take returns what is to be told, all or what is due, the oldest first.
func (f *folder) take(all bool) (out []untold) {
	for i := range f.folds {
		o := &f.folds[i]
		if o.untold.kills == 0 || !all && o.due(f.now) > 0 {
			continue
		}
		out = append(out, o.untold)
		o.untold = untold{}
		o.patient = min(2*o.patient, foldMost)
	}
	slices.SortStableFunc(out, func(a, b untold) int { return cmp.Compare(a.sinceNS, b.sinceNS) })
	return out
}

// wait is how long it takes, if nothing comes, until something is due; 0 if nothing is
// untold.
func (f *folder) wait() time.Duration {
	least := time.Duration(0)
	for i := range f.folds {
		o := &f.folds[i]
		if o.untold.kills == 0 {
			continue
		}
		if d := max(1, o.due(f.now)); least == 0 || d < least {
			least = d
		}
	}
	return least
}

// has says whether this kill had no row of its own.
func (f *folder) has(episode string, pid int) bool {
	return slices.Contains(f.folded[:], victim{episode, pid})
}

// foldRow tells of kills that had no row, of which there are several.
func foldRow(u *untold, wide bool, loc *time.Location) row {
	k := u.last.Kill
	r := row{
		time:    u.last.Time,
		event:   part{text: "KILLS", style: red},
		process: "… " + count(u.kills) + " more kills",
		where:   u.where,
	}
	c := &r.what
	*c = append(*c, part{text: killCauseAt(k, u.where), style: bold})
	last := who(k.Victim.PID, k.Victim.Comm, k.Victim.CommHex)
	clock := u.since.In(loc)
	layout := time.TimeOnly
	if clock.Format(time.DateOnly) != u.last.Time.In(loc).Format(time.DateOnly) {
		layout = time.DateTime
	}
	span := "last " + last
	if !u.since.IsZero() {
		span = "since " + clock.Format(layout) + ", " + span
	}
	*c = append(*c, part{text: span, keep: last})
	c.add(u.who())
	addIncident(c, k.Incident, true)
	if wide {
		c.add(labelled("incident", k.Incident.ID))
	}
	return r
}

// who is "20 java, 15 sh, 2 others", or "" when all have one name.
func (u *untold) who() string {
	if len(u.names)+int(min(u.others, 1)) < 2 {
		return ""
	}
	slices.SortStableFunc(u.names, func(a, b named) int { return cmp.Compare(b.count, a.count) })
	var out []string
	for _, n := range u.names {
		out = append(out, count(n.count)+" "+n.name)
	}
	if u.others > 0 {
		out = append(out, plural(u.others, "other"))
	}
	return strings.Join(out, ", ")
}

// addIncident says which kill of an incident this is, or, with all, how many it has
// had; nothing of the first.
func addIncident(c *cell, in *event.Incident, all bool) {
	if in == nil || in.Kills < 2 {
		return
	}
	text := "kill " + count(in.Kills)
	if all {
		text = count(in.Kills) + " kills"
	}
	first := taskName(&in.First.Victim)
	*c = append(*c, part{text: text + " in " + lapse(in.SinceMS) + ", first " + first, keep: first})
}

// lapse is a time in milliseconds, without what nobody asks of a long one.
func lapse(ms int64) string {
	switch {
	case ms < 1:
		return "less than 1 ms"
	case ms < 1000:
		return strconv.FormatInt(ms, 10) + " ms"
	case ms < 10_000:
		return strconv.FormatFloat(float64(ms/100)/10, 'f', 1, 64) + " s"
	}
	return span(min(ms, 9e12) / 1000 * 1e9)
}
