// SPDX-License-Identifier: Apache-2.0

package live

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/testenv"
	"github.com/oomtrace/oomtrace/tracer"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// childMode is the variable that has this binary do what it says, and nothing else.
const childMode = "OOMTRACE_TEST_CHILD"

// Of a child, in bytes.
const (
	growStep   = 2 << 20
	growMost   = 1 << 30
	thrashFile = 192 << 20
)

// child begins when its input ends, and goes on until it is killed.
func child(mode string) error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	if mode == "grow" {
		// Not of Go's own, of which the race detector takes several times as much.
		b, err := unix.Mmap(-1, 0, growMost, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
			if i%growStep == 0 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		return errors.New("there is no limit")
	}
	// Read a file that is larger than the limit, all over it.
	f, err := os.Create(os.Getenv("OOMTRACE_TEST_FILE"))
	if err != nil {
		return err
	}
	if _, err := io.CopyN(f, zeros{}, thrashFile); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	data, err := unix.Mmap(int(f.Fd()), 0, thrashFile, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	if err := unix.Madvise(data, unix.MADV_RANDOM); err != nil {
		return err
	}
	sum, x := byte(0), uint32(1)
	for sum != 1 {
		x = x*1664525 + 1013904223
		sum += data[int(x%(thrashFile/4096))*4096]
	}
	return nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// startChild runs one in a memory cgroup of its own.
func startChild(t *testing.T, mode string, limit int) *exec.Cmd {
	t.Helper()
	dir := memoryCgroup(t, limit)
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), childMode+"="+mode, "OOMTRACE_TEST_FILE="+filepath.Join(t.TempDir(), "data"))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		// Its emptiness shows a moment after the last one in it is gone.
		for range 1000 {
			if err := os.Remove(dir); !errors.Is(err, unix.EBUSY) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func memoryCgroup(t *testing.T, limit int) string {
	t.Helper()
	root := "/sys/fs/cgroup"
	files := map[string]int{"memory.max": limit, "memory.swap.max": 0}
	if _, err := os.Stat(root + "/memory/memory.limit_in_bytes"); err == nil {
		root += "/memory"
		files = map[string]int{"memory.limit_in_bytes": limit}
	} else if err := os.WriteFile(root+"/cgroup.subtree_control", []byte("+memory"), 0); err != nil {
		testenv.Skip(t, "no memory cgroup can be made: %v", err)
	}
	dir := filepath.Join(root, fmt.Sprintf("oomtrace-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		testenv.Skip(t, "no memory cgroup can be made: %v", err)
	}
	for name, value := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strconv.Itoa(value)), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return dir
}

// A process grows to its limit: samples show that, and the kill tells it.
func TestRunLeadUp(t *testing.T) {
	const limit = 96 << 20
	r := begin(t, Options{Sample: SampleLeast})
	r.wait("the first sample", func(e *event.Event) bool { return e.Sample != nil })
	cmd := startChild(t, "grow", limit)
	pid := cmd.Process.Pid
	isIt := func(g event.Grower) bool { return g.PID == pid }
	e := r.wait("the kill", killOf(pid))
	end := r.end(nil)

	k := e.Kill
	l := k.LeadUp
	if l == nil || l.State != event.LeadUpOK || l.Samples < 2 || *l.SpanMS < 900 || *l.BeforeMS < 0 || *l.BeforeMS > 10_000 {
		t.Fatalf("lead-up %+v", l)
	}
	if len(l.VictimRSS) == 0 {
		t.Fatalf("the victim was not sampled: %+v", l)
	}
	rss, _ := k.Victim.RSSBytes()
	for i, pt := range l.VictimRSS {
		if pt.RSSBytes > rss+growStep || i > 0 && pt.BeforeMS >= l.VictimRSS[i-1].BeforeMS {
			t.Errorf("points %+v of a victim of %d bytes", l.VictimRSS, rss)
		}
	}
	if l.GrowersOf != event.GrowersOfLimit || len(l.Growers) != 1 || !isIt(l.Growers[0]) || !l.Growers[0].Began {
		t.Errorf("growers of %s: %+v", l.GrowersOf, l.Growers)
	}
	samples := r.find(func(e *event.Event) bool { return e.Sample != nil })
	if !slices.ContainsFunc(samples, func(e *event.Event) bool { return slices.ContainsFunc(e.Sample.Growers, isIt) }) {
		t.Errorf("none of %d samples has seen it grow", len(samples))
	}
	if s := samples[len(samples)-1].Sample; s.SpanMS == nil || s.Memory == nil || s.Reclaim == nil || s.Reclaim.AllocStalls == nil || s.CPUUS == nil {
		t.Errorf("sample %+v", s)
	}
	start := r.events[0].SessionStart
	if start.SampleMS == nil || *start.SampleMS != 1000 || !slices.ContainsFunc(start.Hooks, func(h event.Hook) bool { return h.Fact == FactPressure }) {
		t.Errorf("start %+v", start)
	}
	counted := end.Written["oom.kill"] + end.Written["clock.adjust"] + end.Written["clock.step"]
	if end.Written["sample"] < 2 || r.res.Shown != counted {
		t.Errorf("end %+v, shown %d", end, r.res.Shown)
	}
}

// Without samples a kill says so.
func TestRunNotSampled(t *testing.T) {
	r := begin(t, Options{Sample: -1})
	sim := simulateKill(t)
	e := r.wait("the kill", killOf(sim.PID))
	r.end(nil)
	if l := e.Kill.LeadUp; l == nil || l.State != event.LeadUpNotSampled || l.Samples != 0 {
		t.Errorf("lead-up %+v", l)
	}
	if got := r.find(func(e *event.Event) bool { return e.Sample != nil }); len(got) > 0 {
		t.Errorf("%d samples", len(got))
	}
	if start := r.events[0].SessionStart; start.SampleMS != nil || slices.ContainsFunc(start.Hooks, func(h event.Hook) bool { return h.Fact == FactPressure }) {
		t.Errorf("start %+v", start)
	}
}

// Memory that stalls has samples taken, though nobody asked for any.
func TestRunPressure(t *testing.T) {
	privileged(t)
	reader, err := procsnap.New(procsnap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	trigger, err := reader.WatchStalls()
	if err != nil {
		testenv.Skip(t, "%v", err)
	}
	trigger.Close()
	r := begin(t, Options{Tracer: tracer.Options{NoClock: true}})
	if start := r.events[0].SessionStart; start.SampleMS != nil {
		t.Errorf("start %+v", start)
	}
	startChild(t, "thrash", 32<<20)
	e := r.wait("a sample", func(e *event.Event) bool { return e.Sample != nil })
	if s := e.Sample; s.Reason != event.SamplePressure || s.Pressure == nil || s.Pressure.SomeAvg10Percent == nil {
		t.Errorf("sample %+v", s)
	}
}

// Where no pressure is told, that matters to who asked for samples alone.
func TestSamplingWithoutPressure(t *testing.T) {
	root := t.TempDir()
	reader, err := procsnap.New(procsnap.Options{Proc: root, Sys: root})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		opts    Options
		sampled bool
	}{
		{Options{}, false},
		{Options{Sample: time.Second}, true},
		{Options{Sample: time.Second, Tracer: tracer.Options{NoOOM: true}}, false},
		{Options{Sample: -1}, false},
	} {
		s := &session{opts: tt.opts, reader: reader, symbols: make(chan struct{})}
		close(s.symbols)
		if err := s.openSampling(); err != nil {
			t.Fatal(err)
		}
		hooks := s.sampling.hooks()
		if tt.sampled && (len(hooks) != 1 || hooks[0].OK || hooks[0].Fact != FactPressure || hooks[0].Reason == "") || !tt.sampled && len(hooks) != 0 {
			t.Errorf("%+v: hooks %+v", tt.opts, hooks)
		}
		if ms := s.sampling.ms(); (ms != nil) != tt.sampled {
			t.Errorf("%+v: %v ms", tt.opts, ms)
		}
		s.sampling.start()
		if tt.sampled {
			select {
			case got := <-s.sampling.samples():
				if got.boot == 0 || got.sample.Reason != event.SampleInterval || got.sample.Memory != nil {
					t.Errorf("%+v", got.sample)
				}
			case <-time.After(10 * time.Second):
				t.Error("no sample")
			}
		}
		if l := s.sampling.brief(&event.Kill{}, ownClocks.boot()); (l.State == event.LeadUpOK) != tt.sampled {
			t.Errorf("%+v: lead-up %+v", tt.opts, l)
		}
		s.sampling.close(t.Context())
	}
}
