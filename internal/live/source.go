// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/tracer"
	"github.com/oomtrace/oomtrace/tracer/devkmsg"
)

// Source is who tells of kills.
type Source string

// Sources.
const (
	// SourceAuto is the kernel's programs, with the log beside them for what they miss;
	// the log alone where no program can tell of kills.
	SourceAuto Source = "auto"
	SourceBPF  Source = "bpf"  // the programs alone
	SourceKmsg Source = "kmsg" // the kernel's log alone
)

// FactLog is the kernel's log itself.
const FactLog = "log"

// MethodLog is how facts are had that the kernel's log tells.
const MethodLog = "kernel log (" + devkmsg.Path + ")"

// logFacts are what a log tells of kills.
var logFacts = map[string]bool{
	tracer.FactKill: true, tracer.FactTrigger: true, tracer.FactInvocation: true,
	tracer.FactCandidates: true, tracer.FactReaped: true,
}

// Why facts are not to be had beside the kernel's log.
const reasonUnlogged = "the kernel log does not tell"

var errLogAlone = errors.New("--source kmsg")

// FromLog is how facts are had where the kernel's log tells of kills, since no program does
// for err: of those facts that o asks for. What has nothing to do with kills is had as hooks
// say, or not at all.
func FromLog(o tracer.Options, hooks []tracer.Hook, err error) []tracer.Hook {
	had := map[string]tracer.Hook{}
	for _, h := range hooks {
		had[h.Fact] = h
	}
	if unserved := (*tracer.UnservedError)(nil); errors.As(err, &unserved) {
		for _, h := range unserved.Hooks {
			had[h.Fact] = h
		}
	}
	facts := tracer.Facts(o)
	out := make([]tracer.Hook, 0, len(facts))
	for _, fact := range facts {
		h, tried := had[fact]
		if !tried {
			h = tracer.Hook{Fact: fact, Reason: err.Error()}
		}
		switch {
		case logFacts[fact]:
			h = tracer.Hook{Fact: fact, Method: MethodLog, OK: true, Reason: h.Reason}
		case tracer.OfKills(fact):
			h = tracer.Hook{Fact: fact, Reason: reasonUnlogged}
		}
		out = append(out, h)
	}
	return out
}

// LastRung is how facts are had with the kernel's log, if no program tells of kills.
func LastRung(o tracer.Options, hooks []tracer.Hook) []tracer.Hook {
	if h := killHook(hooks); h.Fact == "" || h.OK {
		return hooks
	}
	return FromLog(o, hooks, errors.New(killHook(hooks).Reason))
}

// killHook is that of kills; zero if they are not asked for.
func killHook(hooks []tracer.Hook) tracer.Hook {
	for _, h := range hooks {
		if h.Fact == tracer.FactKill {
			return h
		}
	}
	return tracer.Hook{}
}

// OpenLog opens the kernel's log: this system's, or the one below the host's root.
func OpenLog(root string) (*devkmsg.Log, error) {
	log, err := devkmsg.Open("")
	if err == nil || root == "" || root == "/" {
		return log, err
	}
	if hosts, hostErr := devkmsg.Open(filepath.Join(root, devkmsg.Path)); hostErr == nil {
		return hosts, nil
	}
	return nil, err
}

// openSource attaches the programs and opens the log, as Options.Source asks.
func (s *session) openSource(ctx context.Context) error {
	o := &s.opts
	reads := !o.Tracer.NoOOM && (o.Source != SourceBPF || !o.NoBackfill)
	if reads {
		if log, err := OpenLog(o.Proc.Root); err != nil {
			s.logErr = err
		} else {
			s.log = newKernelLog(s, log)
		}
	}
	if o.Source == SourceKmsg {
		if o.Tracer.NoOOM {
			return fmt.Errorf("%w: the kernel log tells of kills alone", tracer.ErrNotSupported)
		}
		return s.useLog(nil, errLogAlone)
	}
	var err error
	if s.tracer, err = tracer.Open(ctx, o.Tracer); err != nil {
		s.tracer = nil
		if o.Source != SourceAuto || !reads || !cannot(err) {
			return err
		}
		return s.useLog(nil, err)
	}
	s.hooks = s.tracer.Hooks()
	if o.Source == SourceBPF || s.log == nil || killHook(s.hooks).OK {
		return nil
	}
	// Programs that see invocations would tell of each that it killed nobody.
	hooks := s.hooks
	err = s.tracer.Close()
	s.tracer = nil
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	others := o.Tracer
	others.NoOOM = true
	if !others.NoClock || others.Sigkills {
		if s.tracer, err = tracer.Open(ctx, others); err != nil {
			s.tracer = nil
			return err // it was to be had a moment ago
		}
	}
	return s.useLog(hooks, errors.New(killHook(hooks).Reason))
}

// cannot says whether err is what programs cannot do here, for the kernel or for want of a
// permission.
func cannot(err error) bool {
	return errors.Is(err, tracer.ErrNotPermitted) || errors.Is(err, tracer.ErrNotSupported)
}

// useLog has the kernel's log tell of kills, as no program does for err.
func (s *session) useLog(hooks []tracer.Hook, err error) error {
	asked := errors.Is(err, errLogAlone)
	switch {
	case s.log == nil && asked:
		return unreadable{s.logErr}
	case s.log == nil:
		return fmt.Errorf("%w; nor can the kernel log tell of kills: %w", err, s.logErr)
	}
	s.log.tells = true
	s.hooks = FromLog(s.opts.Tracer, hooks, err)
	why := "kills are told from the kernel log"
	if !asked {
		why += ", since no BPF program can tell of them"
	}
	s.warns = append(s.warns, why+": without those of processes that share a victim's memory, command lines of victims that are gone at once, and when their memory is back")
	return nil
}

// unreadable is that the kernel's log, which was asked for, cannot be read.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

// Is makes it what is not permitted here, or not there.
func (u unreadable) Is(target error) bool {
	if errors.Is(u.error, os.ErrPermission) {
		return target == tracer.ErrNotPermitted
	}
	return target == tracer.ErrNotSupported
}

// logHooks is what session.start tells of the log; nothing if nobody asks for it.
func (s *session) logHooks() []event.Hook {
	switch {
	case s.log != nil:
		return []event.Hook{LogHook(nil)}
	case s.logErr != nil:
		return []event.Hook{LogHook(s.logErr)}
	}
	return nil
}

// LogHook tells of the log, which cannot be read for err.
func LogHook(err error) event.Hook {
	if err != nil {
		return event.Hook{Fact: FactLog, Reason: err.Error()}
	}
	return event.Hook{Fact: FactLog, Method: devkmsg.Path, OK: true}
}
