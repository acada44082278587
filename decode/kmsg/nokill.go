// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"strings"
)

// exiting takes "Memory cgroup out of memory: OOM victim 104 (java) is already exiting.
// Skip killing the task", which is no kill.
func (p *machine) exiting(r *Record, text []byte) bool {
	message, b, ok := bytes.Cut(text, []byte(": OOM victim "))
	if !ok || !isMessage(message) {
		return false
	}
	n, size := digits(b)
	comm, ok := bytes.CutPrefix(b[size:], []byte(" ("))
	if !ok || size == 0 || n == 0 || n > maxPID {
		return false
	}
	comm, ok = bytes.CutSuffix(comm, []byte(") is already exiting. Skip killing the task"))
	if !ok || len(comm) > maxComm {
		return false
	}
	rep := p.newest(r)
	if rep != nil && rep.stage == stageKilled && rep.GroupOf != "" && rep.near(r, slowWithin) {
		rep.touched = p.n
		return true // a member of the group
	}
	if rep == nil || rep.ended || rep.Chosen.PID != 0 && rep.Chosen.PID != int(n) {
		rep = p.begin(r)
	}
	rep.Chosen.PID, rep.Chosen.Comm = int(n), p.names.of(comm)
	p.noKill(r, text, rep, &NoKill{Reason: ReasonChosenExiting, Message: p.names.of(message), PID: int(n), Comm: string(comm)})
	rep.stage, rep.killedAt = stageKilled, r.Moment
	return true
}

// noKill tells that a report ends without a kill.
func (p *machine) noKill(r *Record, text []byte, rep *Report, n *NoKill) {
	if rep.ended {
		return
	}
	rep.finish()
	rep.ended, rep.touched = true, p.n
	n.Header, n.Report = p.makeHeader(r), rep
	n.Release, n.PageSize = orString(n.Release, rep.Release), orInt(n.PageSize, rep.PageSize)
	p.give(n, r, text)
}

// nobody takes "Out of memory and no killable processes..." and the like.
func (p *machine) nobody(r *Record, text []byte) bool {
	reason := ReasonNoCandidate
	switch {
	case bytes.HasPrefix(text, []byte("Out of memory and no killable processes")),
		bytes.HasPrefix(text, []byte("Memory cgroup out of memory and no killable processes")):
	case isSysrqIgnored(text):
		// Before 4.x it said "because killer is disabled", whatever the cause.
		if bytes.Contains(text, []byte("killer is disabled")) {
			reason = ReasonDisabled
		}
	default:
		return false
	}
	p.releaseHeld()
	rep := p.under(r)
	if rep == nil || rep.stage >= stageChosen {
		if reason == ReasonDisabled || isSysrqIgnored(text) {
			if o := p.newest(r); o != nil && o.Trigger.Order.OK && o.Trigger.Order.N == -1 && o.near(r, slowWithin) {
				return true // the same, from who asked
			}
		}
		rep = p.begin(r)
	}
	rep.finish()
	n := &NoKill{Header: p.makeHeader(r), Report: rep, Reason: reason, Message: p.names.of(text)}
	n.Release, n.PageSize = orString(n.Release, rep.Release), orInt(n.PageSize, rep.PageSize)
	rep.ended, rep.touched, rep.killedAt = true, p.n, r.Moment
	if p.first(r, text) {
		p.held = held{n: n, until: p.n + heldFor}
	}
	return true
}

// isSysrqIgnored: moom_callback, drivers/tty/sysrq.c, with or without "sysrq: ".
func isSysrqIgnored(text []byte) bool {
	i := bytes.Index(text, []byte("OOM request ignored"))
	return i >= 0 && i <= len("sysrq: ")
}

// held is that nobody could be killed: a panic may follow, which is the same invocation's.
type held struct {
	n     *NoKill
	until int64
}

// heldFor is for how many records.
const heldFor = 3

// release tells what was held, once it is not the panic that it waited for.
func (p *machine) release(r *Record) {
	if p.held.n != nil && (p.n > p.held.until || string(r.Caller) == p.held.n.Report.caller && !bytes.HasPrefix(r.Text, []byte(panicPrefix))) {
		p.releaseHeld()
	}
}

func (p *machine) releaseHeld() {
	if n := p.held.n; n != nil {
		p.held.n = nil
		p.settle()
		p.items = append(p.items, n)
	}
}

const panicPrefix = "Kernel panic - "

// panicLine takes a panic: kernel/panic.c. The OOM killer's are those of check_panic_on_oom
// and out_of_memory, mm/oom_kill.c.
func (p *machine) panicLine(r *Record, text []byte) bool {
	message, ok := bytes.CutPrefix(text, []byte(panicPrefix))
	if !ok || !bytes.HasPrefix(message, []byte("not syncing")) {
		return false
	}
	message = bytes.TrimPrefix(message[:min(len(message), 1024)], []byte("not syncing"))
	cause := string(bytes.TrimRight(bytes.TrimPrefix(message, []byte(": ")), " \r\n"))
	low := strings.ToLower(cause)
	deadlock := strings.HasPrefix(low, "system is deadlocked on memory")
	if n := p.held.n; n != nil && deadlock {
		n.Reason, n.Message = ReasonPanic, cause
		p.releaseHeld()
		return true
	}
	if !deadlock && !strings.HasPrefix(low, "out of memory") {
		p.releaseHeld()
		h := p.makeHeader(r)
		p.give(&Panic{Header: h, Message: strings.TrimRight(string(text[len(panicPrefix):min(len(text), 1024)]), " \r\n")}, r, text)
		return true
	}
	rep := p.under(r)
	if rep == nil || rep.stage >= stageChosen {
		rep = p.begin(r)
	}
	p.noKill(r, text, rep, &NoKill{Reason: ReasonPanic, Message: cause})
	return true
}

// reaper takes the OOM reaper's word:
//
//	oom_reaper: reaped process 104 (java), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB
//	oom_reaper: unable to reap pid:104 (java)
func (p *machine) reaper(r *Record, text []byte) bool {
	b := text[len("oom_reaper: "):]
	item := &Reaped{Header: p.makeHeader(r)}
	rest, ok := bytes.CutPrefix(b, []byte("reaped process "))
	if !ok {
		if rest, ok = bytes.CutPrefix(b, []byte("unable to reap pid:")); !ok {
			return false
		}
		item.Failed = true
	}
	n, size := digits(rest)
	rest, ok = bytes.CutPrefix(rest[size:], []byte(" ("))
	if !ok || size == 0 || n == 0 || n > maxPID {
		return false
	}
	item.PID = int(n)
	var comm []byte
	if item.Failed {
		comm, ok = bytes.CutSuffix(rest, []byte(")"))
	} else {
		if comm, rest, ok = cutLast(rest, "), now "); !ok {
			p.hold(partReaped, r, text)
			return true
		}
		ok = field(&rest, "anon-rss:", &item.AnonRSSKB) && field(&rest, ", file-rss:", &item.FileRSSKB)
		field(&rest, ", shmem-rss:", &item.ShmemRSSKB)
	}
	if !ok || len(comm) > maxComm {
		return false
	}
	p.dropPart()
	item.Comm = string(comm)
	if k, found := p.kills.find(item.PID); found {
		item.Episode = k.episode
		if k.HasPrintk && item.HasPrintk && item.Printk >= k.Printk {
			item.After, item.HasAfter = item.Printk-k.Printk, true
		}
	}
	p.give(item, r, text)
	return true
}
