// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/live"
	"github.com/oomtrace/oomtrace/internal/record"
	"github.com/oomtrace/oomtrace/internal/render"
	"github.com/oomtrace/oomtrace/internal/sdnotify"
)

// service is a watch as a service manager sees it, where there is one.
type service struct {
	manager *sdnotify.Notifier // nil: nobody asks
	kills   uint64
}

// openService tells the manager when ctx has ended. A manager that cannot be told is no
// reason not to watch.
func openService(ctx context.Context, env *cli.Env) *service {
	getenv := env.Getenv
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	manager, err := sdnotify.Open(getenv, os.Getpid())
	if err != nil {
		env.Warnf("%s", render.Sanitize(err.Error()))
	}
	context.AfterFunc(ctx, manager.Stopping)
	return &service{manager: manager}
}

// serve has the session tell that it is ready, and alive if that is asked for.
func (s *service) serve(o *live.Options) {
	if s.manager == nil {
		return
	}
	o.Ready = func() {
		s.manager.Status("watching, no kill so far")
		s.manager.Ready()
	}
	o.Alive, o.AliveEvery = s.manager.Alive, s.manager.Watchdog()
}

// event counts kills.
func (s *service) event(e *event.Event) {
	if e.Kill == nil || s.manager == nil {
		return
	}
	s.kills++
	kills := "1 kill"
	if s.kills > 1 {
		kills = fmt.Sprintf("%d kills", s.kills)
	}
	name := "?"
	if c := e.Kill.Victim.Comm; c != nil {
		name = render.Sanitize(*c)
	}
	s.manager.Status(fmt.Sprintf("watching, %s so far, the last of %s[%d] at %s",
		kills, name, e.Kill.Victim.PID, e.Time.UTC().Format(time.RFC3339)))
}

// reloads has SIGHUP begin a new file of rec where the present one was moved away. To who
// has a terminal it says that this was closed, and still ends the command.
func (s *service) reloads(env *cli.Env, rec *record.Recorder) {
	if rec == nil || env.OnHangUp == nil || hasTerminal() {
		return
	}
	warn := warnAside(env)
	env.OnHangUp(func() {
		s.manager.Reloading(monotonic())
		if err := rec.Reopen(); err != nil && !errors.Is(err, os.ErrClosed) {
			warn(err.Error())
		}
		s.manager.Ready()
	})
}

// hasTerminal says whether the process has a controlling terminal, wherever its input and
// output go.
func hasTerminal() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // ENXIO
	}
	return unix.Close(fd) == nil
}

func monotonic() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

func (s *service) close() {
	s.manager.Stopping() // however the session ended
	_ = s.manager.Close()
}
