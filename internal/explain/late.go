// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// late are the events that tell what could be read of a kill only when its line was out.
type late map[lateKey]*event.SnapshotLate

// lateKey names a kill.
type lateKey struct {
	boot    int
	episode string
	pid     int
}

func lateOf(d *timeline.Document) late {
	l := late{}
	for _, e := range d.Entries {
		if e.Event != nil && e.Snapshot != nil {
			l[lateKey{e.Boot, e.Snapshot.Episode, e.Snapshot.PID}] = e.Snapshot
		}
	}
	return l
}

// complete returns the kill with what was read late. What the kill has is not touched: it
// was read nearer to it, and two readings of memory are not mixed.
func (l late) complete(boot int, k *event.Kill) *event.Kill {
	s := l[lateKey{boot, k.Episode, k.Victim.PID}]
	if s == nil {
		return k
	}
	c := *k
	switch {
	case c.Memory == nil:
		c.Memory = s.Memory
	case c.Memory.Zones == nil && s.Memory != nil: // they are read last
		m := *c.Memory
		m.Zones = s.Memory.Zones
		c.Memory = &m
	}
	c.Settings = nearest(k.Settings, s.Settings)
	switch more := s.Limit; {
	case c.Limit == nil:
		c.Limit = more
	case more != nil:
		limit := *c.Limit
		limit.Stat, limit.Events = cmp.Or(limit.Stat, more.Stat), cmp.Or(limit.Events, more.Events)
		limit.HighBytes, limit.MinBytes, limit.LowBytes = cmp.Or(limit.HighBytes, more.HighBytes), cmp.Or(limit.MinBytes, more.MinBytes), cmp.Or(limit.LowBytes, more.LowBytes)
		c.Limit = &limit
	}
	return &c
}

// nearest are the settings that were read nearer to the event: those that a kill has are
// from before it where they had not come in time.
func nearest(early, late *event.Settings) *event.Settings {
	if early == nil || late != nil && late.AgeMS != nil && early.AgeMS != nil && abs(*late.AgeMS) < abs(*early.AgeMS) {
		return late
	}
	return early
}

func abs(n int64) int64 { return max(n, -n) }
