// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/filter"
	"github.com/oomtrace/oomtrace/internal/record"
	"github.com/oomtrace/oomtrace/internal/render"
)

func newReplay(env *cli.Env) *cobra.Command {
	var flags eventFlags
	cmd := &cobra.Command{
		Use:   "replay [FILE|DIR]...",
		Short: "Show recorded events as watch shows live ones",
		Long: `Show the events of files that 'oomtrace watch -o json' wrote, in the order given;
"-" is standard input. Of a directory that is the record of 'oomtrace watch --record
DIR', with all its files; without arguments, of ` + record.DefaultDir + `, where the
service keeps its own. This works on any OS and looks at nothing but the files.
With -o json each line is checked and printed with the fields that it has; what a
terminal could act on is escaped.

What the watcher could not see or lost is said on stderr, and so is a recording
that lacks events without a reason. A damaged file is read as far as possible; what
is wrong with it is said at its end, and the exit code is 1. It is 4 when there was
nothing to show.

` + filterHelp,
		Example: `  sudo oomtrace replay
  oomtrace replay events.jsonl
  oomtrace replay --namespace shop --stack -o wide *.jsonl
  zcat events.jsonl.gz | oomtrace replay --utc -`,
		GroupID: groupOffline,
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := flags.renderOptions(env)
			if err != nil {
				return err
			}
			return replay(cmd.Context(), env, args, options, &flags.filter)
		},
	}
	flags.register(cmd, cli.Table, cli.Wide, cli.JSON)
	return cmd
}

// replay shows the events of all that can be read, and returns an error that says what
// was wrong with the rest.
func replay(ctx context.Context, env *cli.Env, args []string, options render.Options, match *filter.Filter) error {
	recordings, err := openRecordings(ctx, env, args)
	if err != nil {
		return err
	}
	defer closeRecordings(recordings)
	sink, err := newReplaySink(env.Stdout, options, match)
	if err != nil {
		return err
	}
	var problems []error
	files := 0
	for _, r := range recordings {
		bad, err := r.replay(ctx, env, sink)
		switch {
		case errors.Is(err, context.Canceled):
			return sink.close()
		case err != nil:
			return err
		}
		files += len(r.files)
		problems = append(problems, bad...)
	}
	if files == 1 && len(problems) == 1 {
		return errors.Join(sink.close(), problems[0])
	}
	for _, p := range problems {
		env.Warnf("%s", render.Sanitize(p.Error()))
	}
	if err := sink.close(); err != nil {
		return err
	}
	switch {
	case len(problems) > 0:
		return fmt.Errorf("%d of %d files could not be read in full", len(problems), files)
	case sink.seen == 0:
		return cli.Nothing(errors.New("nothing to show: no kill and no change of the clock was recorded"))
	case sink.shown == 0:
		return cli.Nothing(fmt.Errorf("nothing to show: none of the %d recorded events matches the filters", sink.seen))
	}
	return nil
}

// replay shows the events of one recording. problems are what is wrong with its files,
// err what keeps from going on.
func (r *recording) replay(ctx context.Context, env *cli.Env, sink *replaySink) (problems []error, err error) {
	sessions := sessions{warn: func(s string) { env.Warnf("%s: %s", render.Sanitize(r.name), s) }}
	for i := range r.files {
		problem, err := r.files[i].replay(ctx, env, sink, &sessions)
		if err != nil {
			return nil, err
		}
		if problem != nil {
			problems = append(problems, problem)
		}
	}
	if problems == nil {
		sessions.end()
	}
	return problems, nil
}

// replay shows the events of one file. problem is what is wrong with it, err what keeps
// from going on.
func (f *recordedFile) replay(ctx context.Context, env *cli.Env, sink *replaySink, sessions *sessions) (problem, err error) {
	file, err := f.open()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run as root, or as a user who may read it", err), nil
	case err != nil:
		return err, nil // names the file
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 64<<10)
	if how := compression(in); how != "" {
		return fmt.Errorf("%s: compressed with %s; read it with '%s'", f.name, how, unpack(how, f.arg)), nil
	}
	var damage damage
	unknown := map[event.Type]int{}
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
			damage.any = true
			sessions.event(e)
			if err := sink.event(e, scanner.Raw()); err != nil {
				return nil, err
			}
			continue
		case f.growing && errors.Is(err, event.ErrTruncated):
			continue // there may be more of it in a moment
		case f.growing && errors.Is(err, event.ErrEmpty):
		case errors.As(err, &line):
			damage.add(err)
			continue
		case !errors.Is(err, io.EOF):
			damage.add(err)
		}
		warnUnknown(env, f.name, unknown)
		return damage.problem(f.name), nil
	}
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
		cat += " " + shellWord(file)
	}
	return cat + " | oomtrace replay -"
}

// odd are the bytes of a word that a shell may take for something else.
var odd = regexp.MustCompile(`[^A-Za-z0-9_@%+=:,./-]`)

// shellWord is a file's name as a shell takes it. One that is shown otherwise than it is,
// or would be taken for an option, is to be filled in.
func shellWord(file string) string {
	switch {
	case file == "" || file[0] == '-' || render.Sanitize(file) != file:
		return "FILE"
	case odd.MatchString(file):
		return "'" + strings.ReplaceAll(file, "'", `'\''`) + "'"
	}
	return file
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
	any   bool // there is an event in the file
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
	case !d.any && !errors.Is(d.first, event.ErrEmpty):
		advice += "; the kernel's log is for 'oomtrace timeline'"
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
