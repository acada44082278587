// SPDX-License-Identifier: Apache-2.0

package dossier

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/schematest"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// story has a storm with a kill of another limit in its midst, one that nobody could be
// killed in, one that was not needed, and a kill of the boot before.
func story() *timeline.Document {
	at := func(boot, second int, e event.Event) timeline.Entry {
		e.Schema, e.Source, e.Time = event.Schema, event.SourceKmsg, noon.Add(time.Duration(boot-1)*time.Hour+time.Duration(second)*time.Second)
		return timeline.Entry{Event: &e, Boot: boot}
	}
	kill := func(boot, second int, episode, incident string, role event.Role) timeline.Entry {
		k := &event.Kill{Episode: episode, Role: role, Scope: event.ScopeGlobal, Victim: event.Victim{PID: 100 + second}}
		if incident != "" {
			k.Incident = &event.Incident{ID: incident, Kills: 1, Episodes: 1, First: event.FirstKill{Time: event.FormatTime(noon), Victim: event.Task{PID: 1}}}
		}
		return at(boot, second, event.Event{Type: event.TypeOOMKill, Kill: k})
	}
	nobody := func(second int, episode string, reason event.NoKillReason) timeline.Entry {
		return at(1, second, event.Event{Type: event.TypeOOMNoKill, NoKill: &event.NoKill{Episode: episode, Reason: reason}})
	}
	return &timeline.Document{
		Boots: []timeline.Boot{{Offset: -1}, {Running: true}},
		Entries: []timeline.Entry{
			kill(0, 0, "aaaaaaaa-1", "aaaaaaaa-1", event.RoleChosen),
			kill(1, 1, "bbbbbbbb-10", "bbbbbbbb-10", event.RoleChosen),
			kill(1, 2, "bbbbbbbb-20", "", event.RoleChosen),
			kill(1, 3, "bbbbbbbb-30", "bbbbbbbb-10", event.RoleSharedMM),
			nobody(4, "bbbbbbbb-40", event.NoKillEarly),
			nobody(5, "bbbbbbbb-50", event.NoKillNoCandidate),
		},
		Findings: []timeline.Finding{{ID: "x", About: []int{1, 3}}, {ID: "y", About: []int{5}}},
	}
}

func TestIncidents(t *testing.T) {
	d := story()
	want := []Incident{
		{ID: "bbbbbbbb-50", Boot: 1, Entries: []int{5}, Findings: []int{1}},
		{ID: "bbbbbbbb-10", Boot: 1, Entries: []int{1, 3}, Findings: []int{0}},
		{ID: "bbbbbbbb-20", Boot: 1, Entries: []int{2}},
		{ID: "aaaaaaaa-1", Boot: 0, Entries: []int{0}},
	}
	got := Incidents(d)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	if first, last := got[1].First(d), got[1].Last(d); first != noon.Add(time.Second) || last != noon.Add(3*time.Second) {
		t.Errorf("from %s to %s", first, last)
	}
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct {
		names []string
		told  string // numbers in the list; "": an error
		err   string
	}{
		{nil, "1", ""},
		{[]string{"2"}, "2", ""},
		{[]string{"4", "2"}, "24", ""},
		{[]string{"bbbbbbbb-10"}, "2", ""},
		{[]string{"bbbbbbbb-3"}, "2", ""}, // an episode in it
		{[]string{"aaaa"}, "4", ""},
		{[]string{"5"}, "", "number 5 of 4"},
		{[]string{"0"}, "", "number 0 of 4"},
		{[]string{"bbbb"}, "", `"bbbb" is the beginning of several`},
		{[]string{"aaa"}, "", `"aaa" is neither`},
		{[]string{"cccc-1"}, "", "is neither"},
		{[]string{""}, "", "is neither"},
	} {
		d := story()
		r := Report{Timeline: d, Incidents: Incidents(d)}
		err := r.Choose(tt.names)
		told := ""
		for i, in := range r.Incidents {
			if in.Told {
				told += string(rune('1' + i))
			}
		}
		switch {
		case tt.err != "" && (!errors.Is(err, ErrNoIncident) || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: %v", tt.names, err)
		case tt.err == "" && (err != nil || told != tt.told):
			t.Errorf("%q: %s, want %s; %v", tt.names, told, tt.told, err)
		}
	}
	none := Report{Timeline: &timeline.Document{}}
	if err := none.Choose(nil); err != nil {
		t.Errorf("of none: %v", err)
	}
	d := story()
	r := Report{Timeline: d, Incidents: Incidents(d)}
	r.ChooseEntries([]int{3})
	if !r.Incidents[1].Told || r.Incidents[0].Told {
		t.Errorf("by an entry: %+v", r.Incidents)
	}
}

// An OOM that finds nobody is tried again and again: that is one incident, as long as
// no more than ten minutes are between two of them.
func TestNobodyAgain(t *testing.T) {
	d := &timeline.Document{Boots: []timeline.Boot{{}}}
	for _, tt := range []struct {
		second int
		path   string
		reason event.NoKillReason
	}{{0, "/a", event.NoKillNoCandidate}, {1, "/b", event.NoKillNoCandidate}, {2, "/a", event.NoKillNoCandidate}, {3, "/a", event.NoKillPanic},
		{600, "/a", event.NoKillNoCandidate}, {1300, "/a", event.NoKillNoCandidate}} {
		e := &event.Event{PrintkNS: event.Ptr(uint64(tt.second) * uint64(time.Second)), NoKill: &event.NoKill{
			Episode: "log-" + strconv.Itoa(tt.second), Reason: tt.reason, Scope: event.ScopeMemcg, Limit: &event.Limit{Cgroup: &event.Cgroup{Path: tt.path}},
		}}
		d.Entries = append(d.Entries, timeline.Entry{Event: e})
	}
	want := []Incident{{ID: "log-1300", Entries: []int{5}}, {ID: "log-0", Entries: []int{0, 2, 4}}, {ID: "log-3", Entries: []int{3}}, {ID: "log-1", Entries: []int{1}}}
	if diff := cmp.Diff(want, Incidents(d)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// The kernel does not count a process that shared a victim's memory, and the boot before
// is not in its counter.
func TestCount(t *testing.T) {
	r := Report{Timeline: story()}
	r.Count()
	if r.Counted.Kills != 2 || r.Counted.Missing() != 0 {
		t.Errorf("%+v", r.Counted)
	}
	r.Counted.KillsSinceBoot = event.Ptr[uint64](5)
	if r.Counted.Missing() != 3 {
		t.Errorf("%d missing", r.Counted.Missing())
	}
	r.Counted.KillsSinceBoot = event.Ptr[uint64](1)
	if r.Counted.Missing() != 0 {
		t.Errorf("%d missing", r.Counted.Missing())
	}
}

// What is written and the schema have the same fields, of the same kinds.
func TestSchemaMirrorsTypes(t *testing.T) {
	type whole struct {
		report
		Timeline timeline.Document `json:"timeline"`
	}
	s := schematest.Parse(t, SchemaJSON(), Schema)
	s.Elsewhere = []reflect.Type{reflect.TypeFor[timeline.Document](), reflect.TypeFor[event.Cgroup]()}
	s.Mirrors("report", reflect.TypeFor[whole](), s.Root)
	s.AllUsed()
}

func TestWrite(t *testing.T) {
	schema, err := schematest.Compile(SchemaJSON())
	if err != nil {
		t.Fatal(err)
	}
	d := story()
	full := Report{
		Timeline: d, Incidents: Incidents(d), Elsewhere: true,
		Question: &fate.Question{PID: 7, Comm: "a\x1b[31m\xff", Unit: "u", Container: "c", Pod: "p"},
		Answer: &fate.Answer{
			Verdict: fate.Unknown, Text: "t\u202e", By: event.VerdictEarlyOOM, Entries: []int{1}, Notes: []string{"n"},
			Evidence: []fate.Evidence{{Time: noon, Source: "s\xff", Line: 3, Text: "x\n", Trust: killlog.TrustUser}},
			Decide:   []fate.Step{{Text: "?", Command: timeline.Command{Run: "true", Class: timeline.ReadOnly, Note: "n"}}},
		},
		Counted: Counted{KillsSinceBoot: event.Ptr[uint64](9), Kills: 2, Cgroups: []CgroupCount{{event.Cgroup{Version: 2, Path: "/a"}, 1}}},
		Others:  []fate.Witness{{Entry: &killlog.Entry{Ident: "earlyoom", Text: "sending", Line: 1, Report: killlog.Report{Trust: killlog.TrustLine}}, Source: "log"}},
		Gaps:    []string{"slab caches: /proc/slabinfo: permission denied"},
	}
	empty := Report{Timeline: &timeline.Document{}}
	for name, r := range map[string]Report{"full": full, "empty": empty} {
		var b bytes.Buffer
		if err := r.Write(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if i := strings.IndexFunc(b.String(), func(c rune) bool { return c < ' ' && c != '\n' }); i >= 0 {
			t.Errorf("%s: a terminal could act on byte %d: %q", name, i, b.String()[max(0, i-20):i+1])
		}
		v, err := jsonschema.UnmarshalJSON(&b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name != "full" {
			continue
		}
		// Each property that the schema has is in the example.
		var has, wants map[string]any
		raw, _ := json.Marshal(v)
		if json.Unmarshal(raw, &has) != nil || json.Unmarshal(SchemaJSON(), &wants) != nil {
			t.Fatal("no JSON")
		}
		for p := range wants["properties"].(map[string]any) {
			if _, ok := has[p]; !ok {
				t.Errorf("%s is nowhere in the example", p)
			}
		}
		for p := range has {
			if _, ok := wants["properties"].(map[string]any)[p]; !ok {
				t.Errorf("%s is not in the schema", p)
			}
		}
	}
}
