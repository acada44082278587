// SPDX-License-Identifier: Apache-2.0

// Package scorestest helps to test what makes or shows rankings: example reports, and
// validation of JSON lines against the published schema.
package scorestest

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/decode/scores"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// All returns one example of each kind; together they fill every field.
func All() []*scores.Report { return []*scores.Report{Global(), Memcg(), Outside(), Empty()} }

func report() *scores.Report {
	return &scores.Report{
		Time:          time.Date(2026, 3, 1, 10, 4, 17, 482917339, time.UTC),
		Scope:         scores.ScopeGlobal,
		AllowedPages:  6 * gib / 4096,
		PageSizeBytes: 4096,
		RAMBytes:      4 * gib,
		SwapBytes:     2 * gib,
		Settings:      scores.Settings{PanicOnOOM: event.Ptr(0), OOMKillAllocatingTask: event.Ptr(0), Swappiness: event.Ptr(60)},
		Candidates:    []scores.Candidate{},
		Host:          eventtest.Host(),
	}
}

// rank lets r have these as its eligible processes, all shown.
func rank(r *scores.Report, ids map[int]scores.Identity, processes ...scores.Process) *scores.Report {
	r.Sort(processes)
	for i, p := range processes {
		r.Add(p, ids[p.PID])
		if i == 1 {
			r.SetMargin(p)
		}
	}
	r.Eligible = len(processes)
	r.Seen = r.Eligible + r.Protected + r.NoMemory + r.Unreadable
	return r
}

// Global is a ranking of a machine.
func Global() *scores.Report {
	r := report()
	r.Protected, r.NoMemory = 2, 131
	r.Settings.PanicOnOOM, r.Settings.OOMKillAllocatingTask = event.Ptr(1), event.Ptr(1)
	id := "c0ffee5d1b2a4f7e9d8c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e0d9c8b7a6f5e"
	return rank(r, map[int]scores.Identity{
		48213: {
			Comm: event.Ptr("java"), Unit: "cri-containerd-" + id + ".scope",
			Container: &event.Container{Runtime: "containerd", ID: id, Name: "app"},
			Pod:       &event.Pod{UID: "8f1d2c3b-5a47-4e0e-b9a1-77c2d1e0a942", Namespace: "shop", Name: "checkout-6b9f7d5c8-x2x7k", QoS: "burstable"},
			Cgroup:    &event.Cgroup{Version: 2, Path: "/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + id + ".scope"},
			Cmdline:   event.Ptr("java -Xmx1g -Ddb.password=*** -jar checkout.jar"), CmdlineTruncated: true,
			Exe: event.Ptr("/usr/lib/jvm/bin/java"),
		},
		1207: {Comm: event.Ptr("postgres"), Unit: "postgresql.service", Exe: event.Ptr("/usr/lib/postgresql/bin/postgres"), Cgroup: &event.Cgroup{Version: 2, Path: "/system.slice/postgresql.service"}},
		900:  {Comm: event.Ptr("cron"), Cgroup: &event.Cgroup{Version: 2, Path: "/"}},
	},
		scores.Process{PID: 1207, UID: 111, Threads: 1, OOMScoreAdj: -500, AnonRSSBytes: 900 * mib, FileRSSBytes: 60 * mib, ShmemRSSBytes: 512 * mib, SwapBytes: 40 * mib, PgtablesBytes: 6 * mib},
		scores.Process{PID: 48213, UID: 1000, Threads: 48, OOMScoreAdj: 800, AnonRSSBytes: 1100 * mib, FileRSSBytes: 90 * mib, PgtablesBytes: 3 * mib},
		scores.Process{PID: 900, Threads: 1, AnonRSSBytes: 1 * mib, FileRSSBytes: 2 * mib, PgtablesBytes: 64 << 10},
		scores.Process{PID: 4194304, Threads: 1, AnonRSSBytes: 1 * mib, FileRSSBytes: 2 * mib, PgtablesBytes: 64 << 10},
	)
}

// Memcg is a ranking of a cgroup at its limit. Its names are hostile.
func Memcg() *scores.Report {
	r := report()
	r.Scope = scores.ScopeMemcg
	c := event.Cgroup{Version: 2, Path: "/evil\x1b[31m\u202e/a\ufffd", PathHex: "2f6576696c1b5b33316de280ae2f61ff"}
	r.Cgroup, r.OOMGroup = &c, &c
	r.Limit = &scores.Limit{Cgroup: c, Bytes: 64 * mib, UsageBytes: event.Ptr[uint64](60 * mib), SwapMaxBytes: event.Ptr[uint64](16 * mib)}
	r.Tighter = &scores.Limit{Cgroup: event.Cgroup{Version: 2, Path: "/evil\x1b[31m\u202e"}, Bytes: 128 * mib, UsageBytes: event.Ptr[uint64](127 * mib)}
	r.AllowedPages = (64 + 16) * mib / 4096
	r.Settings.PanicOnOOM = event.Ptr(2)
	r.Unreadable, r.Incomplete = 1, []scores.Gap{scores.GapUnreadable}
	return rank(r, map[int]scores.Identity{
		77: {
			Comm: event.Ptr("x\x1b]0;\ufffd"), CommHex: "781b5d303bff",
			Cmdline: event.Ptr("rm\n-rf\u009b \ufffd"), CmdlineHex: "726d0a2d7266c29b20ff",
			Exe: event.Ptr("/tmp/\ufffd"), ExeHex: "2f746d702fff", Cgroup: &c,
		},
		78: {Comm: event.Ptr("y"), Cgroup: &c},
	},
		scores.Process{PID: 77, UID: 4294967294, Threads: 2, AnonRSSBytes: 30 * mib, PgtablesBytes: 128 << 10},
		scores.Process{PID: 78, UID: 4294967294, Threads: 1, AnonRSSBytes: 30 * mib, PgtablesBytes: 128 << 10},
	)
}

// Outside is a ranking of a v1 cgroup that only the limit of another stops, so small
// that an oom_score_adj changes nothing.
func Outside() *scores.Report {
	r := report()
	r.Scope = scores.ScopeMemcg
	r.Cgroup = &event.Cgroup{Version: 1, Controller: "memory", Path: "/batch/job-7"}
	r.Limit = &scores.Limit{
		Cgroup: event.Cgroup{Version: 1, Controller: "memory", Path: "/batch"}, Bytes: 2 * mib, UsageBytes: event.Ptr[uint64](1 * mib),
		OOMKillDisabled: event.Ptr(true),
	}
	r.AllowedPages = 2 * mib / 4096
	r.Settings = scores.Settings{}
	r.Incomplete = []scores.Gap{scores.GapOutside, scores.GapPIDNamespace, scores.GapHidden}
	return rank(r, nil, scores.Process{PID: 5120, UID: 1000, Threads: 1, OOMScoreAdj: 300, AnonRSSBytes: 300 << 10, PgtablesBytes: 32 << 10})
}

// Empty is a ranking of a cgroup without processes, which no limit stops.
func Empty() *scores.Report {
	r := report()
	r.Cgroup = &event.Cgroup{Version: 2, Path: "/user.slice"}
	r.Incomplete = []scores.Gap{scores.GapOutside}
	return r
}

var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(scores.SchemaJSON()))
	if err != nil {
		return nil, fmt.Errorf("parse schema: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("v1.json", doc); err != nil {
		return nil, fmt.Errorf("add schema: %w", err)
	}
	return c.Compile("v1.json")
})

// Check says why line is not a valid report, or returns nil.
func Check(line []byte) error {
	s, err := compiled()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return fmt.Errorf("parse line: %w", err)
	}
	return s.Validate(v)
}
