// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Errors of Open. Test with errors.Is; the message names what is missing and
// what would do.
var (
	// ErrNotPermitted says that a privilege is missing.
	ErrNotPermitted = errors.New("not permitted")
	// ErrNotSupported says that the kernel lacks something.
	ErrNotSupported = errors.New("not supported by this kernel")
)

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
	return "run as root, or with CAP_BPF and CAP_PERFMON"
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
