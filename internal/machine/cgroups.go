// SPDX-License-Identifier: Apache-2.0

//go:build linux

package machine

import (
	"context"
	"errors"

	"github.com/oomtrace/oomtrace/internal/explain"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// wantedLimit bounds how many cgroups, and how many units, are looked up.
const wantedLimit = 256

func (f *facts) cgroups(context.Context) (func(*explain.Machine), []Gap) {
	version, err := f.reader.CgroupVersion()
	if err != nil {
		return nil, gap(err)
	}
	var found []explain.CgroupNow
	var gaps []Gap
	for _, path := range head(f.wanted.Cgroups) {
		c, err := f.reader.MemcgNow(path)
		switch {
		case errors.Is(err, procsnap.ErrNoCgroup): // gone, which is its answer
		case err != nil:
			gaps = append(gaps, Gap{Fact: "cgroup " + path, Err: err})
		default:
			found = append(found, explain.CgroupNow{
				Cgroup: c.Cgroup, MaxBytes: c.MaxBytes, MaxUnlimited: c.MaxUnlimited,
				HighBytes: c.HighBytes, SwapMaxBytes: c.SwapMaxBytes, UsageBytes: c.UsageBytes,
			})
		}
	}
	return func(m *explain.Machine) { m.CgroupVersion, m.Cgroups = version, found }, gaps
}

func head(names []string) []string { return names[:min(len(names), wantedLimit)] }
