// SPDX-License-Identifier: Apache-2.0

package kdumpconf

import (
	"bufio"
	"bytes"
	"strings"

	"github.com/oomtrace/oomtrace/decode/cmdline"
	"github.com/oomtrace/oomtrace/decode/event"
)

// variables are the assignments of a shell file. A value that needs a shell is
// present, but unknown.
type variables map[string]struct {
	value   string
	unknown bool
}

// get returns the value of name; fallback if it is unset or empty; known is
// false if only a shell could tell.
func (v variables) get(name, fallback string) (value string, known bool) {
	a := v[name]
	switch {
	case a.unknown:
		return "", false
	case a.value == "":
		return fallback, true
	}
	return a.value, true
}

// parseShell reads the lines NAME=value of a shell file, quoted or not; a later
// one replaces an earlier one. Everything else is passed over.
func parseShell(file []byte) variables {
	vars := variables{}
	for line := range lines(file) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		name, text, ok := strings.Cut(line, "=")
		if !ok || !isVariable(name) {
			continue
		}
		a := vars[name]
		a.value, a.unknown = unquote(text)
		vars[name] = a
	}
	return vars
}

// unquote returns the first word of text as a shell would read it, and whether
// it holds an expansion.
func unquote(text string) (value string, unknown bool) {
	var b strings.Builder
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '\'' && c != '\'':
			b.WriteByte(c)
		case c == '$' || c == '`':
			return "", true
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case quote == 0 && (c == ' ' || c == '\t' || c == ';' || c == '#' && b.Len() == 0):
			return b.String(), false
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), false
}

func isVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return name != ""
}

// lines yields the lines of file without their ends; a line that ends with a
// backslash is joined with the next.
func lines(file []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var joined []byte
		s := bufio.NewScanner(bytes.NewReader(file))
		s.Buffer(nil, len(file)+1)
		for s.Scan() {
			head, more := bytes.CutSuffix(s.Bytes(), []byte{'\\'})
			joined = append(joined, head...)
			if more {
				continue
			}
			if !yield(string(joined)) {
				return
			}
			joined = joined[:0]
		}
		if len(joined) > 0 {
			yield(string(joined))
		}
	}
}

// clean makes a string of a file fit for an event: valid UTF-8, and without the
// password of a URL.
func clean(s string) string {
	s, _ = event.CleanString(cmdline.Redact([]byte(s)))
	return s
}
