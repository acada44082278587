// SPDX-License-Identifier: Apache-2.0

package kmsg_test

import (
	"bytes"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/kmsg"
)

var update = flag.Bool("update", false, "write testdata/events.jsonl anew")

// TestGolden shows whole events: of an old kernel, of a new one, of a panic, of a group,
// of 16 KiB pages.
func TestGolden(t *testing.T) {
	logs := lab(t)
	var out []byte
	var enc event.Encoder
	for _, log := range [][]byte{
		public(t, "lukeshirnia_messages_first_el6.txt.gz"), public(t, "oomanalyser_example_rhel7.txt"), public(t, "cadvisor_stream1.txt"),
		logs["7.2/global.kmsg"], logs["7.2/oom_reaper.kmsg"], logs["5.10/panic_on_oom2_memcg.console"], logs["6.1/numa_mempolicy.kmsg"],
		logs["arm64-6.12-16k/memcg_group.kmsg"], public(t, "sapcc_kmsg_records.txt"), public(t, "syzkaller_report_334.txt"),
	} {
		for _, e := range events(t, parse(t, bytes.NewReader(log)), kmsg.Context{}) {
			var err error
			if out, err = enc.AppendEntry(out, e); err != nil {
				t.Fatal(err)
			}
			out = append(out, '\n')
		}
	}
	const file = "testdata/events.jsonl"
	if *update {
		if err := os.WriteFile(file, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(out)); diff != "" {
		t.Errorf("(-want +got), -update writes it anew\n%s", diff)
	}
}

func TestContext(t *testing.T) {
	items := parse(t, bytes.NewReader(lab(t)["arm64-6.12-16k/memcg_group.kmsg"]))
	wall := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	c := kmsg.Context{
		Host:          &event.Host{Name: "node-1", Kernel: "9.9", PageSizeBytes: 4096},
		PageSizeBytes: 4096,
		Time: func(m kmsg.Moment, boot int) kmsg.Time {
			if boot != 0 {
				t.Errorf("boot %d", boot)
			}
			return kmsg.Time{Wall: wall.Add(m.Printk), Basis: event.BasisPrintk, ErrorMS: event.Ptr(int64(250)), Guessed: []event.TimeGuess{event.GuessBoot}}
		},
	}
	e := events(t, items, c)[1]
	// The log knows better what kernel it is of, and what its pages are.
	if e.Host.Name != "node-1" || e.Host.Kernel != "6.12.117+deb13-arm64-16k" || e.Host.PageSizeBytes != 16384 {
		t.Errorf("%+v", e.Host)
	}
	if want := wall.Add(4_317_378 * time.Microsecond); !e.Time.Equal(want) || e.TimeBasis != event.BasisPrintk || *e.TimeErrorMS != 250 || *e.PrintkNS != 4_317_378_000 {
		t.Errorf("%s %s", e.Time, e.TimeBasis)
	}
	if *e.Kill.Victim.SwapBytes != 0 || e.Kill.Episode != "log-100e0a2a8" {
		t.Errorf("%s", e.Kill.Episode)
	}
}
