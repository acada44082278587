// SPDX-License-Identifier: Apache-2.0

package timex

import "github.com/oomtrace/oomtrace/decode/event"

// IsRead says whether a call with these modes changes nothing: modes 0, and
// ADJ_OFFSET_SS_READ. With the latter the kernel ignores every other bit but
// ADJ_SETOFFSET.
func IsRead(modes uint32) bool {
	return modes == 0 || modes&AdjOffsetSSRead == AdjOffsetSSRead && modes&AdjSetOffset == 0
}

// Kind says what a call did to the clock, or would have done had it not failed.
// A call can do several things at once; the first of these that applies counts:
//
//	step       ADJ_SETOFFSET
//	leap       ADJ_STATUS, and STA_INS or STA_DEL is another than before
//	slew       ADJ_OFFSET_SINGLESHOT; ADJ_OFFSET, unless without STA_PLL, when it is ignored
//	frequency  ADJ_FREQUENCY
//	tick       ADJ_TICK
//	tai        ADJ_TAI
//	status     anything else: ADJ_STATUS, error bounds, time constant, unit
//
// It is empty for a call that only reads. before and after are timex.status
// before and after the call, nil when not known; of a call that failed, after is
// what it asked for if it had ADJ_STATUS, else nil. Where before is not known, a leap second that is armed
// afterwards counts as a change, since arming it anew and leaving it armed look
// the same.
func Kind(modes uint32, before, after *int32) event.ClockKind {
	has := func(bits uint32) bool { return modes&bits == bits }
	switch {
	case IsRead(modes):
		return ""
	case has(AdjSetOffset):
		return event.KindStep
	case has(AdjAdjtime):
		return event.KindSlew
	case has(AdjStatus) && leapChanged(before, after):
		return event.KindLeap
	case has(AdjOffset) && (after == nil || *after&StaPLL != 0):
		return event.KindSlew
	case has(AdjFrequency):
		return event.KindFrequency
	case has(AdjTick):
		return event.KindTick
	case has(AdjTAI):
		return event.KindTAI
	}
	return event.KindStatus
}

func leapChanged(before, after *int32) bool {
	if after == nil {
		return false
	}
	var was int32
	if before != nil {
		was = *before
	}
	return (was^*after)&(StaIns|StaDel) != 0
}
