// SPDX-License-Identifier: Apache-2.0

package killlog

import "github.com/oomtrace/oomtrace/decode/event"

// Line is one line of a log, as its framing tells.
type Line struct {
	// Ident is the program's name, as it gave it: "systemd", "earlyoom". A pid in
	// brackets is not part of it.
	Ident string
	Text  []byte // the message
	// OfUnit is the unit that systemd speaks of: UNIT= or USER_UNIT= of the journal.
	OfUnit string
	// Writer is who wrote it, as journald had it from the kernel; nil where the framing
	// does not tell.
	Writer *Writer
}

// Writer is who wrote a line: the fields of the journal that no writer can choose.
type Writer struct {
	PID  int     // _PID=; 0 is not told
	UID  *uint32 // _UID=
	Unit string  // _SYSTEMD_UNIT=
}

// Kind is what a line tells.
type Kind string

// Kinds.
const (
	// KindKill: By sent Signal, to a process, a cgroup, a container or a pod.
	KindKill Kind = "kill"
	// KindOOM: By was told by the kernel that its OOM killer had killed in a unit or a
	// container.
	KindOOM Kind = "oom"
	// KindExit: a unit's process or a container ended by Signal, whoever sent it.
	KindExit Kind = "exit"
	// KindResult: systemd says that the OOM killer, or systemd-oomd, ended a unit.
	KindResult Kind = "result"
	// KindEvict: the kubelet ended a pod for want of a resource.
	KindEvict Kind = "evict"
)

// Trust is who vouches for a line.
type Trust string

// Ways to trust, the best first.
const (
	// TrustSystem: journald saw that root, or the program's own system unit, wrote it.
	TrustSystem Trust = "system"
	// TrustLine: nobody; the line has the form, and any user can write such a one.
	TrustLine Trust = "line"
	// TrustUser: journald saw that a user wrote it, who can be believed of that user's
	// own units alone.
	TrustUser Trust = "user"
)

// Report is what a line tells. What it does not tell is absent.
type Report struct {
	Kind  Kind
	By    event.Verdict // who did it, or saw it
	Trust Trust
	// Signal is what was sent, or ended it: "SIGKILL", "SIGTERM".
	Signal string

	PID       int // 0 is not told
	Comm      *string
	CommHex   string
	UID       *uint32
	Unit      string // systemd's
	Cgroup    string // from the hierarchy's root
	Container string // 64 hex digits
	Pod       *event.Pod
	// Processes is how many were killed, where they are not told one by one.
	Processes *int
	RSSBytes  *uint64
	// Reason is why, in the program's words.
	Reason string
}
