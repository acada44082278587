// SPDX-License-Identifier: Apache-2.0

// Package cgroup tells from a cgroup path whose processes live there: the
// container, the Kubernetes pod and the systemd unit.
//
// [Parse] knows the paths that docker, containerd, CRI-O and podman make, with
// the cgroupfs and the systemd driver of docker and of the kubelet, on cgroup
// v1 and v2. It reads the path alone, so it also serves recorded events and
// crash dumps. What a path does not tell is absent: a container of the
// kubelet's cgroupfs driver has an id but no runtime.
package cgroup
