// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/scores"
	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/dossier"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

func newSchema(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema [events|scores|timeline|explain]",
		Short: "Print the JSON Schema of the output",
		Long: `Print the JSON Schema (draft 2020-12) of '-o json': of the events that watch and
replay print, one a line, of 'oomtrace scores', of 'oomtrace timeline', or of 'oomtrace
explain'.
Within a version fields may be added; none is renamed or changes its meaning.`,
		Example: `  oomtrace schema > oomtrace-v1.json
  oomtrace schema events | jq '."$id"'`,
		GroupID:   groupOffline,
		ValidArgs: []string{"events", "scores", "timeline", "explain"},
		Args:      cli.OneOf,
		RunE: func(_ *cobra.Command, args []string) error {
			schema := event.SchemaJSON()
			if len(args) > 0 {
				switch args[0] {
				case "scores":
					schema = scores.SchemaJSON()
				case "timeline":
					schema = timeline.SchemaJSON()
				case "explain":
					schema = dossier.SchemaJSON()
				}
			}
			_, err := env.Stdout.Write(schema)
			return err
		},
	}
}
