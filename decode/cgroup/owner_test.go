// SPDX-License-Identifier: Apache-2.0

package cgroup_test

import (
	"testing"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
)

func TestOwner(t *testing.T) {
	const (
		podSlice  = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidSlice + ".slice"
		podFolder = "/kubepods/besteffort/pod" + uid
		scope     = podSlice + "/cri-containerd-" + id1 + ".scope"
		mixed     = "/system.slice/kubepods-burstable-pod" + uidSlice + ".slice:cri-containerd:" + id1
	)
	for _, tt := range []struct {
		name, path, of string
		want           event.LimitOwner
	}{
		{"own", "/a/b", "/a/b", event.OwnerOwn},
		{"root, own", "/", "/", event.OwnerOwn},
		{"root", "/", "/a", event.OwnerParent},
		{"folder", "/a", "/a/b", event.OwnerParent},
		{"beside", "/a", "/ab", ""},
		{"below", "/a/b", "/a", ""},
		{"not known", "", "/a", ""},
		{"of whom not known", "/a", "", ""},
		{"container, own", scope, scope, event.OwnerOwn},
		{"container, systemd driver", scope, scope + "/init.scope", event.OwnerContainer},
		{"container, cgroupfs driver", podFolder + "/" + id1, podFolder + "/" + id1 + "/sub", event.OwnerContainer},
		{"container, docker", "/docker/" + id1, "/docker/" + id1 + "/sub", event.OwnerContainer},
		{"container, named by both drivers", mixed, mixed + "/sub", event.OwnerContainer},
		{"pod, systemd driver", podSlice, scope, event.OwnerPod},
		{"pod, cgroupfs driver", podFolder, podFolder + "/" + id1, event.OwnerPod},
		{"class of pods", "/kubepods.slice/kubepods-burstable.slice", scope, event.OwnerSlice},
		{"all pods, cgroupfs driver", "/kubepods", podFolder + "/" + id1, event.OwnerParent},
		{"user's slice", "/user.slice/user-1000.slice", "/user.slice/user-1000.slice/session-3.scope", event.OwnerSlice},
		{"unit", "/system.slice/web.service", "/system.slice/web.service/worker", event.OwnerUnit},
		{"user's manager", "/user.slice/user-1000.slice/user@1000.service", "/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", event.OwnerUnit},
	} {
		if got := cgroup.Owner(tt.path, tt.of); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func FuzzOwner(f *testing.F) {
	f.Add("/", "/a")
	f.Add("/docker/"+id1, "/docker/"+id1+"/sub")
	f.Fuzz(func(t *testing.T, path, of string) {
		if got := cgroup.Owner(path, of); got == event.OwnerOwn != (path == of && path != "") {
			t.Errorf("Owner(%q, %q) is %q", path, of, got)
		}
	})
}
