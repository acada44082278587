// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

func TestNotes(t *testing.T) {
	want := []string{
		"no fentry (refused by this kernel), no kprobe (not in this kernel): invocation, trigger derived; adjtimex by tracepoint; warp by timerfd",
		"no fentry (refused by this kernel), no kprobe (not in this kernel), no tracepoint (tracefs is not mounted): settime not available (who set the clock)",
		"symbol addresses are hidden: symbols not available (the names and ids of call traces; without fentry and kprobes scope and limit too) (see 'oomtrace doctor hooks')",
		"the tracer's memory limit is not raised: CAP_SYS_RESOURCE is missing",
	}
	if diff := cmp.Diff(want, Notes(eventtest.SessionStart())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	none := eventtest.SessionStart()
	none.SessionStart.Warnings = nil
	none.SessionStart.Hooks = []event.Hook{
		{Fact: "pressure", Reason: "this kernel tells no memory pressure (CONFIG_PSI, or psi=1 on its command line): open pressure/memory: no such file or directory"},
	}
	want = []string{"no memory pressure is told: pressure not available (samples of what leads up to a kill, but for those that --sample takes) (see 'oomtrace doctor hooks')"}
	if diff := cmp.Diff(want, Notes(none)); diff != "" {
		t.Errorf("without pressure (-want +got)\n%s", diff)
	}
	if got := Notes(eventtest.Kill()); got != nil {
		t.Errorf("notes of a kill: %q", got)
	}
}

func TestSummary(t *testing.T) {
	none := event.Ptr(uint64(0))
	for _, tt := range []struct {
		name string
		end  event.SessionEnd
		want string
	}{
		{"quiet", event.SessionEnd{Reason: "signal", Lost: event.LostCounts{Reserve: none, Queue: none, Read: none, Recursion: none, ProbeMissed: none}},
			"ended (signal): 0 kills, nothing lost"},
		{"one kill", event.SessionEnd{Reason: "signal", Received: map[string]uint64{"oom.kill": 1}, Incidents: event.Ptr(uint64(1)), Lost: event.LostCounts{Reserve: none, Queue: none, Read: none, Recursion: none, ProbeMissed: none}},
			"ended (signal): 1 kill, nothing lost"},
		{"nothing known", event.SessionEnd{Received: map[string]uint64{"oom.kill": 1, "clock.step": 1, "oom.future": 3}},
			"ended (no reason given): 1 kill, 1 clock change, 3 oom.future, not known: ring losses, queue losses, failed reads, recursion, missed probes"},
		{"rich", *eventtest.SessionEnd().SessionEnd,
			"ended (signal): 7 kills in 4 incidents, 20,402 clock changes, 88,123 clock reads left out, 1 kill without a line in the kernel log, 2 kills in the kernel log alone, 120 events lost before the output (it was too slow), 3 reads of kernel memory failed (fields are absent), 1 probe hit missed, 2 log records overwritten before it was read"},
	} {
		if got := Summary(&event.Event{SessionEnd: &tt.end}); got != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
	if got := Summary(eventtest.Kill()); got != "" {
		t.Errorf("summary of a kill: %q", got)
	}
}
