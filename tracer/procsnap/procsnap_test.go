// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// tree writes files below a new folder and returns it. A value "-> target" makes
// a link, a name that ends with / a folder.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case name[len(name)-1] == '/':
			err = os.MkdirAll(path, 0o755)
		case len(content) > 3 && content[:3] == "-> ":
			err = os.Symlink(content[3:], path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func newReader(t testing.TB, o Options) *Reader {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// statLine is /proc/PID/stat of a process that started at ticks.
func statLine(pid int, comm, state string, flags, ticks uint64) string {
	return fmt.Sprintf("%d (%s) %s 1 %d %d 0 -1 %d 96 0 0 0 0 0 0 0 20 0 1 0 %d 2445312 257 18446744073709551615 0\n",
		pid, comm, state, pid, pid, flags, ticks)
}

func TestNewWithoutProc(t *testing.T) {
	if _, err := New(Options{Proc: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("no error for a missing /proc")
	}
}

func TestBoottimeOffset(t *testing.T) {
	for _, tt := range []struct {
		file string
		want int64
	}{
		{"monotonic           0         0\nboottime            0         0\n", 0},
		{"monotonic  5 0\nboottime   864000 250\n", 864000_000_000_250},
		{"boottime -10 0\n", -10_000_000_000},
		{"boottime x 0\n", 0},
		{"", 0},
	} {
		if got := boottimeOffset(tt.file); got != tt.want {
			t.Errorf("boottimeOffset(%q) = %d, want %d", tt.file, got, tt.want)
		}
	}
}
