// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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

// slay: starts a process, kills it with SIGKILL, and prints its pid.
func slay(args []string) error {
	if len(args) != 0 {
		return errors.New("slay: want no argument")
	}
	cmd := exec.Command("/proc/self/exe", "pass", "1h")
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("slay: %w", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		return fmt.Errorf("slay: %w", err)
	}
	_ = cmd.Wait() // it was killed
	fmt.Println(cmd.Process.Pid)
	return nil
}

// pass DURATION: lets time pass, where time itself is what is waited for.
func pass(args []string) error {
	if len(args) != 1 {
		return errors.New("pass: want a duration")
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return fmt.Errorf("pass: %w", err)
	}
	time.Sleep(d)
	return nil
}
