// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"slices"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/killer"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

const (
	// heldLimit bounds the SIGKILLs that wait for an oom.kill to tell them.
	heldLimit = 256
	// earlyLimit is how many kills are remembered whose SIGKILL has not come yet: the two
	// have a ring each.
	earlyLimit = 64
	// sameKill bounds the time between the signal and the mark of one kill: the task can
	// lose the CPU in between.
	sameKill = 10 * time.Second
)

// sigkills is what the pump keeps of SIGKILLs. One of the OOM killer's is told as an
// oom.kill, by a record of another ring; so whatever may be one is held until that has
// had time to come.
type sigkills struct {
	held  []heldSigkill
	early [earlyLimit]oomKill // a ring
	next  int

	blockedUntil time.Time // /proc hangs: do not wait for it
}

// oomKill is one SIGKILL by the OOM killer.
type oomKill struct {
	victim, killer int // threads
	boot           uint64
}

// is says whether two are the same.
func (o oomKill) is(other oomKill) bool {
	apart := max(o.boot, other.boot) - min(o.boot, other.boot)
	return o.victim == other.victim && o.killer == other.killer && apart < uint64(sameKill)
}

type heldSigkill struct {
	oomKill
	event *event.Sigkill
}

// sigkill handles one record of the ring of SIGKILLs.
func (p *pump) sigkill(s *slot) {
	err := p.rec.Parse(s.raw[:s.n])
	p.in.sigkill.free <- s
	if err != nil {
		return // the programs and this binary are one build: it cannot happen
	}
	w := &p.rec.Sigkill
	if p.full() {
		p.received[string(event.TypeProcSigkill)]++
		return
	}
	if w.StackLen > 0 {
		p.waitSymbols()
	}
	k, mayBeOOM := p.decoder.Sigkill(&p.rec)
	if mayBeOOM && !p.opts.Tracer.NoOOM {
		p.hold(heldSigkill{oomKill{int(w.Victim.Tid), int(w.Sender.Tid), w.H.BoottimeNs}, k})
		return
	}
	p.finishSigkill(k, w.H.BoottimeNs)
	p.checkLoss()
}

// hold keeps a SIGKILL that may be the OOM killer's, unless the kill has come already.
func (p *pump) hold(h heldSigkill) {
	for i, o := range p.sigkills.early {
		if o.is(h.oomKill) {
			p.sigkills.early[i] = oomKill{}
			return
		}
	}
	if len(p.sigkills.held) >= heldLimit {
		first := p.sigkills.held[0]
		p.sigkills.held = slices.Delete(p.sigkills.held, 0, 1)
		p.finishSigkill(first.event, first.boot)
	}
	p.sigkills.held = append(p.sigkills.held, h)
}

// claimSigkill forgets the SIGKILL of a kill that has an event of its own.
func (p *pump) claimSigkill(k *event.Kill, trigger int, boot uint64) {
	if !p.opts.Tracer.Sigkills {
		return
	}
	o := oomKill{thread(k), trigger, boot}
	for i, h := range p.sigkills.held {
		if h.is(o) {
			p.sigkills.held = slices.Delete(p.sigkills.held, i, i+1)
			return
		}
	}
	p.sigkills.early[p.sigkills.next] = o
	p.sigkills.next = (p.sigkills.next + 1) % earlyLimit
}

// letOutSigkills tells the held ones that ready says: no kill has claimed them.
func (p *pump) letOutSigkills(ready func(heldSigkill) bool) {
	var out []heldSigkill
	p.sigkills.held = slices.DeleteFunc(p.sigkills.held, func(h heldSigkill) bool {
		if ready(h) {
			out = append(out, h)
			return true
		}
		return false
	})
	for _, h := range out {
		if p.full() {
			p.received[string(event.TypeProcSigkill)]++
			continue
		}
		p.finishSigkill(h.event, h.boot)
	}
}

// finishSigkill adds who victim and sender are, judges and emits.
func (p *pump) finishSigkill(k *event.Sigkill, boot uint64) {
	e := p.event(event.TypeProcSigkill, 0, boot, event.SourceBPF)
	e.Sigkill = k
	p.identifySigkill(e, boot)
	p.pods.Fill(k.Victim.Container, k.Victim.Pod)
	if k.Sender != nil {
		p.pods.Fill(k.Sender.Container, k.Sender.Pod)
	}
	killer.Judge(k)
	e.Simulated = event.BySimulator(k.Victim.Comm, k.Victim.Cgroup)
	p.emit(e)
}

// identifySigkill asks /proc, for a moment, and then what was kept. The victim may live a
// little longer; the sender, if it is kill(1), may not.
func (p *pump) identifySigkill(e *event.Event, boot uint64) {
	k := e.Sigkill
	tasks := []*event.Task{&k.Victim}
	who := []string{"victim", "sender"}
	if k.Sender != nil {
		tasks = append(tasks, k.Sender)
	}
	refs := make([]procsnap.Ref, len(tasks))
	for i, t := range tasks {
		refs[i] = ref(t.PID, t.StartBoottimeNS, boot)
	}
	wait := snapshotWait
	if time.Now().Before(p.sigkills.blockedUntil) {
		wait = 0
	}
	a, ok := procsnap.Wait(p.porter.Ask(procsnap.Request{Tasks: refs}), wait)
	if !ok {
		p.sigkills.blockedUntil = time.Now().Add(time.Second)
		a.State = procsnap.StateBlocked
	}
	k.Snapshot = &event.SnapshotState{State: a.State, AgeMS: a.AgeMS(boot)}
	for i, t := range tasks {
		if len(a.Tasks) > i && a.Tasks[i].Err == nil {
			id := &a.Tasks[i].Identity
			was := known{t.Cmdline, t.Exe, t.Cgroup, t.Unit}
			id.FillTask(t)
			if id.CmdlineTruncated && was.cmdline == nil {
				e.Truncated = append(e.Truncated, who[i]+".cmdline")
			}
			added(&k.Sources, string(event.SourceProc), who[i], was, known{t.Cmdline, t.Exe, t.Cgroup, t.Unit})
		}
		p.keptOf(e, &k.Sources, who[i], t)
	}
}
