// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"time"
)

// Days before each month of the year 2000, which has a 29th of February as any year
// that a log leaves out may have.
var monthDays = [13]int64{0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366}

const (
	day      = 24 * 60 * 60
	year2000 = 946684800 // 2000-01-01T00:00:00Z
)

// number reads least to most decimal digits at the head of b; n is how many, 0: none.
func number(b []byte, least, most int) (v int64, n int) {
	for n < len(b) && isDigit(b[n]) {
		if n == most {
			return 0, 0
		}
		v = v*10 + int64(b[n]-'0')
		n++
	}
	if n < least {
		return 0, 0
	}
	return v, n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// fraction reads the 1 to 9 digits behind a point: nanoseconds, and how many digits.
func fraction(b []byte) (ns int64, n int) {
	ns, n = number(b, 1, 9)
	if n > 0 {
		ns *= pow10[9-n]
	}
	return ns, n
}

var pow10 = [10]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// month returns 1 to 12 for an English month's three letters, large or small, else 0.
// journalctl and dmesg write the months of their user's language; where those are the
// same letters it is the same month.
func month(b []byte) int64 {
	if len(b) != 3 {
		return 0
	}
	switch uint32(b[0]|0x20)<<16 | uint32(b[1]|0x20)<<8 | uint32(b[2]|0x20) {
	case 'j'<<16 | 'a'<<8 | 'n':
		return 1
	case 'f'<<16 | 'e'<<8 | 'b':
		return 2
	case 'm'<<16 | 'a'<<8 | 'r':
		return 3
	case 'a'<<16 | 'p'<<8 | 'r':
		return 4
	case 'm'<<16 | 'a'<<8 | 'y':
		return 5
	case 'j'<<16 | 'u'<<8 | 'n':
		return 6
	case 'j'<<16 | 'u'<<8 | 'l':
		return 7
	case 'a'<<16 | 'u'<<8 | 'g':
		return 8
	case 's'<<16 | 'e'<<8 | 'p':
		return 9
	case 'o'<<16 | 'c'<<8 | 't':
		return 10
	case 'n'<<16 | 'o'<<8 | 'v':
		return 11
	case 'd'<<16 | 'e'<<8 | 'c':
		return 12
	}
	return 0
}

// weekday is how long "Mon " at the head of b is; 0: there is none.
func weekday(b []byte) int {
	if len(b) < 4 || b[3] != ' ' {
		return 0
	}
	switch string(b[:3]) {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return 4
	}
	return 0
}

// daysSince1970 counts the days to a date of the Gregorian calendar; false if there is
// no such date.
func daysSince1970(year, mon, mday int64) (int64, bool) {
	if mon < 1 || mon > 12 || mday < 1 || mday > monthDays[mon]-monthDays[mon-1] {
		return 0, false
	}
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	if mon == 2 && mday == 29 && !leap {
		return 0, false
	}
	y := year - 1
	days := y*365 + y/4 - y/100 + y/400 - 719162 + monthDays[mon-1] + mday - 1
	if mon > 2 && !leap {
		days--
	}
	return days, true
}

// clockTime is a time of day such as "12:47:02", and a fraction behind a point or comma.
type clockTime struct {
	sec, ns int64
	digits  int  // of the fraction
	comma   bool // before it
	ok      bool // there is such a time of day
}

// timeOfDay reads hh:mm:ss[.fraction]; n 0: it is none by its form.
func timeOfDay(b []byte) (t clockTime, n int) {
	if len(b) < 8 || b[2] != ':' || b[5] != ':' ||
		!isDigit(b[0]) || !isDigit(b[1]) || !isDigit(b[3]) || !isDigit(b[4]) || !isDigit(b[6]) || !isDigit(b[7]) {
		return t, 0
	}
	two := func(i int) int64 { return int64(b[i]-'0')*10 + int64(b[i+1]-'0') }
	h, m, s := two(0), two(3), two(6)
	t.sec = h*3600 + m*60 + s
	t.ok = h < 24 && m < 60 && s <= 60 // a leap second
	n = 8
	if len(b) > 9 && (b[8] == '.' || b[8] == ',') {
		if ns, k := fraction(b[9:]); k > 0 {
			t.ns, t.digits, t.comma = ns, k, b[8] == ','
			n += 1 + k
		}
	}
	return t, n
}

func (t clockTime) resolution() time.Duration { return time.Duration(pow10[9-t.digits]) }

// zone reads an offset from UTC: Z, +02:00, +0200, +02. ok false: none is there.
func zone(b []byte) (seconds int64, n int, ok bool) {
	if len(b) == 0 {
		return 0, 0, false
	}
	if b[0] == 'Z' {
		return 0, 1, true
	}
	if b[0] != '+' && b[0] != '-' || len(b) < 3 || !isDigit(b[1]) || !isDigit(b[2]) {
		return 0, 0, false
	}
	seconds, n = (int64(b[1]-'0')*10+int64(b[2]-'0'))*3600, 3
	rest := b[3:]
	colon := 0
	if len(rest) > 0 && rest[0] == ':' {
		colon = 1
	}
	if len(rest) >= 2+colon && isDigit(rest[colon]) && isDigit(rest[colon+1]) {
		seconds += (int64(rest[colon]-'0')*10 + int64(rest[colon+1]-'0')) * 60
		n += 2 + colon
	}
	if seconds >= 16*3600 {
		return 0, 0, false
	}
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, n, true
}

// calendar reads 2026-06-20 at the head of b; n 0: it is none by its form.
func calendar(b []byte) (days int64, ok bool, n int) {
	if len(b) < 10 || b[4] != '-' || b[7] != '-' {
		return 0, false, 0
	}
	y, n1 := number(b[:4], 4, 4)
	m, n2 := number(b[5:7], 2, 2)
	d, n3 := number(b[8:10], 2, 2)
	if n1 == 0 || n2 == 0 || n3 == 0 {
		return 0, false, 0
	}
	days, ok = daysSince1970(y, m, d)
	return days, ok, 10
}

// isoTime reads 2026-06-20T12:47:02.123456+02:00, with a space for the T, with a comma
// for the point, with or without zone; n 0: it is none by its form. A time that does
// not exist leaves w alone.
func isoTime(b []byte, basis Basis, w *Wall) (t clockTime, n int) {
	days, dayOK, n := calendar(b)
	if n == 0 || len(b) < 19 || b[10] != 'T' && b[10] != ' ' {
		return t, 0
	}
	t, k := timeOfDay(b[11:])
	if k == 0 {
		return t, 0
	}
	n = 11 + k
	off, k, zoned := zone(b[n:])
	n += k
	if dayOK && t.ok {
		*w = Wall{
			Basis: basis, NoZone: !zoned, Resolution: t.resolution(),
			Time: time.Unix(days*day+t.sec-off, t.ns).UTC(),
		}
	}
	return t, n
}

// bsdTime reads "Jun 20 12:47:02" with a fraction or not, and with a year before or
// behind the time of day or not. A month in another language is a word of any letters:
// the time is then not known. n 0: it is none by its form.
func bsdTime(b []byte, basis Basis, w *Wall) (n int) {
	i := bytes.IndexByte(b, ' ')
	if i < 1 || i > 20 {
		return 0
	}
	mon := month(b[:i])
	n = i + 1
	if n < len(b) && b[n] == ' ' {
		n++
	}
	mday, k := number(b[n:], 1, 2)
	if k == 0 {
		if mon == 0 && bytes.HasPrefix(b, []byte("XXX XX XX:XX:XX")) { // journalctl, of a time that it cannot tell
			return len("XXX XX XX:XX:XX")
		}
		return 0
	}
	n += k
	if n < len(b) && b[n] == '.' { // "20." in some languages
		n++
	}
	if n >= len(b) || b[n] != ' ' {
		return 0
	}
	n++
	if _, k := number(b[n:], 1, 2); mon == 0 && k > 0 && n+k < len(b) && b[n+k] == ' ' {
		n += k + 1 // a month of two words
	}
	var year int64
	if y, k := number(b[n:], 4, 4); k > 0 && n+4 < len(b) && b[n+4] == ' ' {
		year = y
		n += 5
	}
	t, k := timeOfDay(b[n:])
	if k == 0 {
		return 0
	}
	n += k
	if year == 0 && n < len(b) && b[n] == ' ' {
		if y, k := number(b[n+1:], 4, 4); k > 0 && (n+5 == len(b) || b[n+5] == ' ' || b[n+5] == ']') && y >= 1970 {
			year = y
			n += 5
		}
	}
	if mon == 0 || !t.ok {
		return n
	}
	y := year
	if y == 0 {
		y = 2000
	}
	if days, ok := daysSince1970(y, mon, mday); ok {
		*w = Wall{
			Basis: basis, NoZone: true, NoYear: year == 0, Resolution: t.resolution(),
			Time: time.Unix(days*day+t.sec, t.ns).UTC(),
		}
	}
	return n
}

// years counts the new years that times without a year have come through.
type years struct {
	last int64 // seconds
	n    int
	any  bool
}

// A step back over more than this is a new year. Less is disorder, a clock that was
// set, or the end of summer time.
const newYear = 183 * day

func (y *years) add(w *Wall) {
	t := w.Time.Unix()
	switch {
	case !y.any:
		y.any = true
	case t < y.last-newYear:
		y.n++
	case y.n > 0 && y.last < year2000+2*day && t >= year2000+364*day:
		y.n-- // the old year's last records among the new one's first
	}
	y.last = t
	w.Years = y.n
}
