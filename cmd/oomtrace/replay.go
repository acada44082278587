// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/filter"
	"github.com/oomtrace/oomtrace/internal/render"
)

func newReplay(env *cli.Env) *cobra.Command {
	var flags eventFlags
	cmd := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Show recorded events as watch shows live ones",
		Long: `Show the events of files that 'oomtrace watch -o json' wrote, in the order given;
"-" is standard input. This works on any OS and looks at nothing but the files.
With -o json each line is checked and printed as it was recorded.

A damaged file is read as far as possible; what is wrong with it is said at its
end, and the exit code is 1.

` + filterHelp,
		Example: `  oomtrace replay events.jsonl
  oomtrace replay --namespace shop --stack -o wide *.jsonl
  zcat events.jsonl.gz | oomtrace replay --utc -`,
		GroupID: groupOffline,
		Args:    cli.MinArgs("a FILE, or - for standard input"),
		RunE: func(cmd *cobra.Command, files []string) error {
			options, err := flags.renderOptions(env)
			if err != nil {
				return err
			}
			return replay(cmd.Context(), env, files, options, &flags.filter)
		},
	}
	flags.register(cmd)
	return cmd
}

// replay shows the events of all files that can be read, and returns an error
// that says what was wrong with the others.
func replay(ctx context.Context, env *cli.Env, files []string, options render.Options, match *filter.Filter) error {
	sink, err := newReplaySink(env.Stdout, options, match)
	if err != nil {
		return err
	}
	bad := 0
	for _, name := range files {
		problem, err := replayFile(ctx, env, name, sink)
		switch {
		case errors.Is(err, context.Canceled):
			return sink.close()
		case err != nil:
			return err
		case problem == nil:
		case len(files) == 1:
			return errors.Join(sink.close(), problem)
		default:
			bad++
			env.Warnf("%s", render.Sanitize(problem.Error()))
		}
	}
	if err := sink.close(); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d files could not be read in full", bad, len(files))
	}
	return nil
}

// replayFile shows the events of one file. problem is what is wrong with the
// file, err what keeps from going on.
func replayFile(ctx context.Context, env *cli.Env, name string, sink *replaySink) (problem, err error) {
	in, shown := env.Stdin, "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err, nil // names the file
		}
		defer f.Close()
		in, shown = f, name
	} else {
		in = cancellable(ctx, in)
	}

	var damage damage
	unknown := map[event.Type]int{}
	scanner := event.NewScanner(in)
	for ctx.Err() == nil {
		e, err := scanner.Next()
		var line *event.LineError
		switch {
		case err == nil, errors.Is(err, event.ErrType):
			if err != nil {
				unknown[e.Type]++
			}
			if err := sink.event(e, scanner.Raw()); err != nil {
				return nil, err
			}
		case errors.As(err, &line):
			damage.add(err)
		case errors.Is(err, io.EOF):
			warnUnknown(env, shown, unknown)
			return damage.problem(shown), nil
		default:
			damage.add(err)
			warnUnknown(env, shown, unknown)
			return damage.problem(shown), nil
		}
	}
	return nil, ctx.Err()
}

// cancellable makes reads from r end with ctx. A reader that waits for input
// stays behind, until the process ends.
func cancellable(ctx context.Context, r io.Reader) io.Reader {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.Copy(pw, r)
		pw.CloseWithError(err) // nil is the end of the input
	}()
	context.AfterFunc(ctx, func() { pr.CloseWithError(ctx.Err()) })
	return pr
}

// warnUnknown says which events a table cannot show.
func warnUnknown(env *cli.Env, file string, unknown map[event.Type]int) {
	if len(unknown) == 0 {
		return
	}
	count := 0
	var names []string
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		count += unknown[name]
		names = append(names, string(name))
	}
	if len(names) > 5 {
		names = append(names[:5], "…")
	}
	env.Warnf("%s: %d events of types that this version does not know (%s): a newer oomtrace shows them",
		render.Sanitize(file), count, render.Sanitize(strings.Join(names, ", ")))
}

// damage remembers the first thing that is wrong with a file, and how many more
// there are.
type damage struct {
	first error
	more  int
}

func (d *damage) add(err error) {
	if d.first != nil {
		d.more++
		return
	}
	d.first = err
}

// problem says in one line what is wrong with the file and what to do; nil when
// nothing is.
func (d *damage) problem(file string) error {
	if d.first == nil {
		return nil
	}
	more := ""
	if d.more > 0 {
		more = fmt.Sprintf(" (and %d more lines)", d.more)
	}
	advice := "; give a file that 'oomtrace watch -o json' wrote"
	var schema *event.SchemaError
	switch {
	case errors.Is(d.first, event.ErrTruncated):
		advice = "; all before it was read, the writer was stopped or the disk was full"
	case errors.As(d.first, &schema) && strings.HasPrefix(schema.Found, "oomtrace/"):
		advice = "" // the error says it
	}
	return fmt.Errorf("%s: %w%s%s", file, d.first, more, advice)
}

// replaySink shows the events that match: in a table with their details joined,
// as JSON just as they were recorded.
type replaySink struct {
	match *filter.Filter
	out   io.Writer
	table render.Sink // nil for JSON
	join  event.Joiner
	line  []byte
}

func newReplaySink(w io.Writer, options render.Options, match *filter.Filter) (*replaySink, error) {
	s := &replaySink{match: match, out: w}
	if options.Format == cli.JSON {
		return s, nil
	}
	var err error
	s.table, err = render.New(w, options)
	return s, err
}

// event takes an event and the line it was read from.
func (s *replaySink) event(e *event.Event, raw []byte) error {
	if s.table != nil {
		return s.show(s.join.Add(e))
	}
	if !s.match.Match(e) {
		return nil
	}
	s.line = append(append(s.line[:0], raw...), '\n')
	if _, err := s.out.Write(s.line); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

func (s *replaySink) show(events []*event.Event) error {
	for _, e := range events {
		if !s.match.Match(e) {
			continue
		}
		if err := s.table.Event(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *replaySink) close() error {
	if s.table == nil {
		return nil
	}
	return errors.Join(s.show(s.join.Flush()), s.table.Close())
}
