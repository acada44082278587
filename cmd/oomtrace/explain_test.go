// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// What the kernel has counted since it booted is no answer about a boot before.
func TestAsksRunning(t *testing.T) {
	d := &timeline.Document{Boots: []timeline.Boot{{Offset: -1}, {Running: true}}}
	for boot, want := range map[cli.Word]bool{"": true, "0": true, "-1": false, "-2": false} {
		x := &explanation{flags: &explainFlags{narrow: timelineFlags{boot: boot}}}
		if got := x.asksRunning(d); got != want {
			t.Errorf("--boot %q: %v", boot, got)
		}
	}
}
