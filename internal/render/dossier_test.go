// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/dossier"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// hostileReport has names and lines that would act on a terminal.
func hostileReport() *dossier.Report {
	const evil = "a\x1b[31m\u202e\nb"
	d := &timeline.Document{
		Sources: []timeline.Source{{Path: evil, Kind: timeline.KindKernelLog, State: timeline.StateNotRead, Error: evil}},
		Boots:   []timeline.Boot{{Running: true}},
	}
	for _, e := range eventtest.All() {
		if e.Kill != nil || e.NoKill != nil {
			d.Entries = append(d.Entries, timeline.Entry{Event: e})
		}
	}
	d.Findings = []timeline.Finding{{ID: "x", Title: evil, Confidence: timeline.Low, Summary: evil, About: []int{0}}}
	r := &dossier.Report{
		Timeline: d, Incidents: dossier.Incidents(d), Elsewhere: true, Gaps: []string{evil},
		Question: &fate.Question{Comm: evil},
		Answer: &fate.Answer{
			Verdict: fate.Unknown, Text: evil + strings.Repeat(" word", 60), Notes: []string{evil},
			Evidence: []fate.Evidence{{Time: time.Unix(1e9, 0), Source: evil, Line: 3, Text: evil, Trust: killlog.TrustUser}},
			Decide:   []fate.Step{{Text: evil, Command: timeline.Command{Run: "true", Class: timeline.ReadOnly}}},
		},
		Counted: dossier.Counted{KillsSinceBoot: event.Ptr[uint64](9), Cgroups: []dossier.CgroupCount{{Cgroup: event.Cgroup{Path: evil}, Kills: 1}}},
		Others:  []fate.Witness{{Entry: &killlog.Entry{Ident: evil, Text: evil}, Source: evil}},
	}
	r.ChooseAll()
	return r
}

func TestDossierIsInert(t *testing.T) {
	full := hostileReport()
	listed := hostileReport()
	for i := range listed.Incidents {
		listed.Incidents[i].Told = false
	}
	empty := hostileReport()
	empty.Timeline.Entries, empty.Timeline.Findings, empty.Incidents, empty.Answer = nil, nil, nil, nil
	for name, r := range map[string]*dossier.Report{"full": full, "listed": listed, "empty": empty} {
		for _, o := range []Options{{Width: 70}, {}, {Format: FormatTicket}} {
			var b bytes.Buffer
			if err := Dossier(&b, r, o); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if i := strings.IndexFunc(b.String(), func(c rune) bool { return c < ' ' && c != '\n' || c == '\u202e' }); i >= 0 {
				t.Errorf("%s, %+v: byte %d acts on a terminal: %q", name, o, i, b.String()[max(0, i-40):i+1])
			}
			if strings.Contains(b.String(), "\n\n\n") || strings.HasPrefix(b.String(), "\n") {
				t.Errorf("%s, %+v: empty lines in a row:\n%s", name, o, b.String())
			}
			for line := range strings.Lines(b.String()) {
				if w := displayWidth(strings.TrimSuffix(line, "\n")); o.Width > 0 && w > o.Width && !strings.Contains(line, "sysctl") {
					t.Errorf("%s: %d columns of %d: %s", name, w, o.Width, line)
				}
			}
		}
	}
}

// What the kernel counted, and whether its log could be read, is told where nothing is
// found.
func TestDossierNothing(t *testing.T) {
	read := timeline.Source{Path: "/dev/kmsg", Kind: timeline.KindKernelLog, State: timeline.StateRead}
	refused := timeline.Source{Path: "/dev/kmsg", Kind: timeline.KindKernelLog, State: timeline.StateNotRead}
	for _, tt := range []struct {
		name    string
		sources []timeline.Source
		counted *uint64
		want    string
	}{
		{"no counter", []timeline.Source{read}, nil, "No kill by the kernel's OOM killer was found.\n"},
		{"none", []timeline.Source{read}, event.Ptr[uint64](0), "was found. The kernel has counted none since it booted.\n"},
		{"one that is gone", []timeline.Source{read}, event.Ptr[uint64](1), "Yet the kernel has counted 1 process that it killed for memory since it booted (oom_kill in /proc/vmstat): what it logged of that is gone.\n"},
		{"perhaps not gone", []timeline.Source{refused}, event.Ptr[uint64](2), "Nothing could be read that would tell of a kill by the kernel's OOM killer. Yet the kernel has counted 2 processes that it killed for memory since it booted (oom_kill in /proc/vmstat): what it logged of that could not be read, or is gone.\n"},
	} {
		r := &dossier.Report{Timeline: &timeline.Document{Sources: tt.sources}, Counted: dossier.Counted{KillsSinceBoot: tt.counted}}
		var b bytes.Buffer
		if err := Dossier(&b, r, Options{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), tt.want) {
			t.Errorf("%s: %s", tt.name, b.String())
		}
	}
}
