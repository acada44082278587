// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/decode/event"
)

// Version is the wire version this package reads.
const Version = 2

// Errors of Parse.
var (
	ErrLength  = errors.New("wrong length")
	ErrVersion = errors.New("another wire version")
	ErrKind    = errors.New("unknown kind")
	ErrValue   = errors.New("a value that no program writes")
)

// The fixed parts: what stands before the strings.
const (
	killFixed    = int(unsafe.Offsetof(bpf.OomtraceWireKill{}.Tail))
	choiceFixed  = int(unsafe.Offsetof(bpf.OomtraceWireChoice{}.Cands))
	clockFixed   = int(unsafe.Offsetof(bpf.OomtraceWireClock{}.Tail))
	headerSize   = int(unsafe.Sizeof(bpf.OomtraceWireHeader{}))
	sigkillFixed = int(unsafe.Offsetof(bpf.OomtraceWireSigkill{}.Tail))
)

// The longest record of each ring, in bytes.
const (
	MaxLen        = int(unsafe.Sizeof(bpf.OomtraceWireKill{}))
	MaxClockLen   = int(unsafe.Sizeof(bpf.OomtraceWireClock{}))
	MaxSigkillLen = int(unsafe.Sizeof(bpf.OomtraceWireSigkill{}))
)

// Record is one parsed record: Kind says which of the others holds it.
type Record struct {
	Kind    bpf.OomtraceWireKind
	Kill    bpf.OomtraceWireKill
	Choice  bpf.OomtraceWireChoice // kept when a record of another kind is parsed
	Moment  bpf.OomtraceWireMoment
	Clock   bpf.OomtraceWireClock
	Sigkill bpf.OomtraceWireSigkill
}

// KindOf returns the kind that a raw record says it is, 0 for what is too short.
func KindOf(raw []byte) bpf.OomtraceWireKind {
	if len(raw) < headerSize {
		return 0
	}
	var h bpf.OomtraceWireHeader
	copyTo(&h, raw)
	return bpf.OomtraceWireKind(h.Kind)
}

// Synthetic is a record that no kernel wrote: a kill of pid, with which the way of a
// real one is gone once before memory is short.
func Synthetic(pid int, boottimeNS uint64) []byte {
	var w bpf.OomtraceWireKill
	w.H = bpf.OomtraceWireHeader{
		BoottimeNs: boottimeNS, Len: uint32(killFixed), Version: Version,
		Kind: uint16(bpf.OomtraceWireKindWIRE_KIND_SYNTHETIC),
	}
	w.Victim.Pid, w.Victim.Valid = uint32(pid), 1<<bpf.OomtraceWireTaskValidWIRE_TASK_PID
	w.Trigger.Pid, w.Trigger.Valid = w.Victim.Pid, w.Victim.Valid
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&w)), killFixed)...)
}

// Parse reads raw into r, whose memory is used again. Errors wrap ErrLength,
// ErrVersion, ErrKind or ErrValue.
func (r *Record) Parse(raw []byte) error {
	if len(raw) < headerSize {
		return fmt.Errorf("parse record of %d bytes: %w", len(raw), ErrLength)
	}
	var h bpf.OomtraceWireHeader
	copyTo(&h, raw)
	if int(h.Len) != len(raw) {
		return fmt.Errorf("parse record of %d bytes that says %d: %w", len(raw), h.Len, ErrLength)
	}
	if h.Version != Version {
		return fmt.Errorf("parse record of version %d: %w", h.Version, ErrVersion)
	}
	kind := bpf.OomtraceWireKind(h.Kind)
	switch kind {
	case bpf.OomtraceWireKindWIRE_KIND_KILL, bpf.OomtraceWireKindWIRE_KIND_SIGNAL, bpf.OomtraceWireKindWIRE_KIND_SYNTHETIC:
		if len(raw) < killFixed || len(raw) > int(unsafe.Sizeof(r.Kill)) {
			return fmt.Errorf("parse kill of %d bytes: %w", len(raw), ErrLength)
		}
		r.Kill = bpf.OomtraceWireKill{}
		copyTo(&r.Kill, raw)
		if r.Kill.Victim.Pid == 0 || r.Kill.Role > uint32(bpf.OomtraceWireRoleWIRE_ROLE_SHARED_MM) {
			return fmt.Errorf("parse kill of pid %d, role %d: %w", r.Kill.Victim.Pid, r.Kill.Role, ErrValue)
		}
	case bpf.OomtraceWireKindWIRE_KIND_NOKILL:
		if len(raw) < killFixed || len(raw) > int(unsafe.Sizeof(r.Kill)) {
			return fmt.Errorf("parse invocation of %d bytes: %w", len(raw), ErrLength)
		}
		r.Kill = bpf.OomtraceWireKill{}
		copyTo(&r.Kill, raw)
		if nokillReason(r.Kill.Role) == "" {
			return fmt.Errorf("parse invocation without a kill, reason %d: %w", r.Kill.Role, ErrValue)
		}
	case bpf.OomtraceWireKindWIRE_KIND_CHOICE:
		if len(raw) < choiceFixed || len(raw) > int(unsafe.Sizeof(r.Choice)) {
			return fmt.Errorf("parse choice of %d bytes: %w", len(raw), ErrLength)
		}
		r.Choice = bpf.OomtraceWireChoice{}
		copyTo(&r.Choice, raw)
	case bpf.OomtraceWireKindWIRE_KIND_MOMENT:
		if len(raw) != int(unsafe.Sizeof(r.Moment)) {
			return fmt.Errorf("parse moment of %d bytes: %w", len(raw), ErrLength)
		}
		copyTo(&r.Moment, raw)
		if what := bpf.OomtraceWireMomentWhat(r.Moment.What); r.Moment.Pid == 0 ||
			what < bpf.OomtraceWireMomentWhatWIRE_MOMENT_EXITED || what > bpf.OomtraceWireMomentWhatWIRE_MOMENT_FREED {
			return fmt.Errorf("parse moment %d of pid %d: %w", what, r.Moment.Pid, ErrValue)
		}
	case bpf.OomtraceWireKindWIRE_KIND_CLOCK:
		if len(raw) < clockFixed || len(raw) > int(unsafe.Sizeof(r.Clock)) {
			return fmt.Errorf("parse clock record of %d bytes: %w", len(raw), ErrLength)
		}
		r.Clock = bpf.OomtraceWireClock{}
		copyTo(&r.Clock, raw)
	case bpf.OomtraceWireKindWIRE_KIND_SIGKILL:
		if len(raw) < sigkillFixed || len(raw) > MaxSigkillLen {
			return fmt.Errorf("parse SIGKILL of %d bytes: %w", len(raw), ErrLength)
		}
		r.Sigkill = bpf.OomtraceWireSigkill{}
		copyTo(&r.Sigkill, raw)
		if r.Sigkill.Victim.Pid == 0 {
			return fmt.Errorf("parse SIGKILL of pid 0: %w", ErrValue)
		}
	default:
		return fmt.Errorf("parse record of kind %d: %w", h.Kind, ErrKind)
	}
	r.Kind = kind
	return nil
}

// copyTo copies raw over *v, a struct without pointers. Both are little endian:
// the programs run on the CPU that reads them, and only such are built.
func copyTo[T any](v *T, raw []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)), raw)
}

// bytesOf is a C char array as bytes.
func bytesOf(c []int8) []byte {
	if len(c) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&c[0])), len(c))
}

func has[B ~uint32](valid uint64, bit B) bool { return valid&(1<<bit) != 0 }

// cText is a NUL-terminated C string, mended where it is not UTF-8.
func cText(c []int8) (s *string, hexRaw string) {
	return event.CleanText(event.CutNUL(bytesOf(c)))
}

// path turns components leaf first, each with its NUL, into a path.
func path(c []int8) []byte {
	parts := strings.Split(strings.TrimSuffix(string(bytesOf(c)), "\x00"), "\x00")
	out := make([]byte, 0, len(c)+1)
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] != "" {
			out = append(append(out, '/'), parts[i]...)
		}
	}
	if len(out) == 0 {
		out = append(out, '/')
	}
	return out
}
