// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"testing"
	"unsafe"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
)

// Whatever parses decodes without a panic to what the schema allows.
func FuzzParse(f *testing.F) {
	f.Add(rawKill(newKill(), tailLen))
	f.Add(raw(newKill(), bpf.OomtraceWireKindWIRE_KIND_SIGNAL, killFixed, 0))
	f.Add(rawClock(newClock(), tailLen))
	f.Add(rawClock(newSet(1<<40, 5), tailLen))
	f.Add(rawChoice(newChoice()))
	f.Add(raw(newKill(), bpf.OomtraceWireKindWIRE_KIND_NOKILL, killFixed, 0))
	f.Add(rawMoment(bpf.OomtraceWireMoment{Pid: 1, What: 3}))
	f.Add(rawSigkill(newSigkill(), tailLen))
	f.Add([]byte("short"))
	for _, g := range goldens(f) {
		f.Add(g.raw)
	}
	symbols := newSymbols(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		// Lengths must agree, which random bytes would never: help them.
		for _, kind := range []bpf.OomtraceWireKind{
			0, bpf.OomtraceWireKindWIRE_KIND_KILL, bpf.OomtraceWireKindWIRE_KIND_CLOCK, bpf.OomtraceWireKindWIRE_KIND_CHOICE,
			bpf.OomtraceWireKindWIRE_KIND_NOKILL, bpf.OomtraceWireKindWIRE_KIND_MOMENT,
			bpf.OomtraceWireKindWIRE_KIND_SIGKILL,
		} {
			b := data
			if kind != 0 {
				b = shape(data, kind)
			}
			d := newDecoder()
			d.Machine.RAMPages, d.Machine.SwapPages = event.Ptr(uint64(1<<20)), event.Ptr(uint64(1<<10))
			d.Symbols.Store(symbols)
			var r Record
			if r.Parse(b) != nil {
				continue
			}
			switch r.Kind {
			case bpf.OomtraceWireKindWIRE_KIND_CLOCK:
				var step *Step
				if s, ok := StepOf(&r.Clock, 1e18, 40); ok {
					step = &s
				}
				for range 2 { // the second has a before
					lines(t, &event.Event{Type: event.TypeClockAdjust, Clock: d.Clock(&r, step)})
				}
			case bpf.OomtraceWireKindWIRE_KIND_CHOICE:
				// As if it had led to a kill that computes, and to one that does not.
				for _, valid := range []uint64{0, newKill().H.Valid} {
					w := newKill()
					w.H.Valid = valid
					if err := r.Parse(rawKill(w, tailLen)); err != nil {
						t.Fatal(err)
					}
					k := d.Kill(&r)
					d.Choice(k, &r.Kill, &r.Choice)
					lines(t, &event.Event{Type: event.TypeOOMKill, Kill: k})
				}
			case bpf.OomtraceWireKindWIRE_KIND_NOKILL:
				lines(t, &event.Event{Type: event.TypeOOMNoKill, NoKill: d.NoKill(&r)})
			case bpf.OomtraceWireKindWIRE_KIND_MOMENT:
				d.Moment(&r)
			case bpf.OomtraceWireKindWIRE_KIND_SIGKILL:
				s, _ := d.Sigkill(&r)
				lines(t, &event.Event{Type: event.TypeProcSigkill, Sigkill: s})
			default:
				lines(t, &event.Event{Type: event.TypeOOMKill, Kill: d.Kill(&r)})
			}
		}
	})
}

// shape makes a record of a kind from data: cut or filled up to a length that
// such a record can have, with a header that says so.
func shape(data []byte, kind bpf.OomtraceWireKind) []byte {
	fixed, most := killFixed, MaxLen
	switch kind {
	case bpf.OomtraceWireKindWIRE_KIND_CLOCK:
		fixed, most = clockFixed, MaxClockLen
	case bpf.OomtraceWireKindWIRE_KIND_CHOICE:
		fixed, most = choiceFixed, int(unsafe.Sizeof(bpf.OomtraceWireChoice{}))
	case bpf.OomtraceWireKindWIRE_KIND_MOMENT:
		fixed = int(unsafe.Sizeof(bpf.OomtraceWireMoment{}))
		most = fixed
	case bpf.OomtraceWireKindWIRE_KIND_SIGKILL:
		fixed, most = sigkillFixed, MaxSigkillLen
	}
	b := make([]byte, min(max(len(data), fixed), most))
	copy(b, data)
	b[16], b[17], b[18], b[19] = byte(len(b)), byte(len(b)>>8), 0, 0
	b[20], b[21], b[22], b[23] = Version, 0, byte(kind), 0
	return b
}

func BenchmarkKill(b *testing.B) {
	raw, d := rawKill(newKill(), tailLen), newDecoder()
	d.Symbols.Store(newSymbols(b))
	var r Record
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Parse(raw); err != nil {
			b.Fatal(err)
		}
		_ = d.Kill(&r)
	}
}

func BenchmarkClock(b *testing.B) {
	raw, d := rawClock(newClock(), tailLen), newDecoder()
	var r Record
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Parse(raw); err != nil {
			b.Fatal(err)
		}
		_ = d.Clock(&r, nil)
	}
}
