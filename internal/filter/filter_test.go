// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

func kill(episode string, v event.Victim) *event.Event {
	return &event.Event{Type: event.TypeOOMKill, Kill: &event.Kill{Episode: episode, Victim: v}}
}

func TestMatch(t *testing.T) {
	known := kill("a-1", event.Victim{
		PID:       12,
		Comm:      event.Ptr("kworker/u8:1-ev"),
		Cgroup:    &event.Cgroup{Path: "/kubepods/burstable/pod1/c0ffee11"},
		Container: &event.Container{ID: "c0ffee11", Name: "api"},
		Pod:       &event.Pod{UID: "1111-2222", Name: "api-7d4", Namespace: "shop"},
	})
	bare := kill("a-2", event.Victim{PID: 13})
	clock := &event.Event{Clock: &event.Clock{Process: event.Task{PID: 12, Comm: event.Ptr("ntpd")}}}

	sigkill := &event.Event{Sigkill: &event.Sigkill{Victim: event.Task{PID: 12}, Sender: &event.Task{PID: 13}}}
	tests := []struct {
		name   string
		filter Filter
		event  *event.Event
		want   bool
	}{
		{"nothing asked", Filter{}, bare, true},
		{"pid", Filter{PIDs: []int{11, 12}}, known, true},
		{"other pid", Filter{PIDs: []int{11}}, known, false},
		{"pid of a clock change", Filter{PIDs: []int{12}}, clock, true},
		{"whole comm", Filter{Comms: []string{"kworker/u8:1-ev"}}, known, true},
		{"comm is not a prefix", Filter{Comms: []string{"kworker"}}, known, false},
		{"comm longer than the kernel keeps", Filter{Comms: []string{"kworker/u8:1-events"}}, known, true},
		{"comm pattern crosses slashes", Filter{Comms: []string{"k*:?-ev"}}, known, true},
		{"pattern characters of other languages are literal", Filter{Comms: []string{"[k]*", "k.*"}}, known, false},
		{"unknown comm", Filter{Comms: []string{"*"}}, bare, false},
		{"cgroup itself", Filter{Cgroups: []string{"/kubepods/burstable/pod1/c0ffee11/"}}, known, true},
		{"cgroup above, no slash", Filter{Cgroups: []string{"kubepods"}}, known, true},
		{"cgroup sibling", Filter{Cgroups: []string{"/kubepods/burst"}}, known, false},
		{"root cgroup", Filter{Cgroups: []string{"/"}}, known, true},
		{"root cgroup, unknown path", Filter{Cgroups: []string{"/"}}, bare, false},
		{"container name", Filter{Containers: []string{"api"}}, known, true},
		{"container id", Filter{Containers: []string{"c0ff"}}, known, true},
		{"container id too short", Filter{Containers: []string{"c0f"}}, known, false},
		{"pod pattern", Filter{Pods: []string{"api-*"}}, known, true},
		{"pod uid", Filter{Pods: []string{"1111-2222"}}, known, true},
		{"namespace", Filter{Namespaces: []string{"shop"}}, known, true},
		{"kinds must all hold", Filter{Namespaces: []string{"shop"}, PIDs: []int{1}}, known, false},
		{"detail of a kill not shown", Filter{PIDs: []int{12}}, &event.Event{Detail: &event.Detail{Episode: "a-1", PID: 12}}, false},
		{"late identity matches", Filter{Comms: []string{"x"}}, &event.Event{Snapshot: &event.SnapshotLate{Victim: &event.Task{PID: 1, Comm: event.Ptr("x")}}}, true},
		{"snapshot without a victim", Filter{Comms: []string{"x"}}, &event.Event{Snapshot: &event.SnapshotLate{}}, false},
		{"a step without a process", Filter{PIDs: []int{12}}, &event.Event{ClockStep: &event.ClockStep{}}, false},
		{"victim of a SIGKILL", Filter{PIDs: []int{12}}, sigkill, true},
		{"sender of a SIGKILL", Filter{PIDs: []int{13}}, sigkill, false},
		{"session", Filter{PIDs: []int{1}}, &event.Event{SessionStart: &event.SessionStart{}}, true},
		{"lost", Filter{PIDs: []int{1}}, &event.Event{Lost: &event.Lost{}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.filter.Match(tt.event); got != tt.want {
				t.Errorf("Match = %v, want %v", got, tt.want)
			}
		})
	}
}

// What follows a kill is shown exactly when the kill was.
func TestMatchFollowsKill(t *testing.T) {
	f := Filter{PIDs: []int{12}}
	shown, hidden := kill("a-1", event.Victim{PID: 12}), kill("a-1", event.Victim{PID: 13})
	if !f.Match(shown) || f.Match(hidden) {
		t.Fatal("the kills themselves are filtered wrongly")
	}
	for pid, want := range map[int]bool{12: true, 13: false} {
		if got := f.Match(&event.Event{Detail: &event.Detail{Episode: "a-1", PID: pid}}); got != want {
			t.Errorf("oom.detail of pid %d: %v, want %v", pid, got, want)
		}
		if got := f.Match(&event.Event{Snapshot: &event.SnapshotLate{Episode: "a-1", PID: pid}}); got != want {
			t.Errorf("oom.snapshot of pid %d: %v, want %v", pid, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	f := Filter{PIDs: []int{1, 2}, Comms: []string{"a*"}, Cgroups: []string{"/x"}, Containers: []string{"c"}, Pods: []string{"p"}, Namespaces: []string{"n"}}
	want := []string{"pid=1", "pid=2", "comm=a*", "cgroup=/x", "container=c", "pod=p", "namespace=n"}
	if diff := cmp.Diff(want, f.Describe()); diff != "" {
		t.Error(diff)
	}
	if got := (&Filter{}).Describe(); got != nil {
		t.Errorf("nothing asked: %q", got)
	}
}

func FuzzLike(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("**?", "\xff")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		got := like(pattern, s)
		if s == "" {
			if got {
				t.Error("an unknown value matched")
			}
			return
		}
		quoted := strings.NewReplacer(`\*`, "(?s:.*)", `\?`, "(?s:.)").Replace(regexp.QuoteMeta(pattern))
		re, err := regexp.Compile("^(?:" + quoted + ")$")
		if err != nil || !utf8.ValidString(pattern) || !utf8.ValidString(s) {
			return // no reference to compare with
		}
		if want := re.MatchString(s); got != want {
			t.Errorf("like(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}
