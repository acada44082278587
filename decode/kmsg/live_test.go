// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"testing"
	"time"
)

// Of a log that goes on, what waits for the line behind it is told when there is none for
// now; and the kernel's lines are counted, of which one kill of a group has two.
func TestParserIdle(t *testing.T) {
	var p Parser
	at := 10 * time.Second
	add := func(text string) {
		at += time.Millisecond
		p.Add(&Record{Text: []byte(text), Moment: Moment{Printk: at, HasPrintk: true}, Priority: 4})
	}
	add("Out of memory and no killable processes...")
	if item := p.Next(); item != nil {
		t.Errorf("%T is told before it is known whether a panic follows", item)
	}
	p.Idle()
	if n, ok := p.Next().(*NoKill); !ok || n.Reason != ReasonNoCandidate {
		t.Errorf("%+v", n)
	}
	p.Idle()
	if item := p.Next(); item != nil {
		t.Errorf("%T is told twice", item)
	}
	const kill = "Memory cgroup out of memory: Killed process 104 (java) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB, UID:0 pgtables:1kB oom_score_adj:0"
	add("oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=java,pid=104,uid=0")
	add(kill)
	add("Tasks in /a are going to be killed due to memory.oom.group set")
	add(kill)
	kills := 0
	for item := p.Next(); item != nil; item = p.Next() {
		kills++
	}
	if kills != 1 || p.Lines() != 2 {
		t.Errorf("%d kills of %d lines", kills, p.Lines())
	}
}
