// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// TestIdentities shows, without oomtrace, that the guest gives processes the
// namespaces and capabilities that other tests take for granted.
func TestIdentities(t *testing.T) {
	lab := NewLab(t)
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			pieces{identities()}.boot(t, lab, k, Options{}, nil, nil)
		})
	}
}

// identities runs a process in a pid namespace of its own, and one with nothing
// but two capabilities.
func identities() piece {
	status := []string{scenario.Guest, "cat", "/proc/self/status"}
	return piece{
		steps: []scenario.Step{
			scenario.Run("contained", status...).Contained(),
			scenario.Run("dropped", status...).As(1000, unix.CAP_BPF, unix.CAP_PERFMON),
		},
		check: func(t *testing.T, r *Result) {
			for file, lines := range map[string][]string{
				"contained.out": {"\nPid:\t1\n"},
				"dropped.out":   {"\nUid:\t1000\t1000\t1000\t1000\n", "\nCapEff:\t000000c000000000\n", "\nCapPrm:\t000000c000000000\n"},
			} {
				for _, line := range lines {
					if out := r.Out(t, file); !bytes.Contains(out, []byte(line)) {
						t.Errorf("%s has no %q: %s", file, line, out)
					}
				}
			}
		},
	}
}
