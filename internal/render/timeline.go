// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Timeline writes a timeline for people: what it was made of, what happened, a heading
// above each boot, and what that means. With JSON it writes the document.
func Timeline(w io.Writer, d *timeline.Document, o Options) error {
	if o.Format == FormatJSON {
		return d.Write(w)
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	o.Unsure = true
	var head bytes.Buffer
	appendSources(&head, d, o)
	if err := write(w, head.Bytes()); err != nil {
		return err
	}
	if err := timelineRows(w, d, o); err != nil {
		return err
	}
	var foot bytes.Buffer
	appendFindings(&foot, d, o)
	return write(w, foot.Bytes())
}

func write(w io.Writer, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write timeline: %w", err)
	}
	return nil
}

// textWidth is how wide running text is.
func textWidth(o Options) int {
	switch {
	case o.Format == FormatTicket:
		return ticketWidth
	case o.Width <= 0:
		return 1 << 30 // a line is a line
	}
	return max(o.Width, leastText)
}

const leastText = 40

// timelineRows writes the entries, those of each boot under its heading.
func timelineRows(w io.Writer, d *timeline.Document, o Options) error {
	var sink Sink
	unsure := false
	for i := range d.Entries {
		e := &d.Entries[i]
		if i == 0 || e.Boot != d.Entries[i-1].Boot {
			if sink != nil {
				if err := sink.Close(); err != nil {
					return err
				}
			}
			var b bytes.Buffer
			appendBoot(&b, d, e.Boot, o)
			if err := write(w, b.Bytes()); err != nil {
				return err
			}
			var err error
			if sink, err = New(w, o); err != nil {
				return err
			}
		}
		unsure = unsure || isUnsure(e.Event)
		if err := sink.Event(oneStream(e.Event)); err != nil {
			return err
		}
	}
	if sink == nil {
		return nil
	}
	if err := sink.Close(); err != nil {
		return err
	}
	if unsure {
		return write(w, []byte("\n"+unsureMark+" marks times of which a part was guessed, or which dmesg computed\n"))
	}
	return nil
}

// oneStream is e as an event of one stream of all sources: a storm is folded by the clock
// of the boot, whoever tells of it.
func oneStream(e *event.Event) *event.Event {
	out := *e
	out.Session = ""
	if out.BoottimeNS == nil {
		out.BoottimeNS = out.PrintkNS
	}
	if out.BoottimeNS == nil && !out.Time.IsZero() {
		out.BoottimeNS = event.Ptr(uint64(max(0, out.Time.UnixNano())))
	}
	return &out
}

// appendSources lists what a timeline was made of, and what could not be read.
func appendSources(dst *bytes.Buffer, d *timeline.Document, o Options) {
	dst.WriteString(title("Sources", o) + "\n")
	for i := range d.Sources {
		s := &d.Sources[i]
		number := fmt.Sprintf("%3d  ", i)
		words := cell{{text: s.Path, keep: s.Path}, {text: sourceWords(s)}}
		if s.Error != "" {
			st := plain
			if !s.Default {
				st = yellow
			}
			words = append(words, part{text: s.Error, style: st})
		}
		for _, n := range s.Notes {
			words.add(n)
		}
		appendWrapped(dst, words, o, number, "     ")
	}
}

// appendWrapped appends a cell behind an indent, in lines that fit.
func appendWrapped(dst *bytes.Buffer, c cell, o Options, first, rest string) {
	for i, line := range c.wrap(textWidth(o)-displayWidth(rest), o.Color && o.Format != FormatTicket) {
		indent := rest
		if i == 0 {
			indent = first
		}
		dst.WriteString(indent + line + "\n")
	}
}

// title is a heading of a part.
func title(s string, o Options) string {
	if o.Format == FormatTicket {
		return s
	}
	return paint(strings.ToUpper(s), bold, o.Color)
}

// sourceWords say what a source is and has.
func sourceWords(s *timeline.Source) string {
	what := ""
	switch s.Kind {
	case timeline.KindKernelLog:
		what = "kernel log"
		if s.Format != "" {
			what += " (" + s.Format + ")"
		}
	case timeline.KindRecord:
		what = "recorded events"
	case timeline.KindDirectory:
		what = "directory"
	}
	if n := len(s.Parts); n > 0 {
		what += ", " + plural(uint64(n), "file")
	}
	if s.Compression != "" {
		what += ", " + s.Compression
	}
	if s.Records != nil {
		what += ", " + plural(*s.Records, noun(s.Kind))
	}
	if s.Kills != nil {
		what += ", " + plural(*s.Kills, "kill")
	}
	if s.Bad != nil {
		what += ", " + plural(*s.Bad, "line") + " not readable"
	}
	if s.Unknown != nil {
		what += ", " + plural(*s.Unknown, "event") + " of a newer oomtrace"
	}
	if s.LeftOut != nil {
		what += ", " + plural(*s.LeftOut, "event") + " left out for lack of room"
	}
	switch s.State {
	case timeline.StateNotRead:
		what = strings.TrimPrefix(what+", not read", ", ")
	case timeline.StateDamaged:
		what += ", damaged"
	}
	return what
}

func noun(k timeline.Kind) string {
	if k == timeline.KindRecord {
		return "line"
	}
	return "record"
}

// appendBoot appends the heading of a boot.
func appendBoot(dst *bytes.Buffer, d *timeline.Document, n int, o Options) {
	b := &d.Boots[n]
	dst.WriteString("\n")
	words := cell{{text: title("Boot "+strconv.Itoa(b.Offset), Options{Format: o.Format})}}
	if o.Format != FormatTicket {
		words[0].style = bold
	}
	if h := b.Host; h != nil {
		words.add(h.Name)
		words.add(labelled("Linux", h.Kernel))
		if h.BootID != "" {
			words.add("id " + strings.ReplaceAll(h.BootID, "-", ""))
		}
	}
	if !b.Began.IsZero() {
		words.add("began " + began(b, o))
	}
	if b.Running {
		words.add("running")
	}
	words.add(plural(b.Kills, "kill"))
	var from []string
	for _, s := range b.Sources {
		from = append(from, strconv.Itoa(s))
	}
	words.add("source " + strings.Join(from, ", "))
	appendWrapped(dst, words, o, "", "  ")
}

// appendFindings lists what the entries mean; 'oomtrace explain' tells what to do.
func appendFindings(dst *bytes.Buffer, d *timeline.Document, o Options) {
	if len(d.Findings) == 0 {
		return
	}
	dst.WriteString("\n" + title("Findings", o) + "\n")
	for i := range d.Findings {
		f := &d.Findings[i]
		words := cell{{text: f.Title, style: bold}, {text: "confidence " + string(f.Confidence)}}
		if f.Question != "" {
			words.add(f.Question)
		}
		words.add(f.ID)
		appendWrapped(dst, words, o, fmt.Sprintf("%3d  ", i+1), "     ")
	}
	dst.WriteString("     'oomtrace explain' tells the evidence, what to do, and the way back\n")
}

// Boots lists the boots of a timeline; with JSON it writes the document.
func Boots(w io.Writer, d *timeline.Document, o Options) error {
	if o.Format == FormatJSON {
		return d.Write(w)
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	rows := [][]string{{"BOOT", "HOST", "KERNEL", "BEGAN", "FIRST ENTRY", "LAST ENTRY", "ENTRIES", "KILLS", "ID", "SOURCES"}}
	for i := range d.Boots {
		b := &d.Boots[i]
		h := b.Host
		if h == nil {
			h = &event.Host{}
		}
		var from []string
		for _, s := range b.Sources {
			from = append(from, strconv.Itoa(s))
		}
		rows = append(rows, []string{
			strconv.Itoa(b.Offset), or(h.Name, "-"), or(h.Kernel, "-"), began(b, o), day(b.First, o), day(b.Last, o),
			count(b.Entries), count(b.Kills), or(strings.ReplaceAll(h.BootID, "-", ""), "-"), or(strings.Join(from, ","), "-"),
		})
	}
	var out bytes.Buffer
	appendSources(&out, d, o)
	out.WriteByte('\n')
	out.Write(columns(rows))
	return write(w, out.Bytes())
}

// began is when a boot was, marked where that was guessed.
func began(b *timeline.Boot, o Options) string {
	if len(b.TimeGuessed) > 0 {
		return unsureMark + day(b.Began, o)
	}
	return day(b.Began, o)
}

func day(t time.Time, o Options) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(o.Location).Format("2006-01-02 15:04:05-07:00")
}

// columns lays out rows, each a line.
func columns(rows [][]string) []byte {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, s := range r {
			r[i] = Sanitize(clip(s, maxPart))
			widths[i] = max(widths[i], displayWidth(r[i]))
		}
	}
	g := &grid{widths: widths}
	var out []byte
	for _, r := range rows {
		cells := make([]cell, len(r))
		for i, s := range r {
			cells[i] = text(s)
		}
		out = g.line(out, cells)
	}
	return out
}
