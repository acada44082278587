// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/oomtrace/oomtrace/internal/timeline"
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// tools: gives the guest the commands that a plan uses: busybox's, and stand-ins for
// two that need more than there is here.
func tools(args []string) error {
	if len(args) != 0 {
		return errors.New("tools: want no argument")
	}
	if out, err := exec.Command("/bin/busybox", "--install", "-s", "/bin").CombinedOutput(); err != nil {
		return fmt.Errorf("tools: %w: %s", err, out)
	}
	for name := range standIns() {
		if err := os.Symlink(scenario.Guest, filepath.Join("/bin", name)); err != nil {
			return fmt.Errorf("tools: %w", err)
		}
	}
	return nil
}

// explained [FILE]: what `oomtrace explain` says of the incidents since the file was written,
// of all without one.
func explained(args []string) error {
	if err := setAdj(-900); err != nil { // memory may be full still, and others are there to be killed
		return fmt.Errorf("explained: %w", err)
	}
	argv := []string{"explain", "--all", "-o", "json"}
	if len(args) == 1 {
		info, err := os.Stat(args[0])
		if err != nil {
			return fmt.Errorf("explained: %w", err)
		}
		argv = append(argv, "--since", info.ModTime().UTC().Format(time.RFC3339Nano))
	}
	cmd := exec.Command("oomtrace", argv...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("explained: %w", err)
	}
	return nil
}

// why [-signal N] COMMAND...: starts a command, which says when it is ready, sends it a signal
// or waits for what else ends it, and prints what `oomtrace explain --pid` says then.
func why(args []string) error {
	f := flag.NewFlagSet("why", flag.ContinueOnError)
	signal := f.Int("signal", 0, "signal to send")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return errors.New("why: want a command")
	}
	cmd := exec.Command(f.Arg(0), f.Args()[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("why: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("why: %w", err)
	}
	if *signal != 0 {
		if _, err := out.Read(make([]byte, 64)); err != nil {
			return fmt.Errorf("why: %s was not ready: %w", f.Arg(0), err)
		}
		if err := cmd.Process.Signal(syscall.Signal(*signal)); err != nil {
			return fmt.Errorf("why: %w", err)
		}
	}
	_ = cmd.Wait()              // its state is what is asked for
	time.Sleep(2 * time.Second) // for the watcher, which writes at its leisure
	explain := exec.Command("oomtrace", "explain", "--pid", strconv.Itoa(cmd.Process.Pid), "-o", "json")
	explain.Stdout, explain.Stderr = os.Stdout, os.Stderr
	if err := explain.Run(); err != nil {
		return fmt.Errorf("why: %w", err)
	}
	return nil
}

// carry [-undo] [-limit CGROUP] FILE ID: carries out the plan of a finding in what explain
// said, or its way back: those of its actions that change something and can be undone, each
// in a shell, as they are printed. It prints the commands.
func carry(args []string) error {
	f := flag.NewFlagSet("carry", flag.ContinueOnError)
	undo := f.Bool("undo", false, "carry out the rollback")
	limit := f.String("limit", "", "the cgroup whose limit the finding is about")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return errors.New("carry: want a file and the id of a finding")
	}
	b, err := os.ReadFile(f.Arg(0))
	if err != nil {
		return fmt.Errorf("carry: %w", err)
	}
	var report struct{ Timeline told }
	if err := json.Unmarshal(b, &report); err != nil {
		return fmt.Errorf("carry: read what explain said: %w", err)
	}
	finding := find(&report.Timeline, f.Arg(1), *limit)
	if finding == nil {
		return fmt.Errorf("carry: there is no finding %s of %q", f.Arg(1), *limit)
	}
	done := 0
	for _, commands := range plan(finding, *undo) {
		script := ""
		for _, c := range commands {
			script += c.Run + "\n"
		}
		fmt.Print(script)
		// What an action keeps for its rollback is kept in the shell that a person has.
		kept := "/tmp/old-" + finding.ID
		if *undo {
			script = "old=$(cat " + kept + ")\n" + script
		} else {
			script = "set -e\n" + script + "printf %s \"$old\" >" + kept + "\n"
		}
		cmd := exec.Command("/bin/sh", "-c", script)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("carry: %w", err)
		}
		done++
	}
	if done == 0 {
		return fmt.Errorf("carry: the plan of %s has nothing that can be carried out", finding.ID)
	}
	return nil
}

// told is as much of a timeline as it takes to find whom a finding is about.
type told struct {
	Entries []struct {
		Limit struct{ Cgroup struct{ Path string } }
	}
	Findings []timeline.Finding
}

func find(d *told, id, limit string) *timeline.Finding {
	for i := range d.Findings {
		x := &d.Findings[i]
		if x.ID != id {
			continue
		}
		if limit == "" {
			return x
		}
		for _, e := range x.About {
			if d.Entries[e].Limit.Cgroup.Path == limit {
				return x
			}
		}
	}
	return nil
}

// plan are the commands of each reversible action, or of its rollback.
func plan(x *timeline.Finding, undo bool) (all [][]timeline.Command) {
	for i, a := range x.Actions {
		class := timeline.ReadOnly
		for _, c := range a.Commands {
			if c.Class != timeline.ReadOnly {
				class = c.Class
			}
		}
		if class != timeline.Reversible {
			continue
		}
		if !undo {
			all = append(all, a.Commands)
			continue
		}
		for _, r := range x.Rollback {
			if r.Undoes == i {
				all = append(all, r.Commands)
			}
		}
	}
	return all
}

// standIns are commands that a plan has and a guest without systemd has not.
func standIns() map[string]func([]string) error {
	return map[string]func([]string) error{"systemctl": systemctl, "choom": choom}
}

// property is the file of a cgroup that systemd has a unit's property in; "" for others.
func property(name string) string {
	return map[string]string{
		"MemoryMax": "memory.max", "MemoryHigh": "memory.high", "MemorySwapMax": "memory.swap.max", "MemoryCurrent": "memory.current",
		"TasksMax": "pids.max", "AllowedMemoryNodes": "cpuset.mems",
	}[name]
}

// systemctl show [--value] -p PROPERTY… UNIT, systemctl set-property [--runtime] UNIT
// PROPERTY=VALUE…: a stand-in that knows where a unit's cgroup is, and nothing else. What it
// shows is that names, sizes and guards of a printed command are right; not systemd.
func systemctl(args []string) error {
	if len(args) == 0 {
		return errors.New("systemctl: want a verb")
	}
	var names, words []string
	value := false
	for i := 1; i < len(args); i++ {
		switch args[i] {
		case "-p":
			if i++; i < len(args) {
				names = append(names, args[i])
			}
		case "--value":
			value = true
		case "--runtime":
		default:
			words = append(words, args[i])
		}
	}
	if len(words) == 0 {
		return errors.New("systemctl: want a unit")
	}
	dir, err := cgroupOf(words[0])
	if err != nil {
		return err
	}
	switch args[0] {
	case "show":
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join(dir, property(name)))
			if err != nil || property(name) == "" {
				continue // as systemd does with what it does not know
			}
			if text := strings.TrimSpace(string(b)); value {
				fmt.Println(text)
			} else {
				fmt.Printf("%s=%s\n", name, text)
			}
		}
		return nil
	case "set-property":
		for _, word := range words[1:] {
			name, v, ok := strings.Cut(word, "=")
			if !ok || property(name) == "" {
				return fmt.Errorf("systemctl: no property %q", word)
			}
			if err := os.WriteFile(filepath.Join(dir, property(name)), []byte(strings.Replace(v, "infinity", "max", 1)), 0); err != nil {
				return fmt.Errorf("systemctl: %w", err)
			}
		}
		return nil
	}
	return fmt.Errorf("systemctl: no verb %q", args[0])
}

func cgroupOf(unit string) (dir string, err error) {
	err = filepath.WalkDir(scenario.CgroupV2, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && e.Name() == unit {
			dir = path
			return fs.SkipAll
		}
		return err
	})
	if err == nil && dir == "" {
		err = fmt.Errorf("unit %s is not there", unit)
	}
	return dir, err
}

// choom -n ADJ -p PID: util-linux's.
func choom(args []string) error {
	f := flag.NewFlagSet("choom", flag.ContinueOnError)
	adj := f.String("n", "", "oom_score_adj")
	pid := f.String("p", "", "process")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/"+*pid+"/oom_score_adj", []byte(*adj), 0); err != nil {
		return fmt.Errorf("choom: %w", err)
	}
	return nil
}
