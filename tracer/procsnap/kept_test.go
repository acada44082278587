// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/oomtrace/oomtrace/decode/cmdline"
)

// What was kept is shown as what /proc tells is: without secrets, also where the cut went
// through one.
func TestKept(t *testing.T) {
	proc := tree(t, map[string]string{"self/": ""})
	for _, tt := range []struct {
		name     string
		mode     cmdline.Mode
		args     string
		cut      bool
		exe      string
		cmdline  string // "-": absent
		wantExe  string
		cmdHex   bool
		truncate bool
	}{
		{"redacted", "", "mysql\x00--password=hunter2\x00-h\x00db\x00", false, "/usr/bin/mysql", "mysql --password=*** -h db", "/usr/bin/mysql", false, false},
		{"full", cmdline.Full, "mysql\x00--password=hunter2\x00", false, "/usr/bin/mysql", "mysql --password=hunter2", "/usr/bin/mysql", false, false},
		{"executable only", cmdline.Exe, "mysql\x00--password=hunter2\x00", false, "/usr/bin/mysql", "-", "/usr/bin/mysql", false, false},
		{"none", cmdline.None, "mysql\x00", false, "/usr/bin/mysql", "-", "-", false, false},
		{"cut in a secret", "", "a\x00https://u:hunter2", true, "/bin/a", "a https://***", "/bin/a", false, true},
		{"cut", "", "a\x00long", true, "", "a long", "-", false, true},
		{"invalid UTF-8", "", "a\xff\x00", false, "/b\xff", "a\ufffd", "/b\ufffd", true, false},
		{"relative", "", "a\x00", false, "./a", "a", "-", false, false},
		{"by an open file", "", "a\x00", false, "/dev/fd/3", "a", "-", false, false},
		{"by what runs", "", "a\x00", false, "/proc/self/exe", "a", "-", false, false},
		{"nothing", "", "", false, "", "-", "-", false, false},
		{"nothing but ends", "", "\x00\x00", false, "", "-", "-", false, false},
	} {
		r := newReader(t, Options{Proc: proc, Cmdline: tt.mode})
		id := r.Kept([]byte(tt.args), tt.cut, []byte(tt.exe))
		got := func(s *string) string {
			if s == nil {
				return "-"
			}
			return *s
		}
		if got(id.Cmdline) != tt.cmdline || got(id.Exe) != tt.wantExe || (id.CmdlineHex != "") != tt.cmdHex || id.CmdlineTruncated != tt.truncate {
			t.Errorf("%s: %q, %q, %+v", tt.name, got(id.Cmdline), got(id.Exe), id)
		}
	}
}

// Whatever is kept is shown as text, and no secret of it.
func FuzzKept(f *testing.F) {
	r, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("a\x00--token=x\x00"), true, []byte("/a"))
	f.Add([]byte("\xff"), false, []byte(""))
	f.Fuzz(func(t *testing.T, args []byte, cut bool, exe []byte) {
		was := string(args)
		id := r.Kept(args[:len(args):len(args)], cut, exe)
		for _, s := range []*string{id.Cmdline, id.Exe} {
			if s != nil && !utf8.ValidString(*s) {
				t.Errorf("%q", *s)
			}
		}
		if string(args) != was {
			t.Error("what was kept was changed")
		}
	})
}

func TestRaw(t *testing.T) {
	proc := tree(t, map[string]string{
		"10/stat":    statLine(10, "java", "S", 0x400000, 500),
		"10/cmdline": "java\x00--password=x\x00",
		"10/exe":     "-> /usr/bin/java",
		"11/stat":    statLine(11, "kworker/0:1", "I", 0x4208060, 500),
		"11/cmdline": "",
		"12/stat":    statLine(12, "other", "S", 0, 1),
		"12/cmdline": strings.Repeat("x", 100),
		"irq/":       "",
	})
	r := newReader(t, Options{Proc: proc})
	raw, err := r.Raw(10, 1000)
	if err != nil || raw.StartBoottimeNS != 5_000_000_000 || string(raw.Args) != "java\x00--password=x\x00" || string(raw.Exe) != "/usr/bin/java" {
		t.Errorf("%+v, %v", raw, err)
	}
	if raw, err := r.Raw(12, 20); err != nil || len(raw.Args) != 20 || raw.Exe != nil {
		t.Errorf("%+v, %v", raw, err)
	}
	for _, pid := range []int{11, 13, -1} {
		if raw, err := r.Raw(pid, 1000); !errors.Is(err, ErrGone) {
			t.Errorf("%d: %+v, %v", pid, raw, err)
		}
	}
	var pids []int
	if err := r.EachPID(func(pid int) bool { pids = append(pids, pid); return true }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(pids)
	if !slices.Equal(pids, []int{10, 11, 12}) {
		t.Errorf("listed %v", pids)
	}
	n := 0
	if err := r.EachPID(func(int) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}
