// SPDX-License-Identifier: Apache-2.0

package killlog

import "bytes"

// Finder is a [Scanner] for who reads a log anyway: it is written to what was read. Make
// one with [NewFinder].
type Finder struct {
	found func(*Entry)
	part  []byte // of a line whose end has not come
	long  bool   // that line is too long
	line  int64
}

// NewFinder calls found for each line that tells of the end of a process.
func NewFinder(found func(*Entry)) *Finder { return &Finder{found: found} }

// Write takes the next bytes of the log. It never fails.
func (f *Finder) Write(p []byte) (int, error) {
	n := len(p)
	for {
		head, rest, whole := bytes.Cut(p, []byte{'\n'})
		switch {
		case !whole:
			f.keep(head)
			return n, nil
		case f.long:
			f.long = false
		case len(f.part) == 0:
			f.take(head)
		default:
			if f.keep(head); !f.long {
				f.take(f.part)
			}
			f.long = false
		}
		f.part = f.part[:0]
		f.line++
		p = rest
	}
}

// Flush takes a last line that has no end.
func (f *Finder) Flush() {
	if len(f.part) > 0 && !f.long {
		f.take(f.part)
	}
	f.part, f.long = f.part[:0], false
}

func (f *Finder) keep(head []byte) {
	if f.long || len(f.part)+len(head) > lineLimit {
		f.part, f.long = f.part[:0], true
		return
	}
	f.part = append(f.part, head...)
}

func (f *Finder) take(raw []byte) {
	if e, ok := parseEntry(bytes.TrimRight(raw, "\r")); ok {
		e.Line = f.line + 1
		f.found(e)
	}
}

// hints are words, one of which is in every line that tells something. To look for them
// costs less than to read a line.
var hints = [...][]byte{
	[]byte("OOM killer"), []byte("oom"), []byte("exited, code="), []byte("Killing "), []byte("Killing."),
	[]byte("sending SIG"), []byte("evicted successfully"), []byte("OOM event"), []byte("exit event"),
	[]byte("TaskExit"), []byte("using the force"),
	[]byte("\"MESSAGE\":["), // bytes that are no text
}

// hinted says whether a line may tell something.
func hinted(raw []byte) bool {
	for _, hint := range hints {
		if bytes.Contains(raw, hint) {
			return true
		}
	}
	return false
}
