// SPDX-License-Identifier: Apache-2.0

package vmtest

import "testing"

// TestWorkloads shows, without oomtrace, that each kernel boots and that every
// workload does what the other tests take for granted.
func TestWorkloads(t *testing.T) {
	lab := NewLab(t)
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			r := everything().boot(t, lab, k, Options{}, nil, nil)
			if got := r.Report.Cgroups["/app.slice/web.service"]["oom_kill"]; got != 1 {
				t.Errorf("memory.events counts %d kills, want 1", got)
			}
		})
	}
}
