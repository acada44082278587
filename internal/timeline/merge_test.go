// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

// What the kernel counted when it chose goes before what was read when the victim had died.
func TestReportBeforeLateReading(t *testing.T) {
	kill := func(free, shmem uint64, age *int64, source event.Source) *event.Event {
		return &event.Event{Type: event.TypeOOMKill, Source: source, Kill: &event.Kill{
			Memory: &event.Memory{FreeBytes: &free, AgeMS: age},
			Limit:  &event.Limit{UsageBytes: &free, Stat: &event.CgroupStat{ShmemBytes: &shmem, AgeMS: age}},
		}}
	}
	for _, tt := range []struct {
		name string
		age  *int64
		want uint64
	}{{"read later", event.Ptr[int64](3), 1}, {"read at the kill", nil, 50}} {
		watcher := kill(50, 50, tt.age, event.SourceBPF)
		got := *watcher
		copyPayload(&got)
		adopt(&got, kill(1, 1, nil, event.SourceKmsg))
		k := got.Kill
		if *k.Memory.FreeBytes != tt.want || *k.Limit.Stat.ShmemBytes != tt.want || *k.Limit.UsageBytes != 50 {
			t.Errorf("%s: free %d, shmem %d, usage %d", tt.name, *k.Memory.FreeBytes, *k.Limit.Stat.ShmemBytes, *k.Limit.UsageBytes)
		}
		if replaced := k.Sources["memory"] == "kmsg" && k.Sources["limit.stat"] == "kmsg"; replaced != (tt.want == 1) {
			t.Errorf("%s: sources %v", tt.name, k.Sources)
		}
		if *watcher.Kill.Limit.Stat.ShmemBytes != 50 {
			t.Errorf("%s: the watcher's own event was changed", tt.name)
		}
	}
}

// What is promised is in no report.
func TestPromisedBesideTheReport(t *testing.T) {
	u := event.Ptr[uint64]
	report := &event.Kill{Memory: &event.Memory{FreeBytes: u(1)}}
	e := &event.Event{Source: event.SourceBPF, Kill: &event.Kill{Memory: &event.Memory{Source: "meminfo", AgeMS: event.Ptr[int64](3), FreeBytes: u(50), CommittedBytes: u(70)}}}
	copyPayload(e)
	adopt(e, &event.Event{Source: event.SourceKmsg, Kill: report})
	want := &event.Memory{FreeBytes: u(1), CommittedBytes: u(70)}
	if diff := cmp.Diff(want, e.Kill.Memory); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"memory": "kmsg", "memory.committed_bytes": "proc"}, e.Kill.Sources); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if report.Memory.CommittedBytes != nil {
		t.Error("the report itself was changed")
	}
}

// Who was spared is not among the candidates of most points, and in the report.
func TestSparedOfTheReport(t *testing.T) {
	candidate := func(pid, adj int) event.Candidate { return event.Candidate{PID: pid, OOMScoreAdj: &adj} }
	e := &event.Event{Source: event.SourceBPF, Kill: &event.Kill{Candidates: []event.Candidate{candidate(7, 0), candidate(8, 0)}}}
	adopt(e, &event.Event{Source: event.SourceKmsg, Kill: &event.Kill{
		Victim:     event.Victim{OOMScoreAdj: event.Ptr(0)},
		Candidates: []event.Candidate{candidate(7, 0), candidate(9, 0), candidate(10, -1000)},
	}})
	if got := e.Kill.Candidates; len(got) != 3 || got[2].PID != 10 {
		t.Errorf("candidates %+v", got)
	}
}
