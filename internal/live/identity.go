// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"context"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/tracer"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// sourceExec says of a field that it is what was kept of a process.
const sourceExec = "exec"

// kept is who a process was when it began its program, by what the kernel's programs kept.
func (p *pump) kept(pid int, start *uint64) (procsnap.Identity, bool) {
	if start == nil || p.tracer == nil {
		return procsnap.Identity{}, false
	}
	id, ok := p.tracer.Identity(pid, *start)
	if !ok {
		return procsnap.Identity{}, false
	}
	return p.reader.Kept(id.Args, id.ArgsCut, id.Exe), true
}

// keptOfKill adds to a kill what /proc did not tell of victim and trigger.
func (p *pump) keptOfKill(e *event.Event) {
	k := e.Kill
	v := &k.Victim
	t := event.Task{
		PID: v.PID, StartBoottimeNS: v.StartBoottimeNS,
		Cmdline: v.Cmdline, CmdlineHex: v.CmdlineHex, Exe: v.Exe, ExeHex: v.ExeHex,
	}
	p.keptOf(e, &k.Sources, "victim", &t)
	v.Cmdline, v.CmdlineHex, v.Exe, v.ExeHex = t.Cmdline, t.CmdlineHex, t.Exe, t.ExeHex
	if k.Trigger != nil {
		p.keptOf(e, &k.Sources, "trigger", k.Trigger)
	}
}

// keptOf adds what was kept of a task and is absent, and says so in sources.
func (p *pump) keptOf(e *event.Event, sources *map[string]string, who string, t *event.Task) {
	if t.Cmdline != nil && t.Exe != nil {
		return
	}
	id, ok := p.kept(t.PID, t.StartBoottimeNS)
	if !ok {
		return
	}
	was := known{t.Cmdline, t.Exe, t.Cgroup, t.Unit}
	id.FillTask(t)
	if id.CmdlineTruncated && was.cmdline == nil {
		e.Truncated = append(e.Truncated, who+".cmdline")
	}
	added(sources, sourceExec, who, was, known{t.Cmdline, t.Exe, t.Cgroup, t.Unit})
}

// seed keeps who the processes are that run already, after attaching: it holds up nothing.
// It gives up when ctx ends, and when as many are kept as there is room for.
func (s *session) seed(ctx context.Context) {
	if s.worker == nil || s.tracer == nil || !s.tracer.Seeds() {
		return // pids of /proc are not the kernel's, or nothing is kept
	}
	// What is not seeded is looked up when it is asked for, as ever.
	_ = s.reader.EachPID(func(pid int) bool {
		raw, err := s.reader.Raw(pid, tracer.MaxArgs+1)
		if err != nil {
			return ctx.Err() == nil
		}
		err = s.tracer.Seed(pid, tracer.Identity{StartBoottimeNS: raw.StartBoottimeNS, Args: raw.Args, Exe: raw.Exe})
		return err == nil && ctx.Err() == nil
	})
}
