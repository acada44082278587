// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// agreeing returns events that say what a log says.
func agreeing(log Log) []*event.Event {
	var all []*event.Event
	for _, i := range log.Invocations {
		for _, k := range i.Kills {
			e := &event.Kill{Episode: "e", Scope: scopeOf(i), Role: event.RoleChosen, Message: k.Message, Stack: &event.Stack{ID: "s"}, Sources: map[string]string{}, Victim: event.Victim{
				PID: k.PID, Comm: event.Ptr(k.Comm), UID: event.Ptr(k.UID), OOMScoreAdj: event.Ptr(k.Adj),
				TotalVMBytes: event.Ptr(k.TotalVMKB << 10), AnonRSSBytes: event.Ptr(k.AnonKB << 10), FileRSSBytes: event.Ptr(k.FileKB << 10),
				ShmemRSSBytes: event.Ptr(k.ShmemKB << 10), PgtablesBytes: event.Ptr(k.PgtablesKB << 10),
				Cgroup: &event.Cgroup{Path: i.TaskMemcg},
			}}
			if k.Group {
				e.Role = event.RoleGroup
			}
			e.Trigger = &event.Task{PID: i.Trigger.PID, Comm: event.Ptr(i.Trigger.Comm), GFPMask: strings.TrimPrefix(i.Trigger.GFPMask, "0x"), Order: event.Ptr(i.Trigger.Order)}
			row := i.Tasks[k.PID]
			e.Victim.AllowedPages = event.Ptr[uint64](8192)
			e.Victim.PointsPages = event.Ptr(row.RSSPages + row.PgtablesBytes/4096 + row.Adj*8)
			if !k.Group {
				for pid, row := range i.Tasks {
					if row.Adj > -1000 {
						e.Candidates = append(e.Candidates, event.Candidate{PID: pid, PointsPages: event.Ptr(row.RSSPages + row.PgtablesBytes/4096 + row.Adj*8)})
					}
				}
				slices.SortFunc(e.Candidates, func(a, b event.Candidate) int { return int(*b.PointsPages - *a.PointsPages) })
				e.CandidatesSeen = event.Ptr(uint64(len(e.Candidates)))
				for _, c := range e.Candidates {
					if c.PID != k.PID && e.RunnerUp == nil {
						e.RunnerUp = &event.RunnerUp{PID: c.PID, PointsPages: c.PointsPages}
					}
				}
			}
			if i.OOMMemcg != "" {
				e.Limit = &event.Limit{Kind: event.LimitMemory, Cgroup: &event.Cgroup{Path: i.OOMMemcg}, Bytes: event.Ptr(*i.LimitKB << 10)}
			}
			all = append(all, &event.Event{Type: event.TypeOOMKill, Kill: e})
		}
	}
	return all
}

// derived takes from events what is not known where trigger and limit are derived.
func derived(all []*event.Event) []*event.Event {
	for _, e := range all {
		e.Kill.Message, e.Kill.Trigger.GFPMask, e.Kill.Trigger.Order = "", "", nil
		e.Kill.Sources["episode"], e.Kill.Sources["victim.points_pages"], e.Kill.Sources["candidates"] = "computed", "computed", "computed"
	}
	return all
}

// sharer is the event of a process that the log does not name.
func sharer(episode, trace string) *event.Event {
	return &event.Event{Type: event.TypeOOMKill, Kill: &event.Kill{
		Episode: episode, Role: event.RoleSharedMM, Victim: event.Victim{PID: 9}, Stack: &event.Stack{ID: trace},
	}}
}

func TestCompareKills(t *testing.T) {
	// Each case changes what agrees, and says what must be noticed.
	for name, c := range map[string]struct {
		expect Expect
		change func([]*event.Event) []*event.Event
		want   string
	}{
		"agrees":  {change: func(e []*event.Event) []*event.Event { return e }},
		"missing": {change: func(e []*event.Event) []*event.Event { return e[1:] }, want: `pid 123 ("java"): no event`},
		"twice":   {change: func(e []*event.Event) []*event.Event { return append(e, e[1]) }, want: `pid 124: 1 events of a kill that did not happen, "sidecar"`},
		"invented": {change: func(e []*event.Event) []*event.Event {
			return append(e, &event.Event{Type: event.TypeOOMKill, Kill: &event.Kill{Victim: event.Victim{PID: 7, Comm: event.Ptr("x")}}})
		}, want: `pid 7: 1 events of a kill that did not happen, "x"`},
		"no sharer": {expect: Expect{Sharers: []int{9}}, change: func(e []*event.Event) []*event.Event { return e }, want: `pid 9 ("mm sharer"): no event`},
		"sharer":    {expect: Expect{Sharers: []int{9}}, change: func(e []*event.Event) []*event.Event { return append(e, sharer("e", "s")) }},
		"sharer's episode": {expect: Expect{Sharers: []int{9}}, change: func(e []*event.Event) []*event.Event { return append(e, sharer("f", "s")) },
			want: `pid 9 ("mm sharer"): episode f, in which no victim was logged`},
		"sharer's call trace": {expect: Expect{Sharers: []int{9}}, change: func(e []*event.Event) []*event.Event { return append(e, sharer("e", "")) },
			want: `pid 9 ("mm sharer"): call trace false, want true`},
		"sharer's record": {expect: Expect{Sharers: []int{9}, Recorded: true}, change: func(e []*event.Event) []*event.Event { return append(e, sharer("e", "")) }},
		"call trace":      {change: func(e []*event.Event) []*event.Event { e[1].Kill.Stack = nil; return e }, want: `pid 124 ("sidecar"): call trace false, want true`},
		"call trace of no names": {expect: Expect{Nameless: true}, change: func(e []*event.Event) []*event.Event { return e[:1] },
			want: `pid 123 ("java"): call trace true, want false
pid 124 ("sidecar"): no event
pid 125 ("logger"): no event`},
		"computed": {change: func(e []*event.Event) []*event.Event { e[1].Kill.Sources["episode"] = "computed"; return e },
			want: `pid 124 ("sidecar"): episode's source computed, want `},
		"message": {change: func(e []*event.Event) []*event.Event { e[1].Kill.Message = ""; return e }, want: `pid 124 ("sidecar"): message , want Memory cgroup out of memory`},
		"cgroup":  {change: func(e []*event.Event) []*event.Event { e[0].Kill.Victim.Cgroup.Path = "/"; return e }, want: `pid 123 ("java"): cgroup /, want /app.slice/pod1`},
		"no cgroup": {change: func(e []*event.Event) []*event.Event { e[0].Kill.Victim.Cgroup = nil; return e },
			want: `pid 123 ("java"): cgroup absent, want /app.slice/pod1`},
		"gfp_mask": {change: func(e []*event.Event) []*event.Event { e[0].Kill.Trigger.GFPMask = ""; return e }, want: `pid 123 ("java"): gfp_mask , want cc0`},
		"order":    {change: func(e []*event.Event) []*event.Event { e[0].Kill.Trigger.Order = nil; return e }, want: `pid 123 ("java"): order absent, want 0`},
		"allowed": {change: func(e []*event.Event) []*event.Event { *e[1].Kill.Victim.AllowedPages = 8193; return e },
			want: `pid 124 ("sidecar"): allowed_pages 8193, want 8192`},
		"scope": {change: func(e []*event.Event) []*event.Event { e[0].Kill.Scope = event.ScopeGlobal; return e }, want: `pid 123 ("java"): scope global, want memcg`},
		"role":  {change: func(e []*event.Event) []*event.Event { e[1].Kill.Role = event.RoleChosen; return e }, want: `pid 124 ("sidecar"): role chosen, want group`},
		"episode": {change: func(e []*event.Event) []*event.Event { e[2].Kill.Episode = "f"; return e },
			want: `pid 125 ("logger"): episode f, want e`},
		"uid absent":     {change: func(e []*event.Event) []*event.Event { e[0].Kill.Victim.UID = nil; return e }, want: `pid 123 ("java"): uid absent, want 0`},
		"adj":            {change: func(e []*event.Event) []*event.Event { *e[2].Kill.Victim.OOMScoreAdj = 5; return e }, want: `pid 125 ("logger"): oom_score_adj 5, want -500`},
		"rss":            {change: func(e []*event.Event) []*event.Event { *e[0].Kill.Victim.AnonRSSBytes /= 2; return e }, want: `pid 123 ("java"): anon_rss_bytes 13391872, want 26783744`},
		"rss within 5 %": {change: func(e []*event.Event) []*event.Event { *e[0].Kill.Victim.AnonRSSBytes += 1 << 20; return e }},
		"file": {change: func(e []*event.Event) []*event.Event { *e[0].Kill.Victim.FileRSSBytes += 300 << 10; return e },
			want: `pid 123 ("java"): file_rss_bytes 311296, want 4096`},
		"threads' own": {change: func(e []*event.Event) []*event.Event {
			*e[0].Kill.Victim.FileRSSBytes += 300 << 10
			e[0].Kill.Victim.RSSErrorBytes = event.Ptr[uint64](8 * 64 << 12)
			return e
		}},
		"more than threads' own": {change: func(e []*event.Event) []*event.Event {
			*e[0].Kill.Victim.FileRSSBytes += 2400 << 10
			e[0].Kill.Victim.RSSErrorBytes = event.Ptr[uint64](16 * 64 << 12)
			return e
		}, want: `pid 123 ("java"): file_rss_bytes 2461696, want 4096`},
		"comm": {change: func(e []*event.Event) []*event.Event { *e[0].Kill.Victim.Comm = "jav"; return e }, want: `pid 123 ("java"): comm "jav", want "java"`},
		"comm in hex": {change: func(e []*event.Event) []*event.Event {
			*e[0].Kill.Victim.Comm, e[0].Kill.Victim.CommHex = "?", "6a617661"
			return e
		}},
		"trigger":        {change: func(e []*event.Event) []*event.Event { e[0].Kill.Trigger.PID = 1; return e }, want: `pid 123 ("java"): trigger 1, want 123`},
		"no trigger":     {change: func(e []*event.Event) []*event.Event { e[0].Kill.Trigger = nil; return e }, want: `pid 123 ("java"): no trigger, want {Comm:java PID:123 GFPMask:0xcc0 Order:0 Adj:0}`},
		"trigger's tid":  {change: func(e []*event.Event) []*event.Event { e[0].Kill.Trigger.TID = event.Ptr(5); return e }, want: `pid 123 ("java"): trigger 5, want 123`},
		"limit":          {change: func(e []*event.Event) []*event.Event { *e[0].Kill.Limit.Bytes = 1; return e }, want: `pid 123 ("java"): limit 1, want 33554432`},
		"no limit":       {change: func(e []*event.Event) []*event.Event { e[0].Kill.Limit = nil; return e }, want: `pid 123 ("java"): no limit, want that of /app.slice/pod1`},
		"no limit known": {expect: Expect{Derived: true, Computed: true}, change: func(e []*event.Event) []*event.Event { derived(e)[0].Kill.Limit = nil; return e }},
		"not derived": {expect: Expect{Derived: true, Computed: true}, change: func(e []*event.Event) []*event.Event { derived(e)[1].Kill.Message = "x"; return e },
			want: `pid 124 ("sidecar"): message x, want `},
		"points":          {change: func(e []*event.Event) []*event.Event { *e[0].Kill.Victim.PointsPages++; return e }, want: `pid 123 ("java"): points 6737, want 6736`},
		"points computed": {expect: Expect{Derived: true, Computed: true}, change: func(e []*event.Event) []*event.Event { *derived(e)[0].Kill.Victim.PointsPages++; return e }},
		"no candidates":   {change: func(e []*event.Event) []*event.Event { e[0].Kill.Candidates = nil; return e }, want: `pid 123 ("java"): no candidates`},
		"too few":         {change: func(e []*event.Event) []*event.Event { *e[0].Kill.CandidatesSeen = 0; return e }, want: `pid 123 ("java"): candidates_seen 0, the log has 3`},
		"candidates in disorder": {change: func(e []*event.Event) []*event.Event { slices.Reverse(e[0].Kill.Candidates); return e }, want: `pid 123 ("java"): candidates are not in order
pid 123 ("java"): candidates are not in order`},
		"invented candidate": {change: func(e []*event.Event) []*event.Event { e[0].Kill.Candidates[2].PID = 7; return e }, want: `pid 123 ("java"): candidate 7 is not in the log`},
		"runner-up":          {change: func(e []*event.Event) []*event.Event { e[0].Kill.RunnerUp.PID = 125; return e }, want: `pid 123 ("java"): runner-up 125, want 124`},
		"no points":          {change: func(e []*event.Event) []*event.Event { e[0].Kill.Victim.PointsPages = nil; return e }, want: `pid 123 ("java"): no points`},
	} {
		t.Run(name, func(t *testing.T) {
			log := readLog(t, "7.2-group")
			got := strings.Join(CompareKills(log, c.change(agreeing(log)), c.expect), "\n")
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCompareClock(t *testing.T) {
	call := ClockCall{
		Kind: event.KindStep, Op: event.OpSettimeofday, Comm: "clk",
		Result: scenario.ClockResult{PID: 5, UID: 0, StartNS: 100, EndNS: 200, BeforeNS: 1000, AfterNS: 1_500_001_000},
	}
	good := func() *event.Event {
		return &event.Event{Type: event.TypeClockAdjust, BoottimeNS: event.Ptr[uint64](150), Clock: &event.Clock{
			Op: event.OpSettimeofday, Kind: event.KindStep, StepNS: event.Ptr[int64](1_500_400_000), StepErrorNS: event.Ptr[int64](100_000),
			Process: event.Task{PID: 5, Comm: event.Ptr("clk"), UID: event.Ptr[uint32](0)},
		}}
	}
	for name, c := range map[string]struct {
		change func(*event.Event)
		want   []string
	}{
		"agrees":   {change: func(*event.Event) {}},
		"another":  {func(e *event.Event) { e.Clock.Process.PID = 6 }, []string{"clk (pid 5): 0 events, want 1", `pid 6: 1 events of a call that was not made, by "clk"`}},
		"storm":    {func(e *event.Event) { e.Clock.Process.PID = 7 }, []string{"clk (pid 5): 0 events, want 1"}},
		"kind":     {func(e *event.Event) { e.Clock.Kind = event.KindSlew }, []string{"clk (pid 5): kind slew, want step"}},
		"size":     {func(e *event.Event) { *e.Clock.StepNS = 1_400_000_000 }, []string{"clk (pid 5): step_ns 1400000000, want 1500000000 ± 600000"}},
		"no size":  {func(e *event.Event) { e.Clock.StepNS = nil }, []string{"clk (pid 5): step_ns absent, want 1500000000 ± 600000"}},
		"no bound": {func(e *event.Event) { e.Clock.StepErrorNS = nil }, []string{"clk (pid 5): step_error_ns absent, want in 0…250000000"}},
		"late":     {func(e *event.Event) { *e.BoottimeNS = 300 }, []string{"clk (pid 5): boottime 300, want in 100…200"}},
		"refused":  {func(e *event.Event) { e.Clock.Errno = "EPERM" }, []string{"clk (pid 5): errno EPERM, want "}},
		"who":      {func(e *event.Event) { e.Clock.Process.UID = nil }, []string{"clk (pid 5): uid absent, want 0"}},
		"which op": {func(e *event.Event) { e.Clock.Op = event.OpClockSettime }, []string{"clk (pid 5): op clock_settime, want settimeofday"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := good()
			c.change(e)
			if diff := cmp.Diff(c.want, CompareClock([]ClockCall{call}, []*event.Event{e}, 7)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
