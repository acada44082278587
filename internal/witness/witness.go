// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/fate"
)

// Collector collects lines. The zero value is ready; it is for one goroutine.
type Collector struct {
	// Now and Zone are what the times of lines without a year and a zone are guessed by;
	// zero is the time now, nil the machine's zone.
	Now  time.Time
	Zone *time.Location

	lines   []fate.Witness
	finders []*killlog.Finder
	left    uint64
}

// limit bounds the lines that are kept.
const limit = 20_000

// Log returns what a log has to be written to while it is read. source names it.
func (c *Collector) Log(source string) *killlog.Finder {
	f := killlog.NewFinder(func(e *killlog.Entry) { c.add(source, e) })
	c.finders = append(c.finders, f)
	return f
}

func (c *Collector) add(source string, e *killlog.Entry) {
	now, zone := c.Now, c.Zone
	if now.IsZero() {
		now = time.Now()
	}
	if zone == nil {
		zone = time.Local
	}
	if len(c.lines) == limit {
		// The last ones are of the most use; logs are read from old to new.
		c.lines = c.lines[:copy(c.lines, c.lines[limit/2:])]
		c.left += limit / 2
	}
	c.lines = append(c.lines, fate.Witness{Entry: e, Time: e.At(now, zone), Source: source})
}

// LeftOut is how many lines were too many.
func (c *Collector) LeftOut() uint64 { return c.left }

// Witnesses returns all lines in order of time, those of none first. What two sources
// have is there once, as the one that tells who wrote it.
func (c *Collector) Witnesses() []fate.Witness {
	for _, f := range c.finders {
		f.Flush()
	}
	c.finders = nil
	slices.SortStableFunc(c.lines, func(a, b fate.Witness) int { return a.Time.Compare(b.Time) })
	// The journal's lines are in syslog's files too, with seconds for microseconds.
	type said struct {
		second int64
		text   string
	}
	surer := map[said]bool{}
	for i := range c.lines {
		if w := &c.lines[i]; w.Writer != nil {
			surer[said{w.Time.Unix(), w.Text}] = true
		}
	}
	return slices.DeleteFunc(c.lines, func(w fate.Witness) bool {
		return w.Writer == nil && (surer[said{w.Time.Unix(), w.Text}] || surer[said{w.Time.Unix() - 1, w.Text}])
	})
}
