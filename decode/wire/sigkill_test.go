// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/ksym"
)

type sigkillRecord = bpf.OomtraceWireSigkill

func rawSigkill(w *sigkillRecord, n int) []byte {
	return raw(w, bpf.OomtraceWireKindWIRE_KIND_SIGKILL, sigkillFixed, n)
}

const (
	infoBit  = bpf.OomtraceWireSigkillValidWIRE_SIGKILL_INFO
	codeBit  = bpf.OomtraceWireSigkillValidWIRE_SIGKILL_CODE
	traceBit = bpf.OomtraceWireSigkillValidWIRE_SIGKILL_STACK

	none    = uint32(bpf.OomtraceWireInfoWIRE_INFO_NONE)
	priv    = uint32(bpf.OomtraceWireInfoWIRE_INFO_PRIV)
	pointer = uint32(bpf.OomtraceWireInfoWIRE_INFO_POINTER)
)

// newSigkill is a kill(2), of a process in another cgroup.
func newSigkill() *sigkillRecord {
	w := &sigkillRecord{
		Info: pointer, Group: 1,
		Victim: newTask(1200, 1201, "java", 77), Sender: newTask(30, 31, "earlyoom", 12),
	}
	w.H.BoottimeNs = 0x123999
	w.H.Valid = bits(infoBit, codeBit)
	w.Victim.PathLen = uint16(copy(bytesOf(w.Tail[:]), victimPath))
	w.Sender.PathOff = w.Victim.PathLen
	w.Sender.PathLen = uint16(copy(bytesOf(w.Tail[w.Sender.PathOff:]), triggerPath))
	return w
}

// Addresses in killerSymbols.
const (
	oomAddr = 0xffffffff81001010 + 0x1000*iota
	cgroupAddr
	zapAddr
	exitAddr
	otherAddr
)

func killerSymbols(t *testing.T) *ksym.Table {
	t.Helper()
	table, err := ksym.Load(strings.NewReader(`ffffffff81000000 T _stext
ffffffff81001000 t oom_kill_process
ffffffff81002000 t cgroup_kill_write
ffffffff81003000 T zap_pid_ns_processes
ffffffff81004000 T do_exit
ffffffff81005000 T do_send_sig_info
ffffffff81009000 T _etext
`), ksym.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSigkill(t *testing.T) {
	trace := func(w *sigkillRecord, addrs ...uint64) {
		w.StackLen = uint32(copy(w.Stack[:], addrs))
		w.H.Valid |= bits(traceBit)
	}
	special := func(w *sigkillRecord, info, group uint32) {
		w.Info, w.Group, w.H.Valid = info, group, bits(infoBit)
	}
	record := func(w *sigkillRecord, code int32, group uint32) {
		w.Code, w.Group, w.H.Valid = code, group, bits(codeBit)
		w.Victim = taskRecord{Pid: 1201, Tid: 1201, Valid: uint32(bits(bpf.OomtraceWireTaskValidWIRE_TASK_PID, bpf.OomtraceWireTaskValidWIRE_TASK_COMM))}
		setC(w.Victim.Comm[:], "java")
	}
	for name, tt := range map[string]struct {
		change  func(*sigkillRecord)
		via     event.Via
		verdict event.Verdict
		sender  string
		oom     bool
	}{
		"kill":              {func(*sigkillRecord) {}, "kill", "other", "30", false},
		"tgkill":            {func(w *sigkillRecord) { w.Code, w.Group = -6, 0 }, "tgkill", "other", "30", false},
		"sigqueue":          {func(w *sigkillRecord) { w.Code = -1 }, "sigqueue", "other", "30", false},
		"timer":             {func(w *sigkillRecord) { w.Code = -2 }, "timer", "other", "", false},
		"unknown code":      {func(w *sigkillRecord) { w.Code = 5 }, "", "other", "", false},
		"forced":            {func(w *sigkillRecord) { w.Code, w.Group = siKernel, 0 }, "", "kernel", "", false},
		"code not read":     {func(w *sigkillRecord) { w.H.Valid = bits(infoBit) }, "", "other", "", false},
		"OOM killer":        {func(w *sigkillRecord) { special(w, priv, 1); trace(w, otherAddr, oomAddr) }, "oom-killer", "kernel-oom", "", true},
		"by the kernel":     {func(w *sigkillRecord) { special(w, priv, 1) }, "", "kernel", "", true},
		"by it to a thread": {func(w *sigkillRecord) { special(w, priv, 0) }, "", "kernel", "", false},
		"cgroup.kill":       {func(w *sigkillRecord) { special(w, none, 0); trace(w, otherAddr, cgroupAddr) }, "cgroup.kill", "other", "30", false},
		"not proven":        {func(w *sigkillRecord) { special(w, none, 0); trace(w, otherAddr) }, "", "other", "", false},
		"namespace":         {func(w *sigkillRecord) { special(w, priv, 1); trace(w, otherAddr, zapAddr, exitAddr) }, "pid-namespace", "kernel", "30", false},
		"parent":            {func(w *sigkillRecord) { special(w, none, 1); trace(w, otherAddr, exitAddr) }, "parent-death", "kernel", "30", false},
		"record: kill":      {func(w *sigkillRecord) { record(w, siUser, 1); trace(w, otherAddr) }, "kill", "other", "30", false},
		"record: no trace":  {func(w *sigkillRecord) { record(w, siUser, 1) }, "kill", "other", "30", false},
		"record: a thread":  {func(w *sigkillRecord) { record(w, siUser, 0) }, "", "other", "", false},
		"record: kernel":    {func(w *sigkillRecord) { record(w, siKernel, 1) }, "", "kernel", "", true},
		"trace too long":    {func(w *sigkillRecord) { special(w, priv, 1); trace(w); w.StackLen = 99 }, "", "kernel", "", true},
	} {
		d := newDecoder()
		d.Symbols.Store(killerSymbols(t))
		w := newSigkill()
		tt.change(w)
		var r Record
		if err := r.Parse(rawSigkill(w, tailLen)); err != nil {
			t.Fatal(err)
		}
		s, oom := d.Sigkill(&r)
		got := flatten(t, lines(t, &event.Event{Type: event.TypeProcSigkill, Sigkill: s})[0])
		expect(t, got, map[string]string{"via": string(tt.via), "verdict": string(tt.verdict), "sender.pid": tt.sender, "victim.comm": "java"})
		if oom != tt.oom {
			t.Errorf("%s: may be the OOM killer's: %v", name, oom)
		}
		if name == "kill" {
			expect(t, got, map[string]string{
				"victim.pid": "1200", "victim.tid": "1201", "victim.unit": "web.scope", "victim.cgroup.path": "/shop.slice/web.scope",
				"sender.comm": "earlyoom", "sender.cgroup.path": "/system.slice/cron.service", "sender.unit": "cron.service", "sources.victim.pid": "",
			})
		}
		if strings.HasPrefix(name, "record") {
			expect(t, got, map[string]string{"victim.pid": "1201", "victim.uid": "", "sources.victim.pid": "computed"})
		}
		if name == "record: no trace" {
			expect(t, got, map[string]string{"sources.via": "computed"})
		}
		if t.Failed() {
			t.Fatalf("%s: %v", name, got)
		}
	}
}

// Who is in the victim's cgroup has its path, which the kernel writes once.
func TestSigkillSameCgroup(t *testing.T) {
	w := newSigkill()
	w.Sender.CgroupId, w.Sender.PathLen = w.Victim.CgroupId, 0
	w.Sender.Valid &^= 1 << bpf.OomtraceWireTaskValidWIRE_TASK_PATH
	var r Record
	if err := r.Parse(rawSigkill(w, tailLen)); err != nil {
		t.Fatal(err)
	}
	s, _ := newDecoder().Sigkill(&r)
	if s.Sender.Cgroup.Path != "/shop.slice/web.scope" || s.Sender.Unit != "web.scope" {
		t.Errorf("sender %+v, %+v", s.Sender, s.Sender.Cgroup)
	}
}

func TestParseSigkill(t *testing.T) {
	var r Record
	w := newSigkill()
	w.Victim.Pid = 0
	if err := r.Parse(rawSigkill(w, 0)); !errors.Is(err, ErrValue) {
		t.Errorf("pid 0: %v", err)
	}
	short := raw(newSigkill(), bpf.OomtraceWireKindWIRE_KIND_SIGKILL, sigkillFixed-8, 0)
	if err := r.Parse(short); !errors.Is(err, ErrLength) {
		t.Errorf("short: %v", err)
	}
	if err := r.Parse(rawSigkill(newSigkill(), len(newSigkill().Tail))); err != nil {
		t.Errorf("as long as can be: %v", err)
	}
}
