// SPDX-License-Identifier: Apache-2.0

// Package leadup remembers samples of the machine's memory for ten minutes, in a room
// that is fixed, and says in brief what led up to a kill.
//
// It reads nothing and starts nothing: package live hands it what package procsnap has
// read.
package leadup
