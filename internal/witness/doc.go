// SPDX-License-Identifier: Apache-2.0

// Package witness collects what programs of user space logged of the ends of processes:
// from logs that are read anyway, and from the journal.
package witness
