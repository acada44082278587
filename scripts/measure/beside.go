// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// besideFor is how long one turn of beside lasts.
const besideFor = time.Second

// beside measures the CPU time of an act, its children's included, without a tracer and
// with one, in turns, so that what else the machine does falls on both alike. At last it
// prints what the programs took.
func (m *measure) beside(act func() error, args ...string) error {
	var without, with []float64
	turn := func(into *[]float64) error {
		n, began, used := 0, time.Now(), cpuTime()
		for time.Since(began) < besideFor {
			for range 20 {
				if err := act(); err != nil {
					return err
				}
			}
			n += 20
		}
		*into = append(*into, float64(cpuTime()-used)/float64(n))
		return nil
	}
	for i := range m.runs {
		if err := turn(&without); err != nil {
			return err
		}
		last := i == m.runs-1
		t, err := m.oomtrace(args...)
		if err != nil {
			return err
		}
		if _, err := t.wait("session.start"); err != nil {
			return err
		}
		time.Sleep(besideFor / 2) // the symbol table
		if err := turn(&with); err != nil {
			return err
		}
		if last { // apart: counting costs, too
			if err := os.WriteFile("/proc/sys/kernel/bpf_stats_enabled", []byte("1"), 0); err == nil {
				var unused []float64
				err = turn(&unused)
				programs(t.cmd.Process.Pid)
				_ = os.WriteFile("/proc/sys/kernel/bpf_stats_enabled", []byte("0"), 0)
				if err != nil {
					return err
				}
			}
		}
		if err := t.stop(); err != nil {
			return err
		}
	}
	fmt.Printf("without, ns of CPU each: %s\nwith, ns of CPU each: %s\n", percentiles(without), percentiles(with))
	return nil
}

// cpuTime is what this process and its children that have ended have used.
func cpuTime() (ns int64) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			ns += u.Utime.Nano() + u.Stime.Nano()
		}
	}
	return ns
}

// execs runs true(1), one after the other, beside what keeps who processes are.
func (m *measure) execs() error {
	path, err := exec.LookPath("true")
	if err != nil {
		return err
	}
	act := func() error {
		p, err := os.StartProcess(path, []string{"true"}, &os.ProcAttr{})
		if err != nil {
			return err
		}
		_, err = p.Wait()
		return err
	}
	return m.beside(act, "--events", "oom")
}

// signals sends one that is ignored, beside what looks for SIGKILLs.
func (m *measure) signals() error {
	cmd := exec.Command("sleep", "3600")
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	pid := cmd.Process.Pid
	return m.beside(func() error { return unix.Kill(pid, unix.SIGWINCH) }, "--events", "kill", "--cmdline", "none")
}

// sigkills has sleep(1) started and killed, beside what tells of each.
func (m *measure) sigkills() error {
	act := func() error {
		cmd := exec.Command("sleep", "3600")
		if err := cmd.Start(); err != nil {
			return err
		}
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		_ = cmd.Wait() // it was killed
		return nil
	}
	return m.beside(act, "--events", "kill")
}
