// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

// Package bpf holds the programs that run in the kernel and the Go types of what
// they write, generated from wire.h by bpf2go. It has no logic.
package bpf
