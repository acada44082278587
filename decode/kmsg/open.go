// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"time"

	"slices"
)

// Since 4.2 (dc56401fc9f2, "mm: oom_kill: simplify OOM killer locking") one invocation of
// the OOM killer is at work at a time, and its lines follow each other. Before, those of
// several cgroups may come mixed. Who printed a line tells them apart
// (CONFIG_PRINTK_CALLER). Without that, a line is the newest report's, until a line comes
// that can only be an older one's: then what both may have said is dropped.

// begin opens a report.
func (p *machine) begin(r *Record) *Report {
	if len(p.open) == maxOpen {
		p.closeReport(0)
	}
	rep := &Report{Header: p.makeHeader(r), caller: p.names.of(r.Caller), touched: p.n}
	p.open = append(p.open, rep)
	return rep
}

// newest returns the report that a line of r would belong to: that of its caller, or
// where callers are not told the newest one. nil if there is none.
func (p *machine) newest(r *Record) *Report {
	for _, rep := range slices.Backward(p.open) {
		if rep.caller == string(r.Caller) {
			return rep
		}
	}
	return nil
}

// under returns the report that is under way and that a line of r belongs to.
func (p *machine) under(r *Record) *Report {
	rep := p.newest(r)
	if rep == nil || rep.stage >= stageKilled || rep.ended {
		return nil
	}
	rep.touched = p.n
	return rep
}

// mix notes that the lines of two reports come mixed: only those that name their
// report are of any use.
func mix(reports ...*Report) {
	for _, rep := range reports {
		rep.Mixed = true
		rep.Frames, rep.guessed, rep.Memcg, rep.Mem, rep.Tasks = nil, nil, nil, nil, nil
	}
}

// older returns the report under way before rep, where callers are not told.
func (p *machine) older(rep *Report) *Report {
	i := slices.Index(p.open, rep)
	for i--; i >= 0; i-- {
		if o := p.open[i]; o.caller == "" && o.stage < stageChosen && !o.ended {
			return o
		}
	}
	return nil
}

// again notes that a report's part comes that it has already: it is another report's,
// if one is under way, or not the OOM killer's.
func (p *machine) again(rep *Report) {
	if rep.caller == "" {
		if o := p.older(rep); o != nil {
			mix(rep, o)
			return
		}
	}
	rep.foreign = true
}

// closeOld closes what is surely over when a new report begins: the same caller's, and
// what nothing was added to for long.
func (p *machine) closeOld(r *Record) {
	for i := 0; i < len(p.open); {
		rep := p.open[i]
		switch {
		case len(r.Caller) > 0 && rep.caller == string(r.Caller),
			rep.Boot != p.boots.current(),
			p.n-rep.touched > maxAge,
			rep.HasPrintk && r.HasPrintk && r.Printk-rep.Printk > time.Minute && p.n-rep.touched > 64:
			p.closeReport(i)
		case rep.ended && i < len(p.open)-1:
			p.closeReport(i)
		default:
			i++
		}
	}
}

// closeReport tells what is left to tell of a report, and forgets it.
func (p *machine) closeReport(i int) {
	rep := p.open[i]
	p.open = slices.Delete(p.open, i, i+1)
	if rep.ended {
		return
	}
	rep.finish()
	switch {
	case rep.Chosen.PID != 0:
		k := &Kill{
			Header: rep.chosenAt, Report: rep, Role: RoleChosen, Message: rep.Chosen.Message,
			PID: rep.Chosen.PID, Comm: rep.Chosen.Comm, HasComm: true, UID: rep.Chosen.UID, Concluded: true,
		}
		p.told.add(rep.chosenKey)
		p.tell(rep, k, k.PID)
	case rep.Headed && !rep.Mixed:
		p.settle()
		p.items = append(p.items, &NoKill{Header: rep.Header, Report: rep, Reason: ReasonUnknown})
	}
	rep.ended = true
}

// tell gives a kill of a report.
func (p *machine) tell(rep *Report, k *Kill, pid int) {
	rep.finish()
	k.Release, k.PageSize = orString(k.Release, rep.Release), orInt(k.PageSize, rep.PageSize)
	p.kills.add(pid, rep.Episode(), k.Moment)
	p.settle()
	p.items = append(p.items, k)
}

func orString(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func orInt(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// finish settles what can be said of a report when all its lines are there.
func (rep *Report) finish() {
	if len(rep.Frames) == 0 && len(rep.guessed) > 0 {
		rep.Frames, rep.FramesGuessed = rep.guessed, true
	}
	rep.guessed = nil
}

// recent are the last kills, for the reaper's word on them.
type recent struct {
	ring []recentKill
	at   int
}

type recentKill struct {
	pid     int
	episode string
	Moment
}

// maxRecent is how many kills are kept so.
const maxRecent = 256

func (k *recent) add(pid int, episode string, m Moment) {
	kill := recentKill{pid, episode, m}
	if len(k.ring) < maxRecent {
		k.ring = append(k.ring, kill)
		return
	}
	k.ring[k.at] = kill
	k.at = (k.at + 1) % maxRecent
}

// find returns the last kill of pid.
func (k *recent) find(pid int) (kill recentKill, ok bool) {
	for i := len(k.ring) - 1; i >= 0; i-- {
		j := (k.at + i) % len(k.ring)
		if k.ring[j].pid == pid {
			return k.ring[j], true
		}
	}
	return recentKill{}, false
}
