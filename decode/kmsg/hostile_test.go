// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// kills returns the processes that a log says were killed, "pid comm".
func kills(t testing.TB, log string) []string {
	t.Helper()
	out := []string{}
	items := parse(t, strings.NewReader(log))
	events(t, items, kmsg.Context{})
	for _, item := range items {
		if k, ok := item.(*kmsg.Kill); ok {
			out = append(out, fmt.Sprintf("%d %q", k.PID, k.Comm))
		}
	}
	return out
}

// sizes is what stands behind the name in the line of a kill.
const sizes = " total-vm:25640kB, anon-rss:24228kB, file-rss:4kB, shmem-rss:692kB, UID:0 pgtables:84kB oom_score_adj:0"

// hostileNames are names that a process can give itself: 15 bytes.
var hostileNames = []string{
	"x) total-vm:1kB", "Killed process ", "\nKilled process", "Killed\nprocess\n", "(", ")", "))))((((", ") score 9 or sa",
	"a\nb", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", "x\n", "\nx", ",pid=1,uid=0", ",task=init,pid=", "x,pid=1,uid=0\ny", ",uid=1", ",oom_memcg=/",
	"\x1b[2J\x1b[31mroot", "[    1] 0 1 1 1", "] total_vm", "Out of memory: ", "\xff\xfe\xfd", "oom-kill:constr", "", " ", "a b", "exactly15bytes!",
	"Call Trace:", "Mem-Info:", "a\nMem-Info:", "\nKernel panic -", "\nLinux version",
}

// lines are those of a report of 6.1 with a process of this name.
func lines(comm string) []string {
	return []string{
		comm + " invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
		"CPU: 0 PID: 4242 Comm: " + comm + " Not tainted 6.1.0-56-cloud-amd64 #1 Debian 6.1.192-2",
		"memory: usage 24576kB, limit 24576kB, failcnt 30",
		"swap: usage 0kB, limit 0kB, failcnt 0",
		"Tasks state (memory values in pages):",
		"[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
		"[   4242]     0  4242     6410     6231    86016        0             0 " + comm,
		"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=" + comm + ",pid=4242,uid=0",
		"Memory cgroup out of memory: Killed process 4242 (" + comm + ")" + sizes,
		"oom_reaper: reaped process 4242 (" + comm + "), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB",
	}
}

// devKmsg writes lines as /dev/kmsg gives them.
func devKmsg(lines []string) string {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "4,%d,%d,-;", i, 5_000_000+i)
		for _, c := range []byte(l) {
			if c < ' ' || c >= 0x7f || c == '\\' {
				fmt.Fprintf(&b, "\\x%02x", c)
			} else {
				b.WriteByte(c)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// dmesg writes lines as text; every line of a record begins with its stamp where all is
// set.
func dmesg(lines []string, all bool) string {
	var b strings.Builder
	for i, l := range lines {
		stamp := fmt.Sprintf("[    5.%06d] ", i)
		if all {
			l = strings.ReplaceAll(l, "\n", "\n"+stamp)
		}
		b.WriteString(stamp + l + "\n")
	}
	return b.String()
}

// A name can make no kill, hide none, and give none another victim.
func TestHostileNames(t *testing.T) {
	for _, comm := range hostileNames {
		if len(comm) > 15 {
			t.Fatalf("%q is too long", comm)
		}
		for name, log := range map[string]string{
			"kmsg": devKmsg(lines(comm)), "dmesg": dmesg(lines(comm), false), "console": dmesg(lines(comm), true),
		} {
			want := []string{fmt.Sprintf("4242 %q", comm)}
			if name == "dmesg" && strings.Contains(comm, "\n\n") {
				want = []string{fmt.Sprintf("4242 %q", "\n")} // text loses its empty lines
			}
			t.Run(fmt.Sprintf("%s/%q", name, comm), func(t *testing.T) {
				if diff := cmp.Diff(want, kills(t, log)); diff != "" {
					t.Errorf("(-want +got)\n%s\n%s", diff, log)
				}
			})
		}
	}
}

// In /dev/kmsg a record is in one piece, so that all of a report is there whatever the
// name.
func TestHostileNamesKeepTheReport(t *testing.T) {
	for _, comm := range hostileNames {
		items := parse(t, strings.NewReader(devKmsg(lines(comm))))
		k, ok := items[0].(*kmsg.Kill)
		if !ok || len(items) != 2 {
			t.Fatalf("%q: %d items, the first is %T", comm, len(items), items[0])
		}
		r := k.Report
		got := []any{r.Trigger.Comm, r.Trigger.TID.N, r.Chosen.Comm, r.Chosen.PID, r.OOMMemcg, r.TaskMemcg, r.Memcg.Memory.LimitKB.N, len(r.Tasks.Rows), r.Tasks.Comm(&r.Tasks.Rows[0]), k.Concluded}
		want := []any{comm, uint64(4242), comm, 4242, "/a", "/a/b", uint64(24576), 1, comm, false}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", comm, diff)
		}
		if e, ok := items[1].(*kmsg.Reaped); !ok || e.Comm != comm || e.Episode != r.Episode() {
			t.Errorf("%q: reaped %+v", comm, items[1])
		}
	}
}

// Each form that a kernel has printed, with names that look like a part of it.
func TestForms(t *testing.T) {
	for _, form := range []string{
		"Out of memory: Killed process 4242 (%s) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB, UID:5 pgtables:8kB oom_score_adj:-998",
		"Memory cgroup out of memory: Killed process 4242 (%s) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB, UID:5",
		"Memory cgroup out of memory: Killed process 4242 (%s) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB",
		"Killed process 4242 (%s) total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB",
		"Killed process 4242 (%s) total-vm:1kB, anon-rss:2kB, file-rss:3kB",
		"Killed process 4242 (%s), UID 5, total-vm:1kB, anon-rss:2kB, file-rss:3kB, shmem-rss:4kB",
		"Killed process 4242, UID 5, (%s) total-vm:1kB, anon-rss:2kB, file-rss:3kB",
		"Killed process 4242 (%s) vsz:1kB, anon-rss:2kB, file-rss:3kB",
	} {
		for _, comm := range append(hostileNames, "x), UID 0, total", "x), UID 0, tota", "x), UID 1, ", ") vsz:1kB, anon") {
			if len(comm) > 15 {
				continue
			}
			line := fmt.Sprintf(form, comm)
			items := parse(t, strings.NewReader(devKmsg([]string{line})))
			if len(items) != 1 {
				t.Errorf("%q: %d items", line, len(items))
				continue
			}
			k, ok := items[0].(*kmsg.Kill)
			if !ok || k.PID != 4242 || k.Comm != comm || k.TotalVMKB != n(1) || k.AnonRSSKB != n(2) || k.FileRSSKB != n(3) || k.UID.OK && k.UID.N != 5 {
				t.Errorf("%q: %+v", line, items[0])
			}
		}
	}
}

// What is no kill, though it looks like one.
func TestNoKills(t *testing.T) {
	for _, log := range []string{
		// user space, by /dev/kmsg
		"12,1,5000000,-;Out of memory: Killed process 1 (init)" + sizes + "\n",
		"<12>[    5.000000] Out of memory: Killed process 1 (init)" + sizes + "\n",
		// less than a line
		"[    5.000000] Out of memory: Killed process 1 (init)\n",
		"[    5.000000] Out of memory: Killed process 1 (init) total-vm:1kB\n",
		"[    5.000000] Out of memory: Killed process 1 (init) total-vm:1kB, anon-rss:1kB, file-rss:1k\n",
		"[    5.000000] Out of memory: Killed process 0 (init)" + sizes + "\n",
		"[    5.000000] Out of memory: Killed process 99999999 (init)" + sizes + "\n",
		"[    5.000000] Out of memory: Killed process -1 (init)" + sizes + "\n",
		"[    5.000000] Out of memory: Killed process 1 (a name of more than 15 bytes)" + sizes + "\n",
		"[    5.000000] Out of memory: Killed process 1 (init)" + sizes + " and more\n",
		"[    5.000000] Killed process 1 (init)\n",
		// what else the kernel prints of others' words
		"[    5.000000] usb 1-1: Product: Out of memory: Killed process 1 (init)" + sizes + "\n",
		"6,1,5000000,-;usb 1-1: Product: x\\x0aOut of memory: Killed process 1 (init)" + sizes + "\n",
		"[    5.000000] systemd[1]: Out of memory: Killed process 1 (init)" + sizes + "\n",
		// who is chosen by kernels before 5.3 is not who is killed yet, and none was
		"[    5.000000] Memory cgroup out of memory: OOM victim 104 (java) is already exiting. Skip killing the task\n",
		"[    5.000000] Kill process 105 (java) sharing same memory\n",
		"[    5.000000] lowmemorykiller: Killing 'ndroid.systemui' (2233), adj 0\n",
		"[    5.000000] oom_reaper: reaped process 104 (java), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB\n",
		"[    5.000000] Purging GPU memory, 12 pages freed, 0 pages still pinned\n",
	} {
		if got := kills(t, log); len(got) > 0 {
			t.Errorf("%q: %v", log, got)
		}
	}
}
