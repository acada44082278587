// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// Bounds on what a Parser keeps.
const (
	maxOpen = 8     // reports under way
	maxAge  = 20000 // records after which a report that nothing was added to is over
)

// Parser puts the lines of the OOM killer together: records in, items out. Its zero
// value is ready for use; it is for one goroutine. It keeps up to 8 reports that are
// under way, and of the past a few thousand hashes.
//
// A kill is told by the line that says "Killed process". Where the log names who is about
// to be killed and that line never comes, the kill is concluded when something else shows
// that it will not, or at [Parser.Flush].
type Parser struct {
	items []Item
	read  int

	n     int64 // records so far
	boots boots
	told  keys // items told before, so that a log that is read again counts once
	kills recent
	names interned
	open  []*Report // under way, or just over; the oldest first
	part  partial
	held  held
	tail  bool // the lines behind a record's are left off
	more  bool // the line that comes goes on from one that seemed to be whole
}

// Add takes the next record. Next tells what came of it; what r refers to is not kept.
func (p *Parser) Add(r *Record) {
	p.n++
	if r.User || r.Priority >= 8 { // a facility other than the kernel's
		return
	}
	p.boot(r)
	if p.part.kind != partNone && p.join(r) {
		return
	}
	p.release(r)
	p.record(r, r.Text)
}

// Next returns the next item, nil if there is none for now.
func (p *Parser) Next() Item {
	if p.read == len(p.items) {
		p.items, p.read = p.items[:0], 0
		return nil
	}
	item := p.items[p.read]
	p.items[p.read] = nil
	p.read++
	return item
}

// BootIndex is that of the boot that the last record belongs to. It goes back where a
// boot turns out to be lines that were read again.
func (p *Parser) BootIndex() int { return p.boots.current() }

// Flush says that the log ends here: what is under way is told as far as it is known.
func (p *Parser) Flush() {
	p.dropPart()
	p.releaseHeld()
	for len(p.open) > 0 {
		p.closeReport(0)
	}
	p.settle()
}

// record takes a whole record.
func (p *Parser) record(r *Record, text []byte) {
	if len(text) == 0 || p.commLine(r, text) {
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
func (p *Parser) withTail(r *Record, text []byte) bool {
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
func (p *Parser) commLine(r *Record, text []byte) bool {
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
		if p.commandLine(r, text) || p.panicLine(r, text) {
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
	if len(text) >= minHead {
		if i := bytes.Index(text, []byte(invoked)); i >= 0 && p.head(r, text, i) {
			return true
		}
	}
	return p.ending(r, text)
}

// ending takes what ends an invocation: a choice, a kill, or why there is none.
func (p *Parser) ending(r *Record, text []byte) bool {
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
func (p *Parser) give(item Item, r *Record, text []byte) bool {
	if !p.first(r, text) {
		return false
	}
	p.settle()
	p.items = append(p.items, item)
	return true
}

// makeHeader describes the place of a record.
func (p *Parser) makeHeader(r *Record) Header {
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
