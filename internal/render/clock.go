// SPDX-License-Identifier: Apache-2.0

package render

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

func clockRow(e *event.Event, wide bool, loc *time.Location) row {
	k := e.Clock
	t := &k.Process
	r := row{
		event:   part{text: "CLOCK", style: cyan},
		process: taskName(t),
		uid:     t.UID,
		where:   taskPlace(t),
	}
	if t.KThread != nil && *t.KThread {
		r.where = or(r.where, "kernel thread")
	}
	if k.Kind == event.KindStep || k.Errno != "" {
		r.event.style = yellow
	}
	c := &r.what
	did, attempt := clockWords(k)
	if k.Errno != "" {
		did = "tried to " + attempt + ": refused, " + refusal(k.Errno)
	}
	*c = append(*c, part{text: did, style: bold})
	if k.Errno == "" && k.StepNS != nil {
		c.add(fromTo(e.Time, *k.StepNS, loc))
	}
	if k.StepNS != nil && k.StepErrorNS != nil {
		c.add(uncertainty(*k.StepNS, *k.StepErrorNS, wide))
	}
	if k.Kind != event.KindSlew && k.SlewNS != nil && *k.SlewNS != 0 {
		c.add(slewed(*k.SlewNS))
	}
	clockChanges(c, k)
	c.add(labelled("by", or(string(k.Op), k.Function)))
	if k.Daemon != nil && *k.Daemon {
		c.add("time daemon")
	}
	if wide {
		clockWide(c, k)
	}
	return r
}

// clockWords says what a call did ("clock moved …"), and what one that was
// refused wanted ("move the clock …").
func clockWords(k *event.Clock) (did, attempt string) {
	switch k.Kind {
	case event.KindStep:
		if k.StepNS == nil {
			return "clock set (by how much is not known)", "set the clock"
		}
		if *k.StepNS == 0 {
			return "clock set to the time it had", "set the clock to the time it has"
		}
		by := direction(*k.StepNS) + " " + span(*k.StepNS)
		return "clock moved " + by, "move the clock " + by
	case event.KindSlew:
		if k.SlewNS == nil {
			return "clock slewed (by how much is not known)", "slew the clock"
		}
		return "clock " + slewed(*k.SlewNS), "slew the clock " + direction(*k.SlewNS) + " " + span(*k.SlewNS)
	case event.KindFrequency, event.KindTick:
		return "clock speed " + speedChange(k), "change the clock's speed"
	case event.KindStatus:
		return "clock status " + or(statusChange(k.Before, k.After), "set (to what is not known)"), "change the clock's status"
	case event.KindLeap:
		return leapWords(k.After), "change the leap second"
	case event.KindTAI:
		return "TAI offset " + or(taiChange(k), "set (to what is not known)"), "change the TAI offset"
	}
	return "clock changed: " + string(k.Kind), "change the clock: " + string(k.Kind)
}

// refusal is an errno with what it means, for the two that clock calls return.
func refusal(errno string) string {
	switch errno {
	case "EPERM":
		return "EPERM (not permitted)"
	case "EINVAL":
		return "EINVAL (not a valid request)"
	}
	return errno
}

// slewed is a correction that the kernel spreads over time.
func slewed(ns int64) string { return "slewed " + direction(ns) + " " + span(ns) + " (gradually)" }

// fromTo is what the clock showed just before and after a step at t, the time of
// the event: that of clock.adjust and clock.step alike is the clock's before it.
func fromTo(t time.Time, step int64, loc *time.Location) string {
	if t.IsZero() || step == 0 {
		return ""
	}
	from, to := t.In(loc), t.Add(time.Duration(step)).In(loc)
	layout := "15:04:05.000000000"
	if magnitude(step) >= 1e6 {
		layout = "15:04:05.000"
		from, to = from.Round(time.Millisecond), to.Round(time.Millisecond)
	}
	if from.YearDay() != to.YearDay() || from.Year() != to.Year() {
		layout = time.DateOnly + " " + layout
	}
	return from.Format(layout) + " → " + to.Format(layout)
}

// uncertainty is the error bound of a step; below one percent only for wide.
func uncertainty(step, bound int64, wide bool) string {
	if bound == 0 || !wide && magnitude(bound) < magnitude(step)/100 {
		return ""
	}
	return "±" + span(bound)
}

// rate is the clock's speed in a state: tick and frequency together if known.
func rate(s *event.ClockState) (float64, bool) {
	switch {
	case s == nil:
		return 0, false
	case s.RatePPM != nil:
		return *s.RatePPM, true
	case s.FreqPPM != nil:
		return *s.FreqPPM, true
	}
	return 0, false
}

func speedChange(k *event.Clock) string {
	to, ok := rate(k.After)
	if !ok {
		return "changed (to what is not known)"
	}
	from, ok := rate(k.Before)
	// A rate with the tick and one without cannot be compared.
	if !ok || (k.Before.RatePPM == nil) != (k.After.RatePPM == nil) {
		return "set to " + speed(to, 3)
	}
	if from == to {
		return "set again to " + speed(to, 3)
	}
	return speeds(from, to)
}

// statusChange is the STA_ flags that were set and cleared: "+pll -unsync".
func statusChange(before, after *event.ClockState) string {
	if after == nil || after.Status == nil {
		return ""
	}
	if before == nil || before.Status == nil {
		return "set to " + or(strings.Join(after.Status, " "), "none")
	}
	var diff []string
	for _, s := range after.Status {
		if !slices.Contains(before.Status, s) {
			diff = append(diff, "+"+s)
		}
	}
	for _, s := range before.Status {
		if !slices.Contains(after.Status, s) {
			diff = append(diff, "-"+s)
		}
	}
	if diff == nil {
		return "set again to " + or(strings.Join(after.Status, " "), "none")
	}
	return strings.Join(diff, " ")
}

func leapWords(after *event.ClockState) string {
	switch {
	case after == nil || after.Status == nil:
		return "leap second changed (to what is not known)"
	case slices.Contains(after.Status, "ins"):
		return "leap second will be inserted at the end of the UTC day"
	case slices.Contains(after.Status, "del"):
		return "leap second will be deleted at the end of the UTC day"
	}
	return "leap second cancelled"
}

func taiChange(k *event.Clock) string {
	if k.After == nil || k.After.TAIS == nil {
		return ""
	}
	to := strconv.Itoa(*k.After.TAIS) + " s"
	if k.Before == nil || k.Before.TAIS == nil {
		return "set to " + to
	}
	return strconv.Itoa(*k.Before.TAIS) + " → " + to
}

// clockChanges adds what else a call changed, beside its kind.
func clockChanges(c *cell, k *event.Clock) {
	b, a := k.Before, k.After
	if b == nil || a == nil || k.Errno != "" {
		return
	}
	if b.TickUS != nil && a.TickUS != nil && *b.TickUS != *a.TickUS {
		c.add("tick " + count(*b.TickUS) + " → " + count(*a.TickUS) + " µs")
	}
	if k.Kind != event.KindFrequency && k.Kind != event.KindTick && b.RatePPM != nil && a.RatePPM != nil && *b.RatePPM != *a.RatePPM {
		c.add("speed " + speeds(*b.RatePPM, *a.RatePPM))
	}
	if k.Kind != event.KindStatus && k.Kind != event.KindLeap && b.Status != nil && a.Status != nil && !slices.Equal(b.Status, a.Status) {
		c.add("status " + statusChange(b, a))
	}
	if k.Kind != event.KindTAI && b.TAIS != nil && a.TAIS != nil && *b.TAIS != *a.TAIS {
		c.add("TAI offset " + taiChange(k))
	}
}

func clockWide(c *cell, k *event.Clock) {
	if k.Op != "" {
		c.add(labelled("seen at", k.Function))
	}
	c.add(labelled("size from", k.StepSource))
	c.add(labelled("modes", strings.Join(k.Modes, " ")))
	if b := k.Before; b != nil && b.AgeMS != nil {
		c.add("before: seen " + span(saturatedMS(*b.AgeMS)) + " earlier")
	}
	addState(c, k.After)
	if k.Result == "error" { // TIME_ERROR, which the call did not meet but tells
		c.add("clock unsynchronised")
	} else {
		c.add(labelled("result", k.Result))
	}
	t := &k.Process
	c.add(labelled("user", clip(t.User, 64)))
	c.add(labelled("exe", clip(optional(t.Exe, t.ExeHex), 256)))
	c.add(labelled("cmdline", clip(optional(t.Cmdline, t.CmdlineHex), 256)))
	if t.Cgroup != nil {
		c.add(labelled("cgroup", cgroupPath(t.Cgroup)))
	}
}

// saturatedMS is ms in nanoseconds, held inside the range.
func saturatedMS(ms int64) int64 {
	const most = int64(1<<63-1) / 1e6
	return max(-most, min(ms, most)) * 1e6
}

func saturatedUS(us int64) int64 {
	const most = int64(1<<63-1) / 1e3
	return max(-most, min(us, most)) * 1e3
}

func addState(c *cell, s *event.ClockState) {
	if s == nil {
		return
	}
	if s.FreqPPM != nil {
		c.add("frequency " + strconv.FormatFloat(*s.FreqPPM, 'f', 6, 64) + " ppm")
	}
	if s.TickUS != nil {
		c.add("tick " + count(*s.TickUS) + " µs")
	}
	if s.Status != nil {
		c.add("status " + or(strings.Join(s.Status, " "), "none"))
	}
	if s.TAIS != nil {
		c.add("TAI offset " + strconv.Itoa(*s.TAIS) + " s")
	}
	if s.OffsetNS != nil {
		sign := ""
		if *s.OffsetNS < 0 {
			sign = "-"
		}
		c.add("offset " + sign + span(*s.OffsetNS))
	}
	if s.MaxErrorUS != nil {
		c.add("max error " + span(saturatedUS(*s.MaxErrorUS)))
	}
	if s.EstErrorUS != nil {
		c.add("estimated error " + span(saturatedUS(*s.EstErrorUS)))
	}
}

func summaryRow(e *event.Event, wide bool) row {
	s := e.ClockSummary
	t := &s.Process
	r := row{event: part{text: "CLOCK", style: cyan}, process: taskName(t), uid: t.UID, where: taskPlace(t)}
	c := &r.what
	what := "clock steered by its time daemon: " + plural(s.Calls, "adjustment") + " in " + span(saturatedMS(s.IntervalMS))
	*c = append(*c, part{text: what, style: bold})
	if to, ok := rate(s.After); ok {
		c.add("speed now " + speed(to, 3))
	}
	switch lo, hi := s.MinFreqPPM, s.MaxFreqPPM; {
	case lo != nil && hi != nil && *lo != *hi:
		c.add("frequency from " + strconv.FormatFloat(*lo, 'f', 3, 64) + " to " + strconv.FormatFloat(*hi, 'f', 3, 64) + " ppm")
	case lo != nil && hi != nil:
		c.add("frequency " + strconv.FormatFloat(*lo, 'f', 3, 64) + " ppm")
	}
	if wide {
		addState(c, s.After)
		c.add(labelled("exe", clip(optional(t.Exe, t.ExeHex), 256)))
	}
	return r
}

func stepRow(e *event.Event, wide bool, loc *time.Location) row {
	s := e.ClockStep
	r := row{event: part{text: "CLOCK", style: yellow}}
	c := &r.what
	what := "clock moved " + direction(s.StepNS) + " " + span(s.StepNS) + " (by whom is not known)"
	*c = append(*c, part{text: what, style: bold})
	c.add(fromTo(e.Time, s.StepNS, loc))
	c.add(uncertainty(s.StepNS, s.StepErrorNS, wide))
	if wide {
		c.add(labelled("size from", s.StepSource))
	}
	return r
}
