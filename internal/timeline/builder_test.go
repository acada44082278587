// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// killed is the line of a kill, behind a prefix.
func killed(prefix string, pid, anonMB int, comm string) string {
	return fmt.Sprintf("%sOut of memory: Killed process %d (%s) total-vm:%dkB, anon-rss:%dkB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:48kB oom_score_adj:0\n",
		prefix, pid, comm, anonMB*2048, anonMB*1024)
}

// input is a source of a test.
type input struct {
	path   string
	log    string         // a log
	events []*event.Event // or a record
	mod    time.Time
	bootID string
	own    bool
}

// build makes a timeline, and checks that it conforms to the schema.
func build(t *testing.T, o timeline.Options, inputs ...input) *timeline.Document {
	t.Helper()
	b := timeline.New(o)
	for _, in := range inputs {
		i := timeline.Input{Source: timeline.Source{Path: in.path}, ModTime: in.mod, BootID: in.bootID, Own: in.own}
		var err error
		if in.events != nil {
			var text []byte
			for _, e := range in.events {
				if text, err = new(event.Encoder).Append(text, e); err != nil {
					t.Fatal(err)
				}
			}
			i.Reader = bytes.NewReader(text)
			err = b.Record(t.Context(), i)
		} else {
			i.Reader = strings.NewReader(in.log)
			err = b.Log(t.Context(), i)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d := b.Document()
	var out bytes.Buffer
	if err := d.Write(&out); err != nil {
		t.Fatal(err)
	}
	validate(t, out.Bytes())
	return d
}

// told is an entry in short: its boot, time, basis and guesses, who was killed, and who
// tells it.
func short(d *timeline.Document) []string {
	var out []string
	for _, e := range d.Entries {
		at := "-"
		if !e.Time.IsZero() {
			at = e.Time.Format("2006-01-02 15:04:05")
		}
		s := fmt.Sprintf("%d %s %s", e.Boot, at, e.TimeBasis)
		for _, g := range e.TimeGuessed {
			s += " ~" + string(g)
		}
		s += " " + string(e.Type)
		if e.Kill != nil {
			s += fmt.Sprintf(" %d", e.Kill.Victim.PID)
		}
		out = append(out, s+fmt.Sprint(" ", e.SeenIn))
	}
	return out
}

func want(t *testing.T, d *timeline.Document, entries ...string) {
	t.Helper()
	if diff := cmp.Diff(entries, short(d)); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
}

func utc(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

const host = "Jun 20 12:47:%02d db1 kernel: [%d.%06d] "

// What syslog knows of the clock holds for dmesg, which goes further back.
func TestStampsGetTheTimesOfAnotherLog(t *testing.T) {
	syslog := killed(fmt.Sprintf(host, 2, 1000, 0), 7, 10, "hog") + killed(fmt.Sprintf(host, 12, 1010, 0), 8, 20, "hog")
	dmesg := killed("[  990.000000] ", 6, 5, "early") + killed("[ 1000.000000] ", 7, 10, "hog") + killed("[ 1010.000000] ", 8, 20, "hog")
	d := build(t, timeline.Options{Year: 2026, Zone: time.UTC}, input{path: "messages", log: syslog}, input{path: "dmesg", log: dmesg})
	want(t, d,
		"0 2026-06-20 12:46:52 printk oom.kill 6 [1]",
		"0 2026-06-20 12:47:02 syslog oom.kill 7 [0 1]",
		"0 2026-06-20 12:47:12 syslog oom.kill 8 [0 1]",
	)
	if len(d.Boots) != 1 || d.Boots[0].Began != utc("2026-06-20 12:30:22") || d.Boots[0].Kills != 3 || d.Boots[0].Host.Name != "db1" {
		t.Errorf("%+v", d.Boots)
	}
	if d.Entries[0].Kill.Incident.ID != d.Entries[2].Kill.Incident.ID || d.Entries[2].Kill.Incident.Kills != 3 {
		t.Errorf("incident %+v", d.Entries[2].Kill.Incident)
	}
}

// Of a syslog without stamps and a dmesg without times, the kill that both have tells
// how they go together.
func TestTimesAndStampsMeetInAKill(t *testing.T) {
	syslog := killed("Jun 20 12:47:02 db1 kernel: ", 7, 10, "hog") + killed("Jun 20 13:47:02 db1 kernel: ", 9, 30, "late")
	dmesg := killed("[  990.000000] ", 6, 5, "early") + killed("[ 1000.000000] ", 7, 10, "hog")
	d := build(t, timeline.Options{Year: 2026, Zone: time.UTC}, input{path: "messages", log: syslog}, input{path: "dmesg", log: dmesg})
	want(t, d,
		"0 2026-06-20 12:46:52 printk oom.kill 6 [1]",
		"0 2026-06-20 12:47:02 syslog oom.kill 7 [1 0]",
		"0 2026-06-20 13:47:02 syslog oom.kill 9 [0]",
	)
}

// bpf is a kill as the kernel programs see it.
func bpf(seq, ns uint64, pid, anonMB int, comm string, at time.Time) *event.Event {
	mb := func(n int) *uint64 { return event.Ptr(uint64(n) << 20) }
	return &event.Event{
		Schema: event.Schema, Type: event.TypeOOMKill, Session: "5e", Seq: seq, Time: at, BoottimeNS: &ns, Source: event.SourceBPF,
		Host: &event.Host{Name: "db1", BootID: "3b1f0a52-7c7e-4d0e-9a58-0c8f6f2d9e11", PageSizeBytes: 4096},
		Kill: &event.Kill{
			Episode: fmt.Sprintf("3b1f0a52-%x", ns), Scope: event.ScopeGlobal, Role: event.RoleChosen,
			Victim: event.Victim{PID: pid, Comm: &comm, TotalVMBytes: mb(2 * anonMB), AnonRSSBytes: mb(anonMB)},
			Memory: &event.Memory{FreeBytes: mb(3), Source: "meminfo"},
		},
	}
}

// The watcher's account goes before the log's, which fills what it lacks.
func TestWatcherAndLog(t *testing.T) {
	at := utc("2026-06-20 12:47:02")
	second := uint64(time.Second)
	live := bpf(1, 1000*second, 7, 10, "hog", at)
	live.Kill.Victim.OOMScoreAdj = event.Ptr(100)
	live.Kill.Victim.AnonRSSBytes = event.Ptr(uint64(90 << 20)) // the log says 10 MiB
	dmesg := killed("[  990.000000] ", 6, 5, "early") + killed("[ 1000.001000] ", 7, 10, "hog")
	d := build(t, timeline.Options{}, input{path: "events.jsonl", events: []*event.Event{live, bpf(2, 1500*second, 8, 20, "hog", at.Add(500*time.Second))}},
		input{path: "dmesg", log: dmesg, bootID: "3b1f0a527c7e4d0e9a580c8f6f2d9e11"})
	want(t, d,
		"0 2026-06-20 12:46:52 printk oom.kill 6 [1]",
		"0 2026-06-20 12:47:02  oom.kill 7 [0 1]",
		"0 2026-06-20 12:55:22  oom.kill 8 [0]",
	)
	e := d.Entries[1]
	if e.Source != event.SourceBPF || e.PrintkNS == nil || *e.PrintkNS != 1000*second+1_000_000 {
		t.Errorf("source %s, printk %v", e.Source, e.PrintkNS)
	}
	v := e.Kill.Victim
	if v.UID == nil || *v.UID != 0 || v.PgtablesBytes == nil || *v.OOMScoreAdj != 100 || *v.AnonRSSBytes != 90<<20 {
		t.Errorf("victim %+v", v)
	}
	for _, name := range []string{"victim.uid", "victim.pgtables_bytes", "victim.file_rss_bytes", "message"} {
		if e.Kill.Sources[name] != "kmsg" {
			t.Errorf("%s is from %q", name, e.Kill.Sources[name])
		}
	}
	if e.Kill.Sources["victim.anon_rss_bytes"] != "" || e.Kill.Memory.Source != "meminfo" {
		t.Errorf("what the watcher knows was replaced: %v", e.Kill.Sources)
	}
	if diff := cmp.Diff([]string{
		"victim.anon_rss_bytes: 94371840, but 10485760 in source 1",
		"victim.oom_score_adj: 100, but 0 in source 1",
	}, e.Differs); diff != "" {
		t.Error(diff)
	}
}

// backfilled is a kill from before its session, which the kernel's log told.
func backfilled(session string, seq, stamp uint64, pid int, bootID string, at time.Time) *event.Event {
	e := bpf(seq, stamp, pid, 10, "hog", at)
	e.Session, e.Source, e.Host.BootID = session, event.SourceKmsg, bootID
	e.BoottimeNS, e.PrintkNS, e.Backfill = nil, &stamp, true
	e.TimeBasis, e.TimeErrorMS = event.BasisPrintk, event.Ptr(int64(250))
	e.Kill.Memory = nil
	e.Kill.Episode = fmt.Sprintf("log-%x", stamp)
	return e
}

// A watcher that is started again reads the kernel's log again, and writes the kills of it
// once more. Each is told once, though a session's clock puts it elsewhere.
func TestBackfilledInEachSession(t *testing.T) {
	const boot, other = "3b1f0a52-7c7e-4d0e-9a58-0c8f6f2d9e11", "9c2d7e10-55aa-4b7c-8f00-1d2e3f405162"
	at, second := utc("2026-06-20 12:47:02"), uint64(time.Second)
	// Both sessions tell of 7, and of 8, whose pid is used again; the second was there
	// when 9 was killed, and the third tells of it.
	first := []*event.Event{
		backfilled("5e", 1, 1000*second, 7, boot, at),
		backfilled("5e", 2, 1010*second, 8, boot, at.Add(10*time.Second)),
		backfilled("5e", 3, 1040*second, 8, boot, at.Add(40*time.Second)),
	}
	var again []*event.Event
	for i, e := range first {
		again = append(again, backfilled("6f", uint64(i), *e.PrintkNS, e.Kill.Victim.PID, boot, e.Time.Add(180*time.Millisecond)))
	}
	live := bpf(9, 1100*second, 9, 10, "hog", at.Add(100*time.Second))
	live.Session = "6f"
	again = append(again, live)
	third := []*event.Event{
		backfilled("70", 1, 1000*second, 7, boot, at.Add(-90*time.Millisecond)),
		backfilled("70", 2, 1100*second+1_000_000, 9, boot, at.Add(100*time.Second-90*time.Millisecond)),
		// Another boot has one of the same pid at the same stamp.
		backfilled("71", 1, 1000*second, 7, other, at.Add(24*time.Hour)),
	}
	t.Run("one record", func(t *testing.T) {
		d := build(t, timeline.Options{}, input{path: "events.jsonl", events: slices.Concat(first, again, third)})
		want(t, d,
			"0 2026-06-20 12:47:02 printk oom.kill 7 [0]",
			"0 2026-06-20 12:47:12 printk oom.kill 8 [0]",
			"0 2026-06-20 12:47:42 printk oom.kill 8 [0]",
			"0 2026-06-20 12:48:42  oom.kill 9 [0]",
			"1 2026-06-21 12:47:02 printk oom.kill 7 [0]",
		)
		for i, e := range d.Entries {
			if len(e.Differs) > 0 {
				t.Errorf("entry %d differs: %q", i, e.Differs)
			}
		}
	})
	t.Run("a record each", func(t *testing.T) {
		d := build(t, timeline.Options{}, input{path: "1", events: first}, input{path: "2", events: again}, input{path: "3", events: third})
		want(t, d,
			"0 2026-06-20 12:47:02 printk oom.kill 7 [0 1 2]",
			"0 2026-06-20 12:47:12 printk oom.kill 8 [0 1]",
			"0 2026-06-20 12:47:42 printk oom.kill 8 [0 1]",
			"0 2026-06-20 12:48:42  oom.kill 9 [1 2]",
			"1 2026-06-21 12:47:02 printk oom.kill 7 [2]",
		)
	})
}

// Without the boot's id it is the kill that tells that a log is of the watcher's boot.
func TestLogOfTheWatchersBoot(t *testing.T) {
	at, second := utc("2026-06-20 12:47:02"), uint64(time.Second)
	rec := input{path: "events.jsonl", events: []*event.Event{bpf(1, 1000*second, 7, 10, "hog", at)}}
	d := build(t, timeline.Options{}, rec, input{path: "dmesg", log: killed("[ 1000.001000] ", 7, 10, "hog")})
	want(t, d, "0 2026-06-20 12:47:02  oom.kill 7 [0 1]")
	// Of another size, it is another's.
	d = build(t, timeline.Options{}, rec, input{path: "dmesg", log: killed("[ 1000.001000] ", 7, 50, "hog")})
	want(t, d, "0 2026-06-20 12:47:02  oom.kill 7 [0]", "1 - order oom.kill 7 [1]")
}

// A pid that is used again within seconds is killed twice, and each is told once.
func TestPidUsedAgain(t *testing.T) {
	at, second := utc("2026-06-20 12:47:02"), uint64(time.Second)
	var live []*event.Event
	log := ""
	for i := range 4 {
		ns := 1000*second + uint64(i)*second/2
		live = append(live, bpf(uint64(i), ns, 7, 10, "hog", at.Add(time.Duration(i)*500*time.Millisecond)))
		// The second was killed before the watcher's programs saw it.
		log += killed(fmt.Sprintf("[ %d.%06d] ", 1000+i/2, i%2*500000+100), 7, 10, "hog")
	}
	live = append(live[:1], live[2:]...)
	d := build(t, timeline.Options{}, input{path: "events.jsonl", events: live}, input{path: "dmesg", log: log}, input{path: "again", log: log})
	want(t, d,
		"0 2026-06-20 12:47:02  oom.kill 7 [0 1 2]",
		"0 2026-06-20 12:47:02 printk oom.kill 7 [1 2]",
		"0 2026-06-20 12:47:03  oom.kill 7 [0 1 2]",
		"0 2026-06-20 12:47:03  oom.kill 7 [0 1 2]",
	)
	for i, e := range d.Entries {
		if in := e.Kill.Incident; in == nil || in.Kills != uint64(i+1) {
			t.Errorf("kill %d: incident %+v", i, in)
		}
	}
}

func TestBoots(t *testing.T) {
	first := "[    0.000000] Linux version 6.1.0 (x) #1\n" + killed("[   50.000000] ", 7, 10, "hog")
	second := "[    0.000000] Linux version 6.2.0 (x) #1\n" + killed("[   60.000000] ", 7, 10, "hog")
	d := build(t, timeline.Options{}, input{path: "console", log: first + second}, input{path: "dmesg", log: second})
	want(t, d,
		"0 - order kernel.boot [0]", "0 - order oom.kill 7 [0]",
		"1 - order kernel.boot [0 1]", "1 - order oom.kill 7 [0 1]",
	)
	if d.Boots[0].Offset != -1 || d.Boots[1].Offset != 0 || d.Boots[0].Host.Kernel != "6.1.0" || d.Boots[1].Host.Kernel != "6.2.0" {
		t.Errorf("%+v", d.Boots)
	}
	if diff := cmp.Diff([]int{0, 1}, d.Sources[0].Boots); diff != "" {
		t.Error(diff)
	}
}

// A log of several machines has a boot of each.
func TestMachines(t *testing.T) {
	log := ""
	for i := range 100 {
		log += fmt.Sprintf("2026-06-20T12:47:%02dZ db%d kernel: [%d.000000] hello\n", i%60, i%2, 1000*(i%2+1)+i)
	}
	log += killed("2026-06-20T12:49:02Z db0 kernel: [ 1200.000000] ", 7, 10, "hog") + killed("2026-06-20T12:49:02Z db1.example.com kernel: [ 2200.000000] ", 7, 10, "hog")
	d := build(t, timeline.Options{}, input{path: "messages", log: log})
	want(t, d, "0 2026-06-20 12:49:02 syslog oom.kill 7 [0]", "1 2026-06-20 12:49:02 syslog oom.kill 7 [0]")
}

func TestGuesses(t *testing.T) {
	log := killed("Dec 31 23:59:58 db1 kernel: [ 1000.000000] ", 7, 10, "hog") + killed("Jan  1 00:00:02 db1 kernel: [ 1004.000000] ", 8, 20, "hog")
	mod := utc("2026-03-01 00:00:00")
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	d := build(t, timeline.Options{}, input{path: "messages", log: log, mod: mod})
	want(t, d, "0 2025-12-31 23:59:58 syslog ~year ~zone oom.kill 7 [0]", "0 2026-01-01 00:00:02 syslog ~year ~zone oom.kill 8 [0]")
	if len(d.Sources[0].Notes) != 2 {
		t.Errorf("notes %q", d.Sources[0].Notes)
	}
	d = build(t, timeline.Options{Year: 2020, Zone: vienna}, input{path: "messages", log: log, mod: mod})
	want(t, d, "0 2019-12-31 22:59:58 syslog oom.kill 7 [0]", "0 2019-12-31 23:00:02 syslog oom.kill 8 [0]")
	// A log of this machine is in its zone, which is still a guess.
	d = build(t, timeline.Options{Machine: &timeline.Machine{Host: event.Host{Name: "db1"}, Zone: vienna}}, input{path: "messages", log: log, mod: mod})
	want(t, d, "0 2025-12-31 22:59:58 syslog ~year ~zone oom.kill 7 [0]", "0 2025-12-31 23:00:02 syslog ~year ~zone oom.kill 8 [0]")
	// The journal knows.
	iso := killed("2024-12-31T20:59:58Z db1 kernel: [ 1000.000000] ", 7, 10, "hog")
	d = build(t, timeline.Options{}, input{path: "messages", log: log, mod: mod}, input{path: "iso", log: iso})
	want(t, d, "0 2024-12-31 20:59:58 syslog oom.kill 7 [0 1]", "0 2024-12-31 21:00:02 syslog oom.kill 8 [0]")
}

func TestLeapDay(t *testing.T) {
	log := killed("Feb 29 23:59:58 db1 kernel: ", 7, 10, "hog")
	d := build(t, timeline.Options{}, input{path: "messages", log: log, mod: utc("2026-06-01 00:00:00")})
	want(t, d, "0 2024-02-29 23:59:58 syslog ~year ~zone oom.kill 7 [0]")
	d = build(t, timeline.Options{Year: 2026}, input{path: "messages", log: log})
	if notes := strings.Join(d.Sources[0].Notes, "\n"); !strings.Contains(notes, "February 29, which 2026 had not") {
		t.Errorf("notes %q", notes)
	}
}

// What dmesg computed is not trusted, and gives way to what is.
func TestDmesgTimes(t *testing.T) {
	dmesg := killed("[Sat Jun 20 11:00:00 2026] ", 7, 10, "hog")
	d := build(t, timeline.Options{Zone: time.UTC}, input{path: "dmesg-T", log: dmesg})
	want(t, d, "0 2026-06-20 11:00:00 dmesg oom.kill 7 [0]")
	iso := killed("2026-06-20T12:47:02Z db1 kernel: [ 1000.000000] ", 7, 10, "hog")
	d = build(t, timeline.Options{Zone: time.UTC}, input{path: "dmesg-T", log: dmesg}, input{path: "iso", log: iso})
	want(t, d, "0 2026-06-20 12:47:02 syslog oom.kill 7 [1 0]")
}

// The stamps of this machine's running boot have times.
func TestRunningBoot(t *testing.T) {
	m := &timeline.Machine{Host: event.Host{Name: "db1", BootID: "3b1f0a52-7c7e-4d0e-9a58-0c8f6f2d9e11", PageSizeBytes: 4096}, Booted: utc("2026-06-20 00:00:00"), Suspended: 10 * time.Second}
	o := timeline.Options{Machine: m, Now: utc("2026-06-20 12:00:00")}
	d := build(t, o, input{path: "/dev/kmsg", log: "3,1,1000000000,-;" + killed("", 7, 10, "hog"), own: true, bootID: m.Host.BootID})
	want(t, d, "0 2026-06-20 00:16:50 printk oom.kill 7 [0]")
	if !d.Boots[0].Running || d.Boots[0].Host.Name != "db1" || d.Entries[0].Host.PageSizeBytes != 4096 {
		t.Errorf("%+v", d.Boots[0])
	}
	if ms := d.Entries[0].TimeErrorMS; ms == nil || *ms != 10_000 {
		t.Errorf("off by %v ms, want what it slept", ms)
	}
	// Another machine's are not of it.
	d = build(t, o, input{path: "dmesg", log: killed("[ 1000.000000] ", 7, 10, "hog")})
	want(t, d, "0 - order oom.kill 7 [0]")
}

// However many kills there are, memory is bounded, and what is left out is told.
func TestBounds(t *testing.T) {
	log := ""
	for i := range 10 {
		log += fmt.Sprintf("[ %d.000000] hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n", 1000+i) +
			fmt.Sprintf("[ %d.000001] Tasks state (memory values in pages):\n", 1000+i) +
			fmt.Sprintf("[ %d.000002] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n", 1000+i) +
			fmt.Sprintf("[ %d.000003] [    %d]     0    %d     1000     2000    49152        0             0 hog\n", 1000+i, 100+i, 100+i) +
			killed(fmt.Sprintf("[ %d.000004] ", 1000+i), 100+i, 10, "hog")
	}
	d := build(t, timeline.Options{Full: 3, Most: 7}, input{path: "dmesg", log: log})
	if len(d.Entries) != 7 || *d.Sources[0].Kills != 10 || d.Sources[0].LeftOut == nil || *d.Sources[0].LeftOut != 3 {
		t.Fatalf("%d entries, %+v", len(d.Entries), d.Sources[0])
	}
	var pids []int
	for i, e := range d.Entries {
		pids = append(pids, e.Kill.Victim.PID)
		full := len(e.Kill.Candidates) > 0
		cut := len(e.Truncated) > 0
		if full != (i < 3) || cut == full {
			t.Errorf("kill %d: %d candidates, truncated %v", i, len(e.Kill.Candidates), e.Truncated)
		}
	}
	if diff := cmp.Diff([]int{100, 101, 102, 106, 107, 108, 109}, pids); diff != "" {
		t.Errorf("the first in full, and the last:\n%s", diff)
	}
}

func TestRecordDamaged(t *testing.T) {
	line, err := new(event.Encoder).Append(nil, bpf(1, 1, 7, 10, "hog", utc("2026-06-20 12:47:02")))
	if err != nil {
		t.Fatal(err)
	}
	b := timeline.New(timeline.Options{})
	text := string(line) + "{broken\n" + strings.Replace(string(line), "oom.kill", "oom.newer", 1) + string(line[:40])
	if err := b.Record(t.Context(), timeline.Input{Reader: strings.NewReader(text)}); err != nil {
		t.Fatal(err)
	}
	d := b.Document()
	s := d.Sources[0]
	if len(d.Entries) != 1 || s.State != timeline.StateDamaged || *s.Bad != 2 || *s.Unknown != 1 || !strings.HasPrefix(s.Error, "line 2: ") {
		t.Errorf("%d entries, %+v", len(d.Entries), s)
	}
}

// A watcher that was started again and again takes bounded room: what it saw last is told,
// that it never ended is said once.
func TestManySessions(t *testing.T) {
	const n = 5000
	var events []*event.Event
	for i := range uint64(n) {
		e := bpf(i, 1000*uint64(time.Second)+i, int(i)+1, 10, "hog", utc("2026-06-20 12:47:02"))
		e.Session = fmt.Sprintf("%016x", i)
		start := *e
		start.Type, start.Kill, start.SessionStart = event.TypeSessionStart, nil, eventtest.SessionStart().SessionStart
		events = append(events, &start)
		if i == 0 || i == n-1 {
			events = append(events, e)
		}
	}
	d := build(t, timeline.Options{}, input{path: "events.jsonl", events: events})
	if len(d.Boots) != 1 || len(d.Entries) == 0 || d.Entries[len(d.Entries)-1].Kill.Victim.PID != n {
		t.Errorf("%d boots, %d entries", len(d.Boots), len(d.Entries))
	}
	if got := d.Sources[0].Notes; len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprintf("of %d watchers the end was not recorded", n)) {
		t.Errorf("%d notes, the first %q", len(got), got[0])
	}
}

// Samples are told where a kill followed.
func TestSamples(t *testing.T) {
	at := utc("2026-06-20 12:47:02")
	sample := func(seq uint64, ago time.Duration) *event.Event {
		e := bpf(seq, uint64(time.Hour-ago), 0, 0, "", at.Add(-ago))
		e.Type, e.Source, e.Kill, e.Sample = event.TypeSample, event.SourceProc, nil, &event.Sample{Reason: event.SampleInterval}
		return e
	}
	d := build(t, timeline.Options{}, input{path: "events.jsonl", events: []*event.Event{
		sample(1, 30*time.Minute), sample(2, time.Minute), bpf(3, uint64(time.Hour), 7, 10, "hog", at), sample(4, -time.Minute),
	}})
	want(t, d, "0 2026-06-20 12:46:02  sample [0]", "0 2026-06-20 12:47:02  oom.kill 7 [0]")
	if notes := strings.Join(d.Sources[0].Notes, "\n"); !strings.HasPrefix(notes, "2 samples ") {
		t.Errorf("notes %q", notes)
	}
}

// Which source was named first does not matter: of two daemons' times of one kill the
// finer one is told, with its own error.
func TestOrderOfSources(t *testing.T) {
	fine := input{path: "fine", log: killed("2026-06-20T12:46:52.613000+00:00 db1 kernel: [ 1000.100000] ", 611, 10, "hog")}
	coarse := input{path: "coarse", mod: utc("2026-06-21 00:00:00"), log: killed("Jun 20 12:46:52 db1 kernel: [ 1000.100000] ", 611, 10, "hog")}
	for _, inputs := range [][]input{{fine, coarse}, {coarse, fine}} {
		d := build(t, timeline.Options{Zone: time.UTC, Year: 2026}, inputs...)
		if len(d.Entries) != 1 {
			t.Fatalf("%d entries, want one", len(d.Entries))
		}
		e := d.Entries[0]
		if e.Time.Nanosecond() != 613_000_000 || e.TimeErrorMS != nil {
			t.Errorf("%s first: the time is %v, off by %v; want that of the finer log", inputs[0].path, e.Time, e.TimeErrorMS)
		}
	}
}

// A log without the kernel's stamps that has lines twice, as one that was put together of
// pieces that overlap, tells of one boot and of one kill. Another time, pid or size is
// another kill.
func TestToldAgainWithoutStamps(t *testing.T) {
	const prefix = "2026-06-20T12:%s+00:00 db1 kernel: "
	at := func(s string) string { return fmt.Sprintf(prefix, s) }
	log := at("00:00") + "Linux version 6.1.0 (a@b) #1 SMP\n" +
		killed(at("46:52"), 611, 10, "hog") + at("46:52") + "oom_reaper: reaped process 611 (hog), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB\n" +
		killed(at("46:52"), 612, 10, "hog") + killed(at("46:53"), 611, 20, "hog")
	more := killed(at("50:00"), 613, 10, "hog")
	for name, c := range map[string]struct {
		log   string
		kills uint64
	}{
		"with its boot":    {log + log + more, 4},
		"thrice":           {log + log + log, 3},
		"without":          {log + log[strings.Index(log, "\n")+1:] + more, 4},
		"of two machines":  {log + strings.ReplaceAll(log, "db1", "db2"), 6},
		"on the day after": {log + strings.ReplaceAll(log, "06-20", "06-21"), 6},
	} {
		t.Run(name, func(t *testing.T) {
			d := build(t, timeline.Options{}, input{log: c.log})
			boots := map[bool]int{true: 2, false: 1}[c.kills == 6]
			ends := 0
			for _, e := range d.Entries {
				if e.End != nil {
					ends++
				}
			}
			if ends != boots {
				t.Errorf("%d ends, want %d", ends, boots)
			}
			if kills := *d.Sources[0].Kills; kills != c.kills || d.Kills() != int(c.kills) || len(d.Boots) != boots {
				t.Errorf("%d kills in the source, %d in the timeline, %d boots; want %d, in %d\n%q", kills, d.Kills(), len(d.Boots), c.kills, boots, short(d))
			}
		})
	}
}

// A machine that starts the same in each boot has the same process killed at the same
// moment of it. Each log belongs to the boot in which its times are, and to none that is
// not there.
func TestAlikeInEachBoot(t *testing.T) {
	began := []time.Time{utc("2026-06-20 12:00:00"), utc("2026-06-21 12:00:00")}
	records, logs := make([]input, 2), make([]input, 2)
	for i, at := range began {
		stamp := time.Minute + time.Duration(i)*300*time.Millisecond
		e := bpf(1, uint64(stamp), 611, 10, "svc", at.Add(stamp))
		e.Session, e.Host = fmt.Sprintf("%x", i+1), &event.Host{Name: "db1", BootID: fmt.Sprintf("%08x-7c7e-4d0e-9a58-0c8f6f2d9e11", i)}
		records[i] = input{path: "record", events: []*event.Event{e}}
		log := ""
		for k := range 3 {
			log += fmt.Sprintf("%s db1 kernel: [%5d.000000] eth0: link is up\n", at.Add(time.Duration(k)*time.Second).Format("2006-01-02T15:04:05.000000Z07:00"), k)
		}
		log += killed(fmt.Sprintf("%s db1 kernel: [%12.6f] ", at.Add(stamp).Format("2006-01-02T15:04:05.000000Z07:00"), stamp.Seconds()), 611, 10, "svc")
		logs[i] = input{path: "log", log: log}
	}
	for name, c := range map[string]struct {
		inputs []input
		seen   [][]int
	}{
		"both records":         {[]input{records[0], records[1], logs[1]}, [][]int{{0}, {1, 2}}},
		"both, the log first":  {[]input{logs[1], records[0], records[1]}, [][]int{{1}, {2, 0}}},
		"another boot's":       {[]input{records[0], logs[1]}, [][]int{{0}, {1}}},
		"another boot's, back": {[]input{records[1], logs[0]}, [][]int{{1}, {0}}},
		"all":                  {[]input{records[1], records[0], logs[1], logs[0]}, [][]int{{1, 3}, {0, 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			var seen [][]int
			for _, e := range build(t, timeline.Options{}, c.inputs...).Entries {
				seen = append(seen, e.SeenIn)
			}
			if diff := cmp.Diff(c.seen, seen); diff != "" {
				t.Errorf("who tells of the kills (-want +got)\n%s", diff)
			}
		})
	}
}

// Of two watchers' accounts the earlier is told, whichever record was named first.
func TestTwoWatchers(t *testing.T) {
	var records []input
	for i := range 2 {
		e := bpf(1, uint64(time.Minute)+uint64(i), 611, 10, "hog", utc("2026-06-20 12:00:00"))
		e.Session = fmt.Sprintf("%x", i+1)
		records = append(records, input{events: []*event.Event{e}})
	}
	for _, inputs := range [][]input{{records[0], records[1]}, {records[1], records[0]}} {
		d := build(t, timeline.Options{}, inputs...)
		if len(d.Entries) != 1 || d.Entries[0].Session != "1" {
			t.Errorf("%q, want the first watcher's kill", short(d))
		}
	}
}

// A watcher that crashes in a loop leaves thousands of sessions: their kills are told,
// and one note.
func TestKillsOfManySessions(t *testing.T) {
	const sessions = 17_000
	var text []byte
	for i := range sessions {
		start := eventtest.SessionStart()
		kill := bpf(2, uint64(i+60)*uint64(time.Second), 1000+i, 10, "hog", utc("2026-06-20 12:00:00").Add(time.Duration(i)*time.Second))
		kill.Session = fmt.Sprintf("%x", i+1)
		start.Session, start.Host, start.BoottimeNS, start.Time = kill.Session, kill.Host, kill.BoottimeNS, kill.Time
		for _, e := range []*event.Event{start, kill} {
			var err error
			if text, err = new(event.Encoder).Append(text, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := timeline.New(timeline.Options{})
	if err := b.Record(t.Context(), timeline.Input{Reader: bytes.NewReader(text)}); err != nil {
		t.Fatal(err)
	}
	d := b.Document()
	if n := len(d.Sources[0].Notes); d.Kills() != sessions || len(d.Boots) != 1 || n != 1 {
		t.Errorf("%d kills in %d boots, %d notes; want %d in one, and one note", d.Kills(), len(d.Boots), n, sessions)
	}
}
