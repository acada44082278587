// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// rec is what a test looks at of a record.
type rec struct {
	Text    string
	Printk  time.Duration // negative: none
	Wall    string
	Prio    int
	Caller  string
	User    bool
	Host    string
	BootID  string
	Reboot  bool
	Cont    bool
	Format  kmsg.Format
	Line    int64
	Guessed string // NoYear, NoZone, Years, resolution
}

func toRec(s *kmsg.Scanner, r *kmsg.Record) rec {
	out := rec{
		Text: string(r.Text), Printk: -1, Prio: r.Priority, Caller: string(r.Caller), User: r.User,
		Host: string(r.Host), BootID: string(r.BootID), Reboot: r.Reboot, Cont: r.Continues,
		Format: s.Format(), Line: r.Line,
	}
	if r.HasPrintk {
		out.Printk = r.Printk
	}
	if w := r.Wall; w.Basis != "" {
		out.Wall = string(w.Basis) + " " + w.Time.Format(time.RFC3339Nano)
		if w.NoYear {
			out.Guessed += fmt.Sprintf("year+%d ", w.Years)
		}
		if w.NoZone {
			out.Guessed += "zone "
		}
		out.Guessed += w.Resolution.String()
	}
	return out
}

func scan(t *testing.T, log string) []rec {
	t.Helper()
	return scanFrom(t, strings.NewReader(log))
}

func scanFrom(t *testing.T, r io.Reader) (recs []rec) {
	t.Helper()
	s := kmsg.NewScanner(r)
	for {
		r, err := s.Next()
		if err == io.EOF {
			return recs
		}
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, toRec(s, r))
	}
}

// recorded is a part of a kernel's log as /dev/kmsg gave it in the lab: 6.12, two OOM
// kills.
func recorded(t testing.TB) (log string, records []kmsgRecord) {
	t.Helper()
	raw, err := os.ReadFile("testdata/oom.kmsg")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, " ") {
			continue
		}
		var r kmsgRecord
		head, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ";")
		if _, err := fmt.Sscanf(head, "%d,%d,%d,", &r.prio, &r.seq, &r.usec); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		r.text = strings.NewReplacer(`\x0a`, "\n", `\x09`, "\t").Replace(text)
		records = append(records, r)
	}
	return string(raw), records
}

type kmsgRecord struct {
	prio      int
	seq, usec int64
	text      string
}

func (r kmsgRecord) stamp() string { return fmt.Sprintf("[%5d.%06d]", r.usec/1e6, r.usec%1e6) }

// The machine of the examples came up at this time, in a zone of two hours.
var came = time.Date(2026, 6, 20, 12, 46, 59, 0, time.FixedZone("CEST", 2*60*60))

func (r kmsgRecord) wall() time.Time { return came.Add(time.Duration(r.usec) * time.Microsecond) }

const bootID = "d1c1f0e0a0b14f7ea1a2b3c4d5e6f708"

// indented is how dmesg, journalctl and makedumpfile print a text of several lines.
func indented(prefix, text string) string {
	return prefix + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", len(prefix))) + "\n"
}

// repeated is how the kernel itself does.
func repeated(prefix, text string) string {
	return prefix + strings.ReplaceAll(text, "\n", "\n"+prefix) + "\n"
}

func docker(line, end string) string {
	log, _ := json.Marshal(line + end)
	return fmt.Sprintf(`{"log":%s,"stream":"stdout","time":"2026-06-20T10:47:05.123456789Z"}`, log) + "\n"
}

// field is one of journalctl -o export.
func field(key, val string) string {
	if !strings.Contains(val, "\n") {
		return key + "=" + val + "\n"
	}
	return key + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(val)))) + val + "\n"
}

// Framings that each tell the same records.
var framings = []struct {
	name   string
	format kmsg.Format
	write  func(r kmsgRecord) string
	want   carried
}{
	{"kmsg", kmsg.FormatKmsg, func(r kmsgRecord) string {
		return fmt.Sprintf("%d,%d,%d,-;%s\n", r.prio, r.seq, r.usec, strings.ReplaceAll(r.text, "\n", `\x0a`))
	}, stamped | prioritized},
	{"kmsg with caller and fields", kmsg.FormatKmsg, func(r kmsgRecord) string {
		return fmt.Sprintf("%d,%d,%d,-,caller=T12;%s\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:03.0\n",
			r.prio, r.seq, r.usec, strings.ReplaceAll(r.text, "\n", `\x0a`))
	}, stamped | prioritized | called},
	{"dmesg", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return indented(r.stamp()+" ", r.text)
	}, stamped},
	{"dmesg, old: not indented", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return r.stamp() + " " + r.text + "\n"
	}, stamped},
	{"dmesg -S, the console", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return repeated(r.stamp()+" ", r.text)
	}, stamped | byLine},
	{"a serial console", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return strings.ReplaceAll(repeated(r.stamp()+" ", r.text), "\n", "\r\n")
	}, stamped | byLine},
	{"the console, with caller", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return repeated(r.stamp()+"[   T12] ", r.text)
	}, stamped | byLine | called},
	{"makedumpfile 1.7.8", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return indented(r.stamp()+" [     T12] ", r.text)
	}, stamped | called},
	{"dmesg -r", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return fmt.Sprintf("<%d>%s %s\n", r.prio, r.stamp(), r.text)
	}, stamped | prioritized},
	{"dmesg -x", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return indented(fmt.Sprintf("%-6s:%-6s: %s ", "kern", levels[r.prio], r.stamp()), r.text)
	}, stamped | prioritized},
	{"dmesg -d", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return indented(r.stamp()[:13]+" <    0.000221>] ", r.text)
	}, stamped},
	{"dmesg -L=always", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return "\x1b[32m" + r.stamp() + " \x1b[0m\x1b[1m" + strings.ReplaceAll(r.text, "\n", "\n"+strings.Repeat(" ", 15)) + "\x1b[0m\n"
	}, stamped},
	{"dmesg -x -L=always", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return fmt.Sprintf("%-6s:%-6s: \x1b[32m%s \x1b[0m", "kern", levels[r.prio], r.stamp()) +
			strings.ReplaceAll(r.text, "\n", "\n"+strings.Repeat(" ", 30)) + "\x1b[0m\n"
	}, stamped | prioritized},
	{"dmesg -T", kmsg.FormatDmesgTime, func(r kmsgRecord) string {
		return indented("["+r.wall().Format(time.ANSIC)+"] ", r.text)
	}, timed},
	{"dmesg -xT", kmsg.FormatDmesgTime, func(r kmsgRecord) string {
		return indented(fmt.Sprintf("%-6s:%-6s: [%s] ", "kern", levels[r.prio], r.wall().Format(time.ANSIC)), r.text)
	}, timed | prioritized},
	{"dmesg -dT", kmsg.FormatDmesgTime, func(r kmsgRecord) string {
		return indented("["+r.wall().Format(time.ANSIC)+" <    0.000221>] ", r.text)
	}, timed},
	{"dmesg --time-format iso", kmsg.FormatDmesgISO, func(r kmsgRecord) string {
		return indented(r.wall().Format("2006-01-02T15:04:05,000000-07:00 "), r.text)
	}, timed},
	{"dmesg --time-format delta", kmsg.FormatDmesg, func(r kmsgRecord) string {
		return indented("[<    0.000221>] ", r.text)
	}, 0},
	{"dmesg --json", kmsg.FormatDmesg, func(r kmsgRecord) string {
		text, _ := json.Marshal(r.text)
		return fmt.Sprintf("{\n   \"dmesg\": [\n      {\n         \"pri\": %d,\n         \"time\": %12.6f,\n         \"msg\": %s\n      }\n   ]\n}\n",
			r.prio, float64(r.usec)/1e6, text)
	}, stamped | prioritized},
	{"syslog", kmsg.FormatSyslog, func(r kmsgRecord) string {
		return repeated(r.wall().Format("Jan _2 15:04:05 dbx kernel: ")+r.stamp()+" ", r.text)
	}, stamped | timed | hosted | byLine},
	{"rsyslog that escapes", kmsg.FormatSyslog, func(r kmsgRecord) string {
		return r.wall().Format("Jan _2 15:04:05 dbx kernel: ") + r.stamp() + " " + strings.ReplaceAll(r.text, "\n", "#012") + "\n"
	}, stamped | timed | hosted},
	{"rsyslog ISO", kmsg.FormatSyslogISO, func(r kmsgRecord) string {
		return repeated(r.wall().Format("2006-01-02T15:04:05.000000-07:00 dbx kernel: ")+r.stamp()+" ", r.text)
	}, stamped | timed | hosted | byLine},
	{"RFC 5424", kmsg.FormatSyslogISO, func(r kmsgRecord) string {
		return repeated(fmt.Sprintf("<%d>1 %s dbx kernel - - - %s ", r.prio, r.wall().Format("2006-01-02T15:04:05.000000-07:00"), r.stamp()), r.text)
	}, stamped | timed | hosted | prioritized | byLine},
	{"busybox syslogd", kmsg.FormatSyslog, func(r kmsgRecord) string {
		return repeated(r.wall().Format("Jan _2 15:04:05 dbx ")+"kern."+longLevels[r.prio]+" kernel: "+r.stamp()+" ", r.text)
	}, stamped | timed | hosted | prioritized | byLine},
	{"journalctl", kmsg.FormatSyslog, func(r kmsgRecord) string {
		return indented(r.wall().Format("Jan 02 15:04:05 dbx kernel: "), r.text)
	}, timed | hosted},
	{"journalctl -o short-precise", kmsg.FormatSyslog, func(r kmsgRecord) string {
		return indented(r.wall().Format("Jan 02 15:04:05.000000 dbx kernel: "), r.text)
	}, timed | hosted},
	{"journalctl -o short --no-hostname", kmsg.FormatSyslog, func(r kmsgRecord) string {
		return indented(r.wall().Format("Jan 02 15:04:05 kernel: "), r.text)
	}, timed},
	{"journalctl -o short-iso, old", kmsg.FormatSyslogISO, func(r kmsgRecord) string {
		return indented(r.wall().Format("2006-01-02T15:04:05-0700 dbx kernel: "), r.text)
	}, timed | hosted},
	{"journalctl -o short-iso-precise", kmsg.FormatSyslogISO, func(r kmsgRecord) string {
		return indented(r.wall().Format("2006-01-02T15:04:05.000000-07:00 dbx kernel: "), r.text)
	}, timed | hosted},
	{"journalctl -o short-full", kmsg.FormatJournalShort, func(r kmsgRecord) string {
		return indented(r.wall().Format("Mon 2006-01-02 15:04:05 MST dbx kernel: "), r.text)
	}, timed | hosted},
	{"journalctl -o short-monotonic", kmsg.FormatJournalShort, func(r kmsgRecord) string {
		return indented(r.stamp()+" dbx kernel: ", r.text)
	}, stamped | hosted},
	{"journalctl -o short-delta", kmsg.FormatJournalShort, func(r kmsgRecord) string {
		return indented(r.stamp()[:13]+" <    0.000221 >] dbx kernel: ", r.text)
	}, stamped | hosted},
	{"journalctl -o short-unix", kmsg.FormatJournalShort, func(r kmsgRecord) string {
		return indented(fmt.Sprintf("%10d.%06d dbx kernel: ", r.wall().Unix(), r.wall().Nanosecond()/1000), r.text)
	}, timed | hosted},
	{"journalctl -o verbose", kmsg.FormatJournalShort, func(r kmsgRecord) string {
		return fmt.Sprintf("%s [s=6a8ce54a;i=%x;b=%s;m=%x;t=%x;x=f0]\n    _TRANSPORT=kernel\n    PRIORITY=%d\n    SYSLOG_FACILITY=0\n%s    _HOSTNAME=dbx\n    _SOURCE_MONOTONIC_TIMESTAMP=%d\n",
			r.wall().Format("Mon 2006-01-02 15:04:05.000000 MST"), r.seq, bootID, r.usec, r.wall().UnixMicro(), r.prio, indented("    MESSAGE=", r.text), r.usec)
	}, stamped | timed | hosted | prioritized | booted},
	{"journalctl -o export", kmsg.FormatJournalExport, func(r kmsgRecord) string {
		return fmt.Sprintf("__CURSOR=s=6a8c\n__REALTIME_TIMESTAMP=%d\n_BOOT_ID=%s\n_TRANSPORT=kernel\n_HOSTNAME=dbx\nPRIORITY=%d\nSYSLOG_FACILITY=0\n%s_SOURCE_MONOTONIC_TIMESTAMP=%d\n\n",
			r.wall().UnixMicro(), bootID, r.prio, field("MESSAGE", r.text), r.usec)
	}, stamped | timed | hosted | prioritized | booted},
	{"journalctl -o json", kmsg.FormatJournalJSON, journalJSON, stamped | timed | hosted | prioritized | booted},
	{"journalctl -o json-seq", kmsg.FormatJournalJSON, func(r kmsgRecord) string {
		return "\x1e" + journalJSON(r)
	}, stamped | timed | hosted | prioritized | booted},
	{"journalctl -o json-sse", kmsg.FormatJournalJSON, func(r kmsgRecord) string {
		return "data: " + journalJSON(r) + "\n"
	}, stamped | timed | hosted | prioritized | booted},
	{"journalctl -o json-pretty", kmsg.FormatJournalJSON, func(r kmsgRecord) string {
		var out bytes.Buffer
		if err := json.Indent(&out, []byte(strings.TrimSpace(journalJSON(r))), "", "\t"); err != nil {
			panic(err)
		}
		var pretty string
		for line := range strings.Lines(out.String() + "\n") {
			pretty += strings.Replace(line, `":`, `" :`, 1)
		}
		return pretty
	}, stamped | timed | hosted | prioritized | booted},
	{"the text alone", kmsg.FormatPlain, func(r kmsgRecord) string {
		return r.text + "\n"
	}, byLine},
	{"docker around dmesg", kmsg.FormatDocker, func(r kmsgRecord) string {
		var out string
		for line := range strings.Lines(indented(r.stamp()+" ", r.text)) {
			out += docker(strings.TrimSuffix(line, "\n"), "\n")
		}
		return out
	}, stamped | contained},
	{"docker around kmsg, in pieces", kmsg.FormatDocker, func(r kmsgRecord) string {
		line := fmt.Sprintf("%d,%d,%d,-;%s", r.prio, r.seq, r.usec, strings.ReplaceAll(r.text, "\n", `\x0a`))
		return docker(line[:8], "") + docker(line[8:], "\n")
	}, stamped | contained | prioritized},
	{"CRI around kmsg", kmsg.FormatCRI, func(r kmsgRecord) string {
		return fmt.Sprintf("2026-06-20T10:47:05.123456789Z stdout F %d,%d,%d,-;%s\n", r.prio, r.seq, r.usec, strings.ReplaceAll(r.text, "\n", `\x0a`))
	}, stamped | contained | prioritized},
	{"CRI around dmesg, in pieces", kmsg.FormatCRI, func(r kmsgRecord) string {
		var out string
		for line := range strings.Lines(r.stamp() + " " + r.text + "\n") {
			line = strings.TrimSuffix(line, "\n")
			half := len(line) / 2
			out += "2026-06-20T10:47:05.123456789Z stdout P " + line[:half] + "\n"
			out += "2026-06-20T10:47:05.123456789Z stdout F " + line[half:] + "\n"
		}
		return out
	}, stamped | contained},
	{"CRI around journalctl -o json", kmsg.FormatCRI, func(r kmsgRecord) string {
		return "2026-06-20T10:47:05.123456789Z stdout F " + journalJSON(r)
	}, stamped | timed | hosted | prioritized | booted},
	{"kubectl logs --timestamps", kmsg.FormatCRI, func(r kmsgRecord) string {
		return fmt.Sprintf("2026-06-20T10:47:05.123456789Z %d,%d,%d,-;%s\n", r.prio, r.seq, r.usec, strings.ReplaceAll(r.text, "\n", `\x0a`))
	}, stamped | contained | prioritized},
}

// carried is what a framing tells.
type carried int

const (
	stamped carried = 1 << iota
	timed
	prioritized
	called
	hosted
	booted
	contained // a time that is the container runtime's
	byLine    // each line is a record of its own
)

var (
	levels     = []string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}
	longLevels = []string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}
)

func journalJSON(r kmsgRecord) string {
	text, _ := json.Marshal(r.text)
	return fmt.Sprintf(`{"MESSAGE":%s,"__CURSOR":"s=6a8c","__REALTIME_TIMESTAMP":"%d","_BOOT_ID":"%s","_TRANSPORT":"kernel","_HOSTNAME":"dbx","PRIORITY":"%d","SYSLOG_FACILITY":"0","_SOURCE_MONOTONIC_TIMESTAMP":"%d","_KERNEL_SUBSYSTEM":["pci","x"],"LONG":null}`+"\n",
		text, r.wall().UnixMicro(), bootID, r.prio, r.usec)
}

func TestScannerFramings(t *testing.T) {
	_, records := recorded(t)
	for _, f := range framings {
		t.Run(f.name, func(t *testing.T) {
			var log strings.Builder
			var want []rec
			for _, r := range records {
				log.WriteString(f.write(r))
				texts := []string{r.text}
				if f.want&byLine != 0 {
					texts = strings.Split(r.text, "\n")
				}
				for _, text := range texts {
					w := rec{Text: text, Printk: -1, Prio: -1, Format: f.format}
					if f.want&stamped != 0 {
						w.Printk = time.Duration(r.usec) * time.Microsecond
					}
					if f.want&prioritized != 0 {
						w.Prio = r.prio
					}
					if f.want&called != 0 {
						w.Caller = "T12"
					}
					if f.want&hosted != 0 {
						w.Host = "dbx"
					}
					if f.want&booted != 0 {
						w.BootID = bootID
					}
					want = append(want, w)
				}
			}
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r },
				"bytes": iotest.OneByteReader,
				"last":  iotest.DataErrReader,
			} {
				got := scanFrom(t, wrap(strings.NewReader(log.String())))
				for i := range got {
					if (got[i].Wall != "") != (f.want&(timed|contained) != 0) {
						t.Errorf("%s: wall time of record %d: %q", name, i, got[i].Wall)
					}
					got[i].Wall, got[i].Guessed, got[i].Line = "", "", 0
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("%s (-want +got):\n%s", name, d)
				}
			}
		})
	}
}
