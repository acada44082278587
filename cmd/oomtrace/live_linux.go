// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
)

// liveCommands are those that look at the running kernel.
func liveCommands(env *cli.Env) []*cobra.Command {
	return []*cobra.Command{newWatch(env), newScores(env), newDoctor(env)}
}
