// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

const (
	// snapshotWait is how long a kill's line waits for /proc.
	snapshotWait = 5 * time.Millisecond
	// lateEvery is how often answers of /proc that came late are looked for, less and
	// less often while none comes.
	lateEvery     = 5 * time.Millisecond
	lateEveryMost = time.Second
	// lateGrace is how long the session's end waits for them.
	lateGrace = 100 * time.Millisecond
	// lateLimit bounds the snapshots that are waited for after their line.
	lateLimit = 64
)

// triggerPID is what sources names a trigger's pid, which is a thread's where that is
// computed: the log tells no other.
const (
	triggerPID = "trigger.pid"
	computed   = "computed"
)

// lateSnapshot is an answer, or the rest of one, that a kill did not wait for.
type lateSnapshot struct {
	answer <-chan procsnap.Answer
	got    procsnap.Answer // what has come of it
	told   bool            // the kill has that
	boot   uint64
	kill   *event.Kill
	tasks  []procsnap.Ref
}

// snapshot asks the worker and waits for it, for a moment.
func (p *pump) snapshot(e *event.Event, boot uint64) {
	k := e.Kill
	req := request(k, boot)
	k.Settings = p.settingsFor(boot) // those last read, unless the answer comes
	answer := p.worker.Ask(req)
	k.LeadUp = p.sampling.brief(k, boot) // meanwhile
	wait := snapshotWait
	if time.Now().Before(p.blockedUntil) {
		wait = 0
	}
	a, ok := procsnap.Wait(answer, wait)
	if !ok {
		p.blockedUntil = time.Now().Add(time.Second)
	}
	k.Snapshot = &event.SnapshotState{State: cmp.Or(a.State, procsnap.StateBlocked), AgeMS: a.AgeMS(boot)}
	if (!ok || a.More) && len(p.late) < lateLimit {
		p.late = append(p.late, &lateSnapshot{answer, a, ok, boot, k, req.Tasks})
		k.Snapshot.State = procsnap.StateLate
	}
	if !ok {
		return
	}
	if len(a.Tasks) > 0 {
		k.Victim.User, k.Victim.Parents = a.Tasks[0].User, a.Parents
	}
	if len(a.Tasks) > 0 && a.Tasks[0].Err == nil {
		v := &k.Victim
		was := *v
		a.Tasks[0].Identity.FillVictim(v)
		if a.Tasks[0].Identity.CmdlineTruncated && was.Cmdline == nil {
			e.Truncated = append(e.Truncated, "victim.cmdline")
		}
		added(&k.Sources, string(event.SourceProc), "victim", known{was.Cmdline, was.Exe, was.Cgroup, was.Unit}, known{v.Cmdline, v.Exe, v.Cgroup, v.Unit})
	}
	if t := k.Trigger; t != nil && len(a.Tasks) > 0 {
		// The trigger is the last one asked for, the victim itself where it is both.
		answer := a.Tasks[len(a.Tasks)-1]
		if len(a.Tasks) > 1 || sameUID(t.UID, k.Victim.UID) {
			t.User = answer.User
		}
		if answer.Leader != 0 {
			if k.Sources == nil {
				k.Sources = map[string]string{}
			}
			t.PID, k.Sources[triggerPID] = answer.Leader, string(event.SourceProc)
		}
		if answer.Err == nil {
			was := *t
			answer.Identity.FillTask(t)
			if answer.Identity.CmdlineTruncated && was.Cmdline == nil {
				e.Truncated = append(e.Truncated, "trigger.cmdline")
			}
			added(&k.Sources, string(event.SourceProc), "trigger", known{was.Cmdline, was.Exe, was.Cgroup, was.Unit}, known{t.Cmdline, t.Exe, t.Cgroup, t.Unit})
		}
	}
	fillLimit(k, &a, boot)
	p.memory(k, a.Memory, a.AgeMS(boot))
	if p.takeSettings(&a) {
		k.Settings = p.settingsFor(boot)
	}
	p.learn(a.Memory)
}

// takeSettings notes those of an answer. Of kdump it has none: that is not read for a kill.
func (p *pump) takeSettings(a *procsnap.Answer) bool {
	if a.Settings == nil {
		return false
	}
	s := *a.Settings
	if p.settings != nil {
		s.Kdump = p.settings.Kdump
	}
	p.settings, p.settingsAt = &s, a.BoottimeNS
	p.decoder.Machine.Swappiness = s.Swappiness
	return true
}

// settingsFor are those last read, with their age for an event.
func (p *pump) settingsFor(boot uint64) *event.Settings {
	if p.settings == nil {
		return nil
	}
	s := *p.settings
	s.AgeMS = procsnap.AgeMS(p.settingsAt, boot)
	return &s
}

// learn notes how much memory and swap the machine has: swap comes and goes.
func (p *pump) learn(m *event.Memory) {
	if m == nil || m.TotalBytes == nil || m.SwapTotalBytes == nil {
		return
	}
	machine := &p.decoder.Machine
	ram, swap := *m.TotalBytes/machine.PageSize, *m.SwapTotalBytes/machine.PageSize
	if machine.RAMPages != nil && *machine.RAMPages == ram && machine.SwapPages != nil && *machine.SwapPages == swap {
		return
	}
	machine.RAMPages, machine.SwapPages = &ram, &swap
	if p.tracer != nil {
		_ = p.tracer.SetMemory(ram, swap) // it ranks by the old numbers then
	}
}

// request asks for what a kill lacks.
func request(k *event.Kill, boot uint64) procsnap.Request {
	v := &k.Victim
	victim := ref(v.PID, v.StartBoottimeNS, boot)
	victim.UID, victim.Cgroup = v.UID, cgroupRef(v.Cgroup)
	if v.PPID != nil {
		victim.PPID = *v.PPID
	}
	req := procsnap.Request{Tasks: []procsnap.Ref{victim}, Parents: true, Machine: true}
	if t := k.Trigger; t != nil && t.PID != v.PID {
		pid := t.PID
		if pid == 0 && t.TID != nil {
			pid = *t.TID
		}
		trigger := ref(pid, t.StartBoottimeNS, boot)
		trigger.UID = t.UID
		trigger.Leader = t.PID == 0 || k.Sources[triggerPID] == computed // a thread's, of the log
		req.Tasks = append(req.Tasks, trigger)
	}
	if t := k.Trigger; t != nil {
		if t.TID != nil {
			req.Tasks[len(req.Tasks)-1].TID = *t.TID
		}
		req.Nodes = k.Scope == event.ScopeCpuset
	}
	switch k.Scope {
	case event.ScopeMemcg:
		if k.Limit != nil {
			req.Limit = cgroupRef(k.Limit.Cgroup)
		}
	case event.ScopeGlobal, event.ScopeCpuset, event.ScopeMempolicy:
		req.Zones = k.Memory == nil // the log may have told them
		// An order that is not known may be one above 0.
		req.Blocks = k.Trigger == nil || k.Trigger.Order == nil || *k.Trigger.Order > 0
	}
	return req
}

// cgroupRef is where a cgroup's files are to be found; nil if that is not known for
// certain.
func cgroupRef(c *event.Cgroup) *procsnap.CgroupRef {
	if c == nil || c.Path == "" || c.Truncated {
		return nil
	}
	id, err := strconv.ParseUint(c.ID, 16, 64)
	if err != nil {
		return nil
	}
	return &procsnap.CgroupRef{Version: c.Version, Path: event.RawString(c.Path, c.PathHex), ID: id}
}

func sameUID(a, b *uint32) bool { return a != nil && b != nil && *a == *b }

// fillLimit adds what was read of the limit.
func fillLimit(k *event.Kill, a *procsnap.Answer, boot uint64) {
	l, read := k.Limit, a.Limit
	if l == nil || read == nil {
		return
	}
	l.HighBytes, l.MinBytes, l.LowBytes, l.Events, l.Stat = read.HighBytes, read.MinBytes, read.LowBytes, read.Events, read.Stat
	if l.Stat != nil {
		l.Stat.AgeMS = a.RestAgeMS(boot)
	}
	if read.Nodes != "" && l.Kind == event.LimitNodes {
		l.Nodes = read.Nodes
		if k.Sources == nil {
			k.Sources = map[string]string{}
		}
		k.Sources["limit.nodes"] = string(event.SourceProc)
	}
}

// known is what /proc may add to a task.
type known struct {
	cmdline, exe *string
	cgroup       *event.Cgroup
	unit         string
}

// added names in sources what of a task is known since from was asked.
func added(sources *map[string]string, from, who string, was, is known) {
	for field, added := range map[string]bool{
		"cmdline": was.cmdline == nil && is.cmdline != nil,
		"exe":     was.exe == nil && is.exe != nil,
		"cgroup":  was.cgroup == nil && is.cgroup != nil,
		"unit":    was.unit == "" && is.unit != "",
	} {
		if !added {
			continue
		}
		if *sources == nil {
			*sources = map[string]string{}
		}
		(*sources)[who+"."+field] = from
	}
}

func ref(pid int, start *uint64, boot uint64) procsnap.Ref {
	r := procsnap.Ref{PID: pid, EventBoottimeNS: boot}
	if start != nil {
		r.StartBoottimeNS = *start
	}
	return r
}

func (p *pump) memory(k *event.Kill, m *event.Memory, age *int64) {
	if m == nil || k.Memory != nil { // the log's is of the moment itself
		return
	}
	m.AgeMS = age
	k.Memory = m
	if k.Limit != nil && k.Limit.Kind == event.LimitRAM && k.Limit.Bytes == nil {
		k.Limit.Bytes = m.TotalBytes
	}
}

// takeLate emits the snapshots that have come meanwhile, and says how many.
func (p *pump) takeLate() int {
	was := len(p.late)
	p.late = slices.DeleteFunc(p.late, func(l *lateSnapshot) bool {
		for {
			select {
			case part := <-l.answer:
				l.got.Add(part)
				if l.got.More {
					continue
				}
				p.emit(p.lateEvent(l))
				p.blockedUntil = time.Time{}
				return true
			default:
				return false
			}
		}
	})
	return was - len(p.late)
}

// giveUpLate waits a little for the snapshots that are due and says of the others
// that they will not come.
func (p *pump) giveUpLate() {
	if len(p.late) == 0 {
		return
	}
	grace, cancel := context.WithTimeout(context.Background(), lateGrace)
	defer cancel()
	for _, l := range p.late {
		for due := true; due; due = due && l.got.More {
			select {
			case part := <-l.answer:
				l.got.Add(part)
			case <-grace.Done():
				due = false
			}
		}
		p.emit(p.lateEvent(l))
	}
	p.late = nil
}

// lateEvent tells what has come of l, but not what the kill has told.
func (p *pump) lateEvent(l *lateSnapshot) *event.Event {
	e := p.event(event.TypeOOMSnapshot, 0, p.clocks.boot(), event.SourceProc)
	a := &l.got
	s := &event.SnapshotLate{
		Episode: l.kill.Episode, PID: l.kill.Victim.PID,
		Snapshot: event.SnapshotState{State: cmp.Or(a.State, procsnap.StateBlocked), AgeMS: a.AgeMS(l.boot)},
	}
	e.Snapshot = s
	if limit := a.Limit; limit != nil {
		if limit.Stat != nil {
			limit.Stat.AgeMS = a.RestAgeMS(l.boot)
		}
		if l.told {
			limit = &event.Limit{Stat: limit.Stat}
		}
		if *limit != (event.Limit{}) {
			s.Limit = limit
		}
	}
	switch {
	case a.Memory == nil:
	case !l.told:
		s.Memory = a.Memory
		s.Memory.AgeMS = a.AgeMS(l.boot)
	case a.Memory.Zones != nil:
		s.Memory = &event.Memory{Zones: a.Memory.Zones, AgeMS: a.RestAgeMS(l.boot)}
	}
	if l.told {
		return e
	}
	if p.takeSettings(a) {
		s.Settings = p.settingsFor(l.boot)
	}
	s.Parents = a.Parents
	for i := range a.Tasks {
		answer := &a.Tasks[i]
		if answer.Err != nil && answer.User == "" {
			continue
		}
		t := &event.Task{PID: l.tasks[i].PID, User: answer.User}
		if l.tasks[i].Leader {
			t.PID = answer.Leader // 0: it is not known whose thread it is
		}
		if answer.Err == nil {
			answer.Identity.FillTask(t)
		}
		p.pods.Fill(t.Container, t.Pod)
		if i == 0 {
			s.Victim = t
		} else {
			s.Trigger = t
		}
	}
	return e
}
