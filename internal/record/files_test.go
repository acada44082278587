// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// makeFiles makes files that hold their own names.
func makeFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, missing := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := Files(missing); !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v, want ErrNone", missing, err)
		}
		if _, err := OpenFiles(missing); !errors.Is(err, ErrNone) {
			t.Errorf("open %s: %v, want ErrNone", missing, err)
		}
	}
	// By number, of whatever length; what only looks like one is none.
	makeFiles(t, dir, "events.1000000.jsonl", FileName, "events.000002.jsonl", "events.999999.jsonl",
		"events.18446744073709551615.jsonl", "events.2.jsonl", "events.000000.jsonl", "events.+00001.jsonl", "events..jsonl", "events.jsonl.1", "events.000003.jsonl.gz", "xevents.000001.jsonl")
	if err := os.Mkdir(filepath.Join(dir, "events.000004.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	want := []string{"events.000002.jsonl", "events.999999.jsonl", "events.1000000.jsonl", FileName}
	got, err := Files(dir)
	for i := range got {
		got[i] = filepath.Base(got[i])
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	files, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, f := range files {
		b, err := io.ReadAll(f)
		if err != nil {
			t.Error(err)
		}
		got = append(got, string(b))
		f.Close()
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A file that was full by the time it was looked for is read once, and nothing newer.
func TestOpenFilesOnce(t *testing.T) {
	dir := t.TempDir()
	makeFiles(t, dir, "events.000001.jsonl", FileName, "events.000003.jsonl")
	// As it looks to a reader that is overtaken: the same file under both names.
	if err := os.Link(filepath.Join(dir, FileName), filepath.Join(dir, "events.000002.jsonl")); err != nil {
		t.Fatal(err)
	}
	files, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(files)
	if len(files) != 2 || filepath.Base(files[0].Name()) != "events.000001.jsonl" || filepath.Base(files[1].Name()) != FileName {
		t.Errorf("%d files, the last %s", len(files), files[len(files)-1].Name())
	}
}
