// SPDX-License-Identifier: Apache-2.0

package kmsg

// stream is which of its two outputs a container wrote a line to.
type stream uint8

const (
	stdout stream = iota
	stderr
)

// pieces are what has come of a container's line. The runtime reads each output apart, so
// that pieces of one stand between those of the other.
type pieces struct {
	text  []byte
	open  bool  // its end has not come
	cut   bool  // it is longer than maxLine
	begun int64 // lines of this output that came in pieces, with this one
	outer outer
	line  int64 // of the first piece
	wall  Wall
}

// add takes one more piece, which came with the record that is in t.
func (p *pieces) add(b []byte, out outer, t *slot) {
	if !p.open {
		*p = pieces{text: p.text[:0], open: true, begun: p.begun + 1, outer: out, line: t.Line, wall: t.Wall}
	}
	if room := maxLine - len(p.text); len(b) > room {
		p.cut = true
		b = b[:room]
	}
	p.text = append(p.text, b...)
}

// outputs are a container's two, and what it takes to read a line of them again. Bytes
// are only added behind those that there are, until a line begins anew: so a copy of the
// head of pieces, without its text, is enough to go back to.
type outputs struct {
	now    [2]pieces
	before struct { // the piece that came last
		of   stream
		was  pieces
		took bool
	}
	held struct {
		was [2]pieces
		cut int64
	}
	cut int64 // lines that were longer than maxLine
}

// forget notes that a line is read in which no piece may be.
func (o *outputs) forget() { o.before.took = false }

// piece puts a line that came in pieces together; complete false: more of it follows.
func (o *outputs) piece(b []byte, last bool, of stream, out outer, t *slot) (line []byte, complete bool) {
	p := &o.now[of]
	if last && !p.open {
		return b, true
	}
	o.before.of, o.before.was, o.before.took = of, *p, true
	p.add(b, out, t)
	if !last {
		return nil, false
	}
	o.end(p)
	t.Line = p.line
	return p.text, true
}

func (o *outputs) end(p *pieces) {
	p.open = false
	if p.cut {
		o.cut++
	}
}

// unread takes the piece back that came last, whose line is read again.
func (o *outputs) unread() {
	if !o.before.took {
		return
	}
	p := &o.now[o.before.of]
	if p.cut && !p.open {
		o.cut--
	}
	*p = o.before.was
	o.before.took = false
}

// hold keeps what there is so that back can return to it.
func (o *outputs) hold() {
	o.held.cut = o.cut
	for i := range o.now {
		if o.held.was[i].open = o.now[i].open; o.now[i].open {
			o.held.was[i] = o.now[i]
		}
	}
}

// back returns to where hold was called. Of a line that ended since, with another one's
// pieces in its place, the first part is lost, and counted.
func (o *outputs) back() {
	o.cut = o.held.cut
	for i := range o.now {
		was, now := &o.held.was[i], &o.now[i]
		switch {
		case was.open && was.begun == now.begun:
			text := now.text[:len(was.text)] // may have moved
			*now = *was
			now.text = text
		case was.open:
			o.cut++
			now.open = false
		default:
			now.open = false
		}
	}
	o.before.took = false
}

// unfinished is the line whose end has not come, of two the one that began first; nil:
// there is none.
func (o *outputs) unfinished() *pieces {
	a, b := &o.now[stdout], &o.now[stderr]
	if b.open && (!a.open || b.line < a.line) {
		return b
	}
	if a.open {
		return a
	}
	return nil
}
