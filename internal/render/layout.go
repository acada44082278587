// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"
	"time"
)

// shape is how the parts of a row are spread over columns. The more room, the
// fewer lines a row takes.
type shape int

const (
	oneLine shape = iota // no terminal: a row is a line, as grep and the journal want it
	narrow               // time, event, process and place one below the other
	medium               // place below process, and the date below the time where it must
	full                 // all beside each other
)

// Where the shapes begin, in columns of the terminal: where a row gets shorter by it.
const (
	mediumFrom = 100
	datedFrom  = 150 // the date beside the time
	fullFrom   = 240
)

const (
	dateWidth  = len("2006-01-02 ")
	clockWidth = len("15:04:05-07:00")
	eventWidth = len("EVENT")
	// processWidth holds every name of 15 letters with its pid, which is 4194304
	// at most.
	processWidth = len("fifteen-letters[4194304]")
	placeWidth   = len("pod shop/checkout-6b9f7d5c8-x2x7k (checkout)")
)

// layout says which columns there are and how wide.
type layout struct {
	shape  shape
	widths []int
	dated  bool // the date beside the time
	wide   bool // milliseconds, the uid
}

// newLayout lays out rows for a terminal. With unsure there is room for a mark before
// the time.
func newLayout(width int, wide, unsure bool) layout {
	l := layout{wide: wide, dated: true}
	clock := clockWidth
	if unsure {
		clock += len(unsureMark)
	}
	if wide {
		clock += len(".000")
	}
	switch {
	case width <= 0:
		l.shape = oneLine
		l.widths = []int{dateWidth + clock, eventWidth, processWidth, placeWidth, 0}
	case width < mediumFrom:
		l.shape = narrow
		l.widths = []int{max(clock, min(dateWidth+clock, width/2-gap)), 0}
	case width < fullFrom:
		l.shape = medium
		if l.dated = width >= datedFrom; l.dated {
			clock += dateWidth
		}
		l.widths = []int{clock, eventWidth, min(max(processWidth, width/4-gap), placeWidth), 0}
	default:
		l.shape = full
		l.widths = []int{dateWidth + clock, eventWidth, processWidth, placeWidth, 0}
	}
	if wide && (l.shape == oneLine || l.shape == full) {
		l.widths = append(l.widths[:3], append([]int{len("4294967295")}, l.widths[3:]...)...)
	}
	last := &l.widths[len(l.widths)-1]
	for _, w := range l.widths[:len(l.widths)-1] {
		width -= w + gap
	}
	*last = max(width, len("WHAT HAPPENED"))
	return l
}

// row is one event of the table. What stays empty is shown as "-".
type row struct {
	time    time.Time
	unsure  bool   // the time was guessed
	uptime  string // in place of a time that is not known
	event   part
	process string
	uid     *uint32
	where   string
	what    cell
	below   []string // lines printed under the row as they are; inert
}

func (l layout) titles() []cell {
	words := []string{"TIME", "EVENT", "PROCESS", "UID", "WHERE"}
	switch {
	case l.shape == narrow:
		words = words[:1]
	case l.shape == medium:
		words = words[:3]
	case !l.wide:
		words = append(words[:3], "WHERE")
	}
	return titles(append(words, "WHAT HAPPENED")...)
}

func (l layout) cells(r row, loc *time.Location) []cell {
	when := l.clock(r, loc)
	process := cell{{text: or(r.process, "-"), keep: r.process}}
	uid := "-"
	if r.uid != nil {
		uid = strconv.FormatUint(uint64(*r.uid), 10)
	}
	if l.shape == narrow || l.shape == medium {
		if l.wide && r.uid != nil {
			process = append(process, part{text: "uid " + uid, below: true})
		}
		if r.where != "" {
			process = append(process, part{text: r.where, below: true})
		}
	}
	switch {
	case l.shape == narrow:
		if r.process == "" {
			process = process[1:]
		}
		event := r.event
		event.below = true
		return []cell{append(append(when, event), process...), r.what}
	case l.shape == medium:
		return []cell{when, {r.event}, process, r.what}
	case l.wide:
		return []cell{when, {r.event}, process, text(uid), text(or(r.where, "-")), r.what}
	}
	return []cell{when, {r.event}, process, text(or(r.where, "-")), r.what}
}

func (l layout) clock(r row, loc *time.Location) cell {
	if r.time.IsZero() {
		return text(or(r.uptime, "-"))
	}
	t := r.time.In(loc)
	mark := ""
	if r.unsure {
		mark = unsureMark
	}
	clock := "15:04:05-07:00"
	if l.wide {
		clock = "15:04:05.000-07:00"
	}
	if l.dated {
		return text(mark + t.Format(time.DateOnly+" "+clock))
	}
	return cell{{text: mark + t.Format(clock)}, {text: t.Format(time.DateOnly), below: true}}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
