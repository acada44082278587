// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"context"
	"fmt"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/explain"
)

// immuneTold is how many of them are told of.
const immuneTold = 64

func (f *facts) immune(ctx context.Context) (func(*explain.Machine), []Gap) {
	found, unreadable, err := f.reader.Protected(ctx, -1000)
	gaps := gap(err)
	if unreadable > 0 {
		gaps = append(gaps, Gap{Err: fmt.Errorf("%d processes could not be read", unreadable)})
	}
	var immune []explain.Process
	for _, p := range found[:min(len(found), immuneTold)] {
		immune = append(immune, explain.Process{PID: p.PID, Comm: p.Comm, CommHex: p.CommHex, RSSBytes: p.RSSBytes, Unit: p.Unit, Cgroup: pathOf(p.Cgroup)})
	}
	return func(m *explain.Machine) { m.Immune = immune }, gaps
}

func pathOf(c *event.Cgroup) string {
	if c == nil || c.Truncated {
		return ""
	}
	return c.Path
}
