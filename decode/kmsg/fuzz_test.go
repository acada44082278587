// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/decode/kmsg"
)

// FuzzParser: whatever a log holds, it makes no more kills than it has lines of kills,
// and each item is an event that the schema allows.
func FuzzParser(f *testing.F) {
	for _, log := range lab(f) {
		if i := bytes.Index(log, []byte("invoked oom-killer")); i >= 0 && len(log)-i < 16<<10 {
			f.Add(log[max(0, i-200):])
		}
	}
	for _, name := range []string{"cadvisor_stream1.txt", "cadvisor_stream2.txt", "gpud_match_13.txt", "npd_oom_kill_legacy.txt", "sapcc_kmsg_records.txt", "syzkaller_report_334.txt"} {
		f.Add(public(f, name))
	}
	for _, comm := range hostileNames {
		f.Add([]byte(devKmsg(lines(comm))))
		f.Add([]byte(dmesg(lines(comm), true)))
	}
	f.Add([]byte(log(5, append(el7("a", 1, "/a"), el7("b", 2, "/b")...)...)))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := kmsg.NewScanner(bytes.NewReader(data))
		var p kmsg.Parser
		var enc event.Encoder
		ill, kills := 0, 0
		take := func() {
			for item := p.Next(); item != nil; item = p.Next() {
				if _, ok := item.(*kmsg.Kill); ok {
					kills++
				}
				e := kmsg.Event(item, kmsg.Context{})
				e.Session = "5f2c9b1e7a4d8036"
				e.Time = time1
				line, err := enc.AppendEntry(nil, e)
				if err != nil {
					t.Fatal(err)
				}
				if err := eventtest.Check(line); err != nil {
					t.Fatalf("%v\n%s", err, line)
				}
			}
		}
		for {
			r, err := s.Next()
			if err != nil {
				break
			}
			ill += strings.Count(string(r.Text), "ill")
			p.Add(r)
			take()
		}
		p.Flush()
		take()
		if kills > ill {
			t.Fatalf("%d kills of %d lines", kills, ill)
		}
		if held := p.Held(); held > 8<<20 {
			t.Fatalf("%d bytes are held", held)
		}
	})
}
