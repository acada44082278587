// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"os"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// thisMachine is what tells its logs from others'.
func thisMachine(time.Time) *timeline.Machine {
	name, _ := os.Hostname() // "" is no machine's
	return &timeline.Machine{Host: event.Host{Name: name}, Zone: time.Local}
}
