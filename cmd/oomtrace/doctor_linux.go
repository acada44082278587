// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/live"
	"github.com/oomtrace/oomtrace/internal/render"
	"github.com/oomtrace/oomtrace/internal/survive"
	"github.com/oomtrace/oomtrace/tracer"
)

func newDoctor(env *cli.Env) *cobra.Command {
	cmd := cli.Group(&cobra.Command{
		Use:     "doctor",
		Short:   "Check what works on this machine, and say how to mend the rest",
		GroupID: groupLive,
	})
	cmd.AddCommand(newDoctorHooks(env))
	return cmd
}

func newDoctorHooks(env *cli.Env) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use:   "hooks",
		Short: "Show what serves each fact here: attach everything, report, detach",
		Long: `Load and attach the programs that 'watch' would use, show what serves each fact
and what is missing by that, why better hooks do not serve and what can be done,
and detach them again.

pass: the best way serves. warn: a lesser one does, such as the kernel's log where no
program tells of kills. fail: none.
The exit code is 1 when kills, calls of adjtimex and clock_adjtime (adjtimex), or
calls of settimeofday and clock_settime (settime) cannot be seen.`,
		Example: `  sudo oomtrace doctor hooks
  sudo oomtrace doctor hooks -o json`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			style, err := out.Style(env)
			if err != nil {
				return err
			}
			return doctorHooks(cmd.Context(), env, style)
		},
	}
	out.Register(cmd, cli.Table, cli.JSON)
	return cmd
}

func doctorHooks(ctx context.Context, env *cli.Env, style cli.Style) error {
	forbid, err := forbiddenHooks(env)
	if err != nil {
		return err
	}
	defer survive.StartPulse().Rest()
	asked := tracer.Options{Forbid: forbid, Sigkills: true}
	found, err := attachable(ctx, env, asked)
	log, logErr := live.OpenLog("")
	if logErr == nil {
		_ = log.Close() // nothing was read
	}
	switch {
	case errors.Is(err, tracer.ErrNotPermitted), errors.Is(err, tracer.ErrNotSupported):
		if logErr != nil {
			return cli.Unsupported(fmt.Errorf("%w; nor can the kernel log tell of kills: %w", err, logErr))
		}
		found = live.FromLog(asked, nil, err)
	case err != nil:
		return err
	case logErr == nil:
		found = live.LastRung(asked, found)
	}
	hooks := append(live.Hooks(found, nil, live.CheckSymbols()), live.LogHook(logErr))
	ok := map[string]bool{}
	for _, h := range hooks {
		ok[h.Fact] = h.OK
	}
	err = render.Hooks(env.Stdout, hooks, render.Options{Format: style.Format, Color: style.Color, Width: style.Width})
	if err != nil {
		return err
	}
	if !ok[tracer.FactKill] || !ok[tracer.FactAdjtimex] || !ok[tracer.FactSettime] {
		return errors.New("not every fact can be had here; the table says why")
	}
	return nil
}

// attachable attaches what can be, and detaches it.
func attachable(ctx context.Context, env *cli.Env, o tracer.Options) ([]tracer.Hook, error) {
	t, err := tracer.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, w := range t.Warnings() {
		env.Warnf("%s", render.Sanitize(w))
	}
	if err := t.Close(); err != nil {
		return nil, fmt.Errorf("detach: %w", err)
	}
	return t.Hooks(), nil
}

// forbiddenHooks are the kinds of hook that OOMTRACE_FORBID names. Its errors are
// usage errors.
func forbiddenHooks(env *cli.Env) ([]string, error) {
	forbid := env.Getenv("OOMTRACE_FORBID")
	if forbid == "" {
		return nil, nil
	}
	kinds := strings.Split(forbid, ",")
	for _, kind := range kinds {
		if !slices.Contains(tracer.Kinds(), kind) {
			return nil, cli.Usagef("unknown kind of hook %q in OOMTRACE_FORBID; known are %s", kind, strings.Join(tracer.Kinds(), ", "))
		}
	}
	return kinds, nil
}
