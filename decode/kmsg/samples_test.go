// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// parse reads a log.
func parse(t testing.TB, log io.Reader) []kmsg.Item {
	t.Helper()
	s := kmsg.NewScanner(log)
	var p kmsg.Parser
	var items []kmsg.Item
	take := func() {
		for item := p.Next(); item != nil; item = p.Next() {
			items = append(items, item)
		}
	}
	for {
		r, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Add(r)
		take()
	}
	p.Flush()
	take()
	return items
}

// time1 is a time for what has none.
var time1 = time.Unix(1, 0)

// events makes events of a log's items and checks them by the schema, as what they would
// be in a stream.
func events(t testing.TB, items []kmsg.Item, c kmsg.Context) []*event.Event {
	t.Helper()
	var out []*event.Event
	var enc event.Encoder
	for _, item := range items {
		e := kmsg.Event(item, c)
		if _, err := enc.AppendEntry(nil, e); err != nil {
			t.Fatal(err)
		}
		line := *e
		line.Session, line.Time = "5f2c9b1e7a4d8036", time1
		text, err := enc.AppendEntry(nil, &line)
		if err != nil {
			t.Fatal(err)
		}
		eventtest.Validate(t, text)
		out = append(out, e)
	}
	return out
}

// lab returns the logs that the project's own VMs have written.
func lab(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open("testdata/lab.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	logs := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return logs
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if logs[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// public returns a log of another project.
func public(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata/public", name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".gz") {
		return data
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = io.ReadAll(z); err != nil {
		t.Fatal(err)
	}
	return data
}

// digest is what the tables below say of an event: who was killed or not, and why.
func digest(e *event.Event) string {
	str := func(s *string) string {
		if s == nil {
			return "?"
		}
		return *s
	}
	limit := func(l *event.Limit) string {
		if l == nil {
			return "no limit"
		}
		s := string(l.Kind)
		if l.Cgroup != nil {
			s += " " + l.Cgroup.Path
		}
		if l.Nodes != "" {
			s += " " + l.Nodes
		}
		if l.Bytes != nil {
			s += fmt.Sprintf(" %dKiB", *l.Bytes/1024)
		}
		return s
	}
	trigger := func(t *event.Task) string {
		if t == nil {
			return "no trigger"
		}
		s := "for " + str(t.Comm)
		if t.TID != nil {
			s += fmt.Sprintf("[%d]", *t.TID)
		}
		return s
	}
	switch e.Type {
	case event.TypeOOMKill:
		k := e.Kill
		return fmt.Sprintf("kill %s[%d] %s %s, %s, %s", str(k.Victim.Comm), k.Victim.PID, k.Role, k.Scope, limit(k.Limit), trigger(k.Trigger))
	case event.TypeOOMNoKill:
		n := e.NoKill
		return fmt.Sprintf("nokill %s %s, %s, %s", n.Reason, n.Scope, limit(n.Limit), trigger(n.Trigger))
	case event.TypeOOMEnd:
		return fmt.Sprintf("%s %s[%d] after %.3f ms", e.End.Outcome, str(e.End.Comm), e.End.PID, *e.End.ReapMS)
	case event.TypeKernelPanic:
		return "panic " + e.Panic.Message
	case event.TypeKernelBoot:
		return "boot " + e.Boot.Release
	}
	return string(e.Type)
}

func digests(t testing.TB, log []byte) []string {
	t.Helper()
	var out []string
	for _, e := range events(t, parse(t, bytes.NewReader(log)), kmsg.Context{}) {
		out = append(out, digest(e))
	}
	return out
}

// The expectations in this file were read from the logs by eye.

func TestPublicLogs(t *testing.T) {
	for name, want := range map[string][]string{
		"cadvisor_stream1.txt": {"kill memorymonster[13536] chosen memcg, memory /mem2 980KiB, for memorymonster[13536]"},
		// 445340 pages of RAM less 10614 reserved
		"cadvisor_stream2.txt": {"kill badsysprogram[1532] chosen global, ram 1738904KiB, for badsysprogram[1532]"},
		// Up to the choice, and no line of a kill.
		"gpud_match_01.txt": {"kill postgres[12345] chosen memcg,  /docker/container123, for postgres"},
		"gpud_match_05.txt": {"nokill unknown , no limit, for java"},
		"gpud_match_13.txt": {
			"nokill unknown memcg,  /docker/container1, for first-process",
			"kill second-process[5555] chosen memcg,  /docker/container2, for second-process",
		},
		// 8388607 pages less 181790
		"lukeshirnia_messages_first_el6.txt.gz": {"kill mysqld[40738] chosen global, ram 32827268KiB, for php-fpm[23212]"},
		"npd_oom_kill_legacy.txt":               {"kill heapster[1012] chosen memcg, no limit, no trigger"},
		// 8379834 pages less 192987
		"oomanalyser_example_rhel7.txt":      {"kill mysqld[6576] chosen global, ram 32747388KiB, for sed[29481]"},
		"oomanalyser_example_ubuntu2110.txt": {"kill unattended-upgr[651] chosen sysrq, no limit, for kworker/0:2[735]"},
		"sapcc_kmsg_records.txt": {
			"kill prometheus-conf[3401999] chosen memcg,  /kubepods/burstable/podd11ab7b0-d6db-4a24-a7de-4a2faf1e6980/9f02d9fa0049eb2655fc83c765f142362b2cb403b57b70ba3185071015ca3b64, no trigger",
			"kill stress[255629] chosen memcg,  /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poddfc377c9_c533_4d51_af9e_6e0e0b3db83b.slice, no trigger",
		},
		"syzkaller_report_334.txt": {
			"panic not syncing: corrupted stack end detected inside scheduler",
			"nokill unknown , no limit, for syz-executor642",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, digests(t, public(t, name))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// labKernels are the kernels of the lab: what their VMs did is alike, pids and sizes are
// not.
var labKernels = []struct {
	dir, release string
	// The pids of the victims.
	allocating, global, memcg, group, parent, v1, cpuset, mempolicy, reaper, sysrq int
	// Others of oom.group: their pids follow that of the first.
	members []string
	// groupFor is the trigger of the group's OOM.
	groupFor     string
	sysrqTrigger string
	reapedMS     string
	// Who asked for memory when the kernel panicked; 0: there is no such log.
	panicked, panicked2, deadlocked int
	// What the page allocator has: "pages RAM" less "pages reserved".
	ramPages, reaperRAMPages, pageKiB int
	// memcg_noprey: lines of "no killable processes", reports that are cut off at the end.
	noPrey, noCandidate int
	// The first and the last report of memcg_noprey, which the log has a part of.
	cutHead, cutOff string
}{
	{
		dir: "5.10", release: "5.10.0-46-cloud-amd64",
		allocating: 103, global: 103, memcg: 104, group: 104, parent: 104, v1: 101, cpuset: 120, mempolicy: 119, reaper: 104, sysrq: 98,
		members: []string{"sidecar", "logger"}, groupFor: "java[104]",
		sysrqTrigger: "kworker/0:1[14]", reapedMS: "2037.592", panicked: 103, panicked2: 104, deadlocked: 103,
		ramPages: 65403 - 8039, reaperRAMPages: 65400 - 8039, pageKiB: 4,
		noPrey: 104, noCandidate: 54,
	},
	{
		dir: "6.1", release: "6.1.0-56-cloud-amd64",
		allocating: 115, global: 115, memcg: 116, group: 116, parent: 116, v1: 113, cpuset: 131, mempolicy: 130, reaper: 116, sysrq: 110,
		members: []string{"sidecar", "logger"}, groupFor: "java[116]",
		sysrqTrigger: "kworker/0:2[45]", reapedMS: "2061.808", panicked: 115, panicked2: 116, deadlocked: 115,
		ramPages: 65403 - 9498, reaperRAMPages: 65400 - 9498, pageKiB: 4,
		noPrey: 116, noCandidate: 49, cutHead: "nokill no_candidate memcg, memory /np 16384KiB, no trigger",
	},
	{
		dir: "6.12", release: "6.12.95+deb12-cloud-amd64",
		allocating: 156, global: 154, memcg: 154, group: 156, parent: 157, cpuset: 176, mempolicy: 175, reaper: 155, sysrq: 152,
		members: []string{"sidecar", "logger"}, groupFor: "java[156]",
		sysrqTrigger: "kworker/0:0[9]", reapedMS: "2043.555", panicked: 155, panicked2: 155, deadlocked: 153,
		ramPages: 65403 - 10813, reaperRAMPages: 65400 - 10814, pageKiB: 4,
		noPrey: 154, noCandidate: 36, cutHead: "nokill no_candidate memcg, memory /np 16384KiB, no trigger", cutOff: "nokill unknown memcg, memory /np 16384KiB, for unkillable[154]",
	},
	{
		dir: "7.2", release: "7.2.13+deb14-cloud-amd64",
		allocating: 122, global: 121, memcg: 122, group: 123, parent: 124, cpuset: 140, mempolicy: 139, reaper: 122, sysrq: 117,
		members: []string{"sidecar", "logger"}, groupFor: "java[123]",
		sysrqTrigger: "kworker/0:1[11]", reapedMS: "2062.028", panicked: 121, panicked2: 122, deadlocked: 122,
		ramPages: 65403 - 11782, reaperRAMPages: 65400 - 11781, pageKiB: 4,
		// The last line is that of the usage.
		noPrey: 123, noCandidate: 32, cutHead: "nokill no_candidate , no limit, no trigger", cutOff: "nokill unknown memcg, memory 16384KiB, for unkillable[123]",
	},
	{
		dir: "arm64-6.1", release: "6.1.0-56-cloud-arm64",
		global: 116, memcg: 117, group: 118, members: []string{"sidecar"}, groupFor: "java[118]", panicked: 117,
		ramPages: 65536 - 7233, pageKiB: 4,
	},
	{
		dir: "arm64-6.12", release: "6.12.117+deb13-cloud-arm64",
		global: 161, memcg: 154, group: 154, members: []string{"sidecar"}, groupFor: "java[154]", panicked: 152,
		ramPages: 65536 - 8877, pageKiB: 4,
	},
	{
		dir: "arm64-6.12-16k", release: "6.12.117+deb13-arm64-16k",
		// Four lines of kills: java twice, sidecar, and java's memory under the pid
		// of its thread hog, 159.
		global: 152, memcg: 151, group: 153, members: []string{"sidecar"}, groupFor: "hog[159]", panicked: 151,
		ramPages: 24576 - 2479, pageKiB: 16,
	},
}

func TestLabLogs(t *testing.T) {
	logs := lab(t)
	for _, k := range labKernels {
		ram := fmt.Sprintf("ram %dKiB", k.ramPages*k.pageKiB)
		want := map[string][]string{}
		kill := func(comm string, pid int, what, trigger string) string {
			return fmt.Sprintf("kill %s[%d] %s, for %s", comm, pid, what, trigger)
		}
		self := func(name, comm string, pid int, what string) {
			if pid != 0 {
				want[name] = []string{kill(comm, pid, "chosen "+what, fmt.Sprintf("%s[%d]", comm, pid))}
			}
		}
		self("allocating_task", "memhog", k.allocating, "global, "+ram)
		self("global", "memhog", k.global, "global, "+ram)
		self("memcg", "java", k.memcg, "memcg, memory /app.slice/web.service 24576KiB")
		self("memcg_parent", "java", k.parent, "memcg, memory /app.slice 24576KiB")
		self("memcg_v1", "java", k.v1, "memcg, memory /docker/abc123 16384KiB")
		self("numa_cpuset", "memhog", k.cpuset, "cpuset, nodes 1")
		self("numa_mempolicy", "memhog", k.mempolicy, "mempolicy, nodes 1")
		self("oom_reaper", "stuckhog", k.reaper, fmt.Sprintf("global, ram %dKiB", k.reaperRAMPages*k.pageKiB))
		if k.reaper != 0 {
			want["oom_reaper"] = append(want["oom_reaper"], fmt.Sprintf("reaped stuckhog[%d] after %s ms", k.reaper, k.reapedMS))
		}
		if k.sysrq != 0 {
			want["sysrq_f"] = []string{kill("worker", k.sysrq, "chosen sysrq, no limit", k.sysrqTrigger)}
		}
		want["memcg_group"] = []string{kill("java", k.group, "chosen memcg, memory /app.slice/pod1 32768KiB", k.groupFor)}
		for i, comm := range k.members {
			want["memcg_group"] = append(want["memcg_group"], kill(comm, k.group+i+1, "group memcg, memory /app.slice/pod1 32768KiB", k.groupFor))
		}
		want["panic_on_oom"] = []string{fmt.Sprintf("nokill panic global, %s, for memhog[%d]", ram, k.panicked)}
		if k.panicked2 != 0 {
			want["panic_on_oom2_memcg"] = []string{fmt.Sprintf("nokill panic memcg, memory /c1 16384KiB, for java[%d]", k.panicked2)}
			want["deadlock_panic"] = []string{fmt.Sprintf("nokill panic global, %s, for memhog[%d]", ram, k.deadlocked)}
		}
		if k.noPrey != 0 {
			var list []string
			if k.cutHead != "" {
				list = append(list, k.cutHead)
			}
			for range k.noCandidate {
				list = append(list, fmt.Sprintf("nokill no_candidate memcg, memory /np 16384KiB, for unkillable[%d]", k.noPrey))
			}
			if k.cutOff != "" {
				list = append(list, k.cutOff)
			}
			want["memcg_noprey"] = list
		}
		for file, log := range logs {
			name, ok := strings.CutPrefix(file, k.dir+"/")
			if !ok {
				continue
			}
			delete(logs, file)
			t.Run(file, func(t *testing.T) {
				list, ok := want[strings.TrimSuffix(name, filepath.Ext(name))]
				if !ok {
					t.Fatal("no expectation")
				}
				if !strings.HasSuffix(name, ".console") && !strings.HasPrefix(name, "memcg_noprey") {
					list = append([]string{"boot " + k.release}, list...)
				}
				if diff := cmp.Diff(list, digests(t, log)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		}
	}
	for file := range logs {
		t.Errorf("%s: no expectation", file)
	}
}
