// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/version"
)

// The groups that help sorts the commands into.
const (
	groupLive    = "live"
	groupOffline = "offline"
	groupOther   = "other"
)

func newRoot(env *cli.Env) *cobra.Command {
	root := cli.Group(&cobra.Command{
		Use:   "oomtrace",
		Short: "Who ran out of memory, who was killed and why, and who moved the clock",
		Long: `oomtrace shows each kill of the kernel's OOM killer and each change of the
clock: who was killed and why that one, whose limit was hit, who asked for the
memory, and who moved the clock by how much.

Exit codes: 0 done (also after Ctrl-C), 1 failed, 2 wrong usage, 3 nothing here
can serve the request, 4 the time ended first or nothing was found.`,
		Version:       version.Read().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	})
	root.SetVersionTemplate("oomtrace {{.Version}}\n")
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	root.SetFlagErrorFunc(cli.FlagError)

	root.AddGroup(
		&cobra.Group{ID: groupLive, Title: "On a live machine:"},
		&cobra.Group{ID: groupOffline, Title: "From records, on any OS:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	root.AddCommand(liveCommands(env)...)
	root.AddCommand(
		newSimulate(env),
		newReplay(env),
		newTimeline(env),
		newExplain(env),
		newSchema(env),
		newVersion(env),
	)
	adoptOwn(root)
	return root
}

// adoptOwn gives cobra's own commands a group, and makes them report wrong usage
// like the others.
func adoptOwn(root *cobra.Command) {
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if found, rest, err := root.Find(args); err != nil || len(rest) > 0 {
					return cli.Usagef("no help on %q; see '%s --help'", rest, found.CommandPath())
				}
				return nil
			}
		case "completion":
			cli.Group(cmd)
			for _, shell := range cmd.Commands() {
				shell.Args = cli.NoArgs
			}
		}
	}
}
