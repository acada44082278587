// SPDX-License-Identifier: Apache-2.0

// Package survive prepares a process to work on when memory is gone: its pages
// are locked once they are used, the OOM killer looks elsewhere first, and a
// busy machine runs it soon. What is refused is a warning, not an error.
//
// It also bounds how long a fault of the Go runtime can hold everything up.
package survive
