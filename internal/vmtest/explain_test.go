// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/record"
	"github.com/oomtrace/oomtrace/internal/timeline"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// Words in the kernel log, by which it is cut.
const (
	begins = "begin "
	ends   = "end "
)

// together are the steps of exhibits that do not disturb each other: before a watcher is
// there, and beside it.
func together(all []exhibit) (before, steps []scenario.Step) {
	for _, x := range all {
		before = append(before, x.before...)
		steps = append(steps, x.steps...)
	}
	for _, x := range all {
		steps = append(steps, x.after...)
	}
	return before, steps
}

// oneByOne are the steps of exhibits that do.
func oneByOne(all []exhibit) (steps []scenario.Step) {
	for _, x := range all {
		// The last one's memory has come back.
		steps = append(steps, run("room-"+x.name, "await", "/proc/vmstat", "nr_free_pages", "80000"))
		steps = append(steps, x.before...)
		steps = append(steps, scenario.Say(begins+x.name))
		steps = append(steps, x.steps...)
		steps = append(steps, scenario.Say(ends+x.name))
		steps = append(steps, x.after...)
	}
	return steps
}

// recorded are steps with a watcher around them that keeps a record where explain looks
// for one.
func recorded(before, steps []scenario.Step) []scenario.Step {
	return slices.Concat(
		before,
		[]scenario.Step{
			watch("watch", "--events", "oom,kill", "--record", record.DefaultDir, "--sample", "1s"),
			run("protect", "protect", "oomtrace"), // where it asks for memory, it kills
		},
		steps,
		[]scenario.Step{run("settle", "linger", "1s"), scenario.Stop("watch"), run("record", "cat", record.DefaultDir+"/events.jsonl")},
	)
}

// explainedOn are the kernels on which what explain says is held against what was done. What
// it rests on, events and logs, is judged on all of them.
func explainedOn() []Kernel {
	return slices.DeleteFunc(Kernels(), func(k Kernel) bool {
		return k.Arch != "amd64" || k.Series != "5.10" && k.Series != "6.12"
	})
}

// TestExplainLimits makes each shortage of a cgroup for real and holds what explain says of
// it, and of its nearest neighbour, against what was done.
func TestExplainLimits(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range explainedOn() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			all := limits()
			before, steps := together(all)
			r := lab.Boot(t, k, Options{MemMiB: 640, Scenario: scenario.Scenario{Steps: recorded(before, steps)}})
			for _, x := range all {
				t.Run(x.name, func(t *testing.T) { x.look(t, r, reportOf(r.Kmsg, "/"+unit(x.name))) })
			}
		})
	}
}

// TestExplainMachine does so for the machine as a whole.
func TestExplainMachine(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range explainedOn() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			all := machine()
			r := lab.Boot(t, k, Options{MemMiB: 640, Scenario: scenario.Scenario{Steps: recorded(prey(50), oneByOne(all))}})
			for _, x := range all {
				t.Run(x.name, func(t *testing.T) { x.look(t, r, between(t, r.Kmsg, x.name)) })
			}
		})
	}
}

// TestExplainNodes does so for a machine with two NUMA nodes.
func TestExplainNodes(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range explainedOn() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			all := nodes()
			r := lab.Boot(t, k, Options{MemMiB: 640, Nodes: 2, Scenario: scenario.Scenario{Steps: recorded(prey(20), oneByOne(all))}})
			for _, x := range all {
				t.Run(x.name, func(t *testing.T) { x.look(t, r, between(t, r.Kmsg, x.name)) })
			}
		})
	}
}

// prey are processes that are killed where somebody else asks for memory while a victim's
// comes back, which takes an emulated machine its time.
func prey(count int) []scenario.Step {
	return []scenario.Step{start("prey", "members", "-kib", "1024", "prey", strconv.Itoa(count))}
}

// between is what the kernel logged of an exhibit.
func between(t *testing.T, log []byte, name string) []byte {
	t.Helper()
	_, log, ok := bytes.Cut(log, fmt.Appendf(nil, ";%s%s %s%s\n", scenario.Mark, scenario.KindSay, begins, name))
	if ok {
		log, _, ok = bytes.Cut(log, fmt.Appendf(nil, ";%s%s %s%s\n", scenario.Mark, scenario.KindSay, ends, name))
	}
	if !ok {
		t.Fatalf("the kernel log has no marks of %s", name)
	}
	return log
}

// reportOf are the reports of a cgroup's shortages.
func reportOf(log []byte, path string) (found []byte) {
	var report []byte
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte(" invoked oom-killer: ")) {
			report = nil
		}
		report = append(report, line...)
		if bytes.Contains(line, []byte(": Killed process ")) {
			if bytes.Contains(report, []byte(",oom_memcg="+path+",")) {
				found = append(found, report...)
			}
			report = nil
		}
	}
	return found
}

// look checks that the exhibit is what it was made to be, by the kernel's log of it.
func (x exhibit) look(t *testing.T, r *Result, log []byte) {
	parsed, err := ParseKmsg(bytes.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Invocations) == 0 {
		t.Fatal("nobody was killed")
	}
	at := 0
	if x.order > 0 {
		at = slices.IndexFunc(parsed.Invocations, func(v Invocation) bool { return v.Trigger != nil && v.Trigger.Order == x.order })
	}
	if at < 0 || parsed.Invocations[at].Trigger == nil {
		t.Fatalf("the kernel withheld its report, or nobody asked for order %d", x.order)
	}
	s := shortage{Invocation: parsed.Invocations[at], log: log}
	if x.victim != "" {
		s.proc = r.Report.Procs[x.victim]
		want(t, "the signal of "+x.victim, s.proc.Signal, "killed")
		want(t, "the victim", s.Kills[0].PID, s.proc.PID)
	}
	x.check(t, s)
	x.judge(t, r, log, parsed)
}

// verdicts are the findings that an exhibit is to have, by the kernel's log and a watcher's
// record together, and, behind a "!", those that its nearest neighbour has, and it not. Of
// high confidence it is to have no others but those behind a "?", and that there is no swap.
func verdicts() map[string]string {
	return map[string]string{
		"steady": "limit-too-small !growth-victim", "restart": "limit-too-small", "leak": "growth-victim !limit-too-small",
		"protected": "protected-hog growth-elsewhere", "three": "protected-hog growth-elsewhere", "deserved": "growth-victim !protected-hog !growth-elsewhere",
		"bystanders": "growth-elsewhere bystanders protected-hog",
		"tmpfs":      "shmem", "cache": "!shmem", "slab": "slab", "page-tables": "page-tables", "kernel-stacks": "kernel-stacks",
		"bomb": "fork-bomb", "workers": "!fork-bomb", "lowered": "limit-lowered",
		"hugepages": "hugepages ?growth-victim", "no-swap": "swap-absent ?growth-victim", "swap-full": "swap-full ?growth-victim", "swap-room": "mlocked ?growth-victim !swap-full",
		"g-tmpfs": "shmem", "g-slab": "slab", "g-page-tables": "page-tables", "g-kernel-stacks": "kernel-stacks",
		"allocating": "allocating-task", "g-protected": "protected-hog ?growth-elsewhere", "overcommit": "victim-dominates overcommit",
		"fragmentation": "fragmentation",
		"mempolicy":     "nodes-exhausted", "cpuset": "nodes-exhausted", "both-nodes": "!nodes-exhausted",
	}
}

// judge holds what is said of the exhibit against what was done.
func (x exhibit) judge(t *testing.T, r *Result, log []byte, parsed Log) {
	t.Helper()
	record := partOf(t, r.Out(t, "record.out"), parsed)
	for _, which := range []evidence{byRecord, byLog, byBoth} {
		list := findings(t, which, log, record)
		t.Logf("%-6s %s", which, strings.Join(said(list), ", "))
		if which != byBoth {
			continue
		}
		certain := []string{"swap-absent"}
		for id := range strings.FieldsSeq(verdicts()[x.name]) {
			id, may := strings.CutPrefix(id, "?")
			id, not := strings.CutPrefix(id, "!")
			certain = append(certain, id)
			if has := slices.ContainsFunc(list, func(f timeline.Finding) bool { return f.ID == id }); !may && has == not {
				t.Errorf("by %s %s is found: %t, want %t", which, id, has, !not)
			}
		}
		for _, f := range list {
			if f.Confidence == timeline.High && !slices.Contains(certain, f.ID) {
				t.Errorf("by %s %s is found for certain, and is not so", which, f.ID)
			}
		}
	}
}

// TestExplainWho has one process killed by the OOM killer, one by another's SIGKILL, and one
// by SIGTERM, and asks of each who it was; and what is said of the machine with a panic
// ahead that nothing would survive.
func TestExplainWho(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	for _, k := range explainedOn() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			const panicOnOOM = "/proc/sys/vm/panic_on_oom"
			r := lab.Boot(t, k, Options{MemMiB: 640, Scenario: scenario.Scenario{Steps: recorded(nil, []scenario.Step{
				limit("who", "32M"),
				run("kernel", "why", scenario.Guest, "hog", "-adj", "500", "whohog", "0").In(unit("who")),
				run("other", "why", "-signal", "9", scenario.Guest, "linger", "1h"),
				run("asked", "why", "-signal", "15", scenario.Guest, "linger", "1h"),
				run("calm", "explained"),
				scenario.Write(panicOnOOM, "1"), // after the kill: what counts is now
				run("tense", "explained"),
			})}})
			for step, x := range map[string]struct {
				verdict fate.Verdict
				by      event.Verdict
			}{
				"kernel": {fate.Yes, event.VerdictKernelOOM},
				"other":  {fate.No, event.VerdictOther},
				"asked":  {fate.No, ""},
			} {
				var said struct {
					Answer struct {
						Verdict fate.Verdict
						By      event.Verdict
						Text    string
					}
				}
				told(t, r, step, &said)
				t.Logf("%s: %s", step, said.Answer.Text)
				want(t, step+": the verdict", said.Answer.Verdict, x.verdict)
				want(t, step+": by", said.Answer.By, x.by)
			}
			for step, findings := range map[string]map[string]bool{
				"calm":  {"panic-without-dump": false, "not-the-kernel": true},
				"tense": {"panic-without-dump": true, "not-the-kernel": true},
			} {
				var said struct {
					Timeline struct{ Findings []timeline.Finding }
				}
				told(t, r, step, &said)
				for id, is := range findings {
					want(t, step+": "+id, slices.ContainsFunc(said.Timeline.Findings, func(f timeline.Finding) bool { return f.ID == id }), is)
				}
			}
		})
	}
}

// told reads the report that a step printed.
func told(t *testing.T, r *Result, step string, into any) {
	t.Helper()
	if err := json.Unmarshal(r.Out(t, step+".out"), into); err != nil {
		t.Fatalf("%s: %v", step, err)
	}
}
