// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command measure takes the figures of docs/performance.md on this machine, side
// by side with bpftrace and with oomkill of libbpf-tools, where they are
// installed and run:
//
//	go build -o oomtrace ./cmd/oomtrace && sudo go run ./scripts/measure start idle sample latency storm
//
// In a virtual machine with kprobes: OOMTRACE_VM=1 OOMTRACE_MEASURE=$(which oomkill)
// go test ./internal/vmtest -run TestMeasure -v
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// peer is another tracer: how to start it, what it says once it is attached, and
// what of a kill of a pid.
type peer struct {
	name, ready, killed string
	argv                []string
}

// peers lists those that are installed.
func peers() []peer {
	all := []peer{
		{"bpftrace, one tracepoint", "ready", "killed %d", []string{"bpftrace", "-B", "line", "-e", bpftraceProgram}},
		{"oomkill of libbpf-tools", "Tracing OOM kills", "OOM kill of PID %d", []string{"oomkill"}},
	}
	return slices.DeleteFunc(all, func(p peer) bool {
		_, err := exec.LookPath(p.argv[0])
		return err != nil || exec.Command(p.argv[0], "--version").Run() != nil
	})
}

// start runs the peer on a terminal, where its lines come at once, until it is
// attached. A peer that does not work here is an error.
func (p peer) start() (*tracer, line, error) {
	t := &tracer{cmd: exec.Command(p.argv[0], p.argv[1:]...), lines: make(chan line, 1<<20)}
	master, slave, err := openPTY()
	if err != nil {
		return nil, line{}, err
	}
	t.cmd.Stdout, t.cmd.Stderr = slave, slave
	if err := t.cmd.Start(); err != nil {
		return nil, line{}, err
	}
	if err := slave.Close(); err != nil {
		return nil, line{}, err
	}
	go t.read(master)
	ready, err := t.wait(p.ready)
	if err != nil {
		return nil, line{}, errors.Join(fmt.Errorf("%s: %w", p.name, err), t.stop())
	}
	return t, ready, nil
}

func openPTY() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, fmt.Errorf("unlock pty: %w", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, nil, fmt.Errorf("number of pty: %w", err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	return master, slave, err
}

const bpftraceProgram = `tracepoint:oom:mark_victim { printf("killed %d\n", args->pid); } BEGIN { printf("ready\n"); }`

func main() {
	m := measure{}
	flag.StringVar(&m.binary, "oomtrace", "./oomtrace", "the `binary` to measure")
	flag.IntVar(&m.runs, "n", 30, "how often to repeat")
	flag.DurationVar(&m.storm, "storm", 10*time.Second, "how long the clock storm lasts")
	flag.DurationVar(&m.idle, "idle", time.Minute, "how long to idle")
	flag.IntVar(&m.processes, "processes", 2000, "how many processes sleep during sample")
	flag.BoolVar(&m.busy, "busy", false, "keep every CPU busy during latency")
	flag.Parse()
	what := map[string]func() error{"start": m.start, "idle": m.idling, "sample": m.sampling, "latency": m.latency, "storm": m.storming, "exec": m.execs, "signal": m.signals, "sigkill": m.sigkills, "programs": running}
	for _, name := range flag.Args() {
		f := what[name]
		if f == nil {
			fmt.Fprintf(os.Stderr, "measure: unknown %q; give start, idle, sample, latency, storm, exec, signal, sigkill or programs\n", name)
			os.Exit(2)
		}
		fmt.Printf("## %s\n", name)
		if err := f(); err != nil {
			fmt.Fprintf(os.Stderr, "measure: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

type measure struct {
	binary      string
	runs        int
	storm, idle time.Duration
	processes   int
	busy        bool
}

// tracer is a running tracer whose lines are stamped as they can be read.
type tracer struct {
	cmd   *exec.Cmd
	lines chan line
}

type line struct {
	text string
	at   int64 // boottime, ns
}

func boottime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

func run(name string, args ...string) (*tracer, error) {
	t := &tracer{cmd: exec.Command(name, args...), lines: make(chan line, 1<<20)}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	go t.read(out)
	return t, nil
}

func (t *tracer) read(r io.Reader) {
	defer close(t.lines)
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 1<<20), 1<<20)
	for s.Scan() {
		t.lines <- line{s.Text(), boottime()}
	}
}

// wait returns the next line that holds text.
func (t *tracer) wait(text string) (line, error) {
	timeout := time.After(30 * time.Second)
	for {
		select {
		case l, ok := <-t.lines:
			if !ok {
				return line{}, errors.New("the tracer ended")
			}
			if strings.Contains(l.text, text) {
				return l, nil
			}
		case <-timeout:
			return line{}, fmt.Errorf("no line with %q", text)
		}
	}
}

// stop ends the tracer.
func (t *tracer) stop() error {
	if err := t.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	// bpftrace sometimes misses the signal, and ends with an odd code.
	kill := time.AfterFunc(5*time.Second, func() { _ = t.cmd.Process.Kill() })
	defer kill.Stop()
	for range t.lines {
	}
	_ = t.cmd.Wait()
	return nil
}

// peakRSS is VmHWM in MiB. (ru_maxrss would count the parent's memory too.)
func peakRSS(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	if !ok {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kib / 1024, err
}

func (m *measure) oomtrace(args ...string) (*tracer, error) {
	return run(m.binary, append([]string{"watch", "-o", "json", "--no-backfill"}, args...)...)
}

func percentiles(v []float64) string {
	slices.Sort(v)
	at := func(p float64) float64 { return v[min(len(v)-1, int(p*float64(len(v))))] }
	return fmt.Sprintf("n %d, min %.2f, p50 %.2f, p90 %.2f, max %.2f", len(v), v[0], at(0.5), at(0.9), v[len(v)-1])
}

// start measures from exec to the line that says attached, and the peak RSS.
func (m *measure) start() error {
	own := peer{name: "oomtrace watch"}
	tracers := append([]peer{own}, peers()...)
	ms, rss := make([][]float64, len(tracers)), make([][]float64, len(tracers))
	for range m.runs {
		for i, p := range tracers {
			began := boottime()
			var t *tracer
			var ready line
			var err error
			if i == 0 {
				if t, err = m.oomtrace(); err == nil {
					ready, err = t.wait("session.start")
				}
			} else {
				t, ready, err = p.start()
			}
			if err != nil {
				if ms[i] == nil && i > 0 {
					fmt.Printf("%s: %v\n", p.name, err)
					tracers = slices.Delete(tracers, i, i+1)
					break
				}
				return err
			}
			ms[i] = append(ms[i], float64(ready.at-began)/1e6)
			time.Sleep(500 * time.Millisecond) // the symbol table is read after attaching
			peak, err := peakRSS(t.cmd.Process.Pid)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if err := t.stop(); err != nil {
				return err
			}
			rss[i] = append(rss[i], peak)
		}
	}
	for i, p := range tracers {
		fmt.Printf("%s: to attached, ms: %s\n", p.name, percentiles(ms[i]))
		fmt.Printf("%s: peak RSS, MiB: %s\n", p.name, percentiles(rss[i]))
	}
	return nil
}

// idling measures what a quiet machine costs.
func (m *measure) idling() error {
	t, err := m.oomtrace()
	if err != nil {
		return err
	}
	if _, err := t.wait("session.start"); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	before, err := usage(t.cmd.Process.Pid)
	if err != nil {
		return err
	}
	time.Sleep(m.idle)
	after, err := usage(t.cmd.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("idle for %s: %d ms of CPU, %d context switches, RSS %s\n", m.idle, after.cpuMS-before.cpuMS, after.switches-before.switches, after.rss)
	return t.stop()
}

// sampling measures what samples cost beside so many sleeping processes: tracers that
// differ in nothing else run at once, since what others do costs each of them the same.
func (m *measure) sampling() error {
	var sleepers []*exec.Cmd
	defer func() {
		for _, c := range sleepers {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}()
	for range m.processes {
		c := exec.Command("sleep", "infinity")
		if err := c.Start(); err != nil {
			return err
		}
		sleepers = append(sleepers, c)
	}
	kinds := [][]string{nil, {"--sample", "10s"}, {"--sample", "1s"}}
	tracers, before := make([]*tracer, len(kinds)), make([]time.Duration, len(kinds))
	for i, args := range kinds {
		t, err := m.oomtrace(append([]string{"--events", "oom"}, args...)...)
		if err != nil {
			return err
		}
		if _, err := t.wait("session.start"); err != nil {
			return err
		}
		tracers[i] = t
	}
	time.Sleep(5 * time.Second) // symbols are read, and the first samples taken
	for i, t := range tracers {
		var err error
		if before[i], err = onCPU(t.cmd.Process.Pid); err != nil {
			return err
		}
	}
	time.Sleep(m.idle)
	var none time.Duration
	for i, t := range tracers {
		after, err := onCPU(t.cmd.Process.Pid)
		if err != nil {
			return err
		}
		cost := after - before[i]
		if i == 0 {
			none = cost
			fmt.Printf("without samples, beside %d processes for %s: %s of CPU\n", m.processes, m.idle, cost)
		} else {
			fmt.Printf("%s: %s more, %.3f %% of a CPU\n", strings.Join(kinds[i], " "), cost-none, 100*float64(cost-none)/float64(m.idle))
		}
		if err := t.stop(); err != nil {
			return err
		}
	}
	return nil
}

// onCPU is for how long all threads of a process have run.
func onCPU(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, name := range files {
		line, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		ns, err := strconv.ParseInt(strings.Fields(string(line))[0], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ns)
	}
	return sum, nil
}

type used struct {
	cpuMS, switches int64
	rss             string
}

var switchLine = regexp.MustCompile(`(?m)^(?:non)?voluntary_ctxt_switches:\s+(\d+)`)

// usage reads what all threads of a process have used.
func usage(pid int) (used, error) {
	var u used
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, err
		}
		u.cpuMS += ticks * 10
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return u, err
	}
	for _, task := range tasks {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))
		if err != nil {
			continue
		}
		for _, match := range switchLine.FindAllSubmatch(status, -1) {
			n, _ := strconv.ParseInt(string(match[1]), 10, 64)
			u.switches += n
		}
		if _, rest, ok := strings.Cut(string(status), "VmRSS:"); ok {
			u.rss = strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0])
		}
	}
	return u, nil
}

// latency measures from the kernel's stamp of a kill to the line that can be
// read, and the same for the peers' lines of the same kill.
func (m *measure) latency() error {
	t, err := m.oomtrace("--events", "oom")
	if err != nil {
		return err
	}
	type running struct {
		peer
		*tracer
		ms    []float64
		first int // how often its line came before oomtrace's
	}
	var others []*running
	for _, p := range peers() {
		other, _, err := p.start()
		if err != nil {
			fmt.Println(err)
			continue
		}
		others = append(others, &running{peer: p, tracer: other})
	}
	if _, err := t.wait("session.start"); err != nil {
		return err
	}
	time.Sleep(time.Second)
	if err := stampAtOnce(); err != nil {
		return err
	}
	if m.busy {
		// Processes: threads of this one would hold up its reading.
		for range runtime.NumCPU() {
			spin := exec.Command("sh", "-c", "while :; do :; done")
			if err := spin.Start(); err != nil {
				return err
			}
			defer func() {
				_ = spin.Process.Kill()
				_ = spin.Wait()
			}()
		}
		time.Sleep(time.Second)
	}
	var own []float64
	for range m.runs {
		if out, err := exec.Command(m.binary, "simulate", "memcg", "--limit", "16MiB").CombinedOutput(); err != nil {
			return fmt.Errorf("simulate: %w: %s", err, out)
		}
		l, err := t.wait(`"oom.kill"`)
		if err != nil {
			return err
		}
		var e struct {
			BoottimeNS int64 `json:"boottime_ns"`
			Victim     struct{ PID int }
		}
		if err := json.Unmarshal([]byte(l.text), &e); err != nil {
			return err
		}
		own = append(own, float64(l.at-e.BoottimeNS)/1e6)
		for _, o := range others {
			ol, err := o.wait(fmt.Sprintf(o.killed, e.Victim.PID))
			if err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			o.ms = append(o.ms, float64(ol.at-e.BoottimeNS)/1e6)
			if ol.at < l.at {
				o.first++
			}
		}
	}
	fmt.Printf("oomtrace: kill to line, ms: %s\n", percentiles(own))
	for _, o := range others {
		fmt.Printf("%s: kill to line, ms: %s; before oomtrace's in %d\n", o.name, percentiles(o.ms), o.first)
		if err := o.stop(); err != nil {
			return err
		}
	}
	return t.stop()
}

// stampAtOnce has the threads of this process, and not its children, run before all
// others: a line that waits for its reader is no later for that.
func stampAtOnce() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		attr := unix.SchedAttr{Policy: unix.SCHED_RR, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
		if err := unix.SchedSetAttr(tid, &attr, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("raise the priority of reading: %w", err)
		}
	}
	return nil
}

// storming has two threads call clock_adjtime as fast as they can, first with
// the frequency set to what it is, then only reading.
func (m *measure) storming() error {
	if err := os.WriteFile("/proc/sys/kernel/bpf_stats_enabled", []byte("1"), 0); err == nil {
		defer func() { _ = os.WriteFile("/proc/sys/kernel/bpf_stats_enabled", []byte("0"), 0) }()
	}
	var now unix.Timex
	if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	for _, modes := range []uint32{unix.ADJ_FREQUENCY, 0} {
		bare := storm(m.storm/4, modes, now.Freq)
		t, err := m.oomtrace("--clock-daemon", "all")
		if err != nil {
			return err
		}
		if _, err := t.wait("session.start"); err != nil {
			return err
		}
		issued := storm(m.storm, modes, now.Freq)
		var seen uint64
		done := make(chan string)
		go func() {
			last := ""
			for l := range t.lines {
				last = l.text
				if strings.Contains(last, `"clock.adjust"`) {
					seen++
				}
			}
			done <- last
		}()
		programs(t.cmd.Process.Pid)
		if err := t.cmd.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		last := <-done
		_ = t.cmd.Wait()
		var end struct {
			Received   map[string]uint64
			ClockReads uint64 `json:"clock_reads"`
			Lost       struct{ Reserve, Queue uint64 }
		}
		if err := json.Unmarshal([]byte(last), &end); err != nil {
			return fmt.Errorf("last line: %w", err)
		}
		fmt.Printf("modes %#x: without tracer %.0f ns a call, with %.0f ns; issued %d, written %d, received %d, lost in the ring %d, lost in the queue %d, reads filtered %d\n",
			modes, bare.ns(), issued.ns(), issued.calls, seen, end.Received["clock.adjust"], end.Lost.Reserve, end.Lost.Queue, end.ClockReads)
	}
	return nil
}

type stormResult struct {
	calls uint64
	took  time.Duration
}

func (s stormResult) ns() float64 { return 2 * float64(s.took.Nanoseconds()) / float64(s.calls) }

func storm(d time.Duration, modes uint32, freq int64) stormResult {
	var calls atomic.Uint64
	var wg sync.WaitGroup
	began := time.Now()
	for range 2 {
		wg.Go(func() {
			runtime.LockOSThread()
			var n uint64
			for time.Since(began) < d {
				for range 100 {
					t := unix.Timex{Modes: modes, Freq: freq}
					if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &t); err == nil {
						n++
					}
				}
			}
			calls.Add(n)
		})
	}
	wg.Wait()
	return stormResult{calls.Load(), time.Since(began)}
}

// running prints what the programs of each oomtrace that runs have cost.
func running() error {
	comms, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return err
	}
	for _, file := range comms {
		if b, err := os.ReadFile(file); err == nil && string(b) == "oomtrace\n" {
			pid, err := strconv.Atoi(strings.Split(file, "/")[2])
			if err != nil {
				return err
			}
			programs(pid)
		}
	}
	return nil
}

func programName(id int64) string {
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		return strconv.FormatInt(id, 10)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return strconv.FormatInt(id, 10)
	}
	return info.Name
}

// programs prints what each program of a process has cost, by bpf_stats.
func programs(pid int) {
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fdinfo", pid))
	if err != nil {
		return
	}
	field := func(text, name string) int64 {
		_, rest, _ := strings.Cut(text, "\n"+name+":\t")
		n, _ := strconv.ParseInt(strings.SplitN(rest, "\n", 2)[0], 10, 64)
		return n
	}
	for _, fd := range fds {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd.Name()))
		if text := string(b); err == nil && strings.Contains(text, "prog_tag") && field(text, "run_cnt") > 0 {
			n := field(text, "run_cnt")
			fmt.Printf("program %s: %d runs, %d ns each\n", programName(field(text, "prog_id")), n, field(text, "run_time_ns")/n)
		}
	}
}
