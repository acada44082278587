// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const ksm = "/sys/kernel/mm/ksm/"

// alike MIB: maps pages that are all alike, prints "ready" once the kernel has merged nine
// tenths of them, and holds them.
func alike(args []string) error {
	if len(args) != 1 {
		return errors.New("alike: want a size")
	}
	mib, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("alike: size: %w", err)
	}
	if err := setComm([]byte("alike")); err != nil {
		return err
	}
	memory, err := unix.Mmap(-1, 0, mib<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("alike: map memory: %w", err)
	}
	if err := unix.Madvise(memory, unix.MADV_MERGEABLE); err != nil {
		return fmt.Errorf("alike: %w", err)
	}
	for i := range memory {
		memory[i] = 0xa5
	}
	for name, value := range map[string]string{"pages_to_scan": "100000", "sleep_millisecs": "10", "run": "1"} {
		if err := os.WriteFile(ksm+name, []byte(value), 0); err != nil {
			return fmt.Errorf("alike: %w", err)
		}
	}
	for ; ; time.Sleep(50 * time.Millisecond) {
		b, err := os.ReadFile(ksm + "pages_sharing")
		if err != nil {
			return fmt.Errorf("alike: %w", err)
		}
		merged, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return fmt.Errorf("alike: pages_sharing: %w", err)
		}
		if merged > len(memory)/os.Getpagesize()*9/10 {
			break
		}
	}
	fmt.Println("ready")
	pause()
	return nil
}

// unmerge: has the kernel give back each its own page, for which it asks to be killed
// itself if there is no memory (run_store, mm/ksm.c).
func unmerge(args []string) error {
	if len(args) != 0 {
		return errors.New("unmerge: want no argument")
	}
	if err := setComm([]byte("unmerge")); err != nil {
		return err
	}
	if err := os.WriteFile(ksm+"run", []byte("2"), 0); err != nil {
		return fmt.Errorf("unmerge: %w", err)
	}
	return nil
}
