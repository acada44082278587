// SPDX-License-Identifier: Apache-2.0

package printfmt

import (
	"errors"
	"strconv"
)

// acceptField takes REC->field with any casts and parentheses around it.
func (l *lexer) acceptField(field string) bool {
	ahead := *l
	open := 0
	for {
		if ahead.acceptCast() {
			continue
		}
		if !ahead.accept("(") {
			break
		}
		open++
	}
	if !ahead.accept("REC") || !ahead.accept("->") || !ahead.accept(field) {
		return false
	}
	for ; open > 0; open-- {
		if !ahead.accept(")") {
			return false
		}
	}
	*l = ahead
	return true
}

// table reads the rest of a __print_flags, behind the value's comma: the
// delimiter, then the entries.
func (l *lexer) table() (FlagNames, error) {
	if _, err := l.literal(); err != nil {
		return FlagNames{}, err
	}
	var n FlagNames
	for entries := 0; !l.accept(")"); entries++ {
		if entries == maxEntries {
			return FlagNames{}, ErrTooLarge
		}
		if !l.accept(",") || !l.accept("{") {
			return FlagNames{}, ErrSyntax
		}
		mask, err := l.constant()
		if err != nil && !errors.Is(err, errUnknown) {
			return FlagNames{}, err
		}
		if !l.accept(",") {
			return FlagNames{}, ErrSyntax
		}
		if l.null() {
			// Newer kernels' gfp table brings its own end, { 0, NULL }.
			return n, nil
		}
		name, nameErr := l.literal()
		if nameErr != nil || !l.accept("}") {
			return FlagNames{}, ErrSyntax
		}
		if err != nil {
			n.skipped++
			continue
		}
		n.flags = append(n.flags, flag{mask, name})
	}
	return n, nil
}

// literal takes a string: one literal, or several in a row.
func (l *lexer) literal() (string, error) {
	t := l.next()
	if t.kind != text {
		return "", ErrSyntax
	}
	s, err := strconv.Unquote(t.text)
	for err == nil && l.peek().kind == text {
		var more string
		more, err = strconv.Unquote(l.next().text)
		s += more
	}
	if err != nil {
		return "", ErrSyntax
	}
	return s, nil
}

// null tells whether a null pointer is next: ((void *)0), 0 or NULL. It takes
// nothing, l being a copy.
func (l lexer) null() bool {
	if !l.accept("NULL") {
		if v, err := l.binary(1, 0); err != nil || v != 0 {
			return false
		}
	}
	return l.peek().is("}")
}
