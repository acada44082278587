// SPDX-License-Identifier: Apache-2.0

// Package scenario is what a VM test and its guest say to each other: the
// steps to take, and what came of them. Both travel as JSON.
package scenario

import (
	"slices"
	"time"
)

// Places in the guest.
const (
	File       = "/scenario.json"
	ModuleDir  = "/modules"
	OutDir     = "/out" // what is left here comes back to the test
	ReportFile = OutDir + "/report.json"
	KmsgFile   = OutDir + "/kmsg" // the raw records of /dev/kmsg, at the end
	VmstatFile = OutDir + "/vmstat"
	CgroupV2   = "/sys/fs/cgroup"
	CgroupV1   = "/sys/fs/cgroup/memory"
	// Guest is the guest program itself, whose subcommands are the workloads.
	Guest = "/init"
	// HostName is the guest's.
	HostName = "guest"
)

// Words of the guest on the console.
const (
	Mark    = "@@ "          // begins the line of a step, in the kernel log too
	Trouble = "guest: init:" // begins what it has to say of itself
)

// Scenario is one boot's work. The zero value mounts proc, sysfs, devtmpfs and
// cgroup v2, and ends at once.
type Scenario struct {
	// CgroupV1 mounts the v1 memory controller in place of v2.
	CgroupV1 bool
	Tracefs  bool // mount /sys/kernel/tracing
	BPFFS    bool // mount /sys/fs/bpf
	Steps    []Step
}

// Step is one thing to do. Steps run in order; one that fails is reported, and
// stops the rest only if it was to wait until a process is ready.
type Step struct {
	Kind Kind
	// Name names the process of a run or start, whose streams are kept in
	// OutDir as NAME.out and NAME.err, and that of a stop, wait or until. The other
	// kinds use it for their cgroup or file.
	Name string
	Argv []string
	Env  []string

	// Cgroup is the cgroup to run in, relative to the hierarchy's root.
	Cgroup string
	// UID and Caps replace root's identity when Drop is set: only Caps
	// (capability numbers) remain, as permitted, effective and ambient.
	Drop bool
	UID  uint32
	Caps []uintptr
	// PIDNamespace runs the process as pid 1 of a pid namespace of its own,
	// with its own /proc.
	PIDNamespace bool

	// Ready is a regular expression: a start ends once a line of the process's
	// standard output matches; so does an until.
	Ready string
	// Data is what a write writes; a cgroup's "file=value" settings are lines.
	Data string
	// Timeout bounds the step; 0 means 90 s.
	Timeout time.Duration
}

// Kind says what a step does.
type Kind string

// Kinds of steps.
const (
	KindRun    Kind = "run"    // run to the end
	KindStart  Kind = "start"  // run in the background
	KindStop   Kind = "stop"   // SIGTERM, then wait
	KindWait   Kind = "wait"   // wait for the end
	KindUntil  Kind = "until"  // wait for a line
	KindWrite  Kind = "write"  // write a file
	KindCgroup Kind = "cgroup" // make a cgroup and set its files
	KindSay    Kind = "say"    // nothing but the line in the kernel log
)

// Run runs argv to its end.
func Run(name string, argv ...string) Step { return Step{Kind: KindRun, Name: name, Argv: argv} }

// Start runs argv in the background and waits for the line ready, if any.
func Start(name, ready string, argv ...string) Step {
	return Step{Kind: KindStart, Name: name, Ready: ready, Argv: argv}
}

// Stop ends a background process with SIGTERM.
func Stop(name string) Step { return Step{Kind: KindStop, Name: name} }

// Wait waits for a background process to end by itself.
func Wait(name string) Step { return Step{Kind: KindWait, Name: name} }

// Until waits until a background process has written a line that matches.
func Until(name, line string) Step { return Step{Kind: KindUntil, Name: name, Ready: line} }

// Write writes data to the file path.
func Write(path, data string) Step { return Step{Kind: KindWrite, Name: path, Data: data} }

// Say writes a line with text into the kernel log, as each step does with its own name.
func Say(text string) Step { return Step{Kind: KindSay, Name: text} }

// Cgroup makes the cgroup name, with those above it, and sets files in it, each
// "file=value".
func Cgroup(name string, settings ...string) Step {
	s := Step{Kind: KindCgroup, Name: name}
	for _, v := range settings {
		s.Data += v + "\n"
	}
	return s
}

// In returns the step, to run in a cgroup.
func (s Step) In(cgroup string) Step { s.Cgroup = cgroup; return s }

// As returns the step, to run with a user id and no capabilities but caps.
func (s Step) As(uid uint32, caps ...uintptr) Step {
	s.Drop, s.UID, s.Caps = true, uid, slices.Clone(caps)
	return s
}

// With returns the step with environment variables added, each "KEY=value".
func (s Step) With(env ...string) Step { s.Env = append(slices.Clone(s.Env), env...); return s }

// Within returns the step with a time limit.
func (s Step) Within(d time.Duration) Step { s.Timeout = d; return s }

// Contained returns the step, to run in a pid namespace of its own.
func (s Step) Contained() Step { s.PIDNamespace = true; return s }

// Report is what came of a scenario.
type Report struct {
	Release string // uname -r
	// UpNS is the boot time, in nanoseconds, at which the first step began.
	UpNS     int64
	Procs    map[string]Proc
	Failures []string // of steps
	Cut      bool     // the last failure ended the scenario
	// Cgroups holds memory.events (v1: memory.oom_control) of every cgroup at the
	// end, by path.
	Cgroups map[string]map[string]uint64
}

// Proc is one process of a scenario.
type Proc struct {
	PID     int    // in the initial pid namespace
	StartNS int64  // CLOCK_BOOTTIME
	EndNS   int64  // 0: it did not end
	Exit    int    // exit status; -1 when a signal ended it
	Signal  string // "killed" for SIGKILL
	MaxRSS  int64  // bytes
}

// ClockResult is what a change of the clock did, as the process that made it
// saw.
type ClockResult struct {
	PID, UID          int
	StartNS, EndNS    int64 // CLOCK_BOOTTIME around the call
	BeforeNS, AfterNS int64 // REALTIME − BOOTTIME
	Errno             string
}

// BurstResult is what became of the children of a burst: the pids of those killed.
type BurstResult struct{ Killed []int }

// StormResult counts the calls of a storm.
type StormResult struct{ Issued, Failed uint64 }
