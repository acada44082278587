// SPDX-License-Identifier: Apache-2.0

// Package vmtest boots Debian kernels in QEMU and judges what oomtrace said
// against what the kernel itself logged.
//
// A boot takes a scenario (package scenario), packs it with the guest program
// (package guest, which runs as init) and the binary under test into an
// initramfs, runs it, and hands back what the guest left under /out. No root,
// network or disk image is needed, and no KVM.
//
// The kernels are those of [Kernels]. `go run ./internal/vmtest/kernels` puts
// them into the cache folder, see [CacheDir].
package vmtest
