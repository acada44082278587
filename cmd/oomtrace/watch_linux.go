// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/cmdline"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/incident"
	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/live"
	"github.com/oomtrace/oomtrace/internal/record"
	"github.com/oomtrace/oomtrace/internal/render"
	"github.com/oomtrace/oomtrace/internal/version"
	"github.com/oomtrace/oomtrace/tracer"
)

// Groups of events that watch can be asked for.
const (
	eventsOOM   = "oom"
	eventsClock = "clock"
	eventsKill  = "kill"
)

// warmStorm is more kills than have rows of their own.
const warmStorm = 5

// maxLabels bounds what --label adds to every line.
const maxLabelBytes = 1024

// watchFlags are watch's own flags.
type watchFlags struct {
	eventFlags
	events      cli.Enums
	clockDaemon cli.Enum
	duration    cli.Duration
	count       cli.Count
	stuckAfter  cli.Duration
	sample      cli.Duration
	record      cli.Word
	recordSize  cli.Bytes
	recordKeep  cli.Count
	cmdline     cli.Enum
	maxLine     cli.Bytes
	incidents   cli.Window
	source      cli.Enum
	noBackfill  bool
	roots       rootFlags
	hostName    cli.Word
	labels      []string
}

func newWatch(env *cli.Env) *cobra.Command {
	flags := watchFlags{
		events:      cli.Enums{Value: []string{eventsOOM, eventsClock}, Choices: []string{eventsOOM, eventsClock, eventsKill}},
		clockDaemon: cli.Enum{Value: string(live.DaemonSummary), Choices: []string{string(live.DaemonAll), string(live.DaemonSummary), string(live.DaemonNone)}},
		cmdline:     cmdlineFlag(),
		maxLine:     event.DefaultMaxLine,
		stuckAfter:  cli.Duration(live.DefaultStuckAfter),
		incidents:   cli.Window(incident.DefaultWindow),
		source:      cli.Enum{Value: string(live.SourceAuto), Choices: []string{string(live.SourceAuto), string(live.SourceBPF), string(live.SourceKmsg)}},
		recordSize:  record.DefaultSize,
		recordKeep:  record.DefaultKeep,
		roots:       newRootFlags(),
	}
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show OOM kills and clock changes as they happen",
		Long: `Show each kill of the kernel's OOM killer and each change of the clock as it
happens: who was killed, whose limit was hit, how the victim's points compare, who
asked for the memory; and who moved the clock, how and by how much.

With --events kill also each SIGKILL that is not the OOM killer's, and who sent it:
systemd-oomd, earlyoom, the kubelet, a container runtime, systemd, or another.

It needs root, or CAP_BPF and CAP_PERFMON (see docs/security.md for what further
capabilities add), and a kernel with BTF, 5.10 or later. What serves each fact
here is shown by 'oomtrace doctor hooks'.

Where that is not to be had kills are told from the kernel's log, which takes
CAP_SYSLOG or kernel.dmesg_restrict=0; --source kmsg asks for that alone. Else the log
is read beside, and a kill that only the log tells is told from there, marked so.

First the last five kills since boot are shown that the log still has (EARLIER; in JSON
backfill). They are not counted.

With --record events are kept in files too, which 'oomtrace replay' shows. On SIGHUP a
new one is begun where the present one was moved away; a watch that has a terminal ends
instead. As a service of systemd it tells how it is (see docs/service.md).

` + filterHelp + `

What a filter names and is not there is said at the start, and once more when it has
come: a cgroup, and a pod or container that the kubelet knows.`,
		Example: `  sudo oomtrace watch
  sudo oomtrace watch -o json | jq 'select(.type == "oom.kill") | .victim'
  sudo oomtrace watch --events oom --stack --namespace shop
  sudo oomtrace watch --events oom,kill --pod checkout-6b9f7d5c8-x2x7k
  sudo oomtrace watch --sample 10s -o wide
  sudo oomtrace watch --source kmsg --no-backfill
  sudo oomtrace watch --record /var/lib/oomtrace --duration 24h`,
		GroupID: groupLive,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return watch(cmd, env, &flags)
		},
	}
	flags.register(cmd, cli.Table, cli.Wide, cli.JSON)
	f := cmd.Flags()
	f.Var(&flags.events, "events", "what to trace: OOM kills, changes of the clock, other SIGKILLs (kill)")
	flags.events.Complete(cmd, "events")
	f.Var(&flags.source, "source", "who tells of kills: BPF programs (bpf), the kernel's log (kmsg), or what works here (auto)")
	flags.source.Complete(cmd, "source")
	f.BoolVar(&flags.noBackfill, "no-backfill", false, "do not show the last kills since boot first")
	f.Var(&flags.clockDaemon, "clock-daemon", "a time daemon's own discipline: each call, a summary a minute, or none")
	flags.clockDaemon.Complete(cmd, "clock-daemon")
	f.Var(&flags.duration, "duration", "end after this time")
	f.Var(&flags.count, "count", "end after so many kills, clock changes and SIGKILLs; 4 is the exit code if --duration ends first")
	f.Var(&flags.stuckAfter, "stuck-after", "tell a killed process to be stuck when it is not gone after this time")
	f.Var(&flags.sample, "sample", "sample memory and what grows this often, and not only while memory stalls")
	f.Var(&flags.record, "record", "also append every event to events.jsonl in this `directory`")
	f.Var(&flags.recordSize, "record-size", "begin another file of the record before one is larger than this")
	f.Var(&flags.recordKeep, "record-keep", "so many full files of the record are kept, the oldest are removed")
	f.Var(&flags.cmdline, "cmdline", "how much of command lines to show")
	flags.cmdline.Complete(cmd, "cmdline")
	f.Var(&flags.maxLine, "max-line", "longest JSON line")
	f.Var(&flags.incidents, "incident-window", "kills for one limit that are no further apart are one incident; 0: kills are not grouped")
	flags.roots.register(cmd)
	f.Var(&flags.hostName, "host-name", "the host's `name`, for a container that has another")
	f.StringArrayVar(&flags.labels, "label", nil, "add `key=value` to every event's host")
	return cmd
}

// cmdlineFlag is the value of --cmdline.
func cmdlineFlag() cli.Enum {
	return cli.Enum{Value: string(cmdline.Redacted), Choices: []string{string(cmdline.Redacted), string(cmdline.Full), string(cmdline.Exe), string(cmdline.None)}}
}

// check turns the flags into a session's options. Its errors are usage errors.
func (f *watchFlags) check(env *cli.Env) (live.Options, error) {
	o := live.Options{
		Version: version.Read().String(),
		Daemon:  live.DaemonMode(f.clockDaemon.Value),
		Count:   uint64(f.count), Duration: time.Duration(f.duration),
		StuckAfter: time.Duration(f.stuckAfter),
		Filters:    f.filter.Describe(),
		Match:      f.filter.Match,
		Incidents:  time.Duration(f.incidents),
		Source:     live.Source(f.source.Value),
		NoBackfill: f.noBackfill,
		Proc:       f.roots.options(),
		Warn:       func(w string) { env.Warnf("%s", render.Sanitize(w)) },
	}
	o.Proc.HostName, o.Proc.Cmdline = string(f.hostName), cmdline.Mode(f.cmdline.Value)
	for _, n := range f.filter.Names() {
		w := live.Wanted{Flag: n.Kind, Value: n.Value}
		if n.Kind != "cgroup" {
			w.Names = n.Means
		}
		o.Wanted = append(o.Wanted, w)
	}
	var err error
	if o.Tracer.Forbid, err = forbiddenHooks(env); err != nil {
		return o, err
	}
	o.Tracer.NoOOM = !slices.Contains(f.events.Value, eventsOOM)
	o.Tracer.NoClock = !slices.Contains(f.events.Value, eventsClock)
	o.Tracer.Sigkills = slices.Contains(f.events.Value, eventsKill)
	if o.Source == live.SourceKmsg && o.Tracer.NoOOM {
		return o, cli.Usagef("--source kmsg tells of kills alone; --events %s leaves them out", &f.events)
	}
	o.Tracer.NoExec = o.Proc.Cmdline == cmdline.None
	o.Sample = time.Duration(f.sample)
	switch {
	case f.sample == 0:
	case o.Tracer.NoOOM:
		return o, cli.Usagef("--sample is for what leads up to OOM kills; --events %s leaves them out", &f.events)
	case o.Sample < live.SampleLeast:
		return o, cli.Usagef("--sample %s is too often; %s is the least", &f.sample, live.SampleLeast)
	}
	if err := f.roots.check(); err != nil {
		return o, err
	}
	size := 0
	for _, l := range f.labels {
		key, value, ok := strings.Cut(l, "=")
		if !ok || key == "" {
			return o, cli.Usagef("--label %q is not key=value", l)
		}
		if o.Labels == nil {
			o.Labels = map[string]string{}
		}
		o.Labels[key] = value
		size += len(l)
	}
	if size > maxLabelBytes {
		return o, cli.Usagef("the labels are %d bytes long; every line carries them, %d is the most", size, maxLabelBytes)
	}
	if f.maxLine < minMaxLine {
		return o, cli.Usagef("--max-line %s is too short for an event; %d B is the least", &f.maxLine, minMaxLine)
	}
	return o, nil
}

// minMaxLine fits every event when its frames and long strings are cut.
const minMaxLine = 4096

func watch(cmd *cobra.Command, env *cli.Env, flags *watchFlags) (err error) {
	style, err := flags.renderOptions(env)
	if err != nil {
		return err
	}
	style.MaxLine = int(flags.maxLine)
	o, err := flags.check(env)
	if err != nil {
		return err
	}
	// Kills are what most come for; clock events alone may be missing, with a word.
	o.Require = []string{eventsOOM}
	if cmd.Flags().Changed("events") {
		o.Require = flags.events.Value
	}
	if err := flags.checkRecord(cmd); err != nil {
		return err
	}
	out, err := render.New(env.Stdout, style)
	if err != nil {
		return err
	}
	// As the output, for a kill that nobody sees.
	dry, err := render.New(io.Discard, style)
	if err != nil {
		return err
	}
	rec, err := flags.openRecord(env)
	if err != nil {
		return err
	}
	if rec != nil {
		o.Record = rec
	}
	// Each time as a storm's kills, of which some are folded.
	o.Warm = func(e *event.Event) {
		for range warmStorm {
			_ = dry.Event(e)
		}
		_ = dry.Quiet(time.Hour)
		if rec != nil {
			rec.Warm(e)
		}
	}
	ctx, hangUp := context.WithCancelCause(cmd.Context())
	defer hangUp(nil)
	svc := openService(ctx, env)
	defer svc.close()
	svc.serve(&o)
	svc.reloads(env, rec)
	o.Sink, o.Hold = watchSink{env, out, svc}.event, out
	if f, ok := env.Stdout.(*os.File); ok {
		go awaitHangUp(f, hangUp)
	}
	res, err := live.Run(ctx, o)
	if !errors.Is(err, live.ErrStuck) { // else one is still being written to
		err = errors.Join(err, out.Close())
		if rec != nil {
			err = errors.Join(err, rec.Close())
		}
	}
	// By itself: an output that is closed takes no session.end.
	if res.End != nil {
		env.Warnf("%s", render.Summary(&event.Event{SessionEnd: res.End}))
	}
	switch {
	case errors.Is(err, tracer.ErrNotPermitted), errors.Is(err, tracer.ErrNotSupported):
		return cli.Unsupported(err)
	case err != nil:
		return err
	case flags.count > 0 && res.Reason == "duration":
		return cli.Nothing(fmt.Errorf("--duration %s ended after %d of --count %d events", &flags.duration, res.Shown, flags.count))
	}
	return nil
}

// awaitHangUp calls hangUp once nobody reads the pipe f any more: else that would
// show at the next event only, which may be days away. It stays behind, in
// poll(2), until the process ends.
func awaitHangUp(f *os.File, hangUp func(error)) {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}} // no event asked for: POLLERR always comes
	for {
		n, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil && n == 1 && fds[0].Revents&unix.POLLERR != 0:
			hangUp(unix.EPIPE)
		}
		return
	}
}

// watchSink shows events, and says on stderr what belongs there.
type watchSink struct {
	env *cli.Env
	out render.Sink
	svc *service
}

func (s watchSink) event(e *event.Event) error {
	if e.SessionStart != nil {
		for _, note := range render.Notes(e) {
			s.env.Warnf("%s", note)
		}
		if _, terminal := s.env.Terminal(); terminal {
			s.env.Warnf("watching; Ctrl-C ends")
		}
	}
	s.svc.event(e)
	return s.out.Event(e)
}
