// SPDX-License-Identifier: Apache-2.0

package event

import "slices"

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

// split moves the frames of an oom.kill into events of their own. Any other
// event is returned as it is.
func (c *Encoder) split(e *Event) (*Event, []*Event) {
	if e.Type != TypeOOMKill || e.Kill.Stack == nil || len(e.Kill.Stack.Frames) == 0 {
		return e, nil
	}
	kill, stack := *e.Kill, *e.Kill.Stack
	frames := stack.Frames
	stack.Frames, kill.Stack = nil, &stack

	head := *e
	head.Type, head.Kill = TypeOOMDetail, nil
	base := Detail{Episode: kill.Episode, PID: kill.Victim.PID, Part: len(frames), Parts: len(frames)}
	head.Detail = &base
	empty, err := c.appendLine(nil, &head)
	if err != nil { // the kill itself was encoded, so this cannot be
		return e, nil
	}
	room := c.maxLine() - len(empty) - len(`,"frames":[]`)

	var details []*Event
	for len(frames) > 0 {
		n, size := 1, frameLen(frames[0])
		for n < len(frames) && size+frameLen(frames[n]) <= room {
			size += frameLen(frames[n])
			n++
		}
		d, ev := base, head
		d.Part, d.Frames = len(details)+1, frames[:n]
		ev.Detail = &d
		details = append(details, &ev)
		frames = frames[n:]
	}
	for _, d := range details {
		d.Detail.Parts = len(details)
	}
	kill.Details = len(details)
	first := *e
	first.Kill = &kill
	return &first, details
}

// frameLen is the most that f takes in JSON.
func frameLen(f Frame) int {
	const rest = len(`{"symbol":"","offset":18446744073709551615,"module":"","addr":""},`)
	return rest + textLen(f.Symbol) + textLen(f.Module) + textLen(f.Addr)
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
