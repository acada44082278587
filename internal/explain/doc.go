// SPDX-License-Identifier: Apache-2.0

// Package explain says what the kills of a timeline mean: what happened and by what
// evidence, what to do about it, and the way back.
//
// [Find] puts the kills into incidents and asks each rule about each of them. A rule is
// a function in a file of its own. It looks at one incident, and is silent unless its
// case is there: a rule that speaks where it does not apply costs more at three in the
// morning than one that is silent. How sure it is follows from what it had to look at:
//
//   - high: the numbers prove it.
//   - medium: they fit, and another cause that would fit as well is named in RefutedBy.
//   - low: they do not tell; the finding is a question and the command that answers it,
//     and has no actions.
//
// What it advises goes to the owner of the limit (the pod's spec, the unit), never to a
// file of a cgroup that somebody manages. Names come from hostile places: they get into
// a command quoted, or, if that is not safe, not at all. Nothing here runs a command.
package explain
