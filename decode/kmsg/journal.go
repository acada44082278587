// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"time"
)

// full reads "Mon 2026-06-20 12:47:02 CEST host kernel: text" (journalctl -o short-full,
// with-unit).
func (f *frame) full(b []byte) bool {
	f.start(b)
	n := fullTime(b, &f.Wall)
	if n == 0 || n >= len(b) || b[n] == '[' || !f.program(b[n:]) {
		return false // with the bracket it is -o verbose
	}
	return f.found(innerFull, f.text)
}

// fullTime reads "Mon 2026-06-20 12:47:02.123456 CEST " with the space behind it. What
// the letters of a zone stand for is known of UTC alone.
func fullTime(b []byte, w *Wall) (n int) {
	if len(b) < 24 || b[3] != ' ' || !isDigit(b[4]) {
		return 0
	}
	var wall Wall
	_, k := isoTime(b[4:], BasisSyslog, &wall)
	n = 4 + k
	if k == 0 || n+1 >= len(b) || b[n] != ' ' {
		return 0
	}
	abbr, _ := word(b[n+1:])
	if len(abbr) == 0 || len(abbr) > 8 {
		return 0
	}
	n += 1 + len(abbr) + 1
	if n > len(b) {
		return 0
	}
	if wall.Basis != "" {
		wall.Basis = BasisJournal
		if string(abbr) == "UTC" || string(abbr) == "GMT" {
			wall.NoZone = false
		} else if off, k, ok := zone(abbr); ok && k == len(abbr) {
			wall.NoZone = false
			wall.Time = wall.Time.Add(-time.Duration(off) * time.Second)
		}
	}
	*w = wall
	return n
}

// monotonic reads "[   12.345678] host kernel: text" (journalctl -o short-monotonic,
// short-delta). Since systemd 252 the time is when journald took the record, on the
// same clock but for what the two drift apart.
//
// It looks like dmesg's text; guess asks for the kernel's name, which makes it sure.
func (f *frame) monotonic(b []byte, guess bool) bool {
	f.start(b)
	d, n := stamp(b)
	if n == 0 || n >= len(b) || b[n] != ' ' {
		return false
	}
	rest := b[n+1:]
	if guess && !ofKernel(rest) || !likeProgram(rest) || !f.program(rest) {
		return false
	}
	f.Printk, f.HasPrintk = d, true
	if f.Host == nil {
		f.traits |= traitHostless
	}
	return f.found(innerMonotonic, f.text)
}

// ofKernel says whether b is "host kernel: text" or "kernel: text".
func ofKernel(b []byte) bool {
	ident, rest := word(b)
	if len(ident) > 0 && ident[len(ident)-1] != ':' {
		ident, _ = word(rest)
	}
	return string(ident) == "kernel:"
}

// likeProgram says whether b may be "host program: text" or "program: text".
func likeProgram(b []byte) bool {
	ident, rest := word(b)
	if len(ident) > 0 && ident[len(ident)-1] != ':' {
		ident, _ = word(rest)
	}
	return len(ident) > 1 && ident[len(ident)-1] == ':'
}

// unix reads "1781959622.123456 host kernel: text" (journalctl -o short-unix).
func (f *frame) unix(b []byte) bool {
	f.start(b)
	sec, n := number(b, 1, 10)
	if n < 9 || n >= len(b) || b[n] != '.' {
		return false
	}
	ns, k := fraction(b[n+1:])
	n += 1 + k
	if k != 6 || n >= len(b) || b[n] != ' ' || !ofProgram(b[n+1:]) || !f.program(b[n+1:]) {
		return false
	}
	f.Wall = Wall{Basis: BasisJournal, Time: time.Unix(sec, ns).UTC(), Resolution: time.Microsecond}
	return f.found(innerUnix, f.text)
}

// rule reads what journalctl prints between entries: "-- Reboot --",
// "-- Boot 32 hex digits --", "-- Logs begin at … --".
func rule(b []byte) (boot bool, id []byte, ok bool) {
	if !bytes.HasPrefix(b, []byte("-- ")) || !bytes.HasSuffix(b, []byte(" --")) || len(b) < 7 {
		return false, nil, false
	}
	in := b[3 : len(b)-3]
	switch {
	case string(in) == "Reboot":
		return true, nil, true
	case bytes.HasPrefix(in, []byte("Boot ")) && len(in) == len("Boot ")+32:
		return true, in[len("Boot "):], true
	case bytes.HasPrefix(in, []byte("Logs begin ")), bytes.HasPrefix(in, []byte("Journal begins ")), string(in) == "No entries":
		return false, nil, true
	}
	return false, nil, false
}
