// SPDX-License-Identifier: Apache-2.0

package kmsg

import "time"

// Record is one record of a kernel log. The bytes that it refers to are valid until
// the Scanner that gave it goes on.
type Record struct {
	// Text is the message alone. What the framing had escaped is undone, so it may
	// hold newlines and any other byte.
	Text []byte
	// Moment says when and where.
	Moment
	// Priority is facility·8 + level; negative when the framing does not tell.
	Priority int
	// Caller is who printed it where the kernel tells: "T123" a thread, "C1" a CPU
	// (CONFIG_PRINTK_CALLER).
	Caller []byte
	// Continues: it goes on where the record before it by the same caller ended, as
	// the flag c of /dev/kmsg says.
	Continues bool
	// User: user space wrote it, not the kernel, as far as the framing tells.
	User bool
	// Reboot: the framing says that the machine came up anew before it (-- Reboot --,
	// -- Boot … --).
	Reboot bool
	// Host is the machine's name, BootID 32 hex digits, where the framing has them.
	Host, BootID []byte
}

// Moment is when a record was made and where it stands.
type Moment struct {
	// Line is of the input, from 1; the first of the record's. A line that came in
	// pieces may be told after later ones.
	Line int64
	// Printk is the kernel's own stamp: local_clock() when the record was made, which
	// starts at boot and stands still in suspend. HasPrintk is false without one.
	Printk    time.Duration
	HasPrintk bool
	Seq       uint64 // of /dev/kmsg and the journal's _KMSG records
	HasSeq    bool
	Wall      Wall
}

// Basis is what a wall-clock time rests on.
type Basis string

// Bases, the most trustworthy first.
const (
	// BasisJournal is journald's: when it took the record from the kernel.
	BasisJournal Basis = "journal"
	// BasisSyslog is a syslog daemon's, or journald's where journalctl prints as one:
	// when it took the record.
	BasisSyslog Basis = "syslog"
	// BasisContainer is a container runtime's or a log shipper's, of its own time.
	BasisContainer Basis = "container"
	// BasisDmesg is computed by dmesg (-T, --time-format iso) from the stamp and the
	// clock at the time that dmesg ran: wrong after each suspend and each step.
	BasisDmesg Basis = "dmesg"
)

// Wall is a wall-clock time as a framing tells it.
type Wall struct {
	Basis Basis // "" is: no time at all
	// Time is in UTC where the zone is told, else what the clock on the wall showed,
	// as if it were UTC. Without a year it is in the year 2000.
	Time           time.Time
	NoYear, NoZone bool
	// Years counts the new years that a log without years has come through so far.
	Years int
	// Resolution is that of the text, such as a second.
	Resolution time.Duration
}

// Format is what framing a log has.
type Format string

// Formats.
const (
	FormatKmsg          Format = "kmsg"           // /dev/kmsg: 6,123,456789,-;text
	FormatDmesg         Format = "dmesg"          // [   12.345678] text, with or without <6> and caller; dmesg --json
	FormatDmesgTime     Format = "dmesg-time"     // dmesg -T
	FormatDmesgISO      Format = "dmesg-iso"      // dmesg --time-format iso
	FormatSyslog        Format = "syslog"         // Jun 20 12:47:02 host kernel: …, and journalctl -o short
	FormatSyslogISO     Format = "syslog-iso"     // 2026-06-20T12:47:02.123456+02:00 host kernel: …
	FormatJournalShort  Format = "journal-short"  // the other -o short-… of journalctl, with-unit, verbose
	FormatJournalExport Format = "journal-export" // journalctl -o export
	FormatJournalJSON   Format = "journal-json"   // journalctl -o json, json-pretty, json-seq
	FormatDocker        Format = "docker"         // {"log":"…","stream":"…","time":"…"}
	FormatCRI           Format = "cri"            // 2026-06-20T12:47:02.1Z stdout F …, and kubectl logs --timestamps
	FormatPlain         Format = "plain"          // the text alone
)
