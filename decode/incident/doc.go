// SPDX-License-Identifier: Apache-2.0

// Package incident puts kills that belong together into one incident: those that the
// same limit caused, each within a window of time after the one before. It answers
// "one incident or forty", and what it began with.
//
// Whose limit it was is what an operator means by that, so it outlives a restart: a
// container of a pod is the pod and the container's name, though its id and cgroup are
// new each time; any other cgroup, such as a unit's, is its path. All kills of one
// episode are of one incident, whatever is known of each. A kill by SysRq-f is an
// incident of its own. Where it is not known whose limit was hit, those whose limit it
// must be are taken together: victims in one container or cgroup, or, where nodes ran
// full, those who asked for memory there.
package incident
