// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

const pressureFile = "pressure/memory"

// pressure reads the machine's stall information; nil where there is none.
func (r *Reader) pressure(buf []byte) *event.Pressure {
	file, err := r.readProc(pressureFile, buf)
	if err != nil {
		return nil
	}
	return parsePressure(file)
}

// parsePressure reads lines of the form
//
//	some avg10=0.12 avg60=0.05 avg300=0.00 total=3063662
//
// (psi_show, kernel/sched/psi.c). It is nil when nothing is understood.
func parsePressure(file []byte) *event.Pressure {
	var p event.Pressure
	for line := range bytes.Lines(file) {
		kind, values, _ := bytes.Cut(line, []byte(" "))
		var avg10 **float64
		var total **uint64
		switch string(kind) {
		case "some":
			avg10, total = &p.SomeAvg10Percent, &p.SomeUS
		case "full":
			avg10, total = &p.FullAvg10Percent, &p.FullUS
		default:
			continue
		}
		for f := range bytes.FieldsSeq(values) {
			name, value, _ := bytes.Cut(f, []byte("="))
			switch string(name) {
			case "avg10":
				if v, err := strconv.ParseFloat(string(value), 64); err == nil && v >= 0 && v <= 100 {
					*avg10 = &v
				}
			case "total":
				if v, ok := parseCount(value); ok {
					*total = &v
				}
			}
		}
	}
	if p == (event.Pressure{}) {
		return nil
	}
	return &p
}

// reclaim reads what the kernel has done to get memory back since it booted; nil if
// that cannot be read.
func (r *Reader) reclaim(buf []byte) *event.Reclaim {
	file, err := r.readProc("vmstat", buf)
	if err != nil {
		return nil
	}
	return parseReclaim(file)
}

// parseReclaim reads lines "pgscan_direct 1204" (vmstat_text, mm/vmstat.c), and adds up
// those that there are several of: stalls are counted by zone, refaults by kind from
// commit 170b04b7ae49 ("mm/workingset: prepare the workingset detection infrastructure
// for anon LRU") (in v5.9) on. What a cgroup reclaims for its own limit is not in them
// (shrink_inactive_list, mm/vmscan.c).
func parseReclaim(file []byte) *event.Reclaim {
	var c event.Reclaim
	for line := range bytes.Lines(file) {
		name, value, _ := bytes.Cut(line, []byte(" "))
		var counter **uint64
		switch string(name) {
		case "pgscan_direct":
			counter = &c.DirectScanPages
		case "pgsteal_direct":
			counter = &c.DirectStealPages
		case "pswpin":
			counter = &c.SwapInPages
		case "pswpout":
			counter = &c.SwapOutPages
		case "pgmajfault":
			counter = &c.MajorFaults
		case "compact_stall":
			counter = &c.CompactStalls
		default:
			switch {
			case bytes.HasPrefix(name, []byte("allocstall")):
				counter = &c.AllocStalls
			case bytes.HasPrefix(name, []byte("workingset_refault")):
				counter = &c.RefaultPages
			default:
				continue
			}
		}
		n, ok := parseCount(value)
		if !ok {
			continue
		}
		if *counter != nil {
			n += **counter
		}
		*counter = &n
	}
	return &c
}

// parseStatm reads the resident pages of a statm file, "size resident shared …".
func parseStatm(line []byte) (pages uint64, ok bool) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	number, _, ok := bytes.Cut(rest, []byte(" "))
	if !ok {
		return 0, false
	}
	pages, err := strconv.ParseUint(string(number), 10, 48)
	return pages, err == nil
}

// StallTrigger is a file that poll(2) finds ready (POLLPRI), once a window, while tasks
// wait for memory for longer than the trigger says.
type StallTrigger struct {
	reader    *Reader
	fd        int
	method    string
	threshold uint64 // µs
	told      uint64 // waiting so far, in µs, when it last told of some
}

// stallTriggers are those to try, the best first, of a tenth of the time each. Who lacks
// CAP_SYS_RESOURCE gets windows of whole 2 s alone, from commit d82caa273565
// ("sched/psi: Allow unprivileged polling of N*2s period") (in v6.4) on, and none before.
var stallTriggers = [...]struct {
	threshold uint64 // µs
	window    uint64
	method    string
}{
	{100_000, 1_000_000, "psi some 100 ms in 1 s"},
	{200_000, 2_000_000, "psi some 200 ms in 2 s"},
}

// WatchStalls has the kernel tell when tasks wait for memory. Close ends that.
func (r *Reader) WatchStalls() (*StallTrigger, error) {
	name := filepath.Join(r.opts.Proc, pressureFile)
	fd, err := openAt(unix.AT_FDCWD, name, unix.O_RDWR|unix.O_NONBLOCK)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP):
		// psi_open and psi_show, kernel/sched/psi.c; the files are made with CONFIG_PSI.
		return nil, fmt.Errorf("this kernel tells no memory pressure (CONFIG_PSI, or psi=1 on its command line): %w", err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("memory pressure is told to those with CAP_SYS_RESOURCE alone: %w", err)
	case err != nil:
		return nil, fmt.Errorf("watch memory pressure: %w", err)
	}
	var errs []string
	for _, t := range stallTriggers {
		line := fmt.Appendf(nil, "some %d %d\x00", t.threshold, t.window)
		_, err := ignoringEINTR(func() (int, error) { return unix.Write(fd, line) })
		if err == nil {
			waited, _ := r.waited()
			return &StallTrigger{r, fd, t.method, t.threshold, waited}, nil
		}
		errs = append(errs, fmt.Sprintf("%s: %v", t.method, err))
		if errors.Is(err, unix.EOPNOTSUPP) {
			break
		}
	}
	unix.Close(fd)
	return nil, fmt.Errorf("watch memory pressure: %s", strings.Join(errs, "; "))
}

// FD is the file to poll.
func (t *StallTrigger) FD() int { return t.fd }

// Stalled says, when the file is ready, whether tasks really wait. A new trigger can be
// ready without a reason once or twice: psi_trigger_create (kernel/sched/psi.c) begins
// its window at zero in old kernels, and in newer ones at the counter of the privileged
// triggers, whichever it goes on with.
func (t *StallTrigger) Stalled() bool {
	waited, ok := t.reader.waited()
	if ok && waited-min(waited, t.told) < t.threshold/2 {
		return false
	}
	t.told = waited
	return true
}

// waited is for how long, in µs, at least one task has waited for memory.
func (r *Reader) waited() (us uint64, ok bool) {
	var buf [256]byte
	p := r.pressure(buf[:])
	if p == nil || p.SomeUS == nil {
		return 0, false
	}
	return *p.SomeUS, true
}

// Method says how stalls are noticed.
func (t *StallTrigger) Method() string { return t.method }

// Close ends the watch.
func (t *StallTrigger) Close() { unix.Close(t.fd) }
