// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// AloneWithTheClock waits until no other test that changes the clock, or waits for
// such a change, runs, in other packages too, and keeps them away until this one ends:
// the storm of one fills the rings and queues of all, and their counters show it.
func AloneWithTheClock(tb testing.TB) {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "oomtrace-test-clock.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() }) // which unlocks
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		tb.Fatalf("lock %s: %v", f.Name(), err)
	}
}
