// SPDX-License-Identifier: Apache-2.0

package kmsg

// Parser puts the lines of the OOM killer together: records in, items out. Its zero
// value is ready for use; it is for one goroutine. It keeps up to 8 reports that are
// under way for each of up to 64 machines, and of the past a few thousand hashes each.
//
// A kill is told by the line that says "Killed process". Where the log names who is about
// to be killed and that line never comes, the kill is concluded when something else shows
// that it will not, or at [Parser.Flush].
type Parser struct {
	shared   shared
	last     *machine
	machines []*machine // a log server has a log of many
}

// shared is what the machines of a log share.
type shared struct {
	items []Item
	read  int
	names interned
	boots int // begun so far
	lines uint64
}

// maxMachines is how many machines are kept apart at a time.
const maxMachines = 64

// Add takes the next record. Next tells what came of it; what r refers to is not kept.
func (p *Parser) Add(r *Record) {
	m := p.last
	if m == nil || m.host != string(r.Host) {
		m = p.of(r.Host)
		p.last = m
	}
	m.n++
	if r.User || r.Priority >= 8 { // a facility other than the kernel's
		return
	}
	m.boot(r)
	if m.part.kind != partNone && m.join(r) {
		return
	}
	m.release(r)
	m.record(r, r.Text)
}

// of returns the machine of that name. The one of which nothing came for longest makes
// room.
func (p *Parser) of(host []byte) *machine {
	for i, m := range p.machines {
		if m.host == string(host) {
			copy(p.machines[1:], p.machines[:i])
			p.machines[0] = m
			return m
		}
	}
	if n := len(p.machines); n == maxMachines {
		p.machines[n-1].flush()
		p.machines = p.machines[:n-1]
	}
	m := &machine{shared: &p.shared, host: string(host)}
	m.boots.index = m.nextBoot()
	p.machines = append(p.machines, nil)
	copy(p.machines[1:], p.machines)
	p.machines[0] = m
	return m
}

// Next returns the next item, nil if there is none for now.
func (p *Parser) Next() Item {
	s := &p.shared
	if s.read == len(s.items) {
		s.items, s.read = s.items[:0], 0
		return nil
	}
	item := s.items[s.read]
	s.items[s.read] = nil
	s.read++
	return item
}

// BootIndex is that of the boot that the last record belongs to. It goes back where a
// boot turns out to be lines that were read again.
func (p *Parser) BootIndex() int {
	if p.last == nil {
		return 0
	}
	return p.last.boots.current()
}

// Idle says that all was read that a log which goes on has for now. What was waiting for
// the line behind it, which a kernel that panics would have written at once, is told.
func (p *Parser) Idle() {
	for _, m := range p.machines {
		m.releaseHeld()
	}
}

// Lines is how many lines of kills there were: as many as the kernel has counted
// (oom_kill of /proc/vmstat). Kills may be fewer, since one can have two lines, and more,
// since one that is concluded has none.
func (p *Parser) Lines() uint64 { return p.shared.lines }

// Flush says that the log ends here: what is under way is told as far as it is known.
func (p *Parser) Flush() {
	for _, m := range p.machines {
		m.flush()
	}
}
