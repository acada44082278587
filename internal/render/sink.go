// SPDX-License-Identifier: Apache-2.0

package render

import (
	"errors"
	"fmt"
	"io"
	"slices"
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
	folder *folder // nil: every kill has a row
	killed [maxKilled]task
	last   int
	ticket bool // no columns
	unsure bool
	titled bool
	failed bool
	buf    []byte
}

func newTableSink(w io.Writer, o Options, wide bool) (*tableSink, error) {
	l := newLayout(o.Width, wide, o.Unsure)
	g, err := newGrid(l.widths, l.shape != oneLine, o.Color)
	if err != nil {
		return nil, err
	}
	loc := o.Location
	if loc == nil {
		loc = time.Local
	}
	s := &tableSink{w: w, loc: loc, stack: o.Stack, layout: l, grid: g, unsure: o.Unsure}
	if !o.NoFold {
		s.folder = &folder{}
	}
	return s, nil
}

// Event writes the row of e, and before it what is due of the kills that had none.
func (s *tableSink) Event(e *event.Event) error {
	if e.Kill != nil {
		s.killed[s.last] = taskOf(&e.Kill.Victim)
		s.last = (s.last + 1) % maxKilled
	}
	if s.folder != nil {
		if own, err := s.fold(e); err != nil || !own {
			return err
		}
	}
	r, ok := s.row(e)
	if !ok {
		return nil
	}
	if r.what != nil {
		s.setTime(&r, e)
		if s.layout.wide {
			r.what.add(labelled("shortened:", strings.Join(e.Truncated, " ")))
		}
	}
	return s.write(r, e.Simulated, e.Backfill)
}

// fold tells what is due, and says whether e has a row of its own.
func (s *tableSink) fold(e *event.Event) (own bool, err error) {
	f := s.folder
	if e.Session != f.session {
		if err := s.tell(f.take(true)...); err != nil {
			return false, err
		}
		*f = folder{session: e.Session}
	}
	if e.BoottimeNS != nil {
		f.now = *e.BoottimeNS
	}
	if err := s.tell(f.take(e.SessionEnd != nil)...); err != nil {
		return false, err
	}
	switch {
	case e.Kill != nil && e.Kill.Incident != nil:
		own, over := f.add(e)
		if over.kills > 0 {
			err = s.tell(over)
		}
		return own, err
	case e.Detail != nil:
		return !f.has(e.Detail.Episode, e.Detail.PID), nil
	case e.Snapshot != nil:
		return !f.has(e.Snapshot.Episode, e.Snapshot.PID), nil
	case e.End != nil:
		return endNotable(e.End) || !f.has(e.End.Episode, e.End.PID), nil
	}
	return true, nil
}

// maxKilled are the victims that are remembered for what their dying threads ask for.
const maxKilled = 64

// task names a process for good.
type task struct {
	pid   int
	start uint64
}

// taskOf is zero for a victim that is not known well enough.
func taskOf(v *event.Victim) task {
	if v == nil || v.StartBoottimeNS == nil {
		return task{}
	}
	return task{v.PID, *v.StartBoottimeNS}
}

// echoes says whether an invocation killed nobody since one that was just killed is still
// dying, as when another of its threads asked for memory: its KILL has told it all.
func (s *tableSink) echoes(n *event.NoKill) bool {
	switch n.Reason {
	case event.NoKillCurrentExiting, event.NoKillChosenExiting:
		t := taskOf(n.Victim)
		return t != task{} && slices.Contains(s.killed[:], t)
	}
	return false
}

// tell writes rows of kills that had none.
func (s *tableSink) tell(them ...untold) error {
	for i := range them {
		u := &them[i]
		r := foldRow(u, s.layout.wide, s.loc)
		if u.kills == 1 { // its own row tells more than one that counts it
			r, _ = s.row(u.last)
		}
		s.setTime(&r, u.last)
		if err := s.write(r, u.simulated, false); err != nil {
			return err
		}
	}
	return nil
}

// Due implements Sink.
func (s *tableSink) Due() time.Duration {
	if s.folder == nil {
		return 0
	}
	return s.folder.wait()
}

// Quiet implements Sink.
func (s *tableSink) Quiet(d time.Duration) error {
	if s.folder == nil {
		return nil
	}
	s.folder.now += uint64(d)
	return s.tell(s.folder.take(false)...)
}

// write writes a row in one go, under the titles if it is the first. earlier: it happened
// before the session began.
func (s *tableSink) write(r row, simulated, earlier bool) error {
	if simulated && r.what != nil {
		r.what = append(cell{{text: "SIMULATED", style: magenta}}, r.what...)
	}
	if earlier && r.what != nil {
		r.what = append(cell{{text: "EARLIER", style: magenta}}, r.what...)
	}
	buf := s.buf[:0]
	var err error
	if s.ticket && r.what != nil {
		buf = s.layout.appendTicket(buf, r, s.loc)
		r.what = nil
	}
	if !s.titled {
		if buf, err = s.grid.row(buf, s.layout.titles()); err != nil {
			return err
		}
	}
	if r.what != nil {
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
		s.failed = true
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
	case e.NoKill != nil:
		if !wide && s.echoes(e.NoKill) {
			return r, false
		}
		r = noKillRow(e, wide)
	case e.End != nil:
		if !wide && !endNotable(e.End) {
			return r, false
		}
		r = endRow(e, wide)
	case e.Sigkill != nil:
		r = sigkillRow(e, wide)
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
	case e.Boot != nil:
		r = bootRow(e)
	case e.Panic != nil:
		r = panicRow(e)
	case e.SessionStart != nil, e.SessionEnd != nil: // see Notes and Summary
		return r, false
	default:
		r.event = part{text: "?"}
		r.what = text("event of type " + string(e.Type) + ", which this version cannot show")
	}
	return r, true
}

func (s *tableSink) Close() error {
	var err error
	if s.folder != nil && !s.failed {
		err = s.tell(s.folder.take(true)...)
	}
	return errors.Join(err, s.grid.close())
}
