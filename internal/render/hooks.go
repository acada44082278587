// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Hooks writes how each fact is obtained: a table of fact, state, method and what is
// missing, and below it why better ways are not used and what can be done; or with
// Options.Format json one object
// {"hooks":[{"fact","state","method","ok","reason","missing","fix"}]}. It is one
// Write.
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
	fact, method = min(fact, 16), min(method, 60)
	missing := 0
	if o.Width > 0 {
		rest := max(o.Width-fact-len("STATE")-3*gap, 20)
		method = min(method, rest/2)
		missing = rest - method
	}
	styles := map[string]style{statePass: green, stateWarn: yellow, stateFail: red}
	rows := [][]cell{titles("FACT", "STATE", "METHOD", "MISSING")}
	for _, h := range hooks {
		state := hookState(h)
		rows = append(rows, []cell{text(or(h.Fact, "-")), {{text: state, style: styles[state]}}, text(or(h.Method, "-")), text(or(cost(h), "-"))})
	}
	buf, err := lines(nil, []int{fact, len("STATE"), method, missing}, rows, o)
	if err != nil {
		return nil, err
	}
	rows = nil
	for _, obstacle := range obstacles(hooks) {
		why := obstacle.reason + " (" + strings.Join(obstacle.facts, ", ") + ")"
		if obstacle.kind != "" {
			why = "no " + obstacle.kind + ": " + why
		}
		rows = append(rows, []cell{{{text: "WHY", style: bold}}, text(why)}, []cell{{{text: "FIX", style: bold}}, text(obstacle.remedy().fix)})
	}
	if rows == nil {
		return buf, nil
	}
	return lines(append(buf, '\n'), []int{len("WHY"), max(o.Width-len("WHY")-gap, 20)}, rows, o)
}

// titles is a row of column titles.
func titles(words ...string) []cell {
	cells := make([]cell, len(words))
	for i, w := range words {
		cells[i] = cell{{text: w, style: bold}}
	}
	return cells
}

// lines appends rows in columns of these widths.
func lines(dst []byte, widths []int, rows [][]cell, o Options) ([]byte, error) {
	g, err := newGrid(widths, o.Width > 0, o.Color)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if dst, err = g.row(dst, row); err != nil {
			return nil, err
		}
	}
	return dst, g.close()
}

func hooksJSON(hooks []event.Hook) ([]byte, error) {
	type hook struct {
		State string `json:"state"`
		event.Hook
		Missing string `json:"missing,omitempty"`
		Fix     string `json:"fix,omitempty"`
	}
	all := make([]hook, len(hooks))
	for i, h := range hooks {
		var fixes []string
		for _, o := range obstaclesOf(h) {
			fixes = append(fixes, strings.TrimPrefix(o.kind+": "+o.remedy().fix, ": "))
		}
		all[i] = hook{hookState(h), h, cost(h), strings.Join(fixes, "; ")}
	}
	buf, err := json.Marshal(map[string]any{"hooks": all})
	if err != nil {
		return nil, fmt.Errorf("encode hooks: %w", err)
	}
	return append(event.AppendInert(nil, buf), '\n'), nil
}
