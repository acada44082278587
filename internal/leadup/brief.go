// SPDX-License-Identifier: Apache-2.0

//go:build linux

package leadup

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// How much of what is remembered a kill, and a sample, tell.
const (
	victimPoints  = 8
	killGrowers   = 5
	killCgroups   = 3
	sampleGrowers = 8
	// leastGrowth is what counts as growth: less comes and goes. So does what is less
	// than a leastPart of the most.
	leastGrowth = 256 << 10
	leastPart   = 32
	// startSlack is by how much two readings of one start time differ: /proc cuts it
	// to ticks of 10 ms.
	startSlack = 20 * uint64(time.Millisecond)
)

// Brief is what led up to the kill of k at boot, a time of the boot clock in ns.
func (h *History) Brief(k *event.Kill, boot uint64) *event.LeadUp {
	q := query{from: since(boot), to: boot}
	moments := h.moments.until(q.from, q.to)
	if len(moments) == 0 {
		return &event.LeadUp{State: event.LeadUpNotSampled}
	}
	q.sampled, q.again = sampled(moments)
	first, last := &moments[0], &moments[len(moments)-1]
	l := &event.LeadUp{
		State:    event.LeadUpOK,
		Samples:  last.v.number - first.v.number + 1,
		SpanMS:   event.Ptr(ms(last.at - first.at)),
		BeforeMS: event.Ptr(ms(boot - last.at)),
		Pressure: pressureBetween(first.v.pressure, last.v.pressure),
	}
	if len(moments) > 1 {
		l.Reclaim = reclaimBetween(first.v.reclaim, last.v.reclaim)
		l.MemoryChange = memoryBetween(first.v.memory, last.v.memory)
	} else if l.Pressure != nil {
		l.Pressure.SomeUS, l.Pressure.FullUS = nil, nil
	}
	l.VictimRSS = h.rssOf(&k.Victim, q)
	l.GrowersOf = event.GrowersOfMachine
	if k.Scope == event.ScopeMemcg && h.fromRoot && k.Limit != nil && k.Limit.Cgroup != nil && !k.Limit.Cgroup.Truncated {
		l.GrowersOf, q.below = event.GrowersOfLimit, k.Limit.Cgroup
	}
	l.Growers = h.growers(q, killGrowers)
	l.CgroupGrowers = h.cgroupGrowers(q, killCgroups)
	return l
}

// rssOf is how the victim's memory developed.
func (h *History) rssOf(v *event.Victim, q query) []event.RSSPoint {
	if v.StartBoottimeNS == nil {
		return nil // its pid may have been another's
	}
	for i := range h.tasks {
		e := &h.tasks[i]
		if e.id != uint64(v.PID) || distance(e.start, *v.StartBoottimeNS) > startSlack {
			continue
		}
		points := e.sizes.until(q.from, q.to)
		n := min(len(points), victimPoints)
		out := make([]event.RSSPoint, n)
		for i := range n {
			p := points[len(points)-1]
			if n > 1 {
				p = points[i*(len(points)-1)/(n-1)]
			}
			out[i] = event.RSSPoint{BeforeMS: ms(q.to - p.at), RSSBytes: p.v}
		}
		return out
	}
	return nil
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }

// query is a time, and where to look.
type query struct {
	from, to uint64
	below    *event.Cgroup // nil: everywhere
	// sampled is when the first sample of that time was taken, again when the second was.
	sampled, again uint64
}

// tick is what /proc cuts the start of a process to.
const tick = uint64(10 * time.Millisecond)

// beganIn says whether a process has begun in the time that was sampled: after the first
// sample, or in the same tick and not seen by it.
func (q query) beganIn(start, seen uint64) bool {
	return start+tick > q.sampled && seen >= q.again
}

// sampled are the times of the first sample and of the second, of which there may be none.
func sampled(moments []point[moment]) (first, second uint64) {
	if len(moments) < 2 {
		return moments[0].at, math.MaxUint64
	}
	return moments[0].at, moments[1].at
}

// below says whether the cgroup at path is the one at parent, or in it.
func below(path, parent string) bool {
	if !strings.HasPrefix(path, parent) {
		return false
	}
	return len(path) == len(parent) || parent == "/" || path[len(parent)] == '/'
}

// growth is by how much one of a series has grown, and since when.
type growth struct {
	e           *series
	bytes, grew uint64
	over        uint64 // ns
	began       bool
}

// grown gives those that have, the one that grew most first.
func grown(all []series, q query) []growth {
	out := make([]growth, 0, len(all))
	for i := range all {
		e := &all[i]
		points := e.sizes.until(q.from, q.to)
		if len(points) == 0 || e.gone != 0 && e.gone <= q.to || q.below != nil && !below(e.path, q.below.Path) {
			continue
		}
		last := points[len(points)-1]
		g := growth{e: e, bytes: last.v}
		if q.beganIn(e.start, points[0].at) {
			g.grew, g.over, g.began = last.v, last.at-min(last.at, e.start), true
		} else {
			least := last
			for _, p := range points {
				if p.v <= least.v {
					least = p
				}
			}
			g.grew, g.over = last.v-least.v, last.at-least.at
		}
		if g.grew >= leastGrowth {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b growth) int {
		return cmp.Or(cmp.Compare(b.grew, a.grew), cmp.Compare(a.e.id, b.e.id))
	})
	for i := range out {
		if out[i].grew < out[0].grew/leastPart {
			return out[:i]
		}
	}
	return out
}

func (h *History) growers(q query, most int) []event.Grower {
	all := grown(h.tasks[:], q)
	all = all[:min(len(all), most)]
	var out []event.Grower
	for _, g := range all {
		out = append(out, event.Grower{
			PID: int(g.e.id), Comm: event.Ptr(g.e.comm), CommHex: g.e.hex,
			RSSBytes: g.bytes, GrewBytes: g.grew, OverMS: ms(g.over), Began: g.began,
		})
	}
	return out
}

// cgroupGrowers leaves out those of which one in them has done most of the growing.
func (h *History) cgroupGrowers(q query, most int) []event.CgroupGrower {
	all := grown(h.cgroups[:], q)
	var out []event.CgroupGrower
	for i := range all {
		g := &all[i]
		through := slices.ContainsFunc(all, func(inner growth) bool {
			return inner.e != g.e && inner.grew >= g.grew/4*3 && below(inner.e.path, g.e.path)
		})
		if through {
			continue
		}
		if len(out) == most {
			break
		}
		cg := event.Cgroup{Version: g.e.version, Path: g.e.path, PathHex: g.e.hex}
		if cg.Version == 1 {
			cg.Controller = "memory"
		}
		out = append(out, event.CgroupGrower{Cgroup: cg, UsageBytes: g.bytes, GrewBytes: g.grew, OverMS: ms(g.over)})
	}
	return out
}

// pressureBetween is that of b, with the waiting since a.
func pressureBetween(a, b *event.Pressure) *event.Pressure {
	if b == nil {
		return nil
	}
	out := &event.Pressure{SomeAvg10Percent: b.SomeAvg10Percent, FullAvg10Percent: b.FullAvg10Percent}
	if a != nil {
		out.SomeUS, out.FullUS = counted(a.SomeUS, b.SomeUS), counted(a.FullUS, b.FullUS)
	}
	return out
}

func reclaimBetween(a, b *event.Reclaim) *event.Reclaim {
	if a == nil || b == nil {
		return nil
	}
	return &event.Reclaim{
		AllocStalls:      counted(a.AllocStalls, b.AllocStalls),
		DirectScanPages:  counted(a.DirectScanPages, b.DirectScanPages),
		DirectStealPages: counted(a.DirectStealPages, b.DirectStealPages),
		SwapInPages:      counted(a.SwapInPages, b.SwapInPages),
		SwapOutPages:     counted(a.SwapOutPages, b.SwapOutPages),
		MajorFaults:      counted(a.MajorFaults, b.MajorFaults),
		RefaultPages:     counted(a.RefaultPages, b.RefaultPages),
		CompactStalls:    counted(a.CompactStalls, b.CompactStalls),
	}
}

func memoryBetween(a, b *event.Memory) *event.MemoryChange {
	if a == nil || b == nil {
		return nil
	}
	return &event.MemoryChange{
		AvailableBytes: changed(a.AvailableBytes, b.AvailableBytes),
		CachedBytes:    changed(a.CachedBytes, b.CachedBytes),
		ShmemBytes:     changed(a.ShmemBytes, b.ShmemBytes),
		SlabBytes:      changed(a.SlabBytes, b.SlabBytes),
		SwapFreeBytes:  changed(a.SwapFreeBytes, b.SwapFreeBytes),
	}
}

// counted is what a counter has counted from a to b. Counters of CPUs that went
// offline are moved, and may seem to go back meanwhile: then it is not known.
func counted(a, b *uint64) *uint64 {
	if a == nil || b == nil || *b < *a {
		return nil
	}
	return event.Ptr(*b - *a)
}

func changed(a, b *uint64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	return event.Ptr(int64(*b) - int64(*a))
}
