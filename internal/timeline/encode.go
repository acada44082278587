// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Write writes the document as one JSON object, in which each source, boot, entry and
// finding has a line of its own. Nothing in it is what a terminal could act on.
func (d *Document) Write(w io.Writer) error {
	out := writer{w: bufio.NewWriterSize(w, 64<<10)}
	out.text(`{"schema":"` + Schema + `"`)
	list(&out, "sources", d.Sources, func(dst []byte, s *Source) ([]byte, error) { return appendInert(dst, s.shown()) })
	list(&out, "boots", d.Boots, func(dst []byte, b *Boot) ([]byte, error) { return appendInert(dst, b.shown()) })
	var enc event.Encoder
	list(&out, "entries", d.Entries, func(dst []byte, e *Entry) ([]byte, error) { return e.append(dst, &enc) })
	list(&out, "findings", d.Findings, func(dst []byte, f *Finding) ([]byte, error) { return appendInert(dst, f.shown()) })
	out.text("}\n")
	if out.err == nil {
		out.err = out.w.Flush()
	}
	if out.err != nil {
		return fmt.Errorf("write timeline: %w", out.err)
	}
	return nil
}

// writer keeps the first error.
type writer struct {
	w   *bufio.Writer
	buf []byte
	err error
}

func (w *writer) text(s string) {
	if w.err == nil {
		_, w.err = w.w.WriteString(s)
	}
}

// list writes the next member of the object, an array.
func list[T any](w *writer, name string, items []T, add func([]byte, *T) ([]byte, error)) {
	w.text(",\n\"" + name + "\":[")
	for i := range items {
		if w.err != nil {
			return
		}
		if i > 0 {
			w.text(",")
		}
		if w.buf, w.err = add(append(w.buf[:0], '\n'), &items[i]); w.err == nil {
			_, w.err = w.w.Write(w.buf)
		}
	}
	w.text("]")
}

// append appends the event as it is, and behind its fields those of the entry.
func (e *Entry) append(dst []byte, enc *event.Encoder) ([]byte, error) {
	start := len(dst)
	dst, err := enc.AppendEntry(dst, e.Event)
	if err != nil {
		return dst, err
	}
	own := entry{e.Boot, e.SeenIn, e.Differs}
	if own.SeenIn == nil {
		own.SeenIn = []int{}
	}
	end := len(dst) - 1 // the event's "}" and the "{" of what follows make ","
	if dst, err = appendInert(dst[:end], own); err != nil {
		return dst[:start], err
	}
	dst[end] = ','
	return dst, nil
}

// entry is what an Entry adds to its event.
type entry struct {
	Boot    int      `json:"boot"`
	SeenIn  []int    `json:"seen_in"`
	Differs []string `json:"differs,omitempty"`
}

// appendInert appends v as JSON with nothing in it that a terminal could act on.
func appendInert(dst []byte, v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	return event.AppendInert(dst, b.Bytes()), nil
}

// shownTime is a time as events have it; "" is none.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return event.FormatTime(t)
}

func (s *Source) shown() any {
	type source Source
	return struct {
		source
		First string `json:"first,omitempty"`
		Last  string `json:"last,omitempty"`
	}{source(*s), shownTime(s.First), shownTime(s.Last)}
}

func (b *Boot) shown() any {
	type boot Boot
	out := struct {
		boot
		Began   string `json:"began,omitempty"`
		First   string `json:"first,omitempty"`
		Last    string `json:"last,omitempty"`
		Sources []int  `json:"sources"`
	}{boot(*b), shownTime(b.Began), shownTime(b.First), shownTime(b.Last), b.Sources}
	if out.Sources == nil {
		out.Sources = []int{}
	}
	return out
}

func (f *Finding) shown() any {
	out := *f
	if out.About == nil {
		out.About = []int{}
	}
	if out.Evidence == nil {
		out.Evidence = []Evidence{}
	}
	return out
}
