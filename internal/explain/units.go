// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// size is a number of bytes with one decimal: "1.5 GiB".
func size(n uint64) string {
	if n < kib {
		return strconv.FormatUint(n, 10) + " B"
	}
	const units = "KMGTPE"
	v, u := float64(n)/kib, 0
	for v >= 1023.95 && u < len(units)-1 {
		v /= kib
		u++
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[u:u+1] + "iB"
}

// percent is part of whole in whole percents: "97 %".
func percent(part, whole uint64) string {
	if whole == 0 {
		return "an unknown part"
	}
	p := 100 * float64(part) / float64(whole)
	if part > 0 && p < 1 {
		return "less than 1 %"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + " %"
}

// share says whether part is at least n percent of whole.
func share(part, whole uint64, n float64) bool {
	return whole > 0 && float64(part) >= float64(whole)*n/100
}

// lasting is a time in words: "40 s", "4 min", "3.2 h", "2.1 d".
func lasting(ms int64) string {
	s := float64(ms) / 1000
	switch {
	case s < 10:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	case s < 100:
		return strconv.FormatFloat(s, 'f', 0, 64) + " s"
	case s < 5400:
		return strconv.FormatFloat(s/60, 'f', 0, 64) + " min"
	case s < 172_800:
		return strconv.FormatFloat(s/3600, 'f', 1, 64) + " h"
	}
	return strconv.FormatFloat(s/86_400, 'f', 1, 64) + " d"
}

// count has separators: "131,204".
func count[T int | int64 | uint64](n T) string {
	s, sign := strconv.FormatInt(int64(n), 10), ""
	if s[0] == '-' {
		s, sign = s[1:], "-"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural is "1 kill", "2 kills".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// who is "java[4242]", or "pid 4242".
func who(pid int, comm *string) string {
	if pid == 0 && comm != nil { // a trigger of whom a log tells no pid
		return *comm
	}
	if comm == nil {
		return "pid " + strconv.Itoa(pid)
	}
	return *comm + "[" + strconv.Itoa(pid) + "]"
}

func victimName(v *event.Victim) string { return who(v.PID, v.Comm) }

func itoa(n int) string { return strconv.Itoa(n) }

// or is s, or otherwise if s is empty.
func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// known is *p, and whether it is there.
func known[T any](p *T) (T, bool) {
	if p == nil {
		var zero T
		return zero, false
	}
	return *p, true
}

// is says whether *p is known to be v.
func is[T comparable](p *T, v T) bool { return p != nil && *p == v }

// isKube says whether a path is in the part of the hierarchy that the kubelet makes.
func isKube(path string) bool {
	return strings.Contains(path, "/kubepods") || strings.Contains(path, "kubelet-kubepods")
}
