// SPDX-License-Identifier: Apache-2.0

package timex

import (
	"fmt"
	"strings"
)

// Bits of timex.modes, include/uapi/linux/timex.h.
const (
	AdjOffset    = 0x0001
	AdjFrequency = 0x0002
	AdjMaxError  = 0x0004
	AdjEstError  = 0x0008
	AdjStatus    = 0x0010
	AdjTimeConst = 0x0020
	AdjTAI       = 0x0080
	AdjSetOffset = 0x0100
	AdjMicro     = 0x1000
	AdjNano      = 0x2000
	AdjTick      = 0x4000

	// AdjAdjtime makes the call an old adjtime(3): include/linux/timex.h.
	AdjAdjtime          = 0x8000
	AdjOffsetSingleshot = 0x8001
	AdjOffsetSSRead     = 0xa001
)

// Bits of timex.status, include/uapi/linux/timex.h.
const (
	StaPLL       = 0x0001
	StaPPSFreq   = 0x0002
	StaPPSTime   = 0x0004
	StaFLL       = 0x0008
	StaIns       = 0x0010
	StaDel       = 0x0020
	StaUnsync    = 0x0040
	StaFreqHold  = 0x0080
	StaPPSSignal = 0x0100
	StaPPSJitter = 0x0200
	StaPPSWander = 0x0400
	StaPPSError  = 0x0800
	StaClockErr  = 0x1000
	StaNano      = 0x2000
	StaMode      = 0x4000
	StaClk       = 0x8000
)

// States of the clock, what the calls return: include/uapi/linux/timex.h.
const (
	TimeOK    = 0
	TimeIns   = 1
	TimeDel   = 2
	TimeOOP   = 3
	TimeWait  = 4
	TimeError = 5
)

// Modes names the bits of modes in ascending order, lower case and without
// ADJ_. What no name is known for comes last, as "unknown:0x40".
func Modes(modes uint32) []string {
	if modes&AdjOffsetSingleshot != AdjOffsetSingleshot {
		return bitNames(modes, modeNames)
	}
	if modes&AdjOffsetSSRead == AdjOffsetSSRead {
		return append([]string{"offset_ss_read"}, bitNames(modes&^AdjOffsetSSRead, modeNames)...)
	}
	return append([]string{"offset_singleshot"}, bitNames(modes&^AdjOffsetSingleshot, modeNames)...)
}

// Status names the bits of status in ascending order, lower case and without
// STA_. What no name is known for comes last, as "unknown:0x10000".
func Status(status int32) []string { return bitNames(uint32(status), statusNames) }

// Names of bits, from bit 0 on; between two spaces is a bit without a name.
const (
	modeNames = "offset,frequency,maxerror,esterror,status,timeconst,,tai,setoffset,,,,micro,nano,tick,adjtime"

	statusNames = "pll,ppsfreq,ppstime,fll,ins,del,unsync,freqhold," +
		"ppssignal,ppsjitter,ppswander,ppserror,clockerr,nano,mode,clk"

	resultNames = "ok,ins,del,oop,wait,error"
)

func bitNames(bits uint32, names string) []string {
	var out []string
	for i, name := range strings.Split(names, ",") {
		if bit := uint32(1) << i; name != "" && bits&bit != 0 {
			out = append(out, name)
			bits &^= bit
		}
	}
	if bits != 0 {
		out = append(out, fmt.Sprintf("unknown:%#x", bits))
	}
	return out
}

// Result names the clock state that a successful call returned: ok, ins, del,
// oop, wait, error ("not synchronized"), or "unknown:6". It is empty for a call
// that failed. What settimeofday and clock_settime return is no clock state.
func Result(ret int64) string {
	if ret < 0 {
		return ""
	}
	if names := strings.Split(resultNames, ","); ret < int64(len(names)) {
		return names[ret]
	}
	return fmt.Sprintf("unknown:%d", ret)
}

// Errno names the error that a call returned as -errno: EPERM, EINVAL, or
// "errno:71" for one that none of these calls gives. It is empty for a call
// that succeeded.
func Errno(ret int64) string {
	switch {
	case ret >= 0:
		return ""
	case ret == -1<<63: // has no positive value
		return "errno:9223372036854775808"
	}
	// The numbers of include/uapi/asm-generic/errno-base.h and errno.h, which
	// x86 and arm64 share.
	switch -ret {
	case 1:
		return "EPERM" // no CAP_SYS_TIME, or a security module or seccomp forbids
	case 5:
		return "EIO" // this and the next ones: a PTP clock's driver
	case 9:
		return "EBADF"
	case 11:
		return "EAGAIN"
	case 12:
		return "ENOMEM"
	case 13:
		return "EACCES" // a clock's file that is not open for writing
	case 14:
		return "EFAULT"
	case 16:
		return "EBUSY"
	case 19:
		return "ENODEV"
	case 22:
		return "EINVAL"
	case 34:
		return "ERANGE"
	case 38:
		return "ENOSYS"
	case 95:
		return "EOPNOTSUPP" // a clock that cannot be adjusted
	case 110:
		return "ETIMEDOUT"
	}
	return fmt.Sprintf("errno:%d", -ret)
}
