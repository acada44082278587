// SPDX-License-Identifier: Apache-2.0

// Package killer tells who sent a SIGKILL: an OOM daemon of user space, the kubelet, a
// container runtime, systemd. It goes by names, the executable's before the unit's
// before the comm, and a name proves little: anybody can take one.
package killer
