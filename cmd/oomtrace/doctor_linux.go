// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/render"
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
		Long: `Load and attach the programs that 'watch' would use, show which hook serves each
fact and why better ones do not, and detach them again.

pass: the best hook serves. warn: another one does, with the reason. fail: none.
The exit code is 1 when kills, or both kinds of clock change, cannot be seen.`,
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
	var opts tracer.Options
	if forbid := env.Getenv("OOMTRACE_FORBID"); forbid != "" {
		opts.Forbid = strings.Split(forbid, ",")
	}
	t, err := tracer.Open(ctx, opts)
	if errors.Is(err, tracer.ErrNotPermitted) || errors.Is(err, tracer.ErrNotSupported) {
		return cli.Unsupported(err)
	}
	if err != nil {
		return err
	}
	hooks := t.Hooks()
	for _, w := range t.Warnings() {
		env.Warnf("%s", render.Sanitize(w))
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	report := make([]event.Hook, 0, len(hooks))
	ok := map[string]bool{}
	for _, h := range hooks {
		report = append(report, event.Hook{Fact: h.Fact, Method: h.Method, OK: h.OK, Reason: h.Reason})
		ok[h.Fact] = h.OK
	}
	err = render.Hooks(env.Stdout, report, render.Options{Format: style.Format, Color: style.Color, Width: style.Width})
	if err != nil {
		return err
	}
	if !ok[tracer.FactKill] || !ok[tracer.FactAdjtimex] || !ok[tracer.FactSettime] {
		return errors.New("not every fact can be had here; the table says why")
	}
	return nil
}
