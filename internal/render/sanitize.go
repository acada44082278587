// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sanitize returns s as inert, valid UTF-8 in which nothing is lost: control
// characters (C0, DEL, C1), invalid bytes, bidi controls, zero-width and other
// invisible characters appear as Go escapes (\n, \x1b, \u202e). Everything
// else, a backslash too, stays as it is.
func Sanitize(s string) string {
	i := 0
	for i < len(s) && ' ' <= s[i] && s[i] < 0x7f {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	// base tells whether the last rune can carry a combining mark: one mark a
	// base is writing, a mark without one would alter what stands before it.
	base := false
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			const hex = "0123456789abcdef"
			b.WriteString(`\x`)
			b.WriteByte(hex[s[0]>>4])
			b.WriteByte(hex[s[0]&15])
			base = false
		case unicode.In(r, unicode.Mn, unicode.Me):
			if base && !invisible(r) {
				b.WriteRune(r)
			} else {
				escape(&b, r)
			}
			base = false
		case invisible(r):
			escape(&b, r)
			base = false
		default:
			b.WriteString(s[:n])
			base = unicode.IsLetter(r) || unicode.Is(unicode.Mc, r)
		}
		s = s[n:]
	}
	return b.String()
}

// invisible tells whether r shows nothing or steers what shows: all that Go does
// not call printable, and the printable ones that Unicode lets a display ignore.
func invisible(r rune) bool {
	return !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		r == 0x2800 // braille blank
}

func escape(b *strings.Builder, r rune) {
	q := strconv.QuoteRuneToASCII(r)
	b.WriteString(q[1 : len(q)-1])
}
