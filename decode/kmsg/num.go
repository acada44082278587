// SPDX-License-Identifier: Apache-2.0

package kmsg

// Num is a number that a log may not tell.
type Num struct {
	N  uint64
	OK bool // it is told
}

// Int is a signed number that a log may not tell.
type Int struct {
	N  int64
	OK bool
}

func num(n uint64) Num { return Num{n, true} }

// plus adds numbers that are both told.
func (n Num) plus(m Num) Num {
	if !n.OK || !m.OK || n.N+m.N < n.N {
		return Num{}
	}
	return num(n.N + m.N)
}

// times multiplies a number that is told; one that gets too large is not told.
func (n Num) times(k uint64) Num {
	if !n.OK || k != 0 && n.N > (1<<63)/k {
		return Num{}
	}
	return num(n.N * k)
}

// ptr is n as an event's field: nil if it is not told.
func (n Num) ptr() *uint64 {
	if !n.OK {
		return nil
	}
	return &n.N
}

// bytes is a number of KiB as an event's field.
func (n Num) bytes() *uint64 { return n.times(1024).ptr() }

// pages is a number of pages as an event's field in bytes; nil where the size of a page
// is not known.
func (n Num) pages(size int) *uint64 {
	if size <= 0 {
		return nil
	}
	return n.times(uint64(size)).ptr()
}

// digits reads a decimal number at the front of b and returns how long it is; 0 if
// there is none, or it does not fit.
func digits(b []byte) (n uint64, size int) {
	for size < len(b) && b[size]-'0' <= 9 {
		if size == 19 {
			return 0, 0
		}
		n = n*10 + uint64(b[size]-'0')
		size++
	}
	return n, size
}

// wholeNumber reads b as a decimal number and nothing else.
func wholeNumber(b []byte) (uint64, bool) {
	n, size := digits(b)
	return n, size > 0 && size == len(b)
}

// pidNumber reads a pid, of which there are up to 2^22 (PID_MAX_LIMIT).
func pidNumber(b []byte) (int, bool) {
	n, ok := wholeNumber(b)
	return int(n), ok && n <= maxPID
}

const maxPID = 1 << 22
