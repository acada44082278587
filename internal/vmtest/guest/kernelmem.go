// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What follows takes memory that no process's rss shows. Each takes -adj and a NAME, and
// prints "ready" when it has all it asked for; then it waits, for what is its own.

// taker parses the arguments of such a workload: a name and a number.
func taker(workload string, args []string, more func(*flag.FlagSet)) (int, error) {
	f := flag.NewFlagSet(workload, flag.ContinueOnError)
	adj := f.Int("adj", 0, "oom_score_adj")
	if more != nil {
		more(f)
	}
	if err := f.Parse(args); err != nil {
		return 0, err
	}
	if f.NArg() != 2 {
		return 0, fmt.Errorf("%s: want a name and a number", workload)
	}
	n, err := strconv.Atoi(f.Arg(1))
	if err != nil {
		return 0, fmt.Errorf("%s: number: %w", workload, err)
	}
	if err := setAdj(*adj); err != nil {
		return 0, fmt.Errorf("%s: %w", workload, err)
	}
	return n, setComm([]byte(f.Arg(0)))
}

// fill [-dir DIR] [-size SIZE] [-kib N] [-begin N] NAME COUNT: writes COUNT files of N KiB, mounting a tmpfs for
// them if DIR is not there. The files stay.
func fill(args []string) error {
	var dir, size string
	var kib, begin int
	count, err := taker("fill", args, func(f *flag.FlagSet) {
		f.StringVar(&dir, "dir", "/shm", "folder")
		f.StringVar(&size, "size", "100%", "what is mounted may hold")
		f.IntVar(&kib, "kib", 1024, "size of a file")
		f.IntVar(&begin, "begin", 0, "number of the first")
	})
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err == nil {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "nr_inodes=0,size="+size); err != nil {
			return fmt.Errorf("fill: mount tmpfs on %s: %w", dir, err)
		}
	} else if !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("fill: %w", err)
	}
	data := make([]byte, kib<<10)
	for i := range count {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(begin+i)), data, 0o600); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	fmt.Println("ready")
	return nil
}

// empty DIR: unmounts what fill mounted, and with it the files.
func empty(args []string) error {
	if len(args) != 1 {
		return errors.New("empty: want a folder")
	}
	if err := unix.Unmount(args[0], 0); err != nil {
		return fmt.Errorf("empty: unmount %s: %w", args[0], err)
	}
	return os.Remove(args[0])
}

// messages NAME MIB: sends messages that nobody receives to a System V queue in an IPC
// namespace of its own: slab memory.
func messages(args []string) error {
	mib, err := taker("messages", args, nil)
	if err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWIPC); err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	// The most bytes in a queue that is made from then on (ipc/msg.c); it is the namespace's own.
	if err := os.WriteFile("/proc/sys/kernel/msgmnb", []byte(strconv.Itoa(1<<30)), 0); err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	queue, _, errno := syscall.RawSyscall(unix.SYS_MSGGET, 0, unix.IPC_CREAT|0o600, 0) // IPC_PRIVATE
	if errno != 0 {
		return fmt.Errorf("messages: make a queue: %w", errno)
	}
	const size = 8192 // MSGMAX
	message := make([]uint64, 1+size/8)
	message[0] = 1 // its type
	for range mib << 20 / size {
		if _, _, errno := syscall.RawSyscall6(unix.SYS_MSGSND, queue, uintptr(unsafe.Pointer(&message[0])), size, 0, 0, 0); errno != 0 {
			return fmt.Errorf("messages: send: %w", errno)
		}
	}
	fmt.Println("ready")
	pause()
	return nil
}

// sparse NAME GIB: reads one byte of every 2 MiB: each takes a page table, and no memory
// but the one page of zeros that all share.
func sparse(args []string) error {
	gib, err := taker("sparse", args, nil)
	if err != nil {
		return err
	}
	b, err := unix.Mmap(-1, 0, gib<<30, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("sparse: map memory: %w", err)
	}
	// Where huge pages are off for all, this is refused.
	if err := unix.Madvise(b, unix.MADV_NOHUGEPAGE); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("sparse: %w", err)
	}
	sum := byte(0)
	for i := 0; i < len(b); i += 2 << 20 {
		sum += b[i]
	}
	if sum != 0 {
		return errors.New("sparse: new memory is not zero")
	}
	fmt.Println("ready")
	pause()
	return nil
}

// threads NAME COUNT: starts threads that do nothing: kernel stacks, and no memory of the
// process.
func threads(args []string) error {
	count, err := taker("threads", args, nil)
	if err != nil {
		return err
	}
	if err := blockSignals(); err != nil { // they have no stack to handle one on
		return fmt.Errorf("threads: %w", err)
	}
	for range count {
		if n := idleThread(); n < 0 {
			return fmt.Errorf("threads: clone: %w", unix.Errno(-n))
		}
	}
	fmt.Println("ready")
	pause()
	return nil
}

// idleThread clones a thread that waits for the end of its process without a stack of its
// own, and returns its id or a negative errno.
func idleThread() int

func blockSignals() error {
	all := unix.Sigset_t{}
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	return unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil)
}

// bomb [-kib N] NAME COUNT: forks COUNT children of N KiB each, and does not care what
// becomes of them.
func bomb(args []string) error {
	var kib int
	count, err := taker("bomb", args, func(f *flag.FlagSet) {
		f.IntVar(&kib, "kib", 64, "memory each touches")
	})
	if err != nil {
		return err
	}
	memory, err := unix.Mmap(-1, 0, kib<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("bomb: map memory: %w", err)
	}
	null, err := unix.Open("/dev/null", unix.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("bomb: %w", err)
	}
	comm := make([]byte, 16)
	copy(comm, args[len(args)-2])
	comm[15] = 0
	for range count {
		if _, errno := fork(&cloneArgs{exitSignal: uint64(unix.SIGCHLD)}, &comm[0], unsafe.Pointer(&memory[0]), uintptr(len(memory)), uintptr(os.Getpagesize()), null); errno != 0 {
			return fmt.Errorf("bomb: fork: %w", errno)
		}
	}
	fmt.Println("ready")
	return nil
}

// clearOut CGROUP: kills what is in the cgroup, a folder, until nobody is left.
func clearOut(args []string) error {
	if len(args) != 1 {
		return errors.New("clear: want a cgroup")
	}
	for ; ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(args[0], "cgroup.procs"))
		if err != nil {
			return fmt.Errorf("clear: %w", err)
		}
		if len(b) == 0 {
			return nil
		}
		for line := range strings.Lines(string(b)) {
			if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 0 {
				_ = unix.Kill(pid, unix.SIGKILL) // it may be gone
			}
		}
	}
}

// fragment NAME MIB: takes so much memory, page by page, and gives every second page back:
// no two free pages stand side by side, and none of those between can be moved, since they
// are buffers of pipes. Then it asks for four pages in a row until it is refused, or killed.
func fragment(args []string) error {
	mib, err := taker("fragment", args, nil)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	page := os.Getpagesize()
	const slots = 16
	data := make([]byte, page)
	var odd [][2]int
	limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("fragment: %w", err)
	}
	if err := os.WriteFile("/proc/sys/fs/file-max", []byte("2000000"), 0); err != nil {
		return fmt.Errorf("fragment: %w", err)
	}
	pair := func() (p [2]int, err error) {
		err = unix.Pipe2(p[:], unix.O_CLOEXEC)
		return p, err
	}
	for range mib << 20 / page / (2 * slots) {
		a, err := pair()
		if err != nil {
			return fmt.Errorf("fragment: %w", err)
		}
		b, err := pair()
		if err != nil {
			return fmt.Errorf("fragment: %w", err)
		}
		for range slots {
			for _, fd := range []int{a[1], b[1]} {
				if _, err := unix.Write(fd, data); err != nil {
					return fmt.Errorf("fragment: %w", err)
				}
			}
		}
		odd = append(odd, b)
	}
	for _, p := range odd {
		_ = unix.Close(p[0])
		_ = unix.Close(p[1])
	}
	fmt.Println("ready")
	for {
		p, err := pair()
		if err != nil {
			return fmt.Errorf("fragment: %w", err)
		}
		// An array of 256 struct pipe_buffer, 40 bytes each: four pages (pipe_resize_ring, fs/pipe.c).
		if _, err := unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, 256*page); err != nil {
			return fmt.Errorf("fragment: enlarge a pipe: %w", err)
		}
	}
}
