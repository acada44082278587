// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/cgroup"
)

// CgroupWatch waits for cgroups that are not there, by inotify: nothing wakes but for a
// new folder beside where they will be.
type CgroupWatch struct {
	memcgs  memcgs
	there   func(string)
	watcher *watcher
	done    chan struct{}

	mu    sync.Mutex // the first look is another goroutine's
	waits []cgroupWait
}

// cgroupWait is one of them.
type cgroupWait struct {
	path string // as it was given
	wd   int    // of the nearest folder above that is there
	next string // what is missing in it
}

// WatchCgroups looks for cgroups by their paths from the hierarchy's root, those of which
// that are missing it names, and calls there, from another goroutine, for each once it
// has appeared. The error says why that cannot be told. Close ends it.
func (r *Reader) WatchCgroups(paths []string, there func(path string)) (w *CgroupWatch, missing []string, err error) {
	if r.memcgsErr != nil {
		return nil, nil, r.memcgsErr
	}
	if !r.memcgs.fromRoot() {
		return nil, nil, fmt.Errorf("%s shows a part of the host's cgroups alone", r.memcgs.dir)
	}
	return watchCgroups(r.memcgs, paths, there)
}

func watchCgroups(m memcgs, paths []string, there func(path string)) (*CgroupWatch, []string, error) {
	w := &CgroupWatch{memcgs: m, there: there, done: make(chan struct{})}
	close(w.done) // nobody reads
	for _, p := range paths {
		if fd, err := m.open(clean(p)); err == nil {
			unix.Close(fd)
		} else if errors.Is(err, fs.ErrNotExist) {
			w.waits = append(w.waits, cgroupWait{path: p})
		}
	}
	var missing []string
	for _, wait := range w.waits {
		missing = append(missing, wait.path)
	}
	if missing == nil {
		return w, nil, nil
	}
	var err error
	if w.watcher, err = newWatcher(); err != nil {
		return w, missing, fmt.Errorf("watch cgroups: %w", err)
	}
	w.done = make(chan struct{})
	go func() {
		defer close(w.done)
		// It can only fail by being closed.
		_ = w.watcher.read(w.apply)
	}()
	return w, missing, w.look(func(*cgroupWait) bool { return true })
}

// Close ends the watch.
func (w *CgroupWatch) Close() error {
	if w == nil || w.watcher == nil {
		return nil
	}
	err := w.watcher.close()
	<-w.done
	return err
}

// clean is a path as the filter understands it.
func clean(p string) string { return path.Clean("/" + p) }

// apply follows one change.
func (w *CgroupWatch) apply(c change) {
	// What cannot be watched any more stays unsaid.
	_ = w.look(func(wait *cgroupWait) bool {
		return c.overflow || c.wd == wait.wd && (c.ignored || c.added && c.name == wait.next)
	})
}

// look looks again for those that may have come nearer.
func (w *CgroupWatch) look(near func(*cgroupWait) bool) (err error) {
	var found []string
	watched := map[int]bool{} // before, and not any more
	w.mu.Lock()
	left := w.waits[:0]
	for _, wait := range w.waits {
		watched[wait.wd] = true
		if near(&wait) {
			there, failed := w.approach(&wait)
			err = cmp.Or(err, failed)
			if there {
				found = append(found, wait.path)
				continue
			}
		}
		left = append(left, wait)
	}
	w.waits = left
	for _, wait := range left {
		delete(watched, wait.wd)
	}
	for wd := range watched {
		if wd > 0 {
			w.watcher.remove(wd)
		}
	}
	w.mu.Unlock()
	for _, p := range found {
		w.there(p)
	}
	return err
}

// approach watches the nearest folder above what is waited for, until nothing new has
// come in it meanwhile.
func (w *CgroupWatch) approach(wait *cgroupWait) (there bool, err error) {
	parts := strings.Split(strings.TrimPrefix(clean(wait.path), "/"), "/")
	for {
		n := w.deepest(parts)
		if n == len(parts) {
			return true, nil
		}
		dir := filepath.Join(w.memcgs.dir, filepath.Join(parts[:n]...))
		wd, err := w.watcher.add(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed in between
		}
		if err != nil {
			return false, err
		}
		wait.wd, wait.next = wd, parts[n]
		if w.deepest(parts) == n {
			return false, nil
		}
	}
}

// deepest says how many of parts are there, one below the other.
func (w *CgroupWatch) deepest(parts []string) int {
	for n := len(parts); n > 0; n-- {
		if fd, err := w.memcgs.open(path.Join(parts[:n]...)); err == nil {
			unix.Close(fd)
			return n
		}
	}
	return 0
}

// cgroupsLimit bounds the cgroups that are looked through.
const cgroupsLimit = 4096

// errTooMany says that not all cgroups were looked at.
var errTooMany = errors.New("there are too many cgroups to look through")

// FindCgroup says whether there is a cgroup for whose path, by what it tells, f is true.
func (r *Reader) FindCgroup(f func(cgroup.Identity) bool) (bool, error) {
	if r.memcgsErr != nil {
		return false, r.memcgsErr
	}
	n, found := 0, false
	err := r.memcgs.walk("/", func(path string) error {
		if n++; n > cgroupsLimit {
			return errTooMany
		}
		if found = f(cgroup.Parse(path)); found {
			return fs.SkipAll
		}
		return nil
	})
	return found, err
}
