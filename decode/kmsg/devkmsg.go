// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"bytes"
	"time"
)

// kmsg reads "6,123,456789,-,caller=T12;text", which is what /dev/kmsg gives
// (kernel/printk/printk.c: info_print_ext_header) and extended netconsole sends, that one
// with the release in front if so configured ("6.4.0,6,123,…").
func (f *frame) kmsg(b []byte) bool {
	rest := b
	p, n := number(rest, 1, 10)
	if n == 0 || n >= len(rest) {
		return false
	}
	if rest[n] == '.' {
		i := bytes.IndexByte(rest, ',')
		if i < 0 || i > 80 {
			return false
		}
		rest = rest[i+1:]
		if p, n = number(rest, 1, 10); n == 0 || n >= len(rest) {
			return false
		}
	}
	if rest[n] != ',' {
		return false
	}
	rest = rest[n+1:]
	var seq uint64
	for n = 0; n < len(rest) && n < 20 && isDigit(rest[n]); n++ {
		seq = seq*10 + uint64(rest[n]-'0')
	}
	if n == 0 || n >= len(rest) || rest[n] != ',' {
		return false
	}
	rest = rest[n+1:]
	usec, n := number(rest, 1, 16) // 2^63 ns
	if n == 0 || n >= len(rest) || rest[n] != ',' && rest[n] != ';' || usec > maxStamp {
		return false
	}
	rest = rest[n:]
	end := bytes.IndexByte(rest, ';')
	if end < 0 {
		return false
	}
	f.start(b)
	f.setPriority(p)
	f.Seq, f.HasSeq = seq, true
	f.Printk, f.HasPrintk = time.Duration(usec)*time.Microsecond, true
	if end > 1 {
		f.flag = rest[1]
		f.attributes(rest[1:end])
	}
	return f.found(innerKmsg, rest[end+1:])
}

// maxStamp in µs is what a time.Duration holds.
const maxStamp = (1<<63 - 1) / 1000

func (f *frame) attributes(b []byte) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, ',')
		part := b
		if i >= 0 {
			part, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if v, ok := bytes.CutPrefix(part, []byte("caller=")); ok && len(v) <= maxCaller {
			f.Caller = v
		} else if v, ok := bytes.CutPrefix(part, []byte("ncfrag=")); ok && len(v) > 0 && v[0] != '0' {
			f.Continues = true // not the first packet of a record
		}
	}
}

const maxCaller = 32

// unescapeHex undoes \xNN in place, which stands for control characters, bytes above
// 126 and the backslash (msg_add_ext_text).
func unescapeHex(b []byte) []byte {
	i := bytes.IndexByte(b, '\\')
	if i < 0 {
		return b
	}
	out := b[:i]
	for i < len(b) {
		if b[i] == '\\' && i+3 < len(b) && b[i+1] == 'x' {
			hi, lo := hexDigit(b[i+2]), hexDigit(b[i+3])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 4
				continue
			}
		}
		out = append(out, b[i])
		i++
	}
	return out
}

func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
