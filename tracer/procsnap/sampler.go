// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
)

// How many a Sampler follows from sample to sample, with a file of each open.
const (
	FollowedTasks   = 128
	FollowedCgroups = 64
)

// Sample is the machine at one moment. What could not be read is nil or not there.
type Sample struct {
	BoottimeNS uint64
	Memory     *event.Memory
	// Pressure and Reclaim hold what the kernel has counted since it booted.
	Pressure *event.Pressure
	Reclaim  *event.Reclaim
	Tasks    []TaskSize
	Cgroups  []CgroupSize
	// CgroupsFromRoot says that paths of cgroups are those that the kernel's events
	// have: another cgroup namespace than the initial shows them from elsewhere, and
	// so does a mount of a part of them.
	CgroupsFromRoot bool
	// CPU is the processor time that reading took.
	CPU time.Duration
}

// TaskSize is a followed process and its resident memory.
type TaskSize struct {
	Slot    int    // below FollowedTasks, the same for as long as it is followed
	PID     int    // thread-group leader
	StartNS uint64 // on the kernel's boot clock, cut to a tick of 10 ms
	Comm    string
	CommHex string // raw bytes, when Comm had to be mended
	Cgroup  string // path in the hierarchy that accounts memory; "": not known
	Size
	// Earlier is what was seen of it before it was followed; zero: nothing.
	Earlier Size
}

// CgroupSize is a followed control group and what it is charged.
type CgroupSize struct {
	Slot    int    // below FollowedCgroups, the same for as long as it is followed
	ID      uint64 // inode of its folder
	Path    string // from the mount
	PathHex string // raw bytes, when Path had to be mended
	Version int    // of the hierarchy
	Size
	Earlier Size
}

// Size is a number of bytes at a time.
type Size struct {
	BoottimeNS uint64
	Bytes      uint64
}

// Sampler reads samples. Not all processes are looked at each time: reading one takes
// some 10 µs, most of it to open the file, so that 2,000 would take 20 ms. It follows
// those worth it (see worth), with their files open, and walks through the others for
// as long as the budget lasts, going on where it was in the next sample.
//
// It is for one goroutine, which may block for as long as the kernel does.
type Sampler struct {
	r         *Reader
	pageBytes uint64
	sample    Sample
	buf       [bufferSize]byte

	proc      folder // of Options.Proc; not open: processes are not looked at
	tasks     [FollowedTasks]followedTask
	taskPIDs  [FollowedTasks]int32 // those of tasks, close together: it is searched for each process
	seenTasks [4096]seen
	rounds    int // how often the walk came to the end

	cgroups cgroupWalk
}

// seen is what was last seen of one that is not followed. Two may share a place: then
// it looks as if they had not been seen.
type seen struct {
	key  uint64
	size Size
}

// tracked is a file that is kept open, and how what it tells develops.
type tracked struct {
	open      bool
	fd        int
	now, past uint64 // bytes; past comes after now by some 16 samples
	earlier   Size
}

type followedTask struct {
	tracked
	id TaskSize
}

// NewSampler returns a Sampler on r. withTasks is for a procfs of the initial pid
// namespace: else the pids there are not those of the kernel's events. Close ends it.
func NewSampler(r *Reader, withTasks bool) *Sampler {
	s := &Sampler{r: r, pageBytes: uint64(os.Getpagesize())}
	s.sample.Tasks = make([]TaskSize, 0, FollowedTasks)
	s.sample.Cgroups = make([]CgroupSize, 0, FollowedCgroups)
	if withTasks {
		s.proc.openAt(unix.AT_FDCWD, r.opts.Proc)
	}
	s.cgroups.open(r.memcgs)
	// Those of processes are told from this cgroup namespace's root.
	s.sample.CgroupsFromRoot = r.memcgs.fromRoot() && r.initCgroupNamespace()
	return s
}

// Close closes what is open.
func (s *Sampler) Close() {
	for i := range s.tasks {
		s.tasks[i].close()
	}
	s.proc.close()
	s.cgroups.close()
}

// walkLeast is how many processes are walked to even if the budget is used up.
const walkLeast = 16

// Sample reads a sample, and takes some budget of processor time for it. It is valid
// until the next call.
func (s *Sampler) Sample(budget time.Duration) *Sample {
	runtime.LockOSThread() // it is the thread whose time is counted
	defer runtime.UnlockOSThread()
	began := threadCPU()
	now := s.r.BoottimeNS()
	s.sample.BoottimeNS = now
	s.sample.Memory, _ = s.r.Memory()
	s.sample.Pressure = s.r.pressure(s.buf[:])
	s.sample.Reclaim = s.r.reclaim(s.buf[:])
	s.readTasks()
	s.cgroups.read(s.buf[:])
	s.cgroups.walk(s.buf[:], now, func() bool { return threadCPU()-began > budget/4 })
	s.walkTasks(now, func() bool { return threadCPU()-began > budget })

	s.sample.Tasks = s.sample.Tasks[:0]
	for i := range s.tasks {
		if t := &s.tasks[i]; t.open {
			t.id.Slot, t.id.Size, t.id.Earlier = i, Size{now, t.now}, t.earlier
			s.sample.Tasks = append(s.sample.Tasks, t.id)
		}
	}
	s.sample.Cgroups = s.cgroups.appendSizes(s.sample.Cgroups[:0], now)
	s.sample.CPU = threadCPU() - began
	return &s.sample
}

// readTasks reads the followed processes again.
func (s *Sampler) readTasks() {
	for i := range s.tasks {
		t := &s.tasks[i]
		if !t.open {
			continue
		}
		pages, ok := s.resident(t.fd)
		if !ok || pages == 0 { // gone, or its memory is
			s.dropTask(i)
			continue
		}
		was := t.now
		t.update(pages * s.pageBytes)
		if t.now < was/2 {
			// Likely it has executed another program.
			id, fd, err := s.identify(t.id.PID)
			if err != nil || id.StartNS != t.id.StartNS {
				s.dropTask(i)
			} else {
				t.close()
				t.id, t.open = id, true
			}
			t.fd = fd
		}
	}
}

func (s *Sampler) dropTask(slot int) {
	s.tasks[slot].close()
	s.taskPIDs[slot] = 0
}

// walkTasks looks at processes that are not followed, until it is enough or each was
// looked at.
func (s *Sampler) walkTasks(now uint64, enough func() bool) {
	if !s.proc.isOpen {
		return
	}
	first, wrapped := 0, false
	for n := 0; ; n++ {
		if n >= walkLeast && n%8 == 0 && enough() {
			return
		}
		pid, ok := s.proc.nextPID()
		switch {
		case !ok && wrapped:
			return
		case !ok:
			wrapped = true
			s.rounds++
			continue
		case first == 0:
			first = pid
		case wrapped && pid >= first: // this is where it began
			return
		}
		s.visitTask(pid, now)
	}
}

func (s *Sampler) visitTask(pid int, now uint64) {
	for _, followed := range s.taskPIDs {
		if int(followed) == pid {
			return
		}
	}
	fd, err := openAt(s.proc.fd, strconv.Itoa(pid)+"/statm", unix.O_RDONLY)
	if err != nil {
		return
	}
	pages, ok := s.resident(fd)
	unix.Close(fd)
	if !ok || pages == 0 {
		return // gone, or a kernel thread
	}
	size := Size{now, pages * s.pageBytes}
	earlier, grown := revisit(&s.seenTasks[pid%len(s.seenTasks)], uint64(pid), size, s.rounds > 0)
	slot := place(FollowedTasks, func(i int) *tracked { return &s.tasks[i].tracked }, worth(size.Bytes, grown))
	if slot < 0 {
		return
	}
	id, fd, err := s.identify(pid)
	if err != nil {
		return
	}
	if id.StartNS > earlier.BoottimeNS {
		earlier = Size{} // another process had the pid
	}
	s.tasks[slot].close()
	s.tasks[slot] = followedTask{follow(fd, size.Bytes, grown, earlier), id}
	s.taskPIDs[slot] = int32(pid)
}

// identify reads who pid is, and opens its statm.
func (s *Sampler) identify(pid int) (id TaskSize, fd int, err error) {
	dir, st, err := s.r.openTask(pid, 0, s.buf[:])
	if err != nil {
		return TaskSize{}, -1, err
	}
	defer unix.Close(dir)
	id = TaskSize{PID: pid, StartNS: s.r.startNS(st)}
	id.Comm, id.CommHex = event.CleanString(st.comm(s.buf[:]))
	if n, err := readAt(dir, "cgroup", s.buf[:]); err == nil {
		paths := parseCgroups(s.buf[:n])
		if c := paths.accounting(); c != nil {
			id.Cgroup = c.Path
		}
	}
	fd, err = openAt(dir, "statm", unix.O_RDONLY)
	return id, fd, err
}

// resident reads the second number of a statm file, the resident pages.
func (s *Sampler) resident(fd int) (pages uint64, ok bool) {
	n, err := ignoringEINTR(func() (int, error) { return unix.Pread(fd, s.buf[:128], 0) })
	if err != nil {
		return 0, false
	}
	return parseStatm(s.buf[:n])
}

// worth is how much one of so many bytes, and which has grown by so many, is worth
// following: the OOM killer takes the largest of those below a limit, wherever that is,
// and what reaches a limit has grown.
func worth(bytes, grown uint64) uint64 { return bytes + 8*grown }

func (t *tracked) worth() uint64 { return worth(t.now, t.now-min(t.now, t.past)) }

// update takes the size as it is now.
func (t *tracked) update(now uint64) {
	t.now = now
	if t.past > now {
		t.past = now
	}
	t.past += (now - t.past) / 16
}

func (t *tracked) close() {
	if t.open {
		unix.Close(t.fd)
		t.open = false
	}
}

// follow begins to follow what fd tells.
func follow(fd int, bytes, grown uint64, earlier Size) tracked {
	return tracked{open: true, fd: fd, now: bytes, past: bytes - min(bytes, grown), earlier: earlier}
}

// place is where one of such worth is to be followed: in a slot that is free, or in
// that of the one that is worth the least, if that is clearly less. It is -1 if nowhere.
func place(slots int, slot func(int) *tracked, worth uint64) int {
	least, at := uint64(0), -1
	for i := range slots {
		t := slot(i)
		if !t.open {
			return i
		}
		if w := t.worth(); at < 0 || w < least {
			least, at = w, i
		}
	}
	if worth <= least+least/8 { // else those of one size would take turns
		return -1
	}
	return at
}

// revisit notes the size of one that is not followed. It returns what it was before,
// zero if that is not known, and by how much it has grown since: by all, if it was not
// there when all were seen before.
func revisit(s *seen, key uint64, size Size, allSeen bool) (earlier Size, grown uint64) {
	switch {
	case s.key == key:
		earlier = s.size
		grown = size.Bytes - min(size.Bytes, earlier.Bytes)
	case allSeen:
		grown = size.Bytes
	}
	*s = seen{key, size}
	return earlier, grown
}

// threadCPU is the processor time of the calling thread.
func threadCPU() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
