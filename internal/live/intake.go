// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"sync/atomic"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/boottime"
	"github.com/oomtrace/oomtrace/decode/wire"
)

// Slots of the queues. When one is full its ring fills up, and what does
// not fit there the kernel counts.
const (
	oomSlots   = 64
	clockSlots = 512
	// sigkillSlots are taken only where SIGKILLs are asked for.
	sigkillSlots = 128
)

// slot holds one record on its way to the pump.
type slot struct {
	seq  uint64
	n    int
	step *wire.Step // nil: not a step
	raw  []byte
	held wire.Step
}

// intake takes records from the rings' readers, one goroutine each.
type intake struct {
	seq     *atomic.Uint64
	offsets *boottime.Offsets
	errorNS *atomic.Int64
	// stepErrorNS is the largest bound of a step since the pump last had no doubt.
	stepErrorNS atomic.Int64
	oom, clock  queue
	sigkill     queue // without slots where SIGKILLs are not asked for
	host        hostClock

	clockRec wire.Record // the clock reader's own
}

// queue is slots going round: free to the reader, full to the pump.
type queue struct {
	free, full chan *slot
}

func newQueue(n, size int) queue {
	q := queue{free: make(chan *slot, n), full: make(chan *slot, n)}
	backing := make([]byte, n*size)
	slots := make([]slot, n)
	for i := range slots {
		slots[i].raw = backing[i*size : (i+1)*size : (i+1)*size]
		q.free <- &slots[i]
	}
	return q
}

func newIntake(seq *atomic.Uint64, offsets *boottime.Offsets, errorNS *atomic.Int64, host hostClock) *intake {
	return &intake{
		seq: seq, offsets: offsets, errorNS: errorNS, host: host,
		oom:   newQueue(oomSlots, wire.MaxLen),
		clock: newQueue(clockSlots, wire.MaxClockLen),
	}
}

// put copies raw into a free slot; it waits for one.
func (q *queue) put(raw []byte) *slot {
	s := <-q.free
	s.n = copy(s.raw, raw)
	s.seq, s.step = 0, nil
	return s
}

// OOM implements tracer.Sink.
func (in *intake) OOM(raw []byte) {
	s := in.oom.put(raw)
	// What belongs to a kill gets no number of its own: its event does.
	switch wire.KindOf(raw) {
	case bpf.OomtraceWireKindWIRE_KIND_KILL, bpf.OomtraceWireKindWIRE_KIND_NOKILL:
		s.seq = in.seq.Add(1)
	}
	in.oom.full <- s
}

// Sigkill implements tracer.Sink. The OOM killer's are no events of their own, so that
// none has a number yet.
func (in *intake) Sigkill(raw []byte) { in.sigkill.full <- in.sigkill.put(raw) }

// Clock implements tracer.Sink. Steps are noted here already, so that the times
// of OOM events, which come another way, are right from then on.
func (in *intake) Clock(raw []byte) {
	s := in.clock.put(raw)
	if in.clockRec.Parse(raw) == nil {
		w := &in.clockRec.Clock
		was := in.errorNS.Load()
		step, ok := wire.StepOf(w, in.offsets.At(w.H.BoottimeNs), was)
		if wire.NeedsSample(w) {
			offset, bound := in.host.sampleOffset()
			step, ok = wire.Step{
				NS: offset - in.offsets.At(w.H.BoottimeNs), ErrorNS: bound + was,
				Source: "offset", BootNS: w.H.BoottimeNs + 1,
			}, true
			// The first time zone of a boot moves nothing if it is UTC.
			if bpf.OomtraceWireClockFunc(w.Func) == bpf.OomtraceWireClockFuncWIRE_CLOCK_WARP && step.NS <= step.ErrorNS && step.NS >= -step.ErrorNS {
				in.clock.free <- s
				return
			}
		}
		if ok {
			s.held = step
			s.step = &s.held
			in.offsets.Set(step.BootNS, in.offsets.At(w.H.BoottimeNs)+step.NS)
			if step.ErrorNS > 0 {
				// What the clock was set to is known, when it was set to within this:
				// the next step builds on it, until the offset is sampled again.
				in.errorNS.Store(step.ErrorNS - was)
				in.stepErrorNS.Store(max(in.stepErrorNS.Load(), step.ErrorNS))
			}
		}
	}
	s.seq = in.seq.Add(1)
	in.clock.full <- s
}
