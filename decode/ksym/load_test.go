// SPDX-License-Identifier: Apache-2.0

package ksym

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// The symbols of a Debian 7.2 kernel around those of its OOM traces, and those
// of a module, in the kernel's order.
func sample(t testing.TB, opts Options) *Table {
	t.Helper()
	text, err := os.ReadFile("testdata/kallsyms-7.2")
	if err != nil {
		t.Fatal(err)
	}
	return mustLoad(t, string(text), opts)
}

func mustLoad(t testing.TB, text string, opts Options) *Table {
	t.Helper()
	table, err := Load(iotest.HalfReader(strings.NewReader(text)), opts)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestResolve(t *testing.T) {
	const mod = "\t[m]"
	table := mustLoad(t, strings.Join([]string{
		"0000000000000000 A absolute",
		"ffffffff81000000 T first",
		"ffffffff81000000 T alias",
		"ffffffff81000100 t __pfx_second",
		"ffffffff81000110 t second",
		"ffffffff81000200 W weak",
		"ffffffff81300000 T _etext",
		"ffffffff81300000 D at_etext",
		"ffffffff81301000 d data",
		"ffffffff81302000 T init",
		"ffffffffc0001000 t exit_m" + mod,
		"ffffffffc0001000 t cleanup_module" + mod,
		"ffffffffc0003000 d m_data" + mod,
		"ffffffffc0000000 t m_fn" + mod, // below the one before
		"ffffffffc0000800 r m_const" + mod,
		"ffffffffc0002000 t bpf_prog_0123456789abcdef_p\t[bpf]",
		"ffffffffc0004000 t last\t[n]",
	}, "\n"), Options{})

	for _, c := range []struct {
		addr uint64
		want string // name+offset module, empty: not resolved
	}{
		{0, ""},
		{0xffffffff80ffffff, ""},
		{0xffffffff81000000, "first+0x0 "},
		{0xffffffff810000ff, "first+0xff "},
		{0xffffffff81000100, ""}, // padding
		{0xffffffff8100010f, ""},
		{0xffffffff81000110, "second+0x0 "},
		{0xffffffff81000200, "weak+0x0 "},
		{0xffffffff81100200, "weak+0x100000 "},
		{0xffffffff81100201, ""}, // too far
		{0xffffffff81300000, "_etext+0x0 "},
		{0xffffffff81301000, ""}, // data
		{0xffffffff81302000, "init+0x0 "},
		{0xffffffffbfffffff, ""},
		{0xffffffffc0000000, "m_fn+0x0 m"},
		{0xffffffffc00007ff, "m_fn+0x7ff m"},
		{0xffffffffc0000800, ""},
		{0xffffffffc0001000, "exit_m+0x0 m"},
		{0xffffffffc0001fff, "exit_m+0xfff m"},
		{0xffffffffc0002000, "bpf_prog_0123456789abcdef_p+0x0 bpf"},
		{0xffffffffc0002fff, "bpf_prog_0123456789abcdef_p+0xfff bpf"},
		{0xffffffffc0003000, ""},
		{0xffffffffc0004000, "last+0x0 n"},
		{0xffffffffc0004001, ""}, // its end is not known
		{^uint64(0), ""},
	} {
		if got := resolve(table, c.addr); got != c.want {
			t.Errorf("%#x: %q, want %q", c.addr, got, c.want)
		}
	}
	if table.Len() != 9 {
		t.Errorf("%d symbols", table.Len())
	}
}

func resolve(table *Table, addr uint64) string {
	sym, off, module, ok := table.Resolve(addr)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s+%#x %s", sym, off, module)
}

func TestAddress(t *testing.T) {
	table := sample(t, Options{Want: []string{"__per_cpu_offset", "out_of_memory", "no_such_symbol", "__this_module"}})
	for name, want := range map[string]uint64{
		"__per_cpu_offset": 0xffffffff88e960e0, // D
		"out_of_memory":    0xffffffff87aa4410, // T
		"__this_module":    0xffffffffc036c700, // d, of a module
	} {
		if got, ok := table.Address(name); !ok || got != want {
			t.Errorf("%s: %#x, %v; want %#x", name, got, ok, want)
		}
	}
	for _, name := range []string{"no_such_symbol", "oom_kill_process"} {
		if got, ok := table.Address(name); ok {
			t.Errorf("%s: %#x", name, got)
		}
	}
	if addr, ok := mustLoad(t, "1000 T a\n2000 d x\n3000 d x\t[m]\n", Options{Want: []string{"x"}}).Address("x"); !ok || addr != 0x2000 {
		t.Errorf("of two: %#x, %v", addr, ok)
	}
	if _, ok := (*Table)(nil).Address("a"); ok {
		t.Error("a nil table knows an address")
	}
}

func TestLoadErrors(t *testing.T) {
	long := strings.Repeat("x", maxName+1)
	for name, c := range map[string]struct {
		in   io.Reader
		want error
	}{
		"empty":         {strings.NewReader(""), ErrNoSymbols},
		"no text":       {strings.NewReader("1000 d data\n"), ErrNoSymbols},
		"hidden":        {strings.NewReader("0000000000000000 T _text\n0000000000000000 t a\n"), ErrHidden},
		"not kallsyms":  {strings.NewReader("1000 T a\nhello\n"), ErrSyntax},
		"no name":       {strings.NewReader("1000 T \n"), ErrSyntax},
		"no type":       {strings.NewReader("1000  a\n"), ErrSyntax},
		"17 digits":     {strings.NewReader("10000000000000000 T a\n"), ErrSyntax},
		"binary":        {bytes.NewReader([]byte{0, 1, 2, 255, '\n'}), ErrSyntax},
		"long name":     {strings.NewReader("1000 T " + long + "\n"), ErrSyntax},
		"one long line": {strings.NewReader(strings.Repeat("f", maxLine+1)), ErrSyntax},
		"reader fails":  {iotest.ErrReader(io.ErrClosedPipe), io.ErrClosedPipe},
		"fails later":   {io.MultiReader(strings.NewReader("1000 T a\n"), iotest.ErrReader(io.ErrClosedPipe)), io.ErrClosedPipe},
	} {
		table, err := Load(c.in, Options{Want: []string{"x"}})
		if !errors.Is(err, c.want) || table != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	_, err := Load(strings.NewReader("1000 T a\n2000 T b\nhello\n"), Options{})
	if err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("%v: does not name line 3", err)
	}
}

// endless yields lines without end.
type endless struct {
	line func(i uint64) string
	i    uint64
	rest string
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if e.rest == "" {
			e.rest = e.line(e.i)
			e.i++
		}
		c := copy(p[n:], e.rest)
		e.rest = e.rest[c:]
		n += c
	}
	return n, nil
}

// Endless input ends in an error, whatever it is that grows.
func TestLoadIsBounded(t *testing.T) {
	name := strings.Repeat("n", maxName)
	small := limits{entries: 5000, late: 5000, names: 50_000}
	for what, c := range map[string]struct {
		limits limits
		line   func(i uint64) string
	}{
		"as it is":   {defaultLimits(), func(i uint64) string { return fmt.Sprintf("%x t f\n", 1<<40+i<<4) }},
		"ascending":  {small, func(i uint64) string { return fmt.Sprintf("%x t f\n", 1<<40+i<<4) }},
		"descending": {small, func(i uint64) string { return fmt.Sprintf("%x t f\n", 1<<40-i) }},
		"far apart":  {small, func(i uint64) string { return fmt.Sprintf("%x t f\n", (i+1)<<33) }},
		"names":      {small, func(i uint64) string { return fmt.Sprintf("%x t %s\n", 1<<40+i, name) }},
		"low names":  {small, func(i uint64) string { return fmt.Sprintf("%x t %s\n", 1<<40-i, name) }},
		"data":       {small, func(i uint64) string { return fmt.Sprintf("%x t f\n%x d g\n", uint64(1<<40), 1<<40+i) }},
		"low data":   {small, func(i uint64) string { return fmt.Sprintf("%x t f\n%x d g\n", uint64(1<<40), 1<<40-i-1) }},
		"modules":    {small, func(i uint64) string { return fmt.Sprintf("%x t f\t[m%d]\n", uint64(1<<40), i) }},
		"padding":    {small, func(i uint64) string { return fmt.Sprintf("%x t f\n%x t __pfx_f\n", uint64(1<<40), 1<<40-i-1) }},
	} {
		r := &endless{line: c.line}
		if _, err := load(r, Options{}, c.limits); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v after %d lines", what, err, r.i)
		}
	}
}

// naive is what Table does, the plain way.
type naive []naiveSymbol

type naiveSymbol struct {
	addr         uint64
	name, module string // name empty: a gap
}

// text must be what Load takes.
func newNaive(text string) naive {
	var all naive
	for line := range strings.Lines(text) {
		digits, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		typ, rest, _ := strings.Cut(rest, " ")
		name, module, _ := strings.Cut(rest, "\t")
		module, _, _ = strings.Cut(module, "]")
		addr, err := strconv.ParseUint(digits, 16, 64)
		if err != nil || typ == "" {
			continue
		}
		s := naiveSymbol{addr, name, strings.TrimPrefix(module, "[")}
		switch {
		case s.addr == 0 && strings.Contains("TtWw", typ):
			continue
		case strings.Contains("DdBbRr", typ), strings.Contains("TtWw", typ) && strings.HasPrefix(s.name, "__pfx_"):
			s.name, s.module = "", ""
		case !strings.Contains("TtWw", typ):
			continue
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b naiveSymbol) int {
		return cmp.Or(cmp.Compare(a.addr, b.addr), -cmp.Compare(min(len(a.name), 1), min(len(b.name), 1)))
	})
	return slices.CompactFunc(all, func(a, b naiveSymbol) bool { return a.addr == b.addr })
}

func (n naive) resolve(addr uint64) string {
	i, ok := slices.BinarySearchFunc(n, addr, func(s naiveSymbol, a uint64) int { return cmp.Compare(s.addr, a) })
	if !ok {
		i--
	}
	if i < 0 || n[i].name == "" || addr-n[i].addr > 1<<20 || i == len(n)-1 && addr != n[i].addr {
		return ""
	}
	return fmt.Sprintf("%s+%#x %s", n[i].name, addr-n[i].addr, n[i].module)
}

func compare(t *testing.T, table *Table, want naive, step int) {
	t.Helper()
	bad := 0
	for i := 0; i < len(want) && bad < 10; i += step {
		s := want[i]
		for _, addr := range []uint64{s.addr - 1, s.addr, s.addr + 1, s.addr + 1<<20, s.addr + 1<<20 + 1} {
			if got, want := resolve(table, addr), want.resolve(addr); got != want {
				t.Errorf("%#x: %q, want %q", addr, got, want)
				bad++
			}
		}
	}
}

// Any order of lines, addresses near and far, aliases and gaps: the table says
// what a plain list says.
func TestResolveLikeAPlainList(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		scale := []uint64{4, 1 << 8, 1 << 24, 1 << 60}[r.IntN(4)]
		disorder := r.IntN(3) * 10
		var lines []string
		addr := r.Uint64N(scale)
		for i := range 1 + r.IntN(300) {
			addr += r.Uint64N(scale)
			at := addr
			if r.IntN(100) < disorder {
				at -= r.Uint64N(min(addr+1, 300*scale))
			}
			line := fmt.Sprintf("%016x %c f%d", at, "TtWwdrBA"[r.IntN(8)], i)
			if i%7 == 0 {
				line = strings.Replace(line, " f", " __pfx_f", 1)
			}
			if i/20%2 == 1 {
				line += fmt.Sprintf("\t[m%d]", i/20)
			}
			lines = append(lines, line+"\n")
		}
		text := strings.Join(lines, "")
		table, err := Load(strings.NewReader(text), Options{})
		if errors.Is(err, ErrNoSymbols) || errors.Is(err, ErrHidden) {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		compare(t, table, newNaive(text), 1)
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, text)
		}
	}
}

func TestLoadOfThisMachine(t *testing.T) {
	text, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Skip(err)
	}
	table, err := Load(bytes.NewReader(text), Options{})
	if errors.Is(err, ErrHidden) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	compare(t, table, newNaive(string(text)), 17)
}

// kernelText is shaped like the symbols of a Debian 7.2 kernel with modules:
// 187,000 lines, 85,000 functions, most with padding in front, names of 22 bytes
// on average, data behind.
func kernelText() []byte {
	r := rand.New(rand.NewPCG(7, 2))
	var b bytes.Buffer
	addr := uint64(0xffffffff81000000)
	name := make([]byte, 0, 64)
	for i := range 85_000 {
		name = fmt.Appendf(name[:0], "f%d_", i)
		for n := 4 + r.IntN(24); n > 0; n-- {
			name = append(name, byte('a'+r.IntN(26)))
		}
		if i%3 > 0 {
			fmt.Fprintf(&b, "%x t __pfx_%s\n", addr, name)
			addr += 16
		}
		fmt.Fprintf(&b, "%x t %s\n", addr, name)
		addr += 16 + r.Uint64N(512)
	}
	for i := range 45_000 {
		fmt.Fprintf(&b, "%x d data_%d\n", addr, i)
		addr += 8
	}
	return b.Bytes()
}

// The table of a large kernel stays in 4 MiB, and reading it takes few
// allocations and hardly more memory than stays.
func TestTableIsSmall(t *testing.T) {
	text := kernelText()
	var before, loaded, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	table, err := Load(bytes.NewReader(text), Options{Want: []string{"data_7"}})
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&loaded)
	runtime.GC()
	runtime.ReadMemStats(&after)
	resident := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	total := loaded.TotalAlloc - before.TotalAlloc
	mallocs := loaded.Mallocs - before.Mallocs
	t.Logf("%d lines, %d symbols: %d KiB resident, %d KiB allocated in %d allocations",
		bytes.Count(text, []byte("\n")), table.Len(), resident>>10, total>>10, mallocs)
	if table.Len() != 85_000 {
		t.Errorf("%d symbols", table.Len())
	}
	if resident > 4<<20 || total > 5<<20 || mallocs > 1000 {
		t.Error("more than 4 MiB resident, 5 MiB or 1000 allocations in all")
	}
	runtime.KeepAlive(text)
}

func BenchmarkLoad(b *testing.B) {
	text := kernelText()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(bytes.NewReader(text), Options{Want: []string{"data_7"}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	table, err := Load(bytes.NewReader(kernelText()), Options{})
	if err != nil {
		b.Fatal(err)
	}
	addr := uint64(0xffffffff81000000)
	for b.Loop() {
		addr += 4099
		if addr > 0xffffffff81a00000 {
			addr = 0xffffffff81000000
		}
		table.Resolve(addr)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("ffffffff81000000 T a\nffffffff81000010 t b\t[m]\nffffffff80000000 t c\n"), uint64(0xffffffff81000001))
	f.Add([]byte("0000000000000000 T a\n"), uint64(0))
	f.Add([]byte("1 d x\n2 T y\n1 T z\n"), uint64(1))
	if text, err := os.ReadFile("testdata/kallsyms-7.2"); err == nil {
		f.Add(text, uint64(0xffffffff87aa4641))
	}
	f.Fuzz(func(t *testing.T, text []byte, addr uint64) {
		table, err := Load(bytes.NewReader(text), Options{Want: []string{"x"}})
		if err != nil {
			return
		}
		compare(t, table, newNaive(string(text)), 1)
		Trace([]uint64{addr, addr + 1, addr * 2}, table)
	})
}

// Check tells hidden addresses from the first lines alone, and takes the zeros of
// per-CPU symbols for what they are.
func TestCheck(t *testing.T) {
	hidden := strings.Repeat("0000000000000000 T hidden\n", 2*hiddenAfter)
	for name, tt := range map[string]struct {
		text string
		want error
		left bool // not read to the end
	}{
		"shown":   {"0000000000000000 A per_cpu\nffffffff81000000 T _text\n", nil, false},
		"hidden":  {hidden, ErrHidden, false},
		"enough":  {hidden + strings.Repeat("no line\n", maxLine), ErrHidden, true},
		"at once": {"ffffffff81000000 T _text\n" + strings.Repeat("no line\n", maxLine), nil, true},
		"none":    {"ffffffff81000000 D data\n", ErrNoSymbols, false},
		"empty":   {"", ErrNoSymbols, false},
		"syntax":  {"no line\n", ErrSyntax, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := strings.NewReader(tt.text)
			if err := Check(r); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if left := r.Len() > 0; left != tt.left {
				t.Errorf("%d bytes left", r.Len())
			}
		})
	}
}
