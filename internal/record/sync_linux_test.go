// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// realDisk mounts an ext4 of 8 MiB.
func realDisk(t *testing.T) string {
	t.Helper()
	testenv.Privileged(t)
	image, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 8<<20)); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{{"mkfs.ext4", "-q", "-F", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			testenv.Skip(t, "%v: %v: %s", argv, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill leaves no room on dir's disk.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "core"))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		for b := make([]byte, size); err == nil; {
			_, err = f.Write(b)
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
		err = f.Sync()
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// Some hundred kills are kept on a disk that is full, from what was reserved; what was
// not needed is given back.
func TestReserve(t *testing.T) {
	dir := realDisk(t)
	r := openWith(t, dir, Options{})
	add(t, r, eventtest.SessionStart())
	fill(t, dir)
	kept := 0
	for r.Dropped() == 0 {
		add(t, r, eventtest.Kill())
		kept++
	}
	if kept < 100 || !errors.Is(r.Err(), unix.ENOSPC) {
		t.Errorf("%d kills were kept: %v", kept-1, r.Err())
	}
	if err := os.Remove(filepath.Join(dir, "core")); err != nil {
		t.Fatal(err)
	}
	for range reserveRetry/lineLen(t, eventtest.Kill()) + 1 {
		add(t, r, eventtest.Kill())
	}
	if r.Dropped() != 1 || r.Err() != nil {
		t.Errorf("%d dropped with room: %v", r.Dropped(), r.Err())
	}
	path := filepath.Join(dir, FileName)
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := blocks(t, path); got < st.Size()+reserveLeast {
		t.Errorf("%d bytes of disk for %d of file: nothing is reserved again", got, st.Size())
	}
	closeRecorder(t, r)
	if got := blocks(t, path); got > st.Size()+4096 {
		t.Errorf("%d bytes of disk for %d of file: the rest was not given back", got, st.Size())
	}
}

// What cannot be put on the disk is said, once.
func TestSyncFails(t *testing.T) {
	var w warnings
	s := newSyncer(func(err error) { w.warn(err.Error()) })
	r, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	bad := &file{File: pipe} // fsync(2) of a pipe is EINVAL
	s.use(bad, nil)
	s.soon()
	s.retire(&file{File: must(os.Open(os.DevNull))})
	s.retire(bad)
	if err := s.close(); !errors.Is(err, unix.EINVAL) {
		t.Errorf("%v, want EINVAL", err)
	}
	if !w.has("invalid argument") || len(w.said) > 1 || strings.Contains(strings.Join(w.said, ""), "closed") {
		t.Errorf("said %q", w.said)
	}
}

// BenchmarkEvent is the cost of an event to who hands it on: one that need not be on the
// disk at once, and a kill, which must while further ones are written.
func BenchmarkEvent(b *testing.B) {
	for name, e := range map[string]*event.Event{"clock": eventtest.ClockFrequency(), "kill": eventtest.Kill()} {
		b.Run(name, func(b *testing.B) {
			r, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Event(e); err != nil {
					b.Fatal(err)
				}
			}
			if err := r.Close(); err != nil || r.Dropped() > 0 {
				b.Fatal(err, r.Dropped())
			}
		})
	}
}

// BenchmarkSync is how long it takes to have an event on a disk that nothing else writes to.
func BenchmarkSync(b *testing.B) {
	r, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := errors.Join(r.Event(eventtest.ClockFrequency()), fdatasync(r.file.File), syncDir(r.place.dir)); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
}
