// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/wire"
	"github.com/oomtrace/oomtrace/tracer"
)

const (
	exited = bpf.OomtraceWireMomentWhatWIRE_MOMENT_EXITED
	reaped = bpf.OomtraceWireMomentWhatWIRE_MOMENT_REAPED
	freed  = bpf.OomtraceWireMomentWhatWIRE_MOMENT_FREED
)

// endRig is a pump where an exit and the end of an address space can be seen.
func endRig(facts ...string) rig {
	r := newRig()
	var hooks []tracer.Hook
	for _, f := range facts {
		hooks = append(hooks, tracer.Hook{Fact: f, OK: true})
	}
	r.ends = newEnds(hooks)
	r.opts.StuckAfter = time.Hour
	return r
}

// victimOf waits for the end of a victim of 10 MB.
func (r rig) victimOf(episode string, pid int, role event.Role, boot, mm uint64) {
	r.awaitEnd(&event.Kill{Episode: episode, Role: role, Victim: event.Victim{PID: pid, AnonRSSBytes: event.Ptr[uint64](10e6)}}, boot, killed{mm: mm}, false)
}

func (r rig) told() (out []string) {
	for _, e := range r.emitted() {
		n := e.End
		s := fmt.Sprintf("%s %d %s", n.Episode, n.PID, n.Outcome)
		for _, m := range []struct {
			what string
			ms   *float64
		}{{"exit", n.ExitMS}, {"reap", n.ReapMS}, {"freed", n.FreedMS}} {
			if m.ms != nil {
				s += fmt.Sprintf(" %s %v", m.what, *m.ms)
			}
		}
		if n.FreedBytes != nil {
			s += fmt.Sprintf(" %d", *n.FreedBytes)
		}
		if n.WaitedMS != nil {
			s += " waited"
		}
		out = append(out, s)
	}
	return out
}

func TestEnds(t *testing.T) {
	anon := func(n uint64) *uint64 { return &n }
	for _, tt := range []struct {
		name  string
		facts []string
		steps func(rig)
		want  []string
	}{
		{"memory first", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.victimOf("e", 1, event.RoleChosen, 1e6, 77)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 77, Anon: anon(0)}, 3e6)
			r.moment(wire.Moment{What: exited, PID: 1}, 4e6)
		}, []string{"e 1 freed exit 3 freed 2 10000000"}},
		{"exit first", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.victimOf("e", 1, event.RoleChosen, 1e6, 77)
			r.moment(wire.Moment{What: exited, PID: 1}, 2_500_000)
			r.moment(wire.Moment{What: reaped, PID: 1, Anon: anon(1e6)}, 3e6)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 77}, 4e6)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 77}, 9e6)
		}, []string{"e 1 freed exit 1.5 reap 2 freed 3 9000000"}},
		{"memory cannot be seen", []string{tracer.FactExit}, func(r rig) {
			r.victimOf("e", 1, event.RoleChosen, 1e6, 0)
			r.moment(wire.Moment{What: exited, PID: 1}, 2e6)
		}, []string{"e 1 exited exit 1"}},
		{"nothing can be seen", nil, func(r rig) { r.victimOf("e", 1, event.RoleChosen, 1e6, 0) }, nil},
		{"sharers by mm, each exits by itself", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.victimOf("e", 1, event.RoleChosen, 1e6, 77)
			r.victimOf("e", 2, event.RoleSharedMM, 1e6, 77)
			r.victimOf("e", 3, event.RoleGroup, 1e6, 78)
			r.moment(wire.Moment{What: exited, PID: 1}, 2e6)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 77}, 3e6)
			r.moment(wire.Moment{What: exited, PID: 2}, 4e6)
		}, []string{"e 1 freed exit 1 freed 2", "e 2 freed exit 3 freed 2"}},
		{"a sharer that is told late, by tracepoints", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.victimOf("e", 1, event.RoleChosen, 1e6, 77)
			r.moment(wire.Moment{What: exited, PID: 1}, 2e6)
			r.moment(wire.Moment{What: exited, PID: 2}, 2e6)
			r.moment(wire.Moment{What: freed, PID: 2, MM: 77}, 3e6)
			r.victimOf("e", 2, event.RoleSharedMM, 1_100_000, 0)
		}, []string{"e 1 freed exit 1 freed 2", "e 2 freed exit 0.9 freed 1.9"}},
		{"a group by tracepoints: an end of one is not that of all", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.victimOf("e", 1, event.RoleChosen, 1e6, 0)
			r.victimOf("e", 2, event.RoleGroup, 1e6, 0)
			r.moment(wire.Moment{What: exited, PID: 2}, 2e6)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 77}, 3e6)
			r.moment(wire.Moment{What: exited, PID: 1}, 3e6)
		}, []string{"e 1 freed exit 2 freed 2"}},
		{"it exits before its kill is told, after its signal", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.moment(wire.Moment{What: exited, PID: 1}, 2e6)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 77}, 3e6)
			r.awaitEnd(&event.Kill{Episode: "e", Role: event.RoleChosen, Victim: event.Victim{PID: 1}}, 4e6, killed{mm: 77, signalNS: 1e6}, false)
		}, []string{"e 1 freed exit 0 freed 0"}},
		{"the reaper could not", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.opts.StuckAfter = time.Nanosecond
			r.victimOf("e", 1, event.RoleChosen, 1e6, 77)
			r.moment(wire.Moment{What: reaped, PID: 1, Anon: anon(10e6)}, 3e6)
			time.Sleep(time.Millisecond)
			r.lookAtEnds()
		}, []string{"e 1 stuck 0 waited"}},
		{"a pid that was another's", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.moment(wire.Moment{What: exited, PID: 1}, 1e6)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 5}, 1e6)
			r.victimOf("e", 1, event.RoleChosen, 2e6, 5)
		}, nil},
		{"an end that was not seen, of a pid and of a mm that are another's now", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			first, second := killed{mm: 77}, killed{mm: 78}
			r.awaitEnd(&event.Kill{Episode: "d", Victim: event.Victim{PID: 1, StartBoottimeNS: event.Ptr[uint64](1)}}, 1e6, first, false)
			r.awaitEnd(&event.Kill{Episode: "e", Victim: event.Victim{PID: 1, StartBoottimeNS: event.Ptr[uint64](2)}}, 2e6, second, false)
			r.victimOf("f", 2, event.RoleChosen, 3e6, 77)
			r.moment(wire.Moment{What: exited, PID: 1}, 4e6)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 78}, 5e6)
			r.moment(wire.Moment{What: freed, PID: 2, MM: 77}, 6e6)
			r.moment(wire.Moment{What: exited, PID: 2}, 7e6)
		}, []string{"e 1 freed exit 2 freed 3", "f 2 freed exit 4 freed 3"}},
		{"an end that was not seen, of a mm whose place a sharer has that is told late", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.victimOf("d", 1, event.RoleChosen, 1e6, 77)
			r.victimOf("e", 2, event.RoleChosen, 2e6, 77)
			r.moment(wire.Moment{What: freed, PID: 3, MM: 77}, 3e6)
			r.moment(wire.Moment{What: exited, PID: 1}, 4e6)
			r.moment(wire.Moment{What: exited, PID: 2}, 5e6)
		}, []string{"e 2 freed exit 3 freed 1"}},
		{"killed twice", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.victimOf("d", 1, event.RoleChosen, 1e6, 77)
			r.victimOf("e", 1, event.RoleGroup, 2e6, 77)
			r.moment(wire.Moment{What: freed, PID: 1, MM: 77}, 3e6)
			r.moment(wire.Moment{What: exited, PID: 1}, 4e6)
		}, []string{"d 1 freed exit 3 freed 2", "e 1 freed exit 2 freed 1"}},
		{"stuck, then gone", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.opts.StuckAfter = time.Nanosecond
			r.victimOf("e", 1, event.RoleChosen, 1e6, 77)
			time.Sleep(time.Millisecond)
			r.lookAtEnds()
			r.lookAtEnds()
			r.moment(wire.Moment{What: freed, PID: 1, MM: 77}, 3e6)
			r.moment(wire.Moment{What: exited, PID: 1}, 3e6)
		}, []string{"e 1 stuck waited", "e 1 freed exit 2 freed 2"}},
		{"reaped and still there", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			r.opts.StuckAfter = time.Nanosecond
			r.victimOf("e", 1, event.RoleChosen, 1e6, 77)
			r.moment(wire.Moment{What: reaped, PID: 1, Anon: anon(0)}, 3e6)
			time.Sleep(time.Millisecond)
			r.lookAtEnds()
		}, []string{"e 1 reaped reap 2 10000000 waited"}},
		{"too many", []string{tracer.FactExit, tracer.FactFreed}, func(r rig) {
			for pid := range endLimit + 5 {
				r.victimOf("e", pid+1, event.RoleChosen, 1e6, 0)
			}
			for range momentLimit + 5 {
				r.moment(wire.Moment{What: exited, PID: 1 << 20}, 2e6)
			}
			if len(r.ends.list) != endLimit || len(r.ends.early) != momentLimit {
				t.Errorf("%d waited for, %d kept", len(r.ends.list), len(r.ends.early))
			}
		}, nil},
	} {
		r := endRig(tt.facts...)
		tt.steps(r)
		if got := r.told(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
