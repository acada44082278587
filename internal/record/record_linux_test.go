// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

func openIn(t *testing.T, dir string) *Recorder {
	t.Helper()
	r, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// record appends every kind of event.
func record(t *testing.T, r *Recorder) (n int) {
	t.Helper()
	for _, e := range eventtest.All() {
		if err := r.Event(e); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// read counts the events in a directory's file, and its damaged lines.
func read(t *testing.T, dir string) (good, bad int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	for s := event.NewScanner(bytes.NewReader(b)); ; {
		e, err := s.Next()
		switch {
		case errors.Is(err, io.EOF):
			return good, bad
		case err != nil:
			bad++
		case e.Type != event.TypeOOMDetail: // part of the one before it
			good++
			eventtest.Validate(t, s.Raw())
		}
	}
}

func count(events []*event.Event) (n int) {
	for _, e := range events {
		if e.Type != event.TypeOOMDetail {
			n++
		}
	}
	return n
}

// A second recorder goes on where the first ended; only the owner may read.
func TestAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		r := openIn(t, dir)
		record(t, r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if r.Dropped() != 0 {
			t.Errorf("%d dropped", r.Dropped())
		}
	}
	if good, bad := read(t, dir); bad != 0 || good != 2*count(eventtest.All()) {
		t.Errorf("%d events, %d damaged lines", good, bad)
	}
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, FileName): 0o600} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v", path, st.Mode().Perm(), want)
		}
	}
}

// A line that a crash cut costs no line after it.
func TestPartialLine(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(`{"schema":"oomtra`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := openIn(t, dir)
	record(t, r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if good, bad := read(t, dir); bad != 1 || good != count(eventtest.All()) {
		t.Errorf("%d events, %d damaged lines", good, bad)
	}
}

// What cannot be written to is named once, with the reason.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(filepath.Join(dir, FileName), 0o700)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{file: unix.ENOTDIR, filepath.Join(file, "x"): unix.ENOTDIR, dir: unix.EISDIR, "/proc/none": unix.ENOENT} {
		r, err := Open(path, Options{})
		if err == nil {
			_ = r.Close()
		}
		if !errors.Is(err, want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}

// A file that others could read or lead elsewhere is made private, or refused.
func TestOpenGuards(t *testing.T) {
	for want, place := range map[string]func(path string) error{
		"is a symbolic link": func(path string) error { return os.Symlink("elsewhere", path) },
		"is no plain file":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"belongs to another user (uid 65534)": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 65534, -1))
		},
	} {
		dir := t.TempDir()
		if err := place(filepath.Join(dir, FileName)); errors.Is(err, fs.ErrPermission) {
			continue // only root gives files away
		} else if err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir, Options{})
		if err == nil {
			_ = r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), dir+": "+FileName+" "+want) {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "elsewhere")); err == nil {
			t.Error("the link was followed")
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := openIn(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v after %v, want 0600", st.Mode(), err)
	}
}

// In a directory that others can write to a file may be a link to one of root's that has
// nothing to do with it. In one of our own it is a backup's, and no harm.
func TestOpenHardLink(t *testing.T) {
	for _, mode := range []fs.FileMode{0o700, 0o777} {
		dir := t.TempDir()
		precious := filepath.Join(t.TempDir(), "precious")
		if err := errors.Join(os.WriteFile(precious, []byte("mine"), 0o644), os.Link(precious, filepath.Join(dir, FileName)), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir, Options{})
		if mode == 0o700 {
			if err != nil {
				t.Fatal(err)
			}
			closeRecorder(t, r)
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "has other names (hard links)") {
			t.Errorf("%v", err)
		}
		if st, err := os.Stat(precious); err != nil || st.Mode().Perm() != 0o644 {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
	}
}

// What has the name of a file and is none keeps no reader waiting.
func TestReadNoFile(t *testing.T) {
	dir := t.TempDir()
	makeFiles(t, dir, "events.000001.jsonl")
	if err := errors.Join(unix.Mkfifo(filepath.Join(dir, "events.000002.jsonl"), 0o600), unix.Mkfifo(filepath.Join(dir, FileName), 0o600)); err != nil {
		t.Fatal(err)
	}
	files, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	if len(files) != 1 || filepath.Base(files[0].Name()) != "events.000001.jsonl" {
		t.Errorf("%d files", len(files))
	}
	if err := os.Remove(filepath.Join(dir, "events.000001.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFiles(dir); !errors.Is(err, ErrNone) {
		t.Errorf("%v, want ErrNone", err)
	}
}

// smallDisk mounts a disk of 64 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	testenv.Privileged(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		testenv.Skip(t, "mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// A full disk drops events and counts them; once there is room they are written
// again, and no whole line is damaged by one that was cut.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	r := openIn(t, dir)
	tried := 0
	for r.Dropped() < 3 {
		tried += record(t, r)
	}
	full := r.Dropped()
	if err := r.Err(); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), FileName) {
		t.Errorf("Err is %v, want ENOSPC and the file", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	tried += record(t, r)
	if r.Dropped() != full || r.Err() != nil {
		t.Errorf("%d dropped with room, %d before; %v", r.Dropped(), full, r.Err())
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for line := range bytes.Lines(b) {
		if eventtest.Check(bytes.TrimSuffix(line, []byte("\n"))) == nil && bytes.HasSuffix(line, []byte("\n")) {
			whole++
		}
	}
	lines := bytes.Count(b, []byte("\n"))
	if lines-whole > int(full) || !bytes.HasSuffix(b, []byte("\n")) {
		t.Errorf("%d of %d lines are whole, %d were dropped", whole, lines, full)
	}
	if good, _ := read(t, dir); tried < good || good == 0 {
		t.Errorf("%d of %d events", good, tried)
	}
}
