// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// syslog reads "Jun 20 12:47:02 host kernel: [   12.345678] text", with <4> in front as
// on the wire or not, and the same without a time.
func (f *frame) syslog(b []byte) bool {
	f.start(b)
	rest := b
	p, n := angle(rest)
	if n > 0 {
		f.traits |= traitRaw
		rest = rest[n:]
	}
	if k := weekday(rest); k > 0 && month(rest[k:min(k+3, len(rest))]) > 0 { // OpenWrt
		rest = rest[k:]
	}
	if k := bsdTime(rest, BasisSyslog, &f.Wall); k > 0 && k < len(rest) && rest[k] == ' ' {
		rest = rest[k+1:]
	} else if bytes.HasPrefix(rest, []byte("kernel: ")) {
		f.traits |= traitBare
	} else {
		return false
	}
	if !f.program(rest) {
		return false
	}
	if n > 0 {
		f.setPriority(p)
	}
	return f.found(innerSyslog, f.text)
}

// program reads "host kernel: text" or, without a host, "kernel: text", or a stamp
// alone, as of netconsole and of tools that put a time before each line. What is of
// another program, or of a process that calls itself so (kernel[123]:), is user space's.
func (f *frame) program(b []byte) bool {
	if f.stamped(b) {
		return true
	}
	ident, rest := word(b)
	if len(ident) == 0 || len(ident) > 255 {
		return false
	}
	p, ok := dotted(ident) // OpenWrt: kern.info kernel: text
	if !ok && ident[len(ident)-1] != ':' {
		f.Host = ident
		if b = rest; f.stamped(b) {
			return true
		}
		ident, rest = word(b)
		p, ok = dotted(ident) // busybox: host kern.info kernel: text
	}
	if ok {
		f.setPriority(p)
		b = rest
		ident, rest = word(b)
	}
	f.text = rest
	if string(ident) != "kernel:" {
		f.User = true
		if !bytes.HasSuffix(ident, []byte{':'}) { // "last message repeated 2 times"
			f.text = b
		}
		return true
	}
	if p, n := angle(rest); n > 0 { // klogd of kernels that have no stamps
		f.setPriority(p)
		rest = rest[n:]
		f.text = rest
	}
	f.stamped(rest)
	return true
}

// stamped reads a stamp and a caller before the text.
func (f *frame) stamped(b []byte) bool {
	d, n := stamp(b)
	if n == 0 {
		return false
	}
	rest := b[n:]
	c, n := caller(unspace(rest))
	if n > 0 {
		rest = unspace(rest)[n:]
	}
	if len(rest) > 0 && rest[0] != ' ' {
		return false
	}
	f.Printk, f.HasPrintk = d, true
	f.Caller = c
	f.text = unspace(rest)
	return true
}

// dotted reads "kern.info".
func dotted(b []byte) (p int64, ok bool) {
	i := bytes.IndexByte(b, '.')
	if i < 0 {
		return 0, false
	}
	fac, lev := facility(b[:i]), level(b[i+1:])
	return fac<<3 | lev, fac >= 0 && lev >= 0
}

// ofProgram says whether b is "host program[1]: text" or "host kernel: text", with a host
// or without.
func ofProgram(b []byte) bool {
	ident, rest := word(b)
	if len(ident) == 0 {
		return false
	}
	if ident[len(ident)-1] != ':' {
		ident, _ = word(rest)
	}
	return string(ident) == "kernel:" || bytes.HasSuffix(ident, []byte("]:"))
}

// iso reads lines that begin with 2026-06-20T12:47:02, or with <4> and that: those of
// dmesg with a comma, of syslog and journalctl with a host and a program.
func (f *frame) iso(b []byte) bool {
	f.start(b)
	p, raw := angle(b)
	rest := b[raw:]
	var w Wall
	t, n := isoTime(rest, BasisSyslog, &w)
	if n == 0 || n >= len(rest) || rest[n] != ' ' {
		return false
	}
	if t.comma {
		return f.dmesg(b)
	}
	rest = rest[n+1:]
	// Nanoseconds and streams are a container runtime's.
	if _, _, _, ok := cri(rest); ok || t.digits > 6 || !f.program(rest) {
		return false
	}
	if raw > 0 {
		f.setPriority(p)
		f.traits |= traitRaw
	}
	f.Wall = w
	return f.found(innerSyslogISO, f.text)
}

// rfc5424 reads "<4>1 2026-06-20T12:47:02.123456+02:00 host kernel - - - text".
func (f *frame) rfc5424(b []byte) bool {
	f.start(b)
	p, n := angle(b)
	if n == 0 || len(b) < n+2 || b[n] != '1' || b[n+1] != ' ' {
		return false
	}
	rest := b[n+2:]
	var w Wall
	if len(rest) > 1 && rest[0] == '-' && rest[1] == ' ' {
		rest = rest[2:]
	} else {
		_, n := isoTime(rest, BasisSyslog, &w)
		if n == 0 || n >= len(rest) || rest[n] != ' ' {
			return false
		}
		rest = rest[n+1:]
	}
	host, rest := word(rest)
	ident, rest := word(rest)
	_, rest = word(rest) // process
	_, rest = word(rest) // kind of message
	rest, ok := structured(rest)
	if !ok {
		return false
	}
	rest = bytes.TrimPrefix(rest, []byte("\xef\xbb\xbf"))
	f.setPriority(p)
	f.Wall = w
	if string(host) != "-" {
		f.Host = host
	}
	f.traits |= traitRaw
	if string(ident) != "kernel" {
		f.User = true
	} else if f.stamped(rest) {
		rest = f.text
	}
	return f.found(innerSyslogISO, rest)
}

// structured skips the structured data, "-" or "[id key="value"]…", and the space
// behind it.
func structured(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 {
		return b, false
	}
	if b[0] == '-' {
		return unspace(b[1:]), true
	}
	for len(b) > 0 && b[0] == '[' {
		quoted := false
		i := 1
		for ; i < len(b) && (quoted || b[i] != ']'); i++ {
			switch b[i] {
			case '"':
				quoted = !quoted
			case '\\':
				i++
			}
		}
		if i >= len(b) {
			return nil, false
		}
		b = b[i+1:]
	}
	return unspace(b), true
}

// unescapeOctal undoes #012 in place, which rsyslog writes for control characters and,
// if told to, for bytes above 127.
func unescapeOctal(b []byte) []byte {
	i := bytes.IndexByte(b, '#')
	if i < 0 {
		return b
	}
	out := b[:i]
	for i < len(b) {
		if b[i] == '#' && i+3 < len(b) {
			v := 0
			for _, c := range b[i+1 : i+4] {
				if c < '0' || c > '7' {
					v = -1
					break
				}
				v = v<<3 | int(c-'0')
			}
			if v >= 0 && v < ' ' || v >= 127 && v < 256 {
				out = append(out, byte(v))
				i += 4
				continue
			}
		}
		out = append(out, b[i])
		i++
	}
	return out
}
