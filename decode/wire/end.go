// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
)

// NoKill decodes an invocation that killed nobody. It needs r.Kind NOKILL.
func (d *Decoder) NoKill(r *Record) *event.NoKill {
	w := &r.Kill
	n := &event.NoKill{Reason: nokillReason(w.Role)}
	role := w.Role
	w.Role = uint32(bpf.OomtraceWireRoleWIRE_ROLE_CHOSEN)
	k := d.Kill(r)
	w.Role = role
	n.Episode, n.Scope, n.Limit, n.Trigger = k.Episode, k.Scope, k.Limit, k.Trigger
	if w.Victim.Pid != 0 {
		// It was not judged: points are those of whoever was chosen, if anybody was.
		k.Victim.PointsPages, k.Victim.BadnessPermille = nil, nil
		n.Victim = &k.Victim
	}
	for field, source := range k.Sources {
		switch field {
		case "victim.points_pages", "victim.badness_permille", "role":
			continue
		case "victim.pid", "victim.allowed_pages":
			if n.Victim == nil {
				continue
			}
		}
		if n.Sources == nil {
			n.Sources = map[string]string{}
		}
		n.Sources[field] = source
	}
	return n
}

func nokillReason(r uint32) event.NoKillReason {
	switch bpf.OomtraceWireNokill(r) {
	case bpf.OomtraceWireNokillWIRE_NOKILL_CURRENT_EXITING:
		return event.NoKillCurrentExiting
	case bpf.OomtraceWireNokillWIRE_NOKILL_CHOSEN_EXITING:
		return event.NoKillChosenExiting
	case bpf.OomtraceWireNokillWIRE_NOKILL_NO_CANDIDATE:
		return event.NoKillNoCandidate
	case bpf.OomtraceWireNokillWIRE_NOKILL_DISABLED:
		return event.NoKillOOMDisabled
	case bpf.OomtraceWireNokillWIRE_NOKILL_EARLY:
		return event.NoKillEarly
	}
	return "" // Parse lets none through
}

// Moment is one thing that became of a victim.
type Moment struct {
	What  bpf.OomtraceWireMomentWhat
	PID   int     // thread-group leader; for REAPED the marked thread
	Anon  *uint64 // bytes that its address space still has
	Limit *uint64 // bytes that the cgroup that was full uses
}

// Moment decodes one. It needs r.Kind MOMENT.
func (d *Decoder) Moment(r *Record) Moment {
	w := &r.Moment
	m := Moment{What: bpf.OomtraceWireMomentWhat(w.What), PID: int(w.Pid)}
	if has(w.H.Valid, bpf.OomtraceWireMomentValidWIRE_MOMENT_ANON) {
		m.Anon = d.bytes(w.AnonPages)
	}
	if has(w.H.Valid, bpf.OomtraceWireMomentValidWIRE_MOMENT_LIMIT) {
		m.Limit = d.bytes(w.LimitPages)
	}
	return m
}
