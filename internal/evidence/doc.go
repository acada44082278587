// SPDX-License-Identifier: Apache-2.0

// Package evidence finds and opens what a timeline is made of: files and directories that
// somebody names, or, where nobody does, what this machine has kept. What a file is is
// known by its content, never by its name.
package evidence
