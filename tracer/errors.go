// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/internal/capability"
)

// Errors of Open. Test with errors.Is; the message names what is missing and
// what would do.
var (
	// ErrNotPermitted says that a privilege is missing.
	ErrNotPermitted = errors.New("not permitted")
	// ErrNotSupported says that the kernel lacks something.
	ErrNotSupported = errors.New("not supported by this kernel")
)

// UnservedError says that nothing works of all that was tried.
type UnservedError struct {
	Hooks []Hook // why, for each fact
	base  error
}

// Error implements error.
func (e *UnservedError) Error() string {
	var why []string
	for _, h := range e.Hooks {
		why = append(why, h.Fact+": "+h.Reason)
	}
	return fmt.Sprintf("attach: %v: %s", e.base, strings.Join(why, "; "))
}

// Unwrap is one of the errors above.
func (e *UnservedError) Unwrap() error { return e.base }

// classify wraps err as one of the errors above when it is one.
func classify(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotPermitted), errors.Is(err, ErrNotSupported):
		return fmt.Errorf("%s: %w", op, err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%s: %w: it has no bpf(2) (CONFIG_BPF_SYSCALL)", op, ErrNotSupported)
	case errors.Is(err, unix.EPERM), errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: %w: %s", op, ErrNotPermitted, permissionAdvice())
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%s: %w: %w", op, ErrNotSupported, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

func permissionAdvice() string {
	if lockdown() == "confidentiality" {
		return "kernel lockdown is \"confidentiality\", which forbids reading kernel memory; boot with lockdown=integrity or none"
	}
	if inUserNamespace() {
		return "run as root outside of this user namespace, whose capabilities do not count"
	}
	return capabilityAdvice(capability.Has)
}

// inUserNamespace says whether this is another user namespace than the initial one,
// which alone maps every id to itself.
func inUserNamespace() bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && !slices.Equal(strings.Fields(string(ids)), []string{"0", "0", "4294967295"})
}

func capabilityAdvice(has func(int) bool) string {
	const needs = "run as root, or with CAP_BPF and CAP_PERFMON"
	bpf, perfmon := has(unix.CAP_BPF), has(unix.CAP_PERFMON)
	switch {
	case has(unix.CAP_SYS_ADMIN), bpf && perfmon:
		return "not for want of capabilities: seccomp or a security module forbids it"
	case bpf:
		return needs + " (CAP_PERFMON is missing)"
	case perfmon:
		return needs + " (CAP_BPF is missing)"
	}
	return needs
}

// lockdown returns the mode in force: none, integrity, confidentiality, or "".
func lockdown() string {
	b, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return ""
	}
	_, rest, ok := strings.Cut(string(b), "[")
	if !ok {
		return ""
	}
	mode, _, _ := strings.Cut(rest, "]")
	return mode
}

// reason is err as half a line for a report: the cause, without verifier logs.
func reason(err error) string {
	s := err.Error()
	var ve *ebpf.VerifierError
	if errors.As(err, &ve) {
		s = fmt.Sprintf("load: %v", ve.Cause)
		if len(ve.Log) > 0 {
			s += ": " + strings.TrimSpace(ve.Log[len(ve.Log)-1])
		}
	}
	s, _, _ = strings.Cut(s, "\n")
	s = strings.Replace(s, " (MEMLOCK may be too low, consider rlimit.RemoveMemlock)", "", 1)
	if len(s) > 240 {
		s = s[:240] + "…"
	}
	return s
}
