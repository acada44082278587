// SPDX-License-Identifier: Apache-2.0

package fate

import (
	"fmt"
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// kills looks for it among those that the kernel's OOM killer killed.
func (a *asker) kills() bool {
	var found []int
	for i := range a.k.Timeline.Entries {
		if e := &a.k.Timeline.Entries[i]; e.Kill != nil && a.q.fits(ofVictim(&e.Kill.Victim)) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return false
	}
	last := &a.k.Timeline.Entries[found[len(found)-1]]
	a.Verdict, a.By, a.Entries, a.died = Yes, event.VerdictKernelOOM, found, last.Time
	what := "killed"
	if last.Kill.Role == event.RoleSharedMM {
		what = "killed, with another process that has the same memory,"
	}
	a.Text = fmt.Sprintf("the kernel's OOM killer %s %s%s%s", what, name(last.Kill.Victim.PID, last.Kill.Victim.Comm), a.when(last), of(last.Kill))
	if !a.vouched(last) {
		a.Notes = append(a.Notes, "it is told by a log that does not say who wrote a line: any user can write such a one")
	}
	if last.Simulated {
		a.Notes = append(a.Notes, "oomtrace simulate had this done")
	}
	if n := len(found) - 1; n > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("%d earlier %s, the first%s", n, plural(n, "kill fits too", "kills fit too"), a.when(&a.k.Timeline.Entries[found[0]])))
	}
	return true
}

// lastKill is the last of them; nil without one.
func (a *asker) lastKill() *timeline.Entry {
	return a.lastOf(func(e *timeline.Entry) bool { return e.Kill != nil && a.q.fits(ofVictim(&e.Kill.Victim)) })
}

func (a *asker) lastSigkill() *timeline.Entry {
	return a.lastOf(func(e *timeline.Entry) bool { return e.Sigkill != nil && a.q.fits(ofTask(&e.Sigkill.Victim)) })
}

func (a *asker) lastOf(is func(*timeline.Entry) bool) *timeline.Entry {
	for i := len(a.k.Timeline.Entries) - 1; i >= 0; i-- {
		if e := &a.k.Timeline.Entries[i]; is(e) {
			return e
		}
	}
	return nil
}

// of says whose limit it was.
func of(k *event.Kill) string {
	switch k.Scope {
	case event.ScopeMemcg:
		if k.Limit != nil && k.Limit.Cgroup != nil {
			size := ""
			if k.Limit.Bytes != nil {
				size = " of " + bytes(*k.Limit.Bytes)
			}
			return ": the limit" + size + " of cgroup " + k.Limit.Cgroup.Path + " was reached"
		}
		return ": the limit of its cgroup, or of one above it, was reached"
	case event.ScopeGlobal:
		return ": the machine ran out of memory"
	case event.ScopeCpuset, event.ScopeMempolicy:
		return ": the NUMA nodes that it may use ran out of memory"
	case event.ScopeSysrq:
		return ": somebody asked for it with SysRq"
	}
	return ""
}

// dying looks for it among those that the OOM killer found dying already.
func (a *asker) dying() bool {
	for i := len(a.k.Timeline.Entries) - 1; i >= 0; i-- {
		e := &a.k.Timeline.Entries[i]
		if e.NoKill == nil || e.NoKill.Victim == nil || !a.q.fits(ofVictim(e.NoKill.Victim)) {
			continue
		}
		a.Verdict, a.Entries, a.died = No, []int{i}, e.Time
		a.Text = fmt.Sprintf("the kernel's OOM killer found %s%s, which was dying already, and did not kill it; what it was dying of is not told",
			name(e.NoKill.Victim.PID, e.NoKill.Victim.Comm), a.when(e))
		return true
	}
	return false
}

// sigkills looks for it among those whose SIGKILL a watcher saw.
func (a *asker) sigkills() bool {
	for i := len(a.k.Timeline.Entries) - 1; i >= 0; i-- {
		e := &a.k.Timeline.Entries[i]
		if e.Sigkill == nil || !a.q.fits(ofTask(&e.Sigkill.Victim)) {
			continue
		}
		k := e.Sigkill
		a.Entries, a.died, a.By = []int{i}, e.Time, k.Verdict
		victim := name(k.Victim.PID, k.Victim.Comm)
		if k.Verdict == event.VerdictKernelOOM || k.Via == event.ViaOOMKiller {
			a.Verdict = Yes
			a.Text = fmt.Sprintf("the kernel's OOM killer killed %s%s", victim, a.when(e))
			return true
		}
		a.Verdict = No
		a.Text = fmt.Sprintf("%s killed %s%s", sender(k), victim, a.when(e))
		if k.VerdictSource == "comm" {
			a.Notes = append(a.Notes, "who that is was told by its name alone, which anybody can take")
		}
		return true
	}
	return false
}

// sender names who sent a SIGKILL.
func sender(k *event.Sigkill) string {
	who := ""
	if k.Sender != nil {
		who = name(k.Sender.PID, k.Sender.Comm)
		if k.Sender.PID == k.Victim.PID {
			who += " itself"
		}
		if k.Sender.Unit != "" {
			who += " (" + k.Sender.Unit + ")"
		}
	}
	switch k.Via {
	case event.ViaCgroupKill:
		if who == "" {
			return "who wrote its cgroup's cgroup.kill"
		}
		return who + ", by its cgroup's cgroup.kill,"
	case event.ViaPIDNamespace:
		return "the end of its pid namespace's init"
	case event.ViaParentDeath:
		return "the end of its parent (PR_SET_PDEATHSIG)"
	case event.ViaCPULimit:
		return "its limit of CPU time"
	case event.ViaMemoryFailure:
		return "the kernel, for memory that is broken,"
	case event.ViaSysrq:
		return "somebody's SysRq"
	}
	switch {
	case who != "":
		return who
	case k.Verdict == event.VerdictKernel:
		return "the kernel, for another reason than memory,"
	}
	return "somebody, who is not known,"
}

// complete says no where every kill of the running boot is known, and it is in none.
func (a *asker) complete() bool {
	if a.k.KillsSinceBoot == nil || a.q.PID == 0 {
		return false
	}
	boot, known, ok := a.killed()
	if !ok || a.namesake(boot) {
		return false
	}
	since := ""
	if began := a.k.Timeline.Boots; boot >= 0 && !began[boot].Began.IsZero() {
		since = ", " + a.at(began[boot].Began)
	}
	switch n := *a.k.KillsSinceBoot; {
	case n == 0:
		a.Verdict, a.Text = No, fmt.Sprintf("the kernel has killed nobody for memory since it booted%s", since)
	case known >= n:
		a.Verdict, a.Text = No, fmt.Sprintf("the kernel has killed %d %s for memory since it booted%s, all of them are known, and %s is not among them",
			n, plural(int(n), "process", "processes"), since, a.q.who())
	default:
		return false
	}
	a.Notes = append(a.Notes, "if it ended before that boot, this says nothing of it")
	a.exited()
	a.askWho()
	return true
}

// killed counts the processes that the timeline has as killed in the running boot, as the
// kernel counts them.
func (a *asker) killed() (boot int, n uint64, ok bool) {
	if boot, ok = a.boot(); !ok {
		return 0, 0, false
	}
	pids := map[int]bool{} // not kills: one that is told of twice must not stand for two
	for i := range a.k.Timeline.Entries {
		// The kernel does not count those that shared a victim's memory.
		if e := &a.k.Timeline.Entries[i]; e.Boot == boot && e.Kill != nil && e.Kill.Role != event.RoleSharedMM && a.vouched(e) {
			pids[e.Kill.Victim.PID] = true
		}
	}
	return boot, uint64(len(pids)), true
}

// vouched says whether a kill is from where no user can write one: in the files of a syslog
// daemon, and in what was cut from a log, a line with the name of the kernel is anybody's.
func (a *asker) vouched(e *timeline.Entry) bool {
	for _, i := range e.SeenIn {
		switch s := &a.k.Timeline.Sources[i]; {
		case s.Kind != timeline.KindKernelLog:
			return true
		default:
			switch kmsg.Format(s.Format) {
			case kmsg.FormatKmsg, kmsg.FormatDmesg, kmsg.FormatDmesgTime, kmsg.FormatDmesgISO, kmsg.FormatJournalJSON, kmsg.FormatJournalExport:
				return true
			case kmsg.FormatSyslog, kmsg.FormatSyslogISO, kmsg.FormatJournalShort, kmsg.FormatDocker, kmsg.FormatCRI, kmsg.FormatPlain:
			}
		}
	}
	return len(e.SeenIn) == 0
}

// namesake looks for a kill of the running boot that may be the one in question, and does
// not fit since not all is known of it: no list that it is in proves that it was not killed.
func (a *asker) namesake(boot int) bool {
	for i := range a.k.Timeline.Entries {
		e := &a.k.Timeline.Entries[i]
		if e.Kill == nil || e.Boot != boot {
			continue
		}
		v := &e.Kill.Victim
		inside := v.NSPID != nil && *v.NSPID == a.q.PID
		if v.PID != a.q.PID && !inside {
			continue
		}
		text := "the kernel's OOM killer killed " + name(v.PID, v.Comm) + a.when(e)
		if inside && v.PID != a.q.PID {
			text += ", which had pid " + itoa(a.q.PID) + " in its container"
		} else {
			text += "; whether that is the one in question is not told"
		}
		a.Notes = append(a.Notes, text)
		return true
	}
	return false
}

// boot is the running one.
func (a *asker) boot() (int, bool) {
	for i := range a.k.Timeline.Boots {
		if a.k.Timeline.Boots[i].Running {
			return i, true
		}
	}
	// No source tells of it: then no kill of it is known.
	return -1, a.k.KillsSinceBoot != nil
}

func (a *asker) when(e *timeline.Entry) string {
	if e.Time.IsZero() {
		return ""
	}
	return ", " + a.at(e.Time)
}

func itoa(n int) string { return strconv.Itoa(n) }

// name is "java[7860]".
func name(pid int, comm *string) string {
	switch {
	case comm == nil:
		return "process " + itoa(pid)
	case pid <= 0:
		return *comm
	}
	return *comm + "[" + itoa(pid) + "]"
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// bytes writes a size as people do.
func bytes(n uint64) string {
	const units = "KMGTPE"
	f, i := float64(n), -1
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i < 0 {
		return strconv.FormatUint(n, 10) + " B"
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + units[i:i+1] + "iB"
}
