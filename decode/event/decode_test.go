// SPDX-License-Identifier: Apache-2.0

package event_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

// head begins a line whose header is in order.
const head = `{"schema":"oomtrace/v1","session":"5f","seq":1,"time":"2026-03-14T00:00:00.000000001Z","source":"bpf",`

func TestUnmarshalFails(t *testing.T) {
	for name, tt := range map[string]struct {
		line string
		want string
		is   error
	}{
		"nothing":            {``, "not JSON: unexpected end", nil},
		"not JSON":           {`Out of memory: Killed process 7`, "not JSON: invalid character 'O'", nil},
		"cut":                {`{"schema":"oomtrace/v1","type":`, "not JSON: unexpected end", nil},
		"two objects":        {`{}{}`, "not JSON: invalid character '{'", nil},
		"array":              {`[1]`, "a JSON array, not an event", nil},
		"string":             {`"oomtrace/v1"`, "a JSON string, not an event", nil},
		"null":               {`null`, `no "schema" field`, event.ErrSchema},
		"no schema":          {`{"msg":"hello"}`, `not an oomtrace event: no "schema" field`, event.ErrSchema},
		"newer schema":       {`{"schema":"oomtrace/v2"}`, `schema "oomtrace/v2": this oomtrace reads "oomtrace/v1", use one of the version that wrote it`, event.ErrSchema},
		"foreign schema":     {`{"schema":"ecs","time":7,"seq":"x","type":[]}`, `not an oomtrace event: schema "ecs"`, event.ErrSchema},
		"schema is a number": {`{"schema":1}`, `schema "1"`, event.ErrSchema},
		"schema without end": {`{"schema":"` + strings.Repeat("s", 9999) + `"}`, `schema "` + strings.Repeat("s", 40) + `"`, event.ErrSchema},
		"no time":            {`{"schema":"oomtrace/v1","type":"lost"}`, "lost: no time", nil},
		"time is a number":   {`{"schema":"oomtrace/v1","type":"lost","time":1}`, "lost: no time", nil},
		"bad time":           {`{"schema":"oomtrace/v1","type":"lost","time":"yesterday"}`, `lost: parsing time "yesterday"`, nil},
		"time out of range":  {`{"schema":"oomtrace/v1","type":"lost","time":"9999-12-31T23:59:59-01:00"}`, `lost: time "9999-12-31T23:59:59-01:00" is out of range`, nil},
		"bad header field":   {head + `"type":"lost","boottime_ns":-1}`, "boottime_ns", nil},
		"no type":            {head + `"x":1}`, `unknown event type ""`, event.ErrType},
		"newer type":         {head + `"type":"oom.later"}`, `unknown event type "oom.later"`, event.ErrType},
		"bad payload field":  {head + `"type":"oom.kill","victim":{"pid":"7"}}`, "oom.kill: json: cannot unmarshal string into Go struct field", nil},
		"no victim":          {head + `"type":"oom.kill"}`, "oom.kill: victim.pid is missing", nil},
		"part 0":             {head + `"type":"oom.detail","pid":7,"parts":1}`, "oom.detail: part of parts", nil},
		"part 3 of 2":        {head + `"type":"oom.detail","pid":7,"part":3,"parts":2}`, "oom.detail: part of parts", nil},
		"no kind":            {head + `"type":"clock.adjust"}`, "clock.adjust: kind is missing", nil},
		"too large":          {head + `"type":"clock.step","step_ns":9223372036854775808}`, "clock.step: json: cannot unmarshal number 9223372036854775808", nil},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := event.Unmarshal([]byte(tt.line))
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 300 {
				t.Errorf("error is no short line: %q", err)
			}
			if hasEvent := e != nil; hasEvent != (tt.is == event.ErrType) {
				t.Errorf("event %+v with error %v", e, err)
			}
		})
	}
}

func TestUnmarshalNewerType(t *testing.T) {
	e, err := event.Unmarshal([]byte(head + `"type":"oom.future","outcome":"reaped"}`))
	var unknown *event.TypeError
	if !errors.As(err, &unknown) || unknown.Found != "oom.future" {
		t.Fatalf("error %v", err)
	}
	want := &event.Event{
		Schema: event.Schema, Type: "oom.future", Session: "5f", Seq: 1,
		Time: time.Date(2026, 3, 14, 0, 0, 0, 1, time.UTC), Source: event.SourceBPF,
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
}

func TestUnmarshalTakesAdditions(t *testing.T) {
	e, err := event.Unmarshal([]byte(head + `"type":"oom.kill","role":"bystander","candidates":[{}],"victim":{"pid":7,"nice":3}}` + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if e.Kill.Role != "bystander" || e.Kill.Victim.PID != 7 {
		t.Errorf("decoded %+v", e.Kill)
	}
}

func FuzzUnmarshal(f *testing.F) {
	var enc event.Encoder
	for _, e := range append(eventtest.All(), eventtest.Hostile()[:8]...) {
		f.Add(encode(f, &enc, e)[0])
	}
	f.Add([]byte(head + `"type":"oom.future"}`))
	f.Add([]byte(`{"schema":{},"time":[],"victim":null}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := event.Unmarshal(line)
		if err != nil {
			if e != nil && !errors.Is(err, event.ErrType) {
				t.Errorf("event with error %v", err)
			}
			return
		}
		// What can be read can be written, and is then the same
		// event.
		enc := event.Encoder{MaxLine: 16 << 20}
		out, err := enc.Append(nil, e)
		if err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		if !utf8.Valid(out) {
			t.Errorf("invalid UTF-8: %q", out)
		}
		again, err := event.Unmarshal(out)
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		second, err := enc.Append(nil, again)
		if err != nil {
			t.Fatal(err)
		}
		if string(second) != string(out) {
			t.Errorf("first\n%sthen\n%s", out, second)
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	line := encode(b, &event.Encoder{}, bigKill(40, 0))[0]
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.Unmarshal(line); err != nil {
			b.Fatal(err)
		}
	}
}
