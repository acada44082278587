// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"
	"time"
)

// unbounded is the width of the last column when the terminal's is not known:
// then a row is one line, as grep and the journal want it.
const unbounded = 4096

// layout says which columns there are and how wide. The terminal decides: where
// a row fits one or two lines, everything has a column of its own; below that
// the date goes under the time and the place under the process, beside the
// lines that the last column takes anyway.
type layout struct {
	widths  []int
	stacked bool // date under time, place under process
	wide    bool // milliseconds, the uid
}

func newLayout(width int, wide bool) layout {
	l := layout{wide: wide, stacked: width > 0 && width < 160}
	clock, process, where, last := len("2006-01-02 15:04:05-07:00"), 26, 28, 0
	switch {
	case width <= 0:
		where, last = 48, unbounded
	case l.stacked:
		clock, process = len("15:04:05-07:00"), min(max(width/4, 20), 30)
	case width >= 200:
		where = 40
	}
	if wide {
		clock += len(".000")
	}
	l.widths = []int{clock, len("EVENT"), process}
	if !l.stacked {
		if wide {
			l.widths = append(l.widths, len("4294967295"))
		}
		l.widths = append(l.widths, where)
	}
	if last == 0 {
		last = width
		for _, w := range l.widths {
			last -= w + gap
		}
		last = max(last, 24)
	}
	l.widths = append(l.widths, last)
	return l
}

// row is one event of the table. What stays empty is shown as "-".
type row struct {
	time    time.Time
	event   part
	process string
	uid     *uint32
	where   string
	what    cell
	below   []string // lines printed under the row as they are; inert
}

func (l layout) titles() []cell {
	cells := []cell{{{"TIME", bold, false}}, {{"EVENT", bold, false}}, {{"PROCESS", bold, false}}}
	if !l.stacked {
		if l.wide {
			cells = append(cells, cell{{"UID", bold, false}})
		}
		cells = append(cells, cell{{"WHERE", bold, false}})
	}
	return append(cells, cell{{"WHAT HAPPENED", bold, false}})
}

func (l layout) cells(r row, loc *time.Location) []cell {
	process, uid := text(or(r.process, "-")), "-"
	if r.uid != nil {
		uid = strconv.FormatUint(uint64(*r.uid), 10)
	}
	cells := []cell{l.clock(r.time, loc), {r.event}, process}
	if l.stacked {
		if l.wide && r.uid != nil {
			cells[2] = append(cells[2], part{text: "uid " + uid, below: true})
		}
		if r.where != "" {
			cells[2] = append(cells[2], part{text: r.where, below: true})
		}
		return append(cells, r.what)
	}
	if l.wide {
		cells = append(cells, text(uid))
	}
	return append(cells, text(or(r.where, "-")), r.what)
}

func (l layout) clock(t time.Time, loc *time.Location) cell {
	if t.IsZero() {
		return text("-")
	}
	t = t.In(loc)
	clock := "15:04:05-07:00"
	if l.wide {
		clock = "15:04:05.000-07:00"
	}
	if l.stacked {
		return cell{{text: t.Format(clock)}, {text: t.Format(time.DateOnly), below: true}}
	}
	return text(t.Format(time.DateOnly + " " + clock))
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
