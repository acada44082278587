// SPDX-License-Identifier: Apache-2.0

package cmdline

import (
	"bytes"
	"fmt"
)

// Mode is how much of a command line is shown.
type Mode string

// Modes. The zero value means Redacted.
const (
	Redacted Mode = "redacted" // the command line without secrets, and the executable
	Full     Mode = "full"     // the command line as it is, and the executable
	Exe      Mode = "exe"      // the executable's path only
	None     Mode = "none"     // neither
)

// ParseMode reads a mode's name.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Redacted, Full, Exe, None:
		return m, nil
	}
	return "", fmt.Errorf("unknown command line mode %q: want redacted, full, exe or none", s)
}

// Line returns raw, the contents of /proc/PID/cmdline, as one line: secrets
// taken out as m says, spaces between the arguments, no trailing NULs. It is nil
// when raw is empty and when m shows no command line. raw is not changed.
func (m Mode) Line(raw []byte) []byte { return m.LineUpTo(raw, len(raw)) }

// LineUpTo is Line of the first limit bytes of raw. When they end within an
// argument, what may be the beginning of a secret there is taken out as well. For
// that to be seen, raw must hold a byte more than limit if there is one.
func (m Mode) LineUpTo(raw []byte, limit int) []byte {
	cut := len(raw) > limit && raw[limit] != 0
	raw = raw[:min(limit, len(raw))]
	cut = cut && !bytes.HasSuffix(raw, []byte{0})
	raw = bytes.TrimRight(raw, "\x00")
	switch m {
	case Exe, None:
		return nil
	case Full:
	default:
		raw = redact(raw, cut)
	}
	return bytes.ReplaceAll(raw, []byte{0}, []byte{' '})
}

// Exe says whether m shows the executable's path.
func (m Mode) Exe() bool { return m != None }
