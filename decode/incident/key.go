// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"strings"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
)

// key is a limit: kills with different ones are of different incidents.
type key struct {
	scope event.Scope
	kind  event.LimitKind
	// whose names the owner of the limit, or of what is known instead. Its first word
	// says which, so that two of different kinds are never the same.
	whose string
}

func keyOf(k *event.Kill) key {
	alone := key{scope: k.Scope, whose: "episode " + k.Episode}
	switch k.Scope {
	case event.ScopeGlobal:
		return key{scope: k.Scope}
	case event.ScopeSysrq: // somebody asked for each
		return alone
	}
	if l := k.Limit; l != nil {
		if name := limitOwner(l.Cgroup, &k.Victim); name != "" {
			return key{k.Scope, l.Kind, "limit " + name}
		}
	}
	switch k.Scope {
	case event.ScopeCpuset, event.ScopeMempolicy: // the nodes are those of who asked for memory
		if t := k.Trigger; t != nil {
			if name := owner(t.Cgroup, t.Container, t.Pod); name != "" {
				return key{scope: k.Scope, whose: "trigger " + name}
			}
		}
	default:
		if name := owner(k.Victim.Cgroup, k.Victim.Container, k.Victim.Pod); name != "" {
			return key{scope: k.Scope, whose: "victim " + name}
		}
	}
	return alone
}

// limitOwner names the owner of a limit; the container and pod that are known by name
// are the victim's, and it lives there or below.
func limitOwner(c *event.Cgroup, v *event.Victim) string {
	if c == nil {
		return ""
	}
	in := cgroup.Parse(c.Path).Container
	if in == nil || v.Container == nil || in.ID != v.Container.ID {
		return owner(c, nil, nil) // a pod's own cgroup has the pod's uid in its path
	}
	return owner(c, v.Container, v.Pod)
}

// owner names who has a cgroup: a container with a name by that, and by the path below
// it; all else by its path; "" when that is not known, nor its id. The parts of a name
// are apart by NUL, which is in none of them.
func owner(c *event.Cgroup, ctr *event.Container, pod *event.Pod) string {
	if c == nil {
		return ""
	}
	if !c.Truncated && ctr != nil && ctr.Name != "" && ctr.ID != "" {
		if i := strings.LastIndex(c.Path, ctr.ID); i >= 0 {
			name := []string{"container", ctr.Runtime, ctr.Name, ""}
			if pod != nil {
				name[3] = pod.UID
			}
			if _, below, ok := strings.Cut(c.Path[i:], "/"); ok {
				name = append(name, below, c.PathHex)
			}
			return strings.Join(name, "\x00")
		}
	}
	switch {
	case c.Path != "" && !c.Truncated:
		return "path\x00" + c.Path + "\x00" + c.PathHex
	case c.ID != "":
		return "id\x00" + c.ID
	}
	return ""
}
