// SPDX-License-Identifier: Apache-2.0

package tracer

import "testing"

// What the kernel does not count is not known, and not 0.
func TestStatsKnown(t *testing.T) {
	for _, tt := range []struct {
		kind              string
		recursion, missed bool // the kernel counts
		known             bool
	}{
		{KindTPBTF, true, false, true}, // 5.12
		{KindTPBTF, false, false, false},
		{KindTracepoint, true, false, false}, // 6.1
		{KindTracepoint, true, true, true},   // 6.7
	} {
		tr := open(t, Options{NoClock: true, Forbid: only(tt.kind)})
		tr.knowsRecursion, tr.knowsMissed = tt.recursion, tt.missed
		st := stats(t, tr)
		if known := st.Recursion != nil; known != tt.known {
			t.Errorf("%+v: recursion is known: %v", tt, known)
		}
		if st.ProbeMissed == nil || *st.ProbeMissed != 0 {
			t.Errorf("%+v: without kprobes %v missed", tt, st.ProbeMissed)
		}
	}
}
