// SPDX-License-Identifier: Apache-2.0

// Package kdumpconf reads the configuration of the kdump services: what would
// collect a crash dump, with which dump level, and where to.
//
// The files are read as text. Those that are shell scripts are never executed:
// a value that only a shell could compute ($VAR, `command`) counts as unknown.
// Where a file leaves a setting out, the service's documented default is given.
package kdumpconf
