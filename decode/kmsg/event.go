// SPDX-License-Identifier: Apache-2.0

package kmsg

import (
	"fmt"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Context is what making events of a log's items needs beside the log. Its zero value
// is ready for use.
type Context struct {
	// Host is the machine that the log is from; nil: what the log tells. Each boot
	// has its own boot_id and kernel, which the log's own go before.
	Host *event.Host
	// PageSizeBytes is the machine's; 0: what the log shows, else fields that would
	// need it are absent.
	PageSizeBytes int
	// Time places a moment of a boot of the log; nil: nothing has a time, only an
	// order.
	Time func(m Moment, boot int) Time
}

// Time is where a moment of a log is on the wall clock.
type Time struct {
	Wall    time.Time // zero: not known
	Basis   event.TimeBasis
	ErrorMS *int64
	Guessed []event.TimeGuess
}

// Event makes an event of what a Parser gave. It has neither session nor seq, and no time
// where c.Time gives none: the encoder's AppendEntry takes it so.
func Event(item Item, c Context) *event.Event {
	h := item.header()
	e := &event.Event{Schema: event.Schema, Source: event.SourceKmsg, TimeBasis: event.BasisOrder, Host: host(h, c)}
	if h.HasPrintk && h.Printk >= 0 {
		e.PrintkNS = event.Ptr(uint64(h.Printk))
	}
	if c.Time != nil {
		t := c.Time(h.Moment, h.Boot)
		e.Time, e.TimeBasis, e.TimeErrorMS, e.TimeGuessed = t.Wall, t.Basis, t.ErrorMS, t.Guessed
	}
	switch it := item.(type) {
	case *Kill:
		e.Type, e.Kill = event.TypeOOMKill, killEvent(it, c)
		e.Simulated = event.BySimulator(e.Kill.Victim.Comm, e.Kill.Victim.Cgroup)
	case *NoKill:
		e.Type, e.NoKill = event.TypeOOMNoKill, noKillEvent(it, c)
	case *Reaped:
		e.Type, e.End = event.TypeOOMEnd, endEvent(it)
	case *Panic:
		e.Type, e.Panic = event.TypeKernelPanic, &event.KernelPanic{Message: clean(it.Message)}
	case *Boot:
		e.Type, e.Boot = event.TypeKernelBoot, &event.KernelBoot{Release: clean(it.Release), CommandLine: clean(it.CommandLine)}
	}
	return e
}

// host is the machine and the boot of an item: what the log tells goes before what the
// context does.
func host(h *Header, c Context) *event.Host {
	var e event.Host
	if c.Host != nil {
		e = *c.Host
	}
	if h.Host != "" && e.Name == "" {
		e.Name = clean(h.Host)
	}
	if id := bootUUID(h.BootID); id != "" {
		if e.BootID != "" && e.BootID != id {
			e.Kernel = "" // of another boot
		}
		e.BootID = id
	}
	if h.Release != "" {
		e.Kernel = clean(h.Release)
	}
	if size := pageSize(h, c); size != 0 {
		e.PageSizeBytes = size
	}
	if e.Name == "" && e.MachineID == "" && e.BootID == "" && e.Kernel == "" && e.Arch == "" && e.PageSizeBytes == 0 && len(e.Labels) == 0 {
		return nil
	}
	return &e
}

// bootUUID writes 32 hex digits as boot_id does.
func bootUUID(id string) string {
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

func pageSize(h *Header, c Context) int {
	if h.PageSize != 0 {
		return h.PageSize
	}
	return c.PageSizeBytes
}

// Episode is the id of the invocation: of the boot and the stamp of its first line.
func (rep *Report) Episode() string { return episode(&rep.Header) }

func episode(h *Header) string {
	if !h.HasPrintk || h.Printk < 0 {
		return fmt.Sprintf("line-%d", h.Line)
	}
	boot := "log"
	if id := bootUUID(h.BootID); id != "" {
		boot = id[:8]
	}
	return fmt.Sprintf("%s-%x", boot, uint64(h.Printk))
}

func endEvent(r *Reaped) *event.End {
	e := &event.End{
		Episode: r.Episode, PID: r.PID, Outcome: event.OutcomeReaped,
		LeftAnonRSSBytes: r.AnonRSSKB.bytes(), LeftFileRSSBytes: r.FileRSSKB.bytes(), LeftShmemRSSBytes: r.ShmemRSSKB.bytes(),
	}
	if e.Episode == "" {
		e.Episode = episode(&r.Header)
		e.Sources = map[string]string{"episode": "computed"}
	}
	e.Comm, e.CommHex = event.CleanText([]byte(r.Comm))
	if r.Failed {
		e.Outcome = event.OutcomeStuck
	}
	if r.HasAfter && r.After >= 0 {
		ms := float64(r.After.Microseconds()) / 1000
		if r.Failed {
			e.WaitedMS = event.Ptr(r.After.Milliseconds())
		} else {
			e.ReapMS = &ms
		}
	}
	return e
}

func clean(s string) string {
	s, _ = event.CleanString([]byte(s))
	return s
}
