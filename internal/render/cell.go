// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"
	"unicode/utf8"
)

// style is an SGR parameter list; "" is plain.
type style string

const (
	plain   style = ""
	bold    style = "1"
	red     style = "1;31"
	green   style = "32"
	yellow  style = "1;33"
	cyan    style = "36"
	magenta style = "1;35"
)

// paint puts st around s, which must be sanitized.
func paint(s string, st style, color bool) string {
	if !color || st == plain || s == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

// part is a piece of a cell that is kept on one line where it fits.
type part struct {
	text  string // not yet sanitized
	style style
	below bool   // begins a new line
	keep  string // a piece of text, name[pid], that is not broken; the [pid] if it fits no line
}

// cell is the content of one column of a row: parts joined by separator.
type cell []part

const separator = " · "

// add appends a plain part, unless it is empty.
func (c *cell) add(text string) {
	if text != "" {
		*c = append(*c, part{text: text})
	}
}

func text(s string) cell { return cell{{text: s}} }

// maxPart bounds a part in bytes: no name, however long, floods the table.
const maxPart = 600

// clip cuts s to max bytes at a rune, marking the cut.
func clip(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max] + "…"
}

// clipHead cuts all but the last max bytes of s: the end of a path says most.
func clipHead(s string, max int) string {
	if len(s) <= max {
		return s
	}
	i := len(s) - max
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return "…" + s[i:]
}

// wrap lays c out in lines of at most width columns, breaking between parts
// where it can, else at spaces, else anywhere. Every line is inert and complete
// in itself, colours included. It always returns at least one line.
func (c cell) wrap(width int, color bool) []string {
	var (
		lines []string
		line  strings.Builder
		used  int
	)
	flush := func() {
		lines = append(lines, line.String())
		line.Reset()
		used = 0
	}
	put := func(s string, st style, w int) {
		line.WriteString(paint(s, st, color))
		used += w
	}
	for _, p := range c {
		s, keep := Sanitize(clip(p.text, maxPart)), Sanitize(p.keep)
		w := displayWidth(s)
		if displayWidth(keep) > width {
			keep = keep[max(0, strings.LastIndexByte(keep, '[')):]
		}
		if used > 0 {
			if sep := displayWidth(separator); !p.below && used+sep+w <= width {
				put(separator, plain, sep)
			} else {
				flush()
			}
		}
		for w > width {
			head, rest := split(s, width, keep)
			put(head, p.style, displayWidth(head))
			flush()
			s, w = rest, displayWidth(rest)
		}
		put(s, p.style, w)
	}
	if used > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// split cuts s, which is wider than width: at the last space, if the word behind
// it fits a line; else behind the last mark that parts a path or a name, if that
// fills half the line; else behind the last rune that fits. It takes at least
// one rune. It does not cut within keep, which fits a line.
func split(s string, width int, keep string) (head, rest string) {
	from, to := strings.Index(s, keep), 0
	if from >= 0 {
		to = from + len(keep)
	}
	used, space, mark := 0, 0, 0
	for i, r := range s {
		w := runeWidth(r)
		if used+w > width && i > 0 {
			if 0 < from && from < i && i < to {
				return strings.TrimRight(s[:from], " "), s[from:]
			}
			if r == ' ' {
				return s[:i], s[i+1:]
			}
			if space > 0 {
				word, _, _ := strings.Cut(s[space+1:], " ")
				if displayWidth(word) <= width {
					return s[:space], s[space+1:]
				}
			}
			if mark > 0 {
				return s[:mark], s[mark:]
			}
			return s[:i], s[i:]
		}
		used += w
		if from <= i && i < to {
			continue
		}
		switch r {
		case ' ':
			space = i
		case '/', '-', '.', '|', ',', ':', '_':
			if used*2 > width {
				mark = i + 1
			}
		}
	}
	return s, ""
}
