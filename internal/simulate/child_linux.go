// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The words between a parent and its child: "ready" once the child is named,
// "go" to let it begin, "full" when it holds all that it was told to hold.
const (
	wordReady = "ready"
	wordGo    = "go"
	wordFull  = "full"
)

// counterFD is where a hog finds the page that it counts its progress in. A
// page, and no pipe, since writing to a pipe can allocate: then the kill would
// come now from the touched page and now from there.
const counterFD = 3

// Child is the main function of the acting process; args are those behind
// [ChildName]: "hog BYTES" or "clock COUNT [PROCS]", PROCS being the file of the
// cgroup to act in. It returns the exit code.
func Child(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if err := child(args, stdin, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func child(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) < 2 || len(args) > 3 || len(args) == 3 && args[0] != "clock" {
		return fmt.Errorf("%s is started by 'oomtrace simulate', not by hand", ChildName)
	}
	n, err := strconv.ParseUint(args[1], 10, 62)
	if err != nil {
		return fmt.Errorf("number: %w", err)
	}
	if err := setComm(ChildName); err != nil {
		return err
	}
	switch args[0] {
	case "hog":
		return hog(n, stdin, stdout)
	case "clock":
		if len(args) == 3 {
			if err := addTo(args[2], 0); err != nil {
				return fmt.Errorf("act in a cgroup of its own (%w)", err) // no EPERM of the clock
			}
		}
		return clockCalls(n, stdout)
	default:
		return fmt.Errorf("no such act: %q", args[0])
	}
}

// setComm names every thread of this process; threads to come take the name of
// the one that makes them.
func setComm(name string) error {
	const dir = "/proc/self/task"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	for _, t := range tasks {
		if err := os.WriteFile(dir+"/"+t.Name()+"/comm", []byte(name), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("name thread: %w", err)
		}
	}
	return nil
}

// hog touches size bytes of anonymous memory and holds them until it is killed
// or its parent is gone.
func hog(size uint64, stdin io.Reader, stdout io.Writer) error {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return fmt.Errorf("set oom_score_adj: %w", err)
	}
	page, err := unix.Mmap(counterFD, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map counter: %w", err)
	}
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return fmt.Errorf("map %d bytes: %w", size, err)
	}
	// Small pages, so that what is touched is what is charged. Kernels without
	// huge pages refuse with EINVAL.
	if err := unix.Madvise(mem, unix.MADV_NOHUGEPAGE); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("madvise: %w", err)
	}

	in := bufio.NewReader(stdin)
	fmt.Fprintln(stdout, wordReady)
	if word, err := in.ReadString('\n'); err != nil || word != wordGo+"\n" {
		return errors.New("the parent is gone")
	}
	go func() {
		touched := counter(page)
		for off := 0; off < len(mem); off += os.Getpagesize() {
			mem[off] = 1
			touched.Store(uint64(off + os.Getpagesize()))
		}
		fmt.Fprintln(stdout, wordFull)
	}()
	_, _ = io.Copy(io.Discard, in) // the pipe ends when the parent does
	return errors.New("the parent is gone")
}

// counter views the start of a shared page as a number.
func counter(page []byte) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(unsafe.SliceData(page)))
}

// clockCalls sets the clock's frequency to what it is, count times, and prints a
// ClockResult as JSON.
func clockCalls(count uint64, stdout io.Writer) error {
	read := func() (unix.Timex, error) {
		var t unix.Timex
		_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &t)
		if err != nil {
			return t, fmt.Errorf("read clock state: %w", err)
		}
		return t, nil
	}
	result := ClockResult{PID: os.Getpid(), Comm: ChildName}
	for i := range count {
		// Read each time: a time daemon may set it meanwhile.
		now, err := read()
		if err != nil {
			return err
		}
		if i == 0 {
			result.FreqBeforePPM = ppm(now.Freq)
		}
		set := unix.Timex{Modes: unix.ADJ_FREQUENCY, Freq: now.Freq}
		if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &set); err != nil {
			return fmt.Errorf("set frequency: %w", err)
		}
		result.Calls++
	}
	after, err := read()
	if err != nil {
		return err
	}
	result.FreqAfterPPM = ppm(after.Freq)
	return json.NewEncoder(stdout).Encode(result)
}

// ppm converts timex.freq, which counts 2^-16 ppm. It is a long, so its Go type
// depends on the architecture.
func ppm[T ~int32 | ~int64](freq T) float64 { return float64(freq) / (1 << 16) }
