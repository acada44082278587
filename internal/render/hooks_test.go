// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

func TestHooksGolden(t *testing.T) {
	hooks := append(eventtest.SessionStart().SessionStart.Hooks, event.Hook{Fact: "new\x1b[0m", Method: "magic\x1b[0m", OK: true, Reason: "better\x1b[0m magic"})
	for _, o := range []Options{{}, {Width: 60}, {Width: 80}, {Width: 120, Color: true}} {
		name := fmt.Sprintf("hooks-%d", o.Width)
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Hooks(&b, hooks, o); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
			wantInert(t, b.Bytes(), o.Color)
			wantFits(t, b.Bytes(), o.Width)
		})
	}
}

func TestHooksJSON(t *testing.T) {
	hooks := append(eventtest.SessionStart().SessionStart.Hooks, event.Hook{Fact: "x\u009b\x7f\x1b", OK: true})
	var b bytes.Buffer
	if err := Hooks(&b, hooks, Options{Format: FormatJSON}); err != nil {
		t.Fatal(err)
	}
	golden(t, "hooks-json", b.Bytes())
	wantInert(t, b.Bytes(), false)
	var got struct {
		Hooks []event.Hook `json:"hooks"`
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for i, h := range got.Hooks {
		if h != hooks[i] {
			t.Errorf("hook %d: %+v, want %+v", i, h, hooks[i])
		}
	}
}

// Every reason that the tracer gives is one with a remedy, and has the right one.
func TestRemedies(t *testing.T) {
	for reason, want := range map[string]string{
		"this kernel refuses to load such programs: operation not permitted":                                                    "none: other programs load",
		"this kernel has no kprobes (CONFIG_KPROBE_EVENTS)":                                                                     "CONFIG_KPROBE_EVENTS",
		"opening it is not permitted (CAP_SYS_ADMIN, or a lower kernel.perf_event_paranoid): permission denied":                 "sysctl kernel.perf_event_paranoid=2",
		"tracefs is not mounted; mount -t tracefs tracefs /sys/kernel/tracing (or give CAP_SYS_ADMIN): operation not permitted": "mount -t tracefs",
		"not supported by this kernel: this kernel has no tracefs":                                                              "CONFIG_TRACING",
		"oom/mark_victim: reading file /sys/kernel/tracing/events/oom/mark_victim/id: permission denied":                        "CAP_DAC_READ_SEARCH",
		"forbidden by option": "OOMTRACE_FORBID",
		"no function timekeeping_warp_clock in the kernel's BTF":                              "inlined",
		"no tracepoint signal_generate in the kernel's BTF":                                   "lacks it",
		"oom_kill_process has another prototype than expected":                                "arguments of this kernel",
		"parameter 0 of oom_kill_process is no struct oom_control *":                          "arguments of this kernel",
		"tracepoint signal_generate passes 6 arguments, not 5":                                "arguments of this kernel",
		"call traces would end at a kretprobe here: the entry alone is hooked":                "none needed",
		"do_adjtimex: create tracing link: not supported":                                     "none with this kernel",
		"load kernel symbols: symbol addresses are hidden (kernel.kptr_restrict, CAP_SYSLOG)": "CAP_SYSLOG",
		"load mark_btf: something new":                                                        "docs/hooks.md",
	} {
		if got := (obstacle{reason: reason}).remedy().fix; !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
}

// What is worked out from other facts is never as good as a hook.
func TestDerivedIsDegraded(t *testing.T) {
	for _, tt := range []struct {
		hook  event.Hook
		state string
		cost  bool
	}{
		{event.Hook{Fact: "trigger", Method: "fentry oom_kill_process", OK: true}, statePass, false},
		{event.Hook{Fact: "trigger", Method: "kprobe oom_kill_process", OK: true, Reason: "fentry: x"}, stateWarn, false},
		{event.Hook{Fact: "trigger", Method: "derived in mark_victim", OK: true}, stateWarn, true},
		{event.Hook{Fact: "invocation", Method: "computed", OK: true}, stateWarn, true},
		{event.Hook{Fact: "clock-step", Method: "timerfd cancel-on-set", OK: true}, statePass, false},
		{event.Hook{Fact: "kill"}, stateFail, true},
	} {
		if state := hookState(tt.hook); state != tt.state || (cost(tt.hook) != "") != tt.cost {
			t.Errorf("%+v: %s, %q", tt.hook, state, cost(tt.hook))
		}
	}
}

// What is missing since another fact has no hook goes with that one's reason.
func TestObstacleOfAnother(t *testing.T) {
	hooks := []event.Hook{
		{Fact: "invocation", Method: "derived in mark_victim", OK: true, Reason: "kprobe: this kernel has no kprobes"},
		{Fact: "candidates", Method: "computed in mark_victim", OK: true, Reason: "invocation is not hooked"},
	}
	if got := obstacles(hooks); len(got) != 1 || len(got[0].facts) != 2 {
		t.Errorf("%+v", got)
	}
	if got, want := hookNotes(hooks), "no kprobe (not in this kernel): invocation, candidates derived"; len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
	alone := obstacles(hooks[1:])
	if len(alone) != 1 || alone[0].reason != "invocation is not hooked" {
		t.Errorf("%+v", alone)
	}
}

// What differs only by the function that was tried is one obstacle.
func TestObstaclesAreJoined(t *testing.T) {
	const why = "tracefs is not mounted; mount -t tracefs tracefs /sys/kernel/tracing"
	got := obstacles([]event.Hook{
		{Fact: "adjtimex", Reason: "fentry: do_adjtimex: create tracing link: not supported; tracepoint: syscalls/sys_exit_adjtimex: " + why},
		{Fact: "settime", Reason: "fentry: do_settimeofday64: create tracing link: not supported; tracepoint: syscalls/sys_exit_settimeofday: " + why},
		{Fact: "symbols", Reason: "load kernel symbols: hidden"},
	})
	both := []string{"adjtimex", "settime"}
	want := []obstacle{{"fentry", "create tracing link: not supported", both}, {"tracepoint", why, both}, {"", "load kernel symbols: hidden", []string{"symbols"}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(obstacle{})); diff != "" {
		t.Error(diff)
	}
}
