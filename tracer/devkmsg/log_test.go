// SPDX-License-Identifier: Apache-2.0

//go:build linux

package devkmsg

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/decode/kmsg"
	"github.com/oomtrace/oomtrace/internal/testenv"
)

// fake gives a Log whose records a test writes, and, as the kernel does, one with each
// read. An errno among the records is what that read answers.
func fake(t *testing.T, answers ...any) (l *Log, write func(string)) {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = New(ends[0]); err != nil {
		t.Fatal(err)
	}
	l.read = func(fd int, b []byte) (int, error) {
		if len(answers) > 0 {
			a := answers[0]
			answers = answers[1:]
			if errno, ok := a.(unix.Errno); ok {
				return 0, errno
			}
			return copy(b, a.(string)), nil
		}
		return unix.Read(fd, b)
	}
	t.Cleanup(func() { unix.Close(ends[1]); _ = l.Close() })
	return l, func(s string) {
		if _, err := unix.Write(ends[1], []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNext(t *testing.T) {
	l, _ := fake(t,
		"6,7,100,-;seven\n SUBSYSTEM=x\n", unix.EINTR, "6,8,200,-;eight\n",
		unix.EPIPE, "6,12,300,-;twelve\n", "no record", unix.EINVAL, "6,14,400,-;fourteen\n")
	if _, ok := l.First(); ok {
		t.Error("a first record, and none was read")
	}
	var r kmsg.Record
	for _, want := range []struct {
		text string
		lost uint64
	}{{"seven", 0}, {"eight", 0}, {"twelve", 3}, {"fourteen", 4}} {
		if err := l.Next(&r); err != nil || string(r.Text) != want.text || l.Lost() != want.lost {
			t.Errorf("%q, %v, %d lost; want %+v", r.Text, err, l.Lost(), want)
		}
	}
	if first, ok := l.First(); !ok || first != 7 {
		t.Errorf("first %d, %v", first, ok)
	}
	if err := l.Next(&r); !errors.Is(err, ErrNone) {
		t.Errorf("at the end: %v", err)
	}
}

// What is no log is given up, and does not turn for ever.
func TestNextGivesUp(t *testing.T) {
	var r kmsg.Record
	for name, answer := range map[string]any{"refusals": unix.EINVAL, "no records": "text"} {
		answers := make([]any, refusals+1)
		for i := range answers {
			answers[i] = answer
		}
		l, _ := fake(t, answers...)
		if err := l.Next(&r); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, answer := range map[string]any{"end": "", "error": unix.EIO} {
		l, _ := fake(t, answer)
		if err := l.Next(&r); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Wait ends when a record comes, and for good when it is stopped.
func TestWait(t *testing.T) {
	l, write := fake(t)
	var r kmsg.Record
	for n := range 3 {
		waited := make(chan error)
		go func() {
			more, err := l.Wait()
			if !more && err == nil {
				err = errors.New("stopped")
			}
			waited <- err
		}()
		write(fmt.Sprintf("6,%d,100,-;x\n", n))
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		if err := l.Next(&r); err != nil || r.Seq != uint64(n) {
			t.Fatalf("%d, %v", r.Seq, err)
		}
		if err := l.Next(&r); !errors.Is(err, ErrNone) {
			t.Fatal(err)
		}
	}
	l.Stop()
	write("6,3,100,-;x\n")
	for range 2 {
		if more, err := l.Wait(); more || err != nil {
			t.Errorf("stopped: %v, %v", more, err)
		}
	}
}

// Reading takes no memory.
func TestNextAllocates(t *testing.T) {
	l, _ := fake(t)
	n := 0
	l.read = func(_ int, b []byte) (int, error) {
		n++
		return copy(b, fmt.Appendf(b[:0], "6,%d,100,-,caller=T1;\\x41 line of the log\n", n)), nil
	}
	var r kmsg.Record
	if got := testing.AllocsPerRun(100, func() {
		if err := l.Next(&r); err != nil || string(r.Text) != "A line of the log" {
			t.Fatalf("%q, %v", r.Text, err)
		}
	}); got != 0 {
		t.Errorf("%v allocations a record", got)
	}
}

func TestOpenFails(t *testing.T) {
	if _, err := Open(t.TempDir() + "/none"); err == nil || !strings.Contains(err.Error(), "in a container") {
		t.Errorf("%v", err)
	}
	if err := openError(Path, unix.EPERM); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "CAP_SYSLOG") {
		t.Errorf("%v", err)
	}
}

// The log that the kernel has: what is written comes, and stands at the clock's time
// between the one before and the one after.
func TestRealLog(t *testing.T) {
	testenv.Privileged(t)
	l, err := Open("")
	if err != nil {
		testenv.Skip(t, "no kernel log: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clock, err := OpenClock()
	if err != nil {
		testenv.Skip(t, "no clock: %v", err)
	}
	t.Cleanup(func() { _ = clock.Close() })
	var r kmsg.Record
	for err == nil {
		err = l.Next(&r)
	}
	if !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	text := fmt.Appendf(nil, "oomtrace test %d\x01", os.Getpid())
	before, ok1 := clock.Now()
	// Without a newline the record would stay open to be continued, and not be shown.
	if err := os.WriteFile(Path, append(text, '\n'), 0); err != nil {
		testenv.Skip(t, "the log cannot be written to: %v", err)
	}
	after, ok2 := clock.Now()
	for {
		more, err := l.Wait()
		if !more || err != nil {
			t.Fatal(more, err)
		}
		if err := l.Next(&r); err != nil && !errors.Is(err, ErrNone) {
			t.Fatal(err)
		} else if err == nil && bytes.Equal(r.Text, text) {
			break
		}
	}
	// Stamps are shown in whole microseconds.
	if at := uint64(r.Printk); !ok1 || !ok2 || at < before-before%1000 || at > after || !r.User {
		t.Errorf("at %d, the clock before %d and after %d, by user space %v", at, before, after, r.User)
	}
}

// The clock goes on for longer than its ring is.
func TestClock(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clock, err := OpenClock()
	if err != nil {
		testenv.Skip(t, "no clock: %v", err)
	}
	defer func() { _ = clock.Close() }()
	last := uint64(0)
	for range 1000 {
		now, ok := clock.Now()
		if !ok || now <= last {
			t.Fatalf("%d, %v, after %d", now, ok, last)
		}
		last = now
	}
	var none *Clock
	if _, ok := none.Now(); ok || none.Steady() || none.Close() != nil {
		t.Error("no clock tells a time")
	}
}

// Whoever may read the log may do so without being root.
func TestCapSyslogIsEnough(t *testing.T) {
	const again = "OOMTRACE_TEST_OPEN"
	if os.Getenv(again) != "" {
		_, err := Open("")
		fmt.Fprintf(os.Stdout, "opened: %v\n", err)
		return
	}
	testenv.Privileged(t)
	if _, err := Open(""); err != nil {
		testenv.Skip(t, "no kernel log: %v", err)
	}
	open := func(caps ...uintptr) string {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestCapSyslogIsEnough$")
		cmd.Env = append(os.Environ(), again+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: caps}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := open(unix.CAP_SYSLOG); !strings.Contains(out, "opened: <nil>") {
		t.Errorf("with CAP_SYSLOG: %s", out)
	}
	restrict, err := os.ReadFile("/proc/sys/kernel/dmesg_restrict")
	if err != nil {
		t.Fatal(err)
	}
	want := "opened: <nil>"
	if strings.TrimSpace(string(restrict)) == "1" {
		want = "operation not permitted; run as root, with CAP_SYSLOG, or with kernel.dmesg_restrict=0"
	}
	if out := open(); !strings.Contains(out, want) {
		t.Errorf("without: %s, want %s", out, want)
	}
}

var sink time.Duration

func BenchmarkClock(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	clock, err := OpenClock()
	if err != nil {
		b.Skip(err)
	}
	defer func() { _ = clock.Close() }()
	b.ReportAllocs()
	for b.Loop() {
		now, _ := clock.Now()
		sink = time.Duration(now)
	}
}

// What a record costs, with the kernel's part in it.
func BenchmarkNext(b *testing.B) {
	testenv.Privileged(b)
	l, err := Open("")
	if err != nil {
		b.Skip(err)
	}
	defer func() { _ = l.Close() }()
	var r kmsg.Record
	b.ReportAllocs()
	for b.Loop() {
		err := l.Next(&r)
		if errors.Is(err, ErrNone) {
			if _, err := unix.Seek(l.fd, 0, unix.SEEK_SET); err != nil {
				b.Fatal(err)
			}
			l.begun = false
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
