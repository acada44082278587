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
const (
	reasonLogAlone = "--source kmsg"
	reasonUnlogged = "the kernel log does not tell"
)

// FromLog is how facts are had where the kernel's log tells of kills, since for reason no
// program does. What has nothing to do with kills is had as hooks say, or not at all.
func FromLog(facts []string, hooks []tracer.Hook, reason string) []tracer.Hook {
	had := map[string]tracer.Hook{}
	for _, h := range hooks {
		had[h.Fact] = h
	}
	out := make([]tracer.Hook, 0, len(facts))
	for _, fact := range facts {
		h, hooked := had[fact]
		switch {
		case logFacts[fact]:
			h = tracer.Hook{Fact: fact, Method: MethodLog, OK: true, Reason: reason}
		case tracer.OfKills(fact):
			h = tracer.Hook{Fact: fact, Reason: reasonUnlogged}
		case !hooked:
			h = tracer.Hook{Fact: fact, Reason: reason}
		}
		out = append(out, h)
	}
	return out
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
		return s.useLog(nil, reasonLogAlone)
	}
	var err error
	if s.tracer, err = tracer.Open(ctx, o.Tracer); err != nil {
		// A nil *Tracer is no tracer, whatever it was.
		s.tracer = nil
		if o.Source != SourceAuto || !reads || !errors.Is(err, tracer.ErrNotPermitted) && !errors.Is(err, tracer.ErrNotSupported) {
			return err
		}
		return s.useLog(err, err.Error())
	}
	s.hooks = s.tracer.Hooks()
	if o.Source == SourceBPF || !reads || s.log == nil || kills(s.hooks).OK {
		return nil
	}
	// Programs that see invocations would tell of each that it killed nobody.
	reason := kills(s.hooks).Reason
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
			if !errors.Is(err, tracer.ErrNotPermitted) && !errors.Is(err, tracer.ErrNotSupported) {
				return err
			}
		}
	}
	return s.useLog(nil, reason)
}

// useLog has the kernel's log tell of kills, as no program does for reason. err is why the
// programs could not be had.
func (s *session) useLog(err error, reason string) error {
	if s.log == nil {
		if err == nil {
			return unreadable{s.logErr}
		}
		return fmt.Errorf("%w; nor can the kernel log tell of kills: %w", err, s.logErr)
	}
	s.log.tells = true
	var hooks []tracer.Hook
	if s.tracer != nil {
		hooks = s.tracer.Hooks()
	}
	s.hooks = FromLog(tracer.Facts(s.opts.Tracer), hooks, reason)
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

// kills is the hook of kills; zero if they are not asked for.
func kills(hooks []tracer.Hook) tracer.Hook {
	for _, h := range hooks {
		if h.Fact == tracer.FactKill {
			return h
		}
	}
	return tracer.Hook{}
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
