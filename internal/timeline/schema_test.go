// SPDX-License-Identifier: Apache-2.0

package timeline_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
	"github.com/oomtrace/oomtrace/internal/schematest"
	"github.com/oomtrace/oomtrace/internal/timeline"
	"github.com/oomtrace/oomtrace/internal/timeline/timelinetest"
)

// The Go types and the schema have the same fields, of the same kinds, and the same of
// them required.
func TestSchemaMirrorsTypes(t *testing.T) {
	type document struct { // as Write writes it
		Schema string `json:"schema"`
		timeline.Document
	}
	type entry struct { // with those of the event's fields that this schema has, too
		Schema string `json:"schema"`
		Type   string `json:"type"`
		Source string `json:"source"`
		timeline.Entry
	}
	s := schematest.Parse(t, timeline.SchemaJSON(), timeline.Schema)
	s.Elsewhere = []reflect.Type{reflect.TypeFor[event.Event]()}
	s.As = map[reflect.Type]reflect.Type{reflect.TypeFor[timeline.Entry](): reflect.TypeFor[entry]()}
	s.Mirrors("document", reflect.TypeFor[document](), s.Root)
	s.AllUsed()
}

// A host is what it is in events.
func TestSchemaAgreesWithEvents(t *testing.T) {
	schematest.SameDefinitions(t, timeline.SchemaJSON(), event.SchemaJSON(), "host")
}

// No field that an entry adds is one of an event.
func TestEntryFieldsAreItsOwn(t *testing.T) {
	for _, e := range eventtest.All() {
		line, err := new(event.Encoder).AppendEntry(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		for _, own := range []string{"boot", "seen_in", "differs"} {
			if _, ok := fields[own]; ok {
				t.Errorf("%s has a field %s of its own", e.Type, own)
			}
		}
	}
}

func validate(t *testing.T, text []byte) {
	t.Helper()
	if err := timelinetest.Check(text); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestWrite(t *testing.T) {
	one := event.Ptr[uint64](1)
	at := time.Date(2026, 6, 20, 12, 47, 2, 5, time.UTC)
	hostile := "a\x1b[31m\u009b\x7f\xffb"
	d := &timeline.Document{
		Sources: []timeline.Source{{
			Path: hostile, PathHex: "ff", Kind: timeline.KindKernelLog, Format: "dmesg", Compression: "gzip", State: timeline.StateDamaged,
			Default: true, SizeBytes: event.Ptr[int64](7), Records: one, Events: one, Kills: one, Bad: one, Unknown: one,
			LeftOut: one, First: at, Last: at, Boots: []int{0}, Error: hostile, Notes: []string{hostile},
		}, {Path: "-", Kind: timeline.KindOther, State: timeline.StateNotRead}},
		Boots: []timeline.Boot{
			{Offset: -1},
			{Host: &event.Host{Name: "db-2"}, Running: true, Began: at, TimeGuessed: []event.TimeGuess{event.GuessYear}, First: at, Last: at, Entries: 1, Kills: 1, Sources: []int{0}},
		},
		Findings: []timeline.Finding{{
			ID: "limit-too-small", Title: hostile, Confidence: timeline.High, Summary: "s", About: []int{0},
			Evidence: []timeline.Evidence{{Entries: []int{0}, Text: hostile}}, RefutedBy: "r", Question: "q",
			Decide:   &timeline.Command{Run: "true", Class: timeline.ReadOnly, Note: "n"},
			Actions:  []timeline.Action{{Text: "t", Why: "w", Owner: "o", Commands: []timeline.Command{{Run: "x", Class: timeline.Irreversible}}}},
			Rollback: []timeline.Rollback{{Undoes: 0, Text: "t", Guard: "g", Commands: []timeline.Command{{Run: "y", Class: timeline.Disruptive}}}},
		}, {ID: "x", Confidence: timeline.Low}},
	}
	for _, e := range eventtest.All() {
		d.Entries = append(d.Entries, timeline.Entry{Event: e, Boot: 1, SeenIn: []int{0}, Differs: []string{hostile}})
	}
	d.Entries = append(d.Entries, timeline.Entry{Event: eventtest.Kill()})
	for _, d := range []*timeline.Document{d, {}} {
		var out bytes.Buffer
		if err := d.Write(&out); err != nil {
			t.Fatal(err)
		}
		validate(t, out.Bytes())
		if i := bytes.IndexFunc(out.Bytes(), func(r rune) bool { return r < ' ' && r != '\n' || 0x7f <= r && r < 0xa0 }); i >= 0 {
			t.Errorf("a control character at byte %d", i)
		}
	}
}
