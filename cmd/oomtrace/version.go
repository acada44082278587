// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/version"
)

func newVersion(env *cli.Env) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show which build this is",
		Example: `  oomtrace version
  oomtrace version -o json | jq -r .commit`,
		GroupID: groupOther,
		Args:    cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			style, err := out.Style(env)
			if err != nil {
				return err
			}
			info := version.Read()
			if style.Format == cli.JSON {
				return json.NewEncoder(env.Stdout).Encode(info)
			}
			_, err = fmt.Fprintln(env.Stdout, "oomtrace", info)
			return err
		},
	}
	out.Register(cmd, cli.Text, cli.JSON)
	return cmd
}
