// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func bootEpisode(t *testing.T) *oom {
	t.Helper()
	k := &oom{boot(t, map[string]any{"mark_victim_has_task": true},
		"signal_raw", "mark_raw", "oom_entry_fentry", "oom_return_fexit", "kill_process_fentry", "badness_fexit",
		"reclaim_begin_raw", "reclaim_end_raw", "compact_begin_raw", "compact_end_raw", "exit_raw", "reaped_raw", "freed_raw")}
	for name, value := range map[string]any{"have_invocation": uint32(1), "can_free": uint32(1), "ram_pages": uint64(100_000), "swap_pages": uint64(0)} {
		if err := k.coll.Variables[name].Set(value); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// choices are those told since it was last asked, each of the candidates as "pid points",
// sorted.
func (k *oom) choices() (out [][]string, records_ []OomtraceWireChoice) {
	k.t.Helper()
	for _, c := range records[OomtraceWireChoice](k.kernel, "oom_ring") {
		if OomtraceWireKind(c.H.Kind) != OomtraceWireKindWIRE_KIND_CHOICE {
			continue
		}
		var cands []string
		for _, w := range c.Cands[:c.Len] {
			cands = append(cands, fmt.Sprintf("%d %d", w.Pid, w.Points))
		}
		slices.Sort(cands)
		out, records_ = append(out, cands), append(records_, c)
	}
	return out, records_
}

// The ten of most points are kept, of as many as are seen.
func TestChoice(t *testing.T) {
	k := bootEpisode(t)
	var tasks []uint64
	for pid := uint64(20); pid < 35; pid++ {
		tasks = append(tasks, k.task(pid, k.mm(), 0))
	}
	victim := tasks[3]
	oc := k.make("oom_control", map[string]uint64{"chosen": victim})
	k.run("badness_fexit", tasks[0], 1000, 7) // by a reader of /proc/PID/oom_score
	k.run("oom_entry_fentry", oc)
	for i, task := range tasks {
		points := uint64(100 * (i%5 + i)) // 0, 200, 400, …, not in order
		if i == 14 {
			points = math.MaxInt64 + 1 // LONG_MIN: not eligible
		}
		k.run("badness_fexit", task, 1000, points)
	}
	k.kill(victim)
	k.run("oom_return_fexit", oc, 1)
	got, recs := k.choices()
	if len(got) != 1 {
		t.Fatalf("%d choices", len(got))
	}
	want := []string{"22 400", "23 600", "24 800", "26 700", "27 900", "28 1100", "29 1300", "30 1000", "31 1200", "32 1400", "33 1600"}
	want = slices.DeleteFunc(want, func(s string) bool { return s == "22 400" })
	equal(t, "candidates", got[0], want...)
	if c := &recs[0]; c.Seen != 14 || c.H.Valid != 1<<OomtraceWireChoiceValidWIRE_CHOICE_SEEN || c.TriggerTid != uint32(unix.Gettid()) {
		t.Errorf("seen %d, valid %x, trigger %d", c.Seen, c.H.Valid, c.TriggerTid)
	}
	// What was seen is of that invocation alone.
	k.run("oom_entry_fentry", k.make("oom_control", map[string]uint64{"chosen": tasks[1]}))
	k.run("badness_fexit", tasks[1], 1000, 5)
	k.kill(tasks[1])
	if got, _ = k.choices(); len(got) != 1 || !slices.Equal(got[0], []string{"21 5"}) {
		t.Errorf("the next one's: %v", got)
	}
}

func (k *oom) size(mm uint64, anon, pgtables uint64) {
	off, _ := k.member("mm_struct", "rss_stat")
	size := uint64(structNamed(k.t, k.types, "percpu_counter").Size)
	k.set("percpu_counter", mm+off+size, map[string]uint64{"count": anon}) // RSS_ANON
	k.set("mm_struct", mm, map[string]uint64{"pgtables_bytes": pgtables})
}

// Where oom_badness() is not seen, the formula is applied to this machine's own tasks.
func TestChoiceComputed(t *testing.T) {
	k := bootEpisode(t)
	adj, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(adj)))
	if err != nil {
		t.Fatal(err)
	}
	hog := make([]byte, 64<<20)
	for i := 0; i < len(hog); i += 4096 {
		hog[i] = 1
	}
	k.kill(k.task(10, k.mm(), 0))
	runtime.KeepAlive(hog)
	_, recs := k.choices()
	if len(recs) != 1 {
		t.Fatalf("%d choices", len(recs))
	}
	c := &recs[0]
	if want := uint64(1<<OomtraceWireChoiceValidWIRE_CHOICE_SEEN | 1<<OomtraceWireChoiceValidWIRE_CHOICE_COMPUTED); c.H.Valid != want || c.Seen < 2 || c.Len != min(c.Seen, 10) {
		t.Fatalf("valid %#x, seen %d, %d kept", c.H.Valid, c.Seen, c.Len)
	}
	found := false
	for i := range c.Cands[:c.Len] {
		w := &c.Cands[i]
		if w.OomScoreAdj == -1000 || w.Pid == 1 {
			t.Errorf("pid %d, adj %d, cannot be killed", w.Pid, w.OomScoreAdj)
		}
		pages := int64(w.FilePages + w.AnonPages + w.SwapPages + w.ShmemPages + w.PgtablesBytes/uint64(os.Getpagesize()))
		if w.Valid&(1<<OomtraceWireCandidateValidWIRE_CANDIDATE_RSS_QUICK) == 0 {
			t.Errorf("pid %d: whole counts without the address of the CPUs' parts", w.Pid)
		}
		// Counted quickly for the points; each CPU may keep some pages of a counter.
		if want := pages + int64(w.OomScoreAdj)*100; max(want-w.Points, w.Points-want) > int64(4*runtime.NumCPU()*max(32, 2*runtime.NumCPU())) {
			t.Errorf("pid %d: %d points, want about %d", w.Pid, w.Points, want)
		}
		if int(w.Pid) == os.Getpid() {
			found = true
			if w.AnonPages < 64<<20/4096 || int(w.OomScoreAdj) != own || w.StartBoottimeNs == 0 {
				t.Errorf("this process: %+v", w)
			}
		}
	}
	if !found {
		t.Errorf("this process, of 64 MiB, is not among %+v", c.Cands[:c.Len])
	}
}

// Reclaim and compaction by the trigger, up to a pause.
func TestEffort(t *testing.T) {
	k := bootEpisode(t)
	victim := k.task(10, k.mm(), 0)
	oc := k.make("oom_control", map[string]uint64{"chosen": victim})
	k.run("reclaim_end_raw", 5) // whose begin was not seen
	for range 3 {
		k.run("reclaim_begin_raw")
		k.run("reclaim_end_raw", 7)
	}
	k.run("compact_begin_raw")
	k.run("compact_end_raw")
	k.run("oom_entry_fentry", oc)
	k.run("badness_fexit", victim, 1000, 5)
	k.kill(victim)
	_, recs := k.choices()
	if len(recs) != 1 {
		t.Fatalf("%d choices", len(recs))
	}
	e := recs[0].Effort
	if recs[0].H.Valid&(1<<OomtraceWireChoiceValidWIRE_CHOICE_EFFORT) == 0 || e.Reclaims != 3 || e.ReclaimedPages != 21 || e.Compactions != 1 || e.FirstNs > e.LastNs || e.ReclaimNs == 0 {
		t.Errorf("effort %+v", e)
	}
}

// An invocation that kills nobody says why.
func TestNoKill(t *testing.T) {
	k := bootEpisode(t)
	victim := k.task(10, k.mm(), 0)
	nokills := func() (out []string) {
		for _, w := range records[OomtraceWireKill](k.kernel, "oom_ring") {
			if OomtraceWireKind(w.H.Kind) == OomtraceWireKindWIRE_KIND_NOKILL {
				out = append(out, fmt.Sprintf("%v %d", OomtraceWireNokill(w.Role), w.Victim.Pid))
			}
		}
		return out
	}
	const (
		current  = OomtraceWireNokillWIRE_NOKILL_CURRENT_EXITING
		dying    = OomtraceWireNokillWIRE_NOKILL_CHOSEN_EXITING
		nobody   = OomtraceWireNokillWIRE_NOKILL_NO_CANDIDATE
		disabled = OomtraceWireNokillWIRE_NOKILL_DISABLED
		early    = OomtraceWireNokillWIRE_NOKILL_EARLY
	)
	self := k.task(uint64(unix.Gettid()), k.mm(), 0)
	for _, tt := range []struct {
		name string
		oc   map[string]uint64
		mark uint64
		ret  uint64
		want []string
	}{
		{"the chosen one is exiting", map[string]uint64{"totalpages": 9, "chosen": victim}, victim, 1, []string{fmt.Sprint(dying, " 10")}},
		{"the trigger is exiting", map[string]uint64{}, self, 1, []string{fmt.Sprintf("%v %d", current, unix.Gettid())}},
		{"nobody", map[string]uint64{"totalpages": 9}, 0, 0, []string{fmt.Sprint(nobody, " 0")}},
		{"disabled", map[string]uint64{}, 0, 0, []string{fmt.Sprint(disabled, " 0")}},
		{"notifier", map[string]uint64{}, 0, 1, []string{fmt.Sprint(early, " 0")}},
		{"an earlier victim is dying", map[string]uint64{"totalpages": 9, "chosen": math.MaxUint64}, 0, 1, nil},
	} {
		oc := k.make("oom_control", tt.oc)
		k.run("oom_entry_fentry", oc)
		if tt.mark != 0 {
			k.mark(tt.mark)
		}
		k.run("oom_return_fexit", oc, tt.ret)
		equal(t, tt.name, nokills(), tt.want...)
	}
	if n := k.stats().Waits; n != 1 {
		t.Errorf("%d waits counted", n)
	}
	// A memcg without anybody asks again and again.
	oc := k.make("oom_control", map[string]uint64{"totalpages": 9})
	for range 50 {
		k.run("oom_entry_fentry", oc)
		k.run("oom_return_fexit", oc, 0)
	}
	told, left := len(nokills()), int(k.stats().Nokills)
	if told > 20 || told+left != 50 {
		t.Errorf("%d told and %d counted, want 50, few of them told", told, left)
	}
}

// What comes of a victim, and of no one else.
func TestEnd(t *testing.T) {
	k := bootEpisode(t)
	moments := func() (out []string) {
		for _, m := range records[OomtraceWireMoment](k.kernel, "oom_ring") {
			if OomtraceWireKind(m.H.Kind) == OomtraceWireKindWIRE_KIND_MOMENT {
				out = append(out, fmt.Sprintf("%v %d %d", OomtraceWireMomentWhat(m.What), m.Pid, m.AnonPages))
			}
		}
		return out
	}
	if err := k.coll.Variables["per_cpu_offset"].Set(k.alloc(8)); err != nil { // of one CPU, which keeps nothing
		t.Fatal(err)
	}
	mm, other := k.mm(), k.mm()
	k.size(mm, 77, 0)
	victim := k.task(10, mm, 0)
	k.run("freed_raw", mm)
	k.run("exit_raw")
	equal(t, "before any kill", moments())
	k.run("oom_entry_fentry", k.make("oom_control", map[string]uint64{"chosen": victim}))
	k.kill(victim)
	k.run("oom_return_fexit", 0, 1)
	_ = moments()
	k.run("freed_raw", other)
	k.run("exit_raw") // by this process, which is none
	equal(t, "of others", moments())
	k.run("reaped_raw", 10)
	k.size(mm, 0, 0)
	k.run("freed_raw", mm)
	equal(t, "of the victim", moments(), fmt.Sprint(OomtraceWireMomentWhatWIRE_MOMENT_REAPED, " 10 77"), fmt.Sprint(OomtraceWireMomentWhatWIRE_MOMENT_FREED, " 10 0"))
	k.run("freed_raw", mm) // the address is used again
	equal(t, "afterwards", moments())
}
