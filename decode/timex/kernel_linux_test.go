// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package timex

import (
	"math"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The running kernel's clock state reads without an unknown bit, and in range.
func TestStateOfThisMachine(t *testing.T) {
	var tx unix.Timex
	ret, err := unix.Adjtimex(&tx) // modes 0 changes nothing
	if err != nil {
		t.Skip(err)
	}
	if r := Result(int64(ret)); r == "" || strings.HasPrefix(r, "unknown") {
		t.Errorf("adjtimex returned %d: %q", ret, r)
	}
	for _, s := range Status(tx.Status) {
		if strings.HasPrefix(s, "unknown") {
			t.Errorf("status %#x: %s", tx.Status, s)
		}
	}
	if unsync := tx.Status&StaUnsync != 0; unsync && ret != TimeError {
		t.Errorf("unsynchronized, and the state is %s", Result(int64(ret)))
	}
	freq := FreqPPM(tx.Freq)
	if max := FreqPPM(tx.Tolerance); max != 500 || math.Abs(freq) > max {
		t.Errorf("frequency %v ppm, tolerance %v", freq, max)
	}
	if rate := RatePPM(tx.Tick, freq, 100); math.Abs(rate) > 100_500 {
		t.Errorf("tick %d, frequency %v: rate %v ppm", tx.Tick, freq, rate)
	}
}

func TestErrnoNames(t *testing.T) {
	known := 0
	for n := 1; n < 134; n++ {
		got := Errno(int64(-n))
		if strings.HasPrefix(got, "errno:") {
			continue
		}
		known++
		want := unix.ErrnoName(unix.Errno(n))
		if unix.Errno(n) == unix.EOPNOTSUPP {
			want = "EOPNOTSUPP" // the kernel's name; ENOTSUP is libc's for the same
		}
		if got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if known != 14 {
		t.Errorf("%d names", known)
	}
}
