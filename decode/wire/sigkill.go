// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/ksym"
)

// Values of si_code (include/uapi/asm-generic/siginfo.h). Who calls kill(2) gets SiUser,
// and only a process itself can send itself a siginfo that lies about that
// (kernel/signal.c, do_rt_sigqueueinfo).
const (
	siUser   = 0
	siKernel = 0x80
	siQueue  = -1
	siTimer  = -2
	siTkill  = -6
)

// Sigkill decodes a SIGKILL. It needs r.Kind SIGKILL. mayBeOOM says that it can be the
// OOM killer's, or is. Who sent it by name is not looked at.
func (d *Decoder) Sigkill(r *Record) (s *event.Sigkill, mayBeOOM bool) {
	w := &r.Sigkill
	tail := w.Tail[:]
	s = &event.Sigkill{Victim: task(&w.Victim, tail), Verdict: event.VerdictOther, Sources: map[string]string{}}
	sender := task(&w.Sender, tail)
	if sender.Cgroup != nil && sender.Cgroup.Path == "" && s.Victim.Cgroup != nil && sender.Cgroup.ID == s.Victim.Cgroup.ID {
		*sender.Cgroup = *s.Victim.Cgroup // the kernel writes a path once
		id := cgroup.Parse(sender.Cgroup.Path)
		sender.Container, sender.Pod, sender.Unit = id.Container, id.Pod, id.Unit
	}
	if !taskHas(&w.Victim, bpf.OomtraceWireTaskValidWIRE_TASK_TGID) {
		s.Sources["victim.pid"] = "computed" // the thread's, taken for the leader's
	}
	known := has(w.H.Valid, bpf.OomtraceWireSigkillValidWIRE_SIGKILL_INFO)
	s.Via = d.viaTrace(w)
	if s.Via == "" && (!known || bpf.OomtraceWireInfo(w.Info) == bpf.OomtraceWireInfoWIRE_INFO_POINTER) {
		s.Via = viaCode(w, known)
		if s.Via == event.ViaKill && !known && !has(w.H.Valid, bpf.OomtraceWireSigkillValidWIRE_SIGKILL_STACK) {
			s.Sources["via"] = "computed" // the end of a parent looks the same
		}
	}
	switch s.Via {
	case event.ViaKill, event.ViaTgkill, event.ViaSigqueue, event.ViaCgroupKill, event.ViaPtrace:
		s.Sender = &sender
	case event.ViaPIDNamespace, event.ViaParentDeath:
		s.Sender = &sender
		s.Verdict, s.VerdictSource = event.VerdictKernel, "via"
	case event.ViaCPULimit, event.ViaMemoryFailure, event.ViaSysrq, event.ViaBPF:
		s.Verdict, s.VerdictSource = event.VerdictKernel, "via"
	case event.ViaOOMKiller:
		s.Verdict, s.VerdictSource = event.VerdictKernelOOM, "via"
	case "":
		if fromKernel(w, known) {
			s.Verdict = event.VerdictKernel
		}
	}
	if len(s.Sources) == 0 {
		s.Sources = nil
	}
	return s, s.Via == event.ViaOOMKiller || s.Via == "" && w.Group != 0 && fromKernel(w, known)
}

// fromKernel says whether the kernel sent a SIGKILL on its own account.
func fromKernel(w *bpf.OomtraceWireSigkill, known bool) bool {
	if known && bpf.OomtraceWireInfo(w.Info) != bpf.OomtraceWireInfoWIRE_INFO_POINTER {
		return bpf.OomtraceWireInfo(w.Info) == bpf.OomtraceWireInfoWIRE_INFO_PRIV
	}
	return has(w.H.Valid, bpf.OomtraceWireSigkillValidWIRE_SIGKILL_CODE) && w.Code == siKernel
}

// viaTrace is what the call trace tells.
func (d *Decoder) viaTrace(w *bpf.OomtraceWireSigkill) event.Via {
	n := int(w.StackLen)
	if !has(w.H.Valid, bpf.OomtraceWireSigkillValidWIRE_SIGKILL_STACK) || n > len(w.Stack) {
		return ""
	}
	return ksym.Via(ksym.Trace(w.Stack[:n], d.Symbols.Load()).Frames)
}

// viaCode is what si_code tells of a signal that has a siginfo, or, where that is not
// known, may have none: the record of the plain tracepoint has siUser then, too, yet only
// of a siginfo that goes to a thread is that impossible.
func viaCode(w *bpf.OomtraceWireSigkill, known bool) event.Via {
	if !has(w.H.Valid, bpf.OomtraceWireSigkillValidWIRE_SIGKILL_CODE) {
		return ""
	}
	switch w.Code {
	case siUser:
		if known || w.Group != 0 {
			return event.ViaKill
		}
	case siTkill:
		return event.ViaTgkill
	case siQueue:
		return event.ViaSigqueue
	case siTimer:
		return event.ViaTimer
	}
	return ""
}
