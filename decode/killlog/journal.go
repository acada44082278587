// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// JournalFields are the fields of the journal that are used, for --output-fields.
const JournalFields = "MESSAGE,SYSLOG_IDENTIFIER,UNIT,USER_UNIT,_PID,_UID,_SYSTEMD_UNIT,_BOOT_ID,_HOSTNAME,_TRANSPORT"

// journal reads an entry as journalctl -o json prints it. A field may be a string, a list
// of strings where it occurs more than once, a list of bytes where it is no text, and
// null where it is too long.
func (e *Entry) journal(raw []byte) (Line, bool) {
	if !bytes.Contains(raw, []byte(`"MESSAGE"`)) {
		return Line{}, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return Line{}, false
	}
	get := func(name string) string { return field(fields[name]) }
	l := Line{Ident: get("SYSLOG_IDENTIFIER"), Text: []byte(get("MESSAGE"))}
	if !Known(l.Ident) {
		return Line{}, false
	}
	// The kernel's own lines do not come from user space.
	if get("_TRANSPORT") == "kernel" {
		return Line{}, false
	}
	l.OfUnit = get("UNIT")
	if l.OfUnit == "" {
		l.OfUnit = get("USER_UNIT")
	}
	w := Writer{Unit: get("_SYSTEMD_UNIT")}
	w.PID, _ = strconv.Atoi(get("_PID"))
	if uid, err := strconv.ParseUint(get("_UID"), 10, 32); err == nil {
		id := uint32(uid)
		w.UID = &id
	}
	l.Writer = &w
	if us, err := strconv.ParseInt(get("__REALTIME_TIMESTAMP"), 10, 64); err == nil {
		e.Time = time.UnixMicro(us).UTC()
	}
	e.Host, e.BootID = get("_HOSTNAME"), get("_BOOT_ID")
	return l, true
}

// field is the text of a field; of several the first.
func field(raw json.RawMessage) string {
	if len(raw) == 0 {
		return ""
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return s
	}
	var texts []string
	if json.Unmarshal(raw, &texts) == nil && len(texts) > 0 {
		return texts[0]
	}
	var numbers []uint16 // json takes a list of bytes for base64
	if json.Unmarshal(raw, &numbers) != nil {
		return ""
	}
	b := make([]byte, len(numbers))
	for i, n := range numbers {
		b[i] = byte(n)
	}
	return string(b)
}
