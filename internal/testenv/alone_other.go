// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package testenv

import "testing"

// AloneWithTheClock does nothing: here no test changes the clock.
func AloneWithTheClock(testing.TB) {}
