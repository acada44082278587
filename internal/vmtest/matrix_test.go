// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"testing"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// TestSmoke shows that the lab works: each kernel boots, a memcg OOM kills a
// hog, and the log that comes back says so.
func TestSmoke(t *testing.T) {
	lab := NewLab(t)
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			r := lab.Boot(t, k, Options{Scenario: scenario.Scenario{Steps: []scenario.Step{
				scenario.Cgroup("c", "memory.max=24M"),
				scenario.Run("hog", scenario.Guest, "hog", "java", "0").In("c"),
			}}})
			kills := r.Log.Kills()
			if len(kills) != 1 || kills[0].Comm != "java" || kills[0].PID != r.Report.Procs["hog"].PID {
				t.Errorf("kills in the log: %+v, want the hog, %+v", kills, r.Report.Procs["hog"])
			}
			if got := r.Report.Cgroups["/c"]["oom_kill"]; got != 1 {
				t.Errorf("memory.events counts %d kills, want 1", got)
			}
		})
	}
}
