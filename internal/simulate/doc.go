// SPDX-License-Identifier: Apache-2.0

// Package simulate causes real events that harm nobody: an OOM kill of a process
// of its own in a cgroup of its own, a clock call that sets what is set already,
// and the global OOM killer by sysrq.
//
// Each simulation comes in two steps: a Plan function checks everything that can
// be checked and says what will happen, and the plan's Run does it. What Run
// makes it removes again, also when its context ends.
//
// The acting process is this same binary, executed again under the name
// [ChildName]; its main calls [Child]. It has a cgroup of its own, wherever one
// can be made, by which watchers know that its events are simulated. It runs at
// oom_score_adj 1000 where memory is at stake, and ends when its parent does.
package simulate
