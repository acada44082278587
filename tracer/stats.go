// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/oomtrace/oomtrace/bpf"
)

// Stats counts since Open.
type Stats struct {
	OOMReserve   uint64 // OOM records that did not fit the ring
	ClockReserve uint64 // clock records that did not fit
	// SigkillReserve counts SIGKILL records that did not fit.
	SigkillReserve uint64
	Read           uint64 // failed reads of kernel memory: fields that are absent
	ReadArgument   uint64 // clock calls whose argument could not be read
	ClockReads     uint64 // adjtimex calls that changed nothing
	Invocations    uint64 // of the OOM killer
	Exiting        uint64 // tasks marked that were dying anyway: no kills
	Waits          uint64 // invocations that found an earlier victim still dying
	NoKills        uint64 // invocations without a kill that were not told, since too many were

	Recursion   *uint64 // programs skipped since another ran; nil: not known
	ProbeMissed *uint64 // probes that did not fire; nil: not known
}

// Stats reads the counters.
func (t *Tracer) Stats() (Stats, error) {
	var percpu []bpf.OomtraceWireStats
	var s Stats
	if err := t.maps.Maps["stats"].Lookup(uint32(0), &percpu); err != nil {
		return s, fmt.Errorf("read the counters: %w", err)
	}
	for _, c := range percpu {
		s.OOMReserve += c.OomReserve
		s.ClockReserve += c.ClockReserve
		s.SigkillReserve += c.SigkillReserve
		s.Read += c.Read
		s.ReadArgument += c.ClockReadEvents
		s.ClockReads += c.ClockReads
		s.Invocations += c.Invocations
		s.Exiting += c.Exiting
		s.Waits += c.Waits
		s.NoKills += c.Nokills
	}
	s.Recursion = t.recursionMisses()
	t.linksMu.Lock()
	defer t.linksMu.Unlock()
	if s.ProbeMissed = t.missed; !t.detached {
		s.ProbeMissed = t.probeMissed()
	}
	return s, nil
}

// SeesInvocations says whether each invocation of the OOM killer is counted, and what
// came of it: its entry and its return are hooked.
func (t *Tracer) SeesInvocations() bool {
	return t.programs["oom_return_fexit"] != nil || t.programs["oom_return_kprobe"] != nil
}

// recursionMisses sums bpf_prog_info.recursion_misses (commit 9ed9e9ba2337 ("bpf:
// Count the number of times recursion was prevented"), in v5.12). Programs of kprobes
// and plain tracepoints count there since commit dd8657894c11 ("bpf: Count missed stats
// in trace_call_bpf") (in v6.7), of the series that added bpf_link_info.missed.
func (t *Tracer) recursionMisses() *uint64 {
	if !t.knowsRecursion || !t.knowsMissed && (t.attached(ebpf.Kprobe) || t.attached(ebpf.TracePoint)) {
		return nil
	}
	var sum uint64
	for name, p := range t.programs {
		// The return's program makes up for a missed entry: nothing is lost.
		switch name {
		case "adjtimex_fentry", "settime_fentry", "warp_fentry":
			continue
		}
		st, err := p.Stats()
		if err != nil {
			return nil
		}
		sum += st.RecursionMisses
	}
	return &sum
}

// attached says whether a program of a type is.
func (t *Tracer) attached(typ ebpf.ProgramType) bool {
	for _, p := range t.programs {
		if p.Type() == typ {
			return true
		}
	}
	return false
}

// probeMissed sums the missed hits of kprobes, where the kernel tells (commit
// 3acf8ace6823 ("bpf: Add missed value to kprobe perf link info"), in v6.7).
func (t *Tracer) probeMissed() *uint64 {
	var sum uint64
	if !t.attached(ebpf.Kprobe) {
		return &sum // there is nothing to miss
	}
	if !t.knowsMissed {
		return nil
	}
	for _, l := range t.links {
		info, err := l.Info()
		if err != nil {
			return nil
		}
		if pe := info.PerfEvent(); pe != nil {
			if kp := pe.Kprobe(); kp != nil {
				sum += kp.Missed
			}
		}
	}
	return &sum
}
