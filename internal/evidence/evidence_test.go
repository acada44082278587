// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

const killed = "[   12.345678] Out of memory: Killed process 7 (hog) total-vm:4096kB, anon-rss:2048kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:48kB oom_score_adj:0\n"

func TestFamilies(t *testing.T) {
	var in []Named
	for _, p := range []string{
		"/var/log/messages", "/var/log/messages-20260620.xz", "/var/log/messages-20260613",
		"/var/log/kern.log", "/var/log/kern.log.1", "/var/log/kern.log.10.gz", "/var/log/kern.log.2.gz",
		"/tmp/kern.log", "-", "dmesg.txt", "dmesg.txt", "a.1.b",
	} {
		in = append(in, Named{Path: p})
	}
	in = append(in, Named{"/tmp/kern.log.1", timeline.KindKernelLog})
	var got [][]string
	for _, f := range families(in) {
		got = append(got, f.paths)
	}
	want := [][]string{
		{"/var/log/messages-20260613", "/var/log/messages-20260620.xz", "/var/log/messages"},
		{"/var/log/kern.log.10.gz", "/var/log/kern.log.2.gz", "/var/log/kern.log.1", "/var/log/kern.log"},
		{"/tmp/kern.log"}, {"-"}, {"dmesg.txt"}, {"a.1.b"}, {"/tmp/kern.log.1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func recorded(t testing.TB) string {
	t.Helper()
	line, err := new(event.Encoder).Append(nil, eventtest.Kill())
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func TestRecognise(t *testing.T) {
	for _, tt := range []struct {
		name, head string
		kind       timeline.Kind
		what       string
	}{
		{"dmesg", killed, timeline.KindKernelLog, ""},
		{"a hole of NULs, then a log", strings.Repeat("\x00", 4096) + killed, timeline.KindKernelLog, ""},
		{"a hostile name", "[    1.0] oom: \x01\x02 killed\n" + killed, timeline.KindKernelLog, ""},
		{"record", recorded(t), timeline.KindRecord, ""},
		{"record behind a broken line", "{\"schema\n" + recorded(t), timeline.KindRecord, ""},
		{"record of a newer version", strings.Replace(recorded(t), "oomtrace/v1", "oomtrace/v2", 1), timeline.KindRecord, ""},
		{"journal json", `{"MESSAGE":"x"}` + "\n", timeline.KindKernelLog, ""},
		{"dump", "KDUMP   \x06\x00\x00", timeline.KindOther, "a crash dump"},
		{"flat dump", "makedumpfile\x00\x00\x00\x00", timeline.KindOther, "a crash dump"},
		{"elf", "\x7fELF\x02\x01", timeline.KindOther, "a crash dump or a program"},
		{"sa", "\x96\xd5\x75\x21", timeline.KindOther, "sysstat"},
		{"journal", "LPKSHHRH\x00\x00", timeline.KindOther, "journalctl --file FILE -k -o export"},
		{"tar", strings.Repeat("a", 257) + "ustar\x00", timeline.KindOther, "archive"},
		{"timeline", `{"schema":"oomtrace.timeline/v1",`, timeline.KindOther, "no evidence itself"},
		{"empty", "", timeline.KindOther, "empty"},
		{"blank", " \n\n\x00", timeline.KindOther, "empty"},
		{"binary", "\x01\x02\x03\x80\x90abc\x05", timeline.KindOther, "not text"},
	} {
		kind, what := recognise([]byte(tt.head))
		if kind != tt.kind || (what == "") != (tt.what == "") || !strings.Contains(what, tt.what) {
			t.Errorf("%s: %s, %q", tt.name, kind, what)
		}
	}
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstandard(t testing.TB, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

func TestSeries(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("line\n", 10_000)
	for _, tt := range []struct {
		name  string
		files []string
		want  string
		err   string // "" is none
	}{
		{"plain", []string{"a\n"}, "a\n", ""},
		{"one after the other, lines apart", []string{"a", "b\n", packed(t, "c"), zstandard(t, "d\n")}, "a\nb\nc\nd\n", ""},
		{"gzip in two parts", []string{packed(t, "a\n") + packed(t, "b\n")}, "a\nb\n", ""},
		{"gzip cut off", []string{packed(t, long)[:40], "b\n"}, "b\n", "0: unpack gzip: cut off"},
		{"xz between", []string{"a\n", "\xfd7zXZ\x00", "b\n"}, "a\nb\n", "1: compressed with xz, which is not unpacked here; have xzcat unpack it"},
		{"lz4", []string{"\x04\x22\x4d\x18"}, "", "lz4cat "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var paths []string
			for i, text := range tt.files {
				paths = append(paths, write(t, dir, string(rune('0'+i)), text))
			}
			o := &Options{}
			s := o.open(t.Context(), paths)
			defer s.close()
			got, err := io.ReadAll(s)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(string(got), tt.want) || tt.err == "" && string(got) != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			switch err := s.err(); {
			case (err == nil) != (tt.err == ""), err != nil && !strings.Contains(err.Error(), tt.err):
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// sources reads inputs and returns the sources by what is told of them.
func sources(t testing.TB, inputs ...Named) []timeline.Source {
	t.Helper()
	b := timeline.New(timeline.Options{})
	if err := Read(t.Context(), b, inputs, Options{Stdin: strings.NewReader(killed)}); err != nil {
		t.Fatal(err)
	}
	return b.Document().Sources
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "dmesg.txt", killed)
	write(t, dir, "notes.txt", "nothing of interest\n")
	write(t, dir, "core", "\x7fELF")
	write(t, dir, "events.gz", packed(t, recorded(t)))
	if err := os.Mkdir(filepath.Join(dir, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := map[string]timeline.Kind{}
	for _, s := range sources(t, Named{Path: dir}) {
		name, _ := filepath.Rel(dir, s.Path)
		got[name] = s.Kind
	}
	want := map[string]timeline.Kind{
		"dmesg.txt": timeline.KindKernelLog, "events.gz": timeline.KindRecord, ".": timeline.KindDirectory,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	empty := t.TempDir()
	if s := sources(t, Named{Path: empty}); len(s) != 1 || s[0].State != timeline.StateNotRead {
		t.Errorf("%+v", s)
	}
	record := t.TempDir()
	write(t, record, "events.000001.jsonl", recorded(t))
	write(t, record, "events.jsonl", recorded(t))
	s := sources(t, Named{Path: record})
	if len(s) != 1 || s[0].Kind != timeline.KindRecord || len(s[0].Parts) != 2 || s[0].Kills == nil || *s[0].Kills != 2 {
		t.Errorf("%+v", s)
	}
}

func TestNamedKind(t *testing.T) {
	dir := t.TempDir()
	log, rec := write(t, dir, "log", killed), write(t, dir, "rec", recorded(t))
	for _, tt := range []struct {
		in    Named
		state timeline.State
	}{
		{Named{log, timeline.KindKernelLog}, timeline.StateRead},
		{Named{log, timeline.KindRecord}, timeline.StateNotRead},
		{Named{rec, timeline.KindRecord}, timeline.StateRead},
		{Named{rec, timeline.KindKernelLog}, timeline.StateNotRead},
		{Named{"-", timeline.KindKernelLog}, timeline.StateRead},
		{Named{filepath.Join(dir, "none"), ""}, timeline.StateNotRead},
	} {
		s := sources(t, tt.in)
		if len(s) != 1 || s[0].State != tt.state || (s[0].Error == "") != (tt.state == timeline.StateRead) {
			t.Errorf("%+v: %+v", tt.in, s)
		}
	}
}

// Who waits for input stops with the context.
func TestReadStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pr, pw := io.Pipe()
	defer pw.CloseWithError(io.EOF)
	go func() {
		_, _ = pw.Write([]byte(killed))
		cancel()
	}()
	b := timeline.New(timeline.Options{})
	if err := Read(ctx, b, []Named{{Path: "-"}}, Options{Stdin: pr}); err == nil {
		t.Error("it went on")
	}
}
