// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"testing"
)

func TestSize(t *testing.T) {
	for in, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 512 << 20: "512.0 MiB",
		1<<20 - 1: "1.0 MiB", 1<<30 - 1<<20: "1023.0 MiB", 33_558_155_264: "31.3 GiB", math.MaxUint64: "16.0 EiB",
	} {
		if got := size(in); got != want {
			t.Errorf("size(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for in, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", 131204: "131,204", -1234567: "-1,234,567", -999: "-999",
		math.MinInt64: "-9,223,372,036,854,775,808",
	} {
		if got := count(in); got != want {
			t.Errorf("count(%d) = %q, want %q", in, got, want)
		}
	}
	if got, want := count(uint64(math.MaxUint64)), "18,446,744,073,709,551,615"; got != want {
		t.Errorf("count(MaxUint64) = %q, want %q", got, want)
	}
}

func TestSpan(t *testing.T) {
	for in, want := range map[int64]string{
		0: "0 ns", 999: "999 ns", -1500: "1.500 µs", 999_998: "999.998 µs", 999_999: "1.000 ms",
		1e6: "1 ms", 999_999_499: "999.999 ms", 999_999_500: "1.000 s", 1_500_000_000: "1.500 s", -2e9: "2 s",
		119_999_000_000: "119.999 s", 120e9: "2 min", 3_600_000_004_118: "1 h", 90_061_250_000_000: "1 d 1 h 1 min 1.250 s",
		math.MinInt64: "106,751 d 23 h 47 min 16.855 s",
	} {
		if got := span(in); got != want {
			t.Errorf("span(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestSpeeds(t *testing.T) {
	for _, tt := range []struct {
		from, to float64
		want     string
	}{
		{12.3, 10.1, "12.300 ppm faster → 10.100 ppm faster"},
		{-12.5, 88.265625, "12.500 ppm slower → 88.266 ppm faster"},
		{0, -500, "nominal → 500.000 ppm slower"},
		{10.00001, 10.00002, "10.000010 ppm faster → 10.000020 ppm faster"},
	} {
		if got := speeds(tt.from, tt.to); got != tt.want {
			t.Errorf("speeds(%v, %v) = %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}
