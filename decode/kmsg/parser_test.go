// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// el7 is a report of 3.10 in pieces, for a memory cgroup.
func el7(comm string, pid int, path string) []string {
	return []string{
		comm + " invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0",
		comm + " cpuset=/ mems_allowed=0",
		fmt.Sprintf("CPU: 1 PID: %d Comm: %s Not tainted 3.10.0-514.el7.x86_64 #1", pid, comm),
		"Call Trace:",
		" [<ffffffff81185128>] out_of_memory+0x4b6/0x4f0",
		" [<ffffffff8168e288>] page_fault+0x28/0x30",
		"Task in " + path + " killed as a result of limit of " + path,
		"memory: usage 1024kB, limit 1024kB, failcnt 7",
		"memory+swap: usage 1024kB, limit 9007199254740991kB, failcnt 0",
		"kmem: usage 0kB, limit 9007199254740991kB, failcnt 0",
		"Memory cgroup stats for " + path + ": cache:0KB rss:1024KB rss_huge:0KB mapped_file:0KB swap:0KB inactive_anon:0KB active_anon:1024KB inactive_file:0KB active_file:0KB unevictable:0KB",
		"[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name",
		fmt.Sprintf("[%5d]     0 %5d     4869      256      13        0             0 %s", pid, pid, comm),
		fmt.Sprintf("Memory cgroup out of memory: Kill process %d (%s) score 1000 or sacrifice child", pid, comm),
		fmt.Sprintf("Killed process %d (%s) total-vm:19476kB, anon-rss:1024kB, file-rss:0kB, shmem-rss:0kB", pid, comm),
	}
}

func log(from int, lines ...string) string {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "[%5d.%06d] %s\n", from, i, l)
	}
	return b.String()
}

func TestParser(t *testing.T) {
	a, b := el7("alpha", 100, "/a"), el7("beta", 200, "/b")
	noise := func(n int) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("eth0: link %d is up", i))
		}
		return out
	}
	killA := "kill alpha[100] chosen memcg, memory /a 1024KiB, for alpha[100]"
	killB := "kill beta[200] chosen memcg, memory /b 1024KiB, for beta[200]"
	boot := append([]string{"Linux version 6.1.0-56-cloud-amd64 (debian) #1 SMP", "Command line: ro quiet", "Dentry cache hash table entries: 32768 (order: 6, 262144 bytes, linear)"}, noise(200)...)
	for name, test := range map[string]struct {
		log  string
		want []string
	}{
		"one": {log(5, a...), []string{killA}},
		"a child in place of its parent": {
			log(5, append(a[:14:14], "Killed process 101 (worker) total-vm:19476kB, anon-rss:512kB, file-rss:0kB")...),
			[]string{"kill worker[101] chosen memcg, memory /a 1024KiB, for alpha[100]"},
		},
		"others with its memory": {
			log(5, append(a[:15:15], "Kill process 102 (sharer) sharing same memory", "Kill process 102 (sharer) sharing same memory")...),
			[]string{killA, "kill sharer[102] shared_mm memcg, memory /a 1024KiB, for alpha[100]"},
		},
		"one after the other": {log(5, append(a[:15:15], b...)...), []string{killA, killB}},
		"a storm without reports": {
			log(5, append(a[:15:15],
				"Memory cgroup out of memory: Killed process 300 (gamma) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB, UID:0 pgtables:4kB oom_score_adj:0",
				"Out of memory: Killed process 301 (delta) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB, UID:0 pgtables:4kB oom_score_adj:0",
			)...),
			[]string{killA, "kill gamma[300] chosen memcg, no limit, no trigger", "kill delta[301] chosen global, ram, no trigger"},
		},
		// Each line may be of either: who was killed is told, and not whose limit it was.
		"two that come mixed": {
			log(5, a[0], b[0], a[1], b[1], a[2], b[2], a[6], a[7], b[6], b[7], a[11], a[12], b[11], b[12], a[13], b[13], a[14], b[14]),
			[]string{"kill alpha[100] chosen memcg, no limit, no trigger", "kill beta[200] chosen memcg, no limit, no trigger"},
		},
		"begins within a report": {log(5, a[6:]...), []string{"kill alpha[100] chosen memcg, memory /a 1024KiB, no trigger"}},
		"ends before the kill":   {log(5, a[:14]...), []string{killA}},
		"ends before the choice": {log(5, a[:12]...), []string{"nokill unknown memcg, memory /a 1024KiB, for alpha[100]"}},
		"another begins before it ends": {
			log(5, append(a[:3:3], b...)...), []string{killB, "nokill unknown , no limit, for alpha[100]"},
		},
		"is exiting": {
			log(5, append(a[:13:13], "Memory cgroup out of memory: OOM victim 100 (alpha) is already exiting. Skip killing the task")...),
			[]string{"nokill chosen_exiting memcg, memory /a 1024KiB, for alpha[100]"},
		},
		"2.6.32": {
			log(5, "alpha invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0", "Pid: 100, comm: alpha Not tainted 2.6.32-5-amd64 #1",
				"Out of memory: kill process 100 (alpha) score 12345 or a child", "Killed process 101 (worker)"),
			[]string{"kill worker[101] chosen global, ram, for alpha[100]"},
		},
		"no candidate, by sysrq": {
			log(5, "sysrq: Manual OOM execution", "kworker/0:1 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=-1, oom_score_adj=0",
				"Out of memory and no killable processes...", "sysrq: OOM request ignored. No task eligible"),
			[]string{"nokill no_candidate sysrq, no limit, for kworker/0:1"},
		},
		"a panic of old": {
			log(5, append(a[:13:13], "Kernel panic - not syncing: Out of memory: compulsory panic_on_oom is enabled")...),
			[]string{"nokill panic memcg, memory /a 1024KiB, for alpha[100]"},
		},
		"the log is read again": {
			log(5, append(noise(300), a...)...) + log(5, append(noise(300), a...)...) + log(6, b...),
			[]string{killA, killB},
		},
		"the log is read again from the boot on": {
			log(0, boot...) + log(1, noise(100)...) + log(5, a...) + log(0, boot...) + log(1, noise(100)...) + log(5, a...) + log(6, b...),
			[]string{"boot 6.1.0-56-cloud-amd64", killA, killB},
		},
		"two boots": {
			log(0, boot...) + log(1, noise(100)...) + log(5, a...) + log(0, boot...) + log(2, noise(100)...) + log(7, a...),
			[]string{"boot 6.1.0-56-cloud-amd64", killA, "boot 6.1.0-56-cloud-amd64", killA},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, digests(t, []byte(test.log))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Where the kernel says who prints a line, reports that come mixed are told apart.
func TestCallers(t *testing.T) {
	a, b := el7("alpha", 100, "/a"), el7("beta", 200, "/b")
	var mixed strings.Builder
	for i := range a {
		fmt.Fprintf(&mixed, "[    5.%06d][  T100] %s\n[    5.%06d][  T200] %s\n", i, a[i], i, b[i])
	}
	want := []string{
		"kill alpha[100] chosen memcg, memory /a 1024KiB, for alpha[100]",
		"kill beta[200] chosen memcg, memory /b 1024KiB, for beta[200]",
	}
	if diff := cmp.Diff(want, digests(t, []byte(mixed.String()))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The kernel prints the line of the choice in pieces; others' lines come between.
func TestPieces(t *testing.T) {
	log := `4,1,5000000,-;java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
6,2,5000001,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null)
6,3,5000001,c;,cpuset=/
12,4,5000001,-;user space
6,5,5000001,c;,mems_allowed=0
6,6,5000001,c;,oom_memcg=/app.slice,task_memcg=/app.slice/web
6,7,5000001,c;,task=java,pid=104,uid=0
3,8,5000002,-;Memory cgroup out of memory: Killed process 104 (java) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB, UID:0 pgtables:4kB oom_score_adj:0
`
	items := parse(t, strings.NewReader(log))
	if len(items) != 1 {
		t.Fatalf("%d items", len(items))
	}
	k := items[0].(*kmsg.Kill)
	if r := k.Report; r.OOMMemcg != "/app.slice" || r.TaskMemcg != "/app.slice/web" || r.Constraint != "CONSTRAINT_MEMCG" || !r.Headed || k.Concluded {
		t.Errorf("%+v", r)
	}
}

// A victim that was a child of the chosen one says so.
func TestSacrificedChild(t *testing.T) {
	lines := append(el7("alpha", 100, "/a")[:14:14], "Killed process 101 (worker) total-vm:19476kB, anon-rss:512kB, file-rss:0kB")
	e := events(t, parse(t, strings.NewReader(log(5, lines...))), kmsg.Context{})[0].Kill
	if e.Choice != event.ChoiceChild || e.Victim.PPID == nil || *e.Victim.PPID != 100 || e.Victim.BadnessPermille != nil || e.Victim.Cgroup != nil && e.Victim.OOMScoreAdj != nil {
		t.Errorf("%+v", e)
	}
}

// Page tables in kB were bytes in 5.4's first releases.
func TestPgtablesOf54(t *testing.T) {
	for line, want := range map[string]uint64{
		"total-vm:25640kB, anon-rss:24228kB, file-rss:4kB, shmem-rss:692kB, UID:0 pgtables:86016kB oom_score_adj:0":       86016,
		"total-vm:25640kB, anon-rss:24228kB, file-rss:4kB, shmem-rss:692kB, UID:0 pgtables:84kB oom_score_adj:0":          84 * 1024,
		"total-vm:2564000kB, anon-rss:2422800kB, file-rss:4kB, shmem-rss:692kB, UID:0 pgtables:8192kB oom_score_adj:-998": 8192 * 1024,
	} {
		e := events(t, parse(t, strings.NewReader("[    5.000000] Out of memory: Killed process 104 (java) "+line+"\n")), kmsg.Context{})[0].Kill
		if got := *e.Victim.PgtablesBytes; got != want {
			t.Errorf("%s: %d bytes", line, got)
		}
	}
}

// A log of any length takes no more memory than a short one.
func TestParserForgets(t *testing.T) {
	one := []byte(log(5, el7("alpha", 100, "/a")...))
	var p kmsg.Parser
	n := 0
	for i := range 2000 {
		s := kmsg.NewScanner(bytes.NewReader(one))
		for {
			r, err := s.Next()
			if err != nil {
				break
			}
			r.HasPrintk = false
			p.Add(r)
			for item := p.Next(); item != nil; item = p.Next() {
				n++
			}
		}
		if i > 0 && p.Held() > 128<<10 {
			t.Fatalf("after %d reports %d bytes are held", i, p.Held())
		}
	}
	if n != 2000 {
		t.Errorf("%d items", n)
	}
}

// A log server has the logs of many machines in one, each with a clock of its own.
func TestHosts(t *testing.T) {
	a, b := el7("alpha", 100, "/a"), el7("beta", 200, "/b")
	var mixed strings.Builder
	for i := range a {
		fmt.Fprintf(&mixed, "Jun 20 12:47:02 one kernel: [    5.%06d] %s\n", i, a[i])
		fmt.Fprintf(&mixed, "Jun 20 12:47:02 two kernel: [90000.%06d] %s\n", i, b[i])
	}
	items := parse(t, strings.NewReader(mixed.String()))
	if len(items) != 2 {
		t.Fatalf("%d items", len(items))
	}
	for i, want := range []string{"one 0 alpha alpha /a", "two 1 beta beta /b"} {
		k := items[i].(*kmsg.Kill)
		if got := fmt.Sprint(k.Host, " ", k.BootIndex(), " ", k.Comm, " ", k.Report.Trigger.Comm, " ", k.Report.Memcg.Limit); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A BPF program kills with a message of its own, under a policy that has a name, for a
// constraint of its own.
func TestBPFPolicy(t *testing.T) {
	log := `4,1,5000000,-;test_progs invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\x0aoom_policy=bpf_test_policy
4,2,5000001,-;CPU: 1 UID: 0 PID: 660 Comm: test_progs Not tainted 6.16.0 #102 PREEMPT(full)
4,3,5000002,-; oom_kill_process.cold+0x8/0xef
4,4,5000002,-; bpf_oom_kill_process+0x59/0xb0
4,5,5000003,-; out_of_memory+0xab/0x5c0
6,6,5000004,-;oom-kill:constraint=CONSTRAINT_BPF_PSI_MEM,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=test_progs,pid=675,uid=0
3,7,5000005,-;bpf oom test: Killed process 675 (test_progs) total-vm:648052kB, anon-rss:42848kB, file-rss:1028kB, shmem-rss:0kB, UID:0 pgtables:152kB oom_score_adj:0
3,8,5000006,-;bpf oom test: Killed process 676 (test_progs) total-vm:648052kB, anon-rss:42848kB, file-rss:1028kB, shmem-rss:0kB, UID:0 pgtables:152kB oom_score_adj:0
3,9,5000007,-;another test: Killed process 677 (test_progs) total-vm:648052kB, anon-rss:42848kB, file-rss:1028kB, shmem-rss:0kB, UID:0 pgtables:152kB oom_score_adj:0
`
	items := parse(t, strings.NewReader(log))
	if len(items) != 2 {
		t.Fatalf("%d items", len(items))
	}
	if r := items[0].(*kmsg.Kill).Report; r.Policy != "bpf_test_policy" || r.Constraint != "CONSTRAINT_BPF_PSI_MEM" {
		t.Errorf("%+v", r)
	}
	for i, e := range events(t, items, kmsg.Context{}) {
		if e.Kill.Choice != event.ChoiceBPF || e.Kill.Message != "bpf oom test" {
			t.Errorf("%d: %+v", i, e.Kill)
		}
	}
}
