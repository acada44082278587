// SPDX-License-Identifier: Apache-2.0

package survive

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/capability"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// status is a field of /proc/self/status.
func status(t *testing.T, field string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s", field)
	return ""
}

// What Prepare says is what is in force, and each thing refused is a warning.
func TestPrepare(t *testing.T) {
	testenv.Privileged(t)
	s := Prepare()
	warned := func(what string) bool {
		for _, w := range s.Warnings {
			if strings.Contains(w, what) {
				return true
			}
		}
		return false
	}
	if s.Locked != capability.Has(unix.CAP_IPC_LOCK) || s.Locked == warned("memory is not locked") {
		t.Errorf("locked %v, warnings %q", s.Locked, s.Warnings)
	}
	if locked := status(t, "VmLck"); s.Locked == (locked == "0 kB") {
		t.Errorf("locked %v, VmLck %s", s.Locked, locked)
	}
	adj, err := readInt("/proc/self/oom_score_adj")
	if err != nil || s.OOMScoreAdj == nil || *s.OOMScoreAdj != adj {
		t.Errorf("oom_score_adj %v, is %d, %v", s.OOMScoreAdj, adj, err)
	}
	if (adj == wantAdj) == warned("oom_score_adj") {
		t.Errorf("oom_score_adj %d, warnings %q", adj, s.Warnings)
	}
	if warned("priority") {
		return // refused
	}
	threads, err := filepath.Glob("/proc/self/task/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			t.Fatal(err)
		}
		// The system call gives 20 - nice.
		if prio, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil && 20-prio != wantNice {
			t.Errorf("thread %d has nice %d", tid, 20-prio)
		}
	}
}
