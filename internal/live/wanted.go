// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// Wanted is what a filter names, so that it can be said when nothing has that name.
type Wanted struct {
	Flag  string // cgroup, container, pod or namespace
	Value string // of a cgroup, its path
	// Names says whether a container, its pod, or a pod alone is meant; each may be
	// nil. Of a cgroup it is nil.
	Names func(*event.Container, *event.Pod) bool
}

// String is the flag as it was given.
func (w Wanted) String() string { return fmt.Sprintf("--%s %s", w.Flag, w.Value) }

// absent are those that were not there when the session began.
type absent struct {
	mu     sync.Mutex
	wanted []Wanted
	cgroup *procsnap.CgroupWatch
}

// lookForWanted says what is wanted and not there, and has it said when it comes.
func (s *session) lookForWanted() {
	var paths []string
	for _, w := range s.opts.Wanted {
		if w.Names == nil {
			paths = append(paths, w.Value)
		} else {
			s.absent.wanted = append(s.absent.wanted, w)
		}
	}
	if paths != nil {
		var missing []string
		var err error
		s.absent.cgroup, missing, err = s.reader.WatchCgroups(paths, func(path string) {
			s.isThere(Wanted{Flag: "cgroup", Value: path})
		})
		switch {
		case err != nil && missing == nil:
			s.warns = append(s.warns, fmt.Sprintf("whether there are the cgroups that --cgroup names is not known: %v", err))
		case err != nil:
			s.warns = append(s.warns, fmt.Sprintf("it will not be said when a cgroup appears: %v", err))
		}
		for _, path := range missing {
			s.warns = append(s.warns, fmt.Sprintf("--cgroup %s: no such cgroup now; what happens in it is shown once it appears", path))
		}
	}
	if len(s.absent.wanted) == 0 {
		return
	}
	var looked atomic.Bool // what comes later is news
	s.pods.Each(func(c *event.Container, pod *event.Pod) {
		for _, w := range s.absent.take(c, pod) {
			if looked.Load() {
				s.isThere(w)
			}
		}
	})
	looked.Store(true)
	s.absent.mu.Lock()
	left := slices.Clone(s.absent.wanted)
	s.absent.mu.Unlock()
	for _, w := range left {
		if s.inCgroups(w) {
			s.absent.forget(w)
			continue
		}
		hint := ""
		if w.Flag == "container" && s.pods.Empty() && strings.Trim(w.Value, "0123456789abcdef") != "" {
			hint = " (without a kubelet names are not known: give the beginning of its id)"
		}
		s.warns = append(s.warns, fmt.Sprintf("%s: no such %s now; what happens in it is shown once it appears%s", w, w.Flag, hint))
	}
}

// inCgroups looks where containers and pods are known by their ids.
func (s *session) inCgroups(w Wanted) bool {
	if strings.ContainsAny(w.Value, "*?") || w.Flag == "namespace" {
		return false
	}
	// If it cannot tell, it is not there as far as is known.
	found, _ := s.reader.FindCgroup(func(id cgroup.Identity) bool { return w.Names(id.Container, id.Pod) })
	return found
}

func (s *session) isThere(w Wanted) {
	if s.opts.Warn != nil {
		s.opts.Warn(fmt.Sprintf("%s: it is there now", w))
	}
}

// take takes those out that mean a container, its pod, or a pod alone.
func (a *absent) take(c *event.Container, pod *event.Pod) (there []Wanted) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = slices.DeleteFunc(a.wanted, func(w Wanted) bool {
		is := w.Names(c, pod)
		if is {
			there = append(there, w)
		}
		return is
	})
	return there
}

func (a *absent) forget(w Wanted) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = slices.DeleteFunc(a.wanted, func(other Wanted) bool { return other.Flag == w.Flag && other.Value == w.Value })
}
