// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"iter"
	"strconv"
	"strings"
)

// quoted reads a string in double quotes at the begin of s.
func quoted(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	prefix, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", s, false
	}
	value, err = strconv.Unquote(prefix)
	return value, s[len(prefix):], err == nil
}

// keyValues reads key=value and key="value", with white space between. It ends where
// the text is otherwise.
func keyValues(s string) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		for {
			s = strings.TrimLeft(s, " \t")
			key, rest, ok := strings.Cut(s, "=")
			if !ok || key == "" || strings.ContainsAny(key, " \"") {
				return
			}
			value, after, isQuoted := quoted(rest)
			if !isQuoted {
				value, after, _ = strings.Cut(rest, " ")
			}
			if !yield(key, value) {
				return
			}
			s = after
		}
	}
}

// after is what follows the first of these names that is there.
func after(s string, names ...string) string {
	for _, name := range names {
		if _, rest, ok := strings.Cut(s, name); ok {
			return rest
		}
	}
	return ""
}

// idAfter is the id of a container behind one of these names.
func idAfter(s string, names ...string) string {
	rest := after(s, names...)
	return rest[:min(len(rest), idLen)]
}

// numberAfter is the number behind one of these names; -1 if there is none.
func numberAfter(s string, names ...string) int {
	rest := after(s, names...)
	end := 0
	for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(rest[:end])
	if err != nil {
		return -1
	}
	return n
}

// idLen is how long a container's id is.
const idLen = 64

func isHexID(s string) bool {
	return len(s) == idLen && strings.Trim(s, "0123456789abcdef") == ""
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
