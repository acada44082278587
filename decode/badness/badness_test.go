// SPDX-License-Identifier: Apache-2.0

package badness

import "testing"

func TestPages(t *testing.T) {
	if got := (Memory{RSSPages: 100, SwapPages: 20, PgtablesBytes: 3*4096 + 4095}).Pages(4096); got != 123 {
		t.Errorf("%d pages, want 123: page tables count as whole pages", got)
	}
}

func TestPoints(t *testing.T) {
	for _, tt := range []struct {
		pages   uint64
		adj     int
		allowed uint64
		want    int64
	}{
		{5000, 0, 8192, 5000},
		{5000, 1000, 8192, 13000}, // 8192/1000 is 8
		{5000, -999, 8192, 5000 - 7992},
		{5000, 1000, 999, 5000},
		{0, -1, 1 << 22, -4194},
	} {
		if got := Points(tt.pages, tt.adj, tt.allowed); got != tt.want {
			t.Errorf("Points(%d, %d, %d) = %d, want %d", tt.pages, tt.adj, tt.allowed, got, tt.want)
		}
	}
}

func TestPermille(t *testing.T) {
	for _, tt := range []struct {
		pages   int64
		allowed uint64
		want    int64
		ok      bool
	}{
		{500, 1000, 500, true}, {-1500, 1000, -1500, true}, {1, 0, 0, false}, {1, 1 << 63, 0, false},
	} {
		if got, ok := Permille(tt.pages, tt.allowed); got != tt.want || ok != tt.ok {
			t.Errorf("Permille(%d, %d) = %d, %v", tt.pages, tt.allowed, got, ok)
		}
	}
}

func TestMemcgAllowed(t *testing.T) {
	for _, tt := range []struct {
		max, swapMax, swap uint64
		swappiness         int
		want               uint64
	}{
		{8192, 100, 50, 60, 8242},
		{8192, 100, 500, 60, 8292},
		{8192, 100, 500, 0, 8192},
		{8192, 1 << 51, 0, 60, 8192},
		{0, 0, 0, 60, 1}, // a limit of 0 is not divided by
	} {
		if got := MemcgAllowed(tt.max, tt.swapMax, tt.swap, tt.swappiness); got != tt.want {
			t.Errorf("MemcgAllowed(%d, %d, %d, %d) = %d, want %d", tt.max, tt.swapMax, tt.swap, tt.swappiness, got, tt.want)
		}
	}
}
