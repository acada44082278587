// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// anchor is a moment on both clocks: ns since boot, as the log or the boot clock counts
// them, and ns of the wall clock, which may be off by err.
type anchor struct {
	stamp, wall, err int64
}

func (a anchor) offset() int64 { return a.wall - a.stamp }

// mark is an anchor whose wall time lacks a year or a zone.
type mark struct {
	stamp int64
	wall  kmsg.Wall
}

// What anchors are kept: where the offset changes, and now and then.
const (
	anchorEvery = int64(10 * time.Minute)
	anchorDrift = int64(time.Second)
	maxAnchors  = 2048
)

// appendMark adds m where it tells something new. When there are too many, each second
// one goes.
func appendMark(marks []mark, m mark) []mark {
	if n := len(marks); n > 0 {
		l := &marks[n-1]
		drift := m.wall.Time.Sub(l.wall.Time) - time.Duration(m.stamp-l.stamp)
		if drift.Abs() <= time.Duration(anchorDrift)+m.wall.Resolution && abs(m.stamp-l.stamp) < anchorEvery {
			return marks
		}
		if n >= maxAnchors {
			for i := range n / 2 {
				marks[i] = marks[2*i]
			}
			marks = marks[:n/2]
		}
	}
	return append(marks, m)
}

// rank says how far a basis is to be trusted: the lower the better.
func rank(b event.TimeBasis) int {
	return slices.Index([]event.TimeBasis{
		"", event.BasisJournal, event.BasisSyslog, event.BasisContainer, event.BasisPrintk, event.BasisDmesg, event.BasisOrder,
	}, b)
}

// clock turns stamps into wall times, for one boot.
type clock struct {
	anchors []anchor // by stamp
	guessed []event.TimeGuess
	bounded bool // the error of the anchors is that of every stamp
}

// wall is the time of a stamp, and by how much it may be off if that is known: between
// two anchors it is by what they differ.
func (c *clock) wall(stamp int64) (t time.Time, errMS *int64, ok bool) {
	n := len(c.anchors)
	if n == 0 {
		return time.Time{}, nil, false
	}
	i, _ := slices.BinarySearchFunc(c.anchors, stamp, func(a anchor, s int64) int {
		if a.stamp <= s {
			return -1
		}
		return 1
	})
	// i is the first anchor behind the stamp.
	switch {
	case c.bounded:
		a := c.anchors[min(i, n-1)]
		return at(a, stamp), milliseconds(a.err), true
	case i == 0:
		return at(c.anchors[0], stamp), nil, true
	case i == n:
		return at(c.anchors[n-1], stamp), nil, true
	}
	a, b := c.anchors[i-1], c.anchors[i]
	off := abs(b.offset()-a.offset()) + max(a.err, b.err)
	if b.stamp-stamp < stamp-a.stamp {
		a = b
	}
	return at(a, stamp), milliseconds(off), true
}

// milliseconds rounds up.
func milliseconds(ns int64) *int64 {
	ms := (ns + 999_999) / 1_000_000
	return &ms
}

// stamp is the moment of a wall time.
func (c *clock) stamp(wall time.Time) (int64, bool) {
	if len(c.anchors) == 0 {
		return 0, false
	}
	w := wall.UnixNano()
	best := c.anchors[0]
	for _, a := range c.anchors[1:] {
		if abs(a.wall-w) < abs(best.wall-w) {
			best = a
		}
	}
	return w - best.offset(), true
}

// began is when the boot was: delays and suspends only make an offset larger.
func (c *clock) began() time.Time {
	if len(c.anchors) == 0 {
		return time.Time{}
	}
	least := c.anchors[0].offset()
	for _, a := range c.anchors[1:] {
		least = min(least, a.offset())
	}
	return time.Unix(0, least).UTC()
}

func at(a anchor, stamp int64) time.Time { return time.Unix(0, stamp+a.offset()).UTC() }

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
