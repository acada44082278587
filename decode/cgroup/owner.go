// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Owner says whose cgroup the one at path is to a process in the cgroup at of: its own,
// or what it is of those above. It is "" where path is not of or above it, or not known.
func Owner(path, of string) event.LimitOwner {
	switch {
	case path == "" || of == "":
		return ""
	case path == of:
		return event.OwnerOwn
	case path == "/":
		return event.OwnerParent
	case !strings.HasPrefix(of, path+"/"):
		return ""
	}
	above, part := split(path)
	_, previous := split(above)
	switch _, kind := parseUnit(part); {
	case parsePod(part, previous) != nil:
		return event.OwnerPod
	case parseContainer(part, previous) != nil, strings.Contains(part, ".slice:"):
		return event.OwnerContainer
	case kind == "slice":
		return event.OwnerSlice
	case kind != "":
		return event.OwnerUnit
	}
	return event.OwnerParent
}

// split takes the last folder off path.
func split(path string) (above, part string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}
