// SPDX-License-Identifier: Apache-2.0

// Package archtest holds tests of the source tree itself: which way imports
// point, and what every file and package must say.
package archtest
