// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// burst [-mib N] [-reuse] CGROUP NAME COUNT: forks COUNT children into the cgroup, a
// folder, one after the other, that each grow until the OOM killer takes them; with -reuse
// all get the first one's pid, if nobody else does. It prints "ready" before the first and
// at the end what became of them.
func burst(args []string) error {
	f := flag.NewFlagSet("burst", flag.ContinueOnError)
	mib := f.Int("mib", 32, "most that a child touches, MiB")
	reuse := f.Bool("reuse", false, "let all have the first one's pid")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 3 {
		return errors.New("burst: want a cgroup, a name and a count")
	}
	count, err := strconv.Atoi(f.Arg(2))
	if err != nil {
		return fmt.Errorf("burst: count: %w", err)
	}
	comm := append([]byte(f.Arg(1)), 0)
	memory, err := unix.Mmap(-1, 0, *mib<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("burst: map memory: %w", err)
	}
	null, err := unix.Open("/dev/null", unix.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("burst: %w", err)
	}
	cgroup, err := unix.Open(f.Arg(0), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("burst: open %s: %w", f.Arg(0), err)
	}
	clone := cloneArgs{flags: unix.CLONE_INTO_CGROUP, exitSignal: uint64(unix.SIGCHLD), cgroup: uint64(cgroup)}
	fmt.Println("ready")
	var out scenario.BurstResult
	for n := range count {
		if *reuse && n > 0 {
			// Where the search for a free pid begins, man 5 proc.
			last := strconv.Itoa(out.Killed[0] - 1)
			if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(last), 0); err != nil {
				return fmt.Errorf("burst: %w", err)
			}
		}
		pid, errno := fork(&clone, &comm[0], unsafe.Pointer(&memory[0]), uintptr(len(memory)), uintptr(os.Getpagesize()), null)
		if errno != 0 {
			return fmt.Errorf("burst: fork: %w", errno)
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
			return fmt.Errorf("burst: wait: %w", err)
		}
		if status.Signaled() && status.Signal() == unix.SIGKILL {
			out.Killed = append(out.Killed, pid)
		} else if *reuse {
			return fmt.Errorf("burst: pid %d was not killed: status %#x", pid, status)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}
