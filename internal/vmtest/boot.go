// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/internal/vmtest/scenario"
)

var (
	// errNoReport: the guest did not come to its end.
	errNoReport = errors.New("the guest left no report")
	// errNotBegun: nor did it come to the first step.
	errNotBegun = errors.New("the guest took no step")
)

// Options of a boot. The zero value is 384 MiB, 2 CPUs and 10 minutes: what takes
// one minute on an idle machine does so here too when others share its CPUs.
type Options struct {
	MemMiB   int
	CPUs     int
	Nodes    int // of NUMA, which share memory and CPUs evenly; 0: one
	Timeout  time.Duration
	Cmdline  string            // added to the kernel's
	Files    map[string][]byte // further files, by absolute path
	Scenario scenario.Scenario
}

func (o Options) withDefaults() Options {
	if o.MemMiB == 0 {
		o.MemMiB = 384
	}
	if o.CPUs == 0 {
		o.CPUs = 2
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	return o
}

// Result is what a boot left behind.
type Result struct {
	Dir     string // console.log and, under out/, the guest's files
	Report  scenario.Report
	Kmsg    []byte // the kernel log, raw
	Log     Log    // the same, judged
	Console []byte
	Wall    time.Duration // from QEMU's start to its end
}

// Out returns a file the guest left, by its name under /out.
func (r *Result) Out(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.Dir, "out", name))
	if err != nil {
		t.Fatalf("the guest left no %s: %v", name, err)
	}
	return b
}

// JSON decodes the last line of a file the guest left.
func (r *Result) JSON(t testing.TB, name string, v any) {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace(r.Out(t, name)), []byte("\n"))
	if last := lines[len(lines)-1]; json.Unmarshal(last, v) != nil {
		t.Fatalf("%s does not end as expected: %q", name, last)
	}
}

// Boot runs a scenario on a kernel. It fails the test when the guest does not
// come to its end, a step of the scenario fails, or the kernel complains. What was
// left is kept if the test fails, in a folder that is logged, under
// $OOMTRACE_VM_ARTIFACTS if set.
func (l *Lab) Boot(t testing.TB, k Kernel, o Options) *Result {
	t.Helper()
	r, err := l.boot(t, k, o.withDefaults())
	if errors.Is(err, errNotBegun) {
		// The emulator, or the kernel in it, broke down before any program that
		// is tested ran: this says nothing about them. Once is chance.
		t.Logf("boot %s: %v; once more", k, err)
		r, err = l.boot(t, k, o.withDefaults())
	}
	if err != nil {
		t.Fatalf("boot %s: %v", k, err)
	}
	for _, line := range complaints(r.Console, r.Kmsg) {
		t.Errorf("%s: %s", k, line)
	}
	for _, f := range r.Report.Failures {
		t.Errorf("%s: step %s", k, f)
	}
	if r.Report.Cut {
		t.Fatalf("%s: the scenario ended there", k)
	}
	t.Logf("%s: %s, first step after %.1f s, %.1f s in all", k, r.Report.Release, float64(r.Report.UpNS)/1e9, r.Wall.Seconds())
	return r
}

func (l *Lab) boot(t testing.TB, k Kernel, o Options) (*Result, error) {
	l.slots <- struct{}{}
	defer func() { <-l.slots }()

	files, err := k.Cached(l.cache)
	if err != nil {
		return nil, fmt.Errorf("%w (go run ./internal/vmtest/kernels fetches it)", err)
	}
	dir, err := artifacts(t, k)
	if err != nil {
		return nil, err
	}
	initrd, disk := filepath.Join(dir, "initrd"), filepath.Join(dir, "disk")
	if err := l.pack(initrd, k.Arch, files.Modules, o); err != nil {
		return nil, err
	}
	defer os.Remove(initrd)
	defer os.Remove(disk)
	// Sparse: only what the guest writes takes room.
	if err := errors.Join(os.WriteFile(disk, nil, 0o600), os.Truncate(disk, 256<<20)); err != nil {
		return nil, fmt.Errorf("make the disk: %w", err)
	}
	argv, err := qemu(k, files.Image, initrd, disk, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.Timeout)
	defer cancel()
	var console, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &console, &stderr
	start := time.Now()
	runErr := cmd.Run()
	r := &Result{Dir: dir, Console: console.Bytes(), Wall: time.Since(start)}
	if err := os.WriteFile(filepath.Join(dir, "console.log"), r.Console, 0o600); err != nil {
		return nil, fmt.Errorf("keep the console: %w", err)
	}
	if ctx.Err() != nil {
		runErr = fmt.Errorf("no end after %v: %w", o.Timeout, runErr)
	}
	if runErr != nil {
		err = fmt.Errorf("%s: %w\n%s%s", strings.Join(argv, " "), runErr, stderr.Bytes(), tail(r.Console))
	} else if err = r.read(disk); err != nil {
		err = fmt.Errorf("%w\n%s", err, tail(r.Console))
	}
	if err != nil && !bytes.Contains(r.Console, []byte(scenario.Mark)) {
		err = fmt.Errorf("%w: %w", errNotBegun, err)
	}
	return r, err
}

// complaint matches what a kernel says of a fault of its own, and the guest of one
// of its.
var complaint = regexp.MustCompile(`WARNING:|BUG:|Oops|rcu: INFO: rcu_.*stall|INFO: task .* blocked for more than|soft lockup|` + scenario.Trouble)

// complaints returns the lines of the logs that no boot may have.
func complaints(logs ...[]byte) (lines []string) {
	for _, log := range logs {
		for line := range bytes.Lines(log) {
			if complaint.Match(line) {
				lines = append(lines, string(bytes.TrimSpace(line)))
			}
		}
	}
	return lines
}

// pack writes the initramfs.
func (l *Lab) pack(path, arch string, modules []string, o Options) error {
	files := maps.Clone(l.programs[arch])
	var err error
	for _, m := range modules {
		if files[scenario.ModuleDir+"/"+filepath.Base(m)], err = os.ReadFile(m); err != nil {
			return fmt.Errorf("read module: %w", err)
		}
	}
	if files[scenario.File], err = json.Marshal(o.Scenario); err != nil {
		return fmt.Errorf("encode scenario: %w", err)
	}
	for name, data := range o.Files {
		files[name] = data
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make initramfs: %w", err)
	}
	return errors.Join(initramfs(f, files), f.Close())
}

// read takes what the guest left from the disk, a tar archive.
func (r *Result) read(disk string) error {
	f, err := os.Open(disk)
	if err != nil {
		return fmt.Errorf("open the disk: %w", err)
	}
	defer f.Close()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read what the guest left: %w", err)
		}
		if !filepath.IsLocal(h.Name) || h.Typeflag != tar.TypeReg {
			return fmt.Errorf("read what the guest left: unexpected entry %q", h.Name)
		}
		to := filepath.Join(r.Dir, "out", h.Name)
		b, err := io.ReadAll(tr)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, b, 0o600)); err != nil {
			return fmt.Errorf("read what the guest left: %w", err)
		}
		switch "/out/" + h.Name {
		case scenario.ReportFile:
			err = json.Unmarshal(b, &r.Report)
		case scenario.KmsgFile:
			r.Kmsg = b
			r.Log, err = ParseKmsg(bytes.NewReader(b))
		}
		if err != nil {
			return fmt.Errorf("read the guest's %s: %w", h.Name, err)
		}
	}
	if r.Report.Release == "" {
		return errNoReport
	}
	return nil
}

// artifacts makes the folder for a boot, which outlives the test only when it
// fails.
func artifacts(t testing.TB, k Kernel) (string, error) {
	root := os.Getenv("OOMTRACE_VM_ARTIFACTS")
	if root != "" {
		if err := os.MkdirAll(root, 0o755); err != nil {
			return "", fmt.Errorf("make artifacts: %w", err)
		}
	}
	dir, err := os.MkdirTemp(root, "oomtrace-vm-"+k.String()+"-")
	if err != nil {
		return "", fmt.Errorf("make artifacts: %w", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the guest left is in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove artifacts: %v", err)
		}
	})
	return dir, nil
}

// tail returns the end of a console log.
func tail(b []byte) []byte { return b[max(0, len(b)-4000):] }
