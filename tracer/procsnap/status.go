// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"

	"github.com/oomtrace/oomtrace/decode/scores"
)

// status is what is used of /proc/PID/status.
type status struct {
	state byte
	// hasMemory: the lines of an address space are there (task_mem,
	// fs/proc/task_mmu.c). Kernel threads have none, nor have exited tasks.
	hasMemory bool
	memory    scores.Process // PID and OOMScoreAdj are not in there
}

// parseStatus reads lines of a name, a colon, a tab and a value; sizes are in kB of
// 1024 bytes. The first line is the process's name with its line ends escaped
// (task_name, fs/proc/array.c): no name can make a line of its own. ok is false if
// a line that should be there is not, or is not as expected.
func parseStatus(file []byte) (s status, ok bool) {
	p := &s.memory
	var uid, threads uint64
	const memory = 5
	found := 0 // the lines of memory
	fields := [...]struct {
		name  string
		value *uint64
		size  bool
	}{
		{"Uid", &uid, false},
		{"RssAnon", &p.AnonRSSBytes, true}, {"RssFile", &p.FileRSSBytes, true}, {"RssShmem", &p.ShmemRSSBytes, true},
		// VmPTE is mm_pgtables_bytes: the tables of all levels.
		{"VmPTE", &p.PgtablesBytes, true}, {"VmSwap", &p.SwapBytes, true},
		{"Threads", &threads, false},
	}
	next := 0 // in the order in which they come
	for {
		end := bytes.IndexByte(file, '\n')
		if end < 0 {
			return status{}, false // it ends before the last field, or is cut
		}
		line := file[:end]
		file = file[end+1:]
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			continue
		}
		name, value := string(line[:colon]), bytes.TrimLeft(line[colon+1:], "\t ")
		if name == "State" && len(value) > 0 {
			s.state = value[0]
			continue
		}
		for i := next; i < len(fields); i++ {
			f := &fields[i]
			if name != f.name {
				continue
			}
			n, rest, ok := leadingNumber(value)
			if !ok || f.size && (string(rest) != " kB" || n > 1<<53) {
				return status{}, false
			}
			if f.size {
				n <<= 10
				found++
			}
			*f.value, next = n, i+1
			if next == len(fields) {
				p.UID, p.Threads = uint32(uid), int(threads)
				s.hasMemory = found == memory
				return s, s.state != 0 && uid <= 1<<32-1 && threads <= 1<<22 && (found == 0 || found == memory)
			}
			break
		}
	}
}

// leadingNumber reads decimal digits.
func leadingNumber(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && '0' <= b[i] && b[i] <= '9'; i++ {
		if i >= 19 { // beyond what surely fits
			return 0, nil, false
		}
		n = n*10 + uint64(b[i]-'0')
	}
	return n, b[i:], i > 0
}
