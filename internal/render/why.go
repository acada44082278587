// SPDX-License-Identifier: Apache-2.0

package render

import (
	"regexp"
	"slices"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// The states of a fact.
const (
	statePass = "pass" // the best way serves it
	stateWarn = "warn" // a lesser way does
	stateFail = "fail" // none does
)

// hookState rates a hook: one that works, but has a reason to tell or is no hook at
// all, is degraded.
func hookState(h event.Hook) string {
	switch {
	case !h.OK:
		return stateFail
	case h.Reason != "", derived(h):
		return stateWarn
	}
	return statePass
}

// derived reports whether a fact is worked out from others.
func derived(h event.Hook) bool {
	return strings.HasPrefix(h.Method, "derived") || strings.HasPrefix(h.Method, "computed")
}

// kernelLog is how the method begins where the kernel's log serves.
const kernelLog = "kernel log"

// hookKind is the first word of a method: fentry, tracepoint, timerfd; or the kernel log.
func hookKind(h event.Hook) string {
	if strings.HasPrefix(h.Method, kernelLog+" ") {
		return kernelLog
	}
	kind, _, _ := strings.Cut(h.Method, " ")
	return kind
}

// cost is what is missing where a fact is not had in the best way; "" for nothing.
func cost(h event.Hook) string {
	if hookState(h) == statePass {
		return ""
	}
	const syscalls = "calls of kernel threads and of 32-bit programs"
	lesser := map[string]string{ // by fact, and how it is had
		"kill kernel log":       "kills of who shares a victim's memory; of victims start, threads and nspid, in a storm all but their memory",
		"trigger kernel log":    "in a storm, when the kernel leaves out reports, all",
		"invocation kernel log": "those that meet a task that is dying already; in a storm all",
		"candidates kernel log": "in a storm, or with vm.oom_dump_tasks=0, all",
		"reaped kernel log":     "victims whose memory was back before the reaper came",
		"kill tracepoint":       "swap, cgroup and threads of victims that are not the trigger",
		"trigger derived":       "gfp_mask, order and message; scope, limit and points are computed",
		"invocation derived":    "its time: the episode begins with the first kill",
		"candidates derived":    "what the kernel itself found: points are computed",
		"adjtimex tracepoint":   syscalls,
		"settime tracepoint":    syscalls,
		"warp timerfd":          "who made the step of a first time zone",
		"exec tracepoint":       "executables of processes that are gone",
		"sigkill tracepoint":    "of the victim all but its thread's pid and comm, and what /proc tells",
	}
	none := map[string]string{
		"kill":       "all kills",
		"trigger":    "who triggered a kill, its limit, scope and points",
		"invocation": "what belongs to one invocation of the OOM killer",
		"candidates": "who else could have been chosen",
		"reclaim":    "what was reclaimed before a kill",
		"compaction": "what was compacted before a kill",
		"exit":       "when a victim has ended",
		"reaped":     "what the OOM reaper did",
		"freed":      "when a victim's memory is back",
		"adjtimex":   "changes by adjtimex and clock_adjtime",
		"settime":    "who set the clock",
		"warp":       "the step of a first time zone",
		"pressure":   "samples of what leads up to a kill, but for those that --sample takes",
		"clock-step": "steps that no call explains",
		"exec":       "command lines of processes that are gone before they are looked up",
		"sigkill":    "SIGKILLs that are not the OOM killer's",
		"log":        "the kills since boot that it has; kills that the programs miss",
		"symbols":    "the names and ids of call traces; without fentry and kprobes scope and limit too",
	}
	if !h.OK {
		return none[h.Fact]
	}
	kind := hookKind(h)
	if derived(h) {
		kind = "derived"
	}
	return lesser[h.Fact+" "+kind]
}

// obstacle is why a kind of hook, or "" for a fact without hooks, is not used.
type obstacle struct {
	kind, reason string
	facts        []string
}

var (
	hookKinds = regexp.MustCompile(`(^|; )(fentry|kprobe|tp_btf|raw_tp|tracepoint): `)
	// target is the function or tracepoint that was tried, which differs by fact.
	target = regexp.MustCompile(`^[a-z0-9]*[_/][a-z0-9_/]*: `)
)

// obstaclesOf takes the reason of a hook apart.
func obstaclesOf(h event.Hook) []obstacle {
	at := hookKinds.FindAllStringSubmatchIndex(h.Reason, -1)
	if len(at) == 0 || at[0][0] != 0 {
		if h.Reason == "" {
			return nil
		}
		return []obstacle{{reason: h.Reason, facts: []string{h.Fact}}}
	}
	var out []obstacle
	for i, m := range at {
		end := len(h.Reason)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		reason := target.ReplaceAllString(h.Reason[m[1]:end], "")
		out = append(out, obstacle{h.Reason[m[4]:m[5]], reason, []string{h.Fact}})
	}
	return out
}

// rooted gives a hook that another's absence keeps out the reason of that one.
func rooted(hooks []event.Hook) []event.Hook {
	out := slices.Clone(hooks)
	for i := range out {
		needs, ok := strings.CutSuffix(out[i].Reason, " is not hooked")
		if !ok {
			continue
		}
		if j := slices.IndexFunc(hooks, func(h event.Hook) bool { return h.Fact == needs && h.Reason != "" }); j >= 0 {
			out[i].Reason = hooks[j].Reason
		}
	}
	return out
}

// obstacles are those of all hooks, each once with the facts that it stands in the
// way of.
func obstacles(hooks []event.Hook) []obstacle {
	var out []obstacle
	for _, h := range rooted(hooks) {
		for _, o := range obstaclesOf(h) {
			i := slices.IndexFunc(out, func(p obstacle) bool { return p.kind == o.kind && p.reason == o.reason })
			if i < 0 {
				out = append(out, o)
			} else {
				out[i].facts = append(out[i].facts, h.Fact)
			}
		}
	}
	return out
}

// remedy is what a reason means in few words, and what can be done.
type remedy struct{ short, fix string }

// remedies are those of the reasons that the tracer gives, by pieces of their text.
var remedies = []struct {
	pieces string // one of them, separated by |
	remedy
}{
	{"--source kmsg", remedy{"--source kmsg", "none needed: leave out --source kmsg for what the kernel's programs tell"}},
	{"the kernel log does not tell", remedy{"not in the kernel log", "have the kernel's programs tell of kills: see kill"}},
	{"CONFIG_BPF_SYSCALL", remedy{"no bpf(2)", "none with this kernel, which was built without CONFIG_BPF_SYSCALL"}},
	{"kernel.dmesg_restrict", remedy{"not permitted", "run as root, with CAP_SYSLOG, or with kernel.dmesg_restrict=0"}},
	{"in a container, give it", remedy{"not there", "give the container the host's /dev/kmsg (docker --device, hostPath)"}},
	{"CAP_BPF and CAP_PERFMON", remedy{"not permitted", "run as root, or with CAP_BPF and CAP_PERFMON"}},
	{"refuses to load such programs", remedy{"refused by this kernel", "none: other programs load, so CAP_BPF and CAP_PERFMON are there, and the kernel lets nobody load these"}},
	{"no kprobes", remedy{"not in this kernel", "none with this kernel, which was built without CONFIG_KPROBE_EVENTS"}},
	{"perf_event_paranoid", remedy{"not permitted", "run with CAP_SYS_ADMIN, or lower it: sysctl kernel.perf_event_paranoid=2"}},
	{"has no tracefs", remedy{"no tracefs in this kernel", "none with this kernel, which was built without CONFIG_TRACING"}},
	{"tracefs is not mounted", remedy{"tracefs is not mounted", "mount -t tracefs tracefs /sys/kernel/tracing, or run with CAP_SYS_ADMIN"}},
	{"lockdown", remedy{"kernel lockdown", "boot with lockdown=integrity or none"}},
	{"kptr_restrict", remedy{"symbol addresses are hidden", "run with CAP_SYSLOG, and kernel.kptr_restrict below 2"}},
	{"CONFIG_PSI", remedy{"no memory pressure is told", "boot with psi=1, if the kernel was built with CONFIG_PSI"}},
	{"told to those with CAP_SYS_RESOURCE", remedy{"not permitted", "run with CAP_SYS_RESOURCE"}},
	{"CONFIG_DEBUG_INFO_BTF", remedy{"no BTF", "none with this kernel, which was built without CONFIG_DEBUG_INFO_BTF"}},
	{"forbidden by option", remedy{"forbidden", "unset OOMTRACE_FORBID"}},
	{"in the kernel's BTF", remedy{"not in this kernel", "none with this kernel, which lacks it or has it inlined"}},
	{"prototype|is no struct|arguments, not", remedy{"other arguments here", "none with this version, which does not know the arguments of this kernel"}},
	{"end at a kretprobe", remedy{"call traces would end there", "none needed: the entry alone does"}},
	{"not supported", remedy{"not supported here", "none with this kernel"}},
	{"permission denied", remedy{"not permitted", "run as root, or with CAP_DAC_READ_SEARCH"}},
	{"operation not permitted", remedy{"not permitted", "run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN"}},
}

func (o obstacle) remedy() remedy {
	for _, r := range remedies {
		for piece := range strings.SplitSeq(r.pieces, "|") {
			if strings.Contains(o.reason, piece) {
				return r.remedy
			}
		}
	}
	return remedy{o.reason, "not known: see docs/hooks.md and docs/security.md"}
}

// hookNotes tells of degraded and missing facts in a line for each set of reasons.
func hookNotes(hooks []event.Hook) []string {
	var out, reasons []string
	by := map[string][]event.Hook{}
	for _, h := range rooted(hooks) {
		if hookState(h) == statePass {
			continue
		}
		reason := shortReason(h)
		if by[reason] == nil {
			reasons = append(reasons, reason)
		}
		by[reason] = append(by[reason], h)
	}
	for _, reason := range reasons {
		what := ways(by[reason])
		if reason != "" {
			what = reason + ": " + what
		}
		out = append(out, what)
	}
	return out
}

// shortReason is "no fentry (refused by this kernel), no kprobe (not in this kernel)".
func shortReason(h event.Hook) string {
	var why []string
	for _, o := range obstaclesOf(h) {
		if o.kind == "" {
			why = append(why, o.remedy().short)
		} else {
			why = append(why, "no "+o.kind+" ("+o.remedy().short+")")
		}
	}
	return strings.Join(why, ", ")
}

// ways is how facts are had: "trigger derived; warp by timerfd".
func ways(hooks []event.Hook) string {
	var what, ways []string
	facts := map[string][]string{}
	for _, h := range hooks {
		way := " by " + or(hookKind(h), "another way")
		switch {
		case !h.OK:
			way = " not available"
			if lost := cost(h); lost != "" {
				way += " (" + lost + ")"
			}
		case derived(h):
			way = " derived"
		}
		if facts[way] == nil {
			ways = append(ways, way)
		}
		facts[way] = append(facts[way], h.Fact)
	}
	for _, way := range ways {
		what = append(what, strings.Join(facts[way], ", ")+way)
	}
	return strings.Join(what, "; ")
}
