// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// awaited is a watch under test.
type awaited struct {
	*CgroupWatch
	t     *testing.T
	there chan string
}

func await(t *testing.T, mount string, missing []string, paths ...string) awaited {
	t.Helper()
	a := awaited{t: t, there: make(chan string, 8)}
	var got []string
	var err error
	a.CgroupWatch, got, err = watchCgroups(memcgs{dir: mount}, paths, func(p string) { a.there <- p })
	if err != nil || !slices.Equal(got, missing) {
		t.Errorf("missing %q, %v; want %q", got, err, missing)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		select {
		case p := <-a.there:
			t.Errorf("%s is said to be there", p)
		default:
		}
	})
	return a
}

func (a awaited) comes(want string) {
	a.t.Helper()
	select {
	case got := <-a.there:
		if got != want {
			a.t.Errorf("%s is there, want %s", got, want)
		}
	case <-time.After(soon):
		a.t.Fatalf("%s is not said to be there", want)
	}
}

func mkdirs(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// What is missing is said to be there once it is, however deep it is, and once.
func TestWatchCgroups(t *testing.T) {
	root := t.TempDir()
	in := func(p string) string { return filepath.Join(root, p) }
	mkdirs(t, in("a"), in("a/b"), in("sys"))
	w := await(t, root, []string{"/sys/web.service", "x/y/../y/z/", "/a/c/d", "/sys/db.service"},
		"/a/b", "a", "/", "/sys/web.service", "x/y/../y/z/", "/a/c/d", "/sys/db.service")
	mkdirs(t, in("sys/other"), in("sys/web.service"))
	w.comes("/sys/web.service")
	mkdirs(t, in("x"), in("x/y"), in("x/y/z"))
	w.comes("x/y/../y/z/")

	// Comes nearer, goes away again, and comes.
	mkdirs(t, in("a/c"))
	for _, dir := range []string{"a/c", "sys/web.service"} {
		if err := os.Remove(in(dir)); err != nil {
			t.Fatal(err)
		}
	}
	mkdirs(t, in("a/c"), in("a/c/d"), in("sys/web.service"))
	w.comes("/a/c/d")
	mkdirs(t, in("sys/db.service"))
	w.comes("/sys/db.service")

	// Nothing is missing, nothing is watched.
	if w := await(t, root, nil, "/a/b"); w.watcher != nil {
		t.Error("a watch of nothing")
	}
}

func TestWatchRealCgroup(t *testing.T) {
	testenv.Privileged(t)
	r := newReader(t, Options{})
	if !r.memcgs.fromRoot() {
		testenv.Skip(t, "the host's cgroups are not mounted")
	}
	name := fmt.Sprintf("/oomtrace-test-%d/below", os.Getpid())
	there := make(chan string, 1)
	w, missing, err := r.WatchCgroups([]string{"/", name}, func(p string) { there <- p })
	if err != nil || !slices.Equal(missing, []string{name}) {
		t.Fatalf("missing %q, %v", missing, err)
	}
	dir := filepath.Join(r.memcgs.dir, name)
	defer os.Remove(filepath.Dir(dir))
	defer os.Remove(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		testenv.Skip(t, "no cgroup can be made: %v", err)
	}
	select {
	case <-there:
	case <-time.After(soon):
		t.Error("it is not said to be there")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := newReader(t, Options{Cgroup: t.TempDir()}).WatchCgroups(nil, nil); !errors.Is(err, errNoMemcgs) {
		t.Errorf("no cgroups: %v", err)
	}
	// As in a container: the root is not the hierarchy's.
	if got, err := r.FindCgroup(func(cgroup.Identity) bool { return true }); err != nil || !got {
		t.Errorf("no cgroup is found: %v", err)
	}
	if got, err := r.FindCgroup(func(cgroup.Identity) bool { return false }); got || err != nil && !errors.Is(err, errTooMany) {
		t.Errorf("a cgroup that is not there: %v, %v", got, err)
	}
}
