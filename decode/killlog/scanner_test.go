// SPDX-License-Identifier: Apache-2.0

package killlog

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

// The journal's lines are of a Fedora machine, the syslog's of an AKS node.
const journalLog = `{"__REALTIME_TIMESTAMP":"1791064402000000","_BOOT_ID":"0123456789abcdef0123456789abcdef","_HOSTNAME":"box","SYSLOG_IDENTIFIER":"systemd","_PID":"1313","_UID":"1000","_SYSTEMD_UNIT":"user@1000.service","USER_UNIT":"a.scope","MESSAGE":"a.scope: A process of this unit has been killed by the OOM killer."}
{"__REALTIME_TIMESTAMP":"1791064402000001","SYSLOG_IDENTIFIER":"systemd","_PID":"1","_UID":"0","_SYSTEMD_UNIT":"init.scope","MESSAGE":"Started cart."}
not json, and {"no": "journal"}
{"__REALTIME_TIMESTAMP":"1791064406000000","SYSLOG_IDENTIFIER":["earlyoom","x"],"_PID":"77","_UID":"0","MESSAGE":[115,101,110,100,105,110,103,32,83,73,71,75,73,76,76,32,116,111,32,112,114,111,99,101,115,115,32,55,32,117,105,100,32,48,32,34,255,34,58,32,98,97,100,110,101,115,115,32,49,44,32,86,109,82,83,83,32,53,32,77,105,66]}
{"__REALTIME_TIMESTAMP":"1791064406000000","SYSLOG_IDENTIFIER":"earlyoom","MESSAGE":null}
{"__REALTIME_TIMESTAMP":"1791064407000000","_TRANSPORT":"kernel","SYSLOG_IDENTIFIER":"systemd","MESSAGE":"a.scope: Failed with result 'oom-kill'."}
{"MESSAGE":
`

const syslogLog = `Oct 12 19:00:20 aks-000001 systemd[1]: cri-containerd-25a38b5b8d556d7983d975577f5ac75ebbcfb4b269e6deaa0a0440c1ffc969ca.scope: A process of this unit has been killed by the OOM killer.
Oct 12 19:00:20 aks-000001 containerd[2388]: time="2023-10-12T19:00:20.879932879Z" level=info msg="TaskOOM event container_id:\"25a38b5b8d556d7983d975577f5ac75ebbcfb4b269e6deaa0a0440c1ffc969ca\""
Oct 12 19:00:20 aks-000001 kernel: systemd[1]: a.service: Failed with result 'oom-kill'.
<30>Oct  2 19:00:20 aks-000001 systemd[1]: a.service: Failed with result 'oom-kill'.
2026-09-21T23:34:14.273890+00:00 web-1 systemd[1]: user-1000.slice: A process of this unit has been killed by the OOM killer.
2026-09-21T23:34:14+0200 web-1 systemd[1]: b.service: Failed with result 'oom-kill'.
Jun 12 06:39:16 earlyoom[5]: sending SIGTERM to process 696 uid 1001 "ipfs": badness 757, VmRSS 637 MiB
May 19 18:14:43 host systemd[x]: a.service: Failed with result 'oom-kill'.
no time at all
`

func scan(t *testing.T, log string) []*Entry {
	t.Helper()
	var all []*Entry
	s := NewScanner(strings.NewReader(log))
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

func TestScanJournal(t *testing.T) {
	got := scan(t, journalLog)
	if len(got) != 2 {
		t.Fatalf("%d entries", len(got))
	}
	want := &Entry{
		Report: Report{Kind: KindOOM, By: event.VerdictSystemd, Trust: TrustUser, Signal: "SIGKILL", Unit: "a.scope"},
		Line:   1, Text: "a.scope: A process of this unit has been killed by the OOM killer.", Ident: "systemd",
		Time: time.Date(2026, 10, 3, 20, 33, 22, 0, time.UTC), Host: "box", BootID: "0123456789abcdef0123456789abcdef",
		Writer: &Writer{PID: 1313, UID: event.Ptr[uint32](1000), Unit: "user@1000.service"},
	}
	want.Time = time.UnixMicro(1791064402000000).UTC()
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r := got[1].Report; got[1].Line != 4 || r.PID != 7 || r.CommHex != "ff" || r.Trust != TrustSystem {
		t.Errorf("%+v", got[1])
	}
}

func TestScanSyslog(t *testing.T) {
	got := scan(t, syslogLog)
	now := time.Date(2026, 11, 29, 20, 0, 0, 0, time.UTC)
	east := time.FixedZone("", 3600)
	type told struct {
		line       int64
		host, unit string
		pid        int
		at         string
	}
	var all []told
	for _, e := range got {
		if e.Report.Trust != TrustLine {
			t.Errorf("line %d: who vouches for it: %s", e.Line, e.Report.Trust)
		}
		all = append(all, told{e.Line, e.Host, e.Report.Unit, e.Report.PID, e.At(now, east).UTC().Format(time.RFC3339)})
	}
	want := []told{
		{1, "aks-000001", "cri-containerd-25a38b5b8d556d7983d975577f5ac75ebbcfb4b269e6deaa0a0440c1ffc969ca.scope", 0, "2026-10-12T18:00:20Z"},
		{2, "aks-000001", "", 0, "2026-10-12T18:00:20Z"},
		{4, "aks-000001", "a.service", 0, "2026-10-02T18:00:20Z"},
		{5, "web-1", "user-1000.slice", 0, "2026-09-21T23:34:14Z"},
		{6, "web-1", "b.service", 0, "2026-09-21T21:34:14Z"},
		{7, "", "", 696, "2026-06-12T05:39:16Z"},
	}
	if diff := cmp.Diff(want, all, cmp.AllowUnexported(told{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// In January, December was last year.
	if at := got[0].At(time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC), time.UTC); at.Year() != 2026 {
		t.Errorf("October as of January: %s", at)
	}
}

// A line that is too long is passed over, and those around it are not.
func TestScanLongLine(t *testing.T) {
	const line = "Oct 12 19:00:20 h systemd[1]: a.service: Failed with result 'oom-kill'."
	got := scan(t, line+"\n"+line+strings.Repeat("x", 3*lineLimit)+"\n"+line)
	if len(got) != 2 || got[0].Line != 1 || got[1].Line != 3 {
		t.Errorf("%d entries: %+v", len(got), got)
	}
}

// A Finder finds what a Scanner does, however the log comes in pieces.
func TestFinder(t *testing.T) {
	long := "Oct 12 19:00:20 h systemd[1]: a.service: Failed with result 'oom-kill'."
	for name, log := range map[string]string{
		"journal": journalLog, "syslog": syslogLog, "no end": strings.TrimRight(syslogLog, "\n"),
		"a long line": long + "\n" + long + strings.Repeat("x", 2*lineLimit) + "\n" + long,
	} {
		want := scan(t, log)
		for _, size := range []int{1, 7, 64, 1 << 20} {
			var got []*Entry
			f := NewFinder(func(e *Entry) { got = append(got, e) })
			for at := 0; at < len(log); at += size {
				piece := []byte(log[at:min(at+size, len(log))])
				if n, err := f.Write(piece); n != len(piece) || err != nil {
					t.Fatalf("%d, %v", n, err)
				}
				clear(piece) // it is the writer's
			}
			f.Flush()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s in pieces of %d (-want +got):\n%s", name, size, diff)
			}
			if size == 1 && len(log) > 1<<16 {
				break
			}
		}
	}
}

// Every line that tells something has a hint in it.
func TestHinted(t *testing.T) {
	for _, tt := range lines {
		if tt.want != nil && !hinted([]byte(tt.ident+": "+tt.text)) {
			t.Errorf("%s: passed over", tt.name)
		}
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte(journalLog))
	f.Add([]byte(syslogLog))
	f.Fuzz(func(t *testing.T, log []byte) {
		s := NewScanner(strings.NewReader(string(log)))
		last := int64(0)
		for {
			e, err := s.Next()
			if err != nil {
				return
			}
			if e.Line <= last || e.Report.Kind == "" || len(e.Text) > textLimit {
				t.Fatalf("behind line %d: %+v", last, e)
			}
			last = e.Line
			e.At(time.Unix(1e9, 0), time.UTC)
		}
	})
}
