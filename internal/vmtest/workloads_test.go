// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"strings"
	"testing"
	"time"

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

// TestHang shows what is left of a process that does not become ready: where it
// stands, in the kernel and in Go, and nothing of the steps behind it.
func TestHang(t *testing.T) {
	lab := NewLab(t)
	for _, k := range Kernels() {
		if k.Series != "6.12" {
			continue
		}
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			r, err := lab.boot(t, k, Options{Scenario: scenario.Scenario{Steps: []scenario.Step{
				scenario.Start("hang", "never", scenario.Guest, "lock", "/tmp/gate").Within(time.Second).Contained(),
				scenario.Run("behind", scenario.Guest, "cat", "/proc/self/status"),
			}}}.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(r.Report.Failures, "\n")
			for _, part := range []string{`start hang: no line "never" within 1s`, "SIGQUIT", "goroutine 1 ", "main.lock", "futex"} {
				if !strings.Contains(said, part) {
					t.Errorf("no %q in %s", part, said)
				}
			}
			if _, ran := r.Report.Procs["behind"]; ran || !r.Report.Cut || len(r.Report.Failures) != 1 {
				t.Errorf("the scenario went on: %+v", r.Report)
			}
		})
	}
}

func TestComplaints(t *testing.T) {
	log := []byte(`4,1,1,-;WARNING: CPU: 0 PID: 1 at mm/page_alloc.c:1
6,2,2,-;BUG: Bad page state in process x
3,3,3,-;rcu: INFO: rcu_preempt self-detected stall on CPU
3,4,4,-;INFO: task x:12 blocked for more than 120 seconds.
0,5,5,-;watchdog: BUG: soft lockup - CPU#1 stuck for 22s!
1,6,6,-;Oops: 0000 [#1] PREEMPT SMP
guest: init: mount: invalid argument
6,7,7,-;rcu: Hierarchical RCU implementation.
3,8,8,-;@@ start watch
`)
	if got := complaints(log); len(got) != 7 {
		t.Errorf("complaints %q, want the first 7 lines", got)
	}
}
