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

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
)

// cmdlineLimit bounds what is read of a command line.
const cmdlineLimit = 4 << 10

// Identity is who a process is. What could not be read is absent.
type Identity struct {
	Cmdline          *string // one line, as Options.Cmdline shows it
	CmdlineHex       string
	CmdlineTruncated bool // it is longer than 4 KiB
	Exe              *string
	ExeHex           string
	PPID             *int
	KThread          *bool
	Cgroup           *event.Cgroup // seen from this cgroup namespace
	Container        *event.Container
	Pod              *event.Pod
	Unit             string

	startTicks uint64 // on the boot clock of this time namespace
}

// Task reads who pid is. startBoottimeNS is the start time that the kernel's
// event told, 0 if it told none: a process that did not start then, to a clock
// tick, is another one. The errors are ErrGone, ErrReused, or what the system
// says.
func (r *Reader) Task(pid int, startBoottimeNS uint64) (Identity, error) {
	buf := r.buffers.Get().(*[bufferSize]byte)
	defer r.buffers.Put(buf)
	dir, st, err := r.openTask(pid, startBoottimeNS, buf[:])
	if err != nil {
		return Identity{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	defer unix.Close(dir)

	id := Identity{PPID: &st.ppid, KThread: event.Ptr(st.flags&pfKthread != 0), startTicks: st.startTicks}
	exe, exeErr := readlinkAt(dir, "exe", buf[:cmdlineLimit])
	if exeErr == nil {
		id.Exe, id.ExeHex = r.showExe(exe)
	}
	n, cmdErr := readAt(dir, "cmdline", buf[:cmdlineLimit+1])
	if cmdErr == nil && n == 0 && exeErr != nil {
		// No command line and no executable: there is no address space (any more).
		if st.dead() {
			return Identity{}, fmt.Errorf("read process %d: %w", pid, ErrGone)
		}
	} else if cmdErr == nil {
		r.showCmdline(&id, buf[:n], cmdlineLimit)
	}
	if n, err := readAt(dir, "cgroup", buf[:]); err == nil {
		id.setCgroup(buf[:n])
	} else if cmdErr != nil && exeErr != nil {
		return Identity{}, fmt.Errorf("read process %d: %w", pid, orGone(err))
	}
	return id, nil
}

// showExe is an executable's path, if Options.Cmdline says to show it.
func (r *Reader) showExe(path []byte) (s *string, hexRaw string) {
	if !r.opts.Cmdline.Exe() {
		return nil, ""
	}
	return event.CleanText(path)
}

// showCmdline sets the command line as Options.Cmdline says. args go on for more than
// limit bytes where it is cut.
func (r *Reader) showCmdline(id *Identity, args []byte, limit int) {
	if line := r.opts.Cmdline.LineUpTo(args, limit); line != nil {
		id.Cmdline, id.CmdlineHex = event.CleanText(line)
		id.CmdlineTruncated = len(args) > limit
	}
}

// openTask opens the folder of pid, for its files to be read without a race: once
// the process is gone they give ESRCH, even when its pid is taken again.
func (r *Reader) openTask(pid int, startBoottimeNS uint64, buf []byte) (dir int, st stat, err error) {
	if pid <= 0 {
		return -1, stat{}, ErrGone
	}
	dir, err = openAt(unix.AT_FDCWD, filepath.Join(r.opts.Proc, strconv.Itoa(pid)), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, stat{}, orGone(err)
	}
	n, err := readAt(dir, "stat", buf)
	if err != nil {
		unix.Close(dir)
		return -1, stat{}, orGone(err)
	}
	st, ok := parseStat(buf[:n])
	switch {
	case !ok:
		err = errors.New("malformed stat")
	case startBoottimeNS != 0 && !r.startedAt(st, startBoottimeNS):
		err = ErrReused
	}
	if err != nil {
		unix.Close(dir)
		return -1, stat{}, err
	}
	return dir, st, nil
}

// startedAt compares start times. The kernel shows them in the time namespace of
// the reader and cut to ticks.
func (r *Reader) startedAt(st stat, boottimeNS uint64) bool {
	diff := int64(st.startTicks) - (int64(boottimeNS)+r.timensNS)/tickNS
	return -1 <= diff && diff <= 1
}

// startNS is when a process began, on the boot clock of the kernel's events, cut to a
// tick.
func (r *Reader) startNS(st stat) uint64 {
	return uint64(int64(st.startTicks)*tickNS - r.timensNS)
}

// startedAfter says whether the process began only after boottimeNS: then it is not
// the one of an event of that time.
func (r *Reader) startedAfter(id *Identity, boottimeNS uint64) bool {
	return int64(id.startTicks) > (int64(boottimeNS)+r.timensNS)/tickNS
}

// orGone makes ErrGone of the errors that a vanished process gives.
func orGone(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}

func readlinkAt(dir int, name string, buf []byte) ([]byte, error) {
	n, err := ignoringEINTR(func() (int, error) { return unix.Readlinkat(dir, name, buf) })
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// setCgroup takes the cgroup, and who owns it, from /proc/PID/cgroup.
func (id *Identity) setCgroup(file []byte) { id.setOwner(parseCgroups(file)) }

func (id *Identity) setOwner(paths cgroupPaths) {
	id.Cgroup = paths.accounting()
	var slice string
	for _, path := range [...][]byte{paths.memory, paths.unified, paths.systemd} {
		owner := cgroup.Parse(string(path))
		if id.Container == nil && id.Pod == nil {
			id.Container, id.Pod = owner.Container, owner.Pod
		}
		if isSlice(owner.Unit) {
			slice = owner.Unit
		} else if owner.Unit != "" {
			id.Unit = owner.Unit
		}
	}
	if id.Unit == "" {
		id.Unit = slice
	}
}

// cgroupPaths are a process's paths in the hierarchies of interest; nil if it is
// in none such.
type cgroupPaths struct {
	memory  []byte // v1
	systemd []byte // v1, name=systemd
	unified []byte // v2
}

// accounting is the one that accounts memory; nil if there is none.
func (p *cgroupPaths) accounting() *event.Cgroup {
	switch {
	case p.memory != nil:
		return describe(1, p.memory)
	case p.unified != nil:
		return describe(2, p.unified)
	}
	return nil
}

// parseCgroups reads lines "hierarchy:controllers:path". A line without an end,
// cut by the buffer, does not count.
func parseCgroups(file []byte) cgroupPaths {
	var paths cgroupPaths
	for line := range bytes.Lines(file) {
		line, ok := bytes.CutSuffix(line, []byte{'\n'})
		hierarchy, rest, ok1 := bytes.Cut(line, []byte{':'})
		controllers, path, ok2 := bytes.Cut(rest, []byte{':'})
		path = bytes.TrimSuffix(path, []byte(" (deleted)"))
		if !ok || !ok1 || !ok2 || !bytes.HasPrefix(path, []byte{'/'}) {
			continue
		}
		if string(hierarchy) == "0" && len(controllers) == 0 {
			paths.unified = path
			continue
		}
		for c := range bytes.SplitSeq(controllers, []byte{','}) {
			switch string(c) {
			case "memory":
				paths.memory = path
			case "name=systemd":
				paths.systemd = path
			}
		}
	}
	return paths
}

// FillTask sets the fields of t that are absent and that id knows.
func (id *Identity) FillTask(t *event.Task) {
	fill(&t.Cmdline, &t.CmdlineHex, id.Cmdline, id.CmdlineHex)
	fill(&t.Exe, &t.ExeHex, id.Exe, id.ExeHex)
	if t.KThread == nil {
		t.KThread = id.KThread
	}
	id.fillOwner(&t.Cgroup, &t.Container, &t.Pod, &t.Unit)
}

// FillVictim sets the fields of v that are absent and that id knows.
func (id *Identity) FillVictim(v *event.Victim) {
	fill(&v.Cmdline, &v.CmdlineHex, id.Cmdline, id.CmdlineHex)
	fill(&v.Exe, &v.ExeHex, id.Exe, id.ExeHex)
	if v.PPID == nil {
		v.PPID = id.PPID
	}
	id.fillOwner(&v.Cgroup, &v.Container, &v.Pod, &v.Unit)
}

func (id *Identity) fillOwner(cg **event.Cgroup, container **event.Container, pod **event.Pod, unit *string) {
	if *cg == nil {
		*cg = id.Cgroup
	}
	if *container == nil && *pod == nil {
		*container, *pod = id.Container, id.Pod
	}
	if id.Unit != "" && (*unit == "" || isSlice(*unit)) {
		*unit = id.Unit
	}
}

// isSlice says whether a unit is a mere slice: on v1 the memory hierarchy may end
// there, and systemd's own goes on to the service.
func isSlice(unit string) bool { return strings.HasSuffix(unit, ".slice") }

func fill(dst **string, dstHex *string, src *string, srcHex string) {
	if *dst == nil {
		*dst, *dstHex = src, srcHex
	}
}
