// SPDX-License-Identifier: Apache-2.0

package timex

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestModes(t *testing.T) {
	for modes, want := range map[uint32][]string{
		0:          nil,
		AdjOffset:  {"offset"},
		0x4002:     {"frequency", "tick"}, // chronyd
		0x203d:     {"offset", "maxerror", "esterror", "status", "timeconst", "nano"},
		0x2100:     {"setoffset", "nano"},
		0x1080:     {"tai", "micro"},
		0x8001:     {"offset_singleshot"},
		0xa001:     {"offset_ss_read"},
		0x8101:     {"offset_singleshot", "setoffset"},
		0xa003:     {"offset_ss_read", "frequency"},
		0x8000:     {"adjtime"}, // refused
		0x0040:     {"unknown:0x40"},
		0x00010003: {"offset", "frequency", "unknown:0x10000"},
		0xffffffff: {"offset_ss_read", "frequency", "maxerror", "esterror", "status", "timeconst", "tai", "setoffset", "micro", "tick", "unknown:0xffff0e40"},
	} {
		if diff := cmp.Diff(want, Modes(modes)); diff != "" {
			t.Errorf("%#x: %s", modes, diff)
		}
	}
}

func TestStatus(t *testing.T) {
	for status, want := range map[int32][]string{
		0:        nil,
		0x40:     {"unsync"},
		0x2001:   {"pll", "nano"},
		0x2011:   {"pll", "ins", "nano"},
		0xff2e:   {"ppsfreq", "ppstime", "fll", "del", "ppssignal", "ppsjitter", "ppswander", "ppserror", "clockerr", "nano", "mode", "clk"},
		0x80:     {"freqhold"},
		0x10000:  {"unknown:0x10000"},
		-1 << 31: {"unknown:0x80000000"},
	} {
		if diff := cmp.Diff(want, Status(status)); diff != "" {
			t.Errorf("%#x: %s", status, diff)
		}
	}
}

func TestResultAndErrno(t *testing.T) {
	for ret, want := range map[int64][2]string{
		TimeOK:        {"ok", ""},
		TimeIns:       {"ins", ""},
		TimeDel:       {"del", ""},
		TimeOOP:       {"oop", ""},
		TimeWait:      {"wait", ""},
		TimeError:     {"error", ""},
		6:             {"unknown:6", ""},
		-1:            {"", "EPERM"},
		-22:           {"", "EINVAL"},
		-95:           {"", "EOPNOTSUPP"},
		-71:           {"", "errno:71"},
		math.MaxInt64: {"unknown:9223372036854775807", ""},
		math.MinInt64: {"", "errno:9223372036854775808"},
	} {
		if got := [2]string{Result(ret), Errno(ret)}; got != want {
			t.Errorf("%d: %q, want %q", ret, got, want)
		}
	}
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		tick, freq int64
		hz         int
		freqPPM    float64
		ratePPM    float64
	}{
		{10000, 0, 100, 0, 0},
		{10000, 1 << 16, 100, 1, 1},
		{10000, -500 << 16, 100, -500, -500},
		{10000, 1 << 15, 100, 0.5, 0.5},
		{10001, -50 << 16, 100, -50, 50}, // how chronyd gets beyond 500 ppm: tick and frequency
		{9000, 500 << 16, 100, 500, -99500},
		{11000, 0, 100, 0, 100000},
		{1000, 3 << 14, 1000, 0.75, 0.75},
	} {
		freq := FreqPPM(c.freq)
		if rate := RatePPM(c.tick, freq, c.hz); freq != c.freqPPM || rate != c.ratePPM {
			t.Errorf("tick %d freq %d: %v, %v; want %v, %v", c.tick, c.freq, freq, rate, c.freqPPM, c.ratePPM)
		}
	}
}

type ns struct {
	NS int64
	OK bool
}

func TestSetOffsetNS(t *testing.T) {
	for _, c := range []struct {
		sec, usec int64
		modes     uint32
		want      ns
	}{
		{0, 0, AdjSetOffset, ns{0, true}},
		{1, 500_000, AdjSetOffset, ns{1_500_000_000, true}},
		{-1, 500_000, AdjSetOffset, ns{-500_000_000, true}},
		{-1, 500_000_000, AdjSetOffset | AdjNano, ns{-500_000_000, true}},
		{-1, 999_999_999, AdjSetOffset | AdjNano, ns{-1, true}},
		{0, 1, AdjSetOffset | AdjMicro, ns{1000, true}},
		{0, 1, AdjSetOffset | AdjNano | AdjMicro, ns{1, true}},
		{0, 1_000_000, AdjSetOffset, ns{}},
		{0, 999_999, AdjSetOffset, ns{999_999_000, true}},
		{0, 1_000_000_000, AdjSetOffset | AdjNano, ns{}},
		{0, -1, AdjSetOffset, ns{}},
		{0, math.MaxInt64, AdjSetOffset, ns{}},
		{0, math.MinInt64, AdjSetOffset, ns{}},
		{9_223_372_035, 999_999_999, AdjSetOffset | AdjNano, ns{9_223_372_035_999_999_999, true}},
		{9_223_372_036, 0, AdjSetOffset | AdjNano, ns{}},
		{-9_223_372_036, 0, AdjSetOffset | AdjNano, ns{-9_223_372_036_000_000_000, true}},
		{math.MaxInt64, 0, AdjSetOffset, ns{}},
		{math.MinInt64, 0, AdjSetOffset, ns{}},
	} {
		v, ok := SetOffsetNS(c.sec, c.usec, c.modes)
		if got := (ns{v, ok}); got != c.want {
			t.Errorf("%d s %d, modes %#x: %+v, want %+v", c.sec, c.usec, c.modes, got, c.want)
		}
	}
}

func TestSlewNS(t *testing.T) {
	pll, pllNano, free := event.Ptr[int32](StaPLL), event.Ptr[int32](StaPLL|StaNano), event.Ptr[int32](StaNano)
	for _, c := range []struct {
		modes  uint32
		status *int32
		offset int64
		want   ns
	}{
		{AdjOffset, pll, -7, ns{-7000, true}},
		{AdjOffset, pllNano, -7, ns{-7, true}},
		{AdjOffset | AdjNano, nil, 7, ns{7, true}},
		{AdjOffset | AdjMicro, nil, 7, ns{7000, true}},
		{AdjOffset | AdjMicro | AdjNano, nil, 7, ns{7000, true}},
		{AdjOffset, nil, 7, ns{}},    // the unit is what it was before
		{AdjOffset, free, 7, ns{}},   // ignored without STA_PLL
		{AdjFrequency, pll, 7, ns{}}, // no offset
		{AdjOffset, pll, 600_000, ns{500_000_000, true}},
		{AdjOffset, pll, math.MinInt64, ns{-500_000_000, true}},
		{AdjOffset, pllNano, math.MaxInt64, ns{500_000_000, true}},
		{AdjOffsetSingleshot, pllNano, 7, ns{7000, true}}, // µs whatever the status
		{AdjOffsetSingleshot, nil, -3_600_000_000, ns{-3_600_000_000_000, true}},
		{AdjOffsetSingleshot, nil, math.MaxInt64, ns{}},
		{AdjOffsetSSRead, pll, 7, ns{}},
		{AdjAdjtime, pll, 7, ns{}},
		{0, pll, 7, ns{}},
	} {
		v, ok := SlewNS(c.modes, c.status, c.offset)
		if got := (ns{v, ok}); got != c.want {
			t.Errorf("modes %#x, offset %d: %+v, want %+v", c.modes, c.offset, got, c.want)
		}
	}
}

func TestOffsetNS(t *testing.T) {
	for _, c := range []struct {
		modes  uint32
		status int32
		offset int64
		want   ns
	}{
		{0, StaNano, 7, ns{7, true}},
		{AdjOffset, StaPLL, -7, ns{-7000, true}},
		{AdjOffset, StaPLL, 500_000, ns{500_000_000, true}},
		{AdjOffset, StaPLL, (1<<32 - 1) / 1000, ns{-296, true}},                   // -1 ns and down, before v6.13
		{AdjOffset, StaPLL, (1<<32 - 7000) / 1000, ns{-7296, true}},               // -7 µs
		{AdjOffset, StaPLL, (1<<32 - 500_000_000) / 1000, ns{-500_000_296, true}}, // -MAXPHASE
		{AdjOffset, StaPLL | StaNano, -7, ns{-7, true}},
		{AdjOffset, StaPLL, math.MaxInt64, ns{}},
		{AdjOffsetSingleshot, 0, 7, ns{}},
		{AdjOffsetSSRead, StaNano, 7, ns{}},
	} {
		v, ok := OffsetNS(c.modes, c.status, c.offset)
		if got := (ns{v, ok}); got != c.want {
			t.Errorf("modes %#x, status %#x, offset %d: %+v, want %+v", c.modes, c.status, c.offset, got, c.want)
		}
	}
}

func TestKind(t *testing.T) {
	st := event.Ptr[int32]
	for name, c := range map[string]struct {
		modes         uint32
		before, after *int32
		want          event.ClockKind
	}{
		"read":                {0, st(0), st(0), ""},
		"adjtime read":        {AdjOffsetSSRead, nil, nil, ""},
		"adjtime read, more":  {AdjOffsetSSRead | AdjFrequency | AdjTick, nil, nil, ""},
		"step":                {AdjSetOffset | AdjNano, nil, nil, event.KindStep},
		"step and the rest":   {0x71bf, st(0), st(StaIns | StaPLL), event.KindStep},
		"step within a read":  {AdjOffsetSSRead | AdjSetOffset, nil, nil, event.KindStep},
		"leap":                {AdjStatus, st(StaPLL), st(StaPLL | StaIns), event.KindLeap},
		"leap given up":       {AdjStatus, st(StaPLL | StaDel), st(StaPLL), event.KindLeap},
		"leap turned round":   {AdjStatus | AdjOffset, st(StaIns), st(StaDel | StaPLL), event.KindLeap},
		"leap as before":      {AdjStatus, st(StaIns), st(StaIns), event.KindStatus},
		"leap, before?":       {AdjStatus, nil, st(StaIns), event.KindLeap},
		"none, before?":       {AdjStatus, nil, st(StaPLL), event.KindStatus},
		"leap without status": {AdjMaxError, st(0), st(StaIns), event.KindStatus},
		"slew":                {AdjOffset | AdjFrequency, st(StaPLL), st(StaPLL), event.KindSlew},
		"slew, timesyncd":     {AdjOffset | AdjStatus | AdjNano | AdjTimeConst | AdjMaxError | AdjEstError, st(StaUnsync), st(StaPLL | StaNano), event.KindSlew},
		"slew, refused":       {AdjOffset, st(StaPLL), nil, event.KindSlew},
		"slew, ignored":       {AdjOffset | AdjStatus, st(0), st(StaUnsync), event.KindStatus},
		"ignored, frequency":  {AdjOffset | AdjFrequency, st(0), st(0), event.KindFrequency},
		"adjtime":             {AdjOffsetSingleshot, st(0), st(0), event.KindSlew},
		"frequency":           {AdjFrequency | AdjTick | AdjTAI, nil, nil, event.KindFrequency},
		"tick":                {AdjTick | AdjTAI | AdjStatus, st(0), st(0), event.KindTick},
		"tai":                 {AdjTAI | AdjMaxError, nil, nil, event.KindTAI},
		"status":              {AdjStatus, st(StaUnsync), st(0), event.KindStatus},
		"error bounds":        {AdjMaxError | AdjEstError, nil, nil, event.KindStatus},
		"unknown bit":         {0x40, nil, nil, event.KindStatus},
	} {
		if got := Kind(c.modes, c.before, c.after); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if (c.want == "") != IsRead(c.modes) {
			t.Errorf("%s: IsRead is %v", name, IsRead(c.modes))
		}
	}
}

// bitsOf reads names back: the other way round from Modes and Status.
func bitsOf(t *testing.T, names []string, of map[string]uint32) uint32 {
	var bits uint32
	for i, n := range names {
		b, ok := of[n]
		if !ok {
			if i != len(names)-1 {
				t.Fatalf("%q: %s is not last", names, n)
			}
			continue
		}
		bits |= b
	}
	return bits
}

func FuzzTimex(f *testing.F) {
	f.Add(uint32(0), int32(0), int32(0), int64(0), int64(0), int64(0))
	f.Add(uint32(0x8001), int32(0x2001), int32(0x11), int64(-5), int64(math.MinInt64), int64(math.MaxInt64))
	f.Add(uint32(0xa101), int32(-1), int32(1<<30), int64(-1), int64(1_000_000), int64(10_000))
	f.Add(uint32(0x2101), int32(0x40), int32(0x2041), int64(5), int64(-1), int64(500_000_000))
	modeBits := map[string]uint32{
		"offset": 1, "frequency": 2, "maxerror": 4, "esterror": 8, "status": 0x10, "timeconst": 0x20, "tai": 0x80, "setoffset": 0x100,
		"micro": 0x1000, "nano": 0x2000, "tick": 0x4000, "adjtime": 0x8000, "offset_singleshot": 0x8001, "offset_ss_read": 0xa001,
	}
	statusBits := map[string]uint32{
		"pll": 1, "ppsfreq": 2, "ppstime": 4, "fll": 8, "ins": 0x10, "del": 0x20, "unsync": 0x40, "freqhold": 0x80,
		"ppssignal": 0x100, "ppsjitter": 0x200, "ppswander": 0x400, "ppserror": 0x800, "clockerr": 0x1000, "nano": 0x2000, "mode": 0x4000, "clk": 0x8000,
	}
	f.Fuzz(func(t *testing.T, modes uint32, before, after int32, sec, usec, value int64) {
		if got := bitsOf(t, Modes(modes), modeBits); got != modes&0xf1bf {
			t.Errorf("modes %#x: %q", modes, Modes(modes))
		}
		if got := bitsOf(t, Status(after), statusBits); got != uint32(after)&0xffff {
			t.Errorf("status %#x: %q", after, Status(after))
		}
		if (Result(value) == "") == (Errno(value) == "") {
			t.Errorf("%d: result %q, errno %q", value, Result(value), Errno(value))
		}
		kinds := []event.ClockKind{event.KindStep, event.KindLeap, event.KindSlew, event.KindFrequency, event.KindTick, event.KindTAI, event.KindStatus}
		for _, b := range []*int32{nil, &before} {
			for _, a := range []*int32{nil, &after} {
				k := Kind(modes, b, a)
				if IsRead(modes) != (k == "") || k != "" && !slices.Contains(kinds, k) {
					t.Errorf("modes %#x: kind %q", modes, k)
				}
				if v, ok := SlewNS(modes, a, value); !ok && v != 0 || ok && modes&AdjAdjtime == 0 && (v > 500_000_000 || v < -500_000_000) {
					t.Errorf("modes %#x, %d: slew %d", modes, value, v)
				}
			}
		}
		if v, ok := SetOffsetNS(sec, usec, modes); ok {
			// Floor division gives the arguments back.
			s, frac := v/1_000_000_000, v%1_000_000_000
			if frac < 0 {
				s, frac = s-1, frac+1_000_000_000
			}
			if modes&AdjNano == 0 {
				frac /= 1000
			}
			if s != sec || frac != usec {
				t.Errorf("%d s %d, modes %#x: %d", sec, usec, modes, v)
			}
		}
		if v, ok := OffsetNS(modes, after, value); ok && v != value && v/1000 != value && (v+1<<32)/1000 != value {
			t.Errorf("status %#x: offset %d of %d", after, v, value)
		}
		if r := RatePPM(value, FreqPPM(sec), 100); math.IsNaN(r) || math.IsInf(r, 0) {
			t.Errorf("tick %d, freq %d: %v", value, sec, r)
		}
	})
}
