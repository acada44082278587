// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// tableSink writes table and wide.
type tableSink struct {
	w      io.Writer
	loc    *time.Location
	stack  bool
	layout layout
	grid   *grid
	titled bool
	buf    []byte
}

func newTableSink(w io.Writer, o Options, wide bool) (*tableSink, error) {
	l := newLayout(o.Width, wide)
	g, err := newGrid(l.widths, l.shape != oneLine, o.Color)
	if err != nil {
		return nil, err
	}
	loc := o.Location
	if loc == nil {
		loc = time.Local
	}
	return &tableSink{w: w, loc: loc, stack: o.Stack, layout: l, grid: g}, nil
}

// Event writes the row of e, under the titles if it is the first.
func (s *tableSink) Event(e *event.Event) error {
	r, ok := s.row(e)
	if !ok {
		return nil
	}
	if e.Simulated {
		r.what = append(cell{{text: "SIMULATED", style: magenta}}, r.what...)
	}
	buf := s.buf[:0]
	var err error
	if !s.titled {
		if buf, err = s.grid.row(buf, s.layout.titles()); err != nil {
			return err
		}
	}
	if r.what != nil {
		r.time = e.Time
		if s.layout.wide {
			r.what.add(labelled("shortened:", strings.Join(e.Truncated, " ")))
		}
		if buf, err = s.grid.row(buf, s.layout.cells(r, s.loc)); err != nil {
			return err
		}
	}
	for _, line := range r.below {
		buf = append(buf, line...)
		buf = append(buf, '\n')
	}
	if cap(buf) <= maxKeptBuffer {
		s.buf = buf
	}
	if _, err := s.w.Write(buf); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	s.titled = true
	return nil
}

// row decides what is shown of e; ok is false when nothing is.
func (s *tableSink) row(e *event.Event) (r row, ok bool) {
	wide := s.layout.wide
	switch {
	case e.Kill != nil:
		r = killRow(e, wide)
		if s.stack {
			r.below = stackLines(e.Kill.Stack)
		}
	case e.Detail != nil:
		if !s.stack || len(e.Detail.Frames) == 0 {
			return r, false
		}
		r.below = detailLines(e.Detail)
	case e.Snapshot != nil:
		if !wide {
			return r, false
		}
		r = snapshotRow(e)
	case e.Clock != nil:
		r = clockRow(e, wide, s.loc)
	case e.ClockSummary != nil:
		r = summaryRow(e, wide)
	case e.ClockStep != nil:
		r = stepRow(e, wide, s.loc)
	case e.Sample != nil:
		if !wide {
			return r, false
		}
		r = sampleRow(e)
	case e.Lost != nil:
		r = lostRow(e, wide)
	case e.SessionStart != nil, e.SessionEnd != nil: // see Notes and Summary
		return r, false
	default:
		r.event = part{text: "?"}
		r.what = text("event of type " + string(e.Type) + ", which this version cannot show")
	}
	return r, true
}

func (s *tableSink) Close() error { return s.grid.close() }
