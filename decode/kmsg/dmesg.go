// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"time"
)

// dmesg reads what dmesg and the console print: a level as <6> or in words or none, then
// a stamp, a time or a distance, and a caller where the kernel tells.
func (f *frame) dmesg(b []byte) bool {
	f.start(b)
	rest := b
	if p, n := angle(rest); n > 0 {
		f.setPriority(p)
		f.traits |= traitRaw
		rest = rest[n:]
	} else if p, n := decoded(rest); n > 0 {
		f.setPriority(p)
		f.traits |= traitDecode
		rest = unspace(rest[n:])
	}
	k, n := innerDmesg, 0
	switch {
	case len(rest) == 0:
	case rest[0] == '[':
		if f.Printk, n = stamp(rest); n > 0 {
			f.HasPrintk = true
		} else if n = ctime(rest, &f.Wall); n > 0 {
			k = innerDmesgTime
		} else if n = distance(rest, &f.Wall, &f.since); n > 0 {
			k = innerDmesgDelta
		}
	case isDigit(rest[0]):
		var w Wall
		if t, m := isoTime(rest, BasisDmesg, &w); m > 0 && t.comma {
			f.Wall, k, n = w, innerDmesgISO, m
		}
	}
	if n == 0 {
		if f.traits == 0 {
			return false
		}
		f.traits |= traitBare
	}
	rest = rest[n:]
	if c, m := caller(unspace(rest)); m > 0 && n > 0 {
		f.Caller = c
		f.traits |= traitCaller
		rest = unspace(rest)[m:]
	}
	if n > 0 && len(rest) > 0 && rest[0] != ' ' {
		return false
	}
	if n > 0 {
		rest = unspace(rest)
	}
	return f.found(k, rest)
}

// stamp reads "[   12.345678]", and with the distance to the record before
// "[   12.345678 <    0.000012>]" (dmesg -d, journalctl -o short-delta); n 0: there is
// none.
func stamp(b []byte) (d time.Duration, n int) {
	if len(b) < 5 || b[0] != '[' {
		return 0, 0
	}
	i := 1
	for i < len(b) && b[i] == ' ' {
		i++
	}
	sec, k := number(b[i:], 1, 10)
	i += k
	if k == 0 || i+2 > len(b) || b[i] != '.' || sec >= maxStamp/1_000_000 {
		return 0, 0
	}
	ns, k := fraction(b[i+1:])
	i += 1 + k
	if k == 0 || i >= len(b) {
		return 0, 0
	}
	if b[i] == ' ' {
		i += between(b[i:])
	}
	if i >= len(b) || b[i] != ']' {
		return 0, 0
	}
	return time.Duration(sec)*time.Second + time.Duration(ns), i + 1
}

// between is how long the distance within a stamp is.
func between(b []byte) int {
	end := bytes.IndexByte(b[:min(len(b), 40)], ']')
	if end < 0 {
		return 0
	}
	for _, c := range b[:end] {
		if !isDigit(c) && c != ' ' && c != '<' && c != '>' && c != '.' && c != '*' && c != '+' {
			return 0
		}
	}
	return end
}

// caller reads "[    T12]"; n 0: there is none.
func caller(b []byte) (c []byte, n int) {
	if len(b) < 4 || b[0] != '[' {
		return nil, 0
	}
	i := 1
	for i < len(b) && b[i] == ' ' {
		i++
	}
	start := i
	if i >= len(b) || b[i] != 'T' && b[i] != 'C' {
		return nil, 0
	}
	_, k := number(b[i+1:], 1, 10)
	i += 1 + k
	if k == 0 || i >= len(b) || b[i] != ']' {
		return nil, 0
	}
	return b[start:i], i + 1
}

// ctime reads "[Mon Jun 20 12:47:02 2026]", and with a distance as in stamp. Names of
// days and months may be of any language: the time is then not known.
func ctime(b []byte, w *Wall) (n int) {
	end := bytes.IndexByte(b[:min(len(b), 80)], ']')
	if end < 16 {
		return 0
	}
	in := b[1:end]
	i := bytes.IndexByte(in, ' ')
	if i < 1 {
		return 0
	}
	var wall Wall
	rest := bytes.TrimLeft(in[i:], " ")
	k := bsdTime(rest, BasisDmesg, &wall)
	if k == 0 || wall.NoYear {
		return 0
	}
	if rest = rest[k:]; len(rest) > 0 && (rest[0] != ' ' || between(b[end-len(rest):]) == 0) {
		return 0
	}
	*w = wall
	return end + 1
}

// distance reads "[<    0.000221>]", "[  +0.000221]" and what stands for the latter when
// the minute changes, "[Jun20 12:47]".
func distance(b []byte, w *Wall, since *time.Duration) (n int) {
	end := bytes.IndexByte(b[:min(len(b), 40)], ']')
	if end < 5 {
		return 0
	}
	in := b[1:end]
	if m := month(in[:3]); m > 0 {
		d, k := number(in[3:], 1, 2)
		i := 3 + k
		if k == 0 || len(in) != i+6 || in[i] != ' ' || in[i+3] != ':' {
			return 0
		}
		hh, k1 := number(in[i+1:i+3], 2, 2)
		mm, k2 := number(in[i+4:], 2, 2)
		if k1 == 0 || k2 == 0 {
			return 0
		}
		if days, ok := daysSince1970(2000, m, d); ok && hh < 24 && mm < 60 {
			*w = Wall{
				Basis: BasisDmesg, NoYear: true, NoZone: true, Resolution: time.Minute,
				Time: time.Unix(days*day+hh*3600+mm*60, 0).UTC(),
			}
		}
		return end + 1
	}
	in = bytes.TrimLeft(in, " ")
	if len(in) < 2 || in[0] != '<' && in[0] != '+' || between(b[1:]) == 0 {
		return 0
	}
	if in[0] == '+' {
		sec, k := number(in[1:], 1, 9)
		if k > 0 && 1+k < len(in) && in[1+k] == '.' {
			ns, _ := fraction(in[2+k:])
			*since = time.Duration(sec)*time.Second + time.Duration(ns)
		}
	}
	return end + 1
}

// decoded reads "kern  :info  :", which dmesg -x prints; n 0: there is none.
func decoded(b []byte) (p int64, n int) {
	if len(b) < 14 || b[6] != ':' || b[13] != ':' {
		return 0, 0
	}
	fac, lev := facility(bytes.TrimRight(b[:6], " ")), level(bytes.TrimRight(b[7:13], " "))
	if fac < 0 || lev < 0 {
		return 0, 0
	}
	return fac<<3 | lev, 14
}

// The numbers of facilities and levels are those of syslog(3).
func facility(b []byte) int64 {
	switch string(b) {
	case "kern":
		return 0
	case "user":
		return 1
	case "mail":
		return 2
	case "daemon":
		return 3
	case "auth", "security":
		return 4
	case "syslog":
		return 5
	case "lpr":
		return 6
	case "news":
		return 7
	case "uucp":
		return 8
	case "cron":
		return 9
	case "authpriv":
		return 10
	case "ftp":
		return 11
	}
	if v, ok := bytes.CutPrefix(b, []byte("local")); ok && len(v) == 1 && v[0] >= '0' && v[0] <= '7' {
		return 16 + int64(v[0]-'0')
	}
	return -1
}

func level(b []byte) int64 {
	switch string(b) {
	case "emerg", "panic":
		return 0
	case "alert":
		return 1
	case "crit":
		return 2
	case "err", "error":
		return 3
	case "warn", "warning":
		return 4
	case "notice":
		return 5
	case "info":
		return 6
	case "debug":
		return 7
	}
	return -1
}
