// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// load [-adj N] [-node N] [-repeat MIB] [-lock] [-hold] NAME STEP…: takes the steps in order, a
// number to touch so many MiB more, a duration to let time pass; with -repeat the last two
// over and over until it has touched so many MiB, 0 being without end. It prints "ready"
// behind the steps, and if there is no end to them, before.
func load(args []string) error {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	adj := f.Int("adj", 0, "oom_score_adj")
	until := f.Int("repeat", -1, "take the last two steps again until so many MiB are touched; 0: for ever")
	locked := f.Bool("lock", false, "lock the memory")
	hold := f.Bool("hold", false, "keep the memory and wait")
	node := f.Int("node", -1, "take memory of this NUMA node alone")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() < 3 {
		return errors.New("load: want a name and two steps at least")
	}
	if err := setAdj(*adj); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if err := setComm([]byte(f.Arg(0))); err != nil {
		return err
	}
	if *locked {
		if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
			return fmt.Errorf("load: lock memory: %w", err)
		}
	}
	if *node >= 0 {
		mask := uint64(1) << *node
		const bind = 2 // MPOL_BIND, include/uapi/linux/mempolicy.h
		if _, _, errno := unix.RawSyscall(unix.SYS_SET_MEMPOLICY, bind, uintptr(unsafe.Pointer(&mask)), 64); errno != 0 {
			return fmt.Errorf("load: bind to node %d: %w", *node, errno)
		}
	}
	runtime.GOMAXPROCS(1)
	steps := f.Args()[1:]
	if *until == 0 {
		fmt.Println("ready")
	}
	touched := 0
	for i := 0; i < len(steps); i++ {
		if d, err := time.ParseDuration(steps[i]); err == nil && strings.TrimLeft(steps[i], "0123456789") != "" {
			time.Sleep(d)
		} else if mib, err := strconv.Atoi(steps[i]); err != nil || mib == 0 {
			return fmt.Errorf("load: %q is neither a size in MiB nor a duration", steps[i])
		} else if err := touch(mib); err != nil {
			return err
		} else {
			touched += mib
		}
		if i == len(steps)-1 && (*until == 0 || touched < *until) {
			i -= 2
		}
	}
	fmt.Println("ready")
	if *hold {
		pause()
	}
	return nil
}

// promised NAME MIB: reserves so much memory and touches none of it, prints "ready" and waits.
func promised(args []string) error {
	mib, err := taker("promised", args, nil)
	if err != nil {
		return err
	}
	if _, err := unix.Mmap(-1, 0, mib<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return fmt.Errorf("promised: %w", err)
	}
	fmt.Println("ready")
	pause()
	return nil
}

func setAdj(adj int) error {
	if adj == 0 {
		return nil
	}
	return os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(adj)), 0)
}

// again COUNT ARGV…: runs a command, and starts it anew whenever it was killed, as a
// service manager does; so many times in all. It prints how often it was killed.
func again(args []string) error {
	if len(args) < 2 {
		return errors.New("again: want a count and a command")
	}
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("again: count: %w", err)
	}
	if err := setAdj(-999); err != nil { // it is not part of the load
		return fmt.Errorf("again: %w", err)
	}
	killed := 0
	for range count {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			return fmt.Errorf("again: %w", err)
		}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("again: %w", err)
		}
		// It inherits this one's oom_score_adj, and is to have none.
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", cmd.Process.Pid), []byte("0"), 0) // it may be gone
		if _, err := out.Read(make([]byte, 64)); err == nil {                                    // "ready": it has all it wants
			_ = cmd.Process.Signal(unix.SIGTERM) // it may be gone
		}
		_ = cmd.Wait() // its state tells all
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signal() == unix.SIGKILL {
			killed++
		}
	}
	fmt.Println("killed", killed)
	return nil
}

// as NAME ARGS…: runs this program from a file of that name: its executable is known by it.
func as(args []string) error {
	if len(args) < 2 {
		return errors.New("as: want a name and a subcommand")
	}
	path := "/tmp/" + args[0]
	if err := os.Link("/init", path); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("as: %w", err)
	}
	return unix.Exec(path, append([]string{args[0]}, args[1:]...), os.Environ())
}
