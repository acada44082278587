// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const passwd = `root:x:0:0:root:/root:/bin/bash
# a comment
+::::::
broken
daemon:x:1:1
alias:x:1:1::/:/bin/sh
:x:5:5::/:/bin/sh
toolarge:x:4294967296:1::/:/bin/sh
negative:x:-1:1::/:/bin/sh
nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
last:x:4294967295:1::/:`

func TestUser(t *testing.T) {
	root := tree(t, map[string]string{"etc/passwd": passwd})
	file := filepath.Join(root, "etc/passwd")
	r := newReader(t, Options{Root: root})
	expect := func(when string, want map[uint32]string) {
		t.Helper()
		for uid, name := range want {
			if got := r.User(uid); got != name {
				t.Errorf("%s: uid %d is %q, want %q", when, uid, got, name)
			}
		}
	}
	expect("first", map[uint32]string{0: "root", 1: "daemon", 2: "", 5: "", 65534: "nobody", 4294967295: "last"})

	// Changed in place, replaced as by useradd(8), taken away, and back.
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "ada:x:7:7\nada2:x:8:7:\n")
	expect("changed", map[uint32]string{0: "", 7: "ada", 8: "ada2"})
	write(file+"-", "bob:x:8:7:\n")
	if err := os.Rename(file+"-", file); err != nil {
		t.Fatal(err)
	}
	expect("replaced", map[uint32]string{8: "bob"})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	expect("removed", map[uint32]string{8: ""})
	if err := unix.Mkfifo(file, 0o644); err != nil {
		t.Fatal(err)
	}
	expect("a fifo", map[uint32]string{8: ""})

	var many strings.Builder
	for uid := range 2 * usersLimit {
		fmt.Fprintf(&many, "u%d:x:%d:0:\n", uid, uid)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	write(file, many.String())
	expect("too many", map[uint32]string{0: "u0", usersLimit - 1: fmt.Sprintf("u%d", usersLimit-1), usersLimit: ""})
	write(file, strings.Repeat("x", usersSize)+"\nlate:x:1:1:\n")
	expect("too large", map[uint32]string{1: ""})
	write(file, "e\xffa:x:3:0:\n")
	expect("not UTF-8", map[uint32]string{3: "e\ufffda"})
}

// The users of a container's own root are not the host's.
func TestUserElsewhere(t *testing.T) {
	r := newReader(t, Options{})
	if r.users.first == "" {
		t.Fatal("process 1 is not asked")
	}
	want := ""
	for line := range strings.Lines(string(mustRead(t, "/etc/passwd"))) {
		if f := strings.Split(line, ":"); len(f) > 3 && f[2] == "0" {
			want = f[0]
			break
		}
	}
	host, err := os.Stat(r.users.first)
	own, err2 := os.Stat("/etc/passwd")
	if err == nil && err2 == nil && !os.SameFile(host, own) {
		want = "" // this test runs in a container
	}
	if got := r.User(0); got != want {
		t.Errorf("uid 0 is %q, want %q", got, want)
	}
	r.users = newUsers(r.opts)
	r.users.first = filepath.Join(tree(t, map[string]string{"passwd": passwd}), "passwd")
	if got := r.User(0); got != "" {
		t.Errorf("uid 0 of another root is %q", got)
	}
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzUsers(f *testing.F) {
	f.Add([]byte(passwd))
	f.Add([]byte("a:b:0"))
	f.Fuzz(func(t *testing.T, file []byte) {
		names := map[uint32]string{}
		for line := range bytes.Lines(file) {
			parseUser(names, bytes.TrimSuffix(line, []byte{'\n'}))
		}
		for uid, name := range names {
			if name == "" || !utf8.ValidString(name) || strings.Contains(name, ":") {
				t.Errorf("uid %d is %q", uid, name)
			}
		}
	})
}

func BenchmarkUser(b *testing.B) {
	r := newReader(b, Options{})
	b.ReportAllocs()
	for b.Loop() {
		r.User(0)
	}
}
