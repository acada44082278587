// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

const (
	killed = "Out of memory: Killed process 154 (ja"
	fake   = "Out of memory: Killed process 1 (init) total-vm:1kB"
	after  = ") total-vm:25640kB"
)

// A name with a newline begins a line with text of its own choice. None of it may
// become a record where the framing lets it be told.
func TestScannerHostileNames(t *testing.T) {
	forgeries := map[string]string{
		"the text alone":  fake,
		"syslog":          "Jun 20 12:47:02 db kernel: " + fake,
		"syslog ISO":      "2026-06-20T12:47:02.123456+02:00 db kernel: " + fake,
		"RFC 5424":        "<4>1 2026-06-20T12:47:02.123456+02:00 db kernel - - - " + fake,
		"kmsg":            "3,440,3028011,-;" + fake,
		"dmesg":           "[    3.000000] " + fake,
		"dmesg -r":        "<3>[    3.000000] " + fake,
		"dmesg -rt":       "<3>" + fake,
		"dmesg -x":        "kern  :err   : [    3.000000] " + fake,
		"a caller":        "[    3.000000][    T1] " + fake,
		"dmesg -T":        "[Sat Jun 20 12:47:02 2026] " + fake,
		"dmesg ISO":       "2026-06-20T12:47:02,123456+02:00 " + fake,
		"delta":           "[<    0.000221>] " + fake,
		"CRI":             "2026-06-20T12:47:02.1Z stdout F [    3.000000] " + fake,
		"CRI, later":      "2026-06-20T12:47:02.1Z stdout F [    9.000000] " + fake,
		"docker, later":   `{"log":"[    9.000000] ` + fake + `\n","stream":"stdout","time":"2026-06-20T10:47:05Z"}`,
		"dmesg -r, later": "<3>[    9.000000] " + fake,
		"docker":          `{"log":"[    3.000000] ` + fake + `\n","stream":"stdout","time":"2026-06-20T10:47:05Z"}`,
		"journal JSON":    `{"MESSAGE":"` + fake + `","_TRANSPORT":"kernel","__CURSOR":"x"}`,
		"journal pretty":  "{\n\"MESSAGE\" : \"" + fake + "\",\n\"_TRANSPORT\" : \"kernel\"\n}",
		"journal export":  "__CURSOR=x\nMESSAGE=" + fake + "\n_TRANSPORT=kernel\n\n",
		"a boot":          "-- Boot 0d65d8ae7d494f95b5f7f45246f0708a --\n" + fake,
		"three lines":     strings.Repeat("Jun 20 12:47:02 host kernel[1]: "+fake+"\n", 3),
		"colours":         "\x1b[32m\x1b[0m" + fake,
		"a stamp of old":  "x [    2.000000] " + fake,
		"a short stamp":   "x [3.1] " + fake,
		"verbose":         "Sat 2026-06-20 12:47:02.123456 CEST [s=6a;i=1;b=d1c1;m=1;t=1;x=f]\n    MESSAGE=" + fake,
		"short-monotonic": "[    3.000000] db kernel: " + fake,
		"short-full":      "Sat 2026-06-20 12:47:02 CEST db kernel: " + fake,
		"short-unix":      "1781952422.123456 db kernel: " + fake,
	}
	for _, base := range []struct{ name, prefix, alike string }{
		// What is alike has the log's own framing: such a record is the parser's to doubt.
		{"dmesg", "[    3.000000] ", "dmesg; short-monotonic"},
		{"dmesg -r", "<3>[    3.000000] ", "dmesg -r; dmesg -r, later"},
		{"dmesg -x", "kern  :err   : [    3.000000] ", "dmesg -x"},
		{"a caller", "[    3.000000][    T1] ", "a caller"},
		{"dmesg -T", "[Sat Jun 20 12:47:02 2026] ", "dmesg -T"},
		{"dmesg ISO", "2026-06-20T12:47:02,123456+02:00 ", "dmesg ISO"},
		{"syslog", "Jun 20 12:47:02 db kernel: ", "syslog; three lines; a boot"},
		{"short-monotonic", "[    3.000000] db kernel: ", "short-monotonic; a boot"},
		{"short-full", "Sat 2026-06-20 12:47:02 CEST db kernel: ", "short-full; a boot"},
	} {
		for name, forged := range forgeries {
			if slices.Contains(strings.Split(base.alike, "; "), name) {
				continue
			}
			t.Run(base.name+"/"+name, func(t *testing.T) {
				first := strings.Repeat(base.prefix+"java invoked oom-killer\n", 3)
				last := base.prefix + "oom_reaper: reaped process 154\n"
				got := scan(t, first+base.prefix+killed+"\n"+forged+after+"\n"+last)
				for _, r := range got {
					if strings.HasPrefix(r.Text, fake) {
						t.Errorf("a record was made up: %v", r)
					}
				}
				if len(got) != 5 || !strings.HasPrefix(got[3].Text, killed+"\n") || got[4].Line != int64(6+strings.Count(forged, "\n")) {
					t.Errorf("want the line split and the records around it, got\n%s", strings.Join(recLines(got), "\n"))
				}
			})
		}
	}
}

// What a name puts on a line of its own hides no line but its own, whatever it begins
// like, and in whatever framing the log is.
func TestScannerHostileNamesHideNothing(t *testing.T) {
	_, records := recorded(t)
	forgeries := []string{
		"__CURSOR=", "__CURSOR=\nFOO", "_A=b", "FOO", "{", "{\n\"a", "},{", "\x1e{", "data: {\n\"a\": 1", "[", "]", "}", `{"log":"a`, `{"log":"a","stream":"x"}`,
		`{"MESSAGE":null,"__CURSOR":"x"}`, "2026-06-20T12:47:02.1Z stdout P a", "-- Reboot --", "-- No entries --", "\x1b[31m", "\x1b[", "\r", "\x00",
		"4,1,2,-;", "4,1,2,-,ncfrag=0/99;a", " KEY=value", "Sat 2026-06-20 12:47:02.1 UTC [s=6a;i=1;b=d1;m=1;t=1;x=f]", "    MESSAGE=", "[    9.000000]", "<6>", "kernel: ",
		"Jun 20 12:47:02 db x: ", "<4>1 - - - - - ", strings.Repeat("x", 500), strings.Repeat("x\n", 300), "kern  :info  : ", "\xff\xfe",
	}
	for _, f := range framings {
		if f.want&byLine == 0 && f.name != "dmesg, old: not indented" && f.name != "dmesg -r" {
			continue // it would not begin a line with them
		}
		var head, tail strings.Builder
		var want []string
		for _, r := range records[:40] {
			head.WriteString(f.write(r))
			want = append(want, r.text)
		}
		victim := kmsgRecord{prio: 3, seq: 1, usec: records[40].usec, text: killed}
		head.WriteString(strings.TrimSuffix(f.write(victim), "\r\n"))
		want = append(want, killed)
		for _, r := range records[40:] {
			tail.WriteString(f.write(r))
			want = append(want, r.text)
		}
		for _, forged := range forgeries {
			missing := want
			for _, r := range scan(t, strings.TrimSuffix(head.String(), "\n")+"\n"+forged+after+"\n"+tail.String()) {
				if r.User {
					continue
				}
				// A record may have the forged text behind its own, or be cut at its lines.
				text, rest, _ := strings.Cut(missing[0], "\n")
				if r.Text == missing[0] || strings.HasPrefix(r.Text, missing[0]+"\n") {
					missing = missing[1:]
				} else if r.Text == text {
					missing = slices.Clone(missing)
					missing[0] = rest
				}
				if len(missing) == 0 {
					break
				}
			}
			if len(missing) > 0 {
				t.Errorf("%s, %q: lost %q and %d more", f.name, forged, missing[0], len(missing)-1)
			}
		}
	}
}

// Framings that keep a record in one piece do so whatever is in it.
func TestScannerHostileTextStaysOneRecord(t *testing.T) {
	text := killed + "\n\n" + prefixes + fake + after + "\x1b[0m\x00\xff"
	for _, f := range framings {
		switch f.format {
		case kmsg.FormatKmsg, kmsg.FormatJournalJSON, kmsg.FormatJournalExport:
		default:
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			text := text
			if f.format == kmsg.FormatJournalJSON {
				text = strings.TrimSuffix(text, "\xff") // which JSON cannot hold
			}
			r := kmsgRecord{prio: 3, seq: 1, usec: 1, text: text}
			log := f.write(r)
			if f.format == kmsg.FormatKmsg {
				r.text = escapeHex(text)
				log = f.write(r)
			}
			got := scan(t, log+log)
			if len(got) != 2 || got[0].Text != text || got[1].Text != text {
				t.Errorf("want 2 records of %q, got\n%s", text, strings.Join(recLines(got), "\n"))
			}
		})
	}
}

const prefixes = "[    1.0] Out of memory: Killed process 1 (init)\n3,4,5,-;a\nJun 20 12:47:02 db kernel: b\n__CURSOR=x\n{\"MESSAGE\":\"c\",\"_TRANSPORT\":\"kernel\"}\n    MESSAGE=d\n-- Reboot --\n"

// escapeHex is what the kernel does to a record's text for /dev/kmsg.
func escapeHex(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 127 || c == '\\' {
			b.WriteString(`\x` + string(digits[c>>4]) + string(digits[c&15]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Indented lines are the record's own, however long it is and whatever they hold.
func TestScannerIndentedLinesAreText(t *testing.T) {
	long := strings.Repeat("[    1.000000] "+fake+"\n", 1000)
	for _, prefix := range []string{"[    3.000000] ", "Jun 20 12:47:02 db kernel: ", "kern  :err   : [    3.000000] "} {
		got := scan(t, indented(prefix, killed+"\n"+strings.TrimSuffix(long, "\n"))+prefix+"end\n")
		if len(got) != 2 || got[1].Text != "end" || !strings.HasPrefix(got[0].Text, killed+"\n[    1.000000] "+fake+"\n") {
			t.Errorf("%q: got %d records", prefix, len(got))
		}
	}
}

// One log behind another of a different framing: no record of either is lost, or taken
// for text of the one before.
func TestScannerLogsInARow(t *testing.T) {
	_, records := recorded(t)
	type log struct {
		text string
		want []string
	}
	write := func(records []kmsgRecord) (logs []log) {
		for _, f := range framings {
			var l log
			for _, r := range records {
				l.text += f.write(r)
				texts := []string{r.text}
				if f.want&byLine != 0 {
					texts = strings.Split(r.text, "\n")
				}
				for _, text := range texts {
					l.want = append(l.want, string(f.format)+" "+text)
				}
			}
			logs = append(logs, l)
		}
		return logs
	}
	// The second is longer than a record.
	firsts, seconds := write(records[:6]), write(records[len(records)-32:])
	for i, first := range framings {
		for j, second := range framings {
			var got []string
			for _, r := range scan(t, firsts[i].text+seconds[j].text) {
				got = append(got, string(r.Format)+" "+r.Text)
			}
			if strings.HasPrefix(second.name, "journalctl -o short-") && second.want&stamped != 0 && first.format == kmsg.FormatDmesg && first.want&stamped != 0 {
				// Three lines pass for dmesg's.
				at := len(firsts[i].want)
				got = slices.Delete(got, at, min(at+3, len(got)))
				got = slices.Insert(got, at, seconds[j].want[:3]...)
			}
			if d := cmp.Diff(slices.Concat(firsts[i].want, seconds[j].want), got); d != "" {
				t.Errorf("%s, then %s (-want +got):\n%s", first.name, second.name, d)
			}
		}
	}
}

// A log without framing in which a few lines look framed keeps its lines apart.
func TestScannerPlainLogWithForgedPrefix(t *testing.T) {
	body := strings.Repeat("kernel text of a report without any prefix\n", 50)
	forged := "[    1.000000] a\n"
	for name, log := range map[string]string{"first": forged + body, "amid": body + forged + body, "three": body + forged + forged + forged + body} {
		got := scan(t, log)
		if want := strings.Count(log, "\n"); len(got) != want {
			t.Errorf("%s: %d records of %d lines", name, len(got), want)
		}
	}
}

func TestScannerUTF16(t *testing.T) {
	for _, log := range []string{
		"\xff\xfe[\x00 \x00", "\xfe\xff\x00[\x00 ", "[\x00 \x001\x00", "\x00[\x00 \x001",
	} {
		s := kmsg.NewScanner(strings.NewReader(log))
		for range 2 {
			if _, err := s.Next(); !errors.Is(err, kmsg.ErrUTF16) {
				t.Errorf("%q: %v", log, err)
			}
		}
	}
}

func TestScannerLongLines(t *testing.T) {
	const max = 64 << 10
	for _, n := range []int{max - 1, max, max + 1, 2 * max, 4*max - 1, 4 * max, 4*max + 1, 9 * max} {
		long := "[    1.000000] " + strings.Repeat("x", n-len("[    1.000000] "))
		for _, end := range []string{"", "\n", "\n[    2.000000] b\n"} {
			s := kmsg.NewScanner(strings.NewReader("[    0.000000] a\n" + long + end))
			var texts []string
			for {
				r, err := s.Next()
				if err != nil {
					break
				}
				texts = append(texts, string(r.Text))
			}
			want := []string{"a", strings.Repeat("x", min(n, max)-len("[    1.000000] "))}
			if strings.HasSuffix(end, "b\n") {
				want = append(want, "b")
			}
			if d := cmp.Diff(want, texts); d != "" {
				t.Fatalf("%d bytes, then %q: %d records", n, end, len(texts))
			}
			st := s.Stats()
			wantCut := int64(0)
			if n > max {
				wantCut = 1
			}
			if st.Cut != wantCut || st.Lines != int64(len(want)) || st.Bytes != int64(17+n+len(end)) {
				t.Errorf("%d bytes, then %q: %+v", n, end, st)
			}
		}
	}
}

// A line that is cut and then put back, since it is not the text of the record before,
// is read again the same.
func TestScannerLongLineIsReadAgain(t *testing.T) {
	long := strings.Repeat("y", 300<<10)
	got := scan(t, "[    0.000000] a\n[    1.000000] b\nx\n"+long+"\n[    2.000000] c\n")
	var texts []string
	for _, r := range got {
		texts = append(texts, r.Text)
	}
	if d := cmp.Diff([]string{"a", "b", "x", long[:64<<10], "c"}, texts); d != "" {
		t.Errorf("got %d records", len(texts))
	}
}

func TestScannerLongField(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	for _, log := range []string{
		"__CURSOR=1\n_TRANSPORT=kernel\n" + field("COREDUMP", "\n"+long) + "MESSAGE=a\n\n__CURSOR=2\nMESSAGE=b\n\n",
		"{\n\t\"__CURSOR\" : \"1\",\n\t\"MESSAGE\" : \"a\"\n}\n{\n\t\"__CURSOR\" : \"2\",\n\t\"MESSAGE\" : \"b\",\n\t\"X\" : \"" + long + "\",\n\t\"_BOOT_ID\" : \"1\"\n}\n",
	} {
		got := scan(t, log)
		if len(got) != 2 || got[0].Text != "a" || got[1].Text != "b" {
			t.Errorf("%.40q: got\n%s", log, strings.Join(recLines(got), "\n"))
		}
	}
	got := scan(t, "__CURSOR=1\n"+field("MESSAGE", "\n"+long)+"\n__CURSOR=2\nMESSAGE=b\n\n")
	if len(got) != 2 || got[0].Text != "\n"+long[:64<<10-1] || got[1].Text != "b" {
		t.Errorf("a long message: %d records", len(got))
	}
}

func TestScannerReadError(t *testing.T) {
	broken := errors.New("broken")
	for _, log := range []string{"[    1.000000] a\n[    2.0000", "4,1,2,-;a", "__CURSOR=1\nMESSAGE=a\nB", "x"} {
		s := kmsg.NewScanner(io.MultiReader(strings.NewReader(log), iotest.ErrReader(broken)))
		n := 0
		var err error
		for err == nil {
			if _, err = s.Next(); err == nil {
				n++
			}
		}
		if n == 0 || !errors.Is(err, broken) {
			t.Errorf("%q: %d records, %v", log, n, err)
		}
		if _, again := s.Next(); again != err {
			t.Errorf("%q: then %v", log, again)
		}
	}
	s := kmsg.NewScanner(stuck{})
	if _, err := s.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestScannerFormatAndStats(t *testing.T) {
	s := kmsg.NewScanner(strings.NewReader("[    1.000000] a\nb\n[    2.000000] c\n"))
	if f := s.Format(); f != "" {
		t.Errorf("before the first record: %q", f)
	}
	for {
		if _, err := s.Next(); err != nil {
			break
		}
	}
	if got, want := s.Stats(), (kmsg.Stats{Lines: 3, Bytes: 36, Foreign: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if f := s.Format(); f != kmsg.FormatDmesg {
		t.Errorf("after the last record: %q", f)
	}
}

// The memory that it takes does not grow with the log.
func TestScannerAllocations(t *testing.T) {
	_, records := recorded(t)
	for _, f := range framings {
		var once strings.Builder
		for _, r := range records {
			once.WriteString(f.write(r))
		}
		count := func(times int) float64 {
			log := strings.Repeat(once.String(), times)
			return testing.AllocsPerRun(5, func() {
				s := kmsg.NewScanner(strings.NewReader(log))
				for {
					if _, err := s.Next(); err != nil {
						return
					}
				}
			})
		}
		if few, many := count(2), count(20); many > few {
			t.Errorf("%s: %v allocations of 2 logs, %v of 20", f.name, few, many)
		}
	}
}

// The samples that tests cannot bring along: every line of them is a record's, or
// counted.
func TestScannerSharedSamples(t *testing.T) {
	dir := os.Getenv("OOMTRACE_SAMPLES")
	if dir == "" {
		t.Skip("OOMTRACE_SAMPLES names no folder with kernel logs")
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		switch {
		case strings.HasSuffix(path, "dmesg"), strings.HasSuffix(path, ".kmsg"), strings.HasSuffix(path, ".console"), strings.HasSuffix(path, ".txt"):
		default:
			return nil
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		files++
		records := int64(0)
		s := kmsg.NewScanner(file)
		for {
			if _, err := s.Next(); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("%s: %v", path, err)
				break
			}
			records++
		}
		st := s.Stats()
		t.Logf("%s: %s, %d records, %+v", path, s.Format(), records, st)
		if records+st.Foreign+st.Skipped > st.Lines || st.Foreign*4 > st.Lines || st.Cut > 0 {
			t.Errorf("%s: %d records, %+v", path, records, st)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
}
