// SPDX-License-Identifier: Apache-2.0

package cmdline

import "bytes"

// mask replaces a secret, whatever its length.
const mask = "***"

// maxDepth bounds how deep scripts within scripts are read. What is deeper is
// hidden.
const maxDepth = 8

// Redact returns a copy of args, NUL-separated arguments, in which secrets are
// replaced by ***.
func Redact(args []byte) []byte { return redact(args, false) }

// redact is Redact; cut says that the end of the last argument is missing.
func redact(args []byte, cut bool) []byte {
	r := redactor{hidden: make([]bool, len(args)), cut: cut}
	all := text{b: args, at: make([]int, len(args))}
	for i := range args {
		all.at[i] = i
	}
	list := make([]text, 0, bytes.Count(args, []byte{0})+1)
	for start := 0; start <= len(args); {
		end := all.skip(start, func(c byte) bool { return c != 0 })
		list = append(list, all.part(start, end))
		start = end + 1
	}
	r.args(list)

	out := make([]byte, 0, len(args)+len(mask))
	for i, c := range args {
		switch {
		case !r.hidden[i]:
			out = append(out, c)
		case i == 0 || !r.hidden[i-1]:
			out = append(out, mask...)
		}
	}
	return out
}

// redactor marks what is to be hidden.
type redactor struct {
	hidden []bool // for each byte of the input
	cut    bool
	depth  int
}

// hide hides t between start and end, and what the input has in between. A switch
// that is true or false is no secret.
func (r *redactor) hide(t text, start, end int) {
	if start < end && (!isOne(t.b[start:end], switches[:]) || r.isCut(t)) {
		for i := t.at[start]; i <= t.at[end-1]; i++ {
			r.hidden[i] = true
		}
	}
}

// isCut says whether the end of t is missing.
func (r *redactor) isCut(t text) bool {
	return r.cut && len(t.b) > 0 && t.at[len(t.b)-1] == len(r.hidden)-1
}

// expect is what an argument says about the next. The greater counts; from upTo
// on it is the byte up to which arguments are secret, a bracket for one.
type expect byte

const (
	nothing  expect = iota
	other           // a value that is no secret
	assigned        // a secret, if it stands behind = or :
	bare            // a secret, unless the command ends here
	value           // a secret
	upTo            // secrets, up to this byte
)

// args hides the secrets in args, the arguments of a command or the words of a
// script, and returns what they say about what follows.
func (r *redactor) args(args []text) (next expect) {
	var on running
	for _, t := range args {
		if t.is != plain {
			on = running{}
		}
		was := next
		next = max(r.arg(t), r.flags(&on, t))
		if was == nothing && t.byte(0) != '-' {
			on.unwrap()
		}
		on.add(t.b)

		sep := separator(t, 0)
		switch {
		case was >= upTo:
			r.hide(t, 0, len(t.b))
			if bytes.IndexByte(t.b, byte(was)) < 0 {
				next = was
			}
		case was < assigned || len(t.b) == 0 || t.is == key || was == bare && t.is == first:
		case sep == len(t.b): // the = of name = value
			next = value
		case was == assigned && sep == 0:
		case was == assigned:
			r.hide(t, sep, len(t.b))
			next = max(next, opened(t.b[sep:]))
		case isLongFlag(t.b) || t.skip(0, isOperator) == len(t.b):
		default:
			r.hide(t, 0, len(t.b))
			next = max(next, opened(t.b))
			if isScheme(t.b) {
				next = value
			}
		}
	}
	return next
}

// arg hides the secrets in t and returns what it says about the next argument.
func (r *redactor) arg(t text) expect {
	if isJSON(t.b) {
		return r.script(t, jsonWords(t), true)
	}
	head := t.skip(0, func(c byte) bool { return !isSpace(c) })
	r.userinfo(t, head)
	if next, done := r.names(t, head); done || head == len(t.b) {
		return next
	}
	list, sure := shellWords(t, false)
	if len(list) == 1 && len(list[0].b) == len(t.b) { // the spaces are in groups
		list, sure = shellWords(t, true)
	}
	return r.script(t, list, sure)
}

// script hides the secrets in t by its words.
func (r *redactor) script(t text, list []text, sure bool) expect {
	if r.depth == maxDepth {
		r.hide(t, 0, len(t.b))
		return nothing
	}
	r.depth++
	next := r.args(list)
	r.depth--
	if !sure {
		start := 0
		for start < len(t.b) && !r.hidden[t.at[start]] {
			start++
		}
		r.hide(t, start, len(t.b))
	}
	if next >= upTo { // it ends with the script
		return nothing
	}
	return next
}

// names hides what stands behind a secret name in t[:head], where there is no
// space. done says that there is nothing more in t.
func (r *redactor) names(t text, head int) (next expect, done bool) {
	for i := 0; i < head; {
		switch c := t.b[i]; {
		case isQuote(c) && head < len(t.b): // a script
			return nothing, false
		case c == ':' && bytes.HasPrefix(t.b[i:], []byte("://")):
			i += len("://") // auth:80 is a host here
			if end := t.skip(i, isHostByte); isHostPort(t.b[i:end]) && t.byte(end) != '=' {
				i = end
			}
			continue
		case !isNameByte(c):
			i++
			continue
		}
		start := i
		i = t.skip(i, isNameByte)
		name := t.b[start:i]
		if !isSecret(name) {
			continue
		}
		flag := name[0] == '-'
		if len(name) == len(t.b) && flag {
			return value, true
		}
		if len(name) == len(t.b) && isWord(name) {
			return bare, true
		}
		sep := t.skip(t.skip(i, isClosing), isSpace) // "name" : value
		if sep == len(t.b) {
			return assigned, false
		}
		end := separator(t, sep)
		if end == sep && t.b[sep] == '>' && t.byte(start-1) == '<' {
			end++ // <name>value
		}
		if end == sep || isPath(t, start, sep) {
			continue
		}
		from := t.skip(end, isSpace)
		before := t.byte(start - 1)
		switch {
		case from == len(t.b):
			if flag || t.b[end-1] == ':' {
				return value, true
			}
		case before == '?' || before == '&' && t.byte(start-2) != '&': // of a URL
			i = t.skip(from, func(c byte) bool { return c != '&' && c != '#' && !isSpace(c) && !isQuote(c) })
			r.hide(t, from, i)
		default:
			r.hide(t, from, len(t.b))
			if isScheme(t.b[from:]) {
				return value, true
			}
			if before == ';' && r.depth > 0 && bytes.IndexByte(t.b[from:], ';') < 0 { // Data Source=h;Password=a b;
				return expect(';'), true
			}
			return opened(t.b[from:]), true
		}
	}
	return nothing, false
}

// separator returns the end of what separates a name from its value at i, i if
// that is something else.
func separator(t text, i int) int {
	end := t.skip(i, func(c byte) bool { return c == '=' || c == ':' || c == '>' || c == '+' || c == '!' })
	if bytes.IndexByte(t.b[i:end], '=') < 0 && bytes.IndexByte(t.b[i:end], ':') < 0 {
		return i
	}
	return end
}

// isPath says whether the separator at sep belongs to a URL, to a list of paths or
// to the name of a class.
func isPath(t text, start, sep int) bool {
	return bytes.HasPrefix(t.b[sep:], []byte("://")) || bytes.HasPrefix(t.b[sep:], []byte("::")) ||
		bytes.HasPrefix(t.b[sep:], []byte(":/")) && t.byte(start-1) == '/'
}

// opened returns the bracket that ends a secret which begins with one, but does
// not end in this word.
func opened(secret []byte) expect {
	var end byte
	switch secret[0] {
	case '[':
		end = ']'
	case '{':
		end = '}'
	case '(':
		end = ')'
	}
	if end == 0 || bytes.IndexByte(secret, end) >= 0 {
		return nothing
	}
	return expect(end)
}

// userinfo hides what stands before the @ of URLs, and of data sources such as
// user:password@tcp(host), in t[:head].
func (r *redactor) userinfo(t text, head int) {
	far := bytes.LastIndexByte(t.b, '@')
	last := bytes.LastIndexByte(t.b[:head], '@')
	slash := bytes.LastIndexByte(t.b[:head], '/')
	slashBefore := bytes.LastIndexByte(t.b[:max(last, 0)], '/')
	source := -1 // the @ of a data source; its password may have any bytes
	for i := range t.b {
		if t.b[i] == '@' && t.byte(t.skip(i+1, isNameByte)) == '(' {
			source = i
		}
	}
	user := 0 // where one may begin
	for i := 0; i < head; i++ {
		switch c := t.b[i]; {
		case c == ':' && bytes.HasPrefix(t.b[i:], []byte("://")):
			i = r.authority(t, i+len("://"), head, far) - 1
			user = -1
		case c == ':' && user >= 0 && t.b[user] != '-':
			switch {
			case source > i:
				r.hide(t, user, source)
				i = source
			case last > i && slashBefore < user && !bytes.HasPrefix(t.b[last:], []byte("@sha256:")):
				r.hide(t, user, last)
				i = last
			case r.isCut(t) && head == len(t.b) && i+1 < head && slash < i && !bytes.HasSuffix(t.b[user:i], []byte(".jar")):
				r.hide(t, user, head)
				return
			}
			user = -1
		case c == ':' || c == '/' || c == '@':
			user = -1
		case c == '=' || c == ',' || c == ';' || c == '(' || isQuote(c):
			user = i + 1
		}
	}
}

// authority hides the userinfo in the authority of a URL at i, far being the last @
// in t. It returns where to look on: another URL may follow in a list of hosts.
func (r *redactor) authority(t text, i, head, far int) int {
	end := i
	for end < head && t.b[end] != '/' && t.b[end] != '?' && t.b[end] != '#' && !isQuote(t.b[end]) {
		end++
	}
	authority := t.b[i:end]
	at := bytes.LastIndexByte(authority, '@')
	switch {
	case end == len(t.b) && r.isCut(t):
		r.hide(t, i, end)
		return end
	case at >= 0:
		r.hide(t, i, i+at)
		return i + at
	case isHostPort(authority):
		return i
	}
	// The password has a / itself, or a space.
	if far < i && r.isCut(t) {
		far = len(t.b)
	}
	if far < i {
		return i
	}
	r.hide(t, i, far)
	return min(far, head)
}

// isHostPort says whether an authority without @ is one: what follows the last
// colon is a port, or the colon belongs to an IPv6 address.
func isHostPort(authority []byte) bool {
	colon := bytes.LastIndexByte(authority, ':')
	if colon < 0 || bytes.HasSuffix(authority, []byte("]")) {
		return true
	}
	for _, c := range authority[colon+1:] {
		if !isDigit(c) {
			return false
		}
	}
	return colon > 0
}

// isLongFlag says whether s begins with a flag such as --verbose, which cannot
// be the value of the flag before.
func isLongFlag(s []byte) bool {
	return len(s) > 2 && s[0] == '-' && s[1] == '-' && isLetter(s[2])
}

func isQuote(c byte) bool    { return c == '\'' || c == '"' || c == '`' }
func isClosing(c byte) bool  { return isQuote(c) || c == '\\' || c == ']' }
func isHostByte(c byte) bool { return isNameByte(c) || c == ':' || c == '[' || c == ']' }
func isOperator(c byte) bool { return c == ';' || c == '&' || c == '|' || c == ')' }
