// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command peers decodes a storm of OOM reports as oomtrace does and as parsers made of
// regular expressions do, side by side, each in a process of its own. It is a module of
// its own, so that what it compares with is no dependency of oomtrace:
//
//	tar -xzf decode/kmsg/testdata/lab.tar.gz -C /tmp
//	go run -C scripts/measure/peers . /tmp/7.2/global.dmesg /tmp/6.12/memcg_group.dmesg
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// contender decodes a log and counts the kills that it finds.
type contender struct {
	name   string
	decode func(file string) (kills int, err error)
}

func contenders() []contender {
	return []contender{
		{"oomtrace, records alone", records},
		{"oomtrace, kills with every number", kills},
		{"cAdvisor's oomparser: pid, name, cgroups", cadvisor},
		{"a regexp for each kind of line: numbers as text", regexps},
	}
}

func main() {
	size := flag.Int64("size", 1<<30, "`bytes` of a storm")
	n := flag.Int("n", 5, "`rounds`")
	as := flag.Int("as", -1, "decode as that contender alone")
	flag.Parse()
	if err := run(*size, *n, *as, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(size int64, n, as int, files []string) error {
	if as >= 0 {
		found, err := contenders()[as].decode(files[0])
		fmt.Println(found)
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no log; give what dmesg printed of an OOM kill")
	}
	for _, file := range files {
		if err := compare(file, size, n); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// compare has each contender decode a storm made of a log, n times, in turn.
func compare(file string, size int64, n int) error {
	name := filepath.Join(os.TempDir(), "oomtrace-storm.dmesg")
	defer os.Remove(name)
	reports, err := storm(file, name, size)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d reports, %d MB, %d rounds\n", file, reports, size/1e6, n)
	fmt.Printf("%-50s %9s %9s %10s %9s %9s\n", "", "MB/s best", "median", "CPU s best", "peak MB", "kills")
	cs := contenders()
	took, cpu, peak, found := make([][]float64, len(cs)), make([][]float64, len(cs)), make([]int64, len(cs)), make([]string, len(cs))
	for range n {
		for i := range cs {
			cmd := exec.Command("/proc/self/exe", "-as", strconv.Itoa(i), name)
			cmd.Stderr = os.Stderr
			begin := time.Now()
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", cs[i].name, err)
			}
			took[i] = append(took[i], time.Since(begin).Seconds())
			u := cmd.ProcessState
			cpu[i] = append(cpu[i], (u.UserTime() + u.SystemTime()).Seconds())
			peak[i] = max(peak[i], u.SysUsage().(*syscall.Rusage).Maxrss<<10)
			found[i] = strings.TrimSpace(string(out))
		}
	}
	for i, c := range cs {
		slices.Sort(took[i])
		fmt.Printf("%-50s %9.0f %9.0f %10.1f %9.0f %9s\n", c.name,
			float64(size)/1e6/took[i][0], float64(size)/1e6/took[i][n/2], slices.Min(cpu[i]), float64(peak[i])/1e6, found[i])
	}
	return nil
}

// storm writes the reports of a log over and over, each time with stamps of its own, and
// says how often the OOM killer was invoked in it.
func storm(from, to string, size int64) (reports int, err error) {
	text, err := os.ReadFile(from)
	if err != nil {
		return 0, err
	}
	invoked := []byte("invoked oom-killer")
	i := bytes.Index(text, invoked)
	if i < 0 {
		return 0, fmt.Errorf("no OOM report")
	}
	text = text[bytes.LastIndexByte(text[:i], '\n')+1:]
	f, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	written := int64(0)
	for n := 100; written < size; n++ {
		j := 0
		for line := range bytes.Lines(text) {
			if stamp := bytes.Index(line, []byte("] ")); line[0] == '[' && stamp > 0 {
				line = fmt.Appendf(nil, "[%5d.%06d] %s", n, j, line[stamp+2:])
			}
			n, err := w.Write(line)
			if err != nil {
				return 0, err
			}
			written += int64(n)
			j++
		}
		reports += bytes.Count(text, invoked)
	}
	return reports, w.Flush()
}
