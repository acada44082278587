// SPDX-License-Identifier: Apache-2.0

package event

import (
	"path"
	"strings"
)

// Simulator is the comm of what `oomtrace simulate` runs.
const Simulator = "oomtrace-sim"

// BySimulator tells a process of `oomtrace simulate`: the name alone anybody can take,
// but not the cgroup.
func BySimulator(comm *string, cg *Cgroup) bool {
	return comm != nil && *comm == Simulator && cg != nil && strings.HasPrefix(path.Base(cg.Path), Simulator+"-")
}
