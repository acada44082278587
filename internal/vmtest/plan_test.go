// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// TestPlans carries out what explain printed for a shortage, in the guest where it was: the
// load that was killed lives then, and the way back restores what was, and is not taken where
// it would kill. Commands run as printed, in busybox's shell; systemctl is a stand-in that
// writes to the unit's cgroup, for there is no systemd in the guest.
func TestPlans(t *testing.T) {
	lab := NewLab(t, "cmd/oomtrace")
	shell := shell(t)
	for _, k := range explainedOn() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			all := []plan{raise(), putBack(), nodesAllowed(), whoAsks(), bound(), immunity(), panics(), reserved()}
			if k.Series != "5.10" { // Debian's counts swap of cgroups with swapaccount=1 alone
				all = append(all, someSwap())
			}
			var steps []scenario.Step
			for _, p := range all {
				steps = append(steps, run(p.name+"-room", "await", "/proc/vmstat", "nr_free_pages", "80000"), scenario.Write("/tmp/"+p.name, ""))
				steps = append(steps, p.shortage...)
				steps = append(steps, run(p.name+"-explained", "explained", "/tmp/"+p.name))
				steps = append(steps, p.steps...)
			}
			r := lab.Boot(t, k, Options{MemMiB: 640, Nodes: 2, Files: shell, Scenario: scenario.Scenario{Steps: slices.Concat(
				[]scenario.Step{run("tools", "tools")}, recorded(prey(30), steps))}})
			for _, p := range all {
				t.Run(p.name, func(t *testing.T) {
					t.Logf("the plan:\n%s%s", r.Out(t, p.name+"-plan.out"), r.Out(t, p.name+"-plan.err"))
					want(t, "exit of the plan", r.Report.Procs[p.name+"-plan"].Exit, 0)
					refused := 0
					if p.refused {
						refused = 1
					}
					want(t, "exit of the rollback", r.Report.Procs[p.name+"-undo"].Exit, refused)
					p.check(t, r)
				})
			}
		})
	}
}

// plan is a shortage, and what is done about it by the book.
type plan struct {
	name     string
	shortage []scenario.Step
	steps    []scenario.Step
	refused  bool // the guard of the way back refuses it
	check    func(*testing.T, *Result)
}

// carry carries out the plan of a finding.
func carry(name, id string) scenario.Step { return carryAs(name+"-plan", name, id) }

func carryAs(step, name, id string) scenario.Step {
	return run(step, "carry", scenario.OutDir+"/"+name+"-explained.out", id)
}

// undo takes the way back.
func undo(step, name, id string) scenario.Step {
	return run(step, "carry", "-undo", scenario.OutDir+"/"+name+"-explained.out", id)
}

// shows checks what a step printed.
func shows(t *testing.T, r *Result, step, text string) {
	t.Helper()
	if out := string(bytes.TrimSpace(r.Out(t, step+".out"))); !strings.Contains(out, text) {
		t.Errorf("%s printed %q, want %q in it", step, out, text)
	}
}

// raise: a limit that is too small to start in.
func raise() plan {
	const name, id = "raise", "limit-too-small"
	load := []string{"load", "-hold", "raise", "24", "1ms", "12"}
	file := scenario.CgroupV2 + "/" + unit(name) + "/memory.max"
	return plan{
		name: name,
		shortage: []scenario.Step{
			limit(name, "32M"),
			run("raise", slices.Concat([]string{"again", "3", scenario.Guest}, load)...).In(unit(name)),
		},
		steps: []scenario.Step{
			carry(name, id),
			run("raise-raised", "cat", file),
			start("raise-again", load...).In(unit(name)),
			undo("raise-early", name, id),
			run("raise-kept", "cat", file),
			scenario.Stop("raise-again"),
			undo("raise-undo", name, id),
			run("raise-restored", "cat", file),
		},
		check: func(t *testing.T, r *Result) {
			shows(t, r, "raise", "killed 3")
			shows(t, r, "raise-raised", "50331648")
			want(t, "the load, with the larger limit", r.Report.Procs["raise-again"].Signal, "terminated")
			want(t, "exit of the rollback while the load is above the old limit", r.Report.Procs["raise-early"].Exit, 1)
			shows(t, r, "raise-kept", "50331648")
			shows(t, r, "raise-restored", "33554432")
		},
	}
}

// putBack: a limit that was set below what is used.
func putBack() plan {
	const name, id = "lowered", "limit-lowered"
	load := []string{"load", "-hold", "lowered", "1ms", "40"}
	file := scenario.CgroupV2 + "/" + unit(name) + "/memory.max"
	return plan{
		name: name,
		shortage: []scenario.Step{
			limit(name, "64M"),
			start("lowered", load...).In(unit(name)),
			scenario.Write(file, "24M"),
			scenario.Wait("lowered"),
		},
		steps: []scenario.Step{
			carry(name, id),
			run("lowered-raised", "cat", file),
			start("lowered-again", load...).In(unit(name)),
			undo("lowered-early", name, id),
			scenario.Stop("lowered-again"),
			undo("lowered-undo", name, id),
			run("lowered-restored", "cat", file),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "the load, when the limit was lowered", r.Report.Procs["lowered"].Signal, "killed")
			if n := number(t, r, "lowered-raised"); n <= 40<<20 {
				t.Errorf("the limit is %d, want more than the load", n)
			}
			want(t, "the load, with the limit put back", r.Report.Procs["lowered-again"].Signal, "terminated")
			want(t, "exit of the rollback while the load is above the old limit", r.Report.Procs["lowered-early"].Exit, 1)
			want(t, "the limit in the end", number(t, r, "lowered-restored"), 24<<20)
		},
	}
}

// someSwap: swap that a cgroup may not use.
func someSwap() plan {
	const name, id = "swapless", "swap-limited"
	load := []string{"load", "-hold", "swapless", "24", "1ms", "10"}
	file := scenario.CgroupV2 + "/" + unit(name) + "/memory.swap.max"
	return plan{
		name: name,
		shortage: []scenario.Step{
			run("swapless-on", "swap", "on", "128"),
			scenario.Cgroup(unit(name), "memory.max=32M", "memory.swap.max=0"),
			run("swapless", load...).In(unit(name)),
		},
		steps: []scenario.Step{
			carry(name, id),
			run("swapless-allowed", "cat", file),
			start("swapless-again", load...).In(unit(name)),
			undo("swapless-early", name, id),
			scenario.Stop("swapless-again"),
			undo("swapless-undo", name, id),
			run("swapless-restored", "cat", file),
			run("swapless-off", "swap", "off"),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "the load, without swap", r.Report.Procs["swapless"].Signal, "killed")
			want(t, "swap that is allowed", number(t, r, "swapless-allowed"), 8<<20)
			want(t, "the load, with some swap", r.Report.Procs["swapless-again"].Signal, "terminated")
			want(t, "exit of the rollback while the load has swap", r.Report.Procs["swapless-early"].Exit, 1)
			want(t, "swap that is allowed in the end", number(t, r, "swapless-restored"), 0)
		},
	}
}

// nodesAllowed: a cpuset of one node, with memory on the other.
func nodesAllowed() plan {
	const name, id = "nodes", "nodes-exhausted"
	load := []string{"load", "nodes", "1ms", "350"}
	file := scenario.CgroupV2 + "/" + unit(name) + "/cpuset.mems"
	return plan{
		name: name,
		shortage: []scenario.Step{
			scenario.Write(scenario.CgroupV2+"/cgroup.subtree_control", "+cpuset"),
			scenario.Cgroup("system.slice"),
			scenario.Write(scenario.CgroupV2+"/system.slice/cgroup.subtree_control", "+cpuset"),
			scenario.Cgroup(unit(name), "cpuset.mems=1"),
			run("nodes", load...).In(unit(name)),
		},
		steps: []scenario.Step{
			carry(name, id),
			run("nodes-allowed", "cat", file),
			run("nodes-again", load...).In(unit(name)),
			undo("nodes-undo", name, id),
			run("nodes-restored", "cat", file),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "the load, on one node", r.Report.Procs["nodes"].Signal, "killed")
			shows(t, r, "nodes-allowed", "0-1")
			want(t, "the load, on both", r.Report.Procs["nodes-again"].Signal, "")
			shows(t, r, "nodes-restored", "1")
		},
	}
}

// whoAsks: a sysctl by which whoever asks is killed.
func whoAsks() plan {
	const name, id, file = "asks", "allocating-task", "/proc/sys/vm/oom_kill_allocating_task"
	return plan{
		name: name,
		shortage: []scenario.Step{
			scenario.Write(file, "1"),
			run("asks", "hog", "asks", "0"),
		},
		steps: []scenario.Step{
			carry(name, id),
			run("asks-set", "cat", file),
			// Who asks is not the largest, and lives.
			start("asks-large", "load", "-hold", "large", "330", "1ms"),
			run("asks-small", "load", "-adj", "-500", "-repeat", "160", "small", "1", "1ms"),
			undo("asks-undo", name, id),
			run("asks-restored", "cat", file),
			scenario.Write(file, "0"),
			scenario.Wait("asks-large"),
		},
		check: func(t *testing.T, r *Result) {
			shows(t, r, "asks-set", "0")
			want(t, "the largest, when another asks", r.Report.Procs["asks-large"].Signal, "killed")
			want(t, "who asks", r.Report.Procs["asks-small"].Signal, "")
			shows(t, r, "asks-restored", "1")
		},
	}
}

// bound: a tmpfs that may hold more than there is beside what runs.
func bound() plan {
	const name, id = "bound", "shmem"
	return plan{
		name: name,
		shortage: []scenario.Step{
			start("bound-rest", "load", "-adj", "-900", "-hold", "rest", "100", "1ms"),
			start("bound-victim", "load", "-adj", "600", "-hold", "victim", "60", "1ms"),
			run("bound", "fill", "-size", "370M", "-adj", "500", "writer", "2000"),
		},
		steps: []scenario.Step{
			carry(name, id),
			run("bound-mounts", "cat", "/proc/mounts"),
			run("bound-again", "fill", "-adj", "500", "-begin", "1000", "writer", "2000"),
			undo("bound-early", name, id),
			run("bound-kept", "cat", "/proc/mounts"),
			scenario.Stop("bound-rest"),
			scenario.Run("bound-clear", "/bin/sh", "-c", "rm /shm/*"),
			undo("bound-undo", name, id),
			run("bound-restored", "cat", "/proc/mounts"),
			run("bound-empty", "empty", "/shm"),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "the writer", r.Report.Procs["bound"].Signal, "killed")
			again := r.Report.Procs["bound-again"]
			want(t, "the writer, with the tmpfs bounded, by", again.Signal, "")
			if e := r.Out(t, "bound-again.err"); !bytes.Contains(e, []byte("no space left")) {
				t.Errorf("the writer, with the tmpfs bounded, said %q", e)
			}
			size := func(step string) string {
				for line := range strings.Lines(string(r.Out(t, step+".out"))) {
					if f := strings.Fields(line); len(f) > 3 && f[1] == "/shm" {
						return f[3]
					}
				}
				t.Errorf("%s: no /shm", step)
				return ""
			}
			want(t, "exit of the rollback while there is no room", r.Report.Procs["bound-early"].Exit, 1)
			want(t, "the tmpfs then", size("bound-kept"), size("bound-mounts"))
			if o := size("bound-restored"); !strings.Contains(o, "size=378880k") {
				t.Errorf("the tmpfs in the end: %s, want its 370 MiB", o)
			}
		},
	}
}

// immunity: a process that grows and that the kernel may not kill.
func immunity() plan {
	const name, id = "immune", "protected-hog"
	adj := func(step string) scenario.Step {
		return scenario.Run(step, "/bin/sh", "-c", `for f in /proc/[0-9]*/comm; do [ "$(cat $f)" != immune-hog ] || cat "${f%comm}oom_score_adj"; done`)
	}
	return plan{
		name: name,
		shortage: []scenario.Step{
			limit(name, "64M"),
			start("immune-hog", "load", "-adj", "-1000", "-hold", "immune-hog", "45", "1ms").In(unit(name)),
			run("immune", "load", "innocent", "1ms", "30").In(unit(name)),
		},
		steps: []scenario.Step{
			carry(name, id),
			adj("immune-set"),
			undo("immune-undo", name, id),
			adj("immune-restored"),
			carryAs("immune-once-more", name, id),
			// The next one that asks may not be killed either: the kernel has whom to choose.
			run("immune-again", "load", "-adj", "-1000", "asker", "1ms", "30").In(unit(name)),
			scenario.Wait("immune-hog"),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "who asks beside an immune process", r.Report.Procs["immune"].Signal, "killed")
			shows(t, r, "immune-set", "-900")
			shows(t, r, "immune-restored", "-1000")
			want(t, "who was immune", r.Report.Procs["immune-hog"].Signal, "killed")
			want(t, "who asks then", r.Report.Procs["immune-again"].Signal, "")
		},
	}
}

// panics: a machine that the next shortage would bring down, with nothing left to tell why.
// There is no way back to that but with a dump that is armed.
func panics() plan {
	const name, id, file = "panics", "panic-without-dump", "/proc/sys/vm/panic_on_oom"
	return plan{
		name: name,
		shortage: []scenario.Step{
			scenario.Write(file, "1"), // a cgroup's limit is no reason for a panic
			limit(name, "24M"),
			run("panics", "load", "small", "1ms", "40").In(unit(name)),
		},
		steps: []scenario.Step{
			carry(name, id),
			run("panics-set", "cat", file),
			run("panics-again", "hog", "-adj", "500", "large", "0"),
			undo("panics-undo", name, id),
			run("panics-kept", "cat", file),
		},
		refused: true,
		check: func(t *testing.T, r *Result) {
			shows(t, r, "panics-set", "0")
			want(t, "what takes all memory", r.Report.Procs["panics-again"].Signal, "killed")
			shows(t, r, "panics-kept", "0")
		},
	}
}

// reserved: huge pages that nobody uses.
func reserved() plan {
	const name, id, file = "reserved", "hugepages", "/proc/sys/vm/nr_hugepages"
	load := []string{"load", "-adj", "500", "small-pages", "1ms", "330"}
	return plan{
		name: name,
		shortage: []scenario.Step{
			scenario.Write(file, "150"),
			run("reserved", load...),
		},
		steps: []scenario.Step{
			carry(name, id),
			run("reserved-set", "cat", file),
			run("reserved-again", load...),
			undo("reserved-undo", name, id),
			run("reserved-restored", "cat", file),
			scenario.Write(file, "0"),
		},
		check: func(t *testing.T, r *Result) {
			want(t, "the load, beside the huge pages", r.Report.Procs["reserved"].Signal, "killed")
			shows(t, r, "reserved-set", "0")
			want(t, "the load, without them", r.Report.Procs["reserved-again"].Signal, "")
			if n := number(t, r, "reserved-restored"); n < 100 {
				t.Errorf("%d huge pages again, want most of 150", n)
			}
		},
	}
}

// number is what a step printed.
func number(t *testing.T, r *Result, step string) int {
	t.Helper()
	n, err := strconv.Atoi(string(bytes.TrimSpace(r.Out(t, step+".out"))))
	if err != nil {
		t.Errorf("%s: %v", step, err)
	}
	return n
}

// shell is the program whose commands printed plans are carried out with.
func shell(t *testing.T) map[string][]byte {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatalf("find busybox, a static one: %v", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"/bin/busybox": b}
}
