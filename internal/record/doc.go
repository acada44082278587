// SPDX-License-Identifier: Apache-2.0

// Package record keeps a stream of events in the files of a directory, as JSON Lines,
// and finds them again. Writing needs Linux, finding does not.
package record
