// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		err, is, not error
		want         string
	}{
		{unix.EPERM, ErrNotPermitted, ErrNotSupported, permissionAdvice()},
		{fmt.Errorf("x: %w", fs.ErrPermission), ErrNotPermitted, ErrNotSupported, permissionAdvice()},
		{unix.ENOSYS, ErrNotSupported, ErrNotPermitted, "CONFIG_BPF_SYSCALL"},
		{fmt.Errorf("map: %w", ebpf.ErrNotSupported), ErrNotSupported, ErrNotPermitted, "map"},
		{fmt.Errorf("inner: %w", ErrNotPermitted), ErrNotPermitted, ErrNotSupported, "do it: inner"},
		{unix.ENOMEM, unix.ENOMEM, ErrNotPermitted, "do it: cannot allocate memory"},
	} {
		got := classify("do it", tt.err)
		if !errors.Is(got, tt.is) || errors.Is(got, tt.not) || !strings.HasPrefix(got.Error(), "do it: ") || !strings.Contains(got.Error(), tt.want) {
			t.Errorf("%v: %v", tt.err, got)
		}
	}
	if err := classify("do it", nil); err != nil {
		t.Error(err)
	}
}

// What is there already is not asked for.
func TestCapabilityAdvice(t *testing.T) {
	for _, tt := range []struct {
		caps []int
		want string
	}{
		{nil, "run as root, or with CAP_BPF and CAP_PERFMON"},
		{[]int{unix.CAP_BPF}, "CAP_PERFMON is missing"},
		{[]int{unix.CAP_PERFMON}, "CAP_BPF is missing"},
		{[]int{unix.CAP_BPF, unix.CAP_PERFMON}, "seccomp"},
		{[]int{unix.CAP_SYS_ADMIN}, "seccomp"},
	} {
		got := capabilityAdvice(func(c int) bool { return slices.Contains(tt.caps, c) })
		if !strings.Contains(got, tt.want) {
			t.Errorf("%v: %s", tt.caps, got)
		}
	}
}

// A reason is one line of bounded length, without the verifier's log.
func TestReason(t *testing.T) {
	verifier := fmt.Errorf("load: %w", &ebpf.VerifierError{Cause: unix.EINVAL, Log: []string{"0: r1 = 0", "R1 invalid mem access"}})
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("one\ntwo"), "one"},
		{verifier, "load: invalid argument: R1 invalid mem access"},
		{errors.New("x (MEMLOCK may be too low, consider rlimit.RemoveMemlock)"), "x"},
		{errors.New(strings.Repeat("a", 300)), strings.Repeat("a", 240) + "…"},
	} {
		if got := reason(tt.err); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// A tracepoint that tracefs hides tells that, and not which file: the reason is one for
// all. A perf event that is refused goes for the whole kind.
func TestPerfRefused(t *testing.T) {
	tr := &Tracer{broken: map[string]error{}}
	file := &fs.PathError{Op: "open", Path: "/sys/kernel/tracing/events/x/y/id", Err: unix.EACCES}
	err := tr.perfRefused(KindTracepoint, fmt.Errorf("read id: %w", file))
	if err == nil || err.Error() != "tracefs may not be read: permission denied" || !errors.Is(err, fs.ErrPermission) || len(tr.broken) != 0 {
		t.Errorf("%v, broken %v", err, tr.broken)
	}
	if err := tr.perfRefused(KindTracepoint, unix.EACCES); tr.broken[KindTracepoint] == nil || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, broken %v", err, tr.broken)
	}
	if err := tr.perfRefused(KindTracepoint, nil); err != nil {
		t.Error(err)
	}
}
