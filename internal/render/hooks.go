// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/oomtrace/oomtrace/decode/event"
)

// The states of a fact.
const (
	statePass = "pass" // the best way serves it
	stateWarn = "warn" // a lesser way does
	stateFail = "fail" // none does
)

// hookState rates a hook: one that works, but has a reason to tell, is degraded.
func hookState(h event.Hook) string {
	switch {
	case !h.OK:
		return stateFail
	case h.Reason != "":
		return stateWarn
	}
	return statePass
}

// Hooks writes how each fact is obtained: a table of fact, state, method and
// reason, or with Options.Format json one object
// {"hooks":[{"fact","state","method","ok","reason"}]}. It is one Write.
func Hooks(w io.Writer, hooks []event.Hook, o Options) error {
	var buf []byte
	var err error
	switch o.Format {
	case "", FormatTable, FormatText, FormatWide:
		buf, err = hooksTable(hooks, o)
	case FormatJSON:
		buf, err = hooksJSON(hooks)
	default:
		err = fmt.Errorf("unknown output format %q: want table, text, wide or json", o.Format)
	}
	if err != nil {
		return err
	}
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("write hooks: %w", err)
	}
	return nil
}

func hooksTable(hooks []event.Hook, o Options) ([]byte, error) {
	settle()
	fact, method := len("FACT"), len("METHOD")
	for _, h := range hooks {
		fact = max(fact, displayWidth(Sanitize(h.Fact)))
		method = max(method, displayWidth(Sanitize(h.Method)))
	}
	fact, method = min(fact, 24), min(method, 60)
	reason := 0
	if o.Width > 0 {
		rest := max(o.Width-fact-len("STATE")-3*gap, 40)
		method = min(method, rest/2)
		reason = rest - method
	}
	g, err := newGrid([]int{fact, len("STATE"), method, reason}, o.Width > 0, o.Color)
	if err != nil {
		return nil, err
	}
	buf, err := g.row(nil, []cell{{{text: "FACT", style: bold}}, {{text: "STATE", style: bold}}, {{text: "METHOD", style: bold}}, {{text: "REASON", style: bold}}})
	if err != nil {
		return nil, err
	}
	styles := map[string]style{statePass: green, stateWarn: yellow, stateFail: red}
	for _, h := range hooks {
		state := hookState(h)
		if buf, err = g.row(buf, []cell{text(or(h.Fact, "-")), {{text: state, style: styles[state]}}, text(or(h.Method, "-")), text(or(h.Reason, "-"))}); err != nil {
			return nil, err
		}
	}
	return buf, g.close()
}

func hooksJSON(hooks []event.Hook) ([]byte, error) {
	type hook struct {
		State string `json:"state"`
		event.Hook
	}
	all := make([]hook, len(hooks))
	for i, h := range hooks {
		all[i] = hook{hookState(h), h}
	}
	buf, err := json.Marshal(map[string]any{"hooks": all})
	if err != nil {
		return nil, fmt.Errorf("encode hooks: %w", err)
	}
	return append(event.AppendInert(nil, buf), '\n'), nil
}
