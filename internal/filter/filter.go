// SPDX-License-Identifier: Apache-2.0

// Package filter decides which events a reader asked to see.
package filter

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Filter says which events to show. The zero value shows all. Several values of
// one kind are alternatives; several kinds must all hold. They are asked of the
// event's subject: the victim of a kill, the process that moved the clock, of an OOM
// without a kill who was dying or asked for memory. A
// value that the event does not know matches nothing, so neither does an event
// without a process. What follows a kill (oom.detail, oom.snapshot, oom.end) is shown
// with it. session.start, session.end and lost are always shown.
//
// Where a pattern is taken, * stands for any characters, also none and also
// slashes, and ? for one; all others stand for themselves.
//
// A Filter remembers the kills that it let pass, so it serves one stream and
// one goroutine. Its fields must not change after the first Match.
type Filter struct {
	PIDs []int // thread-group leaders
	// Comms are patterns. A word longer than the 15 bytes that the kernel keeps
	// of a name is cut like the kernel cuts it.
	Comms []string
	// Cgroups are paths from the hierarchy's root; what lies below matches too.
	Cgroups []string
	// Containers are patterns of names, or the beginning of an id, of at least
	// 4 characters.
	Containers []string
	Pods       []string // patterns of names, or a whole uid
	Namespaces []string // patterns

	passed [1024]killKey // the last kills shown, a ring
	next   int
}

// killKey tells one kill from another.
type killKey struct {
	episode string
	pid     int
}

const commLen = 15 // TASK_COMM_LEN less the NUL

// Match says whether e shall be shown.
func (f *Filter) Match(e *event.Event) bool {
	if f.empty() {
		return true
	}
	switch {
	case e.SessionStart != nil, e.SessionEnd != nil, e.Lost != nil:
		return true
	case e.Kill != nil:
		v := &e.Kill.Victim
		ok := f.subject(v.PID, v.Comm, v.Cgroup, v.Container, v.Pod)
		if ok {
			f.passed[f.next] = killKey{e.Kill.Episode, v.PID}
			f.next = (f.next + 1) % len(f.passed)
		}
		return ok
	case e.Detail != nil:
		return f.wasShown(e.Detail.Episode, e.Detail.PID)
	case e.Snapshot != nil:
		return f.wasShown(e.Snapshot.Episode, e.Snapshot.PID) ||
			e.Snapshot.Victim != nil && f.task(e.Snapshot.Victim)
	case e.End != nil:
		return f.wasShown(e.End.Episode, e.End.PID)
	case e.NoKill != nil:
		v, t := e.NoKill.Victim, e.NoKill.Trigger
		return v != nil && f.subject(v.PID, v.Comm, v.Cgroup, v.Container, v.Pod) || t != nil && f.task(t)
	case e.Sigkill != nil:
		return f.task(&e.Sigkill.Victim)
	case e.Clock != nil:
		return f.task(&e.Clock.Process)
	case e.ClockSummary != nil:
		return f.task(&e.ClockSummary.Process)
	default:
		return false
	}
}

// Describe lists what is asked for, such as "pid=12", in the form that
// session.start carries.
func (f *Filter) Describe() []string {
	var out []string
	for _, pid := range f.PIDs {
		out = append(out, "pid="+strconv.Itoa(pid))
	}
	for _, comm := range f.Comms {
		out = append(out, "comm="+comm)
	}
	for _, n := range f.Names() {
		out = append(out, n.Kind+"="+n.Value)
	}
	return out
}

// Name is a value of the filter that is to be the name of something.
type Name struct {
	Kind  string // cgroup, container, pod or namespace
	Value string
}

// Names lists those of cgroups, containers, pods and namespaces.
func (f *Filter) Names() []Name {
	var out []Name
	for _, kind := range []struct {
		name   string
		values []string
	}{
		{"cgroup", f.Cgroups},
		{"container", f.Containers},
		{"pod", f.Pods},
		{"namespace", f.Namespaces},
	} {
		for _, v := range kind.values {
			out = append(out, Name{kind.name, v})
		}
	}
	return out
}

// Means says whether n is the name of a container or its pod, either of which may be
// nil.
func (n Name) Means(container *event.Container, pod *event.Pod) bool {
	switch n.Kind {
	case "container":
		return isContainer(n.Value, container)
	case "pod":
		return isPod(n.Value, pod)
	case "namespace":
		return inNamespace(n.Value, pod)
	}
	return false
}

func isContainer(want string, c *event.Container) bool {
	return c != nil && (like(want, c.Name) || len(want) >= 4 && strings.HasPrefix(c.ID, want))
}

func isPod(want string, pod *event.Pod) bool {
	return pod != nil && (like(want, pod.Name) || pod.UID != "" && pod.UID == want)
}

func inNamespace(want string, pod *event.Pod) bool { return pod != nil && like(want, pod.Namespace) }

func (f *Filter) empty() bool {
	return len(f.PIDs)+len(f.Comms)+len(f.Cgroups)+len(f.Containers)+len(f.Pods)+len(f.Namespaces) == 0
}

func (f *Filter) wasShown(episode string, pid int) bool {
	return episode != "" && slices.Contains(f.passed[:], killKey{episode, pid})
}

func (f *Filter) task(t *event.Task) bool {
	return f.subject(t.PID, t.Comm, t.Cgroup, t.Container, t.Pod)
}

func (f *Filter) subject(pid int, comm *string, cgroup *event.Cgroup, container *event.Container, pod *event.Pod) bool {
	return alternatives(f.PIDs, func(want int) bool { return want == pid }) &&
		alternatives(f.Comms, func(want string) bool {
			if !strings.ContainsAny(want, "*?") {
				want = want[:min(commLen, len(want))]
			}
			return comm != nil && like(want, *comm)
		}) &&
		alternatives(f.Cgroups, func(want string) bool { return cgroup != nil && below(want, cgroup.Path) }) &&
		alternatives(f.Containers, func(want string) bool { return isContainer(want, container) }) &&
		alternatives(f.Pods, func(want string) bool { return isPod(want, pod) }) &&
		alternatives(f.Namespaces, func(want string) bool { return inNamespace(want, pod) })
}

// alternatives is true when nothing is wanted or one of the wanted holds.
func alternatives[T any](wanted []T, holds func(T) bool) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, holds)
}

// like matches a known value s against a pattern. It goes back to the last *
// only, which is enough and keeps the time bounded by the product of lengths.
func like(pattern, s string) bool {
	if s == "" {
		return false
	}
	star, resume := -1, 0 // behind the last *, and where s goes on from
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			p++
			star, resume = p, i
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(s[i:])
			p, i = p+1, i+size
		case p < len(pattern) && pattern[p] == s[i]:
			p, i = p+1, i+1
		case star >= 0:
			resume++
			p, i = star, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// below says whether the cgroup at p is the one at root or lies below it.
func below(root, p string) bool {
	if p == "" {
		return false
	}
	root = path.Clean("/" + root)
	return root == "/" || p == root || strings.HasPrefix(p, root+"/")
}
