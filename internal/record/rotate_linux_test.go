// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

// warnings collects what a Recorder says.
type warnings struct {
	mu   sync.Mutex
	said []string
}

func (w *warnings) warn(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, s)
}

// has says whether it was said, and drops what was said up to it.
func (w *warnings) has(part string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.said, func(s string) bool { return strings.Contains(s, part) })
	if i >= 0 {
		w.said = w.said[i+1:]
	}
	return i >= 0
}

func openWith(t *testing.T, dir string, o Options) *Recorder {
	t.Helper()
	r, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func closeRecorder(t *testing.T, r *Recorder) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// ends is an event with a number.
func ends(seq uint64) *event.Event {
	e := eventtest.End()
	e.Seq = seq
	return e
}

func add(t *testing.T, r *Recorder, events ...*event.Event) {
	t.Helper()
	for _, e := range events {
		if err := r.Event(e); err != nil {
			t.Fatal(err)
		}
	}
}

// lineLen is how long an event's lines are.
func lineLen(t *testing.T, e *event.Event) int64 {
	t.Helper()
	var enc event.Encoder
	b, err := enc.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(b))
}

// numbers lists what is in each file of a record: s for a session.start, c for a
// continued one, else the number.
func numbers(t *testing.T, dir string) (in []string) {
	t.Helper()
	files, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	for _, f := range files {
		words := []string{strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f.Name()), "events."), "jsonl") + ":"}
		for s := event.NewScanner(f); ; {
			e, err := s.Next()
			if errors.Is(err, io.EOF) || errors.Is(err, event.ErrEmpty) {
				break
			}
			switch {
			case err != nil:
				words = append(words, "bad")
				continue
			case e.SessionStart == nil:
				words = append(words, fmt.Sprint(e.Seq))
			case e.SessionStart.Continued:
				words = append(words, "c")
			default:
				words = append(words, "s")
			}
			eventtest.Validate(t, s.Raw())
		}
		in = append(in, strings.Join(words, " "))
	}
	return in
}

func wantNumbers(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := numbers(t, dir); !slices.Equal(got, want) {
		t.Errorf("files are %q, want %q", got, want)
	}
}

// A file takes what fits to the last byte; each can be read alone; the oldest go.
func TestRotate(t *testing.T) {
	start, one := lineLen(t, eventtest.SessionStart()), lineLen(t, ends(100))
	for _, tt := range []struct {
		size int64
		want []string
	}{
		{start + 2*one, []string{"000001.: s 100 101", "000002.: c 102", "000003.: c 103", ": c 104"}},
		{start + 2*one - 1, []string{"000002.: c 101", "000003.: c 102", "000004.: c 103", ": c 104"}},
		{start + 100*one, []string{": s 100 101 102 103 104"}},
		{1, []string{"000004.: c 102", "000005.: c 103", "000006.: c 104", ": c 105"}}, // no event is too large
	} {
		dir := t.TempDir()
		r := openWith(t, dir, Options{Size: tt.size, Keep: 3})
		add(t, r, eventtest.SessionStart(), ends(100), ends(101), ends(102), ends(103), ends(104))
		if tt.size == 1 {
			add(t, r, ends(105))
		}
		if err := r.Err(); err != nil || r.Dropped() != 0 {
			t.Errorf("size %d: %d dropped: %v", tt.size, r.Dropped(), err)
		}
		closeRecorder(t, r)
		wantNumbers(t, dir, tt.want...)
		for _, path := range must(Files(dir)) {
			if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v: %v", path, st.Mode(), err)
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Whatever a crash left, the next recorder goes on, overwrites nothing, and a smaller
// keep is kept to.
func TestRotateAfterCrash(t *testing.T) {
	dir := t.TempDir()
	makeFiles(t, dir, "events.000007.jsonl", "events.000009.jsonl") // renamed, and then no new one made
	r := openWith(t, dir, Options{Size: 1, Keep: 3})
	add(t, r, eventtest.SessionStart(), ends(1))
	closeRecorder(t, r)
	wantNumbers(t, dir, "000007.: bad", "000009.: bad", "000010.: s", ": c 1")

	// A number that somebody gave meanwhile is left alone.
	r = openWith(t, dir, Options{Size: 1, Keep: 2})
	makeFiles(t, dir, "events.000011.jsonl")
	add(t, r, eventtest.SessionStart())
	closeRecorder(t, r)
	wantNumbers(t, dir, "000010.: s", "000011.: bad", "000012.: c 1", ": s")
}

// Where a file cannot be made a full one, it grows, and that is said once.
func TestRotateCannot(t *testing.T) {
	dir := t.TempDir()
	var w warnings
	r := openWith(t, dir, Options{Size: 1, Keep: 1, Warn: w.warn})
	add(t, r, eventtest.SessionStart(), ends(1))
	// Its name is taken by what cannot be removed so.
	old := filepath.Join(dir, fullName(1))
	if err := errors.Join(os.Remove(old), os.Mkdir(old, 0o700)); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(2), ends(3))
	if r.Dropped() != 0 || !w.has("grows beyond its size: remove events.000001.jsonl: ") || w.has("grows") {
		t.Errorf("%d dropped, said %q", r.Dropped(), w.said)
	}
	if err := os.Remove(old); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(4))
	closeRecorder(t, r)
	wantNumbers(t, dir, "000002.: c 1 2 3", ": c 4")
}

// What was moved away is let go of, by Reopen.
func TestReopen(t *testing.T) {
	dir, moved := t.TempDir(), filepath.Join(t.TempDir(), "moved")
	r := openWith(t, dir, Options{})
	add(t, r, eventtest.SessionStart(), ends(1))
	if err := r.Reopen(); err != nil { // nothing was moved
		t.Fatal(err)
	}
	add(t, r, ends(2))
	if err := os.Rename(filepath.Join(dir, FileName), moved); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(3)) // until told
	if err := r.Reopen(); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(4))
	closeRecorder(t, r)
	wantNumbers(t, dir, ": c 4")
	if b, err := os.ReadFile(moved); err != nil || bytes.Count(b, []byte("\n")) != 4 {
		t.Errorf("%d lines in what was moved: %v", bytes.Count(b, []byte("\n")), err)
	}
}

// What somebody cut short, as logrotate's copytruncate does, can be read alone again.
func TestTruncated(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	r := openWith(t, dir, Options{})
	add(t, r, eventtest.SessionStart(), ends(1))
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(2), ends(3))
	wantNumbers(t, dir, ": c 2 3")
	if err := os.Truncate(path, lineLen(t, ends(2))/2); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(4))
	closeRecorder(t, r)
	wantNumbers(t, dir, ": bad c 4")
}

// A record that is removed is begun anew, without being told; where it cannot be, events
// are dropped, counted, and tried again.
func TestRemoved(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "record")
	var w warnings
	r := openWith(t, dir, Options{Warn: w.warn})
	add(t, r, eventtest.SessionStart(), ends(1))
	if err := os.Remove(filepath.Join(dir, FileName)); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(2))
	wantNumbers(t, dir, ": c 2")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(3))
	wantNumbers(t, dir, ": c 3")

	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := r.Reopen(); !errors.Is(err, unix.ENOTDIR) || strings.Count(err.Error(), dir) != 1 {
		t.Errorf("%v, want ENOTDIR of %s", err, dir)
	}
	add(t, r, ends(4), ends(5))
	if r.Dropped() != 2 || !errors.Is(r.Err(), unix.ENOTDIR) || !w.has("events are not recorded, until this is over: record to "+dir) || w.has("not recorded") {
		t.Errorf("%d dropped, %v, said %q", r.Dropped(), r.Err(), w.said)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	add(t, r, ends(6))
	if r.Dropped() != 2 || r.Err() != nil || !w.has("recorded again; 2 were not") {
		t.Errorf("%d dropped, %v, said %q", r.Dropped(), r.Err(), w.said)
	}
	closeRecorder(t, r)
	wantNumbers(t, dir, ": c 6")
}

// Two do not write to one directory.
func TestTwo(t *testing.T) {
	dir := t.TempDir()
	r := openWith(t, dir, Options{})
	if second, err := Open(dir, Options{}); err == nil || err.Error() != "record to "+dir+": another oomtrace records to it" {
		t.Errorf("a second one: %v, %v", second, err)
	}
	closeRecorder(t, r)
	closeRecorder(t, openWith(t, dir, Options{}))
}

// A reader finds each event once while files are begun and removed under its eyes.
func TestReadWhileRotating(t *testing.T) {
	const events, size = 2000, 64 << 10
	dir := t.TempDir()
	r := openWith(t, dir, Options{Size: size, Keep: 4})
	add(t, r, eventtest.SessionStart())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := range uint64(events) {
			if err := r.Event(ends(1000 + seq)); err != nil {
				t.Error(err)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		var last uint64
		files, err := OpenFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range files {
			for s := event.NewScanner(f); ; {
				e, err := s.Next()
				if err != nil {
					if !errors.Is(err, io.EOF) && (i < len(files)-1 || !errors.Is(err, event.ErrEmpty) && !errors.Is(err, event.ErrTruncated)) {
						t.Error(err)
					}
					break
				}
				if e.SessionStart != nil {
					continue
				}
				if last != 0 && e.Seq != last+1 {
					t.Fatalf("event %d comes after %d", e.Seq, last)
				}
				last = e.Seq
			}
		}
		closeAll(files)
	}
	closeRecorder(t, r)
}
