// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
	"github.com/oomtrace/oomtrace/tracer/devkmsg"
)

const (
	// backfilled is how many kills that happened before are told, pastKept how many are
	// kept until it is known which of them the programs have told already.
	backfilled = 5
	pastKept   = 4 * backfilled
	// logSlots is how many of the log's events may wait for the pump. Meanwhile the log
	// is not read, and the kernel keeps it.
	logSlots = 64
	// attaching bounds for how long before the session began programs were in that may
	// have seen a kill.
	attaching = 10 * time.Second
)

// logEvent is what the log tells.
type logEvent struct {
	*event.Event        // without session and seq
	boot         uint64 // when it was
	unsure       bool   // that may be off by much
	concluded    bool   // no line says that it happened
	past         *past  // instead of an event: what there was before
}

// past is what the log had of this boot when the session began.
type past struct {
	kills []logEvent // the last ones that the filter lets through, oldest first
	// matching counts those that it lets through, all those that are told, lines the
	// kernel's lines of them: one of a group can have two.
	matching, all, lines uint64
	whole                bool    // it begins with the boot
	counted              *uint64 // the kernel's own count, before; nil: not known
}

// logTells says whether kills are told from the log, as no program tells of them.
func (s *session) logTells() bool { return s.log != nil && s.log.tells }

// kernelLog reads the kernel's log, in a goroutine and a thread of its own that sleeps in
// poll(2) while nothing is logged.
type kernelLog struct {
	*session
	log    *devkmsg.Log
	clock  *devkmsg.Clock // nil: it cannot be read
	parser kmsg.Parser
	rec    kmsg.Record
	events chan logEvent
	boot   [32]byte // boot_id as records have it
	ended  chan struct{}
	err    error // why it ended before it was stopped; good once ended is closed

	tells bool // kills are told from it, as no program tells of them

	steady bool // the clock is one for all CPUs

	// began is when the programs were in, past what was read so far of the time before;
	// nil: all of that is read.
	began uint64
	past  *past
	// lag is boot clock - local clock at the last wake-up, where the clock cannot be read.
	lag int64
}

func newKernelLog(s *session, log *devkmsg.Log) *kernelLog {
	return &kernelLog{session: s, log: log, events: make(chan logEvent, logSlots), ended: make(chan struct{})}
}

// start begins to read, once the programs are in.
func (l *kernelLog) start() {
	if l == nil {
		return
	}
	copy(l.boot[:], strings.ReplaceAll(l.host.BootID, "-", ""))
	l.began = l.clocks.boot()
	l.past = &past{}
	go func() {
		defer close(l.ended)
		l.err = l.run()
	}()
}

// run reads until stop, and then what is left.
func (l *kernelLog) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(l.events)
	// Without it times are less sure, and say so.
	l.clock, _ = devkmsg.OpenClock()
	l.steady = l.clock.Steady()
	defer l.clock.Close() //nolint:errcheck // it was only read
	// Before: what is counted meanwhile is told as it comes.
	l.past.counted, _ = l.reader.OOMKills()
	for {
		if err := l.readAll(); err != nil {
			return err
		}
		if l.past != nil {
			first, ok := l.log.First()
			l.past.whole, l.past.lines = ok && first == 0, l.parser.Lines()
			l.events <- logEvent{past: l.past}
			l.past = nil
			if !l.beside() {
				return nil
			}
		}
		more, err := l.log.Wait()
		if err != nil {
			return err
		}
		if !more {
			return l.readAll()
		}
	}
}

// beside says whether it is read on, beside the programs or instead of them.
func (l *kernelLog) beside() bool { return l.tells || l.opts.Source == SourceAuto }

// readAll reads what there is.
func (l *kernelLog) readAll() error {
	for first := true; ; first = false {
		err := l.log.Next(&l.rec)
		if errors.Is(err, devkmsg.ErrNone) {
			l.parser.Idle()
			l.take()
			return nil
		}
		if err != nil {
			return err
		}
		if first && l.clock == nil && l.past == nil {
			l.lag = int64(l.clocks.boot()) - int64(l.rec.Printk)
		}
		l.rec.BootID = l.boot[:]
		if l.host.BootID == "" {
			l.rec.BootID = nil
		}
		l.parser.Add(&l.rec)
		l.take()
	}
}

// take takes what has come of the records.
func (l *kernelLog) take() {
	for item := l.parser.Next(); item != nil; item = l.parser.Next() {
		e := l.event(item)
		if l.past == nil || l.clock != nil && e.boot >= l.began {
			l.events <- e
			continue
		}
		if e.Kill == nil {
			continue
		}
		e.Backfill, e.unsure = true, l.clock == nil
		l.remember(e)
	}
}

// event makes an event of an item. What it refers to is not the parser's any more.
func (l *kernelLog) event(item kmsg.Item) logEvent {
	var e logEvent
	e.Event = kmsg.Event(item, kmsg.Context{
		Host: l.host, PageSizeBytes: l.host.PageSizeBytes,
		Time: func(m kmsg.Moment, _ int) kmsg.Time {
			var errorMS *int64
			e.boot, errorMS = l.bootTime(m.Printk)
			return kmsg.Time{Wall: l.offsets.Time(e.boot), Basis: event.BasisPrintk, ErrorMS: errorMS}
		},
	})
	e.Host = l.host // the log has no more to tell of it
	if k, ok := item.(*kmsg.Kill); ok {
		e.concluded = k.Concluded
	}
	return e
}

// longestTick is the longest tick of the kernels there are, in ms: HZ is 100 at the least.
const longestTick = 10

// bootTime is the boot clock's time at a stamp, and how far that may be off; nil: not
// known. The two clocks are compared now: a moment ago they differed by as much, long ago
// by what the boot clock was slewed by since, or slept.
func (l *kernelLog) bootTime(stamp time.Duration) (boot uint64, errorMS *int64) {
	var local uint64
	var before, after uint64
	ok := false
	for range 3 {
		before = l.clocks.boot()
		local, ok = l.clock.Now()
		if after = l.clocks.boot(); ok && after-before < uint64(100*time.Microsecond) {
			break // it did not lose the CPU in between
		}
	}
	if !ok {
		return uint64(max(0, int64(stamp)+l.lag)), nil
	}
	lag := int64(before/2+after/2) - int64(local)
	if l.past == nil {
		errorMS = event.Ptr(int64(after-before)/2/int64(time.Millisecond) + 1)
		if !l.steady {
			*errorMS += 2 * longestTick // the printer's clock, and the reader's
		}
	}
	return uint64(max(0, int64(stamp)+lag)), errorMS
}

// remember keeps a kill of the past, if the filter lets it through: the last ones.
func (l *kernelLog) remember(e logEvent) {
	h := l.past
	h.all++
	l.name(e.Event)
	if !l.opts.Match(e.Event) {
		return
	}
	h.matching++
	if len(h.kills) == pastKept {
		h.kills = slices.Delete(h.kills, 0, 1)
	}
	h.kills = append(h.kills, e)
}

// recent says whether a program may have seen a kill of the past, and not told it yet.
func (l *kernelLog) recent(e logEvent) bool {
	return !e.unsure && e.boot+uint64(attaching) >= l.began
}

// wait waits for the end of the reading. Its error is why kills are not seen any more.
func (l *kernelLog) wait() error {
	if l == nil {
		return nil
	}
	<-l.ended
	if l.err != nil && !l.tells {
		if l.opts.Warn != nil {
			l.opts.Warn("kills that the programs miss are not seen any more: " + l.err.Error())
		}
		return nil
	}
	return l.err
}

// stop ends the reading; what was logged until now still comes.
func (l *kernelLog) stop() {
	if l != nil {
		l.log.Stop()
	}
}

// close gives the log back, unless something holds its reader for longer than ctx.
func (l *kernelLog) close(ctx context.Context) error {
	if l == nil {
		return nil
	}
	if l.began != 0 {
		select {
		case <-l.ended:
		case <-ctx.Done():
			return nil // it still uses it
		}
	}
	return l.log.Close()
}
