// SPDX-License-Identifier: Apache-2.0

package printfmt

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// What an input may hold. Formats of today's kernels stay below 8 KiB, 80
// entries and 20 levels.
const (
	maxFormat  = 64 << 10 // bytes
	maxEntries = 1024
	maxDepth   = 100 // of parentheses and unary operators
)

// Errors of Flags.
var (
	// ErrNoPrintFmt: no line begins with "print fmt:".
	ErrNoPrintFmt = errors.New("no print fmt line")
	// ErrNoFlags: no __print_flags shows the field and nothing but the field.
	ErrNoFlags = errors.New("no __print_flags of this field")
	// ErrSyntax: the text is not built as the kernel builds it.
	ErrSyntax = errors.New("malformed print fmt")
	// ErrTooLarge: longer, or deeper nested, than any kernel's.
	ErrTooLarge = errors.New("print fmt too large")
)

// FlagNames is the table of one flags field. The zero value has no names.
type FlagNames struct {
	flags   []flag
	skipped int
}

type flag struct {
	mask uint64
	name string
}

// Flags returns the names of the flags of a field, given a tracepoint's format
// file. It takes the first __print_flags whose value is REC->field, in
// parentheses or under a cast too, and no other expression of it.
//
// An entry is skipped, and counted, when its value cannot be known from the
// text: it has the name of an enumerator, or an operator other than
// | ^ & << >> + - ~ and casts. Arithmetic is in 64 bits without sign whatever
// the types say, so neither a cast nor an int's overflow cuts a value.
//
// Errors wrap ErrNoPrintFmt, ErrNoFlags, ErrSyntax or ErrTooLarge.
func Flags(format []byte, field string) (FlagNames, error) {
	n, err := flags(format, field)
	if err != nil {
		return FlagNames{}, fmt.Errorf("names of the flags of %q: %w", field, err)
	}
	return n, nil
}

func flags(format []byte, field string) (FlagNames, error) {
	if len(format) > maxFormat {
		return FlagNames{}, ErrTooLarge
	}
	for line := range bytes.Lines(format) {
		text, ok := bytes.CutPrefix(line, []byte("print fmt:"))
		if !ok {
			continue
		}
		l := lexer{text: string(text)}
		for t := l.next(); t.kind != end; t = l.next() {
			if t.kind == bad {
				return FlagNames{}, ErrSyntax
			}
			if t.is("__print_flags") && l.accept("(") && l.acceptField(field) && l.accept(",") {
				return l.table()
			}
		}
		return FlagNames{}, ErrNoFlags
	}
	return FlagNames{}, ErrNoPrintFmt
}

// Skipped counts the entries of the table whose value could not be known.
// Their bits appear under other names or as a number.
func (n FlagNames) Skipped() int { return n.skipped }

// Names returns the names of a mask, none for zero, as format_flags in the
// kernel's lib/vsprintf.c and trace_print_flags_seq choose them: in the table's
// order, each entry that is wholly set takes its bits, and what is left comes
// last, as hex with 0x. Joined with "|" it is what the kernel log shows.
//
// An entry of value zero is always wholly set: like the kernel, Names gives it
// while bits are left.
func (n FlagNames) Names(mask uint64) []string {
	var names []string
	for _, f := range n.flags {
		if mask == 0 {
			break
		}
		if mask&f.mask == f.mask {
			names = append(names, f.name)
			mask &^= f.mask
		}
	}
	if mask != 0 {
		names = append(names, "0x"+strconv.FormatUint(mask, 16))
	}
	return names
}
