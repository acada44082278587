// SPDX-License-Identifier: Apache-2.0

package explain

import "github.com/oomtrace/oomtrace/internal/timeline"

// simulated: `oomtrace simulate` caused it.
func simulated(in *shortage) *draft {
	if !in.simulated() {
		return nil
	}
	d := in.about("simulated", timeline.High, "This was simulated")
	d.subject = "" // one finding for all
	d.say("`oomtrace simulate` caused it, on purpose and within bounds. There is nothing to do about it.")
	d.cite(in.indices(), "%s marked as simulated.", plural(len(in.kills), "kill"))
	d.RefutedBy = "A process that is named oomtrace-sim and is not oomtrace's."
	return d
}
