// SPDX-License-Identifier: Apache-2.0

package ksym

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

const (
	maxLine    = 32 << 10 // bytes; the buffer's size
	maxModules = math.MaxUint16
)

// limits say what a table may hold.
type limits struct {
	entries int // symbols and gaps that came in order
	late    int // and those that did not
	names   int // bytes
}

// defaultLimits: distributions' kernels have some 200,000 symbols and 4 MB of
// names; modules come on top.
func defaultLimits() limits {
	return limits{entries: 1 << 20, late: 1 << 19, names: 16 << 20}
}

// Errors of Load.
var (
	// ErrHidden: the kernel shows every address as zero. Addresses need
	// CAP_SYSLOG, or kernel.kptr_restrict=0 with kernel.perf_event_paranoid
	// at most 1, as kallsyms_show_value in kernel/ksyms_common.c decides.
	ErrHidden = errors.New("symbol addresses are hidden (kernel.kptr_restrict, CAP_SYSLOG)")
	// ErrNoSymbols: there is no text symbol in the input.
	ErrNoSymbols = errors.New("no text symbols")
	// ErrSyntax: a line is not "address type name [module]". The table would
	// have a hole there, and addresses in it a wrong name.
	ErrSyntax = errors.New("not a line of kallsyms")
	// ErrTooLarge: more symbols than any kernel has.
	ErrTooLarge = errors.New("too many symbols")
)

// Options say what to keep beside text symbols. The zero value keeps nothing.
type Options struct {
	// Want names symbols of any type, data too, for Table.Address.
	Want []string
}

// Load reads the text of /proc/kallsyms, in any order, to its end. It keeps
// text symbols (types T, t, W, w). Memory is bounded whatever the input.
//
// Errors are those of r, or wrap ErrHidden, ErrNoSymbols, ErrSyntax or
// ErrTooLarge.
func Load(r io.Reader, opts Options) (*Table, error) {
	return load(r, opts, defaultLimits())
}

func load(r io.Reader, opts Options, lim limits) (*Table, error) {
	l := newLoader(opts, lim)
	if err := l.read(r, func() bool { return false }); err != nil {
		return nil, err
	}
	t, err := l.finish()
	if err != nil {
		return nil, fmt.Errorf("load kernel symbols: %w", err)
	}
	return t, nil
}

// hiddenAfter is how many text symbols without an address show that all are hidden.
const hiddenAfter = 100

// Check reads no more of /proc/kallsyms than is needed to tell whether Load would
// find addresses in it. Its errors are those of Load.
func Check(r io.Reader) error {
	l := newLoader(Options{}, defaultLimits())
	if err := l.read(r, func() bool { return l.visible || l.hidden > hiddenAfter }); err != nil {
		return err
	}
	if _, err := l.finish(); err != nil {
		return fmt.Errorf("load kernel symbols: %w", err)
	}
	return nil
}

// read takes lines to the end of r, or until enough says so.
func (l *loader) read(r io.Reader, enough func() bool) error {
	br := bufio.NewReaderSize(r, maxLine)
	for line := 1; !enough(); line++ {
		b, err := br.ReadSlice('\n')
		if err != nil && err != io.EOF {
			if errors.Is(err, bufio.ErrBufferFull) {
				err = ErrSyntax
			}
			return fmt.Errorf("load kernel symbols: line %d: %w", line, err)
		}
		if b = bytes.TrimSuffix(b, []byte("\n")); len(b) > 0 {
			if err := l.line(b); err != nil {
				return fmt.Errorf("load kernel symbols: line %d: %w", line, err)
			}
		}
		if err == io.EOF {
			break
		}
	}
	return nil
}

// loader fills a table line by line.
type loader struct {
	t    *Table
	max  limits
	want map[string]bool
	lens uint64 // bit n: a wanted name has n (modulo 64) bytes
	// Entries of the main segment, and bytes of names in all.
	entries, names int

	seen     bool // a text symbol
	visible  bool // a text symbol that has an address
	hidden   int  // text symbols that have none
	modIndex map[string]uint16
	lastMod  uint16

	// late holds what came below the main segment's end.
	late      []lateSymbol
	lateNames []byte
}

type lateSymbol struct {
	addr      uint64
	off, size uint32 // of the name; size 0 marks a gap
	mod       uint16
}

func newLoader(opts Options, lim limits) *loader {
	l := &loader{
		max:      lim,
		t:        &Table{modules: []string{""}, wanted: make(map[string]uint64, len(opts.Want))},
		want:     make(map[string]bool, len(opts.Want)),
		modIndex: map[string]uint16{},
	}
	for _, name := range opts.Want {
		l.want[name] = true
		l.lens |= 1 << (len(name) % 64)
	}
	return l
}

// line takes one line: 16 hex digits, a space, the type letter, a space, the
// name, and for a module a tab and its name in brackets (s_show in
// kernel/kallsyms.c). What a later kernel may append is left aside.
func (l *loader) line(b []byte) error {
	addr, n := hexDigits(b)
	if n == 0 || len(b) < n+4 || b[n] != ' ' || b[n+2] != ' ' {
		return ErrSyntax
	}
	typ, name := b[n+1], b[n+3:]
	var module []byte
	if i := bytes.IndexByte(name, '\t'); i >= 0 {
		name, module = name[:i], name[i+1:]
	}
	if len(name) == 0 || len(name) > maxName {
		return ErrSyntax
	}

	if l.lens&(1<<(len(name)%64)) != 0 && l.want[string(name)] {
		if _, ok := l.t.wanted[string(name)]; !ok {
			l.t.wanted[string(name)] = addr
		}
	}
	switch typ {
	case 'T', 't', 'W', 'w':
		l.seen = true
		if addr == 0 {
			l.hidden++
			return nil
		}
		l.visible = true
		if bytes.HasPrefix(name, []byte(padding)) {
			return l.entry(addr, nil, 0)
		}
		mod, err := l.module(module)
		if err != nil {
			return err
		}
		return l.entry(addr, name, mod)
	case 'D', 'd', 'B', 'b', 'R', 'r':
		// Not A: absolute symbols need not be addresses.
		return l.entry(addr, nil, 0)
	}
	return nil
}

// entry takes a text symbol, or a gap if name is empty.
func (l *loader) entry(addr uint64, name []byte, mod uint16) error {
	main := &l.t.main
	if main.used && addr < main.last {
		return l.putOff(addr, name, mod)
	}
	if main.add(addr, name, mod) {
		l.entries++
		l.names += len(name)
		if len(name) > 0 {
			l.t.symbols++
		}
	}
	if l.entries > l.max.entries || l.names > l.max.names {
		return ErrTooLarge
	}
	return nil
}

// putOff keeps what came below the main segment's end until all is there.
func (l *loader) putOff(addr uint64, name []byte, mod uint16) error {
	l.names += len(name)
	if len(l.late) == l.max.late || l.names > l.max.names {
		return ErrTooLarge
	}
	off := uint32(len(l.lateNames))
	l.lateNames = append(l.lateNames, name...)
	l.late = append(l.late, lateSymbol{addr, off, uint32(len(name)), mod})
	return nil
}

// module returns the index of a module's name as the line has it, with brackets.
func (l *loader) module(b []byte) (uint16, error) {
	if i := bytes.IndexByte(b, ']'); i >= 0 {
		b = b[:i]
	}
	b = bytes.TrimPrefix(b, []byte("["))
	if len(b) == 0 {
		return 0, nil
	}
	if string(b) == l.t.modules[l.lastMod] {
		return l.lastMod, nil
	}
	i, ok := l.modIndex[string(b)]
	if !ok {
		if len(l.t.modules) > maxModules {
			return 0, ErrTooLarge
		}
		if l.names += len(b); l.names > l.max.names {
			return 0, ErrTooLarge
		}
		i = uint16(len(l.t.modules))
		name := string(b)
		l.t.modules = append(l.t.modules, name)
		l.modIndex[name] = i
	}
	l.lastMod = i
	return i, nil
}

func (l *loader) finish() (*Table, error) {
	if !l.seen {
		return nil, ErrNoSymbols
	}
	if !l.visible {
		return nil, ErrHidden
	}
	// Stable: of symbols with one address the first in the input counts.
	slices.SortStableFunc(l.late, func(a, b lateSymbol) int { return cmp.Compare(a.addr, b.addr) })
	for _, s := range l.late {
		if l.t.rest.add(s.addr, l.lateNames[s.off:s.off+s.size], s.mod) && s.size > 0 {
			l.t.symbols++
		}
	}
	return l.t, nil
}

// hexDigits reads up to 16 hex digits and returns how many there were.
func hexDigits(b []byte) (v uint64, n int) {
	for n < len(b) && n < 16 {
		switch c := b[n]; {
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return v, n
		}
		n++
	}
	return v, n
}
