// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// The formats of Options.Format.
const (
	FormatTable = "table"
	FormatText  = "text" // the same as FormatTable
	FormatWide  = "wide"
	FormatJSON  = "json"
	// FormatTicket is text without columns, which a ticket's proportional letters do not
	// spoil.
	FormatTicket = "ticket"
)

// Options says how events are shown. The zero value is a table without colour,
// in local time, one line an event where that is possible.
type Options struct {
	Format   string         // table (also "" and text), wide, ticket or json
	Color    bool           // table: SGR colours
	Stack    bool           // table: the call trace under each kill
	NoFold   bool           // table: each kill has a row, in a storm too
	Location *time.Location // table: nil is local time
	Width    int            // table: columns of the terminal, 0 unknown
	MaxLine  int            // json: longest line in bytes, 0 the encoder's default
	// Unsure marks times that were guessed, and shows the time since boot of what has no
	// other, in a table and a ticket.
	Unsure bool
}

// Sink shows events. Its methods must not be called concurrently.
type Sink interface {
	// Event writes one event. A failed write is wrapped, so that
	// errors.Is(err, syscall.EPIPE) tells a closed pipe.
	Event(*event.Event) error
	// Due is how long after the last event, if no other comes, Quiet is to be called
	// to tell of kills that have no row of their own; 0 is not at all.
	Due() time.Duration
	// Quiet says that nothing has come for d since the last event, or since Quiet was
	// called last. It fails as Event does.
	Quiet(d time.Duration) error
	// Close ends the output. It does not close the writer.
	Close() error
}

// New returns a sink that writes to w. It writes nothing before the first event.
// An unknown format is an error.
func New(w io.Writer, o Options) (Sink, error) {
	switch o.Format {
	case "", FormatTable, FormatText:
		return newTableSink(w, o, false)
	case FormatWide:
		return newTableSink(w, o, true)
	case FormatTicket:
		o.Width, o.Color = 0, false
		s, err := newTableSink(w, o, false)
		if err == nil {
			s.ticket, s.titled = true, true
		}
		return s, err
	case FormatJSON:
		return &jsonSink{w: w, enc: event.Encoder{MaxLine: o.MaxLine}}, nil
	}
	return nil, fmt.Errorf("unknown output format %q: want table, text, wide, ticket or json", o.Format)
}

// maxKeptBuffer bounds what a sink keeps allocated between events.
const maxKeptBuffer = 64 << 10

type jsonSink struct {
	w   io.Writer
	enc event.Encoder
	buf []byte
}

// Event writes each line that the encoder makes of e with a write of its own.
func (s *jsonSink) Event(e *event.Event) error {
	buf, err := s.enc.Append(s.buf[:0], e)
	if err != nil {
		return err // it names the event
	}
	if cap(buf) <= maxKeptBuffer {
		s.buf = buf
	}
	for line := range bytes.Lines(buf) {
		if _, err := s.w.Write(line); err != nil {
			return fmt.Errorf("write event: %w", err)
		}
	}
	return nil
}

// JSON keeps nothing back.
func (s *jsonSink) Due() time.Duration        { return 0 }
func (s *jsonSink) Quiet(time.Duration) error { return nil }
func (s *jsonSink) Close() error              { return nil }
