// SPDX-License-Identifier: Apache-2.0

// Package testenv says what tests may do on this machine, and makes a skip a
// failure where the machine is meant to run them.
package testenv

import (
	"os"
	"testing"
)

// Privileged skips the test unless it runs as root. With OOMTRACE_PRIVILEGED=1,
// which make test sets for root, it fails instead, as it does for root with
// CI=true.
func Privileged(tb testing.TB) {
	tb.Helper()
	if reason := Unprivileged(); reason != "" {
		Skip(tb, "%s", reason)
	}
}

// Unprivileged says why privileged tests cannot run here; "" when they can.
func Unprivileged() string {
	if os.Geteuid() != 0 {
		return "needs root: run 'sudo make test'"
	}
	return ""
}

// Skip skips a test for what this machine lacks. Where privileged tests must run
// it fails instead: a machine of that kind should have it.
func Skip(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if Required() {
		tb.Fatalf("must run here, but "+format, args...)
	}
	tb.Skipf(format, args...)
}

// Required says whether a test that skips must fail.
func Required() bool {
	return os.Getenv("OOMTRACE_PRIVILEGED") == "1" || os.Getenv("CI") == "true" && os.Geteuid() == 0
}
