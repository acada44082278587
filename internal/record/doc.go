// SPDX-License-Identifier: Apache-2.0

// Package record keeps a stream of events in a file, as JSON Lines.
package record
