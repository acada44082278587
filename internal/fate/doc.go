// SPDX-License-Identifier: Apache-2.0

// Package fate answers what ended a process, a container, a pod or a unit: the kernel's
// OOM killer, and if not, who, as far as evidence goes. It looks at a timeline, at what
// programs of user space logged, and at what is there now.
//
// "No" is said for a reason only: somebody else was seen to do it, it still runs, or all
// kills of the machine are known and it is in none of them. That nothing was found is no
// such reason.
package fate
