// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

func TestHooksGolden(t *testing.T) {
	hooks := append(eventtest.SessionStart().SessionStart.Hooks, event.Hook{Fact: "clock-step", Method: "timerfd\x1b[0m", OK: true})
	for _, o := range []Options{{}, {Width: 80}, {Width: 120, Color: true}} {
		name := fmt.Sprintf("hooks-%d", o.Width)
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Hooks(&b, hooks, o); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
			wantInert(t, b.Bytes(), o.Color)
			wantFits(t, b.Bytes(), o.Width)
		})
	}
}

func TestHooksJSON(t *testing.T) {
	hooks := append(eventtest.SessionStart().SessionStart.Hooks, event.Hook{Fact: "x\u009b\x7f\x1b", OK: true})
	var b bytes.Buffer
	if err := Hooks(&b, hooks, Options{Format: FormatJSON}); err != nil {
		t.Fatal(err)
	}
	golden(t, "hooks-json", b.Bytes())
	wantInert(t, b.Bytes(), false)
	var got struct {
		Hooks []event.Hook `json:"hooks"`
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for i, h := range got.Hooks {
		if h != hooks[i] {
			t.Errorf("hook %d: %+v, want %+v", i, h, hooks[i])
		}
	}
}
