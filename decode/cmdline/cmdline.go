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
func (m Mode) Line(raw []byte) []byte {
	raw = bytes.TrimRight(raw, "\x00")
	switch m {
	case Exe, None:
		return nil
	case Full:
	default:
		raw = Redact(raw)
	}
	return bytes.ReplaceAll(raw, []byte{0}, []byte{' '})
}

// Exe says whether m shows the executable's path.
func (m Mode) Exe() bool { return m != None }
