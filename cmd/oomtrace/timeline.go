// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/evidence"
	"github.com/oomtrace/oomtrace/internal/explain"
	"github.com/oomtrace/oomtrace/internal/filter"
	"github.com/oomtrace/oomtrace/internal/render"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

type timelineFlags struct {
	eventFlags
	sources      sourceFlags
	since, until cli.Moment
	boot         cli.Word
	listBoots    bool
}

func newTimeline(env *cli.Env) *cobra.Command {
	var flags timelineFlags
	cmd := &cobra.Command{
		Use:   "timeline [PATH...]",
		Short: "Make one story of kernel logs and recorded events",
		Long: `Make one story of kernel logs and of what 'oomtrace watch' recorded: each process
that was killed once, in order of time, boot by boot.

` + sourceHelp + `

Boots are kept apart. What two sources tell of one kill is one entry: the watcher's
account, with what the log adds. Every entry says how sure its time is; "~" marks one of
which a part was guessed. Times without year or zone are guessed so that the last one is
not in the future; --assume-year and --assume-tz tell them. What only has the log's own
stamp shows the time since boot, as "+12d 23:57:41".

` + filterHelp + `

A damaged source is read as far as possible, and the exit code is 1. It is 4 when there
was nothing to show.`,
		Example: `  sudo oomtrace timeline
  oomtrace timeline --kmsg dmesg.txt -o json
  oomtrace timeline /var/log/messages* --assume-tz America/New_York
  oomtrace timeline --list-boots
  oomtrace timeline -b -1 --since 12:00 -o ticket
  journalctl -k -o export | oomtrace timeline -`,
		GroupID: groupOffline,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return showTimeline(cmd.Context(), env, &flags, paths)
		},
	}
	flags.register(cmd, cli.Text, cli.Wide, cli.Ticket, cli.JSON)
	flags.sources.register(cmd)
	f := cmd.Flags()
	f.Var(&flags.since, "since", "only what was at this `time` or after: 2026-06-20, 12:47, '2026-06-20 12:47:02', -2h, today, yesterday")
	f.Var(&flags.until, "until", "only what was at this `time` or before")
	f.VarP(&flags.boot, "boot", "b", "only this boot: 0 is the last, -1 the one before it; or the beginning of a boot's `id`")
	f.BoolVar(&flags.listBoots, "list-boots", false, "list the boots instead of what happened")
	return cmd
}

func showTimeline(ctx context.Context, env *cli.Env, flags *timelineFlags, paths []string) error {
	options, err := flags.renderOptions(env)
	if err != nil {
		return err
	}
	now := time.Now()
	d, err := flags.sources.document(ctx, env, paths, now)
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return err
	}
	found := len(d.Entries)
	if err := flags.narrow(d, now, options.Location); err != nil {
		return err
	}
	if flags.listBoots {
		d.Entries = nil
		if err := render.Boots(env.Stdout, d, options); err != nil {
			return err
		}
		return outcome(env, d, found, len(d.Boots))
	}
	// Of another machine's evidence, which it may be, this one knows nothing.
	d.Findings = explain.Find(d, nil)
	if len(d.Entries) > 0 || options.Format == cli.JSON {
		if err := render.Timeline(env.Stdout, d, options); err != nil {
			return err
		}
	}
	return outcome(env, d, found, len(d.Entries))
}

// narrow leaves out the entries that nobody asked for.
func (f *timelineFlags) narrow(d *timeline.Document, now time.Time, loc *time.Location) error {
	if f.boot != "" {
		boots, err := findBoots(d, string(f.boot))
		if err != nil {
			return err
		}
		d.Keep(func(e *timeline.Entry) bool { return boots[e.Boot] })
	}
	if f.since != "" || f.until != "" {
		since, until := f.since.Time(now, loc), f.until.Time(now, loc)
		if !until.IsZero() && until.Before(since) {
			return cli.Usagef("--until %s is before --since %s", f.until, f.since)
		}
		d.Between(since, until)
	}
	keepMatching(d, &f.filter)
	return nil
}

// keepMatching leaves out the entries that do not match.
func keepMatching(d *timeline.Document, match *filter.Filter) {
	d.Keep(func(e *timeline.Entry) bool { return match.Match(e.Event) })
}

// findBoots are those that an argument of --boot means: of each machine one.
func findBoots(d *timeline.Document, arg string) (map[int]bool, error) {
	found := map[int]bool{}
	offset, err := strconv.Atoi(arg)
	byOffset := err == nil && offset <= 0 && len(arg) < 8
	id := strings.ToLower(strings.ReplaceAll(arg, "-", ""))
	for i := range d.Boots {
		b := &d.Boots[i]
		switch {
		case byOffset && b.Offset == offset,
			!byOffset && len(id) >= 4 && b.Host != nil && strings.HasPrefix(strings.ReplaceAll(b.Host.BootID, "-", ""), id):
			found[i] = true
		}
	}
	if len(found) == 0 {
		return nil, cli.Nothing(fmt.Errorf("no boot %q among the %d that the sources tell of; see 'oomtrace timeline --list-boots'", arg, len(d.Boots)))
	}
	return found, nil
}

// outcome is what the exit code says: sources that could not be read, or nothing found.
func outcome(env *cli.Env, d *timeline.Document, found, shown int) error {
	bad := 0
	for i := range d.Sources {
		s := &d.Sources[i]
		if s.Error == "" || s.Default && s.State == timeline.StateNotRead {
			continue
		}
		bad++
		env.Warnf("%s: %s", render.Sanitize(sourceName(s)), render.Sanitize(s.Error))
	}
	switch {
	case bad > 0:
		return fmt.Errorf("%d of %d sources could not be read in full", bad, len(d.Sources))
	case found == 0:
		return cli.Nothing(errors.New("nothing found: " + lookedAt(d)))
	case shown == 0:
		return cli.Nothing(fmt.Errorf("nothing to show: none of the %d entries matches", found))
	}
	return nil
}

// lookedAt says where nothing was found.
func lookedAt(d *timeline.Document) string {
	var parts []string
	for i := range d.Sources {
		s := &d.Sources[i]
		text := sourceName(s)
		switch {
		case s.Error != "":
			text += " (" + s.Error + ")"
		case s.Records != nil:
			text += fmt.Sprintf(" (no kill in %d records)", *s.Records)
		case s.State == timeline.StateNotRead && s.Notes != nil:
			text += " (" + strings.Join(s.Notes, "; ") + ")"
		}
		parts = append(parts, render.Sanitize(text))
	}
	if parts == nil {
		return "there was nothing to look at"
	}
	return "looked at " + strings.Join(parts, ", ")
}

func sourceName(s *timeline.Source) string {
	if s.Path == "-" {
		return "standard input"
	}
	return s.Path
}

// sourceFlags are the flags of the commands that read logs and records.
type sourceFlags struct {
	kmsg, events []string
	year         cli.Count
	zone         cli.Word

	lines func(source string) io.Writer // see evidence.Options
}

// sourceHelp is what a command's long help says of its sources.
const sourceHelp = `Sources are known by their content: the kernel's log as /dev/kmsg, dmesg, a syslog
daemon, journalctl -o short*, export or json, a container runtime or a serial console
have it, compressed with gzip, zstd or bzip2; events that watch recorded; a directory of
such. "-" is standard input. --kmsg and --events name one that has to be of that kind.
Files of one log that was rotated are read as one. Without a source the places are read
where this machine has evidence: a watcher's record, the journal, /dev/kmsg, and the
logs in /var/log. What was looked at, and what could not be read, is listed.`

func (f *sourceFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.kmsg, "kmsg", nil, "a kernel log, in any framing: a `file`, or - (can be given several times)")
	flags.StringArrayVar(&f.events, "events", nil, "recorded events: a `file` or directory, or - (can be given several times)")
	flags.Var(&f.year, "assume-year", "the year of the last line of a log whose times have none")
	flags.Var(&f.zone, "assume-tz", "the `zone` of times that have none, such as Europe/Vienna")
	cli.CompleteZone(cmd, "assume-tz")
}

// document reads the sources.
func (f *sourceFlags) document(ctx context.Context, env *cli.Env, paths []string, now time.Time) (*timeline.Document, error) {
	options := timeline.Options{Now: now, Year: int(f.year), Machine: thisMachine(now)}
	if f.year > 9999 {
		return nil, cli.Usagef("--assume-year %d is no year", f.year)
	}
	if f.zone != "" {
		loc, err := time.LoadLocation(string(f.zone))
		if err != nil {
			return nil, cli.Usagef("unknown time zone %q; give a name of the IANA list, such as UTC or Europe/Vienna", f.zone)
		}
		options.Zone = loc
	}
	var inputs []evidence.Named
	for _, p := range paths {
		inputs = append(inputs, evidence.Named{Path: p})
	}
	for _, p := range f.kmsg {
		inputs = append(inputs, evidence.Named{Path: p, Kind: timeline.KindKernelLog})
	}
	for _, p := range f.events {
		inputs = append(inputs, evidence.Named{Path: p, Kind: timeline.KindRecord})
	}
	var named []string
	for _, in := range inputs {
		named = append(named, in.Path)
	}
	if err := checkPaths(named); err != nil {
		return nil, err
	}
	progress, done := newProgress(env)
	defer done()
	o := evidence.Options{Stdin: env.Stdin, Progress: progress, Lines: f.lines}
	b := timeline.New(options)
	var err error
	if inputs != nil {
		err = evidence.Read(ctx, b, inputs, o)
	} else {
		if m := options.Machine; m != nil {
			o.Places.BootID = m.Host.BootID
		}
		err = evidence.Look(ctx, b, o)
	}
	if err != nil {
		return nil, err
	}
	return b.Document(), nil
}

// checkPaths returns usage errors.
func checkPaths(paths []string) error {
	stdin := 0
	for _, p := range paths {
		switch p {
		case "":
			return cli.Usagef("a source has an empty name; give a file or a directory, or \"-\" for standard input")
		case "-":
			stdin++
		}
	}
	if stdin > 1 {
		return cli.Usagef("standard input can be read once, but \"-\" was given %d times", stdin)
	}
	return nil
}

// newProgress tells on a terminal how far the reading is; done wipes it off.
func newProgress(env *cli.Env) (tell func(path string, read, size int64), done func()) {
	f, ok := env.Stderr.(*os.File)
	if !ok || !env.ErrTerminal() {
		return nil, func() {}
	}
	var last time.Time
	tell = func(path string, read, size int64) {
		if now := time.Now(); now.Sub(last) > 200*time.Millisecond {
			last = now
			text := fmt.Sprintf("reading %s: %d MB", path, read>>20)
			if size > 0 {
				text = fmt.Sprintf("reading %s: %d %% of %d MB", path, read*100/size, size>>20)
			}
			fmt.Fprintf(f, "\r\x1b[K%s", render.Sanitize(text))
		}
	}
	return tell, func() {
		if !last.IsZero() {
			fmt.Fprint(f, "\r\x1b[K")
		}
	}
}
