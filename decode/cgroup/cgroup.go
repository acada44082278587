// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Identity is what a cgroup path tells. Absent parts are nil or "".
type Identity struct {
	// Container is the innermost container. A path never holds its name.
	Container *event.Container
	// Pod is the innermost pod. A path never holds its namespace and name.
	Pod *event.Pod
	// Unit is the innermost systemd unit as systemd writes it (\x2d and the
	// like are kept); a slice only where no other unit is in the path.
	Unit string
}

// Parse reads a cgroup path from the root of its hierarchy, such as
// "/system.slice/docker-<id>.scope". Any string is accepted.
//
// Where managers are nested (kind, docker in docker, systemd in a container, a
// user's own systemd) the innermost wins: it is the one that knows the process.
func Parse(path string) Identity {
	var ident Identity
	var slice, previous string
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		// The name that the kubelet's systemd driver gives, on a runtime with the
		// cgroupfs driver, is one folder: <pod>.slice:cri-containerd:<id>.
		if pod, scope, ok := strings.Cut(part, ".slice:"); ok {
			if runtime, id, ok := strings.Cut(scope, ":"); ok && isHex(id, 64) {
				ident.enterPod(pod+".slice", previous)
				part = runtime + "-" + id
			}
		}
		ident.enterPod(part, previous)
		if c := parseContainer(part, previous); c != nil {
			ident.Container = c
		}
		switch name, kind := parseUnit(part); kind {
		case "":
		case "slice":
			slice = name
		default:
			ident.Unit = name
		}
		previous = part
	}
	if ident.Unit == "" {
		ident.Unit = slice
	}
	return ident
}

// enterPod notes the pod that the folder part belongs to, if any. A container
// around it is then its node (kind), not the pod's.
func (ident *Identity) enterPod(part, previous string) {
	if pod := parsePod(part, previous); pod != nil {
		ident.Pod, ident.Container = pod, nil
	}
}

// parseContainer reads the folder of one container, within the folder named
// previous; nil if it is none. The monitors of CRI-O and podman (crio-conmon-,
// libpod-conmon-) run beside the container and are none.
func parseContainer(part, previous string) *event.Container {
	if isHex(part, 64) {
		switch previous {
		case "libpod_parent": // a pod of podman
			return nil
		case "docker":
			return &event.Container{Runtime: "docker", ID: part}
		}
		// The kubelet's cgroupfs driver with docker or containerd, ECS, a
		// --cgroup-parent: the path does not say which runtime.
		return &event.Container{ID: part}
	}
	part = strings.TrimSuffix(part, ".scope")
	dash := strings.LastIndexByte(part, '-')
	if dash < 0 || !isHex(part[dash+1:], 64) {
		return nil
	}
	var runtime string
	switch part[:dash] {
	case "docker":
		runtime = "docker"
	case "cri-containerd", "nerdctl":
		runtime = "containerd"
	case "crio":
		runtime = "cri-o"
	case "libpod", "libpod-payload":
		runtime = "podman"
	default:
		return nil
	}
	return &event.Container{Runtime: runtime, ID: part[dash+1:]}
}

// parsePod reads the folder of one pod, within the folder named previous; nil
// if it is none. A guaranteed pod stands right under kubepods.
func parsePod(part, previous string) *event.Pod {
	var class, uid string
	name, ok := strings.CutSuffix(part, ".slice")
	if ok {
		// [kubelet-]kubepods[-burstable]-pod<uid>.slice, dashes of the uid as
		// underscores, since a dash separates slices.
		i := strings.LastIndex(name, "-pod")
		if i < 0 {
			return nil
		}
		class, uid = name[:i], strings.ReplaceAll(name[i+len("-pod"):], "_", "-")
	} else {
		// kubepods[/burstable]/pod<uid>
		uid, ok = strings.CutPrefix(part, "pod")
		if !ok {
			return nil
		}
		class = previous
		if class != "kubepods" {
			class = "kubepods-" + class
		}
	}
	if !isPodUID(uid) {
		return nil
	}
	for _, qos := range [...]struct{ suffix, name string }{
		{"kubepods", "guaranteed"},
		{"kubepods-burstable", "burstable"},
		{"kubepods-besteffort", "besteffort"},
	} {
		if head, ok := strings.CutSuffix(class, qos.suffix); ok && (head == "" || head[len(head)-1] == '-') {
			return &event.Pod{UID: uid, QoS: qos.name}
		}
	}
	return nil
}

// parseUnit returns the systemd unit that part is the folder of, and its kind;
// "" if it is none. Only kinds that have processes are known.
func parseUnit(part string) (name, kind string) {
	// systemd puts an underscore before names that the kernel could take for
	// its own files, and before names that begin with one.
	name = strings.TrimPrefix(part, "_")
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || len(name) > 255 {
		return "", ""
	}
	switch kind = name[dot+1:]; kind {
	case "service", "scope", "slice", "socket", "mount", "swap":
	default:
		return "", ""
	}
	for i := range dot {
		c := name[i]
		if !isAlnum(c) && strings.IndexByte(`:-_.\@`, c) < 0 {
			return "", ""
		}
	}
	return name, kind
}

// isPodUID accepts a UUID, and the 32 hex digits of a static pod's hash.
func isPodUID(s string) bool {
	if len(s) != 36 {
		return isHex(s, 32)
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isHexDigit(s[i]) {
				return false
			}
		}
	}
	return true
}

// isHex says whether s is n lower-case hex digits.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if !isHexDigit(s[i]) {
			return false
		}
	}
	return true
}

func isHexDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
