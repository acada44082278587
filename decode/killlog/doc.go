// SPDX-License-Identifier: Apache-2.0

// Package killlog reads what programs of user space log about the ends of processes:
// systemd, systemd-oomd, earlyoom, the kubelet, dockerd and containerd. The kernel's own
// lines are for decode/kmsg.
//
// Anybody who can run logger(1) can write such a line. A [Report] says who vouches for
// it: only the journal knows who wrote a line, a syslog file takes every name.
package killlog
