// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
)

// What was read when a kill's line was out counts where the line has nothing.
func TestLate(t *testing.T) {
	stat := &event.CgroupStat{ShmemBytes: p(uint64(400 * mib)), AgeMS: p(int64(20))}
	k := unit(0, func(k *event.Kill) { k.Limit.Stat = nil })
	s := &event.Event{Type: event.TypeOOMSnapshot, BoottimeNS: k.BoottimeNS, Snapshot: &event.SnapshotLate{
		Episode: k.Kill.Episode, PID: k.Kill.Victim.PID, Limit: &event.Limit{Stat: stat}, Memory: &event.Memory{TotalBytes: p(uint64(gib))},
	}}
	if got := ids(Find(document(k, s), nil)); got != "shmem (high)" {
		t.Errorf("found %s", got)
	}
	in := shortages(document(k, s), nil)[0]
	if in.main.Memory == nil || *in.main.Memory.TotalBytes != gib {
		t.Error("memory that was read late is not there")
	}
	if k.Kill.Limit.Stat != nil {
		t.Error("the document was changed")
	}
	early := unit(0, func(k *event.Kill) { k.Limit.Stat.ShmemBytes = p(uint64(0)) })
	s.Snapshot.PID, s.Snapshot.Episode = early.Kill.Victim.PID, early.Kill.Episode
	if got := shortages(document(early, s), nil)[0].stat(); *got.ShmemBytes != 0 {
		t.Error("what was read late took the place of what was read at the kill")
	}
}

// Of settings those count that were read nearer to the kill, and their age is told.
func TestLateSettings(t *testing.T) {
	read := func(mode int, age int64) *event.Settings {
		return &event.Settings{OvercommitMemory: &mode, SwapTotalBytes: p(uint64(0)), AgeMS: &age}
	}
	for _, tt := range []struct {
		early, late *event.Settings
		want        int
	}{
		{read(0, -60_000), read(1, 300), 1},
		{read(0, -100), read(1, 300), 0},
		{read(0, -100), nil, 0},
		{nil, read(1, 300), 1},
	} {
		k := unit(0, func(k *event.Kill) { k.Settings = tt.early })
		s := &event.Event{Type: event.TypeOOMSnapshot, BoottimeNS: k.BoottimeNS, Snapshot: &event.SnapshotLate{
			Episode: k.Kill.Episode, PID: k.Kill.Victim.PID, Settings: tt.late,
		}}
		if got := shortages(document(k, s), nil)[0].main.Settings; *got.OvercommitMemory != tt.want {
			t.Errorf("%v and %v: overcommit_memory %d", tt.early, tt.late, *got.OvercommitMemory)
		}
	}
}

// What the victim held is gone when memory is read after the kill: a sample tells.
func TestJustBefore(t *testing.T) {
	for _, tt := range []struct {
		name      string
		before    float64 // s
		ms        int64   // the age of what was read for the kill, 0: the log's
		wantFound string
	}{
		{"a sample just before", 2, 4, "kernel-stacks (high)"},
		{"one of long ago", 60, 4, "machine-full (low)"},
		{"a report of the moment", 2, 0, "machine-full (low)"},
	} {
		k := machine(100, memory(func(m *event.Memory) {
			m.KernelStackBytes = p(uint64(20 * mib))
			if tt.ms > 0 {
				m.AgeMS = &tt.ms
			}
		}), small)
		s := *machine(100 - tt.before)
		s.Type, s.Kill = event.TypeSample, nil
		s.Sample = &event.Sample{Reason: event.SamplePressure, Memory: &event.Memory{KernelStackBytes: p(uint64(3 * gib))}}
		if got := ids(Find(document(&s, k), nil)); got != tt.wantFound {
			t.Errorf("%s: found %s, want %s", tt.name, got, tt.wantFound)
		}
	}
}

// Who was killed a moment before has not grown elsewhere: its memory had not come back.
func TestKilledBefore(t *testing.T) {
	lead := func(k *event.Kill) {
		k.LeadUp = &event.LeadUp{State: event.LeadUpOK, Samples: 60, GrowersOf: event.GrowersOfLimit, Growers: []event.Grower{
			{PID: 4100, Comm: p("webd"), RSSBytes: 480 * mib, GrewBytes: 480 * mib, OverMS: 70_000, Began: true},
		}}
	}
	first := unit(0)
	second := unit(1, lead, func(k *event.Kill) { k.Victim.AnonRSSBytes, k.Victim.Comm = p(uint64(8*mib)), p("small") })
	for _, f := range Find(document(first, second), nil) {
		if f.ID == "growth-elsewhere" {
			t.Errorf("blames who is dead: %s", f.Summary)
		}
	}
}

// Of a victim that began in the time that was sampled all counts as growth, and it may be
// steady all the same.
func TestSteadyThatBegan(t *testing.T) {
	k := unit(0, func(k *event.Kill) {
		k.LeadUp = &event.LeadUp{
			State: event.LeadUpOK, Samples: 70, SpanMS: p(int64(70_000)), GrowersOf: event.GrowersOfLimit,
			VictimRSS: []event.RSSPoint{{BeforeMS: 70_000, RSSBytes: 478 * mib}, {BeforeMS: 20_000, RSSBytes: 482 * mib}, {BeforeMS: 200, RSSBytes: 483 * mib}},
			Growers:   []event.Grower{{PID: 4100, Comm: p("webd"), RSSBytes: 483 * mib, GrewBytes: 483 * mib, OverMS: 76_000, Began: true}},
		}
	})
	if got := ids(Find(document(k), nil)); got != "limit-too-small (medium)" {
		t.Errorf("found %s", got)
	}
}
