// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
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
With -o json each line is checked and printed with the fields that it has; what a
terminal could act on is escaped.

What the watcher could not see or lost is said on stderr, and so is a recording
that lacks events without a reason. A damaged file is read as far as possible; what
is wrong with it is said at its end, and the exit code is 1. It is 4 when there was
nothing to show.

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
	flags.register(cmd, cli.Table, cli.Wide, cli.JSON)
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
	switch {
	case bad > 0:
		return fmt.Errorf("%d of %d files could not be read in full", bad, len(files))
	case sink.seen == 0:
		return cli.Nothing(errors.New("nothing to show: no kill and no change of the clock was recorded"))
	case sink.shown == 0:
		return cli.Nothing(fmt.Errorf("nothing to show: none of the %d recorded events matches the filters", sink.seen))
	}
	return nil
}

// replayFile shows the events of one file. problem is what is wrong with the
// file, err what keeps from going on.
func replayFile(ctx context.Context, env *cli.Env, name string, sink *replaySink) (problem, err error) {
	shown := name
	if name == "-" {
		shown = "standard input"
	}
	file, err := openInput(ctx, env, name)
	if err != nil {
		return err, nil // names the file
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 64<<10)
	if how := compression(in); how != "" {
		return fmt.Errorf("%s: compressed with %s; read it with '%s'", shown, how, unpack(how, name)), nil
	}

	var damage damage
	unknown := map[event.Type]int{}
	sessions := sessions{warn: func(s string) { env.Warnf("%s: %s", render.Sanitize(shown), s) }}
	scanner := event.NewScanner(in)
	for {
		e, err := scanner.Next()
		if ctx.Err() != nil {
			return nil, ctx.Err() // then err is that, or may be
		}
		var line *event.LineError
		switch {
		case err == nil, errors.Is(err, event.ErrType):
			if err != nil {
				unknown[e.Type]++
			}
			sessions.event(e)
			if err := sink.event(e, scanner.Raw()); err != nil {
				return nil, err
			}
			continue
		case errors.As(err, &line):
			damage.add(err)
			continue
		case !errors.Is(err, io.EOF):
			damage.add(err)
		}
		warnUnknown(env, shown, unknown)
		if damage.first == nil {
			sessions.end()
		}
		return damage.problem(shown), nil
	}
}

// openInput opens a file, or standard input for "-". What may keep a reader
// waiting, such as a FIFO without a writer, ends with ctx.
func openInput(ctx context.Context, env *cli.Env, name string) (io.ReadCloser, error) {
	if name == "-" {
		return cancellable(ctx, func() (io.ReadCloser, error) { return io.NopCloser(env.Stdin), nil }), nil
	}
	if st, err := os.Stat(name); err != nil || st.Mode().IsRegular() || st.IsDir() {
		return os.Open(name)
	}
	return cancellable(ctx, func() (io.ReadCloser, error) { return os.Open(name) }), nil
}

// cancellable opens and reads aside, so that whoever reads the result can stop with
// ctx. What waits for input then stays behind, until the process ends.
func cancellable(ctx context.Context, open func() (io.ReadCloser, error)) io.ReadCloser {
	pr, pw := io.Pipe()
	go func() {
		r, err := open()
		if err == nil {
			_, err = io.Copy(pw, r)
			r.Close()
		}
		pw.CloseWithError(err) // nil is the end of the input
	}()
	context.AfterFunc(ctx, func() { pr.CloseWithError(ctx.Err()) })
	return pr
}

// compression names what a file is compressed with, by its first bytes.
func compression(in *bufio.Reader) string {
	head, _ := in.Peek(6) // an error shows at the first line
	for _, c := range []struct{ magic, name string }{
		{"\x1f\x8b", "gzip"}, {"\x28\xb5\x2f\xfd", "zstd"}, {"\xfd7zXZ\x00", "xz"}, {"BZh", "bzip2"}, {"\x04\x22\x4d\x18", "lz4"},
	} {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return c.name
		}
	}
	return ""
}

// unpack is the command that replays a compressed file.
func unpack(how, file string) string {
	cat := map[string]string{"gzip": "zcat", "zstd": "zstdcat", "xz": "xzcat", "bzip2": "bzcat", "lz4": "lz4cat"}[how]
	if file != "-" {
		cat += " " + file
	}
	return cat + " | oomtrace replay -"
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
// as JSON with the fields that were recorded.
type replaySink struct {
	match *filter.Filter
	out   io.Writer
	table render.Sink // nil for JSON
	join  event.Joiner
	line  []byte

	seen, shown int // without what is about the session
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
	if !s.matches(e) {
		return nil
	}
	s.line = append(event.AppendInert(s.line[:0], raw), '\n')
	if _, err := s.out.Write(s.line); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

func (s *replaySink) show(events []*event.Event) error {
	for _, e := range events {
		if !s.matches(e) {
			continue
		}
		if err := s.table.Event(e); err != nil {
			return err
		}
	}
	return nil
}

// matches says whether e is to be shown, and counts.
func (s *replaySink) matches(e *event.Event) bool {
	match := s.match.Match(e)
	switch e.Type {
	case event.TypeSessionStart, event.TypeSessionEnd, event.TypeLost, event.TypeSample:
	default:
		s.seen++
		if match {
			s.shown++
		}
	}
	return match
}

func (s *replaySink) close() error {
	if s.table == nil {
		return nil
	}
	return errors.Join(s.show(s.join.Flush()), s.table.Close())
}
