// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
)

// newChoice is what led to newKill, by the kernel's own points.
func newChoice() *bpf.OomtraceWireChoice {
	c := &bpf.OomtraceWireChoice{EpisodeNs: 0x123456, TriggerTid: 31, Seen: 4, Len: 3}
	c.H.BoottimeNs = 0x123999 + 5e6
	c.H.Valid = bits(bpf.OomtraceWireChoiceValidWIRE_CHOICE_SEEN, bpf.OomtraceWireChoiceValidWIRE_CHOICE_EFFORT)
	c.Effort = bpf.OomtraceWireEffort{FirstNs: 0x123999, LastNs: 0x123999 + 4e6, ReclaimNs: 3_500_000, CompactNs: 20_000, ReclaimedPages: 12, Reclaims: 5, Compactions: 2}
	for i, w := range []struct {
		pid    uint32
		comm   string
		points int64
		anon   uint64
		adj    int32
	}{{900, "sh", 300, 290, 0}, {1200, "java", 5000, 4000, 100}, {901, "redis\xff", 4100, 4090, 1}} {
		cand := &c.Cands[i]
		*cand = bpf.OomtraceWireCandidate{
			Points: w.points, AnonPages: w.anon, FilePages: 6, PgtablesBytes: 4 * 4096, StartBoottimeNs: 7, CgroupId: 77,
			Pid: w.pid, Uid: 1000, OomScoreAdj: w.adj,
			Valid: uint32(bits(
				bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_PID, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_COMM, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_UID,
				bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_START, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_CGROUP, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_RSS,
				bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_PGTABLES, bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_ADJ)),
		}
		setC(cand.Comm[:], w.comm)
	}
	return c
}

func rawChoice(c *bpf.OomtraceWireChoice) []byte {
	n := choiceFixed + int(c.Len)*int(unsafe.Sizeof(c.Cands[0]))
	c.H.Len, c.H.Version, c.H.Kind = uint32(n), Version, uint16(bpf.OomtraceWireKindWIRE_KIND_CHOICE)
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(c)), n)...)
}

// decodeChoice is the kill of w, with what c says of it.
func decodeChoice(t *testing.T, w *killRecord, c *bpf.OomtraceWireChoice) *event.Kill {
	t.Helper()
	d := newDecoder()
	d.Symbols.Store(newSymbols(t))
	d.Machine.SwapPages = new(uint64)
	var r Record
	for _, raw := range [][]byte{rawChoice(c), rawKill(w, tailLen)} {
		if err := r.Parse(raw); err != nil {
			t.Fatal(err)
		}
	}
	if !LedTo(&r.Choice, &r.Kill) {
		t.Fatal("it did not lead to the kill")
	}
	k := d.Kill(&r)
	d.Choice(k, &r.Kill, &r.Choice)
	return k
}

func ranked(k *event.Kill) (out []string) {
	for _, c := range k.Candidates {
		out = append(out, fmt.Sprintf("%d %s %d", c.PID, *c.Comm, *c.PointsPages))
	}
	return out
}

func TestChoice(t *testing.T) {
	k := decodeChoice(t, newKill(), newChoice())
	if got, want := ranked(k), []string{"1200 java 5000", "901 redis\ufffd 4100", "900 sh 300"}; !slices.Equal(got, want) {
		t.Errorf("candidates %q, want %q", got, want)
	}
	if diff := cmp.Diff(&event.RunnerUp{PID: 901, Comm: event.Ptr("redis\ufffd"), CommHex: "7265646973ff", PointsPages: event.Ptr[int64](4100), OOMScoreAdj: event.Ptr(1)}, k.RunnerUp); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&event.Effort{SpanMS: 5, Reclaims: 5, ReclaimUS: 3500, ReclaimedPages: 12, Compactions: 2, CompactionUS: 20}, k.Effort); diff != "" {
		t.Error(diff)
	}
	c := newChoice()
	c.Cands[1].Valid |= 1 << bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_RSS_QUICK
	if quick := decodeChoice(t, newKill(), c).Candidates[0]; quick.AnonRSSBytes != nil || quick.PgtablesBytes == nil {
		t.Errorf("counts without the CPUs' parts are told: %+v", quick)
	}
	if *k.MarginPages != 900 || *k.CandidatesSeen != 4 || k.Sources["candidates"] != "" {
		t.Errorf("margin %d, seen %d, sources %v", *k.MarginPages, *k.CandidatesSeen, k.Sources)
	}
}

// What the programs computed counts only where they and the decoder agree on whose
// shortage it was, and its points are those of the limit that was found.
func TestChoiceComputed(t *testing.T) {
	computed := func(more ...bpf.OomtraceWireChoiceValid) *bpf.OomtraceWireChoice {
		c := newChoice()
		c.H.Valid = bits(append(more, bpf.OomtraceWireChoiceValidWIRE_CHOICE_SEEN, bpf.OomtraceWireChoiceValidWIRE_CHOICE_COMPUTED)...)
		c.MemcgId = 77
		return c
	}
	const memcg = bpf.OomtraceWireChoiceValidWIRE_CHOICE_MEMCG
	// No hook saw the oom_control: the limit is the one ancestor that is full.
	derived := newKill()
	derived.H.Valid &^= bits(bpf.OomtraceWireKillValidWIRE_KILL_OC, bpf.OomtraceWireKillValidWIRE_KILL_POINTS, bpf.OomtraceWireKillValidWIRE_KILL_OC_MEMCG)
	other := computed(memcg)
	other.MemcgId = 5
	lacks := computed(memcg)
	lacks.Cands[0].Valid &^= 1 << bpf.OomtraceWireCandidateValidWIRE_CANDIDATE_ADJ
	cut := computed(memcg, bpf.OomtraceWireChoiceValidWIRE_CHOICE_CUT)
	// 290 + 6 + 4 + 0·8; 4000 + 6 + 4 + 100·8; 4090 + 6 + 4 + 1·8
	all := []string{"1200 java 4810", "901 redis\ufffd 4108", "900 sh 300"}
	for name, tt := range map[string]struct {
		w    *killRecord
		c    *bpf.OomtraceWireChoice
		want []string
		seen any
	}{
		"the hook's limit":  {newKill(), computed(), all, uint64(4)},
		"the same guess":    {derived, computed(memcg), all, uint64(4)},
		"another cgroup":    {derived, other, nil, nil},
		"all tasks":         {derived, computed(), nil, nil},
		"one lacks its adj": {derived, lacks, all[:2], uint64(4)},
		"not all were seen": {derived, cut, all, nil},
	} {
		t.Run(name, func(t *testing.T) {
			k := decodeChoice(t, tt.w, tt.c)
			if got := ranked(k); !slices.Equal(got, tt.want) {
				t.Errorf("candidates %q, want %q", got, tt.want)
			}
			var seen any
			if k.CandidatesSeen != nil {
				seen = *k.CandidatesSeen
			}
			if seen != tt.seen || (k.Sources["candidates"] == "computed") != (tt.want != nil) {
				t.Errorf("seen %v, sources %v", seen, k.Sources)
			}
		})
	}
}

func TestLedTo(t *testing.T) {
	w := newKill()
	if !LedTo(newChoice(), w) {
		t.Error("it led to it")
	}
	group, later, by := newKill(), newKill(), newKill()
	group.Role, later.EpisodeNs, by.Trigger.Tid = uint32(bpf.OomtraceWireRoleWIRE_ROLE_GROUP), 1, 5
	for i, w := range []*killRecord{group, later, by} {
		if LedTo(newChoice(), w) {
			t.Errorf("%d: it did not", i)
		}
	}
}

func TestNoKill(t *testing.T) {
	w := newKill()
	for reason, want := range map[bpf.OomtraceWireNokill]event.NoKillReason{
		bpf.OomtraceWireNokillWIRE_NOKILL_CURRENT_EXITING: event.NoKillCurrentExiting,
		bpf.OomtraceWireNokillWIRE_NOKILL_CHOSEN_EXITING:  event.NoKillChosenExiting,
		bpf.OomtraceWireNokillWIRE_NOKILL_NO_CANDIDATE:    event.NoKillNoCandidate,
		bpf.OomtraceWireNokillWIRE_NOKILL_DISABLED:        event.NoKillOOMDisabled,
		bpf.OomtraceWireNokillWIRE_NOKILL_EARLY:           event.NoKillEarly,
	} {
		w.Role = uint32(reason)
		var r Record
		if err := r.Parse(raw(w, bpf.OomtraceWireKindWIRE_KIND_NOKILL, killFixed, tailLen)); err != nil {
			t.Fatal(err)
		}
		n := newDecoder().NoKill(&r)
		if n.Reason != want || n.Scope != event.ScopeMemcg || n.Victim == nil || n.Victim.PID != 1200 || n.Victim.PointsPages != nil || n.Trigger.PID != 30 || n.Limit == nil {
			t.Errorf("%s: %+v", want, n)
		}
	}
	// The OOM killer returned before it knew whose shortage it was.
	w.Role, w.Totalpages, w.Constraint = uint32(bpf.OomtraceWireNokillWIRE_NOKILL_EARLY), 0, constraintNone
	for _, tt := range []struct {
		valid uint64
		scope event.Scope
	}{{w.H.Valid, event.ScopeMemcg}, {w.H.Valid &^ bits(bpf.OomtraceWireKillValidWIRE_KILL_OC_MEMCG), ""}} {
		w.H.Valid = tt.valid
		var r Record
		if err := r.Parse(raw(w, bpf.OomtraceWireKindWIRE_KIND_NOKILL, killFixed, tailLen)); err != nil {
			t.Fatal(err)
		}
		if n := newDecoder().NoKill(&r); n.Scope != tt.scope || n.Victim.AllowedPages != nil || tt.scope == "" && n.Limit != nil {
			t.Errorf("before the kernel decided: %+v, allowed %v", n, n.Victim.AllowedPages)
		}
	}
	w = newKill()
	for _, role := range []uint32{0, 6} {
		w.Role = role
		if err := new(Record).Parse(raw(w, bpf.OomtraceWireKindWIRE_KIND_NOKILL, killFixed, 0)); !errors.Is(err, ErrValue) {
			t.Errorf("reason %d: %v", role, err)
		}
	}
	w.Role, w.Victim.Pid, w.Victim.Valid = uint32(bpf.OomtraceWireNokillWIRE_NOKILL_NO_CANDIDATE), 0, 0
	var r Record
	if err := r.Parse(raw(w, bpf.OomtraceWireKindWIRE_KIND_NOKILL, killFixed, tailLen)); err != nil {
		t.Fatal(err)
	}
	if n := newDecoder().NoKill(&r); n.Victim != nil || n.Sources["victim.pid"] != "" {
		t.Errorf("nobody: %+v", n)
	}
}

func rawMoment(m bpf.OomtraceWireMoment) []byte {
	m.H.Len, m.H.Version, m.H.Kind = uint32(unsafe.Sizeof(m)), Version, uint16(bpf.OomtraceWireKindWIRE_KIND_MOMENT)
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&m)), unsafe.Sizeof(m))...)
}

func TestMoment(t *testing.T) {
	m := bpf.OomtraceWireMoment{Pid: 7, What: uint32(bpf.OomtraceWireMomentWhatWIRE_MOMENT_FREED), AnonPages: 3, LimitPages: 4, Mm: 9}
	m.H.Valid = bits(bpf.OomtraceWireMomentValidWIRE_MOMENT_ANON, bpf.OomtraceWireMomentValidWIRE_MOMENT_LIMIT)
	var r Record
	if err := r.Parse(rawMoment(m)); err != nil {
		t.Fatal(err)
	}
	want := Moment{What: bpf.OomtraceWireMomentWhatWIRE_MOMENT_FREED, PID: 7, MM: 9, Anon: event.Ptr[uint64](3 * 4096), Limit: event.Ptr[uint64](4 * 4096)}
	if diff := cmp.Diff(want, newDecoder().Moment(&r)); diff != "" {
		t.Error(diff)
	}
	r.Moment.H.Valid = 0
	if got := newDecoder().Moment(&r); got.Anon != nil || got.Limit != nil {
		t.Errorf("not read: %+v", got)
	}
	for name, change := range map[string]func(*bpf.OomtraceWireMoment){
		"nobody": func(m *bpf.OomtraceWireMoment) { m.Pid = 0 }, "nothing": func(m *bpf.OomtraceWireMoment) { m.What = 0 },
		"unknown": func(m *bpf.OomtraceWireMoment) { m.What = 4 },
	} {
		bad := m
		change(&bad)
		if err := r.Parse(rawMoment(bad)); !errors.Is(err, ErrValue) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Parse(append(rawMoment(m), 0)); !errors.Is(err, ErrLength) {
		t.Errorf("too long: %v", err)
	}
	if err := r.Parse(rawChoice(newChoice())[:choiceFixed-8]); !errors.Is(err, ErrLength) {
		t.Errorf("a choice too short: %v", err)
	}
}
