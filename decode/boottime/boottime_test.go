// SPDX-License-Identifier: Apache-2.0

package boottime

import (
	"sync"
	"testing"
	"time"
)

func TestOffsets(t *testing.T) {
	o := New(1000)
	o.Set(50, 5000)
	o.Set(100, -7)
	for _, tt := range []struct {
		boot uint64
		want int64
	}{
		{0, 1000}, {49, 1000}, {50, 5000}, {99, 5000}, {100, -7}, {1 << 60, -7},
	} {
		if got := o.At(tt.boot); got != tt.want {
			t.Errorf("at %d: %d, want %d", tt.boot, got, tt.want)
		}
	}
	if got := o.Last(); got != -7 {
		t.Errorf("last: %d", got)
	}
	if got, want := o.Time(50), time.Unix(0, 5050).UTC(); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("time: %v, want %v", got, want)
	}
}

// Steps that come late take their place; the newest stays the newest.
func TestSetOutOfOrder(t *testing.T) {
	for _, order := range [][]uint64{{10, 20, 30}, {30, 20, 10}, {20, 30, 10}, {10, 30, 20}} {
		o := New(0)
		for _, boot := range order {
			o.Set(boot, int64(boot))
		}
		for boot, want := range map[uint64]int64{9: 0, 10: 10, 19: 10, 20: 20, 29: 20, 30: 30} {
			if got := o.At(boot); got != want {
				t.Errorf("set %v: at %d %d, want %d", order, boot, got, want)
			}
		}
		if o.Last() != 30 {
			t.Errorf("set %v: last %d", order, o.Last())
		}
	}
}

// Of two steps at one time the later one counts.
func TestSetTwice(t *testing.T) {
	o := New(0)
	o.Set(10, 1)
	o.Set(10, 2)
	if got := o.At(10); got != 2 {
		t.Errorf("got %d", got)
	}
}

func TestBound(t *testing.T) {
	o := New(0)
	const n = 10 * maxSteps
	for i := range uint64(n) {
		o.Set(10*(i+1), int64(i+1))
		if len(o.steps) > maxSteps {
			t.Fatalf("%d steps kept after %d", len(o.steps), i+1)
		}
	}
	oldest := o.steps[0]
	for boot := oldest.boot; boot <= 10*n; boot += 10 {
		if got := o.At(boot); got != int64(boot/10) {
			t.Fatalf("at %d: %d", boot, got)
		}
	}
	// What is forgotten has the oldest offset known.
	if got := o.At(1); got != oldest.offset {
		t.Errorf("at 1: %d, want %d", got, oldest.offset)
	}
	// One that is older than all kept is still put in its place.
	o.Set(oldest.boot-5, -1)
	for boot, want := range map[uint64]int64{oldest.boot - 1: -1, oldest.boot: oldest.offset, 10 * n: n} {
		if got := o.At(boot); got != want {
			t.Errorf("at %d: %d, want %d", boot, got, want)
		}
	}
}

func TestConcurrent(t *testing.T) {
	o := New(0)
	var wg sync.WaitGroup
	for w := range uint64(4) {
		wg.Go(func() {
			for i := range uint64(1000) {
				boot := 4*i + w
				o.Set(boot, int64(boot))
				_ = o.At(boot)
				_ = o.Last()
			}
		})
	}
	wg.Wait()
	for i := 1; i < len(o.steps); i++ {
		if o.steps[i-1].boot > o.steps[i].boot {
			t.Fatalf("steps out of order at %d", i)
		}
	}
	if got := o.Last(); got != 3999 {
		t.Errorf("last: %d", got)
	}
}
