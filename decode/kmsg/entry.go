// SPDX-License-Identifier: Apache-2.0

package kmsg

import "time"

// entry is one entry of the journal, field by field.
type entry struct {
	transport, ident bool // told
	kernel           bool // by either
	known            bool // a field that only the journal has
	message          bool
	source           int64 // µs, _SOURCE_MONOTONIC_TIMESTAMP
	hasSource        bool
	priority         int64
	facility         int64
}

func newEntry() entry { return entry{priority: -1} }

// field notes a field of an entry. The record's bytes are copied to t.
func (e *entry) field(key, val []byte, t *slot) {
	switch string(key) {
	case "MESSAGE":
		if !e.message {
			t.text = append(t.text[:0], val...)
		}
		e.message = true
	case "__CURSOR":
		e.known = true
	case "__REALTIME_TIMESTAMP":
		if us, n := number(val, 1, 18); n == len(val) && n > 0 {
			t.Wall = Wall{Basis: BasisJournal, Time: time.UnixMicro(us).UTC(), Resolution: time.Microsecond}
		}
		e.known = true
	case "_TRANSPORT":
		e.transport, e.known = true, true
		e.kernel = string(val) == "kernel"
	case "SYSLOG_IDENTIFIER":
		e.ident = true
		if !e.transport {
			e.kernel = string(val) == "kernel"
		}
	case "PRIORITY":
		if p, n := number(val, 1, 1); n == len(val) && n > 0 && p < 8 {
			e.priority = p
		}
	case "SYSLOG_FACILITY":
		if p, n := number(val, 1, 3); n == len(val) && n > 0 {
			e.facility = p
		}
	case "_SOURCE_MONOTONIC_TIMESTAMP":
		if us, n := number(val, 1, 18); n == len(val) && n > 0 && us <= maxStamp {
			e.source, e.hasSource = us, true
		}
	case "_HOSTNAME":
		t.host = append(t.host[:0], val[:min(len(val), 255)]...)
	case "_BOOT_ID":
		if len(val) == 32 {
			t.boot = append(t.boot[:0], val...)
		}
	}
}

// finish makes the record of an entry; false: it has no text.
func (e *entry) finish(t *slot) bool {
	if !e.message {
		return false
	}
	t.User = (e.transport || e.ident) && !e.kernel || e.facility > 0
	if e.priority >= 0 {
		t.Priority = int(e.facility<<3 | e.priority)
	}
	if e.hasSource && !t.User {
		t.Printk, t.HasPrintk = time.Duration(e.source)*time.Microsecond, true
	}
	t.Text, t.Host, t.BootID = t.text, t.host, t.boot
	return true
}
