// SPDX-License-Identifier: Apache-2.0

package dossier

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/incident"
	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Schema names the format, in the field schema.
const Schema = "oomtrace.explain/v1"

// Report is what is told. What is not known is absent.
type Report struct {
	Timeline *timeline.Document
	// Incidents are all of the timeline, the latest first.
	Incidents []Incident
	// Question and Answer are about one process, container, pod or unit; nil: nobody
	// asked.
	Question *fate.Question
	Answer   *fate.Answer
	// Elsewhere: none of it is of the running boot of the machine that explains it.
	Elsewhere bool
	Counted   Counted
	// Others are lines by programs of user space that ended something themselves; only
	// where no incident was found.
	Others []fate.Witness
	// Gaps say what of the machine is not known, and why.
	Gaps []string
}

// Incident is kills that one limit caused, not long after one another, or an invocation
// of the OOM killer that killed nobody.
type Incident struct {
	// ID is the episode of the first kill.
	ID   string
	Boot int // index in the timeline's boots
	// Entries are its kills, or the invocation that killed nobody, as indices in the
	// timeline's entries.
	Entries []int
	// Findings are what explains it, as indices in the timeline's findings.
	Findings []int
	Told     bool // in full
}

// Counted is what the kernel counted of the running boot, whatever the logs still hold.
type Counted struct {
	KillsSinceBoot *uint64
	// Kills are those of the running boot that the timeline has, less those of processes
	// that shared a victim's memory, which the kernel does not count.
	Kills uint64
	// Cgroups are those there now that count kills of their own.
	Cgroups []CgroupCount
}

// CgroupCount is how many kills a cgroup counts.
type CgroupCount struct {
	Cgroup event.Cgroup `json:"cgroup"`
	Kills  uint64       `json:"kills"`
}

// Missing is how many kills the kernel counted that the timeline does not have.
func (c *Counted) Missing() uint64 {
	if c.KillsSinceBoot == nil {
		return 0
	}
	return *c.KillsSinceBoot - min(c.Kills, *c.KillsSinceBoot)
}

// Incidents finds those of a timeline, the latest first.
func Incidents(d *timeline.Document) []Incident {
	type key struct {
		boot int
		id   string
	}
	at := map[key]int{}
	var all []Incident
	for i := range d.Entries {
		e := &d.Entries[i]
		var id, limit string
		switch {
		case e.Kill != nil && e.Kill.Incident != nil:
			id = e.Kill.Incident.ID
		case e.Kill != nil:
			id = e.Kill.Episode
		case e.NoKill != nil && tells(e.NoKill.Reason):
			// The kernel tries again and again: all of it is one story.
			id, limit = e.NoKill.Episode, "nobody at "+limitOf(e.NoKill)
		default:
			continue
		}
		k := key{e.Boot, id}
		if limit != "" {
			k.id = limit
		}
		n, ok := at[k]
		if !ok || limit != "" && apart(&d.Entries[last(all[n].Entries)], e) {
			n = len(all)
			at[k] = n
			all = append(all, Incident{ID: id, Boot: e.Boot})
		}
		all[n].Entries = append(all[n].Entries, i)
	}
	// By their last entries: a storm that went on is later than a kill in its midst.
	slices.SortStableFunc(all, func(a, b Incident) int { return cmp.Compare(last(b.Entries), last(a.Entries)) })
	for n := range all {
		for i := range d.Findings {
			if slices.ContainsFunc(d.Findings[i].About, func(e int) bool { return slices.Contains(all[n].Entries, e) }) {
				all[n].Findings = append(all[n].Findings, i)
			}
		}
	}
	return all
}

// limitOf names whose limit nobody was killed for, and why not.
func limitOf(n *event.NoKill) string {
	name := string(n.Reason) + " " + string(n.Scope)
	if n.Limit != nil && n.Limit.Cgroup != nil {
		name += " " + event.RawString(n.Limit.Cgroup.Path, n.Limit.Cgroup.PathHex)
	}
	return name
}

// apart says whether too much time is between two entries for one incident.
func apart(a, b *timeline.Entry) bool {
	switch {
	case !a.Time.IsZero() && !b.Time.IsZero():
		return b.Time.Sub(a.Time) > incident.DefaultWindow
	case a.PrintkNS != nil && b.PrintkNS != nil:
		return *b.PrintkNS > *a.PrintkNS && *b.PrintkNS-*a.PrintkNS > uint64(incident.DefaultWindow)
	}
	return false
}

func last(entries []int) int { return entries[len(entries)-1] }

// tells says whether an invocation that killed nobody is an incident of its own: where
// somebody was dying already there was a kill before, or none was needed.
func tells(r event.NoKillReason) bool {
	return r == event.NoKillPanic || r == event.NoKillNoCandidate
}

// First and Last are the times of an incident's first and last entry; zero: not known.
func (in *Incident) First(d *timeline.Document) time.Time { return d.Entries[in.Entries[0]].Time }

// Last is the time of its last entry; zero: not known.
func (in *Incident) Last(d *timeline.Document) time.Time { return d.Entries[last(in.Entries)].Time }

// ErrNoIncident says that no incident is the one that was asked for.
var ErrNoIncident = errors.New("no such incident")

// Choose marks the incidents to tell in full: by a number in the list, from 1, or the
// beginning of an id, of the incident or of an episode in it. Without names it is the
// latest.
func (r *Report) Choose(names []string) error {
	if len(names) == 0 {
		if len(r.Incidents) > 0 {
			r.Incidents[0].Told = true
		}
		return nil
	}
	for _, name := range names {
		found, err := r.find(name)
		if err != nil {
			return err
		}
		r.Incidents[found].Told = true
	}
	return nil
}

// idShown is how much of an id has to be given at least; fewer digits are a number.
const idShown = 4

func (r *Report) find(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil && len(name) < idShown {
		if n < 1 || n > len(r.Incidents) {
			return 0, fmt.Errorf("%w: number %d of %d", ErrNoIncident, n, len(r.Incidents))
		}
		return n - 1, nil
	}
	found := -1
	for i := range r.Incidents {
		if len(name) < idShown || !r.Incidents[i].named(r.Timeline, name) {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("%w: %q is the beginning of several, %s and %s", ErrNoIncident, name, r.Incidents[found].ID, r.Incidents[i].ID)
		}
		found = i
	}
	if found < 0 {
		return 0, fmt.Errorf("%w: %q is neither a number of the list nor the beginning of an episode", ErrNoIncident, name)
	}
	return found, nil
}

// named says whether the incident, or an episode in it, has an id that begins so.
func (in *Incident) named(d *timeline.Document, name string) bool {
	if strings.HasPrefix(in.ID, name) {
		return true
	}
	return slices.ContainsFunc(in.Entries, func(i int) bool {
		k := d.Entries[i].Kill
		return k != nil && strings.HasPrefix(k.Episode, name)
	})
}

// ChooseEntries marks the incidents that have these entries.
func (r *Report) ChooseEntries(entries []int) {
	for i := range r.Incidents {
		in := &r.Incidents[i]
		in.Told = in.Told || slices.ContainsFunc(in.Entries, func(e int) bool { return slices.Contains(entries, e) })
	}
}

// ChooseAll marks all of them.
func (r *Report) ChooseAll() {
	for i := range r.Incidents {
		r.Incidents[i].Told = true
	}
}

// Count counts the kills of the running boot that the timeline has.
func (r *Report) Count() {
	for i := range r.Timeline.Entries {
		e := &r.Timeline.Entries[i]
		if e.Kill != nil && e.Kill.Role != event.RoleSharedMM && r.Timeline.Boots[e.Boot].Running {
			r.Counted.Kills++
		}
	}
}

// deedsMost is how many deeds of others are told.
const deedsMost = 10

// Deeds are those of the lines in which a program says that it, or the kernel, killed or
// ended somebody: the last ones, in order of time.
func Deeds(lines []fate.Witness) []fate.Witness {
	var deeds []fate.Witness
	for _, w := range lines {
		if w.Report.Kind != killlog.KindExit && w.Report.Trust != killlog.TrustUser {
			deeds = append(deeds, w)
		}
	}
	return deeds[max(0, len(deeds)-deedsMost):]
}
