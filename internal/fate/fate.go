// SPDX-License-Identifier: Apache-2.0

package fate

import (
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Question is whom it is about: what is set has to fit. A pod is given by its name, by
// namespace/name, or by its uid; a container by its name or the beginning of its id.
type Question struct {
	PID       int
	Comm      string
	Unit      string
	Container string
	Pod       string
}

// Witness is a line by a program of user space that tells of an end.
type Witness struct {
	*killlog.Entry
	Time   time.Time // when, zero: not known
	Source string    // the file or command that the line is from
}

// Known is what the answer is made of.
type Known struct {
	Timeline *timeline.Document
	// Witnesses are in order of time.
	Witnesses []Witness
	// Now is who has the pid now; nil: nobody, or it is not known, as NowKnown says.
	Now      *Now
	NowKnown bool
	// KillsSinceBoot is how many processes the kernel counted; nil: not known.
	KillsSinceBoot *uint64
	// CgroupKills is the same for the cgroup in question, while that is there.
	CgroupKills *uint64
}

// Now is who has a pid now.
type Now struct {
	Comm    *string
	CommHex string
	Dead    bool // exited, and its parent has not asked for its status yet
	Started time.Time
	Unit    string
}

// Verdict is the answer in a word.
type Verdict string

// Verdicts.
const (
	Yes     Verdict = "yes" // it was the kernel's OOM killer
	No      Verdict = "no"
	Unknown Verdict = "unknown"
)

// Answer is what ended it. Text says it in a sentence, in which times are written by the
// function that was handed in.
type Answer struct {
	Verdict Verdict
	Text    string
	// By is who did it, where that is known.
	By event.Verdict
	// Entries are those of the timeline that tell, Evidence is what else does.
	Entries  []int
	Evidence []Evidence
	// Notes say what has to be known beside it: that the pid belongs to another process
	// now, that a line proves little.
	Notes []string
	// Decide are questions that remain, each with a command that answers it.
	Decide []Step
}

// Evidence is a line by somebody.
type Evidence struct {
	Time   time.Time // zero: not known
	Source string
	Line   int64 // of Source; 0: none
	Text   string
	Trust  killlog.Trust
}

// Step is how to find out more.
type Step struct {
	Text    string
	Command timeline.Command
}

// Find answers a question. at writes times.
func Find(q Question, k Known, at func(time.Time) string) Answer {
	a := asker{q: q, k: k, at: at}
	a.listen()
	for _, look := range append(a.order(), a.running, a.complete) {
		if look() {
			a.alsoNow()
			return a.Answer
		}
	}
	a.unknown()
	return a.Answer
}

// asker looks for an answer.
type asker struct {
	Answer
	q  Question
	k  Known
	at func(time.Time) string

	died  time.Time // when, as far as the answer tells
	exits []Witness // ended by SIGKILL, whoever sent it
	saw   []Witness // of OOM kills in its unit or container
	did   []Witness // who say that they did it
}

// aftermath is how long what others do counts as a consequence of a kill: a runtime cleans
// up, systemd stops the rest of the unit (TimeoutStopSec= is 90 s by default).
const aftermath = 5 * time.Minute

// order is in which order evidence is asked, the strongest first. But pids come again, and
// units are started anew: what came long after is about another end, and the last one is
// in question. Of a name alone there may be many at once: there the strongest is told.
func (a *asker) order() []func() bool {
	kill, sigkill, told := a.lastKill(), a.lastSigkill(), a.told()
	if told != nil && told.Report.Trust == killlog.TrustUser {
		told = nil // it proves nothing
	}
	type source struct {
		look func() bool
		time time.Time
	}
	var first *source
	// ask puts a source first if there was none, or if it may tell of another end, and does
	// so some time after.
	ask := func(look func() bool, t time.Time, another bool, after time.Duration) {
		if first == nil || another && !first.time.IsZero() && t.Sub(first.time) > after {
			first = &source{look, t}
		}
	}
	one := a.q.PID > 0 || a.q.Unit+a.q.Container+a.q.Pod != ""
	if kill != nil {
		ask(a.kills, kill.Time, true, aftermath)
	}
	if sigkill != nil {
		after := aftermath
		if kill != nil && a.q.PID > 0 && others(kill.Kill.Victim.StartBoottimeNS, sigkill.Sigkill.Victim.StartBoottimeNS) {
			after = 0
		}
		ask(a.sigkills, sigkill.Time, one, after)
	}
	if told != nil {
		ask(a.witnesses, told.Time, one && (a.q.PID == 0 && a.q.Comm == "" || told.Report.PID > 0), aftermath)
	}
	if first == nil {
		return []func() bool{a.dying, a.witnesses}
	}
	if kill != nil && first.time.After(kill.Time) {
		a.Notes = append(a.Notes, "before that the kernel's OOM killer killed "+name(kill.Kill.Victim.PID, kill.Kill.Victim.Comm)+a.when(kill))
	}
	return []func() bool{first.look}
}

// who names whom it is about.
func (q Question) who() string {
	var words []string
	switch {
	case q.PID > 0 && q.Comm != "":
		words = append(words, q.Comm+"["+itoa(q.PID)+"]")
	case q.PID > 0:
		words = append(words, "process "+itoa(q.PID))
	case q.Comm != "":
		words = append(words, "a process named "+q.Comm)
	}
	for _, p := range []struct{ what, name string }{{"container", q.Container}, {"pod", q.Pod}, {"unit", q.Unit}} {
		if p.name != "" {
			words = append(words, p.what+" "+p.name)
		}
	}
	return strings.Join(words, " of ")
}

// others says whether two processes of one pid are known to be two, by when they began. What
// reads that from /proc has it in ticks of 10 ms.
func others(a, b *uint64) bool {
	const tick = 10_000_000
	return a != nil && b != nil && max(*a, *b)-min(*a, *b) > tick
}
