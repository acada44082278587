// SPDX-License-Identifier: Apache-2.0

//go:build linux

package procsnap

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestMemcgNow(t *testing.T) {
	u := event.Ptr[uint64]
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  MemcgNow
	}{
		{"v2", map[string]string{
			"cgroup.controllers":       "memory\n",
			"a.service/memory.current": "1048576\n", "a.service/memory.max": "2097152\n", "a.service/memory.peak": "2097152\n",
			"a.service/memory.high": "max\n", "a.service/memory.low": "0\n", "a.service/memory.min": "0\n",
			"a.service/memory.swap.max": "0\n", "a.service/memory.oom.group": "1\n",
			"a.service/memory.events": "low 0\nhigh 0\nmax 41\noom 1\noom_kill 1\noom_group_kill 0\n",
		}, MemcgNow{
			Cgroup: event.Cgroup{Version: 2, Path: "/a.service"}, MaxBytes: u(2 << 20), UsageBytes: u(1 << 20), PeakBytes: u(2 << 20),
			LowBytes: u(0), MinBytes: u(0), SwapMaxBytes: u(0), OOMGroup: event.Ptr(true),
			Events: event.CgroupEvents{Low: u(0), High: u(0), Max: u(41), OOM: u(1), OOMKill: u(1), OOMGroupKill: u(0)},
		}},
		{"v2 without a limit", map[string]string{
			"cgroup.controllers": "memory\n", "a.service/memory.max": "max\n", "a.service/memory.oom.group": "x\n",
		}, MemcgNow{Cgroup: event.Cgroup{Version: 2, Path: "/a.service"}, MaxUnlimited: true}},
		{"v1", map[string]string{
			"memory.usage_in_bytes":           "1\n",
			"a.service/memory.usage_in_bytes": "4096\n", "a.service/memory.limit_in_bytes": "8192\n",
			"a.service/memory.memsw.limit_in_bytes": "12288\n", "a.service/memory.max_usage_in_bytes": "8192\n",
			"a.service/memory.failcnt": "3\n", "a.service/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
		}, MemcgNow{
			Cgroup: event.Cgroup{Version: 1, Controller: "memory", Path: "/a.service"}, MaxBytes: u(8192), UsageBytes: u(4096), PeakBytes: u(8192),
			SwapMaxBytes: u(4096), Events: event.CgroupEvents{OOMKill: u(2), FailCnt: u(3)},
		}},
		{"v1 without a limit", map[string]string{
			"memory.usage_in_bytes": "1\n", "a.service/memory.limit_in_bytes": "9223372036854771712\n",
			"a.service/memory.memsw.limit_in_bytes": "9223372036854771712\n", "a.service/memory.failcnt": "0\n",
		}, MemcgNow{Cgroup: event.Cgroup{Version: 1, Controller: "memory", Path: "/a.service"}, MaxUnlimited: true}},
	} {
		r := newReader(t, Options{Proc: t.TempDir(), Cgroup: tree(t, tt.files)})
		got, err := r.memcgs.now("/a.service")
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if _, err := r.memcgs.now("/none"); !errors.Is(err, ErrNoCgroup) {
			t.Errorf("%s, one that is not there: %v", tt.name, err)
		}
		// A folder is not the hierarchy, whose paths the kernel tells.
		if got, err := r.MemcgNow("/a.service"); err == nil {
			t.Errorf("%s: a mere folder: %+v", tt.name, got)
		}
	}
	r := newReader(t, Options{Proc: t.TempDir(), Cgroup: t.TempDir()})
	if _, err := r.MemcgNow("/"); !errors.Is(err, errNoMemcgs) {
		t.Errorf("no hierarchy: %v", err)
	}
	if version, err := r.CgroupVersion(); version != 0 || err == nil {
		t.Errorf("no hierarchy: v%d, %v", version, err)
	}
}

// This machine's root cgroup, and names that lead nowhere.
func TestMemcgNowNative(t *testing.T) {
	r := newReader(t, Options{})
	if r.memcgsErr != nil || !r.memcgs.fromRoot() {
		t.Skipf("not the whole hierarchy here: %v", r.memcgsErr)
	}
	if c, err := r.MemcgNow("/"); err != nil || c.Cgroup.Path != "/" || c.Cgroup.Version != r.memcgs.version {
		t.Errorf("%+v, %v", c, err)
	}
	for _, name := range []string{"/none/at/all", "", "relative", "/../..", "/a/../b", "/\x00"} {
		if c, err := r.MemcgNow(name); err == nil {
			t.Errorf("%q: %+v", name, c)
		}
	}
}

func TestKillCounts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []KillCount
	}{
		{"v2", map[string]string{
			"cgroup.controllers":    "memory\n",
			"a/memory.events":       "oom_kill 3\n", // b's
			"a/memory.events.local": "oom_kill 0\n", "a/b/memory.events.local": "oom 5\noom_kill 3\n", "c/memory.events.local": "garbage",
		}, []KillCount{{event.Cgroup{Version: 2, Path: "/a/b"}, 3}}},
		{"v1", map[string]string{
			"memory.usage_in_bytes": "1\n", "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
			"a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n",
		}, []KillCount{{event.Cgroup{Version: 1, Controller: "memory", Path: "/"}, 1}}},
	} {
		r := newReader(t, Options{Proc: t.TempDir(), Cgroup: tree(t, tt.files)})
		got, err := r.KillCounts(t.Context())
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

func TestKillsSinceBoot(t *testing.T) {
	r := newReader(t, Options{Proc: tree(t, map[string]string{"vmstat": "nr_free_pages 1125333\noom_kill 26\ndrop_slab 0\n"})})
	if n, err := r.KillsSinceBoot(); n != 26 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	r = newReader(t, Options{Proc: tree(t, map[string]string{"vmstat": "nr_free_pages 1125333\n"})})
	if n, err := r.KillsSinceBoot(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a kernel that does not count: %d, %v", n, err)
	}
}
