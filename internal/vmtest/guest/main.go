// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command guest is init in a VM test's guest, and every workload that a test
// runs there. As pid 1 it carries out the scenario; with a subcommand it is
// one of the workloads.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
)

// The main goroutine stays on the thread-group leader: the kernel log names the
// thread that allocates, and the tests look for the name of the process.
func init() { runtime.LockOSThread() }

func main() {
	// Workloads measure memory to the page, and one of them stops a thread for
	// good, which a collection would wait for.
	debug.SetGCPercent(-1)
	if os.Getpid() == 1 && len(os.Args) == 1 {
		boot()
		return
	}
	words := os.Args[1:]
	if base := filepath.Base(os.Args[0]); standIns()[base] != nil {
		words = append([]string{base}, words...)
	}
	if err := run(words); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	commands := map[string]func([]string) error{
		"cat":     cat,
		"alike":   alike,
		"await":   await,
		"linger":  linger,
		"protect": protect,
		"slay":    slay,
		"unmerge": unmerge,
		"hog":     hog,
		"sharer":  sharer,
		"burst":   burst,
		"members": members,
		"lock":    lock,
		"clock":   clock,
		"storm":   storm,
		"enter":   enter,
		"newproc": newproc,

		"load":     load,
		"again":    again,
		"as":       as,
		"fill":     fill,
		"empty":    empty,
		"messages": messages,
		"sparse":   sparse,
		"threads":  threads,
		"bomb":     bomb,
		"clear":    clearOut,
		"fragment": fragment,
		"swap":     swap,
		"read":     read,

		"tools":     tools,
		"explained": explained,
		"promised":  promised,
		"why":       why,
		"carry":     carry,
	}
	if len(args) == 0 {
		return errors.New("no subcommand")
	}
	maps.Copy(commands, standIns())
	c, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("no subcommand %q", args[0])
	}
	return c(args[1:])
}
