// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"time"
)

// ticketWidth is where lines of a ticket end.
const ticketWidth = 78

// appendTicket appends a row as a paragraph: who and when, and below what happened.
func (l layout) appendTicket(dst []byte, r row, loc *time.Location) []byte {
	head := l.clock(r, loc)[0].text + "  " + r.event.text
	if r.process != "" {
		head += " " + r.process
	}
	if r.where != "" {
		head += " (" + r.where + ")"
	}
	dst = append(dst, Sanitize(clip(head, maxPart))...)
	dst = append(dst, '\n')
	for _, p := range r.what {
		dst = appendIndented(dst, cell{p}, ticketWidth, "    ", "    ")
	}
	return dst
}

// appendIndented appends a cell in lines of at most width columns, the first behind
// first, the others behind rest.
func appendIndented(dst []byte, c cell, width int, first, rest string) []byte {
	for i, line := range c.wrap(width-displayWidth(rest), false) {
		indent := rest
		if i == 0 {
			indent = first
		}
		dst = append(dst, strings.TrimRight(indent+line, " ")...)
		dst = append(dst, '\n')
	}
	return dst
}
