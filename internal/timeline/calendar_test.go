// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

func wall(month time.Month, day, hour, years int) *kmsg.Wall {
	return &kmsg.Wall{Time: time.Date(2000, month, day, hour, 0, 0, 0, time.UTC), NoYear: true, Years: years}
}

func TestCalendar(t *testing.T) {
	ref := time.Date(2026, time.March, 10, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		ref   time.Time
		walls []*kmsg.Wall
		want  int
	}{
		{"this year", ref, []*kmsg.Wall{wall(time.January, 3, 4, 0)}, 2026},
		{"last year", ref, []*kmsg.Wall{wall(time.December, 31, 23, 0)}, 2025},
		{"today", ref, []*kmsg.Wall{wall(time.March, 10, 12, 0)}, 2026},
		{"a zone ahead", ref, []*kmsg.Wall{wall(time.March, 11, 11, 0)}, 2026},
		{"tomorrow but one", ref, []*kmsg.Wall{wall(time.March, 12, 0, 0)}, 2025},
		{"new year, a zone ahead", time.Date(2026, time.December, 31, 20, 0, 0, 0, time.UTC), []*kmsg.Wall{wall(time.January, 1, 2, 0)}, 2027},
		{"through a new year", ref, []*kmsg.Wall{wall(time.December, 31, 23, 0), wall(time.January, 1, 0, 1)}, 2026},
		{"leap day", ref, []*kmsg.Wall{wall(time.February, 29, 1, 0), wall(time.March, 1, 1, 0)}, 2024},
		{"leap day the year before", ref, []*kmsg.Wall{wall(time.February, 29, 1, 0), wall(time.January, 1, 1, 1)}, 2025},
		{"leap days that cannot be", ref, []*kmsg.Wall{wall(time.February, 29, 1, 0), wall(time.February, 29, 1, 1)}, 2026},
		{"nothing to measure by", time.Time{}, []*kmsg.Wall{wall(time.January, 3, 4, 0)}, 2000},
	} {
		var c calendar
		for _, w := range tt.walls {
			c.note(w)
		}
		if got := c.guess(tt.ref); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	var c calendar
	c.note(&kmsg.Wall{Time: ref})
	if c.seen {
		t.Error("a time with its year is taken for one without")
	}
}

func TestClock(t *testing.T) {
	s := int64(time.Second)
	// The log's writer was late at first; later the machine slept for an hour.
	c := clock{anchors: []anchor{
		{1 * s, 1_000_020 * s, s}, {100 * s, 1_000_100 * s, s}, {200 * s, 1_000_200 * s, s}, {300 * s, 1_003_900 * s, s},
	}}
	for _, tt := range []struct {
		stamp, wall int64
		err         int64 // ms, -1: not known
	}{
		{0, 1_000_019 * s, -1},
		{150 * s, 1_000_150 * s, 1000},
		{250 * s, 1_000_250 * s, 3601_000}, // before or after it slept?
		{260 * s, 1_003_860 * s, 3601_000},
		{400 * s, 1_004_000 * s, -1},
	} {
		at, errMS, ok := c.wall(tt.stamp)
		got := int64(-1)
		if errMS != nil {
			got = *errMS
		}
		if !ok || at.UnixNano() != tt.wall || got != tt.err {
			t.Errorf("%d s: %v ± %d, want %v ± %d", tt.stamp/s, at, got, time.Unix(0, tt.wall).UTC(), tt.err)
		}
	}
	if at, ok := c.stamp(time.Unix(1_000_150, 0)); !ok || at != 150*s {
		t.Errorf("stamp %d", at)
	}
	if got := c.began().Unix(); got != 1_000_000 {
		t.Errorf("began %d", got)
	}
	if _, _, ok := (&clock{}).wall(0); ok {
		t.Error("a clock without anchors tells a time")
	}
}

func TestAppendMarkIsBounded(t *testing.T) {
	var marks []mark
	for i := range 10 * maxAnchors {
		at := time.Duration(i) * 10 * time.Second
		marks = appendMark(marks, mark{int64(at), kmsg.Wall{Time: time.Unix(0, 0).Add(2 * at)}})
	}
	if len(marks) > maxAnchors || len(marks) < maxAnchors/2 {
		t.Errorf("%d marks", len(marks))
	}
	// One that tells nothing new is not kept.
	l := marks[len(marks)-1]
	l.stamp, l.wall.Time = l.stamp+1e9, l.wall.Time.Add(time.Second)
	if n := len(appendMark(marks, l)); n != len(marks) {
		t.Errorf("%d marks, want %d", n, len(marks))
	}
}
