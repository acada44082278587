// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes in IEC units, one decimal: "512.0 MiB".
func size(n uint64) string {
	if n < 1024 {
		return strconv.FormatUint(n, 10) + " B"
	}
	const units = "KMGTPE"
	v, u := float64(n)/1024, 0
	for v >= 1023.95 && u < len(units)-1 { // 1023.95 would be shown as 1024.0
		v /= 1024
		u++
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[u:u+1] + "iB"
}

// count is a number with thousands separators: "131,204".
func count[T int | int64 | uint64](n T) string {
	var s string
	if n < 0 {
		s = strconv.FormatInt(int64(n), 10)
	} else {
		s = strconv.FormatUint(uint64(n), 10)
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural is "1 event", "2,000 events".
func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// percent is a permille value as "100.1 %".
func percent(permille int64) string {
	return strconv.FormatFloat(float64(permille)/10, 'f', 1, 64) + " %"
}

// span is the length of a time in nanoseconds, its sign dropped: "40 ns",
// "12.300 ms", "1.500 s", "3 d 4 h 5 s".
func span(ns int64) string {
	n := magnitude(ns)
	switch {
	case n < 1e3:
		return strconv.FormatUint(n, 10) + " ns"
	case n < 999_999: // what would round to 1000 µs is a ms
		return decimal(n, 1e3) + " µs"
	case n < 999_999_500:
		return decimal(n, 1e6) + " ms"
	case n < 120e9:
		return decimal(n, 1e9) + " s"
	}
	n = (n + 5e5) / 1e6 * 1e6
	var parts []string
	for _, u := range []struct {
		ns   uint64
		name string
	}{{86400e9, " d"}, {3600e9, " h"}, {60e9, " min"}} {
		if q := n / u.ns; q > 0 {
			parts = append(parts, count(q)+u.name)
			n %= u.ns
		}
	}
	if n > 0 {
		parts = append(parts, decimal(n, 1e9)+" s")
	}
	return strings.Join(parts, " ")
}

// decimal is n/unit with three decimals, or none when it is a whole number.
func decimal(n, unit uint64) string {
	if n%unit == 0 {
		return strconv.FormatUint(n/unit, 10)
	}
	return strconv.FormatFloat(float64(n)/float64(unit), 'f', 3, 64)
}

// magnitude is |n|, right for math.MinInt64 too.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// direction is the way a change of the clock by ns goes.
func direction(ns int64) string {
	if ns < 0 {
		return "back"
	}
	return "forward"
}

// speed is a clock rate in words: "12.300 ppm faster".
func speed(ppm float64, decimals int) string {
	v := strconv.FormatFloat(math.Abs(ppm), 'f', decimals, 64) + " ppm "
	switch {
	case ppm > 0:
		return v + "faster"
	case ppm < 0:
		return v + "slower"
	}
	return "nominal"
}

// speeds is a change of rate in words, with the decimals it takes to see it.
func speeds(from, to float64) string {
	d := 3
	if from != to && speed(from, d) == speed(to, d) {
		d = 6
	}
	return speed(from, d) + " → " + speed(to, d)
}
