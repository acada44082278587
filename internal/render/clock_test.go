// SPDX-License-Identifier: Apache-2.0

package render

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestClockRow(t *testing.T) {
	ppm := func(v float64) *event.ClockState { return &event.ClockState{FreqPPM: event.Ptr(v)} }
	status := func(s ...string) *event.ClockState { return &event.ClockState{Status: s} }
	ns := func(v int64) *int64 { return &v }
	for _, tt := range []struct {
		name  string
		clock event.Clock
		want  string
	}{
		{"step", event.Clock{Kind: event.KindStep, StepNS: ns(1_500_000_000), Op: event.OpSettimeofday}, "clock moved forward 1.500 s · 17:21:54.000 → 17:21:55.500 · by settimeofday"},
		{"step by nothing", event.Clock{Kind: event.KindStep, StepNS: ns(0)}, "clock set to the time it had"},
		{"step over midnight", event.Clock{Kind: event.KindStep, StepNS: ns(-86400e9)}, "clock moved back 1 d · 2026-11-23 17:21:54.000 → 2026-11-22 17:21:54.000"},
		{"small step", event.Clock{Kind: event.KindStep, StepNS: ns(-2500), StepErrorNS: ns(40)}, "clock moved back 2.500 µs · 17:21:54.000000000 → 17:21:53.999997500 · ±40 ns"},
		{"step, error below 1 %", event.Clock{Kind: event.KindStep, StepNS: ns(1e9), StepErrorNS: ns(40)}, "clock moved forward 1 s · 17:21:54.000 → 17:21:55.000"},
		{"step of unknown size", event.Clock{Kind: event.KindStep, Function: "do_settimeofday64"}, "clock set (by how much is not known) · by do_settimeofday64"},
		{"refused step", event.Clock{Kind: event.KindStep, StepNS: ns(-5e9), Errno: "EPERM"}, "tried to move the clock back 5 s: refused, EPERM (not permitted)"},
		{"refused frequency", event.Clock{Kind: event.KindFrequency, After: ppm(3), Errno: "EINVAL"}, "tried to change the clock's speed: refused, EINVAL (not a valid request)"},
		{"slew", event.Clock{Kind: event.KindSlew, SlewNS: ns(12_300_000), Op: event.OpAdjtimex, Daemon: event.Ptr(true)}, "clock slewed forward 12.300 ms (gradually) · by adjtimex · time daemon"},
		{"frequency", event.Clock{Kind: event.KindFrequency, Before: ppm(12.3), After: ppm(10.1)}, "clock speed 12.300 ppm faster → 10.100 ppm faster"},
		{"frequency, before unknown", event.Clock{Kind: event.KindFrequency, After: ppm(-10.1)}, "clock speed set to 10.100 ppm slower"},
		{"frequency, no change", event.Clock{Kind: event.KindFrequency, Before: ppm(0), After: ppm(0)}, "clock speed set again to nominal"},
		{"frequency, incomparable", event.Clock{Kind: event.KindFrequency, Before: ppm(5), After: &event.ClockState{RatePPM: event.Ptr(6.0)}}, "clock speed set to 6.000 ppm faster"},
		{"frequency unknown", event.Clock{Kind: event.KindFrequency}, "clock speed changed (to what is not known)"},
		{"status", event.Clock{Kind: event.KindStatus, Before: status("unsync"), After: status("pll", "nano")}, "clock status +pll +nano -unsync"},
		{"status, before unknown", event.Clock{Kind: event.KindStatus, After: status([]string{}...)}, "clock status set to none"},
		{"leap", event.Clock{Kind: event.KindLeap, After: status("pll", "ins")}, "leap second will be inserted at the end of the UTC day"},
		{"leap gone", event.Clock{Kind: event.KindLeap, Before: status("ins"), After: status("pll")}, "leap second cancelled"},
		{"tai", event.Clock{Kind: event.KindTAI, Before: &event.ClockState{TAIS: event.Ptr(36)}, After: &event.ClockState{TAIS: event.Ptr(37)}}, "TAI offset 36 → 37 s"},
		{"new kind", event.Clock{Kind: "warp"}, "clock changed: warp"},
	} {
		e := &event.Event{Time: time.Date(2026, 11, 23, 16, 21, 54, 0, time.UTC), Clock: &tt.clock}
		r := clockRow(e, false, cet)
		if got := strings.Join(r.what.wrap(math.MaxInt, false), "\n"); got != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

// A step without an author has the time before it too, as clock.adjust has.
func TestStepRow(t *testing.T) {
	e := &event.Event{
		Time:      time.Date(2026, 11, 23, 16, 21, 54, 0, time.UTC),
		ClockStep: &event.ClockStep{StepNS: -1_500_000_000, StepErrorNS: 2100, StepSource: "timerfd"},
	}
	want := "clock moved back 1.500 s (by whom is not known) · 17:21:54.000 → 17:21:52.500"
	if got := strings.Join(stepRow(e, false, cet).what.wrap(math.MaxInt, false), "\n"); got != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// A call that worked is told from the state of the clock that it returned.
func TestClockResult(t *testing.T) {
	for result, want := range map[string]string{"ok": " · result ok", "error": " · clock unsynchronised", "ins": " · result ins", "": ""} {
		e := &event.Event{Clock: &event.Clock{Kind: event.KindFrequency, Result: result}}
		if got := strings.Join(clockRow(e, true, cet).what.wrap(math.MaxInt, false), ""); got != "clock speed changed (to what is not known)"+want {
			t.Errorf("%q: %q", result, got)
		}
	}
}
