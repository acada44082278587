// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package capability tells which capabilities this process has.
package capability

import "golang.org/x/sys/unix"

// Has says whether a capability (unix.CAP_…) is effective.
func Has(c int) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // version 3 has two words
	if unix.Capget(&hdr, &data[0]) != nil {
		return false
	}
	return data[c/32].Effective&(1<<(c%32)) != 0
}
