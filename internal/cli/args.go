// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// NoArgs refuses arguments.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("%s takes no argument, but got %q; see '%[1]s --help'", cmd.CommandPath(), args[0])
	}
	return nil
}

// OneOf takes at most one argument, which must be one of cmd.ValidArgs.
func OneOf(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(args) > 1:
		return Usagef("%s takes one argument, but got %d; see '%[1]s --help'", cmd.CommandPath(), len(args))
	}
	for _, valid := range cmd.ValidArgs {
		if args[0] == valid {
			return nil
		}
	}
	return Usagef("%s: unknown argument %q; one of %s", cmd.CommandPath(), args[0], strings.Join(cmd.ValidArgs, ", "))
}

// Group makes cmd a command that only holds others: alone it prints its help,
// and a name that it does not know is wrong usage.
func Group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean '" + cmd.CommandPath() + " " + near[0] + "'? "
		}
		return Usagef("unknown command %q for %q; %ssee '%[2]s --help'", args[0], cmd.CommandPath(), hint)
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// FlagError turns what pflag says of a bad flag into wrong usage, on one line.
// It serves as cobra's flag error function.
func FlagError(cmd *cobra.Command, err error) error {
	return Usagef("%w; see '%s --help'", err, cmd.CommandPath())
}
