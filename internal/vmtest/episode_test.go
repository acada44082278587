// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// immune is a cgroup with nobody who can be killed: it asks again and again, until its
// limit is raised.
func immune() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("immune", "memory.max=16M"),
			scenario.Start("immune", "", hog("-adj", "-1000", "immunehog", "24")...).In("immune"),
			// The kernel counts first, and then asks whether there is room meanwhile.
			scenario.Run("immune-oom", scenario.Guest, "await", scenario.CgroupV2+"/immune/memory.events", "oom", "5"),
			scenario.Write(scenario.CgroupV2+"/immune/memory.max", "max"),
			scenario.Wait("immune"),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "exit of the immune", r.Report.Procs["immune"].Exit, 0)
			if n := r.Report.Cgroups["/immune"]["oom"]; n == 0 {
				t.Error("the immune did not run out of memory")
			}
		},
	}
}

// lowered is a cgroup whose limit is set below what it uses: who writes it is the
// trigger.
func lowered() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("lowered", "memory.max=64M"),
			scenario.Start("lowered", "ready", hog("-hold", "lowhog", "30")...).In("lowered"),
			scenario.Write(scenario.CgroupV2+"/lowered/memory.max", "8M"),
			scenario.Wait("lowered"),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "who lowered the limit", killed(t, r, "lowered", "lowhog").Trigger.Comm, "init")
		},
	}
}

// leaderless is a victim whose leader has exited.
func leaderless() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("leaderless", "memory.max=24M"),
			scenario.Run("leaderless", hog("-worker", "-leaderless", "orphan", "0")...).In("leaderless"),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "the leaderless one's signal", r.Report.Procs["leaderless"].Signal, "killed")
		},
	}
}

// executing is a victim that executes itself anew on the way.
func executing() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("executing", "memory.max=24M"),
			scenario.Run("executing", hog("-exec", "anew", "16")...).In("executing"),
		},
		check: func(t *testing.T, r *Result) { killed(t, r, "executing", "anew") },
	}
}

// reused are victims with one pid, one after the other.
func reused() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("reused", "memory.max=8M"),
			scenario.Run("reused", scenario.Guest, "burst", "-reuse", scenario.CgroupV2+"/reused", "again", "4"),
		},
		check: func(t *testing.T, r *Result) {
			var b scenario.BurstResult
			r.JSON(t, "reused.out", &b)
			if slices.Sort(b.Killed); len(b.Killed) != 4 || len(slices.Compact(b.Killed)) == 4 {
				t.Errorf("%d were killed, none with the pid of another", len(b.Killed))
			}
		},
	}
}

// allocating is a shortage of the machine's, for which whoever asks is killed.
func allocating() piece {
	const sysctl = "/proc/sys/vm/oom_kill_allocating_task"
	return piece{
		steps: []scenario.Step{
			// With nobody left to kill the kernel would panic.
			scenario.Start("bystanders", "ready", scenario.Guest, "members", "-kib", "64", "by", "3"),
			// Who was woken to tell of the kill asks for memory, too.
			scenario.Run("protect", scenario.Guest, "protect", "oomtrace"),
			scenario.Write(sysctl, "1"),
			scenario.Run("asking", hog("asking", "0")...).Within(2 * time.Minute),
			scenario.Write(sysctl, "0"),
		},
		check: func(t *testing.T, r *Result) {
			i := killed(t, r, "asking", "asking")
			if p := r.Report.Procs["asking"].PID; i.Trigger.PID != p {
				// One that is protected, as init is: then points decide.
				t.Logf("memory ran out for pid %d, which is not the hog %d", i.Trigger.PID, p)
				return
			}
			want(t, "who asked was killed", i.Kills[0].allocating(), true)
		},
	}
}

// origin is a victim that has asked for it. Its cgroup has little memory once the pages
// in it are merged, and is to have room for each of them.
func origin() piece {
	return piece{
		steps: []scenario.Step{
			scenario.Cgroup("origin"),
			scenario.Start("alike", "ready", scenario.Guest, "alike", "48").In("origin"),
			scenario.Write(scenario.CgroupV2+"/origin/memory.max", "24M"),
			scenario.Run("origin", scenario.Guest, "unmerge").In("origin"),
			scenario.Write("/sys/kernel/mm/ksm/run", "0"),
			scenario.Stop("alike"),
		},
		check: func(t *testing.T, r *Result) { killed(t, r, "origin", "unmerge") },
	}
}

const burstKills = 200

// bursting kills many, one after the other, and again some of another cgroup.
func bursting(between ...scenario.Step) piece {
	steps := []scenario.Step{
		scenario.Cgroup("bursting", "memory.max=8M"),
		scenario.Start("bursting", "ready", scenario.Guest, "burst", scenario.CgroupV2+"/bursting", "burst", strconv.Itoa(burstKills)),
	}
	steps = append(steps, between...)
	return piece{
		steps: append(steps, scenario.Wait("bursting").Within(5*time.Minute)),
		check: func(t *testing.T, r *Result) {
			if n := len(burstResult(t, r).Killed); n != burstKills {
				t.Errorf("%d of %d were killed", n, burstKills)
			}
		},
	}
}

func burstResult(t *testing.T, r *Result) (b scenario.BurstResult) {
	t.Helper()
	r.JSON(t, "bursting.out", &b)
	return b
}

// TestEpisode holds whole episodes against those who ought to know: the kernel log,
// memory.events, vmstat and the workloads, for each case that some hook does not see. A
// second watcher comes in the middle of a storm.
func TestEpisode(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			late := watch("late", "--events", "oom")
			all := pieces{immune(), lowered(), leaderless(), executing(), grouped("group", 3), shared(), reused(), window("window"), allocating(), origin(), bursting(late)}
			r := all.boot(t, lab, k, Options{MemMiB: 640},
				[]scenario.Step{watch("watch", "--events", "oom")},
				[]scenario.Step{scenario.Stop("late"), scenario.Stop("watch")})
			unmerge := r.Report.Procs["origin"].PID
			x := Expect{Sharers: []int{sharerPID(t, r)}, Origins: []int{unmerge}}
			events := judge(t, r, k, "watch", oomFacts, nil, x)
			complete(t, "watch", events)
			counted(t, r, events)
			accounted(t, events)
			nobodyKilled(t, r, events)
			detailed(t, events)
			chosen(t, events, unmerge)
			inTheMiddle(t, watched(t, r, "late"), events)
			var pids []int
			for _, e := range events {
				if limitedBy(e.Kill, "/bursting") {
					pids = append(pids, e.Kill.Victim.PID)
				}
			}
			if killed := burstResult(t, r).Killed; !slices.Equal(pids, killed) {
				t.Errorf("%d kills of the storm were told, want the %d that were killed, in order", len(pids), len(killed))
			}
			if p, ok := r.Report.Procs["leaderless"]; ok {
				i := slices.IndexFunc(events, func(e *event.Event) bool { return e.Kill != nil && e.Kill.Victim.PID == p.PID })
				if i < 0 || events[i].Kill.Victim.TID == nil || *events[i].Kill.Victim.TID == p.PID {
					t.Errorf("the leaderless victim %d is not told by its leader's pid, with the thread beside", p.PID)
				}
			}
		})
	}
}

// detailed checks that the limits' files were read: in the kill's line or behind it.
func detailed(t *testing.T, events []*event.Event) {
	t.Helper()
	stat, counters := 0, 0
	look := func(l *event.Limit) {
		if l != nil && l.Stat != nil && l.Stat.AnonBytes != nil {
			stat++
		}
		if l != nil && l.Events != nil && l.Events.OOMKill != nil && *l.Events.OOMKill > 0 {
			counters++
		}
	}
	kills := 0
	for _, e := range events {
		switch {
		case e.Kill != nil:
			kills++
			look(e.Kill.Limit)
			if v := e.Kill.Victim; v.UID != nil && *v.UID == 0 && v.User != "" && v.User != "root" {
				t.Errorf("user 0 is %q", v.User)
			}
		case e.Detail != nil:
			look(e.Detail.Limit)
		case e.Snapshot != nil:
			look(e.Snapshot.Limit)
		}
	}
	if stat < kills/2 || counters < kills/2 {
		t.Errorf("of %d kills %d tell the limit's stat and %d its events", kills, stat, counters)
	}
}

// counted holds the number of kills against the kernel's counters. Of a group the kernel
// counts the first victim twice (oom_kill_process, mm/oom_kill.c), and once more whose
// leader is gone by then; and no sharer.
func counted(t *testing.T, r *Result, events []*event.Event) {
	t.Helper()
	first := map[string]*event.Kill{}
	groups := map[string]bool{}
	var kills []*event.Kill
	for _, e := range events {
		if k := e.Kill; k != nil && k.Role != event.RoleSharedMM {
			kills = append(kills, k)
			if first[k.Episode] == nil {
				first[k.Episode] = k
			}
			groups[k.Episode] = groups[k.Episode] || k.Role == event.RoleGroup
		}
	}
	check := func(what, below string, got uint64) {
		t.Helper()
		var n, again uint64
		in := func(k *event.Kill) bool {
			return below == "/" || k.Victim.Cgroup != nil && (k.Victim.Cgroup.Path == below || strings.HasPrefix(k.Victim.Cgroup.Path, below+"/"))
		}
		for _, k := range kills {
			if in(k) {
				n++
			}
		}
		for episode, is := range groups {
			if is && in(first[episode]) {
				n, again = n+1, again+2
			}
		}
		if got < n || got > n+again {
			t.Errorf("oom_kill of %s: %d, want %d to %d", what, got, n, n+again)
		}
	}
	for cgroup, counters := range r.Report.Cgroups {
		check(cgroup, path.Clean("/"+cgroup), counters["oom_kill"])
	}
	for line := range strings.Lines(string(r.Out(t, path.Base(scenario.VmstatFile)))) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok {
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			check("vmstat", "/", n)
			return
		}
	}
	t.Error("vmstat has no oom_kill")
}

// accounted checks that each invocation of the OOM killer came to something that was
// told or counted.
func accounted(t *testing.T, events []*event.Event) {
	t.Helper()
	end := events[len(events)-1].SessionEnd
	if end.Invocations == nil {
		return // the return is not hooked
	}
	episodes := map[string]bool{}
	for _, e := range events {
		switch {
		case e.Kill != nil:
			episodes[e.Kill.Episode] = true
		case e.NoKill != nil:
			if episodes[e.NoKill.Episode] {
				t.Errorf("episode %s killed, and did not: %s", e.NoKill.Episode, e.NoKill.Reason)
			}
			episodes[e.NoKill.Episode] = true
		}
	}
	want(t, "invocations", *end.Invocations, uint64(len(episodes))+*end.Waits+*end.NoKillsLeftOut)
}

func limitedBy(k *event.Kill, path string) bool {
	return k != nil && k.Limit != nil && k.Limit.Cgroup != nil && k.Limit.Cgroup.Path == path
}

// chosen checks how the victims were, and that those with one pid are told apart.
func chosen(t *testing.T, events []*event.Event, origin int) {
	t.Helper()
	started := map[uint64]bool{}
	for _, e := range events {
		k := e.Kill
		if k == nil || k.Role != event.RoleChosen {
			continue
		}
		choice := event.ChoiceBadness
		switch {
		case strings.HasSuffix(k.Message, "(oom_kill_allocating_task)"):
			choice = event.ChoiceAllocatingTask
		case k.Victim.PID == origin:
			choice = event.ChoiceTaskOrigin
		}
		want(t, "choice", k.Choice, choice)
		if limitedBy(k, "/reused") {
			started[*k.Victim.StartBoottimeNS] = true
		}
	}
	want(t, "victims in /reused, by their start", len(started), 4)
}

// nobodyKilled checks the invocations for the immune, which only a hook of the return
// tells.
func nobodyKilled(t *testing.T, r *Result, events []*event.Event) {
	t.Helper()
	end := events[len(events)-1].SessionEnd
	var told uint64
	for _, e := range events {
		if n := e.NoKill; n != nil && n.Limit != nil && n.Limit.Cgroup != nil && n.Limit.Cgroup.Path == "/immune" {
			told++
			want(t, "reason", n.Reason, event.NoKillNoCandidate)
			want(t, "who asked", *n.Trigger.Comm, "immunehog")
		}
	}
	if end.Invocations == nil {
		want(t, "told without a hook of the return", told, uint64(0))
		return
	}
	// memory.events counts under oom what went to the OOM killer, and failed charges.
	if told == 0 || told > 60 {
		t.Errorf("%d invocations for the immune were told and %d left out, of %d", told, *end.NoKillsLeftOut, r.Report.Cgroups["/immune"]["oom"])
	}
}

// inTheMiddle checks that a watcher which came late saw each kill from then on.
func inTheMiddle(t *testing.T, late, all []*event.Event) {
	t.Helper()
	// By pid: each watcher's programs read the clock for themselves, so that episodes differ
	// by some microseconds.
	seen := map[int]bool{}
	for _, e := range late {
		if e.Kill != nil {
			seen[e.Kill.Victim.PID] = true
		}
	}
	after := 0
	for _, e := range all {
		if e.Kill == nil {
			continue
		}
		if *e.BoottimeNS >= *late[0].BoottimeNS {
			after++
			if !seen[e.Kill.Victim.PID] {
				t.Errorf("the late watcher missed the kill of pid %d", e.Kill.Victim.PID)
			}
		}
		delete(seen, e.Kill.Victim.PID)
	}
	if after == 0 || after == len(all) {
		t.Errorf("%d kills after the late watcher attached: it did not come in the middle", after)
	}
	for pid := range seen {
		t.Errorf("the late watcher tells a kill of pid %d that the other does not", pid)
	}
}
