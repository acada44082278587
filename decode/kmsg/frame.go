// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"time"
)

// outer is what stands around the lines of a log that a container printed.
type outer uint8

const (
	outerNone   outer = iota
	outerCRI          // 2026-06-20T12:47:02.1Z stdout F …
	outerKube         // kubectl logs --timestamps: 2026-06-20T12:47:02.1Z …
	outerDocker       // {"log":"…","stream":"…","time":"…"}
)

// inner is the framing of a line, within the outer one if there is one.
type inner uint8

const (
	innerPlain inner = iota
	innerKmsg
	innerDmesg
	innerDmesgTime
	innerDmesgISO
	innerDmesgDelta // --time-format delta and reltime, which tell no stamp
	innerSyslog
	innerSyslogISO
	innerFull      // journalctl -o short-full, with-unit
	innerMonotonic // short-monotonic, short-delta
	innerUnix      // short-unix
	innerVerbose
	innerExport
	innerJSON
	innerDmesgJSON // dmesg --json
)

// layout is a framing in all that is the same on each line of one log.
type layout struct {
	outer outer
	inner inner
	traits
}

// traits are parts of a prefix that a log has on each line or on none.
type traits uint8

const (
	traitRaw      traits = 1 << iota // <6>
	traitDecode                      // kern  :info  :
	traitCaller                      // [    T12]
	traitHostless                    // --no-hostname
	traitBare                        // no time: "kernel: text", "<6>text"
)

// exact is a framing that keeps a record in one piece, whatever is in it.
func (l layout) exact() bool {
	switch l.inner {
	case innerKmsg, innerVerbose, innerExport, innerJSON, innerDmesgJSON:
		return true
	}
	return false
}

// strong says whether one line shows that a log has this framing.
func (l layout) strong() bool {
	return l.traits&traitBare == 0
}

// journal says whether journalctl may have written it.
func (l layout) journal() bool {
	switch l.inner {
	case innerSyslog, innerSyslogISO, innerFull, innerMonotonic, innerUnix, innerVerbose:
		return true
	}
	return false
}

// format is what users call it.
func (l layout) format() Format {
	switch l.outer {
	case outerCRI, outerKube:
		return FormatCRI
	case outerDocker:
		return FormatDocker
	}
	switch l.inner {
	case innerKmsg:
		return FormatKmsg
	case innerDmesg, innerDmesgDelta, innerDmesgJSON:
		return FormatDmesg
	case innerDmesgTime:
		return FormatDmesgTime
	case innerDmesgISO:
		return FormatDmesgISO
	case innerSyslog:
		return FormatSyslog
	case innerSyslogISO:
		return FormatSyslogISO
	case innerFull, innerMonotonic, innerUnix, innerVerbose:
		return FormatJournalShort
	case innerExport:
		return FormatJournalExport
	case innerJSON:
		return FormatJournalJSON
	}
	return FormatPlain
}

// frame is one line's framing, read into a record.
type frame struct {
	*Record
	inner inner
	traits
	text  []byte        // what is left of the line
	flag  byte          // of /dev/kmsg
	since time.Duration // the record before, of dmesg --time-format reltime
}

// start forgets what another framing was thought to tell of line b.
func (f *frame) start(b []byte) {
	*f = frame{Record: f.Record, text: b}
	f.Printk, f.HasPrintk, f.Seq, f.HasSeq = 0, false, 0, false
	f.Priority, f.Caller, f.Continues, f.User, f.Host, f.BootID = -1, nil, false, false, nil, nil
	f.Wall = Wall{}
}

// detect finds the framing of a line by its content and reads it; innerPlain if there
// is none.
func (f *frame) detect(b []byte) {
	if len(b) == 0 {
		f.start(b)
		return
	}
	c := b[0]
	switch {
	case isDigit(c):
		if f.kmsg(b) || f.iso(b) || f.unix(b) {
			return
		}
	case c == '[':
		if f.monotonic(b, true) || f.dmesg(b) {
			return
		}
	case c == '<':
		if f.rfc5424(b) || f.iso(b) || f.syslog(b) || f.dmesg(b) {
			return
		}
	case c == ' ' || c == '-':
	default:
		if f.full(b) || f.syslog(b) || f.dmesg(b) {
			return
		}
	}
	f.start(b)
}

// as reads a line in the framing that the log has; false: it has another or none.
func (f *frame) as(l layout, b []byte) bool {
	ok := false
	switch l.inner {
	case innerKmsg:
		ok = f.kmsg(b)
	case innerDmesg, innerDmesgTime, innerDmesgISO, innerDmesgDelta:
		ok = f.dmesg(b)
	case innerSyslog:
		ok = f.syslog(b)
	case innerSyslogISO:
		ok = f.rfc5424(b) || f.iso(b)
	case innerFull:
		ok = f.full(b)
	case innerMonotonic:
		ok = f.monotonic(b, false)
	case innerUnix:
		ok = f.unix(b)
	}
	return ok && f.inner == l.inner && f.traits == l.traits
}

// found says that the line is in such a framing and its text is b.
func (f *frame) found(k inner, b []byte) bool {
	f.inner, f.text = k, b
	return true
}

// setPriority notes facility·8 + level; another facility than the kernel's is user space.
func (r *Record) setPriority(p int64) {
	r.Priority = int(p)
	if p >= 8 {
		r.User = true
	}
}

// angle reads "<6>"; n 0: there is none.
func angle(b []byte) (p int64, n int) {
	if len(b) < 3 || b[0] != '<' {
		return 0, 0
	}
	p, n = number(b[1:], 1, 3)
	if n == 0 || n+1 >= len(b) || b[n+1] != '>' {
		return 0, 0
	}
	return p, n + 2
}

// unspace takes the one space away that parts a prefix from the text.
func unspace(b []byte) []byte {
	if len(b) > 0 && b[0] == ' ' {
		return b[1:]
	}
	return b
}

// word cuts b at the first space.
func word(b []byte) (w, rest []byte) {
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}
