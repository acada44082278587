// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bytes"
	"regexp"
	"strconv"
	"testing"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// An exhibit is a shortage with a cause that is known, since it was made: what a finding
// is to be about, or its nearest neighbour, which the finding is not to be about.
type exhibit struct {
	name   string
	victim string // the step whose process is killed; "" if it is a child's
	order  int    // of what it asks for: another process may run out beside it, of single pages
	// All exhibits' before come first, and all after last, in one boot of cgroups'; where
	// the machine runs out, they stand around the steps.
	before, steps, after []scenario.Step
	// check is the proof, from the kernel's report alone, that the steps made what they
	// were to make.
	check func(*testing.T, shortage)
}

// shortage is what the kernel says of an exhibit.
type shortage struct {
	Invocation
	log  []byte // its lines, raw
	proc scenario.Proc
}

// unit is the cgroup that systemd makes for a service.
func unit(name string) string { return "system.slice/" + name + ".service" }

// limit gives an exhibit its cgroup.
func limit(name, max string) scenario.Step { return scenario.Cgroup(unit(name), "memory.max="+max) }

func workload(args ...string) []string { return append([]string{scenario.Guest}, args...) }

func run(name string, args ...string) scenario.Step { return scenario.Run(name, workload(args...)...) }

func start(name string, args ...string) scenario.Step {
	return scenario.Start(name, "ready", workload(args...)...)
}

// number reads what stands behind a name in a line of the report.
func (s shortage) number(t *testing.T, pattern string) uint64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)` + pattern).FindSubmatch(s.log)
	if m == nil {
		t.Errorf("the kernel's report has no %q", pattern)
		return 0
	}
	n, err := strconv.ParseUint(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stat is a line of the cgroup's memory.stat, in MiB.
func (s shortage) stat(t *testing.T, name string) uint64 {
	t.Helper()
	return s.number(t, `(?:;|\\x0a)`+name+` (\d+)(?:$|\\x0a)`) >> 20
}

// info is a counter of Mem-Info, in MiB.
func (s shortage) info(t *testing.T, name string) uint64 {
	t.Helper()
	return s.number(t, `[ ;0a]`+name+`:(\d+)`) >> 8
}

func (s shortage) says(text string) bool { return bytes.Contains(s.log, []byte(text)) }

// most checks that a figure is more than half of all.
func most(t *testing.T, what string, mib, of uint64) {
	t.Helper()
	if mib < of/2 {
		t.Errorf("%s: %d MiB, want more than half of %d", what, mib, of)
	}
}

func little(t *testing.T, what string, mib, of uint64) {
	t.Helper()
	if mib > of/5 {
		t.Errorf("%s: %d MiB, want little of %d", what, mib, of)
	}
}

// limitMiB is the limit of most exhibits.
const limitMiB = 48

// slowly is a workload that grows by a MiB at a time, to so many; 0: for ever.
func slowly(name, adj, until, begin string) []string {
	return workload("load", "-adj", adj, "-repeat", until, "-hold", name, begin, "1s", "1", "1500ms")
}

// limits are exhibits of cgroups, each of a limit of its own. The first ones are watched for
// a minute: what they begin goes on beside the others.
func limits() []exhibit {
	return []exhibit{
		{
			name: "steady", victim: "steady",
			before: []scenario.Step{
				limit("steady", "40M"),
				start("steady", "load", "-hold", "steady", "28", "1ms").In(unit("steady")),
			},
			steps: []scenario.Step{scenario.Write("/tmp/steady", "")}, // the watcher is there
			after: []scenario.Step{
				run("steady-minute", "linger", "-since", "/tmp/steady", "66s"),
				run("steady-peak", "load", "peak", "1ms", "10").In(unit("steady")),
				scenario.Wait("steady"),
			},
			check: func(t *testing.T, s shortage) { want(t, "trigger", s.Trigger.Comm, "peak") },
		},
		{
			name: "leak", victim: "leak",
			before: []scenario.Step{
				limit("leak", "48M"),
				scenario.Start("leak", "", slowly("leak", "0", "0", "1")...).In(unit("leak")),
			},
			after: []scenario.Step{scenario.Wait("leak")},
			check: func(t *testing.T, s shortage) { want(t, "trigger", s.Trigger.Comm, "leak") },
		},
		{
			name: "protected", victim: "protected-victim",
			before: []scenario.Step{
				limit("protected", "64M"),
				start("protected-victim", "load", "-hold", "innocent", "16", "1ms").In(unit("protected")),
				scenario.Start("protected-hog", "", slowly("hog", "-900", "50", "8")...).In(unit("protected")),
			},
			// It may be killed too: on 5.10 it was seen to ask again 11 ms after the kill, and
			// to be all that was left.
			after: []scenario.Step{
				scenario.Wait("protected-victim"),
				run("protected-clear", "clear", scenario.CgroupV2+"/"+unit("protected")),
				scenario.Wait("protected-hog"),
			},
			check: func(t *testing.T, s shortage) { want(t, "trigger", s.Trigger.Comm, "hog") },
		},
		{
			name: "deserved", victim: "deserved-hog", // who grows is killed
			before: []scenario.Step{
				limit("deserved", "64M"),
				start("deserved-bystander", "load", "-hold", "bystander", "16", "1ms").In(unit("deserved")),
				scenario.Start("deserved-hog", "", slowly("deserved", "0", "0", "8")...).In(unit("deserved")),
			},
			after: []scenario.Step{scenario.Wait("deserved-hog"), scenario.Stop("deserved-bystander")},
			check: func(t *testing.T, s shortage) { want(t, "trigger", s.Trigger.Comm, "deserved") },
		},
		{
			name: "three", victim: "three-victim", // neither who is killed nor who asks has it
			before: []scenario.Step{
				limit("three", "64M"),
				scenario.Start("three-hog", "", slowly("three-hog", "-900", "42", "10")...).In(unit("three")),
			},
			after: []scenario.Step{
				scenario.Until("three-hog", "ready"),
				start("three-victim", "load", "-hold", "three-victim", "8", "1ms").In(unit("three")),
				run("three-trigger", "load", "three-trigger", "1ms", "9").In(unit("three")),
				scenario.Stop("three-hog"),
			},
			check: func(t *testing.T, s shortage) { want(t, "trigger", s.Trigger.Comm, "three-trigger") },
		},
		{
			name: "bystanders", victim: "bystander", // all three were there before, and one grew
			before: []scenario.Step{
				limit("bystanders", "64M"),
				scenario.Start("bystanders-gate", "ready", scenario.Guest, "lock", "/tmp/bystanders"),
				start("bystander", "load", "-hold", "bystander", "16", "1ms").In(unit("bystanders")),
				scenario.Start("bystanders-asker", "waiting", hog("-gate", "/tmp/bystanders", "asker", "20")...).In(unit("bystanders")),
				scenario.Start("bystanders-hog", "", slowly("grower", "-900", "30", "1")...).In(unit("bystanders")),
			},
			after: []scenario.Step{
				scenario.Until("bystanders-hog", "ready"),
				scenario.Stop("bystanders-gate"),
				scenario.Wait("bystanders-asker"),
				scenario.Stop("bystanders-hog"),
			},
			check: func(t *testing.T, s shortage) { want(t, "trigger", s.Trigger.Comm, "asker") },
		},
		{
			name: "restart", // it never comes to its working set
			steps: []scenario.Step{
				limit("restart", "32M"),
				run("restart", "again", "3", scenario.Guest, "load", "restart", "24", "1ms", "12").In(unit("restart")),
			},
			check: func(t *testing.T, s shortage) { want(t, "trigger", s.Trigger.Comm, "restart") },
		},
		{
			name: "tmpfs", victim: "tmpfs-victim",
			steps: []scenario.Step{
				limit("tmpfs", "48M"),
				start("tmpfs-victim", "load", "-hold", "tmpfs-victim", "8", "1ms").In(unit("tmpfs")),
				run("tmpfs-writer", "fill", "writer", "41").In(unit("tmpfs")),
				run("tmpfs-empty", "empty", "/shm"),
			},
			check: func(t *testing.T, s shortage) { most(t, "shmem", s.stat(t, "shmem"), limitMiB) },
		},
		{
			name: "cache", victim: "cache-hog", // files, but those of a disk
			steps: []scenario.Step{
				limit("cache", "48M"),
				run("cache-reader", "read", "/dev/vda", "100").In(unit("cache")),
				run("cache-hog", "load", "cachehog", "1ms", "60").In(unit("cache")),
			},
			check: func(t *testing.T, s shortage) { little(t, "shmem", s.stat(t, "shmem"), limitMiB) },
		},
		{
			name: "slab", victim: "slab",
			steps: []scenario.Step{
				limit("slab", "48M"),
				run("slab", "messages", "slabber", "200").In(unit("slab")),
			},
			check: func(t *testing.T, s shortage) { most(t, "slab", s.stat(t, "slab"), limitMiB) },
		},
		{
			name: "page-tables", victim: "sparse",
			steps: []scenario.Step{
				limit("page-tables", "48M"),
				run("sparse", "sparse", "sparse", "64").In(unit("page-tables")),
			},
			check: func(t *testing.T, s shortage) {
				most(t, "the victim's page tables", s.Kills[0].PgtablesKB>>10, limitMiB)
			},
		},
		{
			name: "kernel-stacks", victim: "threads",
			steps: []scenario.Step{
				limit("kernel-stacks", "48M"),
				run("threads", "threads", "spawner", "4000").In(unit("kernel-stacks")),
			},
			check: func(t *testing.T, s shortage) { most(t, "kernel stacks", s.stat(t, "kernel_stack"), limitMiB) },
		},
		{
			name: "bomb",
			after: []scenario.Step{ // so many push out what was sampled of others
				limit("bomb", "64M"),
				run("bomb", "bomb", "-kib", "16", "bomb", "700").In(unit("bomb")),
				run("bomb-clear", "clear", scenario.CgroupV2+"/"+unit("bomb")),
			},
			check: func(t *testing.T, s shortage) {
				if n := len(s.Tasks); n < 200 {
					t.Errorf("%d tasks, want a bomb", n)
				}
			},
		},
		{
			name: "workers", victim: "workers-hog", // many siblings, and one that has it all
			steps: []scenario.Step{
				limit("workers", "48M"),
				start("workers", "members", "-kib", "256", "worker", "20").In(unit("workers")),
				run("workers-hog", "load", "request", "1ms", "60").In(unit("workers")),
				run("workers-clear", "clear", scenario.CgroupV2+"/"+unit("workers")),
			},
			check: func(*testing.T, shortage) {},
		},
		{
			name: "lowered", victim: "lowered",
			before: []scenario.Step{
				limit("lowered", "64M"),
				start("lowered", "hog", "-hold", "lowhog", "30").In(unit("lowered")),
			},
			after: []scenario.Step{
				scenario.Write(scenario.CgroupV2+"/"+unit("lowered")+"/memory.max", "16M"),
				scenario.Wait("lowered"),
			},
			check: func(t *testing.T, s shortage) { want(t, "who lowered the limit", s.Trigger.Comm, "init") },
		},
	}
}

// machine are exhibits of the whole machine. Each kill is of who is marked for it: what is
// killed beside, while its memory comes back, is prey.
func machine() []exhibit {
	const overcommit = "/proc/sys/vm/overcommit_memory"
	settled := run("g-slab-gone", "await", "-below", "/proc/vmstat", "nr_slab_unreclaimable", "8192")
	return []exhibit{
		{
			name: "hugepages", victim: "hugepages",
			before: []scenario.Step{scenario.Write("/proc/sys/vm/nr_hugepages", "150")},
			steps:  []scenario.Step{run("hugepages", "load", "-repeat", "0", "small-pages", "5", "30ms")},
			after:  []scenario.Step{scenario.Write("/proc/sys/vm/nr_hugepages", "0")},
			check: func(t *testing.T, s shortage) {
				if n := s.number(t, `hugepages_total=(\d+)`); n < 140 {
					t.Errorf("%d huge pages, want most of the 150 asked for", n)
				}
			},
		},
		{
			name: "no-swap", victim: "no-swap",
			steps: []scenario.Step{run("no-swap", "load", "-repeat", "0", "noswap", "5", "30ms")},
			check: func(t *testing.T, s shortage) { want(t, "no swap", s.says("Total swap = 0kB"), true) },
		},
		{
			name: "swap-full", victim: "swap-full",
			before: []scenario.Step{run("swap-64", "swap", "on", "64")},
			steps:  []scenario.Step{run("swap-full", "load", "-repeat", "0", "swapfull", "5", "30ms")},
			after:  []scenario.Step{run("swap-64-off", "swap", "off")},
			check: func(t *testing.T, s shortage) {
				little(t, "free swap", s.number(t, `Free swap  = (\d+)kB`)>>10, 64)
				want(t, "swap", s.number(t, `Total swap = (\d+)kB`)>>10, uint64(63))
			},
		},
		{
			name: "swap-room", victim: "locked", // memory that cannot go there
			before: []scenario.Step{run("swap-200", "swap", "on", "200")},
			steps:  []scenario.Step{run("locked", "load", "-lock", "-repeat", "0", "locked", "4", "1ms")},
			after:  []scenario.Step{run("swap-200-off", "swap", "off")},
			check: func(t *testing.T, s shortage) {
				if free := s.number(t, `Free swap  = (\d+)kB`) >> 10; free < 50 {
					t.Errorf("free swap %d MiB, want room", free)
				}
			},
		},
		{
			name: "g-tmpfs", victim: "g-victim",
			before: []scenario.Step{start("g-victim", "load", "-adj", "600", "-hold", "g-victim", "60", "1ms")},
			steps:  []scenario.Step{run("g-writer", "fill", "-adj", "500", "g-writer", "2000")},
			after:  []scenario.Step{run("g-empty", "empty", "/shm"), window("g-window").steps[0]},
			check:  func(t *testing.T, s shortage) { most(t, "shmem", s.info(t, "shmem"), 570) },
		},
		{
			name: "g-slab", victim: "g-slab",
			steps: []scenario.Step{run("g-slab", "messages", "-adj", "500", "g-slab", "2000"), settled},
			check: func(t *testing.T, s shortage) { most(t, "slab", s.info(t, "slab_unreclaimable"), 570) },
		},
		{
			name: "g-page-tables", victim: "g-sparse",
			steps: []scenario.Step{run("g-sparse", "sparse", "g-sparse", "2000")},
			after: []scenario.Step{window("g-window2").steps[0]},
			check: func(t *testing.T, s shortage) {
				most(t, "page tables", s.Kills[0].PgtablesKB>>10, 570)
			},
		},
		{
			name: "g-kernel-stacks", victim: "g-threads",
			before: []scenario.Step{
				scenario.Write("/proc/sys/kernel/threads-max", "60000"),
				scenario.Write("/proc/sys/kernel/pid_max", "100000"),
			},
			steps: []scenario.Step{run("g-threads", "threads", "-adj", "500", "g-threads", "50000")},
			check: func(t *testing.T, s shortage) {
				most(t, "kernel stacks", s.number(t, `kernel_stack:(\d+)kB`)>>10, 400)
			},
		},
		{
			name: "overcommit", victim: "overcommit",
			before: []scenario.Step{scenario.Write(overcommit, "1"), start("promised", "promised", "promised", "4096")},
			steps:  []scenario.Step{run("overcommit", "hog", "overcommit", "0")},
			// The watcher may be behind, and it is to see how it was.
			after: []scenario.Step{run("overcommit-seen", "linger", "3s"), scenario.Stop("promised"), scenario.Write(overcommit, "0")},
			check: func(*testing.T, shortage) {},
		},
		{
			name: "allocating", victim: "asking",
			before: []scenario.Step{
				run("allocating-protect", "protect", "oomtrace"), // who tells of a kill asks for memory, too
				scenario.Write("/proc/sys/vm/oom_kill_allocating_task", "1"),
			},
			steps: []scenario.Step{run("asking", "hog", "asking", "0")},
			after: []scenario.Step{scenario.Write("/proc/sys/vm/oom_kill_allocating_task", "0")},
			check: func(*testing.T, shortage) {},
		},
		{
			name: "g-protected", victim: "g-innocent",
			before: []scenario.Step{start("g-innocent", "load", "-hold", "g-innocent", "100", "1500ms")},
			steps: []scenario.Step{
				run("g-protected", "load", "-adj", "-500", "-repeat", "380", "g-protected", "150", "1s", "10", "100ms"),
			},
			check: func(*testing.T, shortage) {},
		},
		{
			name: "fragmentation", victim: "fragment", order: 2,
			steps: []scenario.Step{run("fragment", "fragment", "-adj", "500", "fragment", "300")},
			check: func(t *testing.T, s shortage) {
				if free := s.info(t, "free"); free < 80 {
					t.Errorf("free memory %d MiB, want much", free)
				}
			},
		},
	}
}

// nodes are exhibits of a machine with two NUMA nodes.
func nodes() []exhibit {
	return []exhibit{
		{
			name: "mempolicy", victim: "bound",
			steps: []scenario.Step{run("bound", "load", "-node", "1", "-repeat", "0", "bound", "5", "20ms")},
			check: func(t *testing.T, s shortage) { want(t, "constraint", s.Constraint, "CONSTRAINT_MEMORY_POLICY") },
		},
		{
			name: "cpuset", victim: "within",
			before: []scenario.Step{
				scenario.Write(scenario.CgroupV2+"/cgroup.subtree_control", "+cpuset"),
				scenario.Cgroup("system.slice"),
				scenario.Write(scenario.CgroupV2+"/system.slice/cgroup.subtree_control", "+cpuset"),
				scenario.Cgroup(unit("within"), "cpuset.mems=1"),
			},
			steps: []scenario.Step{run("within", "load", "-repeat", "0", "within", "5", "20ms").In(unit("within"))},
			check: func(t *testing.T, s shortage) { want(t, "constraint", s.Constraint, "CONSTRAINT_CPUSET") },
		},
		{
			name: "both-nodes", victim: "everywhere",
			steps: []scenario.Step{run("everywhere", "load", "-repeat", "0", "everywhere", "10", "20ms")},
			check: func(t *testing.T, s shortage) { want(t, "constraint", s.Constraint, "CONSTRAINT_NONE") },
		},
	}
}
