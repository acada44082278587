// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"slices"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// repeated: the same limit again and again.
func repeated(in *shortage) *draft {
	h := in.history
	if len(h) < 3 || !in.last() {
		return nil
	}
	d := in.about("repeated", timeline.High, "It happens again and again")
	d.About = in.everyKill()
	d.say("The same limit was hit in %d incidents.", len(h))
	d.cite(d.About, "%d incidents, %s.", len(h), plural(len(d.About), "kill"))
	var gaps []int64
	for i := 1; i < len(h); i++ {
		a, b := h[i-1].kills[0].event, h[i].kills[0].event
		if a.Time.IsZero() || b.Time.IsZero() || b.Time.Before(a.Time) {
			gaps = nil
			break
		}
		gaps = append(gaps, b.Time.Sub(a.Time).Milliseconds())
	}
	owner := "the owner of the limit"
	why := "What comes back is not cured by a restart. A larger limit only makes the time between kills longer, if something grows."
	if len(gaps) > 0 {
		sorted := slices.Sorted(slices.Values(gaps))
		least, middle, most := sorted[0], sorted[len(sorted)/2], sorted[len(sorted)-1]
		d.cite(d.About, "Between them %s to %s, in the middle %s.", lasting(least), lasting(most), lasting(middle))
		if len(gaps) >= 3 && float64(most) <= 1.25*float64(least) {
			d.and("It comes about every %s: as a job does that is run by the clock, or a leak of steady pace.", lasting(middle))
			why += " A timer or a job at these times would explain the rhythm; else time it from the victim's start: a leak follows that."
		} else {
			d.and("The times between differ much: it follows the load rather than the clock.")
		}
	}
	d.RefutedBy = "Incidents whose victims and growth differ: then they have the limit in common, and not the cause."
	d.do("Look for what these times have in common.", why, owner, look("jobs that systemd runs by the clock; for cron see /etc/cron*", "systemctl list-timers --all"))
	return d
}
