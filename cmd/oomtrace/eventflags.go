// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/internal/cli"
	"github.com/oomtrace/oomtrace/internal/filter"
	"github.com/oomtrace/oomtrace/internal/render"
)

// eventFlags are the flags of the commands that show events: which, and how.
type eventFlags struct {
	cli.Output
	filter filter.Filter
	stack  bool
	noFold bool
}

// register adds the flags, with these formats of output, the first being the default.
func (f *eventFlags) register(cmd *cobra.Command, formats ...string) {
	f.Register(cmd, formats...)
	f.RegisterZone(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.stack, "stack", false, "show the kernel's call trace under each kill")
	flags.BoolVar(&f.noFold, "no-fold", false, "a row for each kill: else a storm's first three have one, and the others are counted")
	flags.Var((*cli.PIDs)(&f.filter.PIDs), "pid", "only this victim, or process that moved the clock")
	flags.Var((*cli.Words)(&f.filter.Comms), "comm", "only processes of this `name` (* and ? match any)")
	flags.Var((*cli.Words)(&f.filter.Cgroups), "cgroup", "only the cgroup at this `path` and those below")
	flags.Var((*cli.Words)(&f.filter.Containers), "container", "only containers of this `name` (* and ?) or beginning of an id")
	flags.Var((*cli.Words)(&f.filter.Pods), "pod", "only pods of this `name` (* and ?) or uid")
	flags.Var((*cli.Words)(&f.filter.Namespaces), "namespace", "only pods in this `namespace` (* and ?)")
}

// filterHelp is what a command's long help says of the filters.
const filterHelp = `The filters --pid, --comm, --cgroup, --container, --pod and --namespace ask about
the victim of a kill or SIGKILL, or the process that moved the clock. Each can be
given several times: any value of one filter will do, but all filters must hold.
What an event does not know matches no filter.`

// renderOptions says how to show events on the stdout of env. Its errors are
// usage errors.
func (f *eventFlags) renderOptions(env *cli.Env) (render.Options, error) {
	style, err := f.Style(env)
	if err != nil {
		return render.Options{}, err
	}
	return render.Options{
		Format:   style.Format,
		Color:    style.Color,
		Stack:    f.stack,
		NoFold:   f.noFold,
		Location: style.Location,
		Width:    style.Width,
	}, nil
}
