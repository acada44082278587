// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// TestKmsgSource holds a watcher that has the kernel's log alone against one that has the
// programs, in one run: the same kills, but for the sharer that the log leaves out; the same
// victims, scopes and limits. A third comes after them and is told of the last kills.
func TestKmsgSource(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range Kernels() {
		switch k.String() {
		case "amd64-5.10", "amd64-6.12", "arm64-6.1": // the prototypes of mark_victim, and both architectures
		default:
			continue
		}
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			all := pieces{limited(), limitAbove(), grouped("pod", 3), otherTrigger(), shared(), sysrq(), simulated(2)}
			r := all.boot(t, lab, k, Options{MemMiB: 640},
				[]scenario.Step{watch("programs", "--events", "oom"), watch("log", "--source", "kmsg")},
				[]scenario.Step{
					scenario.Stop("log"), scenario.Stop("programs"),
					scenario.Run("late", "oomtrace", "watch", "--events", "oom", "-o", "json", "--duration", "1s").Within(2 * time.Minute),
				})
			programs, log := watched(t, r, "programs"), watched(t, r, "log")
			complete(t, "programs", programs)
			complete(t, "log", log)
			sameKills(t, programs, log, sharerPID(t, r))
			for _, h := range log[0].SessionStart.Hooks {
				if h.Fact == "kill" && (!h.OK || !strings.HasPrefix(h.Method, "kernel log ")) {
					t.Errorf("kills are had by %+v", h)
				}
			}
			lines := len(killsOf(log))
			if c := programs[len(programs)-1].SessionEnd.CrossCheck; c == nil || *c != (event.CrossCheck{Both: uint64(lines)}) {
				t.Errorf("cross-check %+v, want %d in both", c, lines)
			}
			remembered(t, watched(t, r, "late"), log)
			if said := string(r.Out(t, "late.err")); !strings.Contains(said, fmt.Sprintf("%d kills since boot, the last 5 are told", lines)) {
				t.Errorf("the late one says %q of %d kills", said, lines)
			}
		})
	}
}

func killsOf(events []*event.Event) (kills []*event.Event) {
	for _, e := range events {
		if e.Kill != nil {
			kills = append(kills, e)
		}
	}
	return kills
}

// sameKills compares what the programs and the log tell of each kill.
func sameKills(t *testing.T, programs, log []*event.Event, sharer int) {
	t.Helper()
	logged := map[int]*event.Event{}
	for _, e := range killsOf(log) {
		pid := e.Kill.Victim.PID
		if logged[pid] != nil {
			t.Errorf("the log's watcher tells twice of %d", pid)
		}
		logged[pid] = e
		if e.Source != event.SourceKmsg || e.TimeBasis != event.BasisPrintk || e.TimeErrorMS == nil || e.Backfill {
			t.Errorf("%d: %s, basis %q, error %v, backfill %v", pid, e.Source, e.TimeBasis, deref(e.TimeErrorMS), e.Backfill)
		}
	}
	for _, e := range killsOf(programs) {
		k, pid := e.Kill, e.Kill.Victim.PID
		l := logged[pid]
		delete(logged, pid)
		if pid == sharer {
			if l != nil {
				t.Errorf("the log tells of the sharer %d", pid)
			}
			continue
		}
		if l == nil {
			t.Errorf("the log's watcher does not tell of %d (%v)", pid, deref(k.Victim.Comm))
			continue
		}
		what := func(s string) string { return fmt.Sprintf("%s of %d (%v) in the log", s, pid, deref(k.Victim.Comm)) }
		want(t, what("the name"), deref(l.Kill.Victim.Comm), deref(k.Victim.Comm))
		want(t, what("the scope"), l.Kill.Scope, k.Scope)
		want(t, what("the role"), l.Kill.Role, k.Role)
		want(t, what("the message"), l.Kill.Message, k.Message)
		want(t, what("oom_score_adj"), deref(l.Kill.Victim.OOMScoreAdj), deref(k.Victim.OOMScoreAdj))
		want(t, what("simulated"), l.Simulated, e.Simulated)
		if a, b := l.Kill.Limit, k.Limit; (a == nil) != (b == nil) {
			t.Errorf("%s: %+v, want %+v", what("the limit"), a, b)
		} else if a != nil {
			want(t, what("the limit's kind"), a.Kind, b.Kind)
			if a.Kind != event.LimitRAM { // hotplug aside the same, but told in other units
				want(t, what("the limit"), deref(a.Bytes), deref(b.Bytes))
			}
			if b.Cgroup != nil {
				want(t, what("the limit's cgroup"), a.Cgroup != nil && a.Cgroup.Path == b.Cgroup.Path, true)
			}
		}
		if a, b := l.Kill.Trigger, k.Trigger; a != nil && b != nil {
			want(t, what("the trigger's thread"), deref(a.TID), deref(b.TID))
			want(t, what("the order"), deref(a.Order), deref(b.Order))
			want(t, what("gfp_mask"), a.GFPMask, b.GFPMask)
		}
		// The line is printed behind the mark.
		if after := l.Time.Sub(e.Time); after < -time.Duration(*l.TimeErrorMS)*time.Millisecond || after > 5*time.Second {
			t.Errorf("%s: %v after the mark", what("the line"), after)
		}
	}
	for pid := range logged {
		t.Errorf("the log's watcher alone tells of %d", pid)
	}
}

// remembered checks that who comes late is told of the last kills, as what was before.
func remembered(t *testing.T, late, log []*event.Event) {
	t.Helper()
	var got, all []int
	for _, e := range killsOf(late) {
		if !e.Backfill || e.Source != event.SourceKmsg {
			t.Errorf("told late: %s, backfill %v", e.Source, e.Backfill)
		}
		got = append(got, e.Kill.Victim.PID)
	}
	for _, e := range killsOf(log) {
		all = append(all, e.Kill.Victim.PID)
	}
	if want := all[max(0, len(all)-5):]; !slices.Equal(got, want) {
		t.Errorf("told late: %v, want %v", got, want)
	}
	if n := late[len(late)-1].SessionEnd.Received["oom.kill"]; n != 0 {
		t.Errorf("%d kills counted that were before", n)
	}
}
