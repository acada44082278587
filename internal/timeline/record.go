// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// Record reads events that a watcher wrote. It fails only when ctx has ended: what is
// wrong with the record stands in its Source.
func (b *Builder) Record(ctx context.Context, in Input) error {
	in.Source.Kind, in.Source.State, in.Source.Format = KindRecord, StateRead, event.Schema
	b.sources = append(b.sources, in.Source)
	r := &record{b: b, source: len(b.sources) - 1, sessions: map[session]*strand{}, latest: map[string]*strand{}, boots: map[string]*strand{}, ended: map[string]bool{}}
	scanner := event.NewScanner(in.Reader)
	for {
		e, err := scanner.Next()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var line *event.LineError
		switch {
		case err == nil:
			r.lines++
			r.take(r.join.Add(e)...)
			continue
		case errors.Is(err, event.ErrType):
			r.lines++
			countUp(&b.sources[r.source].Unknown)
			continue
		case in.Growing && errors.Is(err, event.ErrTruncated):
			continue // that the watcher's end is not there is said
		case errors.As(err, &line):
			r.lines++
			countUp(&b.sources[r.source].Bad)
			r.damage(err)
			continue
		case !errors.Is(err, io.EOF):
			r.damage(err)
		}
		r.take(r.join.Flush()...)
		r.finish()
		return nil
	}
}

// session is one run of a watcher in one boot.
type session struct{ id, bootID string }

// record is one that is being read.
type record struct {
	b        *Builder
	source   int
	join     event.Joiner
	lines    uint64
	sessions map[session]*strand
	latest   map[string]*strand // of a session
	boots    map[string]*strand // of a boot, by its id
	last     *strand
	ended    map[string]bool // by session: whether it has ended
	unended  int             // sessions that are not in there any more

	samples []sampled // the last, which a kill would make part of the story
	apart   uint64    // samples that no kill followed
}

type sampled struct {
	strand *strand
	e      *event.Event
}

// Bounds of the samples before a kill.
const (
	leadUp     = 10 * time.Minute
	maxSamples = 64
)

func (r *record) damage(err error) {
	src := &r.b.sources[r.source]
	src.State = StateDamaged
	if src.Error == "" {
		src.Error = err.Error()
		if errors.Is(err, event.ErrTruncated) {
			src.Error += "; all before it was read, the writer was stopped or the disk was full"
		}
	}
}

func (r *record) take(events ...*event.Event) {
	for _, e := range events {
		s := r.strand(e)
		switch {
		case e.SessionStart != nil:
			if _, open := r.ended[e.Session]; open && e.SessionStart.Continued {
				continue // an earlier file told it
			}
			if len(r.ended) >= maxStrands {
				r.unended += len(r.ended)
				clear(r.ended)
			}
			r.ended[e.Session] = false
		case e.SessionEnd != nil:
			delete(r.ended, e.Session)
		}
		r.b.count(s, e)
		if e.Sample != nil {
			if len(r.samples) == maxSamples {
				r.samples = r.samples[1:]
				r.apart++
			}
			r.samples = append(r.samples, sampled{s, e})
			continue
		}
		if e.Kill != nil || e.NoKill != nil {
			for _, l := range r.samples {
				if e.Time.Sub(l.e.Time) > leadUp {
					r.apart++
					continue
				}
				r.keep(l.strand, l.e)
			}
			r.samples = r.samples[:0]
		}
		r.keep(s, e)
	}
}

func (r *record) keep(s *strand, e *event.Event) {
	if e.BoottimeNS != nil && e.TimeBasis == "" && !e.Time.IsZero() {
		a := anchor{stamp: int64(*e.BoottimeNS), wall: e.Time.UnixNano()}
		if n := len(s.anchors); n == 0 || abs(a.offset()-s.anchors[n-1].offset()) > int64(time.Millisecond) && n < maxAnchors {
			s.anchors = append(s.anchors, a)
		}
	}
	r.b.keep(s, e, kmsg.Moment{})
}

// strand is that of an event's session and boot. One without a host is of the boot that
// its session was in last.
func (r *record) strand(e *event.Event) *strand {
	key := session{id: e.Session}
	if e.Host != nil {
		key.bootID = e.Host.BootID
	} else if s := r.latest[e.Session]; s != nil {
		return s
	}
	s := r.sessions[key]
	switch {
	case s != nil:
	case len(r.sessions) >= maxStrands: // as where a watcher is started again and again
		if s = r.boots[key.bootID]; s == nil {
			s = r.last
		}
	default:
		s = &strand{source: r.source, index: len(r.sessions), session: e.Session}
		if e.Host != nil {
			s.host = *e.Host
		}
		r.sessions[key], r.boots[key.bootID], r.last = s, s, s
		r.b.strands = append(r.b.strands, s)
	}
	if len(r.latest) >= maxStrands {
		clear(r.latest)
	}
	r.latest[e.Session] = s
	return s
}

func (r *record) finish() {
	src := &r.b.sources[r.source]
	src.Records = event.Ptr(r.lines)
	if src.Events == nil {
		src.Events = new(uint64)
	}
	if src.Kills == nil {
		src.Kills = new(uint64)
	}
	if n := r.apart + uint64(len(r.samples)); n > 0 {
		src.Notes = append(src.Notes, fmt.Sprintf("%d samples with no kill in the ten minutes after are not in the timeline", n))
	}
	if src.State != StateRead {
		return
	}
	switch n := r.unended + len(r.ended); {
	case n == 1:
		src.Notes = append(src.Notes, "a watcher's end was not recorded: it still runs, or was killed; what it lost is not known")
	case n > 1:
		src.Notes = append(src.Notes, fmt.Sprintf("of %d watchers the end was not recorded: each still runs, or was killed; what they lost is not known", n))
	}
}
