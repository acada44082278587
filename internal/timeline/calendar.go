// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// calendar finds the year of times that lack it: the latest in which the last one is not
// in the future, and every February 29 exists.
type calendar struct {
	seen  bool
	last  time.Time // of the last record, in the year 2000
	years int       // new years that it came through before
	leap  []int     // the count of these at each February 29
}

// note takes the time of a record.
func (c *calendar) note(w *kmsg.Wall) {
	if !w.NoYear {
		return
	}
	c.seen, c.last, c.years = true, w.Time, w.Years
	if _, m, d := w.Time.Date(); m == time.February && d == 29 && !slices.Contains(c.leap, w.Years) && len(c.leap) < 64 {
		c.leap = append(c.leap, w.Years)
	}
}

// slack is by how much a time may be ahead of the one it is measured by: a zone.
const slack = 24 * time.Hour

// guess is the year of the last time, which is not after ref, as the log's clock shows
// it; of a zero ref, 2000.
func (c *calendar) guess(ref time.Time) int {
	if ref.IsZero() {
		return 2000
	}
	ref = time.Date(ref.Year(), ref.Month(), ref.Day(), ref.Hour(), ref.Minute(), ref.Second(), 0, time.UTC)
	year := ref.Add(slack).Year()
	if withYear(c.last, year).After(ref.Add(slack)) {
		year--
	}
	for range 8 { // years between two leap years, at most
		if _, bad := c.noLeap(year); !bad {
			return year
		}
		year--
	}
	return ref.Year()
}

// noLeap finds a year without the February 29 that the log has in it, if the last time
// is of this year.
func (c *calendar) noLeap(year int) (int, bool) {
	for _, n := range c.leap {
		y := year - (c.years - n)
		if y%4 != 0 || y%100 == 0 && y%400 != 0 {
			return y, true
		}
	}
	return 0, false
}

// withYear is t in another year.
func withYear(t time.Time, year int) time.Time {
	return time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}
