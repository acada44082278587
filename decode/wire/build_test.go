// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/decode/ksym"
)

type (
	killRecord  = bpf.OomtraceWireKill
	clockRecord = bpf.OomtraceWireClock
	taskRecord  = bpf.OomtraceWireTask
	timexRecord = bpf.OomtraceWireTimex
	memcgRecord = bpf.OomtraceWireMemcg
)

// bits makes a bitmap.
func bits[B ~uint32](list ...B) uint64 {
	var v uint64
	for _, b := range list {
		v |= 1 << b
	}
	return v
}

// setC writes a C string.
func setC(dst []int8, s string) {
	clear(dst)
	copy(bytesOf(dst), s)
}

// raw is the record as the ring has it, with n bytes of its tail.
func raw[T killRecord | clockRecord | bpf.OomtraceWireSigkill](w *T, kind bpf.OomtraceWireKind, fixed, n int) []byte {
	h := (*bpf.OomtraceWireHeader)(unsafe.Pointer(w))
	h.Len, h.Version, h.Kind = uint32(fixed+n), Version, uint16(kind)
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(w)), fixed+n)...)
}

func rawKill(w *killRecord, n int) []byte {
	return raw(w, bpf.OomtraceWireKindWIRE_KIND_KILL, killFixed, n)
}

func rawClock(w *clockRecord, n int) []byte {
	return raw(w, bpf.OomtraceWireKindWIRE_KIND_CLOCK, clockFixed, n)
}

const (
	bootID = "0f1e2d3c-0000-4000-8000-000000000000"
	// tailLen is how much of a built kill's tail is used.
	tailLen = 64
)

// The path of a pod's container, leaf first, and a unit's.
const (
	victimPath  = "web.scope\x00shop.slice\x00"
	triggerPath = "cron.service\x00system.slice\x00"
)

// newKill is a kill with every bit set but the two that say that counters are
// less than they could be.
func newKill() *killRecord {
	w := &killRecord{
		EpisodeNs: 0x123456, Points: 5000, Totalpages: 8192,
		TotalVmPages: 20000, FilePages: 10, AnonPages: 4000, SwapPages: 30, ShmemPages: 5,
		PgtablesBytes: 40960, GfpMask: 0xcc0, Order: 2, Constraint: constraintMemcg,
		OomScoreAdj: 100, MemcgsLen: 3, StackLen: 3,
		Victim: newTask(1200, 1201, "java", 77), Trigger: newTask(30, 31, "cron", 12),
	}
	w.H.BoottimeNs = 0x123999
	w.H.Valid = bits(
		bpf.OomtraceWireKillValidWIRE_KILL_OC, bpf.OomtraceWireKillValidWIRE_KILL_POINTS, bpf.OomtraceWireKillValidWIRE_KILL_MESSAGE,
		bpf.OomtraceWireKillValidWIRE_KILL_TOTAL_VM, bpf.OomtraceWireKillValidWIRE_KILL_RSS, bpf.OomtraceWireKillValidWIRE_KILL_PGTABLES,
		bpf.OomtraceWireKillValidWIRE_KILL_ADJ, bpf.OomtraceWireKillValidWIRE_KILL_ORIGIN, bpf.OomtraceWireKillValidWIRE_KILL_STACK,
		bpf.OomtraceWireKillValidWIRE_KILL_MEMCGS, bpf.OomtraceWireKillValidWIRE_KILL_OC_MEMCG, bpf.OomtraceWireKillValidWIRE_KILL_INVOCATION,
		bpf.OomtraceWireKillValidWIRE_KILL_ROLE)
	w.Memcgs[0] = memcgRecord{Id: 77, Usage: 8190, Max: 8192, SwapUsage: 3, SwapMax: 100, Level: 2}
	w.Memcgs[1] = memcgRecord{Id: 5, Usage: 9000, Max: unlimitedPages, SwapUsage: 4, SwapMax: unlimitedPages, Level: 1}
	w.Memcgs[2] = memcgRecord{Id: 1, Usage: 99999, Max: unlimitedPages, SwapMax: unlimitedPages}
	w.Limit = w.Memcgs[0]
	w.Stack[0], w.Stack[1], w.Stack[2] = memcgAddr, callerAddr, entryAddr
	setC(w.Message[:], "Memory cgroup out of memory")
	w.Victim.PathLen = uint16(copy(bytesOf(w.Tail[:]), victimPath))
	w.Trigger.PathOff = w.Victim.PathLen
	w.Trigger.PathLen = uint16(copy(bytesOf(w.Tail[w.Trigger.PathOff:]), triggerPath))
	return w
}

// unlimitedPages is PAGE_COUNTER_MAX with pages of 4 KiB.
const unlimitedPages = (1<<63 - 1) / 4096

func newTask(pid, tid uint32, comm string, cgroup uint64) taskRecord {
	t := taskRecord{
		StartBoottimeNs: 1e9 + uint64(pid), CgroupId: cgroup, Pid: pid, Tid: tid, Ppid: 2, Nspid: 7, Uid: 1000, Threads: 8,
		Valid: uint32(bits(
			bpf.OomtraceWireTaskValidWIRE_TASK_PID, bpf.OomtraceWireTaskValidWIRE_TASK_COMM, bpf.OomtraceWireTaskValidWIRE_TASK_UID,
			bpf.OomtraceWireTaskValidWIRE_TASK_START, bpf.OomtraceWireTaskValidWIRE_TASK_FLAGS, bpf.OomtraceWireTaskValidWIRE_TASK_CGROUP,
			bpf.OomtraceWireTaskValidWIRE_TASK_PATH, bpf.OomtraceWireTaskValidWIRE_TASK_NSPID, bpf.OomtraceWireTaskValidWIRE_TASK_PPID,
			bpf.OomtraceWireTaskValidWIRE_TASK_THREADS, bpf.OomtraceWireTaskValidWIRE_TASK_TGID)),
	}
	setC(t.Comm[:], comm)
	return t
}

// Addresses in the table of newSymbols.
const (
	markAddr   = 0xffffffff81001010
	memcgAddr  = 0xffffffff81002010
	globalAddr = 0xffffffff81003010
	faultAddr  = 0xffffffff81004010
	sysrqAddr  = 0xffffffff81005010
	callerAddr = 0xffffffff81007010
	entryAddr  = 0xffffffff81008010
)

func newSymbols(t testing.TB) *ksym.Table {
	t.Helper()
	table, err := ksym.Load(strings.NewReader(`ffffffff81000000 T _stext
ffffffff81001000 T mark_oom_victim
ffffffff81002000 T mem_cgroup_out_of_memory
ffffffff81003000 T out_of_memory
ffffffff81004000 T pagefault_out_of_memory
ffffffff81005000 T moom_callback
ffffffff81007000 T try_charge_memcg
ffffffff81008000 T asm_exc_page_fault
ffffffff81009000 T _etext
`), ksym.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func newDecoder() *Decoder {
	return &Decoder{Machine: Machine{PageSize: 4096, BootID: bootID, UserHZ: 100, Syscalls: SyscallsOf("x86_64")}}
}

// killJSON decodes a record, checks it against the schema, and gives its JSON
// as path to value: "victim.pid": "1200".
func killJSON(t testing.TB, d *Decoder, raw []byte) map[string]string {
	t.Helper()
	var r Record
	if err := r.Parse(raw); err != nil {
		t.Fatal(err)
	}
	return flatten(t, lines(t, &event.Event{Type: event.TypeOOMKill, Kill: d.Kill(&r)})[0])
}

// clockJSON does the same for a clock record.
func clockJSON(t testing.TB, d *Decoder, raw []byte, step *Step) map[string]string {
	t.Helper()
	var r Record
	if err := r.Parse(raw); err != nil {
		t.Fatal(err)
	}
	return flatten(t, lines(t, &event.Event{Type: event.TypeClockAdjust, Clock: d.Clock(&r, step)})[0])
}

// lines encodes an event as the command would and validates each line.
func lines(t testing.TB, e *event.Event) [][]byte {
	t.Helper()
	e.Schema, e.Session, e.Seq, e.Source = event.Schema, "00", 1, event.SourceBPF
	e.Time, e.BoottimeNS = time.Unix(1700000000, 0).UTC(), event.Ptr(uint64(1))
	var enc event.Encoder
	b, err := enc.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for line := range strings.Lines(string(b)) {
		eventtest.Validate(t, []byte(line))
		out = append(out, []byte(line))
	}
	return out
}

func flatten(t testing.TB, line []byte) map[string]string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(line)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				walk(strings.TrimPrefix(path+"."+key, "."), value)
			}
		case []any:
			for i, value := range v {
				walk(path+"["+strconv.Itoa(i)+"]", value)
			}
			if len(v) == 0 {
				out[path] = "[]"
			}
		default:
			out[path] = fmt.Sprint(v)
		}
	}
	walk("", v)
	return out
}

// expect compares some fields; "" wants a field to be absent.
func expect(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for path, w := range want {
		g, ok := got[path]
		if ok != (w != "") || ok && g != w {
			t.Errorf("%s is %q (there: %v), want %q", path, g, ok, w)
		}
	}
}
