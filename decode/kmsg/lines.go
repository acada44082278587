// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// reportLine takes a line within a report: the machine's memory, the cgroup's, the trace.
func (p *machine) reportLine(r *Record, text []byte) {
	if len(text) == 0 {
		return
	}
	switch text[0] {
	case 'C':
		switch {
		case bytes.HasPrefix(text, []byte("CPU: ")):
			p.cpuLine(r, text)
			return
		case bytes.HasPrefix(text, []byte("Call Trace:")), bytes.HasPrefix(text, []byte("Call trace:")), bytes.HasPrefix(text, []byte("Code: ")):
			return
		}
	case 'P':
		if bytes.HasPrefix(text, []byte("Pid: ")) {
			p.cpuLine(r, text)
			return
		}
	case 'S', 's':
		if bytes.Contains(text, []byte("Show Memory")) { // sysrq-m
			if rep := p.under(r); rep != nil {
				rep.foreign = true
			}
			return
		}
	}
	rep := p.under(r)
	if rep == nil {
		return
	}
	if rep.Mixed {
		p.cpuset(r, text)
		return
	}
	if text[0] == ' ' {
		switch {
		case rep.counting:
			p.counters(rep, text)
		case rep.sites:
			rep.site(text)
		case bytes.Contains(text, []byte("+0x")):
			p.frame(rep, text)
		}
		return
	}
	switch {
	case bytes.HasPrefix(text, []byte(oomPolicy)):
		rep.policy(p, text[len(oomPolicy):])
	case p.memcgLine(r, rep, text):
	case p.memLine(rep, text):
	case p.cpuset(r, text):
	case bytes.Contains(text, []byte(": page allocation ")): // its report is much like ours
		rep.foreign = true
	}
}

// table takes the header and the rows of the table of tasks.
func (p *machine) table(r *Record, text []byte) bool {
	if text[0] != '[' {
		return false
	}
	rep := p.under(r)
	if rep == nil && bytes.Contains(text, []byte("] ")) && p.header.of(text) != nil {
		rep = p.begin(r) // the log begins within a report
	}
	if rep == nil || rep.stage >= stageChosen || rep.Mixed {
		return false
	}
	if rep.Tasks != nil && rep.Tasks.row(text) {
		return true
	}
	t := p.header.of(text)
	switch {
	case t == nil:
		if rep.Tasks != nil && len(text) > 8 && (text[1] == ' ' || text[1]-'0' <= 9) {
			rep.Tasks.Odd++
		}
		return false
	case rep.Tasks != nil:
		p.again(rep)
	default:
		rep.Tasks, rep.stage, rep.foreign = t, stageTasks, false
		rep.stats, rep.slabs, rep.sites = false, false, false
	}
	return true
}
