// SPDX-License-Identifier: Apache-2.0

package cmdline

import (
	"bytes"
	"slices"
	"strings"
)

// program is one that takes a secret with a short flag.
type program struct {
	name   string   // what the executable's name begins with
	secret string   // the flags whose value is a secret
	long   []string // the same, long, where the name does not tell
	other  string   // the flags that have another value
	glued  bool     // the value never is an argument of its own
	wraps  bool     // the first operand is another command, with flags of its own
}

var programs = [...]program{
	{name: "mysql", secret: "p", other: "uhPSD", glued: true},
	{name: "mariadb", secret: "p", other: "uhPSD", glued: true},
	{name: "curl", secret: "uUbE", long: []string{"--user", "--proxy-user", "--cert"}, other: "ACDFHKPQTXYcdemortwxyz"},
	{name: "redis-cli", secret: "a", other: "hpsnriu"},
	{name: "sshpass", secret: "p", other: "Pfd", wraps: true},
}

// running are the programs that a command names: itself, or one that it starts,
// as sudo and docker do.
type running [len(programs)]bool

// add takes in the program that word ends with, as mysql in (/usr/bin/mysql. It
// only adds: the word may as well be a host or a database.
func (on *running) add(word []byte) {
	start := len(word)
	for start > 0 && isNameByte(word[start-1]) {
		start--
	}
	for i, p := range programs {
		if bytes.HasPrefix(word[start:], []byte(p.name)) {
			on[i] = true
		}
	}
}

// unwrap leaves the programs whose command begins.
func (on *running) unwrap() {
	for i, p := range programs {
		on[i] = on[i] && !p.wraps
	}
}

// flags hides the secrets among the flags in t.
func (r *redactor) flags(on *running, t text) (next expect) {
	for i, p := range programs {
		if on[i] {
			next = max(next, r.flagsOf(&p, t))
		}
	}
	return next
}

// flagsOf reads t as getopt does.
func (r *redactor) flagsOf(p *program, t text) expect {
	switch {
	case len(t.b) < 2 || t.b[0] != '-':
		return nothing
	case slices.Contains(p.long, string(t.b)):
		return value
	case t.b[1] == '-':
		return nothing
	}
	for i := 1; i < len(t.b); i++ {
		last := i == len(t.b)-1
		switch c := t.b[i]; {
		case strings.IndexByte(p.secret, c) >= 0 && !last:
			r.hide(t, i+1, len(t.b))
			return nothing
		case strings.IndexByte(p.secret, c) >= 0 && !p.glued:
			return value
		case strings.IndexByte(p.other, c) >= 0 && last:
			return other
		case strings.IndexByte(p.other, c) >= 0:
			return nothing
		}
	}
	return nothing
}
