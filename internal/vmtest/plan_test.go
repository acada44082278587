// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// maxOf prints the limit of an exhibit.
func maxOf(step, name string) scenario.Step {
	return run(step, "cat", scenario.CgroupV2+"/"+unit(name)+"/memory.max")
}

// carried carries out the plan of a finding about the limit of an exhibit.
func carried(step, name, id string, undo bool) scenario.Step {
	args := []string{"carry", "-limit", "/" + unit(name)}
	if undo {
		args = append(args, "-undo")
	}
	return run(step, append(args, scenario.OutDir+"/explained.out", id)...)
}

// plans are carried out when all is explained: the same load lives, and the way back is
// taken only while it kills nobody.
func plans() []scenario.Step {
	return []scenario.Step{
		carried("steady-plan", "steady", "limit-too-small", false),
		maxOf("steady-raised", "steady"),
		start("steady-again", "load", "-hold", "steady", "28", "1ms").In(unit("steady")),
		run("steady-peak-again", "load", "peak", "1ms", "6").In(unit("steady")),
		start("steady-more", "load", "-hold", "more", "10", "1ms").In(unit("steady")),
		carried("steady-undo-early", "steady", "limit-too-small", true),
		maxOf("steady-kept", "steady"),
		scenario.Stop("steady-more"),
		carried("steady-undo", "steady", "limit-too-small", true),
		maxOf("steady-restored", "steady"),
		scenario.Stop("steady-again"),

		carried("restart-plan", "restart", "limit-too-small", false),
		maxOf("restart-raised", "restart"),
		run("restart-again", "again", "3", scenario.Guest, "load", "restart", "24", "1ms", "12").In(unit("restart")),
		carried("restart-undo", "restart", "limit-too-small", true),
		maxOf("restart-restored", "restart"),
	}
}
