// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// syslog reads "Jun 20 12:47:02 host kernel: [   12.345678] text", with <4> in front as
// on the wire or not, and the same without a time.
func (f *frame) syslog(b []byte) bool {
	f.clear()
	rest := b
	p, n := angle(rest)
	if n > 0 {
		f.traits |= traitRaw
		rest = rest[n:]
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

// program reads "host kernel: text" or, without a host, "kernel: text"; what is of
// another program, or of a process that calls itself so (kernel[123]:), is user space's.
func (f *frame) program(b []byte) bool {
	host, rest := word(b)
	ident := host
	if len(host) == 0 || len(host) > 255 {
		return false
	}
	if host[len(host)-1] == ':' {
		host = nil
	} else {
		ident, rest = word(rest)
		if p, ok := dotted(ident); ok { // busybox: host kern.info kernel: text
			f.setPriority(p)
			ident, rest = word(rest)
		}
	}
	f.Host = host
	if !bytes.Equal(ident, []byte("kernel:")) {
		f.User = true
		f.text = rest
		return true
	}
	d, n := stamp(rest)
	if n == 0 {
		f.text = rest
		return true
	}
	f.Printk, f.HasPrintk = d, true
	rest = rest[n:]
	if c, n := caller(unspace(rest)); n > 0 {
		f.Caller = c
		rest = unspace(rest)[n:]
	}
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

// ofProgram says whether b is "host program[1]: text" or "host program: text", the
// former sure, the latter so only for the kernel.
func ofProgram(b []byte) bool {
	host, rest := word(b)
	if len(host) == 0 || host[len(host)-1] == ':' {
		return bytes.Equal(host, []byte("kernel:"))
	}
	ident, _ := word(rest)
	return bytes.Equal(ident, []byte("kernel:")) || bytes.HasSuffix(ident, []byte("]:"))
}

// iso reads lines that begin with 2026-06-20T12:47:02: those of dmesg with a comma, of
// syslog and journalctl with a host and a program.
func (f *frame) iso(b []byte) bool {
	f.clear()
	var w Wall
	t, n := isoTime(b, BasisSyslog, &w)
	if n == 0 || n >= len(b) || b[n] != ' ' {
		return false
	}
	if t.comma {
		return f.dmesg(b)
	}
	if !f.program(b[n+1:]) {
		return false
	}
	f.Wall = w
	return f.found(innerSyslogISO, f.text)
}

// rfc5424 reads "<4>1 2026-06-20T12:47:02.123456+02:00 host kernel - - - text".
func (f *frame) rfc5424(b []byte) bool {
	f.clear()
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
	if !bytes.Equal(host, []byte("-")) {
		f.Host = host
	}
	f.traits |= traitRaw
	if !bytes.Equal(ident, []byte("kernel")) {
		f.User = true
	} else if d, n := stamp(rest); n > 0 {
		f.Printk, f.HasPrintk = d, true
		rest = unspace(rest[n:])
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
