// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

func TestAddGrowth(t *testing.T) {
	const mib = 1 << 20
	p := func(n uint64) *uint64 { return &n }
	other := event.Grower{PID: 9, Comm: event.Ptr("cc1"), RSSBytes: 90 * mib, GrewBytes: 80 * mib, OverMS: 4_000}
	own := event.Grower{PID: 7, Comm: event.Ptr("java"), RSSBytes: 50 * mib, GrewBytes: 45 * mib, OverMS: 60_000}
	rss := []event.RSSPoint{{BeforeMS: 700_000, RSSBytes: 30 * mib}, {BeforeMS: 61_000, RSSBytes: 5 * mib}, {BeforeMS: 1_000, RSSBytes: 50 * mib}}
	for _, tt := range []struct {
		name   string
		scope  event.Scope
		leadUp *event.LeadUp
		want   []string
	}{
		{"none", event.ScopeGlobal, nil, nil},
		{"not sampled", event.ScopeGlobal, &event.LeadUp{State: event.LeadUpNotSampled}, nil},
		{"the victim", event.ScopeGlobal, &event.LeadUp{VictimRSS: rss, Growers: []event.Grower{own}}, []string{"grew 55.0 MiB in 61 s"}},
		{"another one more", event.ScopeGlobal, &event.LeadUp{VictimRSS: rss, Growers: []event.Grower{other, own}}, []string{"grew 55.0 MiB in 61 s", "cc1[9] grew 80.0 MiB in 4.0 s"}},
		{"another one, below the limit", event.ScopeMemcg, &event.LeadUp{GrowersOf: event.GrowersOfLimit, Growers: []event.Grower{other}}, []string{"cc1[9] grew 80.0 MiB in 4.0 s"}},
		{"another one, who knows where", event.ScopeMemcg, &event.LeadUp{GrowersOf: event.GrowersOfMachine, Growers: []event.Grower{other}}, nil},
		{"it shrank", event.ScopeGlobal, &event.LeadUp{VictimRSS: []event.RSSPoint{{BeforeMS: 9, RSSBytes: 70 * mib}}}, nil},
	} {
		k := &event.Kill{Scope: tt.scope, Victim: event.Victim{PID: 7, AnonRSSBytes: p(60 * mib)}, LeadUp: tt.leadUp}
		var c cell
		addGrowth(&c, k)
		var got []string
		for _, part := range c {
			got = append(got, part.text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.name, diff)
		}
	}
}

func TestRoughly(t *testing.T) {
	for ms, want := range map[int64]string{0: "0.0 s", 840: "0.8 s", 9_999: "10.0 s", 10_000: "10 s", 99_499: "99 s", 99_500: "2 min", 600_000: "10 min"} {
		if got := roughly(ms); got != want {
			t.Errorf("%d ms is %s, want %s", ms, got, want)
		}
	}
}
