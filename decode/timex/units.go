// SPDX-License-Identifier: Apache-2.0

package timex

import "math"

const (
	nsPerUS = 1_000
	nsPerS  = 1_000_000_000

	// maxPhaseNS is MAXPHASE of include/linux/timex.h: what ntp_update_offset
	// in kernel/time/ntp.c cuts an offset to.
	maxPhaseNS = 500_000_000
)

// FreqPPM returns a frequency offset in parts per million from timex.freq,
// which has 16 fractional bits.
func FreqPPM(freq int64) float64 { return float64(freq) / (1 << 16) }

// RatePPM returns how much faster than nominal the clock runs, in parts per
// million: (tickUS·userHZ/10^6 - 1)·10^6 + freqPPM. tickUS is timex.tick, the
// microseconds that userHZ times a second are added; userHZ is 100 on x86 and
// arm64.
func RatePPM(tickUS int64, freqPPM float64, userHZ int) float64 {
	// Integers first: at the usual tick of 10000 the rate is freqPPM exactly.
	return float64(tickUS)*float64(userHZ) - 1e6 + freqPPM
}

// SetOffsetNS returns the step in nanoseconds that ADJ_SETOFFSET asks for with
// the fields timex.time.tv_sec and tv_usec. ok is false when the kernel refuses
// them (EINVAL for a fraction that is negative or a second and more), or when
// the step does not fit.
func SetOffsetNS(sec, usec int64, modes uint32) (ns int64, ok bool) {
	if modes&AdjNano == 0 {
		if usec, ok = scale(usec, nsPerUS); !ok {
			return 0, false
		}
	}
	if usec < 0 || usec >= nsPerS {
		return 0, false
	}
	// 292 years either way.
	if sec < math.MinInt64/nsPerS || sec >= math.MaxInt64/nsPerS {
		return 0, false
	}
	return sec*nsPerS + usec, true
}

// SlewNS returns what a call asked to slew away, in nanoseconds: of timex.offset
// as the caller gave it, with ADJ_OFFSET or ADJ_OFFSET_SINGLESHOT. The kernel
// cuts the former to ±0.5 s, so does SlewNS.
//
// status is timex.status after the call, nil when that is not known (the call
// failed): its STA_NANO tells the unit when modes leaves that open, and without
// its STA_PLL the kernel ignores the offset. ok is false when there is nothing
// to slew, when the unit is not known, or when the value does not fit.
func SlewNS(modes uint32, status *int32, offset int64) (ns int64, ok bool) {
	if modes&AdjAdjtime != 0 {
		if modes&AdjOffsetSSRead != AdjOffsetSingleshot {
			return 0, false
		}
		return scale(offset, nsPerUS)
	}
	if modes&AdjOffset == 0 || status != nil && *status&StaPLL == 0 {
		return 0, false
	}
	var nano bool
	switch {
	case modes&AdjMicro != 0:
	case modes&AdjNano != 0:
		nano = true
	case status == nil:
		return 0, false
	default:
		nano = *status&StaNano != 0
	}
	if !nano {
		offset = max(-maxPhaseNS, min(offset, maxPhaseNS)) * nsPerUS
	}
	return max(-maxPhaseNS, min(offset, maxPhaseNS)), true
}

// OffsetNS returns what the kernel still has to slew away, in nanoseconds, of
// timex.offset and timex.status after a call that succeeded. ok is false after
// ADJ_OFFSET_SINGLESHOT and ADJ_OFFSET_SS_READ, where offset is something else:
// what the old adjtime(3) had left before the call, in µs.
//
// Microseconds beyond what an offset can be are a negative one: from commit
// ead25417f82e ("timex: use __kernel_timex internally") (in v5.1) to commit
// f5807b0606da ("ntp: Remove invalid cast in time offset math") (in v6.13, and in
// stable series) the kernel divided the offset's lower 32 bits without their sign.
func OffsetNS(modes uint32, status int32, offset int64) (ns int64, ok bool) {
	switch {
	case modes&AdjAdjtime != 0:
		return 0, false
	case status&StaNano != 0:
		return offset, true
	case offset > maxPhaseNS/nsPerUS && offset <= math.MaxUint32/nsPerUS:
		return int64(int32(uint32(offset * nsPerUS))), true // less than 1 µs too low
	}
	return scale(offset, nsPerUS)
}

func scale(v, by int64) (int64, bool) {
	if v > math.MaxInt64/by || v < math.MinInt64/by {
		return 0, false
	}
	return v * by, true
}
