// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/bpf"
)

var record = flag.Bool("record", false, "record samples for decode/wire")

// TestRecord records a real kill on each rung, and a clock call, with the symbols
// of the call traces. With -record it writes them to decode/wire/testdata.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("-record is not given")
	}
	save := func(name string, raw []byte) {
		path := filepath.Join("../decode/wire/testdata", name)
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range []string{KindTPBTF, KindRawTP, KindTracepoint} {
		tr := open(t, Options{NoClock: true, Forbid: slices.DeleteFunc(Kinds(), func(k string) bool { return k == kind })})
		c, stop := run(t, tr)
		pid, _ := kill(t)
		c.waitFor(t, "the kill", func() bool { return len(c.kills(pid)) == 1 })
		stop()
		raw := c.kills(pid)[0]
		save("kill-"+kind+".bin", raw)
		save("kill-"+kind+".kallsyms", symbolsOf(t, raw))
	}
	tr := open(t, Options{NoOOM: true})
	c, stop := run(t, tr)
	pid := changeClock(t, 1, 1)
	c.waitFor(t, "the call", func() bool { return len(c.clocks(pid)) == 1 })
	stop()
	save("clock-frequency.bin", c.clock[0])
}

// symbolsOf is the part of /proc/kallsyms that names a kill's call trace.
func symbolsOf(t *testing.T, raw []byte) []byte {
	t.Helper()
	var w bpf.OomtraceWireKill
	fill(&w, raw)
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type symbol struct {
		addr uint64
		line string
	}
	var all []symbol
	for s := bufio.NewScanner(f); s.Scan(); {
		addr, rest, _ := strings.Cut(s.Text(), " ")
		v, err := strconv.ParseUint(addr, 16, 64)
		if err != nil || !strings.ContainsAny(rest[:1], "tTwW") {
			continue
		}
		all = append(all, symbol{v, s.Text()})
	}
	slices.SortStableFunc(all, func(a, b symbol) int {
		if a.addr < b.addr {
			return -1
		}
		return 1
	})
	keep := map[int]bool{0: true, len(all) - 1: true}
	for _, addr := range w.Stack[:w.StackLen] {
		// The one it is in, and the next, where that one ends.
		if i, _ := slices.BinarySearchFunc(all, addr, func(s symbol, a uint64) int {
			if s.addr <= a {
				return -1
			}
			return 1
		}); i > 0 {
			keep[i-1], keep[min(i, len(all)-1)] = true, true
		}
	}
	var out bytes.Buffer
	for i, s := range all {
		if keep[i] {
			fmt.Fprintln(&out, s.line)
		}
	}
	return out.Bytes()
}
