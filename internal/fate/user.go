// SPDX-License-Identifier: Apache-2.0

package fate

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// listen gathers the lines of user space that are about the question, the last first.
// What a user says of others is left out where somebody who can be believed says something.
func (a *asker) listen() {
	for i := len(a.k.Witnesses) - 1; i >= 0; i-- {
		w := a.k.Witnesses[i]
		if !a.q.concerns(&w.Report) {
			continue
		}
		switch w.Report.Kind {
		case killlog.KindKill, killlog.KindEvict:
			a.did = append(a.did, w)
		case killlog.KindOOM:
			a.saw = append(a.saw, w)
		case killlog.KindExit, killlog.KindResult:
			a.exits = append(a.exits, w)
		}
	}
	users := func(w Witness) bool { return w.Report.Trust == killlog.TrustUser }
	if told := a.told(); told != nil && !users(*told) {
		a.did, a.saw = slices.DeleteFunc(a.did, users), slices.DeleteFunc(a.saw, users)
	}
}

// surest is the line that can be believed best, of several the last.
func surest(lines []Witness) *Witness {
	var best *Witness
	for i := range lines {
		if w := &lines[i]; best == nil || doubtful(w) < doubtful(best) {
			best = w
		}
	}
	return best
}

// doubtful is less for who can be believed better.
func doubtful(w *Witness) int {
	return slices.Index([]killlog.Trust{killlog.TrustSystem, killlog.TrustLine, killlog.TrustUser}, w.Report.Trust)
}

// told is the line that counts; nil without one. Who saw what the kernel did goes before
// who did something in its course.
func (a *asker) told() *Witness {
	saw, did := surest(a.saw), surest(a.did)
	switch {
	case saw == nil:
		return did
	case did == nil:
		return saw
	case doubtful(did) != doubtful(saw):
		return surest([]Witness{*saw, *did})
	case !saw.Time.IsZero() && did.Time.Sub(saw.Time) > aftermath:
		return did
	}
	return saw
}

// witnesses asks the lines of user space: who says that it did it, or saw that the kernel
// did, comes before who saw how it ended.
func (a *asker) witnesses() bool {
	w := a.told()
	if w == nil {
		return false
	}
	lines := a.did
	if w.Report.Kind == killlog.KindOOM {
		lines = a.saw
	}
	for _, l := range lines[:min(len(lines), citedMost)] {
		a.cite(l)
	}
	a.died = w.Time
	if w.Report.Kind == killlog.KindOOM {
		a.Verdict, a.By = Yes, event.VerdictKernelOOM
		a.Text = fmt.Sprintf("%s says that the kernel's OOM killer has killed in %s%s", programName(w.Report.By), place(&w.Report), a.witnessed(*w))
		if a.q.PID > 0 || a.q.Comm != "" {
			a.Verdict = Unknown
			a.Text += ", and not whom"
		}
		defer a.count()
	} else {
		a.Verdict, a.By = No, w.Report.By
		a.Text = deed(&w.Report) + a.witnessed(*w)
		if reason := w.Report.Reason; reason != "" {
			a.Text += ": " + reason
		}
	}
	if w.Report.Trust == killlog.TrustUser {
		a.Verdict = Unknown // what a user says of others proves nothing
	}
	a.doubt(*w)
	a.exited()
	return true
}

// citedMost is how many lines are cited.
const citedMost = 8

func (a *asker) cite(w Witness) {
	a.Evidence = append(a.Evidence, Evidence{Time: w.Time, Source: w.Source, Line: w.Line, Text: w.Ident + ": " + w.Text, Trust: w.Report.Trust})
}

// doubt says what a line is worth.
func (a *asker) doubt(w Witness) {
	switch w.Report.Trust {
	case killlog.TrustLine:
		a.Notes = append(a.Notes, "a syslog file does not tell who wrote a line: any user can write such a one")
	case killlog.TrustUser:
		who := "a user"
		if w.Writer != nil && w.Writer.UID != nil {
			who = "user " + strconv.FormatUint(uint64(*w.Writer.UID), 10)
		}
		a.Notes = append(a.Notes, fmt.Sprintf("%s wrote that line, not root, who can be believed of that user's own units alone", who))
	case killlog.TrustSystem:
	}
}

// exited cites what tells how it ended.
func (a *asker) exited() {
	for _, w := range a.exits[:min(len(a.exits), citedMost)] {
		a.cite(w)
	}
}

// deed is who did what to whom.
func deed(r *killlog.Report) string {
	who := programName(r.By)
	whom := place(r)
	if r.PID > 0 {
		whom = name(r.PID, r.Comm)
	}
	switch {
	case r.Kind == killlog.KindEvict:
		return who + " evicted " + whom
	case r.Processes != nil:
		whom = itoa(*r.Processes) + plural(*r.Processes, " process", " processes") + " of " + whom
	}
	if r.Signal == "SIGTERM" {
		return who + " told " + whom + " to end (SIGTERM)"
	}
	return who + " killed " + whom
}

func programName(v event.Verdict) string {
	switch v {
	case event.VerdictKubelet:
		return "the kubelet"
	case event.VerdictRuntime:
		return "the container runtime"
	}
	return string(v)
}

// place is what a line is about, where it names no process.
func place(r *killlog.Report) string {
	switch {
	case r.Pod != nil && r.Pod.Name != "":
		if r.Pod.Namespace != "" {
			return "pod " + r.Pod.Namespace + "/" + r.Pod.Name
		}
		return "pod " + r.Pod.Name
	case r.Unit != "":
		return r.Unit
	case r.Cgroup != "":
		return "cgroup " + r.Cgroup
	case r.Container != "":
		return "container " + r.Container[:min(len(r.Container), 12)]
	case r.PID > 0:
		return name(r.PID, r.Comm)
	}
	return "a unit"
}

func (a *asker) witnessed(w Witness) string {
	if w.Time.IsZero() {
		return ""
	}
	return ", " + a.at(w.Time)
}

// running says no where it is still there.
func (a *asker) running() bool {
	n := a.k.Now
	if n == nil || n.Dead || a.q.PID == 0 {
		return false
	}
	if a.q.Comm != "" && (n.Comm == nil || !sameComm(a.q.Comm, event.RawString(*n.Comm, n.CommHex))) {
		return false
	}
	// Who runs elsewhere has the pid of one that has ended.
	if a.q.Unit != "" && a.q.Unit != n.Unit || a.q.Container+a.q.Pod != "" {
		return false
	}
	a.Verdict = No
	a.Text = fmt.Sprintf("%s runs, since %s", name(a.q.PID, n.Comm), a.at(n.Started))
	a.Notes = append(a.Notes, "whether another process that had this pid before was killed is not known from here")
	return true
}

// alsoNow says who has the pid now, of one that has ended.
func (a *asker) alsoNow() {
	n := a.k.Now
	if n == nil || a.q.PID == 0 || a.died.IsZero() {
		return
	}
	switch {
	case n.Started.After(a.died):
		a.Notes = append(a.Notes, fmt.Sprintf("pid %d belongs to another process now: %s, since %s", a.q.PID, name(a.q.PID, n.Comm), a.at(n.Started)))
	case n.Dead:
		a.Notes = append(a.Notes, "it has ended, and whoever started it has not asked for its status yet")
	default:
		a.Notes = append(a.Notes, fmt.Sprintf("%s is still there, since %s", name(a.q.PID, n.Comm), a.at(n.Started)))
	}
}

// count says what its cgroup counts.
func (a *asker) count() {
	if n := a.k.CgroupKills; n != nil {
		a.Notes = append(a.Notes, fmt.Sprintf("its cgroup counts %d %s by the kernel's OOM killer since it was made", *n, plural(int(*n), "kill", "kills")))
	}
}

// unknown says that there is no answer, and what would be one.
func (a *asker) unknown() {
	a.Verdict = Unknown
	a.Text = "nothing that could be read tells of the end of " + a.q.who()
	if len(a.exits) > 0 {
		w := a.exits[0]
		a.died = w.Time
		signal := w.Report.Signal
		a.Text = fmt.Sprintf("%s ended by %s%s, and nothing that could be read tells who sent it", place(&w.Report), signal, a.witnessed(w))
		if w.Report.Kind == killlog.KindResult {
			a.Text = fmt.Sprintf("systemd says that the kernel's OOM killer or systemd-oomd ended %s%s, and not which of them", place(&w.Report), a.witnessed(w))
		}
		a.doubt(w)
		a.exited()
	}
	if n := a.k.CgroupKills; n != nil && *n > 0 {
		a.Text += "; the kernel's OOM killer has killed in its cgroup, and the log of that is gone"
		a.count()
	}
	if n := a.k.KillsSinceBoot; n != nil {
		if _, known, ok := a.killed(); ok && known < *n {
			a.Notes = append(a.Notes, fmt.Sprintf("of the %d kills that the kernel has counted since it booted, %d are in no log that could be read: it may be among them", *n, *n-known))
		}
	}
	a.alsoNow()
	a.askWho()
}

// askWho says how to find out more.
func (a *asker) askWho() {
	a.Notes = append(a.Notes, "exit code 137 is 128 + 9: SIGKILL, by whomever: the OOM killer, a runtime whose grace period was over, kill -9")
	add := func(text, run string) {
		a.Decide = append(a.Decide, Step{text, timeline.Command{Run: run, Class: timeline.ReadOnly}})
	}
	if a.q.PID > 0 {
		add("What did it log last, and who was it?", "journalctl _PID="+itoa(a.q.PID)+" -n 20")
	}
	add("Does the audit log have its end? It does if rules for kill(2) were set before.", "ausearch -m ANOM_ABEND,OBJ_PID -i")
	add("Who sends SIGKILL the next time? Leave this running.", "oomtrace watch --events oom,kill --record /var/lib/oomtrace")
}
