// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"slices"
)

// appendLong appends an event that does not fit one line as it is.
func (c *Encoder) appendLong(dst []byte, e *Event) ([]byte, error) {
	if c.head > c.maxLine()/2 {
		e = e.clone()
		if err := c.cutHeader(e); err != nil {
			return dst, err
		}
	}
	first, details := c.split(e)
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
// returned as it is.
func (c *Encoder) split(e *Event) (*Event, []*Event) {
	if e.Type != TypeOOMKill {
		return e, nil
	}
	kill, first, head := *e.Kill, *e, *e
	first.Kill = &kill
	head.Type, head.Kill = TypeOOMDetail, nil
	base := Detail{Episode: kill.Episode, PID: kill.Victim.PID, Part: maxFrames, Parts: maxFrames}
	head.Detail = &base
	room := c.maxLine() - c.lineLen(&head) - len(`,"frames":[],"candidates":[]`)

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
	}
	var frames []Frame
	if kill.Stack != nil {
		stack := *kill.Stack
		frames, stack.Frames = stack.Frames, nil
		kill.Stack = &stack
	}
	if moved := kill.Candidates; len(moved) > 0 && c.tooLong(&first) {
		for _, m := range moved {
			add(candidateLen(m), func(d *Detail) { d.Candidates = append(d.Candidates, m) })
		}
		kill.Candidates = nil
	}
	if moved := kill.LeadUp; moved != nil && c.tooLong(&first) {
		add(jsonLen(moved), func(d *Detail) { d.LeadUp = moved })
		kill.LeadUp = nil
	}
	if kill.Limit != nil && kill.Limit.Stat != nil && c.tooLong(&first) {
		limit, moved := *kill.Limit, &Limit{Stat: kill.Limit.Stat}
		add(jsonLen(moved), func(d *Detail) { d.Limit = moved })
		limit.Stat = nil
		kill.Limit = &limit
	}
	if moved := kill.Memory; moved != nil && c.tooLong(&first) {
		add(jsonLen(moved), func(d *Detail) { d.Memory = moved })
		kill.Memory = nil
	}
	for _, f := range frames {
		add(frameLen(f), func(d *Detail) { d.Frames = append(d.Frames, f) })
	}
	for _, d := range details {
		d.Detail.Parts = len(details)
	}
	kill.Details = len(details)
	return &first, details
}

// jsonLen is what v takes in JSON with its name, of a Detail.
func jsonLen(v any) int {
	b, _ := json.Marshal(v)
	return len(`,"memory":`) + len(b)
}

func (c *Encoder) tooLong(e *Event) bool { return c.lineLen(e) > c.maxLine() }

// lineLen is the length of e as one line; e or what it is from was encoded before, so
// it can be.
func (c *Encoder) lineLen(e *Event) int {
	line, _ := c.appendLine(nil, e)
	return len(line)
}

// frameLen is the most that f takes in JSON.
func frameLen(f Frame) int {
	const rest = len(`{"symbol":"","offset":18446744073709551615,"module":"","addr":""},`)
	return rest + textLen(f.Symbol) + textLen(f.Module) + textLen(f.Addr)
}

// candidateLen is the most that c takes in JSON.
func candidateLen(c Candidate) int {
	b, err := json.Marshal(c)
	if err != nil { // it has no floats
		return 0
	}
	// Control characters that json leaves alone take six bytes.
	return len(b) + len(",") + 5*len(c.CommHex)
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
