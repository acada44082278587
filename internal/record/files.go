// SPDX-License-Identifier: Apache-2.0

package record

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// DefaultDir is the directory that the service keeps its record in.
const DefaultDir = "/var/lib/oomtrace"

// FileName is the file in the directory that events are appended to. Full ones are
// events.000001.jsonl, events.000002.jsonl and so on, the newest with the highest number.
// A number never changes, nor is a lower one used later, nor does it depend on a clock.
const FileName = "events.jsonl"

const (
	fullPrefix = "events."
	fullSuffix = ".jsonl"
)

// fullName is the name of the n-th full file, from 1.
func fullName(n uint64) string { return fmt.Sprintf("%s%06d%s", fullPrefix, n, fullSuffix) }

// fullNumber is what fullName was given; ok is false for all other names.
func fullNumber(name string) (n uint64, ok bool) {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, fullPrefix), fullSuffix)
	n, err := strconv.ParseUint(digits, 10, 63) // so that there is always a higher one
	return n, err == nil && n > 0 && name == fullName(n)
}

// ErrNone says that a directory has no record, or is not there itself.
var ErrNone = errors.New("no record")

// Files returns the paths of the record in dir, oldest first; the last is being written
// to while a watcher runs. The error is ErrNone when there is none. A watcher may rename
// and remove files at any time: to read them all use [OpenFiles].
func Files(dir string) ([]string, error) {
	full, current, err := listPath(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, n := range full {
		paths = append(paths, filepath.Join(dir, fullName(n)))
	}
	if current {
		paths = append(paths, filepath.Join(dir, FileName))
	}
	if paths == nil {
		return nil, fmt.Errorf("%w in %s", ErrNone, dir)
	}
	return paths, nil
}

// listPath is list of the directory that has the path.
func listPath(path string) (full []uint64, current bool, err error) {
	dir, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, fmt.Errorf("%w: there is no directory %s", ErrNone, path)
	case err != nil:
		return nil, false, fmt.Errorf("read record: %w", err)
	}
	defer dir.Close()
	return list(dir)
}

// list returns the numbers of dir's full files, lowest first, and whether it has one
// that is not full. It reads dir to its end.
func list(dir *os.File) (full []uint64, current bool, err error) {
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, false, fmt.Errorf("read record: %w", err)
	}
	for _, e := range entries {
		n, ok := fullNumber(e.Name())
		switch {
		case e.IsDir():
		case e.Name() == FileName:
			current = true
		case ok:
			full = append(full, n)
		}
	}
	slices.SortFunc(full, cmp.Compare[uint64])
	return full, current, nil
}

// OpenFiles opens what [Files] lists, so that all events up to now are read and each once,
// though a watcher begins new files meanwhile. The caller closes them; their names are the
// paths.
func OpenFiles(dir string) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	// The newest first. If it is full by the time of listing it is there with a number,
	// and what has a higher one came later.
	current, err := openPlain(filepath.Join(dir, FileName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read record: %w", err)
	}
	if current != nil {
		defer func() { files = append(files, current) }()
	}
	full, _, err := listPath(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range full {
		f, err := openPlain(filepath.Join(dir, fullName(n)))
		switch {
		case errors.Is(err, fs.ErrNotExist): // its time was over
			continue
		case err != nil:
			return files, fmt.Errorf("read record: %w", err)
		case current != nil && sameFile(f, current):
			f.Close()
			return files, nil
		}
		files = append(files, f)
	}
	if len(files) == 0 && current == nil {
		return nil, fmt.Errorf("%w in %s", ErrNone, dir)
	}
	return files, nil
}

// openPlain opens a file. What is none, and has the name of one, is as good as not there:
// a FIFO would keep the reader waiting for ever.
func openPlain(path string) (*os.File, error) {
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return os.Open(path)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func sameFile(a, b *os.File) bool {
	x, errX := a.Stat()
	y, errY := b.Stat()
	return errX == nil && errY == nil && os.SameFile(x, y)
}
