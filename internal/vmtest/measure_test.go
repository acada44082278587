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
