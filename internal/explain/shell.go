// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"strings"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// quote makes one word of a shell's of s, whatever is in it. ok is false for what no
// command should hold: an empty word, one that would be taken for an option, and what is
// not printable ASCII, which a terminal may act on or show as something else.
func quote(s string) (word string, ok bool) {
	if s == "" || s[0] == '-' || len(s) > 4096 {
		return "", false
	}
	plain := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f:
			return "", false
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_@%+=:,./-", c) >= 0:
		default:
			plain = false
		}
	}
	if plain {
		return s, true
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'", true
}

// shell is a list of commands that is being made. One with a name in it that cannot be
// quoted is left out, and counted.
type shell struct {
	list    []timeline.Command
	refused int
}

// add adds a command: format has a %s for each name, which is quoted.
func (s *shell) add(class timeline.Class, note, format string, names ...string) {
	words := make([]any, len(names))
	for i, name := range names {
		w, ok := quote(name)
		if !ok {
			s.refused++
			return
		}
		words[i] = w
	}
	s.list = append(s.list, timeline.Command{Run: fmt.Sprintf(format, words...), Class: class, Note: note})
}

func (s *shell) look(note, format string, names ...string) {
	s.add(timeline.ReadOnly, note, format, names...)
}

// gap says that a command is missing.
func (s *shell) gap() string {
	if s.refused == 0 {
		return ""
	}
	return " A name in it is not fit for a shell, so a command is left out here."
}

// look makes a list of one command that only reads.
func look(note, format string, names ...string) shell {
	var s shell
	s.look(note, format, names...)
	return s
}

// command makes a list of one command.
func command(class timeline.Class, note, format string, names ...string) shell {
	var s shell
	s.add(class, note, format, names...)
	return s
}

// available is a command that fails unless more than so many bytes are available. It has no
// %, for it becomes part of a format.
func available(bytes uint64) string {
	return `awk '/^MemAvailable:/{n=$2} END{exit !(n>` + fmt.Sprint(bytes/kib) + `)}' /proc/meminfo`
}
