// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"strconv"
)

// tickNS is the unit of times in /proc/PID/stat: 1/USER_HZ s, and USER_HZ is 100
// on every architecture served.
const tickNS = 10_000_000

// Flags of a task (include/linux/sched.h).
const (
	pfExiting = 0x00000004
	pfKthread = 0x00200000
)

// stat is what is used of /proc/PID/stat. procfs has a parser too, but it opens
// files by path, and between two of its reads the pid may pass to another.
type stat struct {
	state      byte
	ppid       int
	flags      uint64
	startTicks uint64 // on the boot clock
	end        int    // of the name, in the line
}

// dead says whether the process has exited or is about to.
func (s stat) dead() bool {
	return s.state == 'Z' || s.state == 'X' || s.flags&pfExiting != 0
}

// comm is the name in the line that s was parsed from, as the kernel has it: status
// alone escapes it (proc_task_name, fs/proc/array.c).
func (s stat) comm(line []byte) []byte {
	line = line[:s.end]
	return line[bytes.IndexByte(line, '(')+1:]
}

// parseStat reads one line "pid (comm) state ppid …". comm may hold anything, a
// parenthesis too, so the fields are counted from the last one.
func parseStat(line []byte) (stat, bool) {
	var s stat
	i := bytes.LastIndexByte(line, ')')
	if i < 0 {
		return stat{}, false
	}
	s.end = i
	field := 3
	for f := range bytes.FieldsSeq(line[i+1:]) {
		var err error
		switch field {
		case 3:
			s.state = f[0]
		case 4:
			s.ppid, err = strconv.Atoi(string(f))
		case 9:
			s.flags, err = strconv.ParseUint(string(f), 10, 64)
		case 22:
			s.startTicks, err = strconv.ParseUint(string(f), 10, 64)
		}
		if err != nil {
			return stat{}, false
		}
		if field == 22 {
			return s, true
		}
		field++
	}
	return stat{}, false
}
