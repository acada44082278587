// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"time"
)

// Moment is a flag value that says when: a date, a time of a day, both, or how long ago.
// The zero value is no time.
type Moment string

// momentLayouts are those without a zone.
var momentLayouts = []string{
	"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
}

// Set implements pflag.Value.
func (m *Moment) Set(s string) error {
	if _, ok := moment(s, time.Unix(0, 0), time.UTC); !ok {
		return Usagef("no time; give one as 2026-06-20, 12:47, '2026-06-20 12:47:02', 2026-06-20T12:47:02Z, today, yesterday, or how long ago, as -2h")
	}
	*m = Moment(s)
	return nil
}

// String implements pflag.Value.
func (m *Moment) String() string { return string(*m) }

// Type implements pflag.Value.
func (m *Moment) Type() string { return "time" }

// Time is the moment, seen from now, in a zone where it does not tell one; zero if none
// was given.
func (m *Moment) Time(now time.Time, loc *time.Location) time.Time {
	t, _ := moment(string(*m), now, loc)
	return t
}

func moment(s string, now time.Time, loc *time.Location) (time.Time, bool) {
	now = now.In(loc)
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, loc)
	switch s {
	case "now":
		return now, true
	case "today":
		return day, true
	case "yesterday":
		return day.AddDate(0, 0, -1), true
	}
	if ago, ok := strings.CutPrefix(s, "-"); ok {
		d, err := time.ParseDuration(ago)
		return now.Add(-d), err == nil && d >= 0
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, true
	}
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, true
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc), true
		}
	}
	return time.Time{}, false
}
