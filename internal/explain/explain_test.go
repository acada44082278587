// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

func ids(fs []timeline.Finding) string {
	var s []string
	for _, f := range fs {
		s = append(s, f.ID+" ("+string(f.Confidence)+")")
	}
	return strings.Join(s, ", ")
}

func TestFind(t *testing.T) {
	for _, tt := range scenarios() {
		t.Run(tt.name, func(t *testing.T) {
			fs := Find(document(tt.events...), tt.machine)
			for id, c := range tt.say {
				i := slices.IndexFunc(fs, func(f timeline.Finding) bool { return f.ID == id })
				if i < 0 || fs[i].Confidence != c {
					t.Errorf("want %s (%s), found: %s", id, c, ids(fs))
				}
			}
			for _, f := range fs {
				if slices.Contains(tt.silent, f.ID) {
					t.Errorf("%s speaks: %s", f.ID, f.Summary)
				}
			}
			if tt.say == nil && tt.silent == nil && len(fs) > 0 {
				t.Errorf("found %s", ids(fs))
			}
		})
	}
}

// Each rule that there is has a scenario in which it speaks and, unless it speaks for
// certain, one in which it must be silent.
func TestEveryRuleHasScenarios(t *testing.T) {
	speaks, silent := map[string]bool{}, map[string]bool{}
	for _, tt := range scenarios() {
		for id := range tt.say {
			speaks[id] = true
		}
		for _, id := range tt.silent {
			silent[id] = true
		}
	}
	for _, r := range rules() {
		if !speaks[r.id] {
			t.Errorf("no scenario has %s", r.id)
		}
		switch r.id {
		case "simulated", "hugepages", "victim-stuck", "allocating-task":
		default:
			if !silent[r.id] {
				t.Errorf("no scenario is a neighbour of %s", r.id)
			}
		}
	}
}

// sample is a document of a test, and what its machine says.
type sample struct {
	name    string
	doc     *timeline.Document
	machine *Machine
	hostile bool
}

// samples are all that the tests know: the scenarios, the examples of events, and the
// scenarios with names that attack whoever shows them or puts them into a shell.
func samples() []sample {
	all := []sample{{"examples", document(eventtest.All()...), nil, false}, {"hostile", document(eventtest.Hostile()...), nil, true}}
	for _, tt := range scenarios() {
		all = append(all, sample{tt.name, document(tt.events...), tt.machine, false})
	}
	for i, name := range hostileNames {
		for _, tt := range scenarios() {
			d := document(tt.events...)
			for _, e := range d.Entries {
				poison(e.Event, name)
			}
			all = append(all, sample{fmt.Sprintf("%s, name %d", tt.name, i), d, tt.machine, true})
		}
	}
	return all
}

var hostileNames = []string{
	"x'; touch /tmp/owned; '", "$(touch owned)", "`touch owned`", "a\ntouch owned\n", "-rf", "--help", "a b", "\x1b[2J", "x\u202eabc", "\"; id; \"", "&& id", "%s%n", "", "../../etc", "a|b", "# x", "*", "~root",
	strings.Repeat("x", 5000),
}

// poison gives everybody in an event this name.
func poison(e *event.Event, name string) {
	cg := func(c *event.Cgroup) {
		if c != nil {
			c.Path = strings.Replace(c.Path, "web", name, 1)
		}
	}
	task := func(comm **string, unit *string, c *event.Cgroup, pod *event.Pod, ctr *event.Container) {
		if *comm != nil && **comm != "java" {
			*comm = p(name)
		}
		if *unit != "" {
			*unit = name + ".service"
		}
		cg(c)
		if pod != nil {
			pod.Name, pod.Namespace = name, name
		}
		if ctr != nil {
			ctr.Name = name
		}
	}
	if k := e.Kill; k != nil {
		task(&k.Victim.Comm, &k.Victim.Unit, k.Victim.Cgroup, k.Victim.Pod, k.Victim.Container)
		if t := k.Trigger; t != nil {
			task(&t.Comm, &t.Unit, t.Cgroup, t.Pod, t.Container)
		}
		for i := range k.Candidates {
			k.Candidates[i].Comm = p(name)
		}
		if k.LeadUp != nil {
			for i := range k.LeadUp.Growers {
				k.LeadUp.Growers[i].Comm = p(name)
			}
		}
		if k.Limit != nil && k.Limit.Nodes != "" {
			k.Limit.Nodes = name
		}
	}
	if s := e.Sigkill; s != nil {
		task(&s.Victim.Comm, &s.Victim.Unit, s.Victim.Cgroup, s.Victim.Pod, s.Victim.Container)
	}
}

// never are things that no finding advises, by a command or in words.
var never = []*regexp.Regexp{
	regexp.MustCompile(`drop_caches`),
	regexp.MustCompile(`oom_kill_allocating_task[= ]+1`),
	regexp.MustCompile(`overcommit_(memory|ratio|kbytes)\s*=\s*\d`),
	regexp.MustCompile(`panic_on_oom\s*=\s*[12]`),
	regexp.MustCompile(`(choom|OOMScoreAdjust|oom_score_adj)\S*[ =]+(-n )?-1000`),
	regexp.MustCompile(`(echo|printf|tee)\b.*(/sys/fs/cgroup|/proc/)`),
	regexp.MustCompile(`>\s*/(sys|proc)`),
	regexp.MustCompile(`oom_control|oom\.group\s*=|OOMPolicy=continue|oom_adj\b`),
	regexp.MustCompile(`swapoff -a|kill -9|pkill|killall`),
}

// All that the rules print for all that the tests know keeps the rules of advice.
func TestRulesOfAdvice(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range samples() {
		machines := []*Machine{s.machine}
		if !s.hostile {
			machines = append(machines, nil, &Machine{Memory: &event.Memory{AvailableBytes: p(uint64(mib))}})
		}
		for _, m := range machines {
			for _, f := range Find(s.doc, m) {
				seen[f.ID] = true
				checkFinding(t, s.name, s.doc, f)
			}
		}
	}
	if len(seen) < len(rules()) {
		t.Errorf("only %d findings were seen", len(seen))
	}
}

func checkFinding(t *testing.T, name string, d *timeline.Document, f timeline.Finding) {
	t.Helper()
	advice := checkShape(t, name, d, f)
	for _, re := range never {
		if s := re.FindString(advice); s != "" {
			t.Errorf("%s: %s: says %q", name, f.ID, s)
		}
	}
}

// checkShape checks all but words, and returns these.
func checkShape(t *testing.T, name string, d *timeline.Document, f timeline.Finding) (advice string) {
	t.Helper()
	bad := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s: %s: %s", name, f.ID, fmt.Sprintf(format, args...))
	}
	if f.ID == "" || f.Title == "" || f.Summary == "" || f.RefutedBy == "" || len(f.About) == 0 {
		bad("something is missing: %+v", f)
	}
	cited := false
	for _, e := range f.Evidence {
		cited = cited || len(e.Entries) > 0
		for _, i := range e.Entries {
			if i < 0 || i >= len(d.Entries) {
				bad("cites entry %d", i)
			}
		}
		if len(e.Entries) == 0 && !strings.HasPrefix(e.Text, "Now: ") {
			bad("evidence without an entry: %s", e.Text)
		}
	}
	if !cited {
		bad("cites no entry")
	}
	switch f.Confidence {
	case timeline.High, timeline.Medium:
		if f.Question != "" || f.Decide != nil {
			bad("is sure, and asks")
		}
	case timeline.Low:
		if f.Question == "" || f.Decide == nil || f.Decide.Class != timeline.ReadOnly || len(f.Actions) > 0 || len(f.Rollback) > 0 {
			bad("of low confidence: question %q, decide %v, %d actions", f.Question, f.Decide, len(f.Actions))
		}
	default:
		bad("confidence %q", f.Confidence)
	}
	undone := map[int]bool{}
	for _, r := range f.Rollback {
		undone[r.Undoes] = true
		if r.Undoes < 0 || r.Undoes >= len(f.Actions) || r.Guard == "" || r.Text == "" {
			bad("rollback %+v", r)
		}
		for _, c := range r.Commands {
			checkCommand(t, name, c)
			advice += "\n" + c.Run + "\n" + c.Note
		}
		advice += "\n" + r.Text
	}
	for i, a := range f.Actions {
		if a.Text == "" || a.Owner == "" {
			bad("action without text or owner: %+v", a)
		}
		advice += "\n" + a.Text
		for _, c := range a.Commands {
			checkCommand(t, name, c)
			advice += "\n" + c.Run + "\n" + c.Note
			if c.Class == timeline.Reversible && !undone[i] {
				bad("no way back from %s", c.Run)
			}
		}
	}
	if f.Decide != nil {
		checkCommand(t, name, *f.Decide)
	}
	return advice
}

// checkCommand runs a shell's parser on a command, and looks whether names became words.
func checkCommand(t *testing.T, name string, c timeline.Command) {
	t.Helper()
	switch c.Class {
	case timeline.ReadOnly, timeline.Reversible, timeline.Disruptive, timeline.Irreversible:
	default:
		t.Errorf("%s: class %q of %s", name, c.Class, c.Run)
	}
	for _, r := range c.Run {
		if r > unicode.MaxASCII || r < ' ' {
			t.Errorf("%s: %q is in a command", name, r)
			return
		}
	}
	bare := unquoted(c.Run)
	for w := range strings.FieldsSeq(bare) {
		switch strings.Trim(w, ";&|()\"`$") {
		case "touch", "owned", "/tmp/owned", "id", "-rf", "--help", "~root", "#", "*":
			t.Errorf("%s: %q became a word of %s", name, w, c.Run)
		}
	}
}

// unquoted is what of a command is not within single quotes.
func unquoted(s string) string {
	var b strings.Builder
	in := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			in = !in
		case !in && s[i] == '\\':
			i++
		case !in:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// A shell takes every command for what it is.
func TestCommandsParse(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell here")
	}
	var script strings.Builder
	for _, s := range samples() {
		for _, f := range Find(s.doc, s.machine) {
			for _, a := range f.Actions {
				for _, c := range a.Commands {
					script.WriteString(c.Run + "\n")
				}
			}
			for _, r := range f.Rollback {
				for _, c := range r.Commands {
					script.WriteString(c.Run + "\n")
				}
			}
		}
	}
	cmd := exec.Command(sh, "-n")
	cmd.Stdin = strings.NewReader(script.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestQuote(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell here")
	}
	for _, s := range append([]string{"plain", "it's", `a\b`, "$HOME", "a;b", "!x", "{a,b}"}, hostileNames...) {
		w, ok := quote(s)
		safe := s != "" && s[0] != '-' && len(s) <= 4096 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
		if ok != safe {
			t.Errorf("quote(%q): %v", s, ok)
		}
		if !ok {
			continue
		}
		out, err := exec.Command(sh, "-c", "printf %s "+w).Output()
		if err != nil || string(out) != s {
			t.Errorf("quote(%q) is %s to a shell: %v", s, out, err)
		}
	}
}

// A document without kills, or with gaps, is no reason to fall over.
func TestFindSparse(*testing.T) {
	for _, d := range []*timeline.Document{{}, document(&event.Event{}), document(eventtest.KillSparse()), {Entries: []timeline.Entry{{}}}} {
		Find(d, nil)
		Find(d, &Machine{})
	}
}

// A storm that goes on for days takes no more than its own time.
func BenchmarkFind(b *testing.B) {
	d := document(many(20_000, func(i int) *event.Event { return unit(float64(i)*700, sampled(480, 481, 483, 484, 484, 484)) })...)
	for b.Loop() {
		Find(d, nil)
	}
}
