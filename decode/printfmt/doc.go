// SPDX-License-Identifier: Apache-2.0

// Package printfmt reads the names of a flags field out of a tracepoint's
// format file, so that a mask is named as the running kernel names it.
//
// A line "print fmt:" is C source after the preprocessor. Where it shows a
// field by __print_flags, a table of {constant expression, "name"} follows;
// [Flags] evaluates it. [FlagNames.Names] then applies it to a mask as the
// kernel does, both in trace output and in its log (%pGg and the like).
package printfmt
