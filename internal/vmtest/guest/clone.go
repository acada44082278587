// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Go cannot run in a process that was cloned but not executed anew. The
// children below make raw system calls only, from functions that never grow
// the stack or meet the scheduler, and never return.

func loadInt32(p *int32) int32 { return atomic.LoadInt32(p) }

// shareMemory clones a process that shares this one's memory, takes the name
// comm (NUL-terminated) and waits to be killed; its pid goes to *pid. With
// CLONE_VFORK the calling thread lends the child its stack and is not resumed:
// the call returns only if the clone fails.
//
//go:nosplit
//go:norace
func shareMemory(pid *int32, comm *byte) syscall.Errno {
	n, _, errno := syscall.RawSyscall6(unix.SYS_CLONE,
		unix.CLONE_VM|unix.CLONE_VFORK|unix.CLONE_PARENT_SETTID|uintptr(unix.SIGCHLD),
		0, uintptr(unsafe.Pointer(pid)), 0, 0, 0)
	if errno != 0 || n != 0 {
		return errno
	}
	syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(comm)), 0, 0, 0, 0)
	for {
		syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

// cloneArgs is struct clone_args (include/uapi/linux/sched.h).
type cloneArgs struct {
	flags, pidFD, childTID, parentTID, exitSignal, stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

// fork clones a process with a copy of this one's memory, which takes the name
// comm, writes to size bytes of memory, one byte to the descriptor ready, and
// waits to be killed.
//
//go:nosplit
//go:norace
func fork(args *cloneArgs, comm *byte, memory unsafe.Pointer, size, page uintptr, ready int) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0, 0)
	if errno != 0 || n != 0 {
		return int(n), errno
	}
	syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(comm)), 0, 0, 0, 0)
	for i := uintptr(0); i < size; i += page {
		*(*byte)(unsafe.Add(memory, i)) = 1
	}
	syscall.RawSyscall(unix.SYS_WRITE, uintptr(ready), uintptr(unsafe.Pointer(comm)), 1)
	for {
		syscall.RawSyscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

// members [-kib N] NAME COUNT: becomes COUNT+1 small processes, prints "ready"
// and waits; the children are NAME-1 … NAME-COUNT.
func members(args []string) error {
	f := flag.NewFlagSet("members", flag.ContinueOnError)
	kib := f.Int("kib", 64, "memory each touches, KiB")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errors.New("members: want a name and a count")
	}
	count, err := strconv.Atoi(f.Arg(1))
	if err != nil {
		return fmt.Errorf("members: count: %w", err)
	}
	if err := setComm([]byte(f.Arg(0))); err != nil {
		return err
	}
	memory, err := unix.Mmap(-1, 0, max(*kib, 1)<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("members: map memory: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("members: %w", err)
	}
	fd := int(w.Fd())
	for i := range count {
		comm := []byte(fmt.Sprintf("%s-%d\x00", f.Arg(0), i+1))
		if _, errno := fork(&cloneArgs{exitSignal: uint64(unix.SIGCHLD)}, &comm[0], unsafe.Pointer(&memory[0]), uintptr(len(memory)), uintptr(os.Getpagesize()), fd); errno != 0 {
			return fmt.Errorf("members: fork: %w", errno)
		}
	}
	for got, b := 0, make([]byte, 128); got < count; {
		n, err := r.Read(b)
		if err != nil {
			return fmt.Errorf("members: wait: %w", err)
		}
		got += n
	}
	fmt.Println("ready")
	pause()
	return nil
}
