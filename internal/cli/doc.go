// SPDX-License-Identifier: Apache-2.0

// Package cli is the plumbing that the subcommands share: exit codes, the
// streams of a run, flag values that say what is wrong, and the decision how
// output looks.
package cli
