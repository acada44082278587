// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// Bounds on what a machine keeps.
const (
	maxOpen = 8     // reports under way
	maxAge  = 20000 // records after which a report that nothing was added to is over
)

// machine is what is under way of one machine's log.
type machine struct {
	*shared
	host   string
	n      int64 // records so far
	boots  boots
	told   keys // items told before, so that a log that is read again counts once
	kills  recent
	open   []*Report // under way, or just over; the oldest first
	part   partial
	header lastHeader
	stats  []Stat // of the last cgroup: the next one's have the same names
	held   held
	tail   bool // the lines behind a record's are left off
	// message is the one that a BPF program kills with.
	message string
	more    bool // the line that comes goes on from one that seemed to be whole
}

func (p *machine) flush() {
	p.dropPart()
	p.releaseHeld()
	for len(p.open) > 0 {
		p.closeReport(0)
	}
	p.settle()
}

// record takes a whole record.
func (p *machine) record(r *Record, text []byte) {
	if len(text) == 0 || p.statLine(r, text) || p.commLine(r, text) {
		return
	}
	if bytes.IndexByte(text, '\n') >= 0 && p.withTail(r, text) || len(p.open) == 0 {
		return
	}
	if bytes.IndexByte(text, '\n') < 0 {
		p.reportLine(r, text)
		return
	}
	if p.cpuLine(r, text) || p.cpuset(r, text) {
		return
	}
	// Of a record of several lines, only what cannot hold a name is looked for in
	// the later ones: a name with a newline in it must not begin a line.
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		p.reportLine(r, line)
	}
}

// withTail takes a record that has lines behind it which are not its own: a console has
// the words of user space between those of the kernel.
func (p *machine) withTail(r *Record, text []byte) bool {
	// The longest that is a line counts: a name may have newlines.
	p.tail = true
	defer func() { p.tail = false }()
	for range maxTails {
		end := bytes.LastIndexByte(text, '\n')
		if end <= 0 {
			return false
		}
		if text = text[:end]; p.commLine(r, text) {
			return true
		}
	}
	return false
}

// maxTails bounds how many lines are taken for a tail.
const maxTails = 24

// commLine takes the lines that begin and end a report, which hold names. They are looked
// for in whole records alone.
func (p *machine) commLine(r *Record, text []byte) bool {
	switch text[0] {
	case 'o':
		switch {
		case bytes.HasPrefix(text, []byte("oom-kill:constraint=")):
			return p.constraint(r, text)
		case bytes.HasPrefix(text, []byte("oom_reaper: ")):
			return p.reaper(r, text)
		}
	case 'L':
		if bytes.HasPrefix(text, []byte("Linux version ")) {
			p.linux(r, text[len("Linux version "):])
			return true
		}
	case 'K', 'C':
		if p.commandLine(text) || p.panicLine(r, text) {
			return true
		}
	case 'T':
		if p.groupLine(r, text) || p.taskIn(r, text) {
			return true
		}
	case 'D', 'I':
		p.hashTable(text)
	case 'm':
		// A log that begins within a report: the line is of no other.
		if bytes.HasPrefix(text, []byte("memory: usage ")) && p.under(r) == nil {
			p.begin(r)
		}
	}
	if p.table(r, text) {
		return true
	}
	if i := findInvoked(text); i >= 0 && p.head(r, text, i) {
		return true
	}
	return p.mayEnd(r, text) && p.ending(r, text)
}

// mayEnd says, in a hurry, whether a line may be one that ends an invocation, by what the
// kernel begins them with. A message of others needs a choice before it.
func (p *machine) mayEnd(r *Record, text []byte) bool {
	switch text[0] {
	case 'O', 'K', 'k', 's', 'S':
		return true
	case 'M':
		return bytes.HasPrefix(text, []byte("Memory cgroup out"))
	case 'N':
		return bytes.HasPrefix(text, []byte("No available"))
	}
	if p.message != "" {
		return true
	}
	rep := p.newest(r)
	return rep != nil && rep.stage >= stageChosen
}

// ending takes what ends an invocation: a choice, a kill, or why there is none.
func (p *machine) ending(r *Record, text []byte) bool {
	// All of them have "ill", as of kill, killed, killing, killable or killer, or are
	// of sysrq.
	i := bytes.Index(text, []byte("ill"))
	if i < 1 {
		if bytes.Contains(text, []byte("OOM request ignored")) {
			return p.nobody(r, text)
		}
		return false
	}
	switch {
	case bytes.Contains(text, []byte("Killed process ")):
		return p.killed(r, text)
	case bytes.Contains(text, []byte("ill process ")):
		return p.chosen(r, text)
	case bytes.Contains(text, []byte(": OOM victim ")):
		return p.exiting(r, text)
	case bytes.Contains(text, []byte("no killable")), bytes.Contains(text, []byte("OOM request ignored")):
		return p.nobody(r, text)
	}
	return false
}

// give tells an item, unless it was told before: a daemon that is started again reads
// the kernel's ring from its begin.
func (p *machine) give(item Item, r *Record, text []byte) {
	if p.first(r, text) {
		p.settle()
		p.items = append(p.items, item)
	}
}

// makeHeader describes the place of a record.
func (p *machine) makeHeader(r *Record) Header {
	return Header{
		Moment: r.Moment, Boot: p.boots.current(),
		Host: p.names.of(r.Host), BootID: p.names.of(r.BootID),
		Release: p.boots.release, PageSize: p.boots.page,
	}
}

// interned keeps the strings that come again and again.
type interned struct{ m map[string]string }

// maxInterned and maxInternedLen bound what is kept.
const (
	maxInterned    = 1024
	maxInternedLen = 128
)

func (n *interned) of(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := n.m[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(b) > maxInternedLen {
		return s
	}
	if n.m == nil || len(n.m) >= maxInterned {
		n.m = make(map[string]string, 64)
	}
	n.m[s] = s
	return s
}
