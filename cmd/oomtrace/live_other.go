// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
)

// liveCommands stand in for those that need Linux, and say so.
func liveCommands(*cli.Env) []*cobra.Command {
	var cmds []*cobra.Command
	for _, name := range []string{"watch", "scores", "doctor"} {
		cmds = append(cmds, &cobra.Command{
			Use:                name,
			Short:              "Needs Linux",
			GroupID:            groupLive,
			DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return cli.Unsupported(errors.New(name + " needs Linux, this is " + runtime.GOOS))
			},
		})
	}
	return cmds
}
