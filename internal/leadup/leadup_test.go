// SPDX-License-Identifier: Apache-2.0

//go:build linux

package leadup

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

func p[T any](v T) *T { return &v }

const (
	mib  = 1 << 20
	base = uint64(time.Hour) // when the tests begin, after boot
)

// at is so many seconds after the beginning.
func at(s float64) uint64 { return base + uint64(s*float64(time.Second)) }

func TestTrail(t *testing.T) {
	var tr trail[int]
	for i := range 1000 {
		tr.add(uint64(i), i, uint64(max(0, i-600)))
	}
	points := tr.until(0, 1000)
	if n := len(points); n < trailLen/2 || n > trailLen || points[n-1].v != 999 || points[n-2].v < 990 {
		t.Errorf("%v", points)
	}
	for i, pt := range points {
		if pt.at != uint64(pt.v) || pt.at < 399 || i > 0 && pt.at <= points[i-1].at {
			t.Errorf("point %d of %v", i, points)
		}
	}
	if first := points[0].at; first > 750 {
		t.Errorf("all before %d is forgotten", first)
	}
	if got := tr.until(points[1].at, points[2].at); len(got) != 2 || got[0] != points[1] {
		t.Errorf("%v", got)
	}
	if got := tr.until(1001, 2000); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// task is one that a sample has.
func task(slot, pid int, comm, cgroup string, bytes uint64) procsnap.TaskSize {
	return procsnap.TaskSize{Slot: slot, PID: pid, StartNS: uint64(pid) * uint64(time.Second), Comm: comm, Cgroup: cgroup, Size: procsnap.Size{Bytes: bytes}}
}

func group(slot int, path string, bytes uint64) procsnap.CgroupSize {
	return procsnap.CgroupSize{Slot: slot, ID: uint64(slot) + 100, Path: path, Version: 2, Size: procsnap.Size{Bytes: bytes}}
}

// add takes a sample of the given moment.
func add(h *History, now uint64, s procsnap.Sample) *procsnap.Sample {
	s.BoottimeNS = now
	for i := range s.Tasks {
		s.Tasks[i].BoottimeNS = now
	}
	for i := range s.Cgroups {
		s.Cgroups[i].BoottimeNS = now
	}
	h.Add(&s)
	return &s
}

func kill(pid int, limit string) *event.Kill {
	k := &event.Kill{Scope: event.ScopeGlobal, Victim: event.Victim{PID: pid, StartBoottimeNS: p(uint64(pid)*uint64(time.Second) + 9_999_999)}}
	if limit != "" {
		k.Scope, k.Limit = event.ScopeMemcg, &event.Limit{Cgroup: &event.Cgroup{Version: 2, Path: limit}}
	}
	return k
}

// A process that was there in the first sample has not begun since, however short the
// time is that was sampled.
func TestGrowersThatWereThere(t *testing.T) {
	h := &History{}
	// The starts of c and d are told as that of the tick in which the first sample was
	// taken: d was in it, c was not.
	early := func(slot int, comm string, size uint64) procsnap.TaskSize {
		t := task(slot, 3600+slot, comm, "/a", size)
		t.StartNS = at(0) - 4_000_000
		return t
	}
	add(h, at(0), procsnap.Sample{Tasks: []procsnap.TaskSize{task(0, 3599, "a", "/a", 10*mib), early(3, "d", 4*mib)}})
	last := add(h, at(10), procsnap.Sample{Tasks: []procsnap.TaskSize{
		task(0, 3599, "a", "/a", 30*mib), task(1, 3605, "b", "/a", 8*mib), early(2, "c", 7*mib), early(3, "d", 10*mib),
	}})
	want := []event.Grower{
		{PID: 3599, Comm: p("a"), RSSBytes: 30 * mib, GrewBytes: 20 * mib, OverMS: 10_000},
		{PID: 3605, Comm: p("b"), RSSBytes: 8 * mib, GrewBytes: 8 * mib, OverMS: 5_000, Began: true},
		{PID: 3602, Comm: p("c"), RSSBytes: 7 * mib, GrewBytes: 7 * mib, OverMS: 10_004, Began: true},
		{PID: 3603, Comm: p("d"), RSSBytes: 10 * mib, GrewBytes: 6 * mib, OverMS: 10_000},
	}
	if diff := cmp.Diff(want, h.Brief(kill(1, ""), at(10)).Growers); diff != "" {
		t.Errorf("of the kill (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(want, h.Sample(last, event.SampleInterval).Growers); diff != "" {
		t.Errorf("of the sample (-want +got)\n%s", diff)
	}
}

// story is three samples, 60 s apart: a (1) grows in /shop/a, b (2) more in /b, c (3)
// shrinks, d (3670) has begun since, e (5) is gone at the end.
func story() *History {
	h := &History{}
	for i, s := range []procsnap.Sample{
		{
			Memory:   &event.Memory{AvailableBytes: p(uint64(900)), ShmemBytes: p(uint64(5))},
			Pressure: &event.Pressure{SomeAvg10Percent: p(0.0), FullAvg10Percent: p(0.0), SomeUS: p(uint64(100)), FullUS: p(uint64(7))},
			Reclaim:  &event.Reclaim{AllocStalls: p(uint64(10)), DirectScanPages: p(uint64(50)), SwapInPages: p(uint64(9))},
			Tasks: []procsnap.TaskSize{
				task(0, 1, "a", "/shop/a", 10*mib), task(1, 2, "b", "/b", 10*mib), task(2, 3, "c", "/shop/c", 90*mib), task(4, 5, "e", "/shop/e", mib),
			},
			Cgroups: []procsnap.CgroupSize{group(0, "/shop", 120*mib), group(1, "/shop/a", 20*mib), group(2, "/b", 20*mib), group(3, "/shop/a/x", mib)},
		},
		{
			Tasks: []procsnap.TaskSize{
				task(0, 1, "a", "/shop/a", 20*mib), task(1, 2, "b", "/b", 8*mib), task(2, 3, "c", "/shop/c", 40*mib), task(4, 5, "e", "/shop/e", 50*mib),
			},
			Cgroups: []procsnap.CgroupSize{group(0, "/shop", 120*mib), group(1, "/shop/a", 30*mib), group(2, "/b", 18*mib), group(3, "/shop/a/x", mib)},
		},
		{
			Memory:   &event.Memory{AvailableBytes: p(uint64(300)), ShmemBytes: p(uint64(25)), SlabBytes: p(uint64(1))},
			Pressure: &event.Pressure{SomeAvg10Percent: p(2.5), FullAvg10Percent: p(1.25), SomeUS: p(uint64(4100)), FullUS: p(uint64(7))},
			Reclaim:  &event.Reclaim{AllocStalls: p(uint64(12)), DirectScanPages: p(uint64(80)), SwapInPages: p(uint64(3))},
			Tasks: []procsnap.TaskSize{
				task(0, 1, "a", "/shop/a", 40*mib), task(1, 2, "b", "/b", 108*mib), task(2, 3, "c", "/shop/c", 40*mib), task(3, 3670, "d", "/shop/a", 30*mib),
			},
			Cgroups: []procsnap.CgroupSize{group(0, "/shop", 155*mib), group(1, "/shop/a", 50*mib), group(2, "/b", 118*mib), group(3, "/shop/a/x", mib)},
		},
	} {
		s.CgroupsFromRoot = true
		add(h, at(float64(60*i)), s)
	}
	return h
}

func TestBrief(t *testing.T) {
	grewA := event.Grower{PID: 1, Comm: p("a"), RSSBytes: 40 * mib, GrewBytes: 30 * mib, OverMS: 120_000}
	grewB := event.Grower{PID: 2, Comm: p("b"), RSSBytes: 108 * mib, GrewBytes: 100 * mib, OverMS: 60_000}
	grewD := event.Grower{PID: 3670, Comm: p("d"), RSSBytes: 30 * mib, GrewBytes: 30 * mib, OverMS: 50_000, Began: true}
	rssOfA := []event.RSSPoint{{BeforeMS: 121_500, RSSBytes: 10 * mib}, {BeforeMS: 61_500, RSSBytes: 20 * mib}, {BeforeMS: 1_500, RSSBytes: 40 * mib}}
	cgroup := func(path string, usage, grew uint64, over int64) event.CgroupGrower {
		return event.CgroupGrower{Cgroup: event.Cgroup{Version: 2, Path: path}, UsageBytes: usage * mib, GrewBytes: grew * mib, OverMS: over}
	}
	machine := func(l event.LeadUp) *event.LeadUp {
		l.State, l.Samples, l.SpanMS, l.BeforeMS = event.LeadUpOK, 3, p(int64(120_000)), p(int64(1_500))
		l.Pressure = &event.Pressure{SomeAvg10Percent: p(2.5), FullAvg10Percent: p(1.25), SomeUS: p(uint64(4000)), FullUS: p(uint64(0))}
		l.Reclaim = &event.Reclaim{AllocStalls: p(uint64(2)), DirectScanPages: p(uint64(30))}
		l.MemoryChange = &event.MemoryChange{AvailableBytes: p(int64(-600)), ShmemBytes: p(int64(20))}
		return &l
	}
	everywhere := event.LeadUp{
		GrowersOf: event.GrowersOfMachine, Growers: []event.Grower{grewB, grewA, grewD},
		CgroupGrowers: []event.CgroupGrower{cgroup("/b", 118, 100, 60_000), cgroup("/shop/a", 50, 30, 120_000)},
	}
	with := func(l event.LeadUp, rss []event.RSSPoint) event.LeadUp { l.VictimRSS = rss; return l }
	reused := kill(1, "")
	reused.Victim.StartBoottimeNS = p(at(30))
	unknown := kill(1, "")
	unknown.Victim.StartBoottimeNS = nil
	for _, tt := range []struct {
		name string
		kill *event.Kill
		at   float64
		want *event.LeadUp
	}{
		{"of the machine", kill(1, ""), 121.5, machine(with(everywhere, rssOfA))},
		{"another has the pid", reused, 121.5, machine(everywhere)},
		{"it is not known whose pid it is", unknown, 121.5, machine(everywhere)},
		{"the whole hierarchy", kill(9, "/"), 121.5, machine(event.LeadUp{
			GrowersOf: event.GrowersOfLimit, Growers: everywhere.Growers, CgroupGrowers: everywhere.CgroupGrowers,
		})},
		{"below a limit", kill(1, "/shop"), 121.5, machine(event.LeadUp{
			VictimRSS: rssOfA, GrowersOf: event.GrowersOfLimit, Growers: []event.Grower{grewA, grewD},
			CgroupGrowers: []event.CgroupGrower{cgroup("/shop/a", 50, 30, 120_000)},
		})},
		{"a name that begins alike", kill(1, "/sh"), 121.5, machine(event.LeadUp{VictimRSS: rssOfA, GrowersOf: event.GrowersOfLimit})},
		{"nothing has grown below it", kill(3, "/shop/c"), 121.5, machine(event.LeadUp{
			VictimRSS: []event.RSSPoint{{BeforeMS: 121_500, RSSBytes: 90 * mib}, {BeforeMS: 61_500, RSSBytes: 40 * mib}, {BeforeMS: 1_500, RSSBytes: 40 * mib}},
			GrowersOf: event.GrowersOfLimit,
		})},
		{"gone before it was told", kill(5, "/shop/e"), 119, &event.LeadUp{
			State: event.LeadUpOK, Samples: 2, SpanMS: p(int64(60_000)), BeforeMS: p(int64(59_000)),
			VictimRSS: []event.RSSPoint{{BeforeMS: 119_000, RSSBytes: mib}, {BeforeMS: 59_000, RSSBytes: 50 * mib}},
			GrowersOf: event.GrowersOfLimit, Growers: []event.Grower{{PID: 5, Comm: p("e"), RSSBytes: 50 * mib, GrewBytes: 49 * mib, OverMS: 60_000}},
		}},
		{"after the first sample", kill(1, "/shop/a"), 1, &event.LeadUp{
			State: event.LeadUpOK, Samples: 1, SpanMS: p(int64(0)), BeforeMS: p(int64(1_000)),
			VictimRSS: []event.RSSPoint{{BeforeMS: 1_000, RSSBytes: 10 * mib}},
			GrowersOf: event.GrowersOfLimit,
			Pressure:  &event.Pressure{SomeAvg10Percent: p(0.0), FullAvg10Percent: p(0.0)},
		}},
		{"before the first", kill(1, ""), -1, &event.LeadUp{State: event.LeadUpNotSampled}},
		{"long after the last", kill(1, ""), 721, &event.LeadUp{State: event.LeadUpNotSampled}},
	} {
		if diff := cmp.Diff(tt.want, story().Brief(tt.kill, at(tt.at))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

// Another cgroup namespace has other paths: nothing would be found below a limit.
func TestBriefInACgroupNamespace(t *testing.T) {
	h := story()
	h.fromRoot = false
	if l := h.Brief(kill(1, "/shop"), at(121.5)); l.GrowersOf != event.GrowersOfMachine || len(l.Growers) != 3 {
		t.Errorf("%+v", l)
	}
}

// A kill tells no more than fits it, of what grew most.
func TestBriefIsBounded(t *testing.T) {
	h := &History{}
	for i := range 100 {
		var s procsnap.Sample
		for slot := range procsnap.FollowedTasks {
			s.Tasks = append(s.Tasks, task(slot, slot+1, "x", "/x", uint64(i*(1000+slot))*4096))
		}
		for slot := range procsnap.FollowedCgroups {
			s.Cgroups = append(s.Cgroups, group(slot, "/x"+string(rune('A'+slot)), uint64(i*(1000+slot))*4096))
		}
		add(h, at(float64(i)), s)
	}
	l := h.Brief(kill(7, ""), at(100))
	if len(l.Growers) != killGrowers || len(l.CgroupGrowers) != killCgroups || l.Growers[0].PID != procsnap.FollowedTasks || l.Samples != 100 {
		t.Errorf("%+v", l)
	}
	if n := len(l.VictimRSS); n != victimPoints || l.VictimRSS[n-1].BeforeMS != 1000 || l.VictimRSS[0].BeforeMS != 100_000 {
		t.Errorf("%+v", l.VictimRSS)
	}
}

// What was seen before one was followed counts, if that is not too long ago.
func TestEarlier(t *testing.T) {
	for _, tt := range []struct {
		seconds float64
		want    int
	}{{-100, 2}, {-700, 1}} {
		h := &History{}
		s := procsnap.Sample{Tasks: []procsnap.TaskSize{task(0, 1, "a", "", 50*mib)}}
		s.Tasks[0].Earlier = procsnap.Size{BoottimeNS: at(tt.seconds), Bytes: mib}
		add(h, at(0), s)
		if got := h.Brief(kill(1, ""), at(1)).VictimRSS; len(got) != tt.want {
			t.Errorf("seen at %v s: %+v", tt.seconds, got)
		}
	}
}

func TestSample(t *testing.T) {
	h := story()
	s := add(h, at(130), procsnap.Sample{
		CPU:      1500 * time.Microsecond,
		Memory:   &event.Memory{FreeBytes: p(uint64(1))},
		Pressure: &event.Pressure{SomeAvg10Percent: p(3.0), SomeUS: p(uint64(4300))},
		Reclaim:  &event.Reclaim{AllocStalls: p(uint64(12)), SwapInPages: p(uint64(4))},
		Tasks:    []procsnap.TaskSize{task(0, 1, "a", "/shop/a", 42*mib)},
	})
	want := &event.Sample{
		Reason: event.SamplePressure, SpanMS: p(int64(10_000)), Memory: &event.Memory{FreeBytes: p(uint64(1)), AgeMS: p(int64(0))},
		Pressure: &event.Pressure{SomeAvg10Percent: p(3.0), SomeUS: p(uint64(200))},
		Reclaim:  &event.Reclaim{AllocStalls: p(uint64(0)), SwapInPages: p(uint64(1))},
		Growers:  []event.Grower{{PID: 1, Comm: p("a"), RSSBytes: 42 * mib, GrewBytes: 32 * mib, OverMS: 130_000}},
		CPUUS:    p(int64(1500)),
	}
	if diff := cmp.Diff(want, h.Sample(s, event.SamplePressure)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// The first has nothing to compare with.
	h = &History{}
	s = add(h, at(0), procsnap.Sample{Pressure: &event.Pressure{SomeAvg10Percent: p(3.0), SomeUS: p(uint64(9)), FullUS: p(uint64(9))}, Reclaim: &event.Reclaim{}})
	want = &event.Sample{Reason: event.SampleInterval, Pressure: &event.Pressure{SomeAvg10Percent: p(3.0)}, CPUUS: p(int64(0))}
	if diff := cmp.Diff(want, h.Sample(s, event.SampleInterval)); diff != "" {
		t.Errorf("first (-want +got)\n%s", diff)
	}
}

func BenchmarkBrief(b *testing.B) {
	h := &History{}
	for i := range 60 {
		var s procsnap.Sample
		for slot := range procsnap.FollowedTasks {
			s.Tasks = append(s.Tasks, task(slot, slot+1, "x", "/x", uint64(i*(1000+slot))*4096))
		}
		for slot := range procsnap.FollowedCgroups {
			s.Cgroups = append(s.Cgroups, group(slot, "/kubepods.slice/x"+string(rune('A'+slot)), uint64(i*(1000+slot))*4096))
		}
		add(h, at(float64(10*i)), s)
	}
	k := kill(7, "/x")
	b.ReportAllocs()
	for b.Loop() {
		h.Brief(k, at(600))
	}
}
