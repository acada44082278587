// SPDX-License-Identifier: Apache-2.0

// Package kmsg reads what the kernel's log says of memory running out, whoever wrote
// the log down: /dev/kmsg, dmesg, a syslog daemon, the journal, a container runtime, a
// serial console; kernels from 2.6.32 on.
//
//	bytes ─► [Scanner] ─► [Record] ─► [Parser] ─► [Item] ─► [Event]
//
// A Scanner finds the records and what their framing says of time, boot and host. A
// Parser puts the reports of the OOM killer together and gives an Item for each process
// killed, and for what else decides a story. Both stream: they keep the reports that are
// under way and nothing of what was before, whatever the log's size.
//
// What a log does not tell is absent, and what was concluded says so: a kill of which
// only the choice is in the log ([Kill].Concluded), an invocation whose end is not in it
// ([ReasonUnknown]), a report whose lines came mixed with another's ([Report].Mixed).
//
// A log is hostile: the name of a process, 15 bytes of its own choice, stands in the
// middle of most lines. What it may not do is make a kill, hide one, or give it another
// victim.
package kmsg
