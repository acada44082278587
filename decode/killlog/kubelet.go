// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"bytes"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// parseKubelet reads lines of klog, a head "I0528 16:05:54.802914 2269385 file.go:627] "
// and then the message in quotes with its values, since 1.20 or so:
//
//	"Eviction manager: pod is evicted successfully" pod="shop/cart-7f9c"
//	"Killing container with a grace period" pod="shop/cart-7f9c" containerID="containerd://…" gracePeriod=30
//
// and before that "eviction manager: pod cart-7f9c_shop(uid) is evicted successfully".
func parseKubelet(text []byte, r *Report) bool {
	said := string(text)
	if _, after, ok := strings.Cut(said, "] "); ok && isKlog(said) {
		said = after
	}
	if old, ok := strings.CutPrefix(said, "eviction manager: pod "); ok {
		pod, ok := strings.CutSuffix(old, " is evicted successfully")
		if !ok {
			return false
		}
		r.Kind, r.Pod = KindEvict, oldPod(pod)
		return r.Pod != nil
	}
	message, values, ok := quoted(said)
	if !ok {
		return false
	}
	switch message {
	case "Eviction manager: pod is evicted successfully", "pod is evicted successfully":
		r.Kind = KindEvict
	case "Killing container with a grace period":
		r.Kind, r.Signal = KindKill, "SIGTERM" // and SIGKILL when that has passed
		r.Reason = "grace period"
	default:
		return false
	}
	for key, value := range keyValues(values) {
		switch key {
		case "pod":
			if r.Pod == nil {
				r.Pod = &event.Pod{}
			}
			namespace, name, ok := strings.Cut(value, "/")
			if !ok {
				return false
			}
			r.Pod.Namespace, _ = event.CleanString([]byte(namespace))
			r.Pod.Name, _ = event.CleanString([]byte(name))
		case "podUID":
			if r.Pod == nil {
				r.Pod = &event.Pod{}
			}
			r.Pod.UID, _ = event.CleanString([]byte(value))
		case "containerID":
			if _, id, ok := strings.Cut(value, "://"); ok && isHexID(id) {
				r.Container = id
			}
		case "gracePeriod":
			seconds, _ := event.CleanString([]byte(value))
			r.Reason = "stopped by the kubelet, with a grace period of " + seconds + " s"
		}
	}
	return r.Pod != nil && r.Pod.Name != ""
}

// isKlog says whether a line begins as klog's do: the severity, the month and day.
func isKlog(s string) bool {
	return len(s) > 5 && strings.IndexByte("IWEF", s[0]) >= 0 && isDigits(s[1:5]) && s[5] == ' '
}

// oldPod reads "cart-7f9c_shop(uid)".
func oldPod(s string) *event.Pod {
	name, rest, ok := strings.Cut(s, "_")
	namespace, uid, ok1 := strings.Cut(rest, "(")
	uid, ok2 := strings.CutSuffix(uid, ")")
	if !ok || !ok1 || !ok2 {
		return nil
	}
	pod := &event.Pod{}
	pod.Name, _ = event.CleanString([]byte(name))
	pod.Namespace, _ = event.CleanString([]byte(namespace))
	pod.UID, _ = event.CleanString([]byte(uid))
	return pod
}

// parseRuntime reads lines of containerd and dockerd, which logrus writes:
//
//	time="…" level=info msg="TaskOOM event container_id:\"<id>\""
//	time="…" level=info msg="received exit event container_id:\"<id>\"  pid:7620  exit_status:137 …"
//	time="…" level=info msg="Container failed to exit within 10s of signal 15 - using the force" container=<id>
func parseRuntime(text []byte, r *Report) bool {
	if !bytes.Contains(text, []byte("msg=")) {
		return false
	}
	var message, container string
	for key, value := range keyValues(string(text)) {
		switch key {
		case "msg":
			message = value
		case "container", "containerID":
			container = value
		}
	}
	switch {
	case strings.HasPrefix(message, "TaskOOM event"):
		r.Kind, r.Signal = KindOOM, "SIGKILL"
		r.Container = idAfter(message, `container_id:"`, "ContainerID:")
	case strings.HasPrefix(message, "TaskExit event"), strings.HasPrefix(message, "received exit event"):
		status := numberAfter(message, "exit_status:", "ExitStatus:")
		if status != 128+9 {
			return false
		}
		r.Kind, r.Signal = KindExit, "SIGKILL"
		r.Container = idAfter(message, `container_id:"`, "ContainerID:")
		r.PID = max(numberAfter(message, " pid:", "Pid:"), 0)
	case strings.HasSuffix(message, "using the force"):
		r.Kind, r.Signal = KindKill, "SIGKILL"
		r.Reason, _ = event.CleanString([]byte(message))
		r.Container = container
		if rest, ok := strings.CutPrefix(message, "Container "); ok && container == "" {
			r.Container, _, _ = strings.Cut(rest, " ")
		}
	default:
		return false
	}
	if !isHexID(r.Container) {
		r.Container = ""
	}
	return r.Container != ""
}
