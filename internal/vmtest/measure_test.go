// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// TestMeasure takes figures beside a tracer that needs kprobes, which the machine
// itself may lack: OOMTRACE_MEASURE is the path of libbpf-tools' oomkill. It
// checks nothing; scripts/measure prints what docs/performance.md holds.
func TestMeasure(t *testing.T) {
	peer := os.Getenv("OOMTRACE_MEASURE")
	if peer == "" {
		t.Skip("OOMTRACE_MEASURE does not name oomkill of libbpf-tools")
	}
	lab := NewLab(t, "cmd/oomtrace", "scripts/measure")
	files := map[string][]byte{"/bin/oomkill": contents(t, peer)}
	libraries, err := exec.Command("ldd", peer).Output()
	if err != nil {
		t.Fatalf("list the libraries of %s: %v", peer, err)
	}
	for _, m := range regexp.MustCompile(`(/\S+) \(0x`).FindAllSubmatch(libraries, -1) {
		files[string(m[1])] = contents(t, string(m[1]))
	}
	for _, k := range Kernels() {
		if k.String() != "amd64-6.12" {
			continue
		}
		r := lab.Boot(t, k, Options{
			MemMiB: 640,
			Files:  files,
			Scenario: scenario.Scenario{Tracefs: true, Steps: []scenario.Step{
				scenario.Run("measure", "measure", "-oomtrace", "/bin/oomtrace", "-n", "10", "-storm", "2s", "start", "latency", "storm").Within(150 * time.Second),
			}},
		})
		t.Logf("%s%s", r.Out(t, "measure.out"), r.Out(t, "measure.err"))
		// An episode with two thousand candidates: by the kernel's points, and computed.
		for name, forbid := range map[string]string{"hooked": "", "computed": "fentry,kprobe"} {
			r := lab.Boot(t, k, Options{MemMiB: 1400, Scenario: scenario.Scenario{Steps: []scenario.Step{
				watch("watch", "--events", "oom").With("OOMTRACE_FORBID=" + forbid),
				scenario.Cgroup("many", "memory.max=900M"),
				scenario.Start("many", "ready", scenario.Guest, "members", "-kib", "32", "m", "2000").In("many").Within(5 * time.Minute),
				scenario.Write("/proc/sys/kernel/bpf_stats_enabled", "1"),
				scenario.Run("hog", hog("hog", "0")...).In("many").Within(2 * time.Minute),
				scenario.Run("programs", "measure", "programs"),
				scenario.Stop("watch").Within(2 * time.Minute),
			}}})
			t.Logf("%s:\n%s", name, r.Out(t, "programs.out"))
			for _, e := range events(t, r, "watch") {
				if e.Kill != nil {
					t.Logf("victim %s, candidates seen %v, margin %v", *e.Kill.Victim.Comm, deref(e.Kill.CandidatesSeen), deref(e.Kill.MarginPages))
				}
			}
		}
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
