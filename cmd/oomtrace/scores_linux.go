// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/decode/cmdline"
	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/render"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// minRefresh is the shortest --watch: a ranking of thousands of processes takes a good
// part of it.
const minRefresh = 100 * time.Millisecond

type scoresFlags struct {
	cli.Output
	top     cli.Top
	cgroup  cli.Word
	watch   cli.Duration
	cmdline cli.Enum
	roots   rootFlags
}

func newScores(env *cli.Env) *cobra.Command {
	flags := scoresFlags{
		top:     10,
		cmdline: cmdlineFlag(),
		roots:   newRootFlags(),
	}
	cmd := &cobra.Command{
		Use:   "scores",
		Short: "Show whom the kernel would kill next, and why",
		Long: `Rank the processes as the kernel's OOM killer would if memory ran out now: of the
machine, or at the limit of one cgroup. The points are pages: resident memory, swap
and page tables, and what oom_score_adj adds, a thousandth of the allowed memory
each. Who has most is killed.

What /proc does not tell is not in it: a process in the middle of vfork(2), or one
that is being killed already, is passed over; one in swapoff(2) goes first. From 6.2
on the kernel keeps some pages of a process to each CPU. /proc counts them from 6.16
on, the OOM killer from 7.0 on: in between, points may be off by some dozen pages a
CPU.

No privileges are needed, but only root sees every executable and command line.`,
		Example: `  oomtrace scores
  oomtrace scores -n 3 --watch 1s
  oomtrace scores --cgroup /system.slice/cart.service -o wide
  oomtrace scores -n 0 -o json | jq -c '.candidates[] | {pid, comm, points_pages}'`,
		GroupID: groupLive,
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showScores(cmd.Context(), env, &flags)
		},
	}
	flags.Register(cmd, cli.Table, cli.Wide, cli.JSON)
	flags.RegisterZone(cmd)
	f := cmd.Flags()
	f.VarP(&flags.top, "top", "n", "show so many processes; 0 is all")
	f.Var(&flags.cgroup, "cgroup", "rank the processes of the memory cgroup at this `path`, those below it included, at its limit")
	f.Var(&flags.watch, "watch", "refresh so often, until Ctrl-C")
	f.Var(&flags.cmdline, "cmdline", "how much of command lines to show")
	flags.cmdline.Complete(cmd, "cmdline")
	flags.roots.register(cmd)
	return cmd
}

func showScores(ctx context.Context, env *cli.Env, flags *scoresFlags) (err error) {
	style, err := flags.Style(env)
	if err != nil {
		return err
	}
	if err := flags.roots.check(); err != nil {
		return err
	}
	if w := time.Duration(flags.watch); w > 0 && w < minRefresh {
		return cli.Usagef("--watch %s is too short; %s is the least", w, minRefresh)
	}
	proc := flags.roots.options()
	proc.Cmdline = cmdline.Mode(flags.cmdline.Value)
	reader, err := procsnap.New(proc)
	if err != nil {
		return err
	}
	pods, err := procsnap.OpenPods(proc)
	if err != nil {
		env.Warnf("%s", render.Sanitize(err.Error()))
	}
	defer func() { err = errors.Join(err, pods.Close()) }()
	ranking, err := reader.NewScores(procsnap.ScoresOptions{
		Cgroup: string(flags.cgroup), Top: int(flags.top), Pods: pods,
	})
	if err != nil {
		return err
	}
	o := render.ScoresOptions{Options: render.Options{
		Format: style.Format, Color: style.Color, Location: style.Location, Width: style.Width,
	}}
	refresh := func() error {
		report, err := ranking.Read(ctx)
		if err != nil {
			return scoresError(ctx, err, o.Again)
		}
		return render.Scores(env.Stdout, report, o)
	}
	if flags.watch == 0 {
		return refresh()
	}
	ticker := time.NewTicker(time.Duration(flags.watch))
	defer ticker.Stop()
	for ; ; o.Again = true {
		if style.Format != cli.JSON {
			// It may have been given another size.
			if columns, lines, ok := env.Screen(); ok {
				o.Width, o.Height, o.Redraw = columns, lines, true
			}
		}
		if err := refresh(); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// scoresError says what can be done about a cgroup that is not there. To be
// interrupted is no error. seen says that it was there before.
func scoresError(ctx context.Context, err error, seen bool) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, procsnap.ErrNoCgroup) && seen:
		return fmt.Errorf("the cgroup is gone: %w", err)
	case errors.Is(err, procsnap.ErrNoCgroup):
		return fmt.Errorf("%w; give --cgroup the path that /proc/PID/cgroup shows, or that watch calls cgroup", err)
	}
	return err
}
