// SPDX-License-Identifier: Apache-2.0

package fate

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// The story: a container of pod shop/cart at its limit, a global OOM, one dying already,
// and a SIGKILL by the runtime.
func story() *timeline.Document {
	const id = "25a38b5b8d556d7983d975577f5ac75ebbcfb4b269e6deaa0a0440c1ffc969ca"
	p := event.Ptr[string]
	pod := &event.Pod{UID: "27aff94d-e0d9-43d1-84d6-9ab000aa57e2", Namespace: "shop", Name: "cart-7f9c"}
	cgroup := &event.Cgroup{Version: 2, Path: "/kubepods.slice/kubepods-pod27aff94d_e0d9_43d1_84d6_9ab000aa57e2.slice/cri-containerd-" + id + ".scope"}
	at := func(s int, e event.Event) timeline.Entry {
		e.Time = noon.Add(time.Duration(s) * time.Second)
		return timeline.Entry{Event: &e}
	}
	return &timeline.Document{
		Boots: []timeline.Boot{{Running: true, Began: noon.Add(-time.Hour)}},
		Entries: []timeline.Entry{
			at(0, event.Event{Kill: &event.Kill{
				Scope: event.ScopeMemcg, Victim: event.Victim{PID: 7860, Comm: p("java"), Cgroup: cgroup, Pod: pod, Container: &event.Container{ID: id, Name: "app"}},
				Limit: &event.Limit{Cgroup: cgroup, Bytes: event.Ptr[uint64](64 << 20)},
			}}),
			at(1, event.Event{Kill: &event.Kill{Scope: event.ScopeGlobal, Victim: event.Victim{PID: 100, TID: event.Ptr(103), Comm: p("a-very-long-nam"), Unit: "big.service"}}}),
			at(2, event.Event{Kill: &event.Kill{Scope: event.ScopeGlobal, Role: event.RoleSharedMM, Victim: event.Victim{PID: 101, Comm: p("shares")}}}),
			at(3, event.Event{NoKill: &event.NoKill{Reason: event.NoKillChosenExiting, Victim: &event.Victim{PID: 200, Comm: p("dying")}}}),
			at(4, event.Event{Sigkill: &event.Sigkill{
				Victim: event.Task{PID: 300, Comm: p("nginx")}, Verdict: event.VerdictRuntime, VerdictSource: "comm", Via: event.ViaKill,
				Sender: &event.Task{PID: 5, Comm: p("containerd-shim"), Unit: "containerd.service"},
			}}),
			at(5, event.Event{Sigkill: &event.Sigkill{Victim: event.Task{PID: 301, Comm: p("x")}, Verdict: event.VerdictOther, Via: event.ViaCgroupKill}}),
			at(6, event.Event{Kill: &event.Kill{Scope: event.ScopeGlobal, Victim: event.Victim{PID: 100, Comm: p("reused")}}}),
		},
	}
}

// by wraps lines as a syslog file, or as the journal if writer is set.
func witnesses(t *testing.T, log string) []Witness {
	t.Helper()
	var all []Witness
	s := killlog.NewScanner(strings.NewReader(log))
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Witness{Entry: e, Time: e.At(noon, time.UTC), Source: "syslog"})
	}
}

const userLog = `Nov 29 11:00:00 h systemd[1]: cart.service: A process of this unit has been killed by the OOM killer.
Nov 29 11:00:00 h systemd[1]: cart.service: Main process exited, code=killed, status=9/KILL
Nov 29 11:00:00 h systemd[1]: cart.service: Failed with result 'oom-kill'.
Nov 29 11:01:00 h systemd-oomd[9]: Killed /user.slice/user-1000.slice/user@1000.service/app.slice/tmux.scope due to memory pressure for /user.slice being 51.07% > 50.00% for > 20s with reclaim activity
Nov 29 11:01:01 h systemd[1313]: tmux.scope: systemd-oomd killed 12 process(es) in this unit.
Nov 29 11:02:00 h earlyoom[5]: sending SIGTERM to process 906 uid 1000 "electron": badness 1264, VmRSS 23964 MiB
Nov 29 11:03:00 h systemd[1]: slow.service: State 'stop-sigterm' timed out. Killing.
Nov 29 11:03:00 h systemd[1]: slow.service: Killing process 4821 (serve) with signal SIGKILL.
Nov 29 11:03:01 h systemd[1]: slow.service: Main process exited, code=killed, status=9/KILL
Nov 29 11:04:00 h kubelet[2]: I1129 11:04:00.802914 22 eviction_manager.go:627] "Eviction manager: pod is evicted successfully" pod="sre/logstash-1"
Nov 29 11:05:00 h systemd[1]: web.service: Main process exited, code=killed, status=9/KILL
Nov 29 11:06:00 h containerd[3]: time="2025-05-19T18:14:43Z" level=info msg="TaskOOM event container_id:\"9192cb33411ff69d015a3577db136757f5b145064a1703efea3d0e12e8a64987\""
`

func TestFind(t *testing.T) {
	lines := witnesses(t, userLog)
	if len(lines) != 12 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, tt := range []struct {
		name    string
		q       Question
		known   func(*Known)
		verdict Verdict
		by      event.Verdict
		text    string
		notes   []string // of which these words are a part
	}{
		{"killed at its limit", Question{PID: 7860}, nil, Yes, event.VerdictKernelOOM,
			"the kernel's OOM killer killed java[7860], 12:00:00: the limit of 64.0 MiB of cgroup /kubepods.slice/", nil},
		{"by its pod", Question{Pod: "shop/cart-7f9c"}, nil, Yes, event.VerdictKernelOOM, "killed java[7860]", nil},
		{"by its pod's name alone", Question{Pod: "cart-7f9c"}, nil, Yes, event.VerdictKernelOOM, "killed java[7860]", nil},
		{"by its pod's uid", Question{Pod: "27aff94d-e0d9-43d1-84d6-9ab000aa57e2"}, nil, Yes, event.VerdictKernelOOM, "killed java[7860]", nil},
		{"by its container", Question{Container: "app"}, nil, Yes, event.VerdictKernelOOM, "killed java[7860]", nil},
		{"by its container's id", Question{Container: "25a38b5b8d55"}, nil, Yes, event.VerdictKernelOOM, "killed java[7860]", nil},
		{"another container", Question{Container: "25a38b5b8d56"}, nil, Unknown, "", "nothing that could be read tells of the end of container 25a38b5b8d56", nil},
		{"another name", Question{PID: 7860, Comm: "node"}, nil, Unknown, "", "nothing that could be read tells of the end of node[7860]", nil},
		{"of several the last", Question{PID: 100}, nil, Yes, event.VerdictKernelOOM, "killed reused[100], 12:00:06: the machine ran out of memory", []string{"1 earlier kill fits too, the first, 12:00:01"}},
		{"a long name", Question{Comm: "a-very-long-name-that-is-cut"}, nil, Yes, event.VerdictKernelOOM, "a-very-long-nam[100]", nil},
		{"a thread's id", Question{PID: 103}, nil, Yes, event.VerdictKernelOOM, "a-very-long-nam[100]", nil},
		{"a sharer", Question{PID: 101}, nil, Yes, event.VerdictKernelOOM, "killed, with another process that has the same memory, shares[101]", nil},
		{"dying already", Question{PID: 200}, nil, No, "", "found dying[200], 12:00:03, which was dying already", nil},
		{"by the runtime", Question{PID: 300}, nil, No, event.VerdictRuntime, "containerd-shim[5] (containerd.service) killed nginx[300], 12:00:04", []string{"by its name alone"}},
		{"by its cgroup", Question{PID: 301}, nil, No, event.VerdictOther, "who wrote its cgroup's cgroup.kill killed x[301]", nil},

		{"systemd saw a kill in the unit", Question{Unit: "cart.service"}, nil, Yes, event.VerdictKernelOOM,
			"systemd says that the kernel's OOM killer has killed in cart.service, 11:00:00", []string{"any user can write such a one"}},
		{"but whom it did not see", Question{Unit: "cart.service", PID: 55}, nil, Unknown, event.VerdictKernelOOM, ", and not whom", nil},
		{"containerd saw a kill", Question{Container: "9192cb33411f"}, nil, Yes, event.VerdictKernelOOM, "the container runtime says that the kernel's OOM killer has killed in container 9192cb33411f", nil},
		{"systemd-oomd", Question{Unit: "tmux.scope"}, nil, No, event.VerdictSystemdOOMD, "systemd-oomd killed 12 processes of tmux.scope, 11:01:01", nil},
		{"earlyoom", Question{PID: 906}, nil, No, event.VerdictEarlyOOM, "earlyoom told electron[906] to end (SIGTERM), 11:02:00", nil},
		{"systemd's timeout", Question{PID: 4821}, nil, No, event.VerdictSystemd, "systemd killed serve[4821], 11:03:00", nil},
		{"kubelet", Question{Pod: "sre/logstash-1"}, nil, No, event.VerdictKubelet, "the kubelet evicted pod sre/logstash-1, 11:04:00", nil},
		{"137 by whomever", Question{Unit: "web.service"}, nil, Unknown, "", "web.service ended by SIGKILL, 11:05:00, and nothing that could be read tells who sent it", []string{"128 + 9"}},

		{"it runs", Question{PID: 42}, func(k *Known) { k.Now = &Now{Comm: event.Ptr("sshd"), Started: noon.Add(-time.Minute)} }, No, "", "sshd[42] runs, since 11:59:00", nil},
		{"another runs under that pid", Question{PID: 7860}, func(k *Known) { k.Now = &Now{Comm: event.Ptr("sh"), Started: noon.Add(time.Minute)} }, Yes, event.VerdictKernelOOM,
			"killed java[7860]", []string{"pid 7860 belongs to another process now: sh[7860], since 12:01:00"}},
		{"it is still there", Question{PID: 7860}, func(k *Known) { k.Now = &Now{Comm: event.Ptr("java"), Started: noon.Add(-time.Minute)} }, Yes, event.VerdictKernelOOM,
			"killed java[7860]", []string{"java[7860] is still there, since 11:59:00"}},
		{"its status is not asked for", Question{PID: 42}, func(k *Known) { k.Now = &Now{Dead: true, Started: noon} }, Unknown, "", "nothing that could be read", nil},
		{"all kills are known", Question{PID: 42}, func(k *Known) { k.KillsSinceBoot = event.Ptr[uint64](2) }, No, "",
			"the kernel has killed 2 processes for memory since it booted, 11:00:00, all of them are known, and process 42 is not among them", []string{"before that boot", "128 + 9"}},
		{"not all are", Question{PID: 42}, func(k *Known) { k.KillsSinceBoot = event.Ptr[uint64](3) }, Unknown, "", "nothing that could be read", []string{"of the 3 kills that the kernel has counted since it booted, 1 are in no log"}},
		{"there were none", Question{PID: 42}, func(k *Known) { k.KillsSinceBoot, k.Timeline = event.Ptr[uint64](0), &timeline.Document{} }, No, "",
			"the kernel has killed nobody for memory since it booted", nil},
		{"its cgroup counts one", Question{Unit: "web.service"}, func(k *Known) { k.CgroupKills = event.Ptr[uint64](1) }, Unknown, "",
			"the kernel's OOM killer has killed in its cgroup, and the log of that is gone", []string{"counts 1 kill by"}},
	} {
		k := Known{Timeline: story(), Witnesses: lines, NowKnown: true}
		if tt.known != nil {
			tt.known(&k)
		}
		got := Find(tt.q, k, clock)
		if got.Verdict != tt.verdict || got.By != tt.by || !strings.Contains(got.Text, tt.text) {
			t.Errorf("%s: %s by %q: %s\nwant %s by %q: %s", tt.name, got.Verdict, got.By, got.Text, tt.verdict, tt.by, tt.text)
		}
		for _, words := range tt.notes {
			if !slices.ContainsFunc(got.Notes, func(n string) bool { return strings.Contains(n, words) }) {
				t.Errorf("%s: no note has %q: %q", tt.name, words, got.Notes)
			}
		}
		if got.Verdict == Unknown && got.By == "" && len(got.Decide) == 0 {
			t.Errorf("%s: nothing would decide it", tt.name)
		}
		if got.Verdict != Unknown && got.By != "" && len(got.Entries)+len(got.Evidence) == 0 {
			t.Errorf("%s: by no evidence", tt.name)
		}
	}
}

// What a user writes into the journal of others proves nothing.
func TestForged(t *testing.T) {
	forged := witnesses(t, `{"__REALTIME_TIMESTAMP":"1764415200000000","SYSLOG_IDENTIFIER":"systemd-oomd","_PID":"9","_UID":"1000","_SYSTEMD_UNIT":"session-1.scope","MESSAGE":"Killed /system.slice/cart.service due to memory pressure for /system.slice being 51.07% > 50.00% for > 20s with reclaim activity"}
`)
	got := Find(Question{Unit: "cart.service"}, Known{Timeline: &timeline.Document{}, Witnesses: forged}, clock)
	if got.Verdict != Unknown || !strings.Contains(strings.Join(got.Notes, "\n"), "user 1000 wrote that line") {
		t.Errorf("%+v", got)
	}
	real := witnesses(t, `{"__REALTIME_TIMESTAMP":"1764415100000000","SYSLOG_IDENTIFIER":"systemd","_PID":"1","_UID":"0","_SYSTEMD_UNIT":"init.scope","UNIT":"cart.service","MESSAGE":"cart.service: State 'stop-sigterm' timed out. Killing."}
`)
	got = Find(Question{Unit: "cart.service"}, Known{Timeline: &timeline.Document{}, Witnesses: append(real, forged...)}, clock)
	if got.Verdict != No || got.By != event.VerdictSystemd {
		t.Errorf("a line that is sure beside it: %+v", got)
	}
}

func TestOwns(t *testing.T) {
	pod := &event.Pod{Namespace: "shop", Name: "cart"}
	for _, tt := range []struct {
		q    Question
		want bool
	}{
		{Question{PID: 7, Unit: "a.service"}, true}, {Question{Unit: "b.service"}, false},
		{Question{Pod: "shop/cart"}, true}, {Question{Pod: "shop/cart", Unit: "b.service"}, false}, {Question{PID: 7}, false},
	} {
		if got := tt.q.Owns("a.service", nil, pod); got != tt.want {
			t.Errorf("%+v: %v", tt.q, got)
		}
	}
}

// A process that takes a name of others is not they.
func TestHostileNames(t *testing.T) {
	d := &timeline.Document{Entries: []timeline.Entry{{Event: &event.Event{Kill: &event.Kill{
		Victim: event.Victim{PID: 9, Comm: event.Ptr("\ufffd"), CommHex: "ff", Cgroup: &event.Cgroup{Path: "/a/kubepods-podx.slice\n"}},
	}}}}}
	if got := Find(Question{Comm: "\ufffd"}, Known{Timeline: d}, clock); got.Verdict != Unknown {
		t.Errorf("by its mended name: %+v", got)
	}
	if got := Find(Question{Comm: "\xff"}, Known{Timeline: d}, clock); got.Verdict != Yes {
		t.Errorf("by its own name: %+v", got)
	}
}

// A pid comes again, and a unit is started anew: the last end is in question. What is done
// in the course of a kill is no other end.
func TestLastEnd(t *testing.T) {
	const later = 24 * time.Hour
	kill := func(after time.Duration) *event.Event {
		return &event.Event{Time: noon.Add(after), Kill: &event.Kill{Scope: event.ScopeGlobal, Victim: event.Victim{PID: 7, Comm: event.Ptr("job"), Unit: "job.service"}}}
	}
	sigkill := func(after time.Duration) *event.Event {
		return &event.Event{Time: noon.Add(after), Sigkill: &event.Sigkill{
			Victim: event.Task{PID: 7, Comm: event.Ptr("job"), Unit: "job.service"}, Verdict: event.VerdictOther, Sender: &event.Task{PID: 9, Comm: event.Ptr("bash")},
		}}
	}
	began := func(e *event.Event, ns uint64) *event.Event {
		if e.Kill != nil {
			e.Kill.Victim.StartBoottimeNS = &ns
		} else {
			e.Sigkill.Victim.StartBoottimeNS = &ns
		}
		return e
	}
	dying := func(after time.Duration) *event.Event {
		return &event.Event{Time: noon.Add(after), NoKill: &event.NoKill{Victim: &event.Victim{PID: 7, Comm: event.Ptr("job")}}}
	}
	log := witnesses(t, `Nov 29 12:01:30 h systemd[1]: job.service: Killing process 7 (job) with signal SIGKILL.
`)
	for _, tt := range []struct {
		name    string
		q       Question
		events  []*event.Event
		lines   []Witness
		verdict Verdict
		text    string
		note    string
	}{
		{"the pid once more", Question{PID: 7}, []*event.Event{kill(0), sigkill(later)}, nil, No, "bash[9] killed job[7]", "before that the kernel's OOM killer killed job[7], 12:00:00"},
		{"the unit once more", Question{Unit: "job.service"}, []*event.Event{kill(0), sigkill(later)}, nil, No, "bash[9] killed job[7]", "before that"},
		{"the pid once more, soon", Question{PID: 7}, []*event.Event{began(kill(0), 1e9), began(sigkill(time.Minute), 50e9)}, nil, No, "bash[9] killed job[7]", "before that"},
		{"the same one", Question{PID: 7}, []*event.Event{began(kill(0), 1e9), began(sigkill(time.Minute), 1e9+1)}, nil, Yes, "the kernel's OOM killer killed", ""},
		{"killed after that", Question{PID: 7}, []*event.Event{sigkill(0), kill(later)}, nil, Yes, "the kernel's OOM killer killed", ""},
		{"in its course", Question{Unit: "job.service"}, []*event.Event{kill(0), sigkill(90 * time.Second)}, nil, Yes, "the kernel's OOM killer killed", ""},
		{"of what it was dying is known", Question{PID: 7}, []*event.Event{sigkill(0), dying(time.Second)}, nil, No, "bash[9] killed job[7]", ""},
		{"dying of a kill", Question{PID: 7}, []*event.Event{kill(0), dying(time.Hour)}, nil, Yes, "the kernel's OOM killer killed", ""},
		{"systemd, a day after", Question{PID: 7}, []*event.Event{kill(-later)}, log, No, "systemd killed job[7], 12:01:30", "before that"},
		{"systemd, in its course", Question{PID: 7}, []*event.Event{kill(0)}, log, Yes, "the kernel's OOM killer killed", ""},
	} {
		d := &timeline.Document{Boots: []timeline.Boot{{}}}
		for _, e := range tt.events {
			d.Entries = append(d.Entries, timeline.Entry{Event: e})
		}
		got := Find(tt.q, Known{Timeline: d, Witnesses: tt.lines}, clock)
		if got.Verdict != tt.verdict || !strings.Contains(got.Text, tt.text) || !strings.Contains(strings.Join(got.Notes, "\n"), tt.note) {
			t.Errorf("%s: %s: %s; %q", tt.name, got.Verdict, got.Text, got.Notes)
		}
	}
}

// That all kills are known proves nothing of one that may be among them, nor where the list
// is from a file that any user writes to.
func TestNotAmongThem(t *testing.T) {
	doc := func(v event.Victim, s timeline.Source) *timeline.Document {
		return &timeline.Document{
			Sources: []timeline.Source{s}, Boots: []timeline.Boot{{Running: true}},
			Entries: []timeline.Entry{{Event: &event.Event{Kill: &event.Kill{Victim: v}}, SeenIn: []int{0}}},
		}
	}
	kmsg := timeline.Source{Kind: timeline.KindKernelLog, Format: "kmsg"}
	syslog := timeline.Source{Kind: timeline.KindKernelLog, Format: "syslog"}
	for _, tt := range []struct {
		name    string
		q       Question
		victim  event.Victim
		source  timeline.Source
		verdict Verdict
		note    string
	}{
		{"another", Question{PID: 42}, event.Victim{PID: 7}, kmsg, No, ""},
		{"another, by the record", Question{PID: 42}, event.Victim{PID: 7}, timeline.Source{Kind: timeline.KindRecord}, No, ""},
		{"another, by anybody", Question{PID: 42}, event.Victim{PID: 7}, syslog, Unknown, "1 are in no log"},
		{"of which unit is not told", Question{PID: 42, Unit: "web.service"}, event.Victim{PID: 42, Comm: event.Ptr("webd")}, kmsg, Unknown, "killed webd[42]; whether that is the one"},
		{"of which pod is not told", Question{PID: 42, Pod: "shop/cart"}, event.Victim{PID: 42}, kmsg, Unknown, "whether that is the one"},
		{"a pid in a container", Question{PID: 42}, event.Victim{PID: 4242, NSPID: event.Ptr(42)}, kmsg, Unknown, "which had pid 42 in its container"},
		{"by anybody", Question{PID: 7}, event.Victim{PID: 7}, syslog, Yes, "any user can write such a one"},
	} {
		got := Find(tt.q, Known{Timeline: doc(tt.victim, tt.source), KillsSinceBoot: event.Ptr[uint64](1)}, clock)
		if got.Verdict != tt.verdict || !strings.Contains(strings.Join(got.Notes, "\n"), tt.note) {
			t.Errorf("%s: %s: %s; %q", tt.name, got.Verdict, got.Text, got.Notes)
		}
	}
}

// Who has the pid now, elsewhere, is not the one in question.
func TestRunsElsewhere(t *testing.T) {
	now := &Now{Comm: event.Ptr("sshd"), Unit: "ssh.service", Started: noon}
	for q, want := range map[Question]Verdict{
		{PID: 7}: No, {PID: 7, Unit: "ssh.service"}: No, {PID: 7, Unit: "web.service"}: Unknown, {PID: 7, Pod: "shop/cart"}: Unknown,
	} {
		if got := Find(q, Known{Timeline: &timeline.Document{}, Now: now}, clock); got.Verdict != want {
			t.Errorf("%+v: %s: %s", q, got.Verdict, got.Text)
		}
	}
}

// A user who writes what systemd writes of a kill makes no "yes", nor a story without end.
func TestForgedKill(t *testing.T) {
	const line = `{"__REALTIME_TIMESTAMP":"1764415200000000","SYSLOG_IDENTIFIER":"systemd","_PID":"9","_UID":"1000","_SYSTEMD_UNIT":"session-1.scope","MESSAGE":"cart.service: A process of this unit has been killed by the OOM killer."}` + "\n"
	forged := witnesses(t, strings.Repeat(line, 100))
	if len(forged) != 100 {
		t.Fatalf("%d lines", len(forged))
	}
	got := Find(Question{Unit: "cart.service"}, Known{Timeline: &timeline.Document{}, Witnesses: forged}, clock)
	if got.Verdict != Unknown || len(got.Evidence) > citedMost {
		t.Errorf("%s: %s, %d lines", got.Verdict, got.Text, len(got.Evidence))
	}
	real := witnesses(t, `{"__REALTIME_TIMESTAMP":"1764415100000000","SYSLOG_IDENTIFIER":"systemd-oomd","_PID":"8","_UID":"0","_SYSTEMD_UNIT":"systemd-oomd.service","MESSAGE":"Killed /system.slice/cart.service due to memory pressure for /system.slice being 51.07% > 50.00% for > 20s with reclaim activity"}
`)
	got = Find(Question{Unit: "cart.service"}, Known{Timeline: &timeline.Document{}, Witnesses: append(real, forged...)}, clock)
	if got.Verdict != No || got.By != event.VerdictSystemdOOMD {
		t.Errorf("beside a line that is sure: %s: %s", got.Verdict, got.Text)
	}
}
