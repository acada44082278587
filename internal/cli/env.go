// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// Env is what a run of the command is given: its streams and its environment.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Getenv looks up an environment variable; nil means that none is set.
	Getenv func(string) string
	// OnHangUp has f called at each SIGHUP, which else ends the command; nil where that
	// cannot be had.
	OnHangUp func(f func())
}

// Warnf writes one line for a person to stderr.
func (e *Env) Warnf(format string, args ...any) {
	fmt.Fprintf(e.Stderr, "oomtrace: "+format+"\n", args...)
}

func (e *Env) getenv(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

// Terminal says whether stdout is a terminal, and how many columns it has (0:
// not known).
func (e *Env) Terminal() (columns int, ok bool) {
	columns, _, ok = e.size()
	return columns, ok
}

// ErrTerminal says whether stderr is a terminal whose lines can be replaced.
func (e *Env) ErrTerminal() bool {
	f, isFile := e.Stderr.(*os.File)
	return isFile && term.IsTerminal(int(f.Fd())) && e.getenv("TERM") != "dumb"
}

// Screen says whether what stdout shows can be replaced, which a terminal can do
// unless it is a dumb one, and how many columns and lines that has (0: not known).
func (e *Env) Screen() (columns, lines int, ok bool) {
	columns, lines, ok = e.size()
	return columns, lines, ok && e.getenv("TERM") != "dumb"
}

func (e *Env) size() (columns, lines int, terminal bool) {
	f, isFile := e.Stdout.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, 0, false
	}
	columns, lines, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0, true
	}
	return columns, lines, true
}

// color follows https://no-color.org: any non-empty NO_COLOR turns colour off.
func (e *Env) color(terminal bool) bool {
	return terminal && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb"
}
