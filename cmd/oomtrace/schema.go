// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/cli"
)

func newSchema(env *cli.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "schema [events]",
		Short: "Print the JSON Schema of the output",
		Long: `Print the JSON Schema (draft 2020-12) that every line of '-o json' satisfies.
Within a version fields may be added; none is renamed or changes its meaning.`,
		Example: `  oomtrace schema > oomtrace-v1.json
  oomtrace schema events | jq '."$id"'`,
		GroupID:   groupOffline,
		ValidArgs: []string{"events"},
		Args:      cli.OneOf,
		RunE: func(*cobra.Command, []string) error {
			_, err := env.Stdout.Write(event.SchemaJSON())
			return err
		},
	}
}
