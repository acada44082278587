// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/dossier"
	"github.com/oomtrace/oomtrace/internal/explain"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/render"
	"github.com/oomtrace/oomtrace/internal/timeline"
	"github.com/oomtrace/oomtrace/internal/witness"
)

type explainFlags struct {
	cli.Output
	sources sourceFlags
	narrow  timelineFlags // its since, until and boot
	all     bool

	pid                        cli.Count
	comm, unit, container, pod cli.Word

	host hostFlags
}

func newExplain(env *cli.Env) *cobra.Command {
	flags := explainFlags{host: newHostFlags()}
	cmd := &cobra.Command{
		Use:   "explain [EPISODE|PATH...]",
		Short: "Say what happened, whose fault it was, what to do and how to undo it",
		Long: `Say why processes were killed for memory: what happened and by what evidence, what to
do, and the way back. It is made of what a watcher recorded and of the kernel's log, as
far as they are left, and of what this machine says of itself now. Nothing is changed:
commands are printed, and not run.

The latest incident is explained in full, which is the kills of one limit not long after
one another; earlier ones have a line each. EPISODE, the beginning of an id or the number
in that list, chooses another, and --all all of them.

--pid, --comm, --unit, --container and --pod ask about one process, or what was in it:
was it the kernel's OOM killer, and if not, who? The answer is yes, no, or not known with
what would decide it. For that the journal is asked too, of systemd, systemd-oomd,
earlyoom, the kubelet and container runtimes.

` + sourceHelp + `

What this machine says of itself is looked up for its own running boot alone. The exit
code is 4 when nothing was found, or the answer is not known.`,
		Example: `  sudo oomtrace explain
  sudo oomtrace explain 2
  sudo oomtrace explain --pid 7860
  sudo oomtrace explain --pod shop/cart-7f9c
  oomtrace explain dmesg.txt -o ticket
  oomtrace explain /var/log/messages* --assume-tz America/New_York --all`,
		GroupID: groupOffline,
		RunE: func(cmd *cobra.Command, args []string) error {
			return showExplanation(cmd.Context(), env, &flags, args)
		},
	}
	flags.Register(cmd, cli.Text, cli.Ticket, cli.JSON)
	flags.RegisterZone(cmd)
	flags.sources.register(cmd)
	f := cmd.Flags()
	f.BoolVar(&flags.all, "all", false, "explain every incident")
	f.Var(&flags.pid, "pid", "what ended the process with this `pid`?")
	f.Var(&flags.comm, "comm", "what ended a process of this `name`?")
	f.Var(&flags.unit, "unit", "what ended this systemd `unit`, or a process in it?")
	f.Var(&flags.container, "container", "what ended the container of this `name`, or whose id begins so?")
	f.Var(&flags.pod, "pod", "what ended this `pod`: its name, namespace/name, or uid?")
	f.Var(&flags.narrow.since, "since", "only what was at this `time` or after, as of timeline")
	f.Var(&flags.narrow.until, "until", "only what was at this `time` or before")
	f.VarP(&flags.narrow.boot, "boot", "b", "only this boot: 0 is the last, -1 the one before it; or the beginning of a boot's `id`")
	flags.host.register(cmd)
	return cmd
}

// question is whom the flags ask about; nil: nobody.
func (f *explainFlags) question() *fate.Question {
	q := fate.Question{PID: int(f.pid), Comm: string(f.comm), Unit: string(f.unit), Container: string(f.container), Pod: string(f.pod)}
	if q == (fate.Question{}) {
		return nil
	}
	return &q
}

// maxPID is PID_MAX_LIMIT (include/linux/threads.h).
const maxPID = 4 << 20

func showExplanation(ctx context.Context, env *cli.Env, flags *explainFlags, args []string) error {
	style, err := flags.Style(env)
	if err != nil {
		return err
	}
	options := render.Options{Format: style.Format, Color: style.Color, Location: style.Location, Width: style.Width}
	if flags.pid > maxPID {
		return cli.Usagef("--pid %d is no process id", flags.pid)
	}
	if err := flags.host.check(); err != nil {
		return err
	}
	episodes, paths := tellApart(args)
	if flags.all && len(episodes) > 0 {
		return cli.Usagef("--all explains every incident; leave it out, or %q", episodes[0])
	}
	here := len(paths)+len(flags.sources.kmsg)+len(flags.sources.events) == 0
	now := time.Now()
	x := &explanation{env: env, flags: flags, now: now, here: here, question: flags.question()}
	d, err := x.read(ctx, paths, style.Location)
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return err
	}
	r, err := x.report(ctx, d, style.Location)
	if err != nil {
		return err
	}
	if err := choose(r, episodes, flags.all); err != nil {
		return cli.Nothing(fmt.Errorf("%w; leave %q out for a list of them", err, strings.Join(episodes, " ")))
	}
	if err := render.Dossier(env.Stdout, r, options); err != nil {
		return err
	}
	return x.outcome(r)
}

// choose marks what is told in full.
func choose(r *dossier.Report, episodes []string, all bool) error {
	switch {
	case all:
		r.ChooseAll()
		return nil
	case len(episodes) == 0 && r.Answer != nil:
		r.ChooseEntries(r.Answer.Entries)
		return nil
	}
	return r.Choose(episodes)
}

// episodeName is what an argument looks like that is none of a file: a number, or the
// beginning of an episode.
var episodeName = regexp.MustCompile(`^(\d{1,3}|([0-9a-f]{4,8}|log|line)(-[0-9a-f]*)?)$`)

// tellApart parts the arguments that name an episode from those that name a file. What
// is there is a file.
func tellApart(args []string) (episodes, paths []string) {
	for _, arg := range args {
		if _, err := os.Lstat(arg); err != nil && episodeName.MatchString(arg) {
			episodes = append(episodes, arg)
			continue
		}
		paths = append(paths, arg)
	}
	return episodes, paths
}

// explanation is one that is being made.
type explanation struct {
	env      *cli.Env
	flags    *explainFlags
	now      time.Time
	here     bool // nobody named a source: it is about this machine
	question *fate.Question
	lines    witness.Collector
	gaps     []string
}

// read makes the timeline, and keeps the lines of user space that are in its logs.
func (x *explanation) read(ctx context.Context, paths []string, loc *time.Location) (*timeline.Document, error) {
	x.lines.Now, x.lines.Zone = x.now, time.Local
	if z := x.flags.sources.zone; z != "" {
		if zone, err := time.LoadLocation(string(z)); err == nil {
			x.lines.Zone = zone
		}
	}
	x.flags.sources.lines = func(source string) io.Writer { return x.lines.Log(source) }
	d, err := x.flags.sources.document(ctx, x.env, paths, x.now)
	if err != nil {
		return nil, err
	}
	return d, x.flags.narrow.narrow(d, x.now, loc)
}

// lookFor bounds how long this machine, and its journal, are asked.
const (
	lookFor = 3 * time.Second
	askFor  = 20 * time.Second
)

// report puts together what is told.
func (x *explanation) report(ctx context.Context, d *timeline.Document, loc *time.Location) (*dossier.Report, error) {
	running := false
	for i := range d.Boots {
		running = running || d.Boots[i].Running
	}
	var machine *explain.Machine
	if running || x.here {
		limited, cancel := context.WithTimeout(ctx, lookFor)
		defer cancel()
		m, gaps, err := x.flags.host.machine(limited, d)
		if err != nil {
			gaps = append(gaps, err.Error())
		}
		machine, x.gaps = m, append(x.gaps, gaps...)
	}
	d.Findings = explain.Find(d, machine)
	r := &dossier.Report{Timeline: d, Incidents: dossier.Incidents(d), Elsewhere: !running && !x.here, Question: x.question}
	if running || x.here {
		x.flags.host.count(ctx, r)
		r.Count()
	}
	if x.question != nil || len(r.Incidents) == 0 {
		if err := x.ask(ctx, r, loc); err != nil {
			return nil, err
		}
	}
	r.Gaps = x.gaps
	return r, nil
}

// ask asks user space: about the one in question, or, where the kernel killed nobody, who
// else did.
func (x *explanation) ask(ctx context.Context, r *dossier.Report, loc *time.Location) error {
	if x.here {
		if err := x.journal(ctx); err != nil {
			return err
		}
	}
	lines := x.narrow(x.lines.Witnesses(), loc)
	if n := x.lines.LeftOut(); n > 0 {
		x.gaps = append(x.gaps, fmt.Sprintf("%d older lines of user space are left out, there were too many", n))
	}
	if x.question == nil {
		r.Others = dossier.Deeds(lines)
		return nil
	}
	known := fate.Known{Timeline: r.Timeline, Witnesses: lines}
	if !r.Elsewhere && x.asksRunning(r.Timeline) {
		known.KillsSinceBoot = r.Counted.KillsSinceBoot
		x.flags.host.now(ctx, &known, x.question, x.now)
	}
	answer := fate.Find(*x.question, known, func(t time.Time) string { return t.In(loc).Format("2006-01-02 15:04:05-07:00") })
	r.Answer = &answer
	return nil
}

// asksRunning says whether the running boot is in question: what the kernel has counted in
// it says nothing of those before.
func (x *explanation) asksRunning(d *timeline.Document) bool {
	if x.flags.narrow.boot == "" {
		return true
	}
	boots, err := findBoots(d, string(x.flags.narrow.boot))
	if err != nil {
		return false
	}
	for i := range boots {
		if d.Boots[i].Running {
			return true
		}
	}
	return false
}

// narrow leaves out the lines that nobody asked for, as the timeline does with entries. A
// line that does not tell its time stays.
func (x *explanation) narrow(lines []fate.Witness, loc *time.Location) []fate.Witness {
	since, until := x.flags.narrow.since.Time(x.now, loc), x.flags.narrow.until.Time(x.now, loc)
	return slices.DeleteFunc(lines, func(w fate.Witness) bool {
		return !w.Time.IsZero() && (w.Time.Before(since) || !until.IsZero() && w.Time.After(until))
	})
}

// journal asks the journal of this machine.
func (x *explanation) journal(ctx context.Context) error {
	command, err := exec.LookPath("journalctl")
	if err != nil {
		return nil // the timeline's sources say so
	}
	limited, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	run, err := x.lines.Journal(limited, command, x.flags.narrow.since.Time(x.now, time.Local))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		x.gaps = append(x.gaps, fmt.Sprintf("what user space logged: %v (%s)", err, run))
	}
	return nil
}

// outcome is what the exit code says.
func (x *explanation) outcome(r *dossier.Report) error {
	d := r.Timeline
	told := len(r.Incidents) + len(d.Findings)
	if r.Answer != nil {
		told = 1
		if r.Answer.Verdict == fate.Unknown {
			return cli.Nothing(errors.New("not known: " + render.Sanitize(r.Answer.Text)))
		}
	}
	if told > 0 {
		return outcome(x.env, d, told, told)
	}
	err := outcome(x.env, d, 0, 0)
	if len(d.Entries) > 0 && cli.Code(err) == cli.ExitNothing {
		return cli.Nothing(fmt.Errorf("no kill was found, and nothing else to explain; 'oomtrace timeline' shows what there is"))
	}
	if n := r.Counted.Missing(); n > 0 && cli.Code(err) == cli.ExitNothing {
		return cli.Nothing(fmt.Errorf("the kernel has killed %d for memory since it booted, and nothing that could be read tells of that: %s", n, strings.TrimPrefix(err.Error(), "nothing found: ")))
	}
	return err
}
