// SPDX-License-Identifier: Apache-2.0

// Package ksym turns kernel addresses into symbols, and the addresses of a
// stack into a call trace with a stable id.
//
// [Load] reads the text of /proc/kallsyms once, as a stream, into a [Table] of
// a few MiB: symbols in blocks of delta-coded addresses and names, searched
// without being unpacked. [Trace] looks a stack up in it; [ID] and [Context]
// work on the names alone, wherever they came from.
package ksym
