// SPDX-License-Identifier: Apache-2.0

// Command oomtrace shows who ran out of memory, whose limit was hit, who was
// killed and why, and who moved the clock.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/render"
	"github.com/oomtrace/oomtrace/internal/simulate"
)

func main() {
	os.Exit(run(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// secondSignal is how long a second signal counts as the first: timeout(1) sends its
// own to the process and to its group.
const secondSignal = 500 * time.Millisecond

// run runs the command line args, args[0] being the program, and returns the
// exit code. SIGINT, SIGTERM and SIGHUP end its context, a second one, some moments
// later, ends the process. A command can have SIGHUP mean something else.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if filepath.Base(args[0]) == simulate.ChildName {
		return simulate.Child(args[1:], stdin, stdout, stderr)
	}
	// Else a write to a closed stdout would kill the process, instead of giving
	// EPIPE and a chance to clean up.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, hangUps := notifyHangUps(ctx)
	defer hangUps.stop()
	context.AfterFunc(ctx, func() {
		time.AfterFunc(secondSignal, func() { stop(); hangUps.stop() })
	})

	env := &cli.Env{Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: os.Getenv, OnHangUp: hangUps.call}
	root := newRoot(env)
	root.SetArgs(args[1:])
	out := checked{w: stdout}
	root.SetOut(&out)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.err
	}
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		env.Warnf("%s", render.Sanitize(strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	return cli.Code(err)
}

// checked is what cobra writes help and completions to, whose errors it ignores.
type checked struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (c *checked) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if c.err == nil {
		c.err = err
	}
	return n, err
}
