// SPDX-License-Identifier: Apache-2.0

package printfmt

import (
	"errors"
	"strconv"
	"strings"
)

// errUnknown: the value of an expression cannot be told from its text.
var errUnknown = errors.New("not a constant")

// constant takes an expression up to the comma or brace behind it, which stays.
// It takes one that it cannot evaluate too, and returns errUnknown.
func (l *lexer) constant() (uint64, error) {
	start := *l
	v, err := l.binary(1, 0)
	if t := l.peek(); err == nil && (t.is(",") || t.is("}")) {
		return v, nil
	}
	if errors.Is(err, ErrTooLarge) {
		return 0, err
	}
	*l = start
	for open := 0; ; l.next() {
		switch t := l.peek(); {
		case t.kind == end || t.kind == bad:
			return 0, ErrSyntax
		case open == 0 && (t.is(",") || t.is("}")):
			return 0, errUnknown
		case t.is("("):
			open++
		case t.is(")"):
			open--
		}
	}
}

// rank tells how tightly a binary operator binds; 0 is none of ours.
func rank(op string) int {
	switch op {
	case "|":
		return 1
	case "^":
		return 2
	case "&":
		return 3
	case "<<", ">>":
		return 4
	case "+", "-":
		return 5
	}
	return 0
}

// binary evaluates operators of at least the given rank.
func (l *lexer) binary(least, depth int) (uint64, error) {
	left, err := l.unary(depth)
	for err == nil {
		op := l.peek().text
		r := rank(op)
		if r < least {
			break
		}
		l.next()
		var right uint64
		if right, err = l.binary(r+1, depth); err != nil {
			break
		}
		left, err = apply(op, left, right)
	}
	return left, err
}

func apply(op string, left, right uint64) (uint64, error) {
	switch op {
	case "|":
		return left | right, nil
	case "^":
		return left ^ right, nil
	case "&":
		return left & right, nil
	case "+":
		return left + right, nil
	case "-":
		return left - right, nil
	}
	if right > 63 {
		return 0, errUnknown // undefined in C
	}
	if op == "<<" {
		return left << right, nil
	}
	return left >> right, nil
}

func (l *lexer) unary(depth int) (uint64, error) {
	if depth == maxDepth {
		return 0, ErrTooLarge
	}
	if l.acceptCast() {
		return l.unary(depth + 1)
	}
	switch t := l.next(); {
	case t.kind == number:
		return integer(t.text)
	case t.is("~"):
		v, err := l.unary(depth + 1)
		return ^v, err
	case t.is("-"):
		v, err := l.unary(depth + 1)
		return -v, err
	case t.is("+"):
		return l.unary(depth + 1)
	case t.is("("):
		v, err := l.binary(1, depth+1)
		if err == nil && !l.accept(")") {
			err = errUnknown
		}
		return v, err
	}
	return 0, errUnknown
}

// integer evaluates a decimal, hexadecimal, octal or binary constant.
func integer(s string) (uint64, error) {
	digits := strings.TrimRight(s, "uUlL")
	// Go, not C, also knows 1_000 and 0o17.
	if strings.ContainsAny(digits, "_oO") {
		return 0, errUnknown
	}
	v, err := strconv.ParseUint(digits, 0, 64)
	if err != nil {
		return 0, errUnknown
	}
	return v, nil
}

// acceptCast takes a type's name in parentheses if an operand follows.
//
// Text alone does not tell a type from an enumerator: (A) - 1 is taken for a
// subtraction, (unsigned long) - 1 for a cast.
func (l *lexer) acceptCast() bool {
	ahead := *l
	if !ahead.accept("(") {
		return false
	}
	words := 0
	for ahead.peek().kind == word {
		ahead.next()
		words++
	}
	if words == 0 {
		return false
	}
	for ahead.accept("*") {
		words++
	}
	if !ahead.accept(")") {
		return false
	}
	switch t := ahead.peek(); {
	case t.kind == word, t.kind == number, t.is("("), t.is("~"):
	case (t.is("-") || t.is("+")) && words > 1:
	default:
		return false
	}
	*l = ahead
	return true
}
