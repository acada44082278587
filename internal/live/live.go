// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/boottime"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/ksym"
	"github.com/oomtrace/oomtrace/decode/printfmt"
	"github.com/oomtrace/oomtrace/decode/wire"
	"github.com/oomtrace/oomtrace/internal/survive"
	"github.com/oomtrace/oomtrace/tracer"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// DaemonMode says how a time daemon's own discipline is shown.
type DaemonMode string

// Daemon modes. Steps and refused calls are shown always.
const (
	DaemonAll     DaemonMode = "all"
	DaemonSummary DaemonMode = "summary" // once a minute
	DaemonNone    DaemonMode = "none"
)

// Options of a session. Sink is needed, the rest has a useful zero value.
type Options struct {
	// Sink takes every event, from one goroutine. An error that is EPIPE ends the
	// session quietly, another one ends it with that error.
	Sink func(*event.Event) error
	// Hold is what of Sink's comes later than its event; nil is nothing.
	Hold Holder
	// Record is a second taker, with a queue and a goroutine of its own; nil is none.
	Record Recorder
	// Warm takes, before the session begins, a made-up kill that nobody may see: the
	// way of an event is gone once while there is memory.
	Warm func(*event.Event)
	// Match filters; nil takes all. Session events and losses always pass.
	Match func(*event.Event) bool
	// Filters are what Match wants, in words, for session.start.
	Filters []string

	// Wanted are the names among them.
	Wanted []Wanted

	// Require names groups of facts, oom, clock and kill, without which there is no
	// point in running: Run then fails with tracer.ErrNotSupported.
	Require []string

	Version string
	Labels  map[string]string
	Tracer  tracer.Options
	Proc    procsnap.Options
	Source  Source // default auto
	// NoBackfill leaves out the kills that happened before, which the kernel's log tells.
	NoBackfill bool
	Daemon     DaemonMode // default summary
	// Incidents is the longest time between two kills of one incident; 0: kills are not
	// grouped.
	Incidents time.Duration
	Count     uint64 // end after so many events of kill or clock; 0: never
	// Duration ends the session so long after everything was attached; 0: never.
	Duration time.Duration
	// StuckAfter is how long a victim may take to end before it is told to be stuck;
	// default DefaultStuckAfter.
	StuckAfter time.Duration
	// Sample is the time between samples of memory, for what leads up to kills; 0: they
	// are taken only while tasks wait for memory, negative: never.
	Sample time.Duration
	// Warn takes what is not as good as it could be, before the stream opens.
	Warn func(string)
	// Ready is called once all is attached and read; nil is fine.
	Ready func()
	// Alive is called so often, AliveEvery, by the goroutine that all events go through.
	// 0 is never: else it wakes a machine that has nothing to tell.
	Alive      func()
	AliveEvery time.Duration
}

// Holder is an output that holds something back while more may come. Its methods are
// called by the goroutine that calls Sink.
type Holder interface {
	// Due is how long after the last event, if no other comes, Quiet is to be called;
	// 0 is not at all.
	Due() time.Duration
	// Quiet says that nothing has come for so long.
	Quiet(time.Duration) error
}

// Recorder keeps events. An event that it cannot keep is no error: it is counted.
type Recorder interface {
	Event(*event.Event) error
	// Dropped may be called from another goroutine.
	Dropped() uint64
}

// Result says how a session ended.
type Result struct {
	Reason string // signal, duration, count, closed-pipe, error
	Shown  uint64 // kill and clock events that passed the filter
	// End is what session.end told, whether an output took it or not; nil when the
	// session had not begun.
	End *event.SessionEnd
}

// GC percentages while starting, when most of the heap is garbage, and after.
const (
	startGCPercent = 20
	gcPercent      = 50
)

// errCounted ends a session that has shown enough.
var errCounted = errors.New("count reached")

// errDuration is the cause of a context that ended because time is up.
var errDuration = errors.New("time is up")

// Run traces until ctx ends, Count is reached, Duration is over or Sink fails.
// ErrStuck is returned when an output hangs: it must not be closed then.
func Run(ctx context.Context, o Options) (res Result, err error) {
	s, err := open(ctx, o)
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil && ctx.Err() != nil {
		return Result{Reason: reason(ctx)}, nil // asked to end before it had begun
	}
	if err != nil {
		return Result{}, err
	}
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Duration, errDuration)
		defer cancel()
	}
	return s.run(ctx)
}

// session is all that one Run needs.
type session struct {
	opts    Options
	id      string
	seq     atomic.Uint64
	host    *event.Host
	tracer  *tracer.Tracer // nil: no programs are attached
	log     *kernelLog     // nil, with logErr: it cannot be read; or nobody asks for it
	logErr  error
	hooks   []tracer.Hook
	decoder wire.Decoder
	clocks  hostClock
	offsets *boottime.Offsets
	errorNS atomic.Int64 // bound of the offset's error
	set     *clockSet    // nil, with setErr: sets by nobody are not seen
	setErr  error

	reader *procsnap.Reader
	worker *procsnap.Worker // nil: /proc is not looked at
	clerk  *procsnap.Worker // the clock's own: no storm fills the queue of kills
	porter *procsnap.Worker // that of SIGKILLs, for the same reason
	pods   *procsnap.Pods
	absent absent
	// settings are those last read, at settingsAt on the boot clock. They are shared with
	// session.start, and never changed.
	settings   *event.Settings
	settingsAt uint64
	initNS     *bool
	survive    survive.State
	pulse      *survive.Pulse
	sampling   *sampling // nil: no samples are taken
	warns      []string

	symbols    chan struct{} // closed once the symbol table is there, or cannot be
	symbolsErr error         // why it cannot
}

// open prepares a session. What it returns is to be closed, with an error too.
func open(ctx context.Context, o Options) (*session, error) {
	if o.Daemon == "" {
		o.Daemon = DaemonSummary
	}
	o.StuckAfter = cmp.Or(o.StuckAfter, DefaultStuckAfter)
	o.Source = cmp.Or(o.Source, SourceAuto)
	if o.Match == nil {
		o.Match = func(*event.Event) bool { return true }
	}
	// It rests once the symbols are there.
	s := &session{opts: o, symbols: make(chan struct{}), pulse: survive.StartPulse()}
	// Memory is the one thing not to take here: collect early while the kernel's
	// types and symbols pass through.
	debug.SetGCPercent(startGCPercent)
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return s, fmt.Errorf("make a session id: %w", err)
	}
	s.id = hex.EncodeToString(id[:])
	var err error
	if s.reader, err = procsnap.New(o.Proc); err != nil {
		return s, err
	}
	s.clocks = hostClock{s.reader.BoottimeNS}
	// The order makes each set of the clock one that is seen: by the timer from
	// here on, as a change of the offset from the next line on, and by its author
	// once the hooks are in.
	s.set, s.setErr = watchClockSet()
	offset, bound := s.clocks.sampleOffset()
	s.offsets = boottime.New(offset)
	s.errorNS.Store(bound)
	if err := s.openSource(ctx); err != nil {
		return s, err
	}
	if err := s.require(); err != nil {
		return s, err
	}
	if s.tracer != nil {
		s.warns = append(s.warns, s.tracer.Warnings()...)
	}
	s.survive = survive.Prepare()
	s.warns = append(s.warns, s.survive.Warnings...)
	s.host = s.reader.Host()
	s.host.Labels = o.Labels
	s.settingsAt, s.settings = s.clocks.boot(), s.reader.Settings()
	s.warns = append(s.warns, atRisk(s.settings)...)
	s.lookups()
	s.lookForWanted()
	s.machine()
	return s, s.openSampling()
}

// atRisk says what may end this program itself.
func atRisk(s *event.Settings) []string {
	if v := s.OOMKillAllocatingTask; v == nil || *v == 0 {
		return nil
	}
	return []string{"vm.oom_kill_allocating_task is set: when the machine runs out of memory the kernel kills whoever asks for it next, which may be oomtrace; only oom_score_adj -1000 exempts"}
}

// require fails when a group of facts that was asked for has no hook.
func (s *session) require() error {
	groups := map[string][]string{
		"oom":   {tracer.FactKill},
		"clock": {tracer.FactAdjtimex, tracer.FactSettime},
		"kill":  {tracer.FactSigkill},
	}
	for _, group := range s.opts.Require {
		for _, h := range s.hooks {
			if slices.Contains(groups[group], h.Fact) && !h.OK {
				return unserved{group, h}
			}
		}
	}
	return nil
}

// unserved is a group of facts that was asked for and has no hook, be that for the
// kernel or for want of a permission: the reason says which.
type unserved struct {
	group string
	hook  tracer.Hook
}

func (u unserved) Error() string {
	return fmt.Sprintf("no hook for %s works here: %s; 'oomtrace doctor hooks' says what would help; to go on without, leave %s out of --events",
		u.hook.Fact, u.hook.Reason, u.group)
}

// Is makes it what this machine does not offer.
func (u unserved) Is(target error) bool { return target == tracer.ErrNotSupported }

// lookups opens /proc's worker, unless pids there are not the kernel's.
func (s *session) lookups() {
	// Files name pods and containers, whoever's pids /proc has.
	var err error
	if s.pods, err = procsnap.OpenPods(s.opts.Proc); err != nil {
		s.warns = append(s.warns, fmt.Sprintf("names of new pods stay unknown: %v", err))
	}
	initial, err := s.reader.InitPIDNamespace()
	switch {
	case err != nil:
		s.warns = append(s.warns, fmt.Sprintf("no /proc look-ups: it is not known whose pids /proc has: %v", err))
		return
	case !initial:
		s.initNS = &initial
		s.warns = append(s.warns, "no /proc look-ups: this is another pid namespace than the kernel's; run in the host's (docker --pid=host, hostPID: true) or give --procfs the host's /proc")
		return
	}
	s.initNS = &initial
	s.worker = procsnap.NewWorker(s.reader, oomSlots)
	s.worker.Warm()
	s.clerk = procsnap.NewWorker(s.reader, 1)
	if s.opts.Tracer.Sigkills {
		s.porter = procsnap.NewWorker(s.reader, 1)
	}
}

// machine fills in what the decoder needs.
func (s *session) machine() {
	m := &s.decoder.Machine
	m.PageSize = uint64(os.Getpagesize())
	m.BootID = s.host.BootID
	m.Syscalls = wire.SyscallsOf(s.host.Arch)
	m.Swappiness = s.settings.Swappiness
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) == nil {
		unit := uint64(si.Unit)
		m.RAMPages = event.Ptr(si.Totalram * unit / m.PageSize)
		m.SwapPages = event.Ptr(si.Totalswap * unit / m.PageSize)
	}
	if s.tracer == nil {
		return
	}
	m.ThreadRSSPages = s.tracer.ThreadRSSPages()
	if m.RAMPages != nil {
		if err := s.tracer.SetMemory(*m.RAMPages, *m.SwapPages); err != nil {
			s.warns = append(s.warns, err.Error())
		}
	}
	if format := s.tracer.GFPFormat(); format != nil {
		names, err := printfmt.Flags(format, "gfp_flags")
		if err != nil || names.Skipped() > 0 {
			s.warns = append(s.warns, fmt.Sprintf("allocation flags have no names: %v, %d not understood", err, names.Skipped()))
		} else {
			s.decoder.GFP.Store(&names)
		}
	}
	s.seedClock()
}

// seedClock reads the discipline in force, the first "before".
func (s *session) seedClock() {
	var t unix.Timex
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &t); err != nil {
		return
	}
	s.decoder.SeedClock(bpf.OomtraceWireTimex{
		Offset: t.Offset, Freq: t.Freq, Maxerror: t.Maxerror, Esterror: t.Esterror,
		Constant: t.Constant, Tick: t.Tick, Status: t.Status, Tai: t.Tai,
	}, s.clocks.boot())
}

const kallsyms = "/proc/kallsyms"

func (s *session) symbolsKnown() bool {
	select {
	case <-s.symbols:
		return true
	default:
		return false
	}
}

// checkSymbols finds out before the session begins whether call traces can have names.
// Nothing else than kills has them, and SIGKILLs of the kernel's own are told by them.
func (s *session) checkSymbols() {
	if s.tracer == nil || (s.opts.Tracer.NoOOM || s.logTells()) && !s.opts.Tracer.Sigkills {
		close(s.symbols)
		return
	}
	if s.symbolsErr = CheckSymbols(); s.symbolsErr != nil {
		close(s.symbols)
	}
}

// CheckSymbols says why call traces would have no names.
func CheckSymbols() error {
	f, err := os.Open(kallsyms)
	if err != nil {
		return err
	}
	defer f.Close()
	return ksym.Check(f)
}

// loadSymbols reads the symbol table, after attaching: a kill waits for it. It gives
// up when ctx ends.
func (s *session) loadSymbols(ctx context.Context) {
	warning := ""
	defer func() {
		close(s.symbols)
		debug.SetGCPercent(gcPercent)
		debug.FreeOSMemory()
		s.pulse.Rest()
		if warning != "" && s.opts.Warn != nil {
			s.opts.Warn(warning)
		}
	}()
	f, err := os.Open(kallsyms)
	if err != nil {
		warning = "call traces have no names: " + err.Error()
		return
	}
	defer f.Close()
	const perCPU = "__per_cpu_offset"
	table, err := ksym.Load(readerUntil{ctx, f}, ksym.Options{Want: []string{perCPU}})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		warning = "call traces have no names: " + err.Error()
		return
	}
	s.decoder.Symbols.Store(table)
	if addr, ok := table.Address(perCPU); ok {
		if err := s.tracer.SetPerCPUOffset(addr); err != nil {
			warning = err.Error()
		}
	}
}

// readerUntil reads until ctx ends.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (r readerUntil) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

func (s *session) close() error {
	s.pulse.Rest()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// A worker that the kernel holds is left behind: the process ends anyway.
	_ = s.worker.Close(ctx)
	_ = s.clerk.Close(ctx)
	_ = s.porter.Close(ctx)
	s.sampling.close(ctx)
	var errs []error
	if s.pods != nil {
		errs = append(errs, s.pods.Close())
	}
	errs = append(errs, s.absent.cgroup.Close(), s.log.close(ctx))
	if s.tracer != nil {
		errs = append(errs, s.tracer.Close())
	}
	if s.set != nil {
		errs = append(errs, s.set.Close())
	}
	return errors.Join(errs...)
}

func (s *session) run(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	in := newIntake(&s.seq, s.offsets, &s.errorNS, s.clocks)
	if s.opts.Tracer.Sigkills {
		in.sigkill = newQueue(sigkillSlots, wire.MaxSigkillLen)
	}
	outs := []*outbox{newOutbox(s.opts.Sink, s.opts.Hold)}
	if s.opts.Record != nil {
		outs = append(outs, newOutbox(s.opts.Record.Event, nil))
	}
	p := newPump(s, in, outs, cancel)
	p.warm()
	s.checkSymbols()
	p.start()
	if s.symbolsKnown() {
		s.pulse.Rest()
	} else {
		go s.loadSymbols(ctx)
	}
	go func() {
		select {
		case <-s.symbols: // one after the other: memory is the one thing not to take
			s.seed(ctx)
		case <-ctx.Done():
		}
	}()
	if s.set != nil {
		go func() {
			if err := s.set.run(); err != nil && s.opts.Warn != nil {
				s.opts.Warn("clock steps that no call explains are not seen any more: " + err.Error())
			}
		}()
	}
	for _, o := range outs {
		go o.run(cancel)
	}
	s.sampling.start()

	var readErr error
	stopped := make(chan struct{}) // the readers of the rings and of the log have ended
	s.log.start()
	context.AfterFunc(ctx, func() {
		p.cross.end(s.clocks.boot())
		s.log.stop()
	})
	go func() {
		defer close(stopped)
		readErr = s.read(ctx, in, cancel)
	}()

	if s.opts.Ready != nil {
		s.opts.Ready()
	}
	p.run(stopped)
	<-stopped
	<-s.symbols // it uses the tracer
	res := Result{Reason: reason(ctx), Shown: p.shown}
	res.End = p.end(res.Reason)
	var errs []error
	for _, o := range outs {
		if err := o.close(); err != nil && !errors.Is(err, syscall.EPIPE) {
			errs = append(errs, fmt.Errorf("write events: %w", err))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, readErr)
	}
	return res, errors.Join(errs...)
}

// read reads the rings and the log until ctx ends; one that fails ends the session.
func (s *session) read(ctx context.Context, in *intake, cancel context.CancelCauseFunc) error {
	var g errgroup.Group
	g.Go(func() error {
		if s.tracer == nil {
			<-ctx.Done()
			return nil
		}
		err := s.tracer.Run(ctx, in)
		if err != nil {
			cancel(err)
		}
		return err
	})
	g.Go(func() error {
		err := s.log.wait()
		if err != nil {
			cancel(err)
		}
		return err
	})
	return g.Wait()
}

func reason(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errCounted):
		return "count"
	case errors.Is(cause, errDuration):
		return "duration"
	case errors.Is(cause, syscall.EPIPE):
		return "closed-pipe"
	case cause == nil, errors.Is(cause, context.Canceled):
		return "signal"
	}
	return "error"
}
