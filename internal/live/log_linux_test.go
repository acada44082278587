// SPDX-License-Identifier: Apache-2.0

package live

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/decode/incident"
	"github.com/oomtrace/oomtrace/tracer/devkmsg"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// logRig is a pump and a log that the test writes.
type logRig struct {
	rig
	t    *testing.T
	fd   int
	seq  int
	said []string // on stderr
}

// localNow is what a record that is written now is stamped with. Where that cannot be read,
// the boot clock does: then the log's times are taken from that, too.
func localNow(t testing.TB) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clock, err := devkmsg.OpenClock()
	if err != nil {
		t.Log(err)
		return time.Duration(ownClocks.boot())
	}
	defer func() { _ = clock.Close() }()
	now, _ := clock.Now()
	return time.Duration(now)
}

const testBoot = "1c3ad19a-e669-44f8-98ae-df94dfcc71dc"

// newLogRig makes one whose kernel has counted so many kills; negative: it does not tell.
func newLogRig(t *testing.T, counted int, set func(*session)) *logRig {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(ends[0], true); err != nil {
		t.Fatal(err)
	}
	log, err := devkmsg.New(ends[0])
	if err != nil {
		t.Fatal(err)
	}
	proc := t.TempDir()
	vmstat := "nr_free_pages 1\n"
	if counted >= 0 {
		vmstat += fmt.Sprintf("oom_kill %d\n", counted)
	}
	if err := os.WriteFile(filepath.Join(proc, "vmstat"), []byte(vmstat), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSession()
	if s.reader, err = procsnap.New(procsnap.Options{Proc: proc}); err != nil {
		t.Fatal(err)
	}
	s.host = &event.Host{BootID: testBoot, PageSizeBytes: 4096}
	s.opts.Source = SourceAuto
	offset, bound := s.clocks.sampleOffset()
	s.offsets.Set(0, offset)
	s.errorNS.Store(bound)
	s.log = newKernelLog(s, log)
	r := &logRig{t: t, fd: ends[1]}
	s.opts.Warn = func(w string) { r.said = append(r.said, w) }
	if set != nil {
		set(s)
	}
	r.rig = rigOf(s)
	t.Cleanup(func() {
		s.log.stop()
		if s.log.began != 0 {
			for range s.log.events { // what nobody has taken
			}
		}
		unix.Close(ends[1])
		if err := s.log.close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// write writes lines as they stand behind the stamp, ago before now.
func (r *logRig) write(ago time.Duration, lines ...string) {
	r.t.Helper()
	stamp := (localNow(r.t) - ago) / time.Microsecond
	for _, line := range lines {
		record := fmt.Sprintf("4,%d,%d,-;%s\n", r.seq, stamp, line)
		r.seq++
		if _, err := unix.Write(r.fd, []byte(record)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// before is as long ago as what no program may have seen.
const before = 2 * attaching

// texts are the texts of a file of /dev/kmsg's records.
func texts(t testing.TB, file string) (lines []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		_, text, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(";"))
		if !ok {
			t.Fatalf("no record: %q", line)
		}
		lines = append(lines, string(text))
	}
	return lines
}

func killLine(pid int) string {
	return fmt.Sprintf("Out of memory: Killed process %d (java) total-vm:2048kB, anon-rss:1024kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:8kB oom_score_adj:0", pid)
}

// take gives the pump n things that the log tells.
func (r *logRig) take(n int) {
	r.t.Helper()
	for range n {
		select {
		case e, more := <-r.fromLog:
			r.takeLogged(e, more)
		case <-time.After(20 * time.Second):
			r.t.Fatal("nothing comes from the log")
		}
	}
}

// conform checks events against the schema.
func conform(t *testing.T, events []*event.Event) {
	t.Helper()
	var enc event.Encoder
	for _, e := range events {
		lines, err := enc.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(lines) {
			if err := eventtest.Check(line); err != nil {
				t.Errorf("%v\n%s", err, line)
			}
		}
	}
}

// A report becomes an event for each process killed, as complete as the log makes it, and
// placed in time by its stamp.
func TestLogTells(t *testing.T) {
	r := newLogRig(t, 0, func(s *session) { s.log.tells = true })
	r.incidents = incident.New(time.Minute)
	r.log.start()
	r.take(1)
	if got := r.emitted(); len(got) != 0 || !slices.Equal(r.said, []string{"no kill since boot"}) {
		t.Errorf("%d events, said %q", len(got), r.said)
	}
	r.write(0, "usb 1-1: new device")
	written := time.Now()
	r.write(0, texts(t, "testdata/group.kmsg")...)
	r.write(0, "oom_reaper: reaped process 157 (sidecar), now anon-rss:0kB, file-rss:0kB, shmem-rss:0kB")
	r.take(4)
	got := r.emitted()
	conform(t, got)
	if len(got) != 4 || !slices.Equal(pids(got[:3]), []int{156, 157, 158}) || got[3].End == nil {
		t.Fatalf("%d events", len(got))
	}
	for i, e := range got {
		if e.Source != event.SourceKmsg || e.Seq != uint64(i+1) || e.Session != "00" || e.TimeBasis != event.BasisPrintk || e.PrintkNS == nil || e.Backfill || e.BoottimeNS != nil {
			t.Errorf("event %d: %+v", i, e)
		}
		if d := e.Time.Sub(written); d < -time.Second || d > 10*time.Second {
			t.Errorf("event %d: %v after it was written", i, d)
		}
		if e.TimeErrorMS == nil && r.log.clock != nil {
			t.Errorf("event %d: how sure its time is is not told", i)
		}
	}
	k := got[0].Kill
	if k.Scope != event.ScopeMemcg || k.Limit == nil || *k.Limit.Bytes != 32<<20 || k.Limit.Cgroup.Path != "/app.slice/pod1" || *k.Victim.AnonRSSBytes != 26112<<10 ||
		!strings.HasPrefix(k.Episode, testBoot[:8]+"-") || k.Snapshot == nil || k.Incident == nil || k.LeadUp == nil || *k.Trigger.Order != 0 {
		t.Errorf("kill %+v", k)
	}
	if in := got[2].Kill.Incident; in.Kills != 3 || in.Episodes != 1 || got[2].Kill.Role != event.RoleGroup {
		t.Errorf("the last: %s, %+v", got[2].Kill.Role, in)
	}
	if e := got[3].End; e.Episode != k.Episode || e.PID != 157 || e.Outcome != event.OutcomeReaped {
		t.Errorf("end %+v", e)
	}
	if r.received["oom.kill"] != 3 || r.shown != 3 || r.crossChecked() != nil {
		t.Errorf("received %v, shown %d, %+v", r.received, r.shown, r.crossChecked())
	}
}

// What nobody can be killed for is told at once, and in a storm not each time.
func TestLogNoKill(t *testing.T) {
	r := newLogRig(t, -1, func(s *session) { s.log.tells = true })
	r.log.start()
	r.take(1)
	const n = 2*noKillsEach + 1
	for range n {
		r.write(0, "Out of memory and no killable processes...")
	}
	r.take(n)
	if got := r.emitted(); len(got) < noKillsEach || len(got)+int(r.noKills.leftOut) != n || got[0].NoKill.Reason != event.NoKillNoCandidate {
		t.Errorf("%d told, %d left out", len(got), r.noKills.leftOut)
	}
}

// Only the last kills of the past are told, and count for nothing.
func TestBackfill(t *testing.T) {
	r := newLogRig(t, 7, nil)
	for pid := 101; pid <= 107; pid++ {
		r.write(before, killLine(pid))
	}
	r.write(before, "Out of memory and no killable processes...")
	r.log.start()
	r.take(1)
	got := r.emitted()
	conform(t, got)
	if !slices.Equal(pids(got), []int{103, 104, 105, 106, 107}) {
		t.Fatalf("told %v", pids(got))
	}
	for i, e := range got {
		ago := time.Since(e.Time)
		if !e.Backfill || e.Source != event.SourceKmsg || e.Seq != uint64(i+1) || e.TimeErrorMS != nil || e.Kill.Snapshot != nil || e.Kill.Incident != nil || ago < before || ago > before+time.Minute {
			t.Errorf("%v ago: %+v", ago, e)
		}
	}
	if r.shown != 0 || len(r.received) != 0 || len(r.written) != 0 {
		t.Errorf("shown %d, received %v, written %v", r.shown, r.received, r.written)
	}
	if want := []string{"7 kills since boot, the last 5 are told"}; !slices.Equal(r.said, want) {
		t.Errorf("said %q", r.said)
	}
}

func TestBackfillIsFiltered(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*session)
		told []int
		said string
	}{
		{"filter", func(s *session) {
			s.opts.Match = func(e *event.Event) bool { return e.Kill.Victim.PID%2 == 0 }
		}, []int{102, 104}, ""},
		{"none matches", func(s *session) { s.opts.Match = func(*event.Event) bool { return false } }, nil, "4 kills since boot, none of which matches the filters"},
		{"none wanted", func(s *session) { s.opts.NoBackfill = true }, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newLogRig(t, 4, tt.set)
			for pid := 101; pid <= 104; pid++ {
				r.write(before, killLine(pid))
			}
			r.log.start()
			r.take(1)
			if got := pids(r.emitted()); !slices.Equal(got, tt.told) || strings.Join(r.said, "; ") != tt.said {
				t.Errorf("told %v, said %q", got, r.said)
			}
		})
	}
}

func TestPastSays(t *testing.T) {
	n := func(n uint64) *uint64 { return &n }
	for _, tt := range []struct {
		past
		told int
		want string
	}{
		{past{whole: true}, 0, "no kill since boot"},
		{past{whole: true, counted: n(0)}, 0, "no kill since boot"},
		{past{counted: n(0)}, 0, "no kill since boot"},
		{past{}, 0, "no kill in the kernel log, which has lost its beginning"},
		{past{counted: n(7), lines: 2, all: 2, matching: 2}, 2, "7 kills since boot, the kernel log has 2: older ones were overwritten"},
		{past{counted: n(1)}, 0, "1 kill since boot, the kernel log has none: older ones were overwritten"},
		// The first of a group has two lines.
		{past{counted: n(3), lines: 3, all: 2, matching: 2}, 2, ""},
		{past{counted: n(2), lines: 2, all: 2, matching: 2}, 2, ""},
		{past{counted: n(9), lines: 9, all: 9, matching: 9}, 5, "9 kills since boot, the last 5 are told"},
		{past{counted: n(9), lines: 9, all: 9, matching: 7}, 5, "7 kills since boot, the last 5 are told"},
		{past{counted: n(1), lines: 1, all: 1}, 0, "1 kill since boot, none of which matches the filters"},
	} {
		if got := tt.say(tt.told); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.past, got, tt.want)
		}
	}
}

// A kill that a program told while the log of the past was read is told once; one that
// happened while the programs were being attached, and none has seen, a little later.
func TestTwice(t *testing.T) {
	r := newLogRig(t, 3, nil)
	r.write(before, killLine(101))
	r.write(0, killLine(102), killLine(103))
	r.finishKill(kill(102, 102), 0, ownClocks.boot(), killed{})
	r.log.start()
	r.take(1)
	got := r.emitted()
	if r.log.clock == nil {
		t.Skip("without the clock all that was before is told at once")
	}
	if !slices.Equal(pids(got), []int{102, 101}) || got[0].Source != event.SourceBPF || !got[1].Backfill {
		t.Fatalf("told %v", pids(got))
	}
	r.settleCross(time.Now().Add(2 * crossWait))
	if got := r.emitted(); !slices.Equal(pids(got), []int{103}) || !got[0].Backfill {
		t.Errorf("then %v", pids(got))
	}
	if c := r.crossChecked(); *c != (event.CrossCheck{Both: 1}) {
		t.Errorf("%+v", c)
	}
}

// The log's line and the program's kill are held against each other, whichever comes first.
func TestCrossCheck(t *testing.T) {
	past := time.Now().Add(2 * crossWait)
	roleOf := func(k *event.Kill, role event.Role) *event.Kill { k.Role = role; return k }
	for name, tt := range map[string]struct {
		do   func(*logRig)
		want event.CrossCheck
		told []int // from the log
	}{
		"program first": {func(r *logRig) {
			r.finishKill(roleOf(kill(11, 11), event.RoleChosen), 0, ownClocks.boot(), killed{})
			r.write(0, killLine(11))
			r.take(1)
		}, event.CrossCheck{Both: 1}, nil},
		"log first": {func(r *logRig) {
			r.write(0, killLine(11))
			r.take(1)
			r.finishKill(roleOf(kill(11, 11), event.RoleChosen), 0, ownClocks.boot(), killed{})
		}, event.CrossCheck{Both: 1}, nil},
		"a thread's pid in the log": {func(r *logRig) {
			r.finishKill(roleOf(kill(11, 12), event.RoleChosen), 0, ownClocks.boot(), killed{})
			r.write(0, killLine(12))
			r.take(1)
		}, event.CrossCheck{Both: 1}, nil},
		"log alone": {func(r *logRig) {
			r.write(0, killLine(11))
			r.take(1)
		}, event.CrossCheck{LogOnly: 1}, []int{11}},
		"program alone": {func(r *logRig) {
			r.finishKill(roleOf(kill(11, 11), event.RoleChosen), 0, ownClocks.boot(), killed{})
		}, event.CrossCheck{BPFOnly: 1}, nil},
		"a sharer has no line": {func(r *logRig) {
			r.finishKill(kill(11, 11), 0, ownClocks.boot(), killed{})
		}, event.CrossCheck{}, nil},
		"a pid that is used again": {func(r *logRig) {
			r.finishKill(roleOf(kill(11, 11), event.RoleChosen), 0, ownClocks.boot()-uint64(2*crossApart), killed{})
			r.write(0, killLine(11))
			r.take(1)
		}, event.CrossCheck{BPFOnly: 1, LogOnly: 1}, []int{11}},
		"one kill twice in the log": {func(r *logRig) {
			r.finishKill(roleOf(kill(156, 156), event.RoleChosen), 0, ownClocks.boot(), killed{})
			r.finishKill(roleOf(kill(157, 157), event.RoleGroup), 0, ownClocks.boot(), killed{})
			r.finishKill(roleOf(kill(158, 158), event.RoleGroup), 0, ownClocks.boot(), killed{})
			r.write(0, texts(r.t, "testdata/group.kmsg")...)
			r.take(3)
		}, event.CrossCheck{Both: 3}, nil},
		"as the session ends": {func(r *logRig) {
			r.cross.end(ownClocks.boot() - 1)
			r.finishKill(roleOf(kill(11, 11), event.RoleChosen), 0, ownClocks.boot(), killed{})
			r.write(0, killLine(12))
			r.take(1)
		}, event.CrossCheck{}, nil},
		"what is no kill's": {func(r *logRig) {
			r.write(0, "Out of memory and no killable processes...")
			r.take(1)
		}, event.CrossCheck{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newLogRig(t, 0, nil)
			r.log.start()
			r.take(1)
			r.emitted()
			r.said = nil
			tt.do(r)
			r.settleCross(past)
			var told []int
			for _, e := range r.emitted() {
				if e.Source == event.SourceKmsg {
					told = append(told, e.Kill.Victim.PID)
					if e.Backfill || e.Seq == 0 {
						t.Errorf("%+v", e)
					}
				}
			}
			if got := r.crossChecked(); *got != tt.want || !slices.Equal(told, tt.told) {
				t.Errorf("%+v, told %v", got, told)
			}
			if differ := tt.want.BPFOnly+tt.want.LogOnly > 0; (len(r.said) == 1) != differ {
				t.Errorf("said %q", r.said)
			}
		})
	}
}

// What waits is bounded, and told as if its time were over.
func TestCrossCheckIsBounded(t *testing.T) {
	r := newLogRig(t, 0, nil)
	r.log.start()
	r.take(1)
	for pid := range crossLimit + 3 {
		r.write(0, killLine(pid+1))
		r.take(1)
		k := kill(pid+1_000_000, pid+1_000_000)
		k.Role = event.RoleChosen
		r.finishKill(k, 0, ownClocks.boot(), killed{})
	}
	if got := r.crossChecked(); *got != (event.CrossCheck{BPFOnly: 3, LogOnly: 3}) || len(r.said) != 2 {
		t.Errorf("%+v, said %q", got, r.said)
	}
	r.endCross()
	if got := r.crossChecked(); *got != (event.CrossCheck{BPFOnly: 3, LogOnly: crossLimit + 3}) {
		t.Errorf("at the end: %+v", got)
	}
}

// Records that were overwritten are counted.
func TestLogLost(t *testing.T) {
	r := newLogRig(t, 0, nil)
	r.write(0, "one")
	r.seq += 5
	r.log.start()
	r.take(1)
	r.seq += 7
	r.write(0, killLine(11))
	r.take(1)
	if counts, delta, grown := r.losses(); counts.Log == nil || *counts.Log != 12 || *delta.Log != 12 || !grown {
		t.Errorf("%v", counts.Log)
	}
}

// --source bpf reads the past and no more.
func TestLogOfThePastAlone(t *testing.T) {
	r := newLogRig(t, 1, func(s *session) { s.opts.Source = SourceBPF })
	r.write(before, killLine(101))
	r.log.start()
	r.take(2) // what there was, and that it is over
	if got := r.emitted(); !slices.Equal(pids(got), []int{101}) || r.fromLog != nil {
		t.Errorf("told %v", pids(got))
	}
	k := kill(11, 11)
	k.Role = event.RoleChosen
	r.finishKill(k, 0, ownClocks.boot(), killed{})
	r.settleCross(time.Now().Add(2 * crossWait))
	if r.crossChecked() != nil || len(r.said) != 0 {
		t.Errorf("%+v, said %q", r.crossChecked(), r.said)
	}
	if counts, _, _ := r.losses(); counts.Log != nil {
		t.Errorf("lost %d", *counts.Log)
	}
}

// A log that ends is an error where it is all there is, and a warning else.
func TestLogFails(t *testing.T) {
	for _, tells := range []bool{false, true} {
		r := newLogRig(t, 0, func(s *session) { s.log.tells = tells })
		r.log.start()
		r.take(1)
		told := func(pid int) {
			k := kill(pid, pid)
			k.Role = event.RoleChosen
			r.finishKill(k, 0, ownClocks.boot(), killed{})
		}
		told(11) // its line may be among what could not be read
		if err := unix.Shutdown(r.fd, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
		r.take(1) // that it is over
		err := r.log.wait()
		if warned := strings.Contains(strings.Join(r.said, "; "), "are not seen any more"); (err != nil) != tells || warned == tells {
			t.Errorf("tells %v: %v, said %q", tells, err, r.said)
		}
		told(12)
		r.settleCross(time.Now().Add(2 * crossWait))
		if c := r.crossChecked(); !tells && *c != (event.CrossCheck{}) {
			t.Errorf("a log that cannot be read is said to lack kills: %+v", c)
		}
	}
}

// feed is a log without end: every line once more, with the number that comes next.
func feed(lines []string) func() []byte {
	var b []byte
	n, stamp := 0, 0
	return func() []byte {
		b = append(b[:0], "6,"...)
		b = strconv.AppendInt(b, int64(n), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(stamp), 10)
		b = append(b, ",-;"...)
		b = append(b, lines[n%len(lines)]...)
		b = append(b, '\n')
		n++
		stamp += 20
		return b
	}
}

// step reads a record as readAll does.
func (l *kernelLog) step(record []byte) {
	if !l.rec.ReadDevice(record) {
		panic(string(record))
	}
	l.rec.BootID = l.boot[:]
	l.parser.Add(&l.rec)
	l.take()
}

var noise = []string{
	"audit: type=1400 audit(1700000000.123:45): apparmor=\"STATUS\" operation=\"profile_load\"", "IPv6: ADDRCONF(NETDEV_CHANGE): veth1: link becomes ready",
	"cni0: port 3(veth2) entered blocking state", "eth0: Link is Up", "TCP: request_sock_TCP: Possible SYN flooding on port 80. Sending cookies.",
}

func newBenchLog(t testing.TB) *kernelLog {
	s := newSession()
	s.host = &event.Host{BootID: testBoot, PageSizeBytes: 4096}
	l := newKernelLog(s, nil)
	copy(l.boot[:], strings.ReplaceAll(testBoot, "-", ""))
	l.events = make(chan logEvent, 1)
	go func() {
		for range l.events {
		}
	}()
	t.Cleanup(func() { close(l.events) })
	return l
}

// What is not about memory costs no memory.
func TestLogAllocates(t *testing.T) {
	l, next := newBenchLog(t), feed(noise)
	for range 10_000 { // until what it remembers is full
		l.step(next())
	}
	if n := testing.AllocsPerRun(1000, func() { l.step(next()) }); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// What a record costs, of what is always logged and of reports of kills.
func BenchmarkLogRecord(b *testing.B) {
	for name, lines := range map[string][]string{"noise": noise, "report": texts(b, "testdata/group.kmsg")} {
		b.Run(name, func(b *testing.B) {
			l, next := newBenchLog(b), feed(lines)
			b.ReportAllocs()
			for b.Loop() {
				l.step(next())
			}
		})
	}
}
