// SPDX-License-Identifier: Apache-2.0

package printfmt

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// kernels whose vmscan/mm_vmscan_direct_reclaim_begin/format is in testdata. A
// .golden beside it has the table as a C compiler evaluates it.
var kernels = []string{"5.10", "6.1", "6.12", "7.2"}

func testdata(t testing.TB, kernel, ext string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/direct_reclaim_begin-" + kernel + ext)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func gfp(t testing.TB, kernel string) FlagNames {
	t.Helper()
	n, err := Flags(testdata(t, kernel, ".format"), "gfp_flags")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func dump(n FlagNames) string {
	var b strings.Builder
	for _, f := range n.flags {
		fmt.Fprintf(&b, "%#x %s\n", f.mask, f.name)
	}
	return b.String()
}

func TestFlagsAsCompiled(t *testing.T) {
	for _, k := range kernels {
		n := gfp(t, k)
		if diff := cmp.Diff(string(testdata(t, k, ".golden")), dump(n)); diff != "" {
			t.Errorf("%s: -want +got\n%s", k, diff)
		}
		if n.Skipped() != 0 {
			t.Errorf("%s: %d entries skipped", k, n.Skipped())
		}
	}
}

// TestNamesAsLogged has what the same kernels logged as gfp_mask=0x…(…).
func TestNamesAsLogged(t *testing.T) {
	for _, c := range []struct {
		kernel string
		mask   uint64
		want   string
	}{
		{"5.10", 0xcc0, "GFP_KERNEL"},
		{"5.10", 0x100dca, "GFP_HIGHUSER_MOVABLE|__GFP_ZERO"},
		{"6.1", 0xcc0, "GFP_KERNEL"},
		{"6.1", 0x140dca, "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"},
		{"6.12", 0xcc0, "GFP_KERNEL"},
		{"6.12", 0x140dca, "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"},
		{"7.2", 0xcc0, "GFP_KERNEL"},
		{"7.2", 0x140dca, "GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP"},
	} {
		if got := strings.Join(gfp(t, c.kernel).Names(c.mask), "|"); got != c.want {
			t.Errorf("%s: %#x is %q, want %q", c.kernel, c.mask, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	table := FlagNames{flags: []flag{{3, "AB"}, {1, "A"}, {0, "NONE"}, {4, "C"}}}
	for _, c := range []struct {
		names FlagNames
		mask  uint64
		want  []string
	}{
		{table, 0, nil},
		{table, 1, []string{"A"}},
		{table, 3, []string{"AB"}},
		{table, 2, []string{"NONE", "0x2"}},
		{table, 7, []string{"AB", "NONE", "C"}},
		{table, 1<<63 | 0xf5, []string{"A", "NONE", "C", "0x80000000000000f0"}},
		{FlagNames{}, 0, nil},
		{FlagNames{}, 0xcc0, []string{"0xcc0"}},
	} {
		if got := c.names.Names(c.mask); !slices.Equal(got, c.want) {
			t.Errorf("%#x is %q, want %q", c.mask, got, c.want)
		}
	}
}

func TestConstants(t *testing.T) {
	for _, c := range []struct {
		expr string
		want uint64
		ok   bool
	}{
		{"10", 10, true},
		{"0x1Ful", 31, true},
		{"017", 15, true},
		{"0b101", 5, true},
		{"0", 0, true},
		{"0xffffffffffffffffULL", 1<<64 - 1, true},
		{"1 | 2 ^ 3 & 6 << 1 + 1", 1 | (2 ^ (3 & (6 << (1 + 1)))), true},
		{"16 >> 1 >> 1", 4, true},
		{"10 - 3 - 2", 5, true},
		{"~0x0fu & 0xff", 0xf0, true},
		{"-1 & 7", 7, true},
		{"- - +3", 3, true},
		{"( gfp_t)(0x400u|0x800u)", 0xc00, true},
		{"(unsigned long)(((1UL)) << (10))", 1 << 10, true},
		{"(struct x *)8", 8, true},
		{"(unsigned long)-1", 1<<64 - 1, true},
		{"(gfp_t)~0 & 3", 3, true},
		{"(u32)((((1UL))) << (31))", 1 << 31, true},
		{"1<<63", 1 << 63, true},
		// Values that the text does not tell.
		{"ENUMERATOR", 0, false},
		{"(ENUMERATOR)", 0, false},
		{"(ENUMERATOR) - 1", 0, false},
		{"1 << BIT", 0, false},
		{"BIT(3, 4)", 0, false},
		{"1 ? 2 : 3", 0, false},
		{"1 && 2", 0, false},
		{"2 * 3", 0, false},
		{"sizeof(long)", 0, false},
		{"1 << 64", 0, false},
		{"1 >> -1", 0, false},
		{"0x10000000000000000", 0, false},
		{"1_000", 0, false},
		{"0o17", 0, false},
		{"08", 0, false},
		{"1.5", 0, false},
		{"1 2", 0, false},
		{"1 |", 0, false},
		{"", 0, false},
		{"'a'", 0, false},
	} {
		n, err := Flags([]byte(`print fmt: "", __print_flags(REC->f, "|", {`+c.expr+`, "X"}, {1, "Y"})`), "f")
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		want, skipped := []flag{{c.want, "X"}, {1, "Y"}}, 0
		if !c.ok {
			want, skipped = want[1:], 1
		}
		if !slices.Equal(n.flags, want) || n.Skipped() != skipped {
			t.Errorf("%s: %v and %d skipped, want %v and %d", c.expr, n.flags, n.Skipped(), want, skipped)
		}
	}
}

func TestTables(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"value in parentheses", `__print_flags((REC->f), "|", {1, "A"})`, "0x1 A\n"},
		{"value under casts", `__print_flags((unsigned long)((u32)(REC->f)), "|", {1, "A"})`, "0x1 A\n"},
		{"other fields", `__print_flags(REC->ff, "|", {1, "A"}), __print_flags(REC->f, "", {2, "B"})`, "0x2 B\n"},
		{"first of two", `__print_flags(REC->f, "|", {1, "A"}), __print_flags(REC->f, "|", {2, "B"})`, "0x1 A\n"},
		{"in a string", `"__print_flags(REC->f, \"|\", {1, \"A\"})", __print_flags(REC->f, "|", {2, "B"})`, "0x2 B\n"},
		{"expressions of the field", `__print_flags(REC->f & 7, "|", {1, "A"}), __print_flags((REC->f), "|", {2, "B"})`, "0x2 B\n"},
		{"own end", `__print_flags(REC->f, "|", {1, "A"}, { 0, ((void *)0) } )`, "0x1 A\n"},
		{"own end, short", `__print_flags(REC->f, "|", {1, "A"}, { -1, NULL })`, "0x1 A\n"},
		{"escapes", `__print_flags(REC->f, "|", {1, "a\"\\\t}"})`, "0x1 a\"\\\t}\n"},
		{"literals in a row", `__print_flags(REC->f, "|" "", {1, "A" "B"})`, "0x1 AB\n"},
		{"empty", `__print_flags(REC->f, "|")`, ""},
	} {
		n, err := Flags([]byte("name: x\nprint fmt: \"\", "+c.text+"\n"), "f")
		if got := dump(n); err != nil || got != c.want {
			t.Errorf("%s: %q and error %v, want %q", c.name, got, err, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	flags := func(s string) string { return `print fmt: "", __print_flags(REC->f, ` + s }
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"empty", "", ErrNoPrintFmt},
		{"other lines", "name: x\n print fmt: __print_flags(REC->f, \"\")\n", ErrNoPrintFmt},
		{"no flags", `print fmt: "%d", REC->f`, ErrNoFlags},
		{"symbols", `print fmt: "%s", __print_symbolic(REC->f, {1, "A"})`, ErrNoFlags},
		{"other field", `print fmt: "%s", __print_flags(REC->g, "|", {1, "A"})`, ErrNoFlags},
		{"part of the field", `print fmt: "%s", __print_flags(REC->f & ~1, "|", {1, "A"})`, ErrNoFlags},
		{"unbalanced value", `print fmt: "%s", __print_flags((REC->f, "|", {1, "A"})`, ErrNoFlags},
		{"open string", `print fmt: "`, ErrSyntax},
		{"open escape", `print fmt: "\`, ErrSyntax},
		{"no delimiter", flags(`{1, "A"})`), ErrSyntax},
		{"cut in the table", flags(`"|", {1, "A"}`), ErrSyntax},
		{"cut in an entry", flags(`"|", {1 | `), ErrSyntax},
		{"cut in an unknown", flags(`"|", {A("`), ErrSyntax},
		{"cut before the name", flags(`"|", {1,`), ErrSyntax},
		{"cut in the name", flags(`"|", {1, "A`), ErrSyntax},
		{"no braces", flags(`"|", 1, "A")`), ErrSyntax},
		{"no name", flags(`"|", {1})`), ErrSyntax},
		{"name is no string", flags(`"|", {1, A})`), ErrSyntax},
		{"name is a pointer", flags(`"|", {1, ((void *)8)})`), ErrSyntax},
		{"three parts", flags(`"|", {1, "A", 2})`), ErrSyntax},
		{"unknown escape", flags(`"|", {1, "\z"})`), ErrSyntax},
		{"deep parentheses", flags(`"|", {` + strings.Repeat("(", maxDepth+1)), ErrTooLarge},
		{"deep operators", flags(`"|", {` + strings.Repeat("~", maxDepth+1)), ErrTooLarge},
		{"deep casts", flags(`"|", {` + strings.Repeat("(long)", maxDepth+1)), ErrTooLarge},
		{"many entries", flags(`"|"` + strings.Repeat(`,{1,"A"}`, maxEntries+1) + ")"), ErrTooLarge},
		{"long", strings.Repeat("\n", maxFormat+1), ErrTooLarge},
	} {
		n, err := Flags([]byte(c.text), "f")
		if !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
		if len(n.flags) != 0 || n.skipped != 0 {
			t.Errorf("%s: names beside an error", c.name)
		}
	}
	// What the limits still let in.
	most := flags(`"|", {` + strings.Repeat("(", maxDepth-1) + "1" + strings.Repeat(")", maxDepth-1) + `, "A"}` +
		strings.Repeat(`,{1,"A"}`, maxEntries-1) + ")")
	if n, err := Flags([]byte(most), "f"); err != nil || len(n.flags) != maxEntries {
		t.Errorf("at the limits: %d entries, error %v", len(n.flags), err)
	}
}

// FuzzFlags checks that the names of a mask account for each of its bits.
func FuzzFlags(f *testing.F) {
	for _, k := range kernels {
		f.Add(testdata(f, k, ".format"), "gfp_flags", uint64(0x140dca))
	}
	f.Add([]byte(`print fmt: "", __print_flags((u8)REC->f, "|", {~(A)-1, "A\x41" "B"}, {- 017ul, "C"}, {0, NULL})`), "f", uint64(3))
	f.Fuzz(func(t *testing.T, format []byte, field string, mask uint64) {
		n, err := Flags(format, field)
		if err != nil {
			for _, e := range []error{ErrNoPrintFmt, ErrNoFlags, ErrSyntax, ErrTooLarge} {
				if errors.Is(err, e) {
					return
				}
			}
			t.Fatal("untyped:", err)
		}
		names := n.Names(mask)
		rest, i := mask, 0
		for _, fl := range n.flags {
			if rest == 0 || i == len(names) {
				break
			}
			if rest&fl.mask == fl.mask && names[i] == fl.name {
				rest &^= fl.mask
				i++
			}
		}
		switch {
		case rest == 0 && i == len(names):
		case rest != 0 && i == len(names)-1 && names[i] == fmt.Sprintf("%#x", rest):
		default:
			t.Errorf("%#x is %q, of table\n%s", mask, names, dump(n))
		}
	})
}

func BenchmarkFlags(b *testing.B) {
	format := testdata(b, "7.2", ".format")
	b.SetBytes(int64(len(format)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Flags(format, "gfp_flags"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNames(b *testing.B) {
	n := gfp(b, "7.2")
	b.ReportAllocs()
	for b.Loop() {
		n.Names(0x140dca)
	}
}
