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

// split moves the lists of an oom.kill, its stack's frames and the candidates, into
// events of their own. Any other event is returned as it is.
func (c *Encoder) split(e *Event) (*Event, []*Event) {
	if e.Type != TypeOOMKill || len(e.Kill.Candidates) == 0 && (e.Kill.Stack == nil || len(e.Kill.Stack.Frames) == 0) {
		return e, nil
	}
	kill := *e.Kill
	rest := Detail{Candidates: kill.Candidates}
	kill.Candidates = nil
	if kill.Stack != nil {
		stack := *kill.Stack
		rest.Frames, stack.Frames, kill.Stack = stack.Frames, nil, &stack
	}

	head := *e
	head.Type, head.Kill = TypeOOMDetail, nil
	most := len(rest.Frames) + len(rest.Candidates)
	base := Detail{Episode: kill.Episode, PID: kill.Victim.PID, Part: most, Parts: most}
	head.Detail = &base
	empty, err := c.appendLine(nil, &head)
	if err != nil { // the kill itself was encoded, so this cannot be
		return e, nil
	}
	room := c.maxLine() - len(empty) - len(`,"frames":[],"candidates":[]`)

	var details []*Event
	for len(rest.Frames)+len(rest.Candidates) > 0 {
		d, ev := base, head
		d.Part = len(details) + 1
		var size int
		d.Frames, rest.Frames = cutList(rest.Frames, frameLen, room, &size)
		if len(rest.Frames) == 0 {
			d.Candidates, rest.Candidates = cutList(rest.Candidates, candidateLen, room, &size)
		}
		ev.Detail = &d
		details = append(details, &ev)
	}
	for _, d := range details {
		d.Detail.Parts = len(details)
	}
	kill.Details = len(details)
	first := *e
	first.Kill = &kill
	return &first, details
}

// cutList takes from list as many as fit in room, beside the size that is used already,
// and one at least if none is.
func cutList[T any](list []T, length func(T) int, room int, size *int) (now, later []T) {
	n := 0
	for n < len(list) && (*size == 0 || *size+length(list[n]) <= room) {
		*size += length(list[n])
		n++
	}
	return list[:n:n], list[n:]
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
