// SPDX-License-Identifier: Apache-2.0

//go:build linux

package live

import (
	"errors"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/tracer"
)

// The report has what is had without programs, of what was asked for.
func TestHooks(t *testing.T) {
	all := []tracer.Hook{
		{Fact: tracer.FactKill, Method: "tp_btf", OK: true},
		{Fact: tracer.FactSettime, Method: "fentry", OK: true},
		{Fact: tracer.FactWarp, Reason: "no such function"},
	}
	why := errors.New("why not")
	find := func(hooks []event.Hook, fact string) event.Hook {
		for _, h := range hooks {
			if h.Fact == fact {
				return h
			}
		}
		return event.Hook{Fact: "none"}
	}
	got := Hooks(all, nil, nil)
	if h := find(got, tracer.FactWarp); !h.OK || h.Method == "" || h.Reason != "no such function" {
		t.Errorf("warp: %+v", h)
	}
	for _, fact := range []string{FactClockStep, FactSymbols} {
		if h := find(got, fact); !h.OK || h.Method == "" {
			t.Errorf("%s: %+v", fact, h)
		}
	}
	got = Hooks(all, why, why)
	for _, fact := range []string{tracer.FactWarp, FactClockStep, FactSymbols} {
		if h := find(got, fact); h.OK || h.Method != "" || h.Reason == "" {
			t.Errorf("%s: %+v", fact, h)
		}
	}
	if h := find(Hooks(all[:1], nil, nil), FactClockStep); h.Fact != "none" {
		t.Errorf("not asked for: %+v", h)
	}
	if h := find(Hooks(all[1:], nil, nil), FactSymbols); h.Fact != "none" {
		t.Errorf("not asked for: %+v", h)
	}
	if all[2].OK {
		t.Error("the tracer's own report was changed")
	}
}
