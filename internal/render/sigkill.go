// SPDX-License-Identifier: Apache-2.0

package render

import (
	"github.com/oomtrace/oomtrace/decode/event"
)

// sigkillRow shows a SIGKILL that is not the OOM killer's: less than a KILL, as most are
// somebody's purpose.
func sigkillRow(e *event.Event, wide bool) row {
	k := e.Sigkill
	v := &k.Victim
	r := row{
		event:   part{text: "KILL9", style: yellow},
		process: taskName(v),
		uid:     v.UID,
		where:   taskPlace(v),
	}
	c := &r.what
	did := part{text: sigkillWords(k), style: bold}
	if k.Sender != nil {
		did.keep = taskName(k.Sender)
	}
	*c = append(*c, did)
	if s := k.Sender; s != nil {
		switch from := taskPlace(s); {
		case s.PID == v.PID:
			c.add("by itself")
		case from != "" && from == r.where:
			c.add("in the same place")
		default:
			c.add(from)
		}
	}
	c.add(sigkillVerdict(k))
	if wide {
		sigkillWide(c, k)
	}
	return r
}

// sigkillWords says who killed and how.
func sigkillWords(k *event.Sigkill) string {
	by := ""
	if k.Sender != nil {
		by = taskName(k.Sender)
	}
	switch k.Via {
	case event.ViaKill:
		return "SIGKILL from " + or(by, "a process")
	case event.ViaTgkill, event.ViaSigqueue:
		return "SIGKILL from " + or(by, "a process") + " by " + string(k.Via)
	case event.ViaCgroupKill:
		return "killed with its cgroup, " + or(by, "a process") + " wrote cgroup.kill"
	case event.ViaPIDNamespace:
		return "killed with its pid namespace, whose init " + or(by, "a process") + " ended"
	case event.ViaParentDeath:
		return "killed since its parent " + or(by, "a process") + " ended (PR_SET_PDEATHSIG)"
	case event.ViaPtrace:
		return "killed by its tracer " + or(by, "a process")
	case event.ViaTimer:
		return "SIGKILL from a timer of its own"
	case event.ViaCPULimit:
		return "its limit of CPU time is used up (RLIMIT_CPU, RLIMIT_RTTIME)"
	case event.ViaMemoryFailure:
		return "killed for memory that is broken"
	case event.ViaSysrq:
		return "killed on request, by SysRq"
	case event.ViaBPF:
		return "SIGKILL from a BPF program"
	case event.ViaOOMKiller:
		return "SIGKILL from the kernel's OOM killer"
	case "":
		if k.Verdict == event.VerdictKernel {
			return "SIGKILL from the kernel (why is not known)"
		}
		return "SIGKILL (from whom is not known)"
	}
	return "SIGKILL by " + string(k.Via)
}

// sigkillVerdict names who that is, where the name of the process does not say so.
func sigkillVerdict(k *event.Sigkill) string {
	var said string
	switch k.Verdict {
	case event.VerdictSystemdOOMD, event.VerdictEarlyOOM:
		said = string(k.Verdict) + ", an OOM killer of user space"
	case event.VerdictKubelet, event.VerdictSystemd:
		said = string(k.Verdict)
	case event.VerdictRuntime:
		said = "container runtime"
	case event.VerdictKernelOOM:
		return "out of memory"
	case event.VerdictKernel, event.VerdictOther, "":
		return ""
	default:
		said = string(k.Verdict)
	}
	if k.VerdictSource == "comm" {
		said += " (by its name alone)"
	}
	return said
}

// sigkillWide adds what an investigation wants, each part labelled.
func sigkillWide(c *cell, k *event.Sigkill) {
	tellTask(c, "", &k.Victim)
	if k.Sender != nil {
		tellTask(c, "sender's ", k.Sender)
	}
	addSnapshot(c, k.Snapshot)
}

func tellTask(c *cell, whose string, t *event.Task) {
	addCgroup(c, whose+"cgroup", t.Cgroup, taskPlace(t))
	if t.Container != nil {
		c.add(labelled(whose+"container id", t.Container.ID))
	}
	if t.Unit != taskPlace(t) {
		c.add(labelled(whose+"unit", t.Unit))
	}
	c.add(labelled(whose+"exe", clip(optional(t.Exe, t.ExeHex), 256)))
	c.add(labelled(whose+"cmdline", clip(optional(t.Cmdline, t.CmdlineHex), 256)))
}
