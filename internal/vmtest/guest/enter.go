// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// enter DIR ARGV…: joins the cgroup and executes the command.
func enter(args []string) error {
	if len(args) < 2 {
		return errors.New("enter: want a cgroup and a command")
	}
	if err := os.WriteFile(filepath.Join(args[0], "cgroup.procs"), []byte("0"), 0); err != nil {
		return fmt.Errorf("enter: %w", err)
	}
	return execute(args[1:])
}

// newproc ARGV…: mounts the /proc of the pid namespace it is in and executes
// the command.
func newproc(args []string) error {
	if len(args) < 1 {
		return errors.New("newproc: want a command")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("newproc: make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("newproc: mount /proc: %w", err)
	}
	return execute(args)
}

func execute(argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return unix.Exec(path, argv, os.Environ())
}

// lock FILE: holds the file's exclusive lock until SIGTERM. Hogs with -gate
// FILE wait for it, so that all of them start at once.
func lock(args []string) error {
	if len(args) != 1 {
		return errors.New("lock: want a file")
	}
	fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM)
	fmt.Println("ready")
	<-term
	return nil
}
