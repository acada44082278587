// SPDX-License-Identifier: Apache-2.0

// Package devkmsg reads the kernel's log live, a record at a time, from /dev/kmsg, and the
// clock that its stamps are of.
package devkmsg
