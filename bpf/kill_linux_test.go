// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// oom is a kernel that kills.
type oom struct{ *kernel }

// task makes a process with one thread. mm 0 is a leader that has exited.
func (k *oom) task(pid, mm, memcg uint64) uint64 {
	fields := map[string]uint64{"pid": pid, "tgid": pid, "mm": mm, "signal": k.make("signal_struct", nil)}
	if memcg != 0 {
		set := k.make("css_set", nil)
		off, _ := k.member("css_set", "subsys")
		id, err := strconv.ParseUint(enumValue(k.t, k.types, "cgroup_subsys_id", "memory_cgrp_id"), 10, 64)
		if err != nil {
			k.t.Fatal(err)
		}
		k.put(set+off+8*id, binary.LittleEndian.AppendUint64(nil, memcg))
		off, _ = k.member("mem_cgroup", "css.cgroup")
		k.set("css_set", set, map[string]uint64{"dfl_cgrp": k.peek(memcg + off)})
		fields["cgroups"] = set
	}
	t := k.make("task_struct", fields)
	k.set("task_struct", t, map[string]uint64{"group_leader": t, "real_parent": t})
	return t
}

func (k *oom) mm() uint64 { return k.make("mm_struct", nil) }

// memcg makes a memory cgroup; group is its memory.oom.group.
func (k *oom) memcg(id, parent uint64, group bool) uint64 {
	fields := map[string]uint64{
		"css.cgroup": k.make("cgroup", map[string]uint64{"kn": k.make("kernfs_node", map[string]uint64{"id": id})}),
		"css.parent": parent,
	}
	if group {
		fields["oom_group"] = 1
	}
	return k.make("mem_cgroup", fields)
}

// signal is send_sig_info(SIGKILL, SEND_SIG_PRIV, task, PIDTYPE_TGID).
func (k *oom) signal(task uint64, result uint64) {
	k.run("signal_raw", 9, 1, task, 1, result)
}

func (k *oom) mark(task uint64) { k.run("mark_raw", task, 0) }

// kill is __oom_kill_process of a task that nothing has killed before.
func (k *oom) kill(task uint64) {
	k.signal(task, 0)
	k.mark(task)
}

// age makes what current did last be so many nanoseconds longer ago.
func (k *oom) age(ns uint64) {
	k.t.Helper()
	tid := uint32(unix.Gettid())
	b, err := k.coll.Maps["killers"].LookupBytes(tid)
	if err != nil || b == nil {
		k.t.Fatalf("no state: %v", err)
	}
	for _, m := range structNamed(k.t, loadObject(k.t, "amd64").Types, "killer").Members {
		if m.Name == "marked_ns" {
			*(*uint64)(unsafe.Pointer(&b[m.Offset.Bytes()])) -= ns
		}
	}
	if err := k.coll.Maps["killers"].Put(tid, b); err != nil {
		k.t.Fatal(err)
	}
}

// kills are the kills told since it was last asked.
func (k *oom) kills() []OomtraceWireKill {
	k.t.Helper()
	return slices.DeleteFunc(records[OomtraceWireKill](k.kernel, "oom_ring"), func(w OomtraceWireKill) bool {
		return OomtraceWireKind(w.H.Kind) != OomtraceWireKindWIRE_KIND_KILL
	})
}

type told struct {
	pid     uint32
	role    OomtraceWireRole
	sure    bool // by more than the order
	episode int  // counts from 1
}

// told is what was told since it was last asked.
func (k *oom) told() (out []told) {
	k.t.Helper()
	episodes := map[uint64]int{}
	for _, w := range k.kills() {
		if episodes[w.EpisodeNs] == 0 {
			episodes[w.EpisodeNs] = len(episodes) + 1
		}
		out = append(out, told{w.Victim.Pid, OomtraceWireRole(w.Role), w.H.Valid&(1<<OomtraceWireKillValidWIRE_KILL_ROLE) != 0, episodes[w.EpisodeNs]})
	}
	return out
}

const (
	chosen = OomtraceWireRoleWIRE_ROLE_CHOSEN
	group  = OomtraceWireRoleWIRE_ROLE_GROUP
	shared = OomtraceWireRoleWIRE_ROLE_SHARED_MM

	ignored = 1              // TRACE_SIGNAL_IGNORED
	pending = 2              // TRACE_SIGNAL_ALREADY_PENDING
	stale   = 10_000_000_000 // nanoseconds
)

func bootOOM(t *testing.T) *oom {
	t.Helper()
	return &oom{boot(t, map[string]any{"mark_victim_has_task": true},
		"signal_raw", "mark_raw", "oom_entry_fentry", "oom_return_fexit", "kill_process_fentry")}
}

// Without a hook of the invocation.
func TestKillAlone(t *testing.T) {
	k := bootOOM(t)
	mm := k.mm()
	victim, sharer, other := k.task(10, mm, 0), k.task(11, mm, 0), k.task(12, k.mm(), 0)
	exited := k.task(13, 0, 0)

	k.kill(victim)
	k.signal(sharer, 0)
	k.signal(exited, 0) // its other threads have the mm
	k.signal(other, 0)  // by somebody else's order
	equal(t, "a kill and its sharers", k.told(), told{10, chosen, false, 1}, told{11, shared, true, 1}, told{13, shared, true, 1})

	k.age(stale)
	k.signal(sharer, 0)
	equal(t, "a signal long after", k.told())

	k.kill(other)
	k.kill(victim)
	equal(t, "two invocations", k.told(), told{12, chosen, false, 1}, told{10, chosen, false, 2})

	// It was dying, which did not keep the kernel from killing who shares its memory.
	before := k.stats()
	k.signal(victim, ignored)
	k.mark(victim)
	k.signal(sharer, 0)
	k.signal(exited, pending)
	equal(t, "sharers of a dying victim", k.told(), told{11, shared, true, 1})
	if n := k.stats().Exiting - before.Exiting; n != 1 {
		t.Errorf("%d exiting victims counted", n)
	}
	k.mark(other)
	k.run("signal_raw", 9, 0, other, 1, 0) // by a process
	k.mark(other)
	equal(t, "marks without a signal", k.told())
	if st := k.stats(); st.Exiting-before.Exiting != 3 || st.OomReserve != 0 {
		t.Errorf("counted %+v", st)
	}
}

// Groups killed in short order by a trigger that lives on.
func TestKillGroups(t *testing.T) {
	k := bootOOM(t)
	pod := k.memcg(1, 0, false)
	a, b := k.memcg(2, pod, true), k.memcg(3, pod, true)
	deep := k.memcg(4, k.memcg(5, b, false), true)
	for i, memcg := range []uint64{a, a, b, deep, pod, pod} {
		k.kill(k.task(uint64(10+i), k.mm(), memcg))
	}
	equal(t, "kills", k.told(), told{10, chosen, false, 1}, told{11, group, false, 1},
		told{12, chosen, false, 2}, told{13, group, false, 2}, told{14, chosen, false, 3}, told{15, chosen, false, 4})
}

// Inside an invocation whose end is hooked, time does not matter, and oom_control
// says who was chosen.
func TestKillInside(t *testing.T) {
	k := bootOOM(t)
	if err := k.coll.Variables["have_invocation"].Set(uint32(1)); err != nil {
		t.Fatal(err)
	}
	mm := k.mm()
	victim, sharer, other := k.task(10, mm, 0), k.task(11, mm, 0), k.task(12, k.mm(), 0)
	oc := k.make("oom_control", map[string]uint64{"chosen": victim, "chosen_points": 77})

	// Attached in the midst of an invocation.
	k.kill(victim)
	equal(t, "entry not seen", k.told(), told{10, chosen, false, 1})

	k.run("oom_entry_fentry", oc)
	k.kill(victim)
	k.age(2 * stale)
	k.signal(sharer, 0)
	k.age(2 * stale)
	k.kill(other)
	k.run("oom_return_fexit")
	equal(t, "slow kills", k.told(), told{10, chosen, true, 1}, told{11, shared, true, 1}, told{12, group, true, 1})
	k.signal(sharer, 0)
	equal(t, "a signal after the return", k.told())

	// "already exiting. Skip killing": the first that is killed is not the chosen one.
	k.run("oom_entry_fentry", oc)
	k.run("kill_process_fentry", oc, 0)
	k.kill(other)
	k.run("oom_return_fexit")
	equal(t, "the chosen one is skipped", k.told(), told{12, group, true, 1})
}

// The limit is read where it is, however far above the victim, and what was not read
// of the chain is said.
func TestKillDeep(t *testing.T) {
	k := bootOOM(t)
	chain := []uint64{k.memcg(1, 0, false)}
	for id := uint64(2); id <= 9; id++ {
		chain = append(chain, k.memcg(id, chain[len(chain)-1], false))
	}
	k.set("mem_cgroup", chain[1], map[string]uint64{"memory.usage": 500, "memory.max": 600, "oom_group": 1})
	victim := k.task(10, k.mm(), chain[8])
	k.run("oom_entry_fentry", k.make("oom_control", map[string]uint64{"chosen": victim, "memcg": chain[1]}))
	k.kill(victim)
	k.kill(k.task(11, k.mm(), chain[7]))
	k.run("oom_return_fexit")
	got := k.kills()
	if len(got) != 2 {
		t.Fatalf("%d records", len(got))
	}
	if l := got[0].Limit; l.Id != 2 || l.Usage != 500 || l.Max != 600 || l.OomGroup != 1 {
		t.Errorf("limit %+v", l)
	}
	for i, want := range []struct{ first, last, cut uint64 }{{9, 2, 1}, {8, 1, 0}} {
		w := &got[i]
		if cut := w.H.Valid >> OomtraceWireKillValidWIRE_KILL_MEMCGS_CUT & 1; w.MemcgsLen != 8 || w.Memcgs[0].Id != want.first || w.Memcgs[7].Id != want.last || cut != want.cut {
			t.Errorf("chain of %d: %d to %d, cut %d; want %+v", w.MemcgsLen, w.Memcgs[0].Id, w.Memcgs[7].Id, cut, want)
		}
	}
}

// A cgroup's path of as many components as there is room for is whole.
func TestPathDepth(t *testing.T) {
	k := bootOOM(t)
	parent := "parent"
	if _, typ := findMember(structNamed(t, k.types, "kernfs_node"), parent); typ == nil {
		parent = "__parent"
	}
	name := k.alloc(8)
	k.put(name, []byte("abcdef\x00"))
	victim := k.task(10, k.mm(), k.memcg(1, 0, false))
	cgroups := k.peek(victim + first(k.member("task_struct", "cgroups")))
	cgroup := k.peek(cgroups + first(k.member("css_set", "dfl_cgrp")))
	kn := k.make("kernfs_node", map[string]uint64{"name": name}) // the root
	for depth := 1; depth <= 17; depth++ {
		kn = k.make("kernfs_node", map[string]uint64{"name": name, parent: kn})
		if depth < 15 {
			continue
		}
		k.set("cgroup", cgroup, map[string]uint64{"kn": kn})
		k.kill(victim)
		w := k.kills()[0]
		cut := w.Victim.Valid&(1<<OomtraceWireTaskValidWIRE_TASK_PATH_CUT) != 0
		if n := int(w.Victim.PathLen) / 7; n != min(depth, 16) || cut != (depth > 16) {
			t.Errorf("%d components: %d, cut: %v", depth, n, cut)
		}
	}
}

func first(off, _ uint64) uint64 { return off }

// Where the entry alone is hooked, its task stays the owner.
func TestKillEntryOnly(t *testing.T) {
	k := bootOOM(t)
	if err := k.coll.Variables["have_invocation"].Set(uint32(1)); err != nil {
		t.Fatal(err)
	}
	mm := k.mm()
	victim, sharer := k.task(10, mm, 0), k.task(11, mm, 0)
	oc := k.make("oom_control", map[string]uint64{"chosen": victim})
	// The program of the kprobe has another context: what it does is fentry's, but
	// for what it says of the end.
	k.run("oom_entry_fentry", oc)
	k.kill(victim)
	if err := k.coll.Variables["inv"].Set(func() []byte {
		b := make([]byte, k.coll.Variables["inv"].Size())
		if err := k.coll.Variables["inv"].Get(b); err != nil {
			t.Fatal(err)
		}
		for _, m := range structNamed(t, loadObject(t, "amd64").Types, "invocation").Members {
			if m.Name == "ends" {
				b[m.Offset.Bytes()] = 0
			}
		}
		return b
	}()); err != nil {
		t.Fatal(err)
	}
	k.signal(sharer, 0)
	k.age(stale)
	k.signal(sharer, 0)
	equal(t, "told", k.told(), told{10, chosen, true, 1}, told{11, shared, true, 1})
}

// mark_victim(int pid), of older kernels.
func TestKillPIDAlone(t *testing.T) {
	k := &oom{boot(t, map[string]any{"mark_victim_has_task": false}, "signal_raw", "mark_raw")}
	mm := k.mm()
	victim, sharer := k.task(10, mm, 0), k.task(11, mm, 0)
	for _, result := range []uint64{0, ignored} {
		k.signal(victim, result)
		k.run("mark_raw", 10)
		k.signal(sharer, 0)
	}
	equal(t, "told", k.told(), told{10, chosen, false, 1}, told{11, shared, true, 1}, told{11, shared, true, 2})
}

// Plain tracepoints announce each further signal; user space waits for its mark.
func TestKillRecord(t *testing.T) {
	k := &oom{boot(t, nil, "signal_tp", "mark_tp")}
	signal := func(pid, result uint64) {
		k.record("signal_tp", "trace_event_raw_signal_generate", map[string]uint64{"sig": 9, "code": 0x80, "pid": pid, "group": 1, "result": result})
	}
	mark := func(pid uint64) { k.record("mark_tp", "trace_event_raw_mark_victim", map[string]uint64{"pid": pid}) }
	kinds := func() (out []string) {
		for _, w := range records[OomtraceWireKill](k.kernel, "oom_ring") {
			if OomtraceWireKind(w.H.Kind) == OomtraceWireKindWIRE_KIND_CHOICE {
				continue
			}
			out = append(out, fmt.Sprintf("%d %d %v", w.H.Kind, w.Victim.Pid, OomtraceWireRole(w.Role)))
		}
		return out
	}
	kill, announced := "1 %d "+fmt.Sprint(chosen), "2 %d "+fmt.Sprint(shared)
	signal(10, 0)
	mark(10)
	signal(11, 0)
	signal(12, pending)
	equal(t, "told", kinds(), fmt.Sprintf(kill, 10), fmt.Sprintf(announced, 11))
	signal(13, ignored)
	mark(13)
	signal(14, 0)
	equal(t, "after a victim that was dying", kinds(), fmt.Sprintf(announced, 14))
	k.age(stale)
	signal(15, 0)
	mark(16)
	equal(t, "long after", kinds(), fmt.Sprintf("6 16 %v", OomtraceWireNokillWIRE_NOKILL_CHOSEN_EXITING))
}
