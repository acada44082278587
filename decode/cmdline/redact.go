// SPDX-License-Identifier: Apache-2.0

package cmdline

import "bytes"

// mask replaces a secret, whatever its length.
const mask = "***"

// words make a name secret, wherever in it they stand and in either case.
var words = [...]string{
	"password", "passwd", "passphrase", "pwd",
	"secret", "token", "key", "auth", "credential",
}

// Redact returns a copy of args, NUL-separated arguments, in which secrets are
// replaced by ***:
//
//   - --password=x, -DdbPassword=x, PASSWORD=x, {"password": "x"},
//     "Authorization: Bearer x": up to the end of the argument, unless spaces or
//     quotes show that the value ends before;
//   - --password x, as one argument or two;
//   - scheme://user:x@host, and https://x@host.
func Redact(args []byte) []byte {
	out := make([]byte, 0, len(args)+len(mask))
	var hide bool // the argument is the value of the one before
	for {
		arg, rest, more := bytes.Cut(args, []byte{0})
		switch {
		case hide && len(arg) > 0 && !isLongFlag(arg):
			if isScheme(arg) { // Bearer, then the token
				out = append(out, arg...)
				break
			}
			out, hide = append(out, mask...), false
		default:
			r := redactor{arg: arg, out: out}
			out, hide = r.run()
		}
		if !more {
			return out
		}
		out, args = append(out, 0), rest
	}
}

// redactor scans one argument. It is one word of the shell that started the
// process, or a whole script (sh -c), or a title that the process gave itself.
type redactor struct {
	arg, out []byte
	pos      int
	quote    byte // the open quote at pos, if any
	spaced   bool // a space or a quote came before pos
}

// run returns out with the argument appended, and whether the next argument is
// a secret.
func (r *redactor) run() (out []byte, hideNext bool) {
	for r.pos < len(r.arg) {
		switch c := r.arg[r.pos]; {
		case isNameByte(c):
			if r.name() {
				return r.out, true
			}
		case c == ':' && bytes.HasPrefix(r.arg[r.pos:], []byte("://")):
			r.url()
		default:
			switch {
			case c == '\\':
				r.copyTo(r.pos + 1)
			case isQuote(c) && r.quote == 0:
				r.quote, r.spaced = c, true
			case c == r.quote:
				r.quote = 0
			case isSpace(c):
				r.spaced = true
			}
			r.copyTo(r.pos + 1)
		}
	}
	return r.out, false
}

// copyTo copies the argument up to end.
func (r *redactor) copyTo(end int) {
	end = min(end, len(r.arg))
	r.out = append(r.out, r.arg[r.pos:end]...)
	r.pos = end
}

// hideTo masks the argument up to end.
func (r *redactor) hideTo(end int) {
	if end > r.pos {
		r.out = append(r.out, mask...)
		r.pos = end
	}
}

// at returns the byte at i, or 0 behind the end.
func (r *redactor) at(i int) byte {
	if i < 0 || i >= len(r.arg) {
		return 0
	}
	return r.arg[i]
}

// skip returns the first position from i on whose byte is not in class.
func (r *redactor) skip(i int, class func(byte) bool) int {
	for i < len(r.arg) && class(r.arg[i]) {
		i++
	}
	return i
}

// name copies the name at pos and hides its value, if it is a secret one. It
// says whether the value is the next argument.
func (r *redactor) name() (hideNext bool) {
	start := r.pos
	end := r.skip(start, isNameByte)
	name := r.arg[start:end]
	if !isSecret(name) {
		r.copyTo(end)
		return false
	}
	flag := name[0] == '-'
	if start == 0 && end == len(r.arg) && (flag || isWord(name)) {
		r.copyTo(end)
		return true
	}
	// "name" : value
	sep := r.skip(r.skip(end, isQuoting), isSpace)
	switch c := r.at(sep); {
	case c == ':' && r.at(sep+1) == '/' && (r.at(sep+2) == '/' || r.at(start-1) == '/'):
		r.copyTo(end) // a URL's scheme, or a list of paths
	case c == '=' || c == ':':
		query := r.at(start-1) == '?' || r.at(start-1) == '&'
		value := r.skip(r.skip(sep, isSeparator), isSpace)
		if r.quote != 0 && r.at(end) == r.quote {
			r.quote = 0
		}
		r.copyTo(value)
		if value == len(r.arg) {
			return c == ':'
		}
		r.value(!r.spaced, query)
	case flag && isSpace(r.at(end)):
		r.copyTo(r.skip(end, isSpace))
		r.spaced = true
		if !isLongFlag(r.arg[r.pos:]) {
			r.value(false, false)
		}
	default:
		r.copyTo(end)
	}
	return false
}

// value hides the value at pos. whole: it may hold spaces, since the argument
// has no quoting of its own. query: it is a URL's query parameter.
func (r *redactor) value(whole, query bool) {
	open := r.skip(r.pos, func(c byte) bool { return c == '\\' })
	escapes := open - r.pos
	if q := r.at(open); isQuote(q) && (escapes > 0 || q != r.quote) {
		r.copyTo(open + 1)
		r.spaced = true
		r.hideTo(r.closing(q, escapes))
		r.copyTo(r.pos + escapes + 1)
		return
	}
	switch {
	case query:
		r.hideTo(r.skip(r.pos, func(c byte) bool {
			return c != '&' && c != '#' && !isSpace(c) && !isQuote(c)
		}))
	case r.quote != 0:
		r.hideTo(r.closing(r.quote, 0))
	case whole:
		r.hideTo(len(r.arg))
	default:
		end := r.word(r.pos)
		if isScheme(r.arg[r.pos:end]) {
			end = r.word(r.skip(end, isSpace))
		}
		r.hideTo(end)
	}
}

// word returns the end of the shell word at i.
func (r *redactor) word(i int) int {
	for i < len(r.arg) && !isSpace(r.arg[i]) && !isQuote(r.arg[i]) {
		if r.arg[i] == '\\' {
			i++
		}
		i++
	}
	return min(i, len(r.arg))
}

// closing returns the position of what ends the text that the quote q opened
// before pos: the same quote behind as many backslashes; or the argument's end.
func (r *redactor) closing(q byte, escapes int) int {
	run := 0 // backslashes right before i
	for i := r.pos; i < len(r.arg); i++ {
		switch {
		case r.arg[i] == '\\':
			run++
			continue
		case r.arg[i] == q && run <= escapes:
			return i - run
		}
		run = 0
	}
	return len(r.arg)
}

// url hides the password in the authority behind the "://" at pos.
func (r *redactor) url() {
	http := hasSuffixFold(r.arg[:r.pos], "http") || hasSuffixFold(r.arg[:r.pos], "https")
	r.copyTo(r.pos + len("://"))
	text := r.arg[r.pos:r.skip(r.pos, func(c byte) bool { return !isSpace(c) && !isQuote(c) })]
	authority := text
	if i := bytes.IndexAny(text, "/?#"); i >= 0 {
		authority = text[:i]
	}
	at := bytes.LastIndexByte(authority, '@')
	if at < 0 && !isHostPort(authority) { // the password holds a / itself
		at = bytes.LastIndexByte(text, '@')
	}
	if at < 0 {
		return
	}
	end := r.pos + at
	colon := bytes.IndexByte(text[:at], ':')
	switch {
	case colon >= 0:
		r.copyTo(r.pos + colon + 1)
		r.hideTo(end)
	case http: // a token in the place of the user
		r.hideTo(end)
	default:
		r.copyTo(end)
	}
}

// isHostPort says whether an authority without @ is one: what follows the last
// colon is a port, or the colon belongs to an IPv6 address.
func isHostPort(authority []byte) bool {
	colon := bytes.LastIndexByte(authority, ':')
	if colon < 0 || bytes.HasSuffix(authority, []byte("]")) {
		return true
	}
	for _, c := range authority[colon+1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// isSecret says whether name contains one of words.
func isSecret(name []byte) bool {
	for _, w := range words {
		for i := 0; i+len(w) <= len(name); i++ {
			if foldEqual(name[i:i+len(w)], w) {
				return true
			}
		}
	}
	return false
}

// isWord says whether name is one of words, or its plural.
func isWord(name []byte) bool {
	for _, w := range words {
		if foldEqual(name, w) || foldEqual(name, w+"s") {
			return true
		}
	}
	return false
}

// isScheme says whether word is an HTTP authentication scheme, which precedes
// the secret itself.
func isScheme(word []byte) bool {
	for _, s := range [...]string{"bearer", "basic", "digest", "negotiate", "token"} {
		if foldEqual(word, s) {
			return true
		}
	}
	return false
}

// isLongFlag says whether s begins with a flag such as --verbose, which cannot
// be the value of the flag before.
func isLongFlag(s []byte) bool {
	return len(s) > 2 && s[0] == '-' && s[1] == '-' && ('a' <= s[2]|0x20 && s[2]|0x20 <= 'z')
}

// foldEqual says whether b is lower, lower-case ASCII, in any case.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func hasSuffixFold(b []byte, lower string) bool {
	return len(b) >= len(lower) && foldEqual(b[len(b)-len(lower):], lower)
}

func isNameByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '-' || c == '.'
}

func isSpace(c byte) bool     { return c == ' ' || '\t' <= c && c <= '\r' }
func isQuote(c byte) bool     { return c == '\'' || c == '"' || c == '`' }
func isQuoting(c byte) bool   { return isQuote(c) || c == '\\' }
func isSeparator(c byte) bool { return c == '=' || c == ':' || c == '>' }
