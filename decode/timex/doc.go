// SPDX-License-Identifier: Apache-2.0

// Package timex gives meaning to what adjtimex(2), clock_adjtime(2) and their
// kin do to the clock: names for modes, status bits and results, and numbers in
// plain units.
//
// # Which fields of struct timex count
//
// The kernel reads a field when a bit of modes says so, in this order
// (timekeeping_validate_timex and do_adjtimex in kernel/time/timekeeping.c,
// then process_adjtimex_modes in kernel/time/ntp.c), and on return overwrites
// the whole structure with its state:
//
//	bit            field     unit    what is done
//	ADJ_SETOFFSET  time      s, µs   steps the clock by it; ns with ADJ_NANO; the fraction is
//	                                 in [0, 1 s), so that -0.5 s is -1 s and 500000 µs
//	ADJ_STATUS     status    bits    sets it, less the read-only bits
//	ADJ_NANO       -                 sets STA_NANO: offset is ns from here on
//	ADJ_MICRO      -                 clears it (and wins over ADJ_NANO)
//	ADJ_FREQUENCY  freq      2^-16 ppm  sets it, cut to ±500 ppm
//	ADJ_MAXERROR   maxerror  µs      sets it
//	ADJ_ESTERROR   esterror  µs      sets it
//	ADJ_TIMECONST  constant  2^n     sets it, plus 4 without STA_NANO, cut to 0..10
//	ADJ_TAI        constant  s       sets it if in 0..100000, else ignored
//	ADJ_OFFSET     offset    µs, ns  to be slewed away, cut to ±0.5 s; ignored without STA_PLL
//	ADJ_TICK       tick      µs      sets it; EINVAL beyond ±10 % of 1 s/USER_HZ
//
// ADJ_TIMECONST and ADJ_TAI share one field. With ADJ_OFFSET_SINGLESHOT, the
// old adjtime(3), no bit but ADJ_SETOFFSET has a meaning of its own: offset,
// always in µs, replaces what is left to slew, and returns what was left before.
// ADJ_OFFSET_SS_READ returns it and changes nothing. There the bit of ADJ_NANO
// is that of the read.
//
// A call that fails leaves the structure as the caller filled it, and changes
// nothing. On return offset and the fraction of time are in ns or µs by
// STA_NANO of the returned status.
package timex
