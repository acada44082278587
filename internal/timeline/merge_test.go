// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"testing"

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
