// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/decode/incident"
)

// storm makes the events of one session.
type storm struct {
	groups *incident.Grouper
	zero   time.Time
	pid    int
}

func newStorm() *storm {
	return &storm{groups: incident.New(0), zero: time.Date(2026, 3, 14, 11, 3, 0, 0, time.UTC), pid: 4241}
}

// kill is the next kill, of a process of this name for the limit of a cgroup, so long
// after the beginning.
func (s *storm) kill(after time.Duration, comm, cgroup string) *event.Event {
	const boot = 1000 * time.Second
	s.pid++
	path := "/system.slice/" + cgroup
	e := &event.Event{
		Schema: event.Schema, Type: event.TypeOOMKill, Session: "5f2c9b1e7a4d8036", Seq: uint64(s.pid),
		Time: s.zero.Add(after), BoottimeNS: event.Ptr(uint64(boot + after)), Source: event.SourceBPF,
		Kill: &event.Kill{
			Episode: fmt.Sprintf("3b1f0a52-%x", s.pid), Scope: event.ScopeMemcg, Role: event.RoleChosen,
			Victim: event.Victim{PID: s.pid, Comm: event.Ptr(comm), Unit: cgroup, Cgroup: &event.Cgroup{Path: path}},
			Limit:  &event.Limit{Kind: event.LimitMemory, Bytes: event.Ptr(uint64(64 << 20)), Cgroup: &event.Cgroup{Path: path}},
			Stack:  &event.Stack{ID: "726bb869cb8c0e04", Frames: []event.Frame{{Symbol: "oom_kill_process", Offset: 1}}},
		},
	}
	e.Kill.Incident = s.groups.Add(e)
	return e
}

var (
	killRows = regexp.MustCompile(`(?m)^2026-[^ ]* [^ ]* +KILL `)
	foldRows = regexp.MustCompile(`(?m)^2026-[^ ]* [^ ]* +KILLS +… ([0-9,]+) more kills? `)
)

// told counts the kills that a table without a terminal's width tells of.
func told(t *testing.T, out []byte) (rows, folded int) {
	t.Helper()
	for _, m := range foldRows.FindAllSubmatch(out, -1) {
		n, err := strconv.Atoi(strings.ReplaceAll(string(m[1]), ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		folded += n
	}
	return len(killRows.FindAll(out, -1)), folded
}

// A storm, a kill elsewhere in the midst of it, and its end.
func TestFoldGolden(t *testing.T) {
	s := newStorm()
	var events []*event.Event
	for i := range 40 {
		at := time.Duration(i) * 250 * time.Millisecond
		comm := "java"
		if i%7 == 6 {
			comm = "sh\x1b[2J"
		}
		events = append(events, s.kill(at, comm, "cart.service"))
		if i == 30 {
			clock := eventtest.Clock()
			clock.Session, clock.Time, clock.BoottimeNS = events[0].Session, events[i].Time, events[i].BoottimeNS
			events = append(events, s.kill(at+1, "tar", "backup.service"), clock)
		}
	}
	events = append(events, s.kill(20*time.Second, "java", "cart.service"), s.kill(70*time.Second, "java", "cart.service"))
	for _, o := range []Options{{}, {Width: 60}, {Width: 120, Color: true}, {Width: 120, Format: FormatWide}, {Width: 160, Stack: true}} {
		o.Location = cet
		name := fmt.Sprintf("storm-%s%d", map[bool]string{true: "wide-"}[o.Format == FormatWide], o.Width)
		t.Run(name, func(t *testing.T) {
			got := show(t, o, events...)
			golden(t, name, got)
			wantInert(t, got, o.Color)
			wantFits(t, got, o.Width)
		})
	}
}

// 200 kills within a minute: none is lost in the count, few rows tell of them.
func TestFoldLosesNone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, cgroups := range map[string]int{"one limit": 1, "three limits": 3, "each its own": 200, "more than are remembered": 100} {
		t.Run(name, func(t *testing.T) {
			s := newStorm()
			var events []*event.Event
			for i := range 200 {
				at := time.Duration(i)*300*time.Millisecond + time.Duration(random.IntN(250))*time.Millisecond
				events = append(events, s.kill(at, "java", fmt.Sprintf("%d.service", i%cgroups)))
			}
			rows, folded := told(t, show(t, Options{Location: cet}, events...))
			if rows+folded != 200 {
				t.Errorf("%d rows and %d folded of 200", rows, folded)
			}
			if most := 3 * cgroups; rows > most {
				t.Errorf("%d rows, %d are enough", rows, most)
			}
			if rows, folded := told(t, show(t, Options{Location: cet, NoFold: true}, events...)); rows != 200 || folded != 0 {
				t.Errorf("without folding %d rows and %d folded", rows, folded)
			}
			var b bytes.Buffer
			sink, err := New(&b, Options{Format: FormatJSON})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if err := sink.Event(e); err != nil {
					t.Fatal(err)
				}
			}
			if n := bytes.Count(b.Bytes(), []byte("\n")); n != 200 || sink.Due() != 0 || sink.Quiet(time.Hour) != nil || b.Len() == 0 {
				t.Errorf("%d lines of JSON", n)
			}
		})
	}
}

// player plays events and the time between them, as the live output does.
type player struct {
	*testing.T
	sink Sink
	out  bytes.Buffer
	last time.Duration // when the sink was called last
}

func play(t *testing.T, o Options) *player {
	p := &player{T: t}
	o.Location = cet
	var err error
	if p.sink, err = New(&p.out, o); err != nil {
		t.Fatal(err)
	}
	return p
}

// until lets time pass, with Quiet as Due asks for it, and gives how often that was.
func (p *player) until(at time.Duration) (woken int) {
	p.Helper()
	for {
		d := p.sink.Due()
		if d < 0 {
			p.Fatalf("due in %v", d)
		}
		if d == 0 || p.last+d > at {
			return woken
		}
		if woken++; woken > 1000 {
			p.Fatal("it does not come to rest")
		}
		p.last += d
		if err := p.sink.Quiet(d); err != nil {
			p.Fatal(err)
		}
	}
}

func (p *player) at(at time.Duration, e *event.Event) {
	p.Helper()
	p.until(at)
	p.last = at
	if err := p.sink.Event(e); err != nil {
		p.Fatal(err)
	}
}

// take returns the rows since it was last asked: K for a kill's, a number for so many.
func (p *player) take() string {
	p.Helper()
	var got []string
	for line := range strings.Lines(p.out.String()) {
		rows, folded := told(p.T, []byte(line))
		if rows > 0 {
			got = append(got, "K")
		} else if folded > 0 {
			got = append(got, strconv.Itoa(folded))
		}
	}
	p.out.Reset()
	return strings.Join(got, " ")
}

// What was folded is told once the storm rests, and while it does not, less and less
// often; no timer runs while nothing is folded.
func TestFoldTells(t *testing.T) {
	s, p := newStorm(), play(t, Options{})
	want := func(what, want string) {
		t.Helper()
		if got := p.take(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	for i := range 3 {
		at := time.Duration(i) * 100 * time.Millisecond
		p.at(at, s.kill(at, "java", "a"))
		if d := p.sink.Due(); d != 0 {
			t.Errorf("a timer of %v for nothing", d)
		}
	}
	want("the first", "K K K")
	p.at(time.Second, s.kill(time.Second, "java", "a"))
	p.at(2*time.Second, s.kill(2*time.Second, "java", "a"))
	want("folded", "")
	p.until(2*time.Second + foldPause - 1)
	want("not yet", "")
	p.until(2*time.Second + foldPause)
	want("rested", "2")
	if d := p.sink.Due(); d != 0 {
		t.Errorf("a timer of %v after all was told", d)
	}
	// A kill a second for two minutes.
	for i := range 120 {
		at := 6*time.Second + time.Duration(i)*time.Second
		p.at(at, s.kill(at, "java", "a"))
	}
	p.until(3 * time.Minute)
	want("going on", "10 20 40 50")
	// After a rest it begins anew.
	p.at(200*time.Second, s.kill(200*time.Second, "java", "a"))
	want("after a rest", "K")
	p.at(201*time.Second, s.kill(201*time.Second, "java", "a"))
	want("and then", "")
	if n := p.until(time.Hour); n != 1 {
		t.Errorf("woken %d times", n)
	}
	want("rested again: one is told as itself", "K")
}

// Without a timer, as in replay, the events' own times tell the same.
func TestFoldByEventTime(t *testing.T) {
	s, p := newStorm(), play(t, Options{})
	feed := func(e *event.Event) {
		t.Helper()
		if err := p.sink.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		feed(s.kill(time.Duration(i), "java", "a"))
	}
	feed(s.kill(time.Second, "java", "b"))
	if got := p.take(); got != "K K K K" {
		t.Errorf("got %q", got)
	}
	feed(s.kill(time.Minute, "java", "b"))
	if got := p.take(); got != "2 K" {
		t.Errorf("got %q", got)
	}
	// The end of the session, another session, and the end of it all each tell the rest.
	for i := range 4 {
		feed(s.kill(time.Minute+time.Duration(i), "java", "c"))
	}
	end := eventtest.SessionEnd()
	end.Session = "5f2c9b1e7a4d8036"
	feed(end)
	if got := p.take(); got != "K K K K" {
		t.Errorf("at the session's end %q", got)
	}
	for i := range 4 {
		feed(s.kill(2*time.Minute+time.Duration(i), "java", "d"))
	}
	clock := eventtest.Clock()
	clock.Session = "aa"
	feed(clock)
	if got := p.take(); got != "K K K K" {
		t.Errorf("at another session %q", got)
	}
	for i := range 4 {
		e := s.kill(3*time.Minute+time.Duration(i), "java", "e")
		e.BoottimeNS = nil // without it, time stands still
		feed(e)
	}
	if err := p.sink.Close(); err != nil {
		t.Fatal(err)
	}
	if got := p.take(); got != "K K K K" {
		t.Errorf("at the end %q", got)
	}
}

// Kills of different limits are told apart, however they mix, and what is no kill of
// an incident is not held back.
func TestFoldKeepsApart(t *testing.T) {
	s := newStorm()
	var events []*event.Event
	for i := range 10 {
		at := time.Duration(i) * time.Millisecond
		events = append(events, s.kill(at, "java", "a.service"), s.kill(at, "tar", "b.service"), s.kill(at, "x", "c.service"))
		events[len(events)-1].Kill.Incident = nil
	}
	out := string(show(t, Options{Location: cet}, events...))
	for _, want := range []string{
		`KILLS +… 7 more kills +a.service +memory limit 64.0 MiB of a.service reached · since 12:03:00, last java\[4269\] · 10 kills in 9 ms, first java\[4242\]`,
		`KILLS +… 7 more kills +b.service +memory limit 64.0 MiB of b.service reached · since 12:03:00, last tar\[4270\] · 10 kills in 9 ms, first tar\[4243\]`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if n := strings.Count(out, " x["); n != 10 {
		t.Errorf("%d rows of kills without an incident, want 10", n)
	}
}

// What follows a kill that has no row has none either, unless it is bad news.
func TestFoldTakesWhatFollows(t *testing.T) {
	s := newStorm()
	var events []*event.Event
	for i := range 5 {
		e := s.kill(time.Duration(i), "java", "a")
		late := eventtest.Snapshot()
		late.Session, late.BoottimeNS, late.Snapshot.Episode, late.Snapshot.PID = e.Session, e.BoottimeNS, e.Kill.Episode, e.Kill.Victim.PID
		more := eventtest.Detail()
		more.Session, more.BoottimeNS, more.Detail.Episode, more.Detail.PID = e.Session, e.BoottimeNS, e.Kill.Episode, e.Kill.Victim.PID
		end, stuck := *late, *late
		end.Type, end.Snapshot, end.End = event.TypeOOMEnd, nil, &event.End{Episode: e.Kill.Episode, PID: e.Kill.Victim.PID, Outcome: event.OutcomeFreed}
		stuck.Type, stuck.Snapshot, stuck.End = event.TypeOOMEnd, nil, &event.End{Episode: e.Kill.Episode, PID: e.Kill.Victim.PID, Outcome: event.OutcomeStuck, WaitedMS: event.Ptr(int64(10_000))}
		events = append(events, e, late, more, &end, &stuck)
	}
	out := string(show(t, Options{Format: FormatWide, Stack: true, Location: cet}, events...))
	if n := strings.Count(out, "INFO"); n != 3 {
		t.Errorf("%d late answers, want those of 3 rows", n)
	}
	if n := strings.Count(out, "its memory is back"); n != 3 {
		t.Errorf("%d ends, want those of 3 rows", n)
	}
	if n := strings.Count(out, "STUCK"); n != 5 {
		t.Errorf("%d of 5 that are stuck are told of", n)
	}
	if n := strings.Count(out, "continued"); n != 3 {
		t.Errorf("%d continued traces, want those of 3 rows", n)
	}
	if n := strings.Count(out, "call trace 726bb869cb8c0e04"); n != 3 {
		t.Errorf("%d call traces, want those of 3 rows", n)
	}
}

// Victims of many names and places, and no names at all.
func TestFoldSaysWho(t *testing.T) {
	s := newStorm()
	var events []*event.Event
	for i, comm := range []string{"1", "2", "3", "java", "sh", "java", "a", "b", "c", "sh", "java", ""} {
		e := s.kill(time.Duration(i)*time.Second, comm, "a")
		if comm == "" {
			e.Kill.Victim.Comm = nil
			e.Kill.Victim.Unit = "other"
		}
		e.Simulated = i > 2
		events = append(events, e)
	}
	out := string(show(t, Options{Location: cet}, events[:6]...))
	if want := "… 3 more kills "; !strings.Contains(out, want) || !strings.Contains(out, " a  ") || !strings.Contains(out, "SIMULATED · memory limit") || !strings.Contains(out, " · 2 java, 1 sh · ") {
		t.Errorf("no %q in\n%s", want, out)
	}
	events[11].Simulated = false
	p := play(t, Options{})
	for _, e := range events {
		e.BoottimeNS = nil // in one row
		p.at(0, e)
	}
	if err := p.sink.Close(); err != nil {
		t.Fatal(err)
	}
	out = p.out.String()
	if strings.Contains(out, "SIMULATED") {
		t.Error("some were not simulated")
	}
	for _, want := range []string{"3 java, 2 sh, 1 a, 1 b, 2 others", "last pid 4253", "… 9 more kills            -  "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// A failed output is not tried again at the end.
func TestFoldAfterFailure(t *testing.T) {
	s := newStorm()
	r, w := io.Pipe()
	go func() {
		buf := make([]byte, 1<<20)
		for range 3 {
			_, _ = r.Read(buf)
		}
		r.CloseWithError(syscall.EPIPE)
	}()
	sink, err := New(w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := sink.Event(s.kill(time.Duration(i), "java", "a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Quiet(sink.Due()); err == nil {
		t.Error("the output did not fail")
	}
	for i := range 5 {
		_ = sink.Event(s.kill(time.Duration(i+10), "java", "a"))
	}
	if err := sink.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestLapse(t *testing.T) {
	for ms, want := range map[int64]string{
		-5: "less than 1 ms", 0: "less than 1 ms", 1: "1 ms", 999: "999 ms", 1000: "1.0 s", 1250: "1.2 s", 9999: "9.9 s",
		10_999: "10 s", 119_000: "119 s", 720_500: "12 min", 1<<63 - 1: "104,166 d 16 h",
	} {
		if got := lapse(ms); got != want {
			t.Errorf("%d ms: %q, want %q", ms, got, want)
		}
	}
}

// Whatever comes in whatever order: rows and folded rows add up to the kills.
func FuzzFold(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 1, 0, 0, 200, 2, 200})
	f.Add([]byte{255, 255, 0, 7, 9, 5, 66, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, p := newStorm(), play(t, Options{})
		kills, at := 0, time.Duration(0)
		for ; len(data) >= 2 && kills < 500; data = data[2:] {
			at += time.Duration(data[1]) * 200 * time.Millisecond
			switch what := data[0] % 16; what {
			case 15:
				p.until(at)
				continue
			case 14:
				at -= time.Duration(data[1]) * 100 * time.Millisecond
			case 13:
				s.zero = s.zero.Add(time.Hour) // the wall clock was set
			}
			e := s.kill(at, string(rune('a'+data[0]%7)), fmt.Sprint(data[0]/16%5))
			if data[0]%16 == 12 {
				e.Session = "bb"
			}
			if err := p.sink.Event(e); err != nil {
				t.Fatal(err)
			}
			kills++
			if d := p.sink.Due(); d > foldMost {
				t.Fatalf("untold for %v", d)
			}
		}
		if err := p.sink.Close(); err != nil {
			t.Fatal(err)
		}
		if rows, folded := told(t, p.out.Bytes()); rows+folded != kills {
			t.Fatalf("%d rows and %d folded of %d", rows, folded, kills)
		}
	})
}

func BenchmarkFold(b *testing.B) {
	s := newStorm()
	var events []*event.Event
	for i := range 1000 {
		events = append(events, s.kill(time.Duration(i)*time.Millisecond, "java", "a"))
	}
	sink, err := New(io.Discard, Options{Width: 120})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := range b.N {
		if err := sink.Event(events[i%1000]); err != nil {
			b.Fatal(err)
		}
		sink.Due()
	}
}
