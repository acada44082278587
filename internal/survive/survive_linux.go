// SPDX-License-Identifier: Apache-2.0

package survive

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/capability"
)

// State is what came of Prepare.
type State struct {
	Locked      bool // memory is locked on use
	OOMScoreAdj *int // the process's own; nil when it cannot be read
	Warnings    []string
}

// The tracer takes a bounded 20 MiB and should see the last kill too, so it comes
// last. It is not exempt (-1000): a machine with nothing else left to kill must
// not panic for its sake. Its priority is below that of the kernel's own threads.
const (
	wantAdj  = -999
	wantNice = -15
)

// Prepare locks memory, lowers oom_score_adj and raises the priority of every
// thread, those to come included.
func Prepare() State {
	var s State
	warn := func(what string, err error) {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %v", what, err))
	}
	if err := lock(); err != nil {
		warn("memory is not locked (needs CAP_IPC_LOCK): reading events may stall when memory is gone", err)
	} else {
		s.Locked = true
	}
	const file = "/proc/self/oom_score_adj"
	adj, err := readInt(file)
	if err == nil && adj > wantAdj {
		if werr := os.WriteFile(file, []byte(strconv.Itoa(wantAdj)), 0); werr != nil {
			warn(fmt.Sprintf("oom_score_adj stays at %d (needs CAP_SYS_RESOURCE)", adj), werr)
		}
		adj, err = readInt(file)
	}
	if err == nil {
		s.OOMScoreAdj = &adj
	}
	if err := raise(); err != nil {
		warn("priority stays as it is (needs CAP_SYS_NICE): lines come late on a busy machine", err)
	}
	return s
}

// lock locks pages as they are used. Without ONFAULT the whole of Go's reserved
// heap would become resident. Under a finite RLIMIT_MEMLOCK a later mmap could
// fail, which the runtime does not survive: then nothing is locked.
func lock() error {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &lim); err != nil {
		return fmt.Errorf("read RLIMIT_MEMLOCK: %w", err)
	}
	if lim.Cur != unix.RLIM_INFINITY && !capability.Has(unix.CAP_IPC_LOCK) {
		return unix.EPERM
	}
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

// raise sets the priority of each thread; threads inherit it from the one that
// makes them.
func raise() error {
	tids, err := filepath.Glob("/proc/self/task/[0-9]*")
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tids {
		tid, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			continue
		}
		// A thread that has just ended is no failure.
		if err := unix.Setpriority(unix.PRIO_PROCESS, tid, wantNice); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, err)
			break
		}
	}
	return errors.Join(errs...)
}

func readInt(file string) (int, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(bytes.TrimSpace(b)))
}
