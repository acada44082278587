// SPDX-License-Identifier: Apache-2.0

package printfmt

import "strings"

type kind uint8

const (
	end    kind = iota
	bad         // a string that does not end
	word        // identifier or keyword
	number      // integer constant with its suffix
	text        // string literal with its quotes
	punct       // operator or separator
)

type token struct {
	kind kind
	text string
}

func (t token) is(text string) bool { return t.text == text }

// lexer cuts C into tokens. It is a value: a copy of it marks a place.
type lexer struct {
	text string
	pos  int
}

func (l *lexer) next() token {
	for l.pos < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.pos]) >= 0 {
		l.pos++
	}
	rest := l.text[l.pos:]
	if rest == "" {
		return token{}
	}
	k, n := punct, 1
	switch c := rest[0]; {
	case isWord(c):
		k = word
		if c >= '0' && c <= '9' {
			k = number
		}
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
	case c == '"':
		k = text
		for n < len(rest) && rest[n] != '"' {
			if rest[n] == '\\' {
				n++
			}
			n++
		}
		if n++; n > len(rest) {
			return token{kind: bad}
		}
	default:
		if len(rest) > 1 {
			switch rest[:2] {
			case "->", "<<", ">>", "&&", "||", "==", "!=", "<=", ">=":
				n = 2
			}
		}
	}
	l.pos += n
	return token{k, rest[:n]}
}

// peek returns the next token and stays before it.
func (l lexer) peek() token { return l.next() }

// accept takes the next token if it is the given one.
func (l *lexer) accept(s string) bool {
	ahead := *l
	if !ahead.next().is(s) {
		return false
	}
	*l = ahead
	return true
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
