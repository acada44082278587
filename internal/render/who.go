// SPDX-License-Identifier: Apache-2.0

package render

import (
	"path"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// optional is event.RawString of a string that may be unknown: then "".
func optional(s *string, hexRaw string) string {
	if s == nil {
		return ""
	}
	return event.RawString(*s, hexRaw)
}

// who is "java[4242]", "pid 4242" for a process without a known name, and the name alone
// where a log does not tell the pid.
func who(pid int, comm *string, hexRaw string) string {
	switch {
	case comm == nil && pid == 0:
		return ""
	case comm == nil:
		return "pid " + strconv.Itoa(pid)
	}
	name := clip(event.RawString(*comm, hexRaw), 256)
	if pid == 0 {
		return name
	}
	return name + "[" + strconv.Itoa(pid) + "]"
}

// taskName is who a task is; of a trigger whose pid a log does not tell, its name alone.
func taskName(t *event.Task) string {
	if t.PID == 0 && t.Comm != nil {
		return clip(event.RawString(*t.Comm, t.CommHex), 256)
	}
	return who(t.PID, t.Comm, t.CommHex)
}

// place is where a process lives, by the name a person knows it by: its pod,
// container, unit, or else its cgroup; "" when nothing is known.
func place(c *event.Cgroup, ctr *event.Container, pod *event.Pod, unit string) string {
	switch {
	case pod != nil && podName(pod) != "":
		if ctr != nil && ctr.Name != "" {
			return "pod " + podName(pod) + " (" + ctr.Name + ")"
		}
		return "pod " + podName(pod)
	case ctr != nil && containerName(ctr) != "":
		return containerName(ctr)
	case unit != "":
		return unit
	case c != nil && c.Path != "":
		return "cgroup " + cgroupPath(c)
	}
	return ""
}

func victimPlace(v *event.Victim) string { return place(v.Cgroup, v.Container, v.Pod, v.Unit) }
func taskPlace(t *event.Task) string     { return place(t.Cgroup, t.Container, t.Pod, t.Unit) }

func podName(p *event.Pod) string {
	switch {
	case p.Name == "":
		return p.UID
	case p.Namespace == "":
		return p.Name
	}
	return p.Namespace + "/" + p.Name
}

// containerName is "docker web" or, without a name, "docker c0ffee5d1b2a".
func containerName(c *event.Container) string {
	name := c.Name
	if name == "" {
		name = c.ID
		if len(name) > 12 {
			name = name[:12]
		}
	}
	if name == "" {
		return ""
	}
	return or(c.Runtime, "container") + " " + name
}

func cgroupPath(c *event.Cgroup) string {
	p := clipHead(event.RawString(c.Path, c.PathHex), 256)
	if c.Truncated {
		return "…" + p
	}
	return p
}

// limitOwner says whose limit was hit, in terms of the victim that lives under it.
func limitOwner(l *event.Limit, v *event.Victim) string {
	c := l.Cgroup
	if c == nil || c.Path == "" {
		return "a cgroup"
	}
	if c.Path == "/" {
		return "the root cgroup"
	}
	same := l.Owner == event.OwnerContainer || v.Cgroup != nil && (v.Cgroup.Path == c.Path || v.Cgroup.ID != "" && v.Cgroup.ID == c.ID)
	switch {
	case same && v.Pod != nil && v.Container != nil && v.Container.Name != "":
		return "container " + v.Container.Name
	case same && v.Container != nil && containerName(v.Container) != "":
		return "container " + strings.TrimPrefix(containerName(v.Container), "container ")
	case same && v.Unit != "" && l.Owner != event.OwnerContainer:
		return v.Unit
	case l.Owner == event.OwnerUnit || l.Owner == event.OwnerSlice:
		return clip(path.Base(cgroupPath(c)), 256)
	case v.Pod != nil && podName(v.Pod) != "" && isPodCgroup(c.Path, v.Pod.UID):
		return "pod " + podName(v.Pod)
	}
	return "cgroup " + clipHead(cgroupPath(c), 80)
}

// isPodCgroup tells whether a cgroup is the one that kubelet made for a pod: the
// last element is "pod<uid>", with the systemd driver "…-pod<uid>.slice" and
// underscores in the uid.
func isPodCgroup(p, uid string) bool {
	if uid == "" {
		return false
	}
	base := strings.TrimSuffix(path.Base(p), ".slice")
	return strings.HasSuffix(base, "pod"+uid) || strings.HasSuffix(base, "pod"+strings.ReplaceAll(uid, "-", "_"))
}
