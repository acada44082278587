// SPDX-License-Identifier: Apache-2.0

// Package wire decodes the records that the BPF programs write (bpf/wire.h)
// into events. It checks exact length, then version, then kind, and trusts no
// length or offset inside.
package wire
