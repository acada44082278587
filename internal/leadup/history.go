// SPDX-License-Identifier: Apache-2.0

//go:build linux

package leadup

import (
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// Window is how far back samples are remembered.
const Window = 10 * time.Minute

// History is what was sampled. Its zero value is ready for use. Nothing else may use it
// during Add, which takes no memory.
type History struct {
	samples  int // ever taken
	moments  trail[moment]
	tasks    [procsnap.FollowedTasks]series
	cgroups  [procsnap.FollowedCgroups]series
	fromRoot bool // paths of cgroups are those of kills
}

// moment is the machine at a sample.
type moment struct {
	number   int
	memory   *event.Memory
	pressure *event.Pressure
	reclaim  *event.Reclaim
}

// series is the size of one process or cgroup over the time.
type series struct {
	id      uint64 // pid, or inode
	start   uint64 // of a process
	comm    string // of a process
	path    string // of the cgroup
	hex     string // raw bytes, when what names it had to be mended
	version int
	sizes   trail[uint64]
	// gone is when it was found to be no more; 0: it is there. It is remembered until
	// another needs its place: a kill that comes late is explained even so.
	gone uint64
}

// Add takes a sample.
func (h *History) Add(s *procsnap.Sample) {
	now := s.BoottimeNS
	oldest := since(now)
	h.samples++
	h.fromRoot = s.CgroupsFromRoot
	h.moments.add(now, moment{h.samples, s.Memory, s.Pressure, s.Reclaim}, oldest)

	var there [procsnap.FollowedTasks]bool
	for i := range s.Tasks {
		t := &s.Tasks[i]
		there[t.Slot] = true
		e := &h.tasks[t.Slot]
		if e.id != uint64(t.PID) || e.start != t.StartNS {
			*e = series{id: uint64(t.PID), start: t.StartNS}
		}
		e.comm, e.hex, e.path = t.Comm, t.CommHex, t.Cgroup
		e.add(t.Size, t.Earlier, oldest)
	}
	mark(h.tasks[:], there[:], now)

	there = [procsnap.FollowedTasks]bool{}
	for i := range s.Cgroups {
		c := &s.Cgroups[i]
		there[c.Slot] = true
		e := &h.cgroups[c.Slot]
		if e.id != c.ID || e.path != c.Path {
			*e = series{id: c.ID, path: c.Path, hex: c.PathHex, version: c.Version}
		}
		e.add(c.Size, c.Earlier, oldest)
	}
	mark(h.cgroups[:], there[:], now)
}

// since is the beginning of the window that ends at now.
func since(now uint64) uint64 { return now - min(now, uint64(Window)) }

func (e *series) add(now, earlier procsnap.Size, oldest uint64) {
	if e.sizes.n == 0 && earlier.BoottimeNS >= oldest && earlier.BoottimeNS != 0 {
		e.sizes.add(earlier.BoottimeNS, earlier.Bytes, oldest)
	}
	e.sizes.add(now.BoottimeNS, now.Bytes, oldest)
	e.gone = 0
}

// mark notes which of them are no more.
func mark(all []series, there []bool, now uint64) {
	for i := range all {
		if e := &all[i]; !there[i] && e.gone == 0 {
			e.gone = now
		}
	}
}

// Sample is what an event tells of s, which was added last.
func (h *History) Sample(s *procsnap.Sample, reason event.SampleReason) *event.Sample {
	out := &event.Sample{Reason: reason, Memory: s.Memory, CPUUS: event.Ptr(s.CPU.Microseconds())}
	if s.Memory != nil {
		s.Memory.AgeMS = event.Ptr(int64(0))
	}
	points := h.moments.until(0, s.BoottimeNS)
	if n := len(points); n > 0 {
		first := points[max(0, n-2)]
		out.Pressure = pressureBetween(first.v.pressure, s.Pressure)
		if n > 1 {
			out.SpanMS = event.Ptr(ms(s.BoottimeNS - first.at))
			out.Reclaim = reclaimBetween(first.v.reclaim, s.Reclaim)
		} else if out.Pressure != nil {
			out.Pressure.SomeUS, out.Pressure.FullUS = nil, nil
		}
	}
	q := query{from: since(s.BoottimeNS), to: s.BoottimeNS}
	if points := h.moments.until(q.from, q.to); len(points) > 0 {
		q.sampled, q.again = sampled(points)
	}
	out.Growers = h.growers(q, sampleGrowers)
	out.CgroupGrowers = h.cgroupGrowers(q, sampleGrowers)
	return out
}

func ms(ns uint64) int64 { return int64(ns / uint64(time.Millisecond)) }
