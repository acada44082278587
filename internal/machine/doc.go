// SPDX-License-Identifier: Apache-2.0

// Package machine reads what internal/explain wants to know of the machine as it is now:
// sysctls, memory, the limits of the cgroups that a story names, unit files, the kubelet's
// configuration. All of it is optional. What could not be read is told with the reason.
//
// It is for Linux only.
package machine
