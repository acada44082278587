// SPDX-License-Identifier: Apache-2.0

package event

import "slices"

// appendLong appends an event that does not fit one line: it takes full bytes as it is.
func (c *Encoder) appendLong(dst []byte, e *Event, full int) ([]byte, error) {
	if c.head > c.maxLine()/2 {
		e = e.clone()
		if err := c.cutHeader(e); err != nil {
			return dst, err
		}
		full = c.lineLen(e)
	}
	first, details := c.split(e, full)
	dst, err := c.appendFit(dst, first)
	for _, d := range details {
		if err != nil {
			return dst, err
		}
		dst, err = c.appendFit(dst, d)
	}
	return dst, err
}

// cutHeader makes the header of e fit half a line.
func (c *Encoder) cutHeader(e *Event) error {
	for {
		if _, err := c.appendLine(nil, e); err != nil {
			return err
		}
		over := c.head - c.maxLine()/2
		if over <= 0 || !cutLongest(e, headTexts(e), over) && !e.dropHead() {
			return nil // what could not be cut shows as a line too long
		}
	}
}

// split moves the frames of an oom.kill into events of their own and, where that does not
// do, the candidates, the lead-up, the limit's stat and the memory. Any other event is
// returned as it is. full is how many bytes e takes as one line.
func (c *Encoder) split(e *Event, full int) (*Event, []*Event) {
	if e.Type != TypeOOMKill {
		return e, nil
	}
	kill, first, head := *e.Kill, *e, *e
	first.Kill = &kill
	head.Type, head.Kill = TypeOOMDetail, nil
	base := Detail{Episode: kill.Episode, PID: kill.Victim.PID, Part: maxFrames, Parts: maxFrames}
	head.Detail = &base
	room := c.maxLine() - c.lineLen(&head) - len(`,"frames":[],"candidates":[]`)
	full += len(`,"details":127`)

	// Parts go to one line as long as they fit.
	var details []*Event
	used := 0
	add := func(size int, put func(*Detail)) {
		if used+size > room || len(details) == 0 {
			ev, d := head, base
			d.Part, ev.Detail = len(details)+1, &d
			details, used = append(details, &ev), 0
		}
		put(details[len(details)-1].Detail)
		used += size
		full -= size
	}
	var frames []Frame
	sizes := make([]int, 0, maxFrames)
	if kill.Stack != nil {
		stack := *kill.Stack
		frames, stack.Frames = stack.Frames, nil
		kill.Stack = &stack
		for i := range frames { // they go last
			sizes = append(sizes, c.size(&frames[i])+len(","))
			full -= sizes[i]
		}
	}
	tooLong := func() bool { return full > c.maxLine() }
	if moved := kill.Candidates; len(moved) > 0 && tooLong() {
		for i := range moved {
			add(c.size(&moved[i])+len(","), func(d *Detail) { d.Candidates = append(d.Candidates, moved[i]) })
		}
		kill.Candidates = nil
	}
	if moved := kill.LeadUp; moved != nil && tooLong() {
		add(len(`,"lead_up":`)+c.size(moved), func(d *Detail) { d.LeadUp = moved })
		kill.LeadUp = nil
	}
	if kill.Limit != nil && kill.Limit.Stat != nil && tooLong() {
		limit, moved := *kill.Limit, &Limit{Stat: kill.Limit.Stat}
		add(len(`,"limit":`)+c.size(moved), func(d *Detail) { d.Limit = moved })
		limit.Stat = nil
		full += len(`,"limit":{`) // which stays
		kill.Limit = &limit
	}
	if moved := kill.Memory; moved != nil && tooLong() {
		add(len(`,"memory":`)+c.size(moved), func(d *Detail) { d.Memory = moved })
		kill.Memory = nil
	}
	for i, f := range frames {
		add(sizes[i], func(d *Detail) { d.Frames = append(d.Frames, f) })
	}
	for _, d := range details {
		d.Detail.Parts = len(details)
	}
	kill.Details = len(details)
	return &first, details
}

// size is how many bytes v, a part of an event that was encoded before, takes in a line.
func (c *Encoder) size(v any) int {
	c.buf.Reset()
	_ = c.json.Encode(v) // so it can be
	c.escaped = appendEscaped(c.escaped[:0], c.buf.Bytes())
	return len(c.escaped) - len("\n")
}

// lineLen is the length of e as one line; e or what it is from was encoded before, so
// it can be.
func (c *Encoder) lineLen(e *Event) int {
	c.escaped, _ = c.appendLine(c.escaped[:0], e)
	return len(c.escaped)
}

// appendFit appends e as one line, its payload made shorter until it fits.
func (c *Encoder) appendFit(dst []byte, e *Event) ([]byte, error) {
	start := len(dst)
	own := false
	for {
		out, err := c.appendLine(dst, e)
		if err != nil {
			return dst, err
		}
		over := len(out) - start - c.maxLine()
		if over <= 0 {
			return out, nil
		}
		if !own { // the caller's event must stay as it is
			e, own = e.clone(), true
		}
		dst = out[:start]
		texts := payloadTexts(e)
		prose := slices.DeleteFunc(slices.Clone(texts), text.identifies)
		if !cutLongest(e, prose, over) && !cutLongest(e, texts, over) && !e.drop() {
			return dst, ErrLineTooLong
		}
	}
}
