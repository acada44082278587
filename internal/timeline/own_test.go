// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// A log of which the boot is known has it in its episodes, as a watcher's events do; what
// oomtrace simulated is told by name and cgroup.
func TestOwnLog(t *testing.T) {
	const lines = `6,10,16000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/oomtrace-sim-7,task_memcg=/oomtrace-sim-7,task=oomtrace-sim,pid=9,uid=0
3,11,16000001,-;Memory cgroup out of memory: Killed process 9 (oomtrace-sim) total-vm:9kB, anon-rss:8kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:1000
6,20,32000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/web,task_memcg=/web,task=oomtrace-sim,pid=10,uid=0
3,21,32000001,-;Memory cgroup out of memory: Killed process 10 (oomtrace-sim) total-vm:9kB, anon-rss:8kB, file-rss:4kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:1000
`
	b := timeline.New(timeline.Options{})
	err := b.Log(t.Context(), timeline.Input{
		Source: timeline.Source{Path: "/dev/kmsg"}, Reader: strings.NewReader(lines),
		Own: true, BootID: "3b1f0a52-7c7e-4d0e-9a58-0c8f6f2d9e11",
	})
	if err != nil {
		t.Fatal(err)
	}
	entries := b.Document().Entries
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	if got := entries[0].Kill.Episode; got != "3b1f0a52-3b9aca000" {
		t.Errorf("episode %s", got)
	}
	if !entries[0].Simulated || entries[1].Simulated {
		t.Errorf("simulated: %t and, without the cgroup, %t", entries[0].Simulated, entries[1].Simulated)
	}
}
