// SPDX-License-Identifier: Apache-2.0

// Package scores is the model of a ranking: whom the OOM killer would choose next,
// and why. It ranks what others read, and holds the JSON Schema of the result.
package scores
