// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cat FILE: copies the file to standard output.
func cat(args []string) error {
	if len(args) != 1 {
		return errors.New("cat: want a file")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return fmt.Errorf("cat: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(os.Stdout, f); err != nil {
		return fmt.Errorf("cat: %w", err)
	}
	return nil
}

// read FILE MIB: reads so much of the file from its begin, which the page cache keeps.
func read(args []string) error {
	if len(args) != 2 {
		return errors.New("read: want a file and a size")
	}
	mib, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("read: size: %w", err)
	}
	f, err := os.Open(args[0])
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer f.Close()
	if _, err := io.CopyN(io.Discard, f, int64(mib)<<20); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// await [-below] FILE KEY COUNT: waits until the number beside that name in the file is so
// high, with -below so low.
func await(args []string) error {
	f := flag.NewFlagSet("await", flag.ContinueOnError)
	below := f.Bool("below", false, "wait until it is no more than that")
	if err := f.Parse(args); err != nil {
		return err
	}
	if args = f.Args(); len(args) != 3 {
		return errors.New("await: want a file, a key and a count")
	}
	count, err := strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		return fmt.Errorf("await: count: %w", err)
	}
	for ; ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(args[0])
		if err != nil {
			return fmt.Errorf("await: %w", err)
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) != 2 || f[0] != args[1] {
				continue
			}
			if n, err := strconv.ParseUint(f[1], 10, 64); err == nil && (n == count || n < count == *below) {
				return nil
			}
		}
	}
}

// protect COMM: makes every process of that name immune.
func protect(args []string) error {
	if len(args) != 1 {
		return errors.New("protect: want a name")
	}
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return fmt.Errorf("protect: %w", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil || string(b) != args[0]+"\n" { // it may have ended
			continue
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(name), "oom_score_adj"), []byte("-1000"), 0); err != nil {
			return fmt.Errorf("protect: %w", err)
		}
	}
	return nil
}

// slay: starts a process, kills it with SIGKILL, and prints its pid.
func slay(args []string) error {
	if len(args) != 0 {
		return errors.New("slay: want no argument")
	}
	cmd := exec.Command("/proc/self/exe", "linger", "1h")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("slay: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("slay: %w", err)
	}
	// Its exec is over once it speaks.
	if _, err := out.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("slay: %w", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		return fmt.Errorf("slay: %w", err)
	}
	_ = cmd.Wait() // it was killed
	fmt.Println(cmd.Process.Pid)
	return nil
}

// linger [-since FILE] DURATION: lets time pass, where time itself is what is waited for;
// with -since from when the file was written.
func linger(args []string) error {
	f := flag.NewFlagSet("linger", flag.ContinueOnError)
	since := f.String("since", "", "a file")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 {
		return errors.New("linger: want a duration")
	}
	d, err := time.ParseDuration(f.Arg(0))
	if err != nil {
		return fmt.Errorf("linger: %w", err)
	}
	if *since != "" {
		info, err := os.Stat(*since)
		if err != nil {
			return fmt.Errorf("linger: %w", err)
		}
		d -= time.Since(info.ModTime())
	}
	fmt.Println("ready")
	time.Sleep(d)
	return nil
}
