// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// runtime writes "1P text", a piece of the first output, or "2F text", the last piece of
// a line of the second, as a container's runtime does.
type runtime struct {
	name  string
	write func(piece string) string
}

var runtimes = []runtime{
	{"CRI", func(p string) string {
		return "2026-06-20T10:47:05.123456789Z " + map[byte]string{'1': "stdout", '2': "stderr"}[p[0]] + " " + p[1:2] + " " + p[3:] + "\n"
	}},
	{"docker", func(p string) string {
		end := map[byte]string{'P': "", 'F': "\n"}[p[1]]
		line := docker(p[3:], end)
		if p[0] == '2' {
			line = strings.Replace(line, `"stream":"stdout"`, `"stream":"stderr"`, 1)
		}
		return line
	}},
}

// What a container writes to one output does not get between the pieces of the other.
func TestScannerPiecesOfTwoOutputs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pieces []string
		want   []string // line and text
	}{
		{"one whole line amid", []string{"1P [    1.0", "2F [    2.000000] b", "1F 00000] a"}, []string{"2 b", "1 a"}},
		{"in turns", []string{"1P [    1.0", "2P [    2.", "1P 0000", "2P 00000", "1F 0] a", "2F 0] b"}, []string{"1 a", "2 b"}},
		{"the second ends first", []string{"2P [    1.0", "1P [    2.", "1F 000000] b", "2F 00000] a"}, []string{"2 b", "1 a"}},
		{"whole lines of one amid", []string{"1F [    1.000000] a", "2P [    2.", "1F [    3.000000] c", "1F [    4.000000] d", "2F 000000] b", "1F [    5.000000] e"}, []string{"1 a", "3 c", "4 d", "2 b", "6 e"}},
		{"a second line of it", []string{"1P [    1.000000] a", "2F [    2.000000] b", "1F c", "1P [    3.00", "2F [    4.000000] d", "1F 0000] e"}, []string{"2 b", "1 ac", "5 d", "4 e"}},
		{"neither ends", []string{"1F [    1.000000] a", "2P [    3.000000] c", "1P [    2.000000] b"}, []string{"1 a", "2 c", "3 b"}},
		{"one never ends", []string{"2P [    1.000000] a", "1F [    2.000000] b", "1P [    3.00", "1F 0000] c", "1F [    4.000000] d"}, []string{"2 b", "3 c", "5 d", "1 a"}},
		{"nothing in the first", []string{"1P ", "2F [    2.000000] b", "1F [    1.000000] a"}, []string{"2 b", "1 a"}},
		{"text of a record", []string{"1F [    1.000000] a", "2P b", "1F [    2.000000] c", "2F d", "1F [    3.000000] e"}, []string{"1 a", "3 c\nbd", "5 e"}},
	} {
		for _, rt := range runtimes {
			t.Run(tt.name+"/"+rt.name, func(t *testing.T) {
				var log strings.Builder
				for _, p := range tt.pieces {
					log.WriteString(rt.write(p))
				}
				var got []string
				for _, r := range scan(t, log.String()) {
					got = append(got, fmt.Sprintf("%d %s", r.Line, r.Text))
				}
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
			})
		}
	}
}

// A whole kernel log on one output, in pieces, beside a program's chatter on the other,
// in pieces too: each record of the log comes as it does alone.
func TestScannerPiecesBesideChatter(t *testing.T) {
	_, records := recorded(t)
	for _, rt := range runtimes {
		for chatter := range 4 { // where the pieces of the other output stand
			var log strings.Builder
			var want []string
			for i, r := range records {
				line := fmt.Sprintf("%d,%d,%d,-;%s", r.prio, r.seq, r.usec, strings.ReplaceAll(r.text, "\n", `\x0a`))
				noise := fmt.Sprintf("6,%d,%d,-;noise %d", 10_000+i, r.usec, i)
				third, half := len(line)/3, len(noise)/2
				steps := []string{"1P " + line[:third], "1P " + line[third:2*third], "1F " + line[2*third:]}
				at := min(chatter, 2)
				steps = append(steps[:at:at], append([]string{"2P " + noise[:half]}, steps[at:]...)...)
				steps = append(steps, "2F "+noise[half:])
				for _, p := range steps {
					log.WriteString(rt.write(p))
				}
				want = append(want, r.text, fmt.Sprintf("noise %d", i))
			}
			var got []string
			for _, r := range scan(t, log.String()) {
				got = append(got, r.Text)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("%s, %d (-want +got):\n%s", rt.name, chatter, d)
			}
		}
	}
}

// A line is put back to be read again, or many are: its pieces are too, and those of the
// other output stay.
func TestScannerPiecesAreReadAgain(t *testing.T) {
	cri := runtimes[0].write
	write := func(pieces ...string) (log string) {
		for _, p := range pieces {
			log += cri(p)
		}
		return log
	}
	long := strings.Repeat("x", 300)
	dmesg := write("1F [    1.000000] a", "1F [    2.000000] b", "1F [    3.000000] c")
	for _, tt := range []struct {
		name, log string
		want      []string
		cut       int64
	}{
		// The framing is looked for anew behind c, with a piece of before and one of after.
		{"a run of foreign lines", dmesg + write("2P he", "1F  d") + write("1F "+long, "1F "+long, "1P "+long, "1F y", "1F "+long, "2F ad", "1F e"),
			[]string{"a", "b", "c", " d", long, long, long + "y", long, "head", "e"}, 0},
		{"whose end comes amid", dmesg + write("2P he", "1F                d") + write("2F ad", "1F "+long, "1F "+long, "1F "+long, "1F "+long, "1F e"),
			[]string{"a", "b", "c\nd", "head", long, long, long, long, "e"}, 0},
		// What stands there of it was the beginning of a line that is gone.
		{"and another begins", dmesg + write("2P he", "1F                d") + write("2F ad", "2P x", "1F "+long, "1F "+long, "1F "+long, "2F y", "1F "+long, "1F e"),
			[]string{"a", "b", "c\nd", "ad", long, long, long, "xy", long, "e"}, 1},
		{"no container's behind", dmesg + write("2P h", "1P i") + "[    4.000000] d\n[    5.000000] e\n", []string{"a", "b", "c", "h", "i", "d", "e"}, 0},
		{"another runtime's behind", dmesg + write("1P h") + docker("[    4.000000] d", "\n") + docker("[    5.000000] e", "\n"), []string{"a", "b", "c", "h", "d", "e"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			s := kmsg.NewScanner(strings.NewReader(tt.log))
			for r, err := s.Next(); err == nil; r, err = s.Next() {
				got = append(got, string(r.Text))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if st := s.Stats(); st.Cut != tt.cut {
				t.Errorf("%+v, want %d cut", st, tt.cut)
			}
		})
	}
}

// Pieces without end take no more room than one line each.
func TestScannerPiecesAreBounded(t *testing.T) {
	for _, rt := range runtimes {
		piece := strings.Repeat("y", 1<<10)
		log := rt.write("1P [    1.000000] ") + rt.write("2P [    2.000000] ")
		log += strings.Repeat(rt.write("1P "+piece)+rt.write("2P "+piece), 1000)
		log += rt.write("1F z") + rt.write("2F z")
		s := kmsg.NewScanner(strings.NewReader(log))
		want := strings.Repeat(piece, 64)[:64<<10-len("[    1.000000] ")]
		for i := range 2 {
			if r, err := s.Next(); err != nil || string(r.Text) != want {
				t.Fatalf("%s, %d: %v, %d bytes", rt.name, i, err, len(r.Text))
			}
		}
		if st := s.Stats(); st.Cut != 2 {
			t.Errorf("%s: %+v, want 2 cut", rt.name, st)
		}
	}
}

// Two outputs in pieces take no more memory for more lines.
func TestScannerPiecesAllocations(t *testing.T) {
	for _, rt := range runtimes {
		turn := rt.write("1P [    1.0") + rt.write("2P [    2.0") + rt.write("1F 00000] a") + rt.write("2F 00000] b")
		count := func(turns int) float64 {
			log := strings.Repeat(turn, turns)
			return testing.AllocsPerRun(5, func() {
				s := kmsg.NewScanner(strings.NewReader(log))
				for _, err := s.Next(); err == nil; {
					_, err = s.Next()
				}
			})
		}
		if few, many := count(10), count(1000); many > few {
			t.Errorf("%s: %v allocations of 10 turns, %v of 1000", rt.name, few, many)
		}
	}
}
