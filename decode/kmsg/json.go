// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// object goes through the members of one JSON object, which may be cut off.
type object struct {
	b        []byte // what is left
	key, val []byte // as they stand there: a string without its quotes
	kind     byte   // of val: '"', '[', '{', or 0 for a number or a word
}

// open begins at the brace of an object; false: there is none.
func open(b []byte) (o object, ok bool) {
	b = blank(b)
	if len(b) == 0 || b[0] != '{' {
		return o, false
	}
	return object{b: b[1:]}, true
}

// next goes to the next member; false: there is none, or it is no JSON.
func (o *object) next() bool {
	o.b = blank(o.b)
	if len(o.b) > 0 && o.b[0] == ',' {
		o.b = blank(o.b[1:])
	}
	if len(o.b) == 0 || o.b[0] != '"' {
		return false
	}
	o.key, o.b = quoted(o.b)
	o.b = blank(o.b)
	if len(o.b) == 0 || o.b[0] != ':' {
		return false
	}
	o.val, o.kind, o.b = value(blank(o.b[1:]))
	return true
}

// text undoes the escapes of a string, or the numbers of bytes that stand for one, and
// appends it to dst; of several values the first. ok false: it is none of these.
func (o *object) text(dst []byte) (_ []byte, ok bool) { return valueText(dst, o.val, o.kind) }

func valueText(dst, val []byte, kind byte) (_ []byte, ok bool) {
	switch kind {
	case '"':
		return unescapeJSON(dst, val), true
	case '[':
		b := blank(val)
		if len(b) == 0 {
			return dst, true
		}
		if b[0] == '"' || b[0] == '[' {
			first, kind, _ := value(b)
			if kind == '[' && len(first) > 0 && !isDigit(blank(first)[0]) {
				return dst, false
			}
			return valueText(dst, first, kind)
		}
		for len(b) > 0 {
			v, n := number(b, 1, 3)
			if n == 0 || v > 255 {
				return dst, false
			}
			dst = append(dst, byte(v))
			if b = blank(b[n:]); len(b) > 0 && b[0] == ',' {
				b = blank(b[1:])
			}
		}
		return dst, true
	}
	return dst, false
}

func blank(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// quoted cuts the string at the head of b, which begins with a quote.
func quoted(b []byte) (s, rest []byte) {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return b[1:i], b[i+1:]
		}
	}
	return b[1:], nil
}

// value cuts the value at the head of b.
func value(b []byte) (val []byte, kind byte, rest []byte) {
	if len(b) == 0 {
		return nil, 0, nil
	}
	switch b[0] {
	case '"':
		val, rest = quoted(b)
		return val, '"', rest
	case '[', '{':
		depth := 0
		for i := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				_, after := quoted(b[i:])
				i = len(b) - len(after) - 1
			case '[', '{':
				depth++
			case ']', '}':
				if depth--; depth == 0 {
					return b[1:i], b[0], b[i+1:]
				}
			}
		}
		return b[1:], b[0], nil
	}
	i := 0
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] != '\n' {
		i++
	}
	return b[:i], 0, b[i:]
}

// unescapeJSON appends the string s without its escapes.
func unescapeJSON(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			dst = append(dst, c)
			continue
		}
		i++
		switch s[i] {
		case 'n':
			dst = append(dst, '\n')
		case 't':
			dst = append(dst, '\t')
		case 'r':
			dst = append(dst, '\r')
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'u':
			r := hex4(s[i+1:])
			if r < 0 {
				dst = append(dst, '\\', 'u')
				continue
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+2 < len(s) && s[i+1] == '\\' && s[i+2] == 'u' {
					low = hex4(s[i+3:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default: // " \ /
			dst = append(dst, s[i])
		}
	}
	return dst
}

func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		d := hexDigit(c)
		if d < 0 {
			return -1
		}
		r = r<<4 | rune(d)
	}
	return r
}

// journalObject reads an object of journalctl -o json; false: it is none.
func journalObject(b []byte, t *slot, scratch *[]byte) (e entry, ok bool) {
	o, ok := open(b)
	if !ok {
		return e, false
	}
	e = newEntry()
	for o.next() {
		val, ok := o.text((*scratch)[:0])
		*scratch = val[:0]
		if ok {
			e.field(o.key, val, t)
		}
	}
	return e, e.known || e.message && (e.transport || e.ident)
}

// dmesgObject reads an object of dmesg --json, {"pri":6,"time":12.345678,"msg":"…"};
// false: it is none.
func dmesgObject(b []byte, t *slot) bool {
	o, ok := open(b)
	if !ok {
		return false
	}
	msg, known := false, false
	for o.next() {
		switch string(o.key) {
		case "pri":
			if p, n := number(o.val, 1, 4); n > 0 && n == len(o.val) {
				t.setPriority(p)
				known = true
			}
		case "time":
			if s, err := strconv.ParseFloat(string(o.val), 64); err == nil && s >= 0 && s < maxStamp/1_000_000 {
				t.Printk, t.HasPrintk = time.Duration(s*1e6+0.5)*time.Microsecond, true
				known = true
			}
		case "msg":
			t.text, msg = o.text(t.text[:0])
			t.Text = t.text
		}
	}
	return msg && known
}
