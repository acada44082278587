// SPDX-License-Identifier: Apache-2.0

package cgroup_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
)

const (
	id1 = "2032491dcae31e6746f47daa0ac74564f2843a1bd847c5e6c4eb501ca132ac36"
	id2 = "35b97177dada20362ab90d90ac63cd54e8a41cf87bea34f270631b6da17f4a93"
	uid = "2fc932ce-fdcc-454b-97bd-aadfdeb4c340"
	// The same with the systemd driver, and a static pod's hash.
	uidSlice = "2fc932ce_fdcc_454b_97bd_aadfdeb4c340"
	hash     = "8daa50c3a64c9ff60bb9eab7b44b56fd"
)

func container(runtime, id string) *event.Container {
	return &event.Container{Runtime: runtime, ID: id}
}

func pod(uid, qos string) *event.Pod { return &event.Pod{UID: uid, QoS: qos} }

var paths = []struct {
	name, path string
	want       cgroup.Identity
}{
	{"docker, cgroupfs driver", "/docker/" + id1,
		cgroup.Identity{Container: container("docker", id1)}},
	{"docker, subgroup of the container", "/docker/" + id1 + "/init",
		cgroup.Identity{Container: container("docker", id1)}},
	{"docker, systemd driver", "/system.slice/docker-" + id1 + ".scope",
		cgroup.Identity{Container: container("docker", id1), Unit: "docker-" + id1 + ".scope"}},
	{"docker, --cgroup-parent", "/actions_job/" + id1,
		cgroup.Identity{Container: container("", id1)}},
	{"docker in docker", "/docker/" + id1 + "/docker/" + id2,
		cgroup.Identity{Container: container("docker", id2)}},
	{"docker in docker, mixed drivers", "/system.slice/docker-" + id1 + ".scope/docker/" + id2,
		cgroup.Identity{Container: container("docker", id2), Unit: "docker-" + id1 + ".scope"}},
	{"systemd in docker", "/docker/" + id1 + "/system.slice/nginx.service",
		cgroup.Identity{Container: container("docker", id1), Unit: "nginx.service"}},
	{"docker's own daemon", "/system.slice/docker.service",
		cgroup.Identity{Unit: "docker.service"}},
	{"buildkit", "/docker/buildkit/x3f9c0gyltk6xkgdd0hzb2p8j",
		cgroup.Identity{}},
	{"nerdctl", "/system.slice/nerdctl-" + id1 + ".scope",
		cgroup.Identity{Container: container("containerd", id1), Unit: "nerdctl-" + id1 + ".scope"}},
	{"containerd without systemd", "/default/" + id1,
		cgroup.Identity{Container: container("", id1)}},
	{"ECS", "/ecs/55091c13b8cf4801b527f4601742204d/" + id1,
		cgroup.Identity{Container: container("", id1)}},

	{"kubelet cgroupfs driver, burstable", "/kubepods/burstable/pod" + uid + "/" + id1,
		cgroup.Identity{Container: container("", id1), Pod: pod(uid, "burstable")}},
	{"kubelet cgroupfs driver, besteffort", "/kubepods/besteffort/pod" + uid + "/" + id1,
		cgroup.Identity{Container: container("", id1), Pod: pod(uid, "besteffort")}},
	{"kubelet cgroupfs driver, guaranteed", "/kubepods/pod" + uid + "/" + id1,
		cgroup.Identity{Container: container("", id1), Pod: pod(uid, "guaranteed")}},
	{"kubelet cgroupfs driver, static pod", "/kubepods/burstable/pod" + hash + "/" + id1,
		cgroup.Identity{Container: container("", id1), Pod: pod(hash, "burstable")}},
	{"kubelet cgroupfs driver, the pod itself", "/kubepods/pod" + uid,
		cgroup.Identity{Pod: pod(uid, "guaranteed")}},
	{"kubelet cgroupfs driver, cri-o", "/kubepods/burstable/pod" + uid + "/crio-" + id1,
		cgroup.Identity{Container: container("cri-o", id1), Pod: pod(uid, "burstable")}},

	{"kubelet systemd driver, containerd, burstable",
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidSlice + ".slice/cri-containerd-" + id1 + ".scope",
		cgroup.Identity{Container: container("containerd", id1), Pod: pod(uid, "burstable"),
			Unit: "cri-containerd-" + id1 + ".scope"}},
	{"kubelet systemd driver, containerd, guaranteed",
		"/kubepods.slice/kubepods-pod" + uidSlice + ".slice/cri-containerd-" + id1 + ".scope",
		cgroup.Identity{Container: container("containerd", id1), Pod: pod(uid, "guaranteed"),
			Unit: "cri-containerd-" + id1 + ".scope"}},
	{"kubelet systemd driver, docker, besteffort, a subgroup",
		"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidSlice + ".slice/docker-" + id1 + ".scope/kube-proxy",
		cgroup.Identity{Container: container("docker", id1), Pod: pod(uid, "besteffort"),
			Unit: "docker-" + id1 + ".scope"}},
	{"kubelet systemd driver, static pod, cri-o with crun",
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + hash + ".slice/crio-" + id1 + ".scope/container",
		cgroup.Identity{Container: container("cri-o", id1), Pod: pod(hash, "burstable"),
			Unit: "crio-" + id1 + ".scope"}},
	{"cri-o's monitor is no container",
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidSlice + ".slice/crio-conmon-" + id1 + ".scope",
		cgroup.Identity{Pod: pod(uid, "burstable"), Unit: "crio-conmon-" + id1 + ".scope"}},
	{"kubelet systemd driver, containerd cgroupfs driver",
		"/system.slice/containerd.service/kubepods-burstable-pod" + uidSlice + ".slice:cri-containerd:" + id1,
		cgroup.Identity{Container: container("containerd", id1), Pod: pod(uid, "burstable"), Unit: "containerd.service"}},
	{"kind, cgroupfs", "/docker/" + id1 + "/kubelet/kubepods/besteffort/pod" + uid + "/" + id2,
		cgroup.Identity{Container: container("", id2), Pod: pod(uid, "besteffort")}},
	{"kind, systemd",
		"/system.slice/docker-" + id1 + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" +
			uidSlice + ".slice/cri-containerd-" + id2 + ".scope",
		cgroup.Identity{Container: container("containerd", id2), Pod: pod(uid, "besteffort"),
			Unit: "cri-containerd-" + id2 + ".scope"}},
	{"kind, the pod's own group is not in the node's container",
		"/docker/" + id1 + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + uidSlice + ".slice",
		cgroup.Identity{Pod: pod(uid, "guaranteed"), Unit: "kubelet-kubepods-pod" + uidSlice + ".slice"}},
	{"docker in a pod", "/kubepods/burstable/pod" + uid + "/" + id1 + "/docker/" + id2,
		cgroup.Identity{Container: container("docker", id2), Pod: pod(uid, "burstable")}},
	{"minikube, cri-o",
		"/docker/" + id1 + "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidSlice + ".slice/crio-" + id2 + ".scope",
		cgroup.Identity{Container: container("cri-o", id2), Pod: pod(uid, "besteffort"), Unit: "crio-" + id2 + ".scope"}},

	{"podman as root", "/machine.slice/libpod-" + id1 + ".scope/container",
		cgroup.Identity{Container: container("podman", id1), Unit: "libpod-" + id1 + ".scope"}},
	{"podman's monitor", "/machine.slice/libpod-conmon-" + id1 + ".scope",
		cgroup.Identity{Unit: "libpod-conmon-" + id1 + ".scope"}},
	{"podman, cgroupfs", "/libpod_parent/libpod-" + id1,
		cgroup.Identity{Container: container("podman", id1)}},
	{"podman, cgroupfs, in a podman pod", "/libpod_parent/" + id2 + "/libpod-" + id1,
		cgroup.Identity{Container: container("podman", id1)}},
	{"podman, cgroupfs, the podman pod itself", "/libpod_parent/" + id2,
		cgroup.Identity{}},
	{"podman, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id1 + ".scope/container",
		cgroup.Identity{Container: container("podman", id1), Unit: "libpod-" + id1 + ".scope"}},
	{"podman, in a podman pod", "/machine.slice/machine-libpod_pod_" + id2 + ".slice/libpod-" + id1 + ".scope",
		cgroup.Identity{Container: container("podman", id1), Unit: "libpod-" + id1 + ".scope"}},
	{"podman, --cgroups=split", "/system.slice/web.service/libpod-payload-" + id1,
		cgroup.Identity{Container: container("podman", id1), Unit: "web.service"}},
	{"podman, --cgroups=split, the monitor", "/system.slice/web.service/runtime",
		cgroup.Identity{Unit: "web.service"}},

	{"service", "/system.slice/cron.service", cgroup.Identity{Unit: "cron.service"}},
	{"template", "/system.slice/system-getty.slice/getty@tty1.service", cgroup.Identity{Unit: "getty@tty1.service"}},
	{"colons in an instance", "/system.slice/backup@host:22:a.service", cgroup.Identity{Unit: "backup@host:22:a.service"}},
	{"escapes", `/system.slice/system-serial\x2dgetty.slice/serial-getty@ttyS0.service`,
		cgroup.Identity{Unit: "serial-getty@ttyS0.service"}},
	{"escapes in a unit", `/system.slice/dev-disk-by\x2duuid-1234.swap`,
		cgroup.Identity{Unit: `dev-disk-by\x2duuid-1234.swap`}},
	{"the underscore before a kernel name", "/system.slice/_cgroup.service", cgroup.Identity{Unit: "cgroup.service"}},
	{"session", "/user.slice/user-0.slice/session-4.scope", cgroup.Identity{Unit: "session-4.scope"}},
	{"a user's service", "/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service",
		cgroup.Identity{Unit: "foo.service"}},
	{"a user's manager", "/user.slice/user-1000.slice/user@1000.service/init.scope", cgroup.Identity{Unit: "init.scope"}},
	{"a user's desktop program", `/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox\x2desr-4711.scope`,
		cgroup.Identity{Unit: `app-gnome-firefox\x2desr-4711.scope`}},
	{"a slice is less than the unit around it", "/user.slice/user-1000.slice/user@1000.service/app.slice",
		cgroup.Identity{Unit: "user@1000.service"}},
	{"slice only", "/user.slice/user-1000.slice", cgroup.Identity{Unit: "user-1000.slice"}},
	{"socket", "/system.slice/sshd.socket", cgroup.Identity{Unit: "sshd.socket"}},
	{"mount", "/system.slice/var-lib-docker.mount", cgroup.Identity{Unit: "var-lib-docker.mount"}},
	{"init", "/init.scope", cgroup.Identity{Unit: "init.scope"}},
	{"out of this cgroup namespace", "/../../system.slice/cron.service", cgroup.Identity{Unit: "cron.service"}},

	{"root", "/", cgroup.Identity{}},
	{"empty", "", cgroup.Identity{}},
	{"not a unit's name", "/a b.service/<script>.scope/.service", cgroup.Identity{}},
	{"a pod's name outside kubepods", "/x/pod" + uid, cgroup.Identity{}},
	{"not a uid", "/kubepods/burstable/podracer", cgroup.Identity{}},
	{"almost an id", "/docker/" + id1[1:] + "/docker-" + strings.ToUpper(id1) + ".scope",
		cgroup.Identity{Unit: "docker-" + strings.ToUpper(id1) + ".scope"}},
}

func TestParse(t *testing.T) {
	for _, tt := range paths {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, cgroup.Parse(tt.path)); diff != "" {
				t.Errorf("Parse(%q), -want +got:\n%s", tt.path, diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range paths {
		f.Add(tt.path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := cgroup.Parse(path)
		if c := got.Container; c != nil && (len(c.ID) != 64 || !strings.Contains(path, c.ID)) {
			t.Errorf("container id %q is not in the path", c.ID)
		}
		if p := got.Pod; p != nil && (len(p.UID) != 36 && len(p.UID) != 32 || p.QoS == "") {
			t.Errorf("pod %+v", *p)
		}
		if !strings.Contains(path, got.Unit) {
			t.Errorf("unit %q is not in the path", got.Unit)
		}
		// A subgroup belongs to the same owner.
		if diff := cmp.Diff(got, cgroup.Parse(path+"/sub")); diff != "" {
			t.Errorf("in a subgroup, -want +got:\n%s", diff)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	path := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidSlice +
		".slice/cri-containerd-" + id1 + ".scope"
	b.ReportAllocs()
	for b.Loop() {
		if cgroup.Parse(path).Pod == nil {
			b.Fatal("no pod")
		}
	}
}
