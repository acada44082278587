// SPDX-License-Identifier: Apache-2.0

// Package procsnap reads from /proc and /sys what the kernel's own events do not
// carry: who a process is, the machine's memory, settings and kdump state, the
// names of pods, and whether a process is the time daemon.
//
// A look at /proc can block (on mmap_lock, while memory is gone), so the reading
// side of the tracer never uses a [Reader] itself: it asks a [Worker].
//
// It is for Linux only.
package procsnap
