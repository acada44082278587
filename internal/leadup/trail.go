// SPDX-License-Identifier: Apache-2.0

package leadup

// trailLen is how many points a trail keeps.
const trailLen = 16

// point is what was seen at a time of the boot clock, in ns.
type point[T any] struct {
	at uint64
	v  T
}

// trail is what was seen in the course of time, the oldest first: the newer, the
// denser.
type trail[T any] struct {
	points [trailLen]point[T]
	n      int
}

// add appends a point, which is the newest, and forgets those before oldest. A full
// trail loses every other of its points, but not the first.
func (t *trail[T]) add(at uint64, v T, oldest uint64) {
	gone := 0
	for gone < t.n && t.points[gone].at < oldest {
		gone++
	}
	t.n = copy(t.points[:], t.points[gone:t.n])
	if t.n == trailLen {
		t.n = 1
		for i := 1; i < trailLen; i += 2 {
			t.points[t.n] = t.points[i]
			t.n++
		}
	}
	t.points[t.n] = point[T]{at, v}
	t.n++
}

// until gives the points from oldest to newest, both included.
func (t *trail[T]) until(oldest, newest uint64) []point[T] {
	from, to := 0, t.n
	for from < to && t.points[from].at < oldest {
		from++
	}
	for to > from && t.points[to-1].at > newest {
		to--
	}
	return t.points[from:to]
}
