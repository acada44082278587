// SPDX-License-Identifier: Apache-2.0

package cmdline

import "regexp"

// text is an argument, or a word of one as a shell or JSON reads it: without its
// quotes and escapes.
type text struct {
	b  []byte
	at []int // where in the input each byte stands
	is kind
}

// kind is what is known of a word by where it stands.
type kind byte

const (
	plain kind = iota
	first      // the first of a command of a script
	key        // of a JSON object
)

// byte returns the byte at i, or 0 outside.
func (t text) byte(i int) byte {
	if i < 0 || i >= len(t.b) {
		return 0
	}
	return t.b[i]
}

// skip returns the first position from i on whose byte is not in class.
func (t text) skip(i int, class func(byte) bool) int {
	for i < len(t.b) && class(t.b[i]) {
		i++
	}
	return min(i, len(t.b))
}

// part returns t between start and end.
func (t text) part(start, end int) text {
	return text{b: t.b[start:end:end], at: t.at[start:end:end]}
}

// splitter collects words.
type splitter struct {
	text  // the words, one behind the other
	words []text
	start int // of the word at the end
	open  bool
}

func newSplitter(size int) *splitter {
	return &splitter{text: text{b: make([]byte, 0, size), at: make([]int, 0, size)}}
}

func (s *splitter) add(c byte, at int) {
	s.b, s.at, s.open = append(s.b, c), append(s.at, at), true
}

// end ends the word, if there is one.
func (s *splitter) end() {
	if !s.open {
		return
	}
	word := s.part(s.start, len(s.b))
	word.is = s.is
	s.words, s.start, s.open, s.is = append(s.words, word), len(s.b), false, plain
}

// ansiC stands for the quote $', which knows escapes.
const ansiC = '$'

// shellWords returns the words of a script. What is quoted belongs to the word
// around it, and so does a group: $(…), `…`, ${…}, <(…), and the (…) of a list
// behind =. With open, the outer groups are scripts of their own instead. sure is
// false when t cannot be read so: it was cut, has a here-document, or is no script.
func shellWords(t text, open bool) (list []text, sure bool) {
	s := newSplitter(len(t.b))
	var until []byte // what ends the quotes and groups around i
	var comment, command bool
	sure = true
	for i := 0; i < len(t.b); i++ {
		c := t.b[i]
		var in byte
		depth := len(until)
		if depth > 0 {
			in = until[depth-1]
			if open && !isQuoteEnd(until[0]) {
				depth--
			}
		}
		outside, quoted := depth == 0, depth == 1 && isQuoteEnd(in)
		group := groupEnd(t, i, in)
		switch {
		case outside && isSpace(c):
			s.end()
			if command || c == '\n' {
				s.is = first
			}
			comment, command = comment && c != '\n', false
			continue
		case comment:
		case in == '\'' && c != '\'':
		case in != '\'' && c == '\\' && i+1 < len(t.b):
			i++
			if t.b[i] == '\n' {
				continue
			}
			if !outside && (!quoted || in == '"' && !isEscapedInQuotes(t.b[i])) {
				s.add(c, t.at[i-1])
			}
			c, outside = t.b[i], false
		case c == in || in == ansiC && c == '\'':
			until = until[:len(until)-1]
			switch {
			case quoted:
				s.open, command = true, false
				continue
			case outside:
				s.end()
				continue
			}
		case in == ansiC:
		case c == '"' || c == '\'' && in != '"':
			end := c
			if c == '\'' && t.byte(i-1) == '$' {
				end = ansiC
			}
			until = append(until, end)
			if outside {
				s.open = true
				continue
			}
		case group != 0:
			until = append(until, group)
			if open && len(until) == 1 {
				s.end()
				continue
			}
		case outside && c == '#' && !s.open:
			comment = true
		case outside && c == '<' && t.byte(i+1) == '<':
			sure = false
		}
		s.add(c, t.at[i])
		command = outside && (c == ';' || c == '&' || c == '|')
	}
	s.end()
	return s.words, sure && len(until) == 0
}

// groupEnd returns what ends the group that the byte at i opens within in, or 0.
func groupEnd(t text, i int, in byte) byte {
	before := t.byte(i - 1)
	switch c := t.b[i]; {
	case c == '`':
		return c
	case c == '(' && (before == '$' || in != '"' && (before == '=' || before == '<' || before == '>') || in == ')'):
		return ')'
	case c == '{' && (before == '$' || in == '}'):
		return '}'
	}
	return 0
}

func isQuoteEnd(c byte) bool        { return c == '\'' || c == '"' || c == ansiC }
func isEscapedInQuotes(c byte) bool { return c == '"' || c == '\\' || c == '$' || c == '`' }

// isJSON matches what begins as an object or a list does, and a script does not.
var isJSON = regexp.MustCompile(`^\s*(?:(?:\[\s*)*\{\s*"[^"]*"\s*:|\[")`).Match

// jsonWords returns the strings and the other words of JSON, and its brackets.
// Keys end with a colon.
func jsonWords(t text) []text {
	s := newSplitter(len(t.b))
	for i := 0; i < len(t.b); i++ {
		switch c := t.b[i]; {
		case c == '"':
			s.end()
			s.open = true
			for i++; i < len(t.b) && t.b[i] != '"'; i++ {
				c := t.b[i]
				if c == '\\' && i+1 < len(t.b) {
					i++
					if c = t.b[i]; c == 'n' || c == 't' || c == 'r' {
						c = '\n'
					}
				}
				s.add(c, t.at[i])
			}
			if colon := t.skip(i+1, isSpace); t.byte(colon) == ':' {
				s.add(':', t.at[colon])
				s.is, i = key, colon
			}
			s.end()
		case isBracket(c):
			s.end()
			s.add(c, t.at[i])
			s.end()
		case isSpace(c) || c == ',':
			s.end()
		default:
			s.add(c, t.at[i])
		}
	}
	s.end()
	return s.words
}

func isSpace(c byte) bool   { return c == ' ' || '\t' <= c && c <= '\r' }
func isBracket(c byte) bool { return c == '[' || c == ']' || c == '{' || c == '}' }
