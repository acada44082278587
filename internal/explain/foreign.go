// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// foreign are kills that were not the kernel's OOM killer's, by who sent them.
func foreign(doc *timeline.Document) []*draft {
	type key struct {
		verdict event.Verdict
		sender  string
		via     event.Via
	}
	var order []key
	entries := map[key][]int{}
	for i := range doc.Entries {
		e := doc.Entries[i].Event
		if e == nil || e.Sigkill == nil || e.Sigkill.Verdict == event.VerdictKernelOOM {
			continue
		}
		k := key{verdict: e.Sigkill.Verdict, via: e.Sigkill.Via}
		if s := e.Sigkill.Sender; s != nil {
			k.sender = s.Unit
			if k.sender == "" && s.Comm != nil {
				k.sender = *s.Comm
			}
		}
		if entries[k] == nil {
			order = append(order, k)
		}
		entries[k] = append(entries[k], i)
	}
	var out []*draft
	for _, k := range order {
		out = append(out, sentBy(doc, entries[k]))
	}
	return out
}

// sentBy is the finding of the SIGKILLs of one sender.
func sentBy(doc *timeline.Document, at []int) *draft {
	s := doc.Entries[at[len(at)-1]].Sigkill
	victim := who(s.Victim.PID, s.Victim.Comm)
	d := &draft{Finding: timeline.Finding{ID: "not-the-kernel", Confidence: timeline.High, About: at}}
	if s.VerdictSource == "comm" || s.VerdictSource == "" {
		d.Confidence = timeline.Medium // a name can be anybody's
	}
	text := victim + " was ended by SIGKILL"
	if len(at) > 1 {
		text = count(len(at)) + " processes were ended by SIGKILL, the last of them " + victim
	}
	if s.Sender != nil {
		text += ", sent by " + who(s.Sender.PID, s.Sender.Comm)
		if s.Sender.Unit != "" {
			text += " of " + s.Sender.Unit
		}
	}
	if s.Via != "" {
		text += " (" + string(s.Via) + ")"
	}
	d.cite(at, "%s. Verdict: %s.", text, s.Verdict)
	d.RefutedBy = "An oom.kill of the same process at the same moment."
	const kernel = "The kernel's OOM killer had no part in it."
	switch s.Verdict {
	case event.VerdictSystemdOOMD:
		d.Title = "systemd-oomd killed, not the kernel"
		d.say("systemd-oomd ended the processes of a cgroup since memory pressure or swap use was over its bounds for some time. %s There may have been free memory.", kernel)
		d.do("See which cgroup it took and why, and what its bounds are.", "It kills the whole cgroup. Its bounds are settings of the slice (ManagedOOMSwap=, ManagedOOMMemoryPressure=, ManagedOOMMemoryPressureLimit=) and of oomd.conf; who causes the pressure is the question, as for the kernel.", "whoever set them up for the slice",
			look("what it watches; then what it did", "oomctl; journalctl -u systemd-oomd --since -1d"))
	case event.VerdictEarlyOOM:
		d.Title = "earlyoom killed, not the kernel"
		d.say("earlyoom ended it since available memory and free swap fell below its bounds. %s", kernel)
		d.do("See what it logged: memory and swap at that moment, and its bounds (-m, -s) and preferences (--avoid, --prefer).", "It chooses by /proc/PID/oom_score, before the kernel would. Its bounds are percents of all memory: on a large machine they are much memory.", "the machine's operator", look("", "journalctl -u earlyoom --since -1d"))
	case event.VerdictKubelet:
		d.Title = "The kubelet killed, not the kernel"
		d.say("The kubelet ended it: an eviction for the node's memory, a probe that failed, or a pod that was deleted. %s", kernel)
		var cmds shell
		cmds.look("evictions and probes that failed", "kubectl get events -A --sort-by=.lastTimestamp | grep -E 'Evicted|Unhealthy|Killing'")
		if p := s.Victim.Pod; named(p) {
			cmds.look("", "kubectl -n %s describe pod %s", p.Namespace, p.Name)
		}
		d.do("See which it was.", "An eviction is for what the pods use above their requests: requests that tell the truth prevent it.", "the spec of the pod, and the kubelet's eviction settings", cmds)
	case event.VerdictRuntime, event.VerdictSystemd:
		d.Title = "A container's or unit's manager ended it, not the kernel"
		d.say("%s stops what did not end in time by itself, or a whole cgroup at once: a restart, a rollout, a stop. %s", map[bool]string{true: "The container runtime", false: "systemd"}[s.Verdict == event.VerdictRuntime], kernel)
		var cmds shell
		if s.Victim.Unit != "" && s.Verdict == event.VerdictSystemd {
			cmds.look("", "journalctl -u %s --since -1d", s.Victim.Unit)
		}
		if p := s.Victim.Pod; named(p) {
			cmds.look("the reason and the exit code of the last state", "kubectl -n %s describe pod %s", p.Namespace, p.Name)
		}
		d.do("If it was not meant to stop: see who asked for it, and why it did not end at SIGTERM.", "137 is the exit code of any SIGKILL, not of a shortage of memory.", "whoever runs it", cmds)
	case event.VerdictKernel:
		d.Title = "The kernel killed it for another reason than memory"
		d.say("The kernel sent the signal itself, and not for memory%s.", map[bool]string{true: ": " + string(s.Via), false: ""}[s.Via != ""])
		d.do("Look up the reason: a limit of processor time (RLIMIT_CPU), a parent that ended, the end of a pid namespace, a page that broke.", "", "whoever runs it", look("", "dmesg -T | tail -50"))
	default:
		d.Title = "Somebody's SIGKILL ended it, not the kernel"
		d.say("A process sent the signal: an operator's kill -9, a supervisor, a test. %s", kernel)
		d.do("Ask who runs the sender.", "", "whoever runs the sender", shell{})
	}
	return d
}
