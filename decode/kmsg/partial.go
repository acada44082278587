// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// partial is a line of which a part has come. The kernel prints some in pieces, which
// become records of their own when another CPU's line comes between; and the newline in
// a process's name makes two lines of one, in any text but that of /dev/kmsg.
type partial struct {
	kind  partKind
	r     Record // its first record, without text
	text  []byte
	until int64 // records
}

type partKind uint8

const (
	partNone partKind = iota
	partConstraint
	partConstraintMore // it is whole, unless the name goes on in the next line
	partKill
	partChosen
	partGroup
	partTaskIn
	partReaped
)

const (
	// partFor is for how many records the rest is waited for: a name has at most 15
	// newlines.
	partFor = 24
	maxPart = 16 << 10
)

// hold keeps a part of a line.
func (p *machine) hold(kind partKind, r *Record, text []byte) {
	if p.part.kind == kind && len(p.part.text) == len(text) {
		return // it is the part itself, which is still not whole
	}
	if len(text) > maxPart || p.tail {
		return
	}
	// A name has 15 bytes: what is no beginning of a whole line is not held.
	if (kind == partKill || kind == partChosen || kind == partReaped) && !beginsName(text) {
		return
	}
	p.part.kind, p.part.until = kind, p.n+partFor
	p.part.text = append(p.part.text[:0], text...)
	keep := *r
	keep.Text = nil
	keep.Caller, keep.Host, keep.BootID = bytes.Clone(r.Caller), bytes.Clone(r.Host), bytes.Clone(r.BootID)
	p.part.r = keep
}

// beginsName says whether text breaks off within a name in brackets.
func beginsName(text []byte) bool {
	_, rest, _ := bytes.Cut(text, []byte("process "))
	i := bytes.Index(rest, []byte(" ("))
	return i >= 0 && len(rest)-i-len(" (") <= maxComm
}

func (p *machine) dropPart() { p.part.kind = partNone }

// join takes r for the rest of the part that is held, if the two make a line, or for one
// more part of it, if it can be no other line. It says whether r was taken.
func (p *machine) join(r *Record) bool {
	if p.n > p.part.until {
		p.dropPart()
		return false
	}
	if p.part.kind == partConstraintMore && (r.Continues || !bytes.Contains(r.Text, []byte(",uid="))) {
		return false
	}
	if string(r.Caller) != string(p.part.r.Caller) || len(p.part.text)+len(r.Text) >= maxPart {
		return false
	}
	pieces := p.part.kind == partConstraint || p.part.kind == partGroup || p.part.kind == partTaskIn
	var seps []string
	if pieces && (r.Continues || len(r.Text) > 0 && (r.Text[0] == ',' || r.Text[0] == '/' || r.Text[0] == ' ')) {
		seps = append(seps, "")
	}
	if !r.Continues && p.part.kind != partGroup && p.part.kind != partTaskIn {
		seps = append(seps, "\n")
	}
	for _, sep := range seps {
		whole := append(append(append(make([]byte, 0, len(p.part.text)+len(r.Text)+1), p.part.text...), sep...), r.Text...)
		if p.isWhole(whole) {
			first := p.part.r
			first.Text = whole
			p.more = p.part.kind == partConstraintMore
			defer func() { p.more = false }()
			p.dropPart()
			p.release(&first)
			p.commLine(&first, whole)
			return true
		}
		switch {
		case sep == "" && pieces:
			p.part.text = append(p.part.text[:0], whole...)
			return true
		case sep == "\n" && !pieces && beginsName(whole):
			p.part.text = append(p.part.text[:0], whole...)
			return false // it may be a line of its own, too
		}
	}
	if !pieces {
		p.dropPart()
	}
	return false
}

// isWhole says whether a line that began as the part that is held is whole.
func (p *machine) isWhole(text []byte) bool {
	switch p.part.kind {
	case partConstraint, partConstraintMore:
		var c constraintLine
		return c.read(text)
	case partKill:
		var k killLine
		return k.read(text) && !k.old
	case partChosen:
		return bytes.HasSuffix(text, []byte(" or sacrifice child")) || bytes.HasSuffix(text, []byte(" or a child"))
	case partGroup:
		return bytes.HasSuffix(text, []byte(" due to memory.oom.group set"))
	case partTaskIn:
		return bytes.Contains(text, []byte(" killed as a result of limit of /"))
	case partReaped:
		return bytes.Contains(text, []byte("), now anon-rss:"))
	}
	return false
}
