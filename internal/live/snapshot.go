// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"context"
	"slices"
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

// lateSnapshot is an answer that a kill did not wait for.
type lateSnapshot struct {
	answer <-chan procsnap.Answer
	boot   uint64
	kill   *event.Kill
	tasks  []procsnap.Ref
}

// snapshot asks the worker and waits for it, for a moment.
func (p *pump) snapshot(e *event.Event, boot uint64) {
	k := e.Kill
	tasks := []procsnap.Ref{ref(k.Victim.PID, k.Victim.StartBoottimeNS, boot)}
	if t := k.Trigger; t != nil && t.PID != k.Victim.PID {
		tasks = append(tasks, ref(t.PID, t.StartBoottimeNS, boot))
	}
	k.Settings = p.settings // those last read, unless the answer comes
	answer := p.worker.Ask(procsnap.Request{Tasks: tasks, Machine: true})
	k.LeadUp = p.sampling.brief(k, boot) // meanwhile
	wait := snapshotWait
	if time.Now().Before(p.blockedUntil) {
		wait = 0
	}
	a, ok := procsnap.Wait(answer, wait)
	if !ok {
		p.blockedUntil = time.Now().Add(time.Second)
		state := procsnap.StateLate
		if len(p.late) >= lateLimit {
			state = procsnap.StateBlocked
		} else {
			p.late = append(p.late, lateSnapshot{answer, boot, k, tasks})
		}
		k.Snapshot = &event.SnapshotState{State: state}
		return
	}
	k.Snapshot = &event.SnapshotState{State: a.State, AgeMS: a.AgeMS(boot)}
	if len(a.Tasks) > 0 && a.Tasks[0].Err == nil {
		v := &k.Victim
		was := *v
		a.Tasks[0].Identity.FillVictim(v)
		if a.Tasks[0].Identity.CmdlineTruncated && was.Cmdline == nil {
			e.Truncated = append(e.Truncated, "victim.cmdline")
		}
		fromProc(k, "victim", known{was.Cmdline, was.Exe, was.Cgroup, was.Unit}, known{v.Cmdline, v.Exe, v.Cgroup, v.Unit})
	}
	if t := k.Trigger; t != nil && len(a.Tasks) > 0 {
		// The trigger is the last one asked for, the victim itself where it is both.
		if answer := a.Tasks[len(a.Tasks)-1]; answer.Err == nil {
			was := *t
			answer.Identity.FillTask(t)
			if answer.Identity.CmdlineTruncated && was.Cmdline == nil {
				e.Truncated = append(e.Truncated, "trigger.cmdline")
			}
			fromProc(k, "trigger", known{was.Cmdline, was.Exe, was.Cgroup, was.Unit}, known{t.Cmdline, t.Exe, t.Cgroup, t.Unit})
		}
	}
	p.memory(k, a.Memory, a.AgeMS(boot))
	if a.Settings != nil {
		a.Settings.Kdump = p.settings.Kdump
		p.settings, k.Settings = a.Settings, a.Settings
		p.decoder.Machine.Swappiness = a.Settings.Swappiness
	}
}

// known is what /proc may add to a task.
type known struct {
	cmdline, exe *string
	cgroup       *event.Cgroup
	unit         string
}

// fromProc names in sources what of a task is known since /proc was read.
func fromProc(k *event.Kill, who string, was, is known) {
	for field, added := range map[string]bool{
		"cmdline": was.cmdline == nil && is.cmdline != nil,
		"exe":     was.exe == nil && is.exe != nil,
		"cgroup":  was.cgroup == nil && is.cgroup != nil,
		"unit":    was.unit == "" && is.unit != "",
	} {
		if !added {
			continue
		}
		if k.Sources == nil {
			k.Sources = map[string]string{}
		}
		k.Sources[who+"."+field] = string(event.SourceProc)
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
	if m == nil {
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
	p.late = slices.DeleteFunc(p.late, func(l lateSnapshot) bool {
		select {
		case a := <-l.answer:
			p.emit(p.lateEvent(l, a))
			p.blockedUntil = time.Time{}
			return true
		default:
			return false
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
		a := procsnap.Answer{State: procsnap.StateBlocked}
		select {
		case a = <-l.answer:
		case <-grace.Done():
		}
		p.emit(p.lateEvent(l, a))
	}
	p.late = nil
}

func (p *pump) lateEvent(l lateSnapshot, a procsnap.Answer) *event.Event {
	e := p.event(event.TypeOOMSnapshot, 0, p.clocks.boot(), event.SourceProc)
	e.Snapshot = &event.SnapshotLate{
		Episode: l.kill.Episode, PID: l.kill.Victim.PID, Memory: a.Memory,
		Snapshot: event.SnapshotState{State: a.State, AgeMS: a.AgeMS(l.boot)},
	}
	for i := range a.Tasks {
		if a.Tasks[i].Err != nil {
			continue
		}
		t := &event.Task{PID: l.tasks[i].PID}
		a.Tasks[i].Identity.FillTask(t)
		p.pods.Fill(t.Container, t.Pod)
		if i == 0 {
			e.Snapshot.Victim = t
		} else {
			e.Snapshot.Trigger = t
		}
	}
	return e
}
