// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// hog [flags] NAME MIB: touches that much anonymous memory, page by page; 0 is
// without end. It prints "ready" when it has.
func hog(args []string) error {
	f := flag.NewFlagSet("hog", flag.ContinueOnError)
	adj := f.Int("adj", 0, "oom_score_adj")
	hold := f.Bool("hold", false, "keep the memory and wait")
	gate := f.String("gate", "", "wait for a shared lock of this file")
	threads := f.Int("threads", 0, "idle threads beside")
	worker := f.Bool("worker", false, "allocate on a thread that is not the leader, named NAME-w")
	leaderless := f.Bool("leaderless", false, "with -worker: the leader exits first")
	exec := f.Bool("exec", false, "touch half, then execute anew as NAME with the rest")
	uid := f.Int("uid", 0, "user id to take")
	shmem := f.Int("shmem", 0, "MiB of shared memory to touch first")
	file := f.Int("file", 0, "MiB of a file to touch first")
	nameHex := f.Bool("hex", false, "NAME is hex: the bytes of the name")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errors.New("hog: want a name and a size")
	}
	name := []byte(f.Arg(0))
	if *nameHex {
		var err error
		if name, err = hex.DecodeString(f.Arg(0)); err != nil {
			return fmt.Errorf("hog: name: %w", err)
		}
	}
	size, err := strconv.Atoi(f.Arg(1))
	if err != nil {
		return fmt.Errorf("hog: size: %w", err)
	}
	if *adj != 0 {
		if err := os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(*adj)), 0); err != nil {
			return fmt.Errorf("hog: %w", err)
		}
	}
	if *uid != 0 {
		if err := syscall.Setuid(*uid); err != nil {
			return fmt.Errorf("hog: become user %d: %w", *uid, err)
		}
	}
	if err := setComm(name); err != nil {
		return err
	}
	if err := touchShared(*shmem, *file); err != nil {
		return fmt.Errorf("hog: %w", err)
	}
	var started sync.WaitGroup
	for range *threads {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			started.Done()
			pause()
		}()
	}
	started.Wait()
	if *gate != "" {
		fd, err := unix.Open(*gate, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("hog: %w", err)
		}
		fmt.Println("waiting")
		if err := unix.Flock(fd, unix.LOCK_SH); err != nil {
			return fmt.Errorf("hog: %w", err)
		}
	}
	if *exec {
		if err := touch(max(size/2, 1)); err != nil {
			return err
		}
		return unix.Exec("/proc/self/exe", []string{"executed", "hog", string(name), "0"}, os.Environ())
	}
	runtime.GOMAXPROCS(1)
	if *leaderless {
		runtime.GOMAXPROCS(2) // the leader takes one with it
	}
	if *worker {
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			if err := setComm(append(bytes.Clone(name[:min(len(name), 13)]), "-w"...)); err != nil {
				done <- err
				return
			}
			if *leaderless {
				time.Sleep(100 * time.Millisecond) // the leader is gone by then
			}
			done <- touch(size)
		}()
		if *leaderless {
			unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0) // this thread alone: main is locked to it
		}
		err = <-done
	} else {
		err = touch(size)
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if *hold {
		pause()
	}
	return nil
}

// touch maps and writes mib MiB; 0 is without end. With as many processors
// (GOMAXPROCS) as goroutines that never yield, this one included, the runtime has
// none to start a thread for meanwhile: that allocates too, and would run into the
// limit in another thread's name.
func touch(mib int) error {
	all := unix.Sigset_t{}
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	// Preemption comes as a signal, and at calls that may grow the stack.
	var old unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &old); err != nil {
		return fmt.Errorf("block signals: %w", err)
	}
	errno := touchRaw(uintptr(mib), uintptr(os.Getpagesize()))
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil); err != nil {
		return fmt.Errorf("unblock signals: %w", err)
	}
	if errno != 0 {
		return fmt.Errorf("map memory: %w", errno)
	}
	return nil
}

//go:nosplit
func touchRaw(mib, page uintptr) syscall.Errno {
	const chunk = 1 << 20
	for i := uintptr(0); mib == 0 || i < mib; i++ {
		p, _, errno := syscall.RawSyscall6(unix.SYS_MMAP, 0, chunk,
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
		if errno != 0 {
			return errno
		}
		memory := *(*unsafe.Pointer)(unsafe.Pointer(&p)) // not the runtime's memory
		for k := uintptr(0); k < chunk; k += page {
			*(*byte)(unsafe.Add(memory, k)) = 1
		}
	}
	return 0
}

// touchShared maps and writes shmem MiB of shared memory and file MiB of a file that
// no reclaim can take away: on ramfs. The rootfs is a tmpfs, whose files are shared
// memory. It all goes away with the process.
func touchShared(shmem, file int) error {
	fill := func(fd, mib, flags int) error {
		if mib == 0 {
			return nil
		}
		b, err := unix.Mmap(fd, 0, mib<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|flags)
		if err != nil {
			return fmt.Errorf("map memory: %w", err)
		}
		for i := 0; i < len(b); i += os.Getpagesize() {
			b[i] = 1
		}
		return nil
	}
	if err := fill(-1, shmem, unix.MAP_ANONYMOUS); err != nil || file == 0 {
		return err
	}
	const dir = "/ramfs"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("ramfs", dir, "ramfs", 0, ""); err != nil {
		return fmt.Errorf("mount ramfs: %w", err)
	}
	f, err := os.Create(dir + "/file")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := errors.Join(unix.Unmount(dir, unix.MNT_DETACH), f.Truncate(int64(file)<<20)); err != nil {
		return err
	}
	return fill(int(f.Fd()), file, 0)
}

// setComm names the calling thread; for the leader, that is the process.
func setComm(name []byte) error {
	b := append(name[:len(name):len(name)], 0)
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0); err != nil {
		return fmt.Errorf("set name: %w", err)
	}
	runtime.KeepAlive(b)
	return nil
}

// pause waits for a signal that kills, in the kernel: not in the runtime, which
// would call a program without another goroutine dead.
func pause() {
	for {
		_, _, _ = unix.Syscall6(unix.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
	}
}

// sharer NAME: starts another process that shares its memory (CLONE_VM, not a
// thread), prints "sharer PID" and then grows without end.
func sharer(args []string) error {
	if len(args) != 1 {
		return errors.New("sharer: want a name")
	}
	if err := setComm([]byte(args[0])); err != nil {
		return err
	}
	runtime.GOMAXPROCS(2)
	pid := new(int32)
	failed := make(chan unix.Errno)
	go func() {
		runtime.LockOSThread()
		failed <- shareMemory(pid, &[]byte("mmsharer\x00")[0])
	}()
	for {
		select {
		case errno := <-failed:
			return fmt.Errorf("sharer: clone: %w", errno)
		default:
		}
		// The kernel stores the pid before the child runs. The memory is
		// shared with the other thread, which never comes back.
		if n := loadInt32(pid); n != 0 {
			fmt.Println("sharer", n)
			return touch(0)
		}
		time.Sleep(time.Millisecond)
	}
}
