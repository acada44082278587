// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

// defaultTimeout bounds a step that names none: two emulated CPUs, which share
// their host with other guests, need some seconds for what takes one of them.
const defaultTimeout = 90 * time.Second

// dumpTimeout is for a process to say where it stands.
const dumpTimeout = 30 * time.Second

// runner carries out steps and keeps the report.
type runner struct {
	cgroups string // root of the hierarchy
	report  scenario.Report
	procs   map[string]*proc
	order   []string // of start
}

// proc is one process of a step.
type proc struct {
	cmd  *exec.Cmd
	info scenario.Proc
	done chan struct{} // closed once info is complete
}

func newRunner(cgroups string) *runner {
	return &runner{
		cgroups: cgroups,
		procs:   map[string]*proc{},
		report:  scenario.Report{UpNS: boottime(), Procs: map[string]scenario.Proc{}},
	}
}

// boottime returns CLOCK_BOOTTIME in nanoseconds.
func boottime() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail with a valid clock
	return ts.Nano()
}

// do runs one step, marked in the kernel log and, as an error, on the console,
// and notes a failure. It says whether the scenario can go on: not without a
// process that others rely on.
func (r *runner) do(s scenario.Step) bool {
	_ = os.WriteFile("/dev/kmsg", fmt.Appendf(nil, "<3>%s%s %s\n", scenario.Mark, s.Kind, s.Name), 0) // who reads misses it
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
	defer cancel()
	err := r.step(ctx, s)
	if err != nil {
		r.report.Failures = append(r.report.Failures, fmt.Sprintf("%s %s: %v", s.Kind, s.Name, err))
	}
	r.report.Cut = err != nil && s.Kind == scenario.KindStart && s.Ready != ""
	return !r.report.Cut
}

func (r *runner) step(ctx context.Context, s scenario.Step) error {
	switch s.Kind {
	case scenario.KindSay:
		return nil // do has said it
	case scenario.KindWrite:
		return write(s.Name, s.Data)
	case scenario.KindCgroup:
		return r.cgroup(s)
	case scenario.KindRun:
		p, err := r.start(ctx, s)
		if err != nil {
			return err
		}
		return r.wait(ctx, s.Name, p)
	case scenario.KindStart:
		_, err := r.start(ctx, s)
		return err
	case scenario.KindUntil:
		return r.until(ctx, s)
	case scenario.KindStop, scenario.KindWait:
		p, ok := r.procs[s.Name]
		if !ok {
			return errors.New("not started")
		}
		if s.Kind == scenario.KindStop {
			if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
				return err
			}
		}
		return r.wait(ctx, s.Name, p)
	}
	return errors.New("unknown kind of step")
}

// until waits for a line in what a process writes, a file that others write to.
func (r *runner) until(ctx context.Context, s scenario.Step) error {
	re, err := regexp.Compile("(?m)" + s.Ready)
	if err != nil {
		return err
	}
	for {
		b, err := os.ReadFile(filepath.Join(scenario.OutDir, s.Name+".out"))
		if err != nil || re.Match(b) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no line %q in time", s.Ready)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// cgroup makes a cgroup, with the memory controller in all above it.
func (r *runner) cgroup(s scenario.Step) error {
	dir := r.cgroups
	for name := range strings.SplitSeq(s.Name, "/") {
		if r.cgroups == scenario.CgroupV2 {
			if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
				return err
			}
		}
		dir = filepath.Join(dir, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for setting := range strings.Lines(s.Data) {
		file, value, _ := strings.Cut(strings.TrimSpace(setting), "=")
		if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
			return err
		}
	}
	return nil
}

// start starts a step's process and waits until it is ready.
func (r *runner) start(ctx context.Context, s scenario.Step) (*proc, error) {
	if _, ok := r.procs[s.Name]; ok || s.Name == "" {
		return nil, errors.New("a process needs a name of its own")
	}
	cmd, err := command(r.cgroups, s)
	if err != nil {
		return nil, err
	}
	stdout, err := os.Create(filepath.Join(scenario.OutDir, s.Name+".out"))
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(filepath.Join(scenario.OutDir, s.Name+".err"))
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	p := &proc{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	var ready *lineWatch
	if s.Ready != "" {
		re, err := regexp.Compile(s.Ready)
		if err != nil {
			return nil, err
		}
		ready = &lineWatch{w: stdout, re: re, seen: make(chan struct{})}
		cmd.Stdout = nil
	}
	var pipe io.Reader
	if ready != nil {
		// Not cmd.Stdout = ready: then Wait would hang on a pipe that orphans
		// keep open.
		if pipe, err = cmd.StdoutPipe(); err != nil {
			return nil, err
		}
		if ready.w, err = os.OpenFile(stdout.Name(), os.O_WRONLY|os.O_APPEND, 0); err != nil {
			return nil, err
		}
	}
	p.info.StartNS = boottime()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.info.PID = cmd.Process.Pid
	r.procs[s.Name] = p
	r.order = append(r.order, s.Name)
	go p.reap(ready, pipe)
	if ready == nil {
		return p, nil
	}
	select {
	case <-ready.seen:
		return p, nil
	case <-p.done:
		select {
		case <-ready.seen:
			return p, nil
		default:
		}
		return nil, fmt.Errorf("ended (%d %s) without a line %q: %s", p.info.Exit, p.info.Signal, s.Ready, r.stderr(s.Name))
	case <-ctx.Done():
		where := p.interrogate()
		return nil, fmt.Errorf("no line %q within %v: %s%s", s.Ready, s.Timeout, r.stderr(s.Name), where)
	}
}

// interrogate says in which kernel function each thread of a process waits, has a
// Go program write to its stderr where its goroutines are (GOTRACEBACK decides
// which), and ends it.
func (p *proc) interrogate() []byte {
	var all []byte
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.info.PID)) // of a constant pattern: no error
	for _, dir := range threads {
		// What cannot be read is left out: the thread may have ended.
		state, _ := os.ReadFile(dir + "/stat")
		stack, _ := os.ReadFile(dir + "/stack")
		all = fmt.Appendf(all, "\n%.40s\n%s", state, stack)
	}
	_ = p.cmd.Process.Signal(unix.SIGQUIT) // it may have ended by now
	select {
	case <-p.done:
	case <-time.After(dumpTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return all
}

// stderr returns the head of what a process wrote there: behind a few warnings,
// what a dump begins with tells most. The rest is in the file.
func (r *runner) stderr(name string) []byte {
	b, err := os.ReadFile(filepath.Join(scenario.OutDir, name+".err"))
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(b[:min(len(b), 64<<10)])
}

// reap drains the output that is watched, if any, and waits for the end.
func (p *proc) reap(ready *lineWatch, pipe io.Reader) {
	defer close(p.done)
	if ready != nil {
		_, _ = io.Copy(ready, pipe) // the process may end as it likes
		_ = ready.w.Close()
	}
	_ = p.cmd.Wait() // its state tells all
	p.info.EndNS = boottime()
	p.info.Exit = p.cmd.ProcessState.ExitCode()
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		p.info.Signal = ws.Signal().String()
	}
	if ru, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		p.info.MaxRSS = ru.Maxrss << 10
	}
}

// wait waits for a process, which is ended when the step's time is over.
func (r *runner) wait(ctx context.Context, name string, p *proc) error {
	var err error
	select {
	case <-p.done:
	case <-ctx.Done():
		where := p.interrogate()
		err = fmt.Errorf("did not end in time: %s%s", r.stderr(name), where)
	}
	r.report.Procs[name] = p.info
	return err
}

// stopAll kills what still runs and completes the report.
func (r *runner) stopAll() {
	for _, name := range r.order {
		if _, ok := r.report.Procs[name]; ok {
			continue
		}
		p := r.procs[name]
		select {
		case <-p.done:
			r.report.Procs[name] = p.info
		default:
			r.report.Procs[name] = scenario.Proc{PID: p.info.PID, StartNS: p.info.StartNS}
			_ = p.cmd.Process.Kill()
		}
	}
}

// lineWatch copies what is written to w and closes seen at the first line that
// matches re.
type lineWatch struct {
	w    *os.File
	re   *regexp.Regexp
	line []byte
	once sync.Once
	seen chan struct{}
}

// maxLine bounds what is kept of a line in search of the pattern.
const maxLine = 64 << 10

func (l *lineWatch) Write(b []byte) (int, error) {
	for part := range bytes.Lines(b) {
		if len(l.line) < maxLine {
			l.line = append(l.line, part...)
		}
		if part[len(part)-1] == '\n' {
			if l.re.Match(l.line) {
				l.once.Do(func() { close(l.seen) })
			}
			l.line = l.line[:0]
		}
	}
	return l.w.Write(b)
}

// command turns a step into a command: its cgroup and namespaces are entered by
// the guest program, which then executes the real one in the same process.
func command(cgroups string, s scenario.Step) (*exec.Cmd, error) {
	argv := s.Argv
	if len(argv) == 0 {
		return nil, errors.New("no command")
	}
	attr := &syscall.SysProcAttr{}
	if s.PIDNamespace {
		attr.Cloneflags |= unix.CLONE_NEWPID | unix.CLONE_NEWNS
		argv = append([]string{scenario.Guest, "newproc"}, argv...)
	}
	if s.Cgroup != "" {
		argv = append([]string{scenario.Guest, "enter", filepath.Join(cgroups, s.Cgroup)}, argv...)
	}
	if s.Drop {
		attr.Credential = &syscall.Credential{Uid: s.UID, Gid: s.UID}
		attr.AmbientCaps = s.Caps
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Dir = "/tmp"
	cmd.SysProcAttr = attr
	return cmd, nil
}

// write writes a file without O_NONBLOCK, which os.WriteFile sets for kernfs files: since
// "memcg: introduce non-blocking limit setting option" (in v6.16) a limit that
// is set so reclaims nothing and kills nobody.
func write(name, data string) error {
	fd, err := unix.Open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(data)); err != nil {
		return &os.PathError{Op: "write", Path: name, Err: err}
	}
	return nil
}
