// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Explain writes the findings of a timeline for people: Assessment, Action plan and
// Rollback, with the entries that they cite. What is above a command tells what it does
// to the machine; one that is disruptive or irreversible is a comment, so that a part
// that is pasted into a shell does no harm. With JSON it writes the document.
func Explain(w io.Writer, d *timeline.Document, o Options) error {
	if o.Format == FormatJSON {
		return d.Write(w)
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	o.Unsure = true
	x := explainer{d: d, o: o}
	x.assessment()
	x.entries()
	x.plan()
	x.rollback()
	return write(w, x.b.Bytes())
}

// explainer writes one explanation.
type explainer struct {
	d *timeline.Document
	o Options
	b bytes.Buffer
}

// Indents of what a finding and an action have.
const (
	findingIndent = "    "
	actionIndent  = "     "
)

// say appends parts in lines that fit, the first behind head.
func (x *explainer) say(head, indent string, c cell) {
	appendWrapped(&x.b, c, x.o, head, indent)
}

// words appends running text behind a label. It is one line's worth of parts that are
// not clipped: a summary may be long.
func (x *explainer) words(head, indent, label, s string) {
	if s == "" {
		return
	}
	width := textWidth(x.o) - displayWidth(indent)
	if label != "" {
		s = label + " " + s
	}
	s = Sanitize(clip(s, maxWords))
	for i, line := range wrapText(s, max(width, leastText/2)) {
		if i > 0 {
			head = indent
		}
		if i == 0 && label != "" && strings.HasPrefix(line, label) {
			line = paint(label, cyan, x.colored()) + line[len(label):]
		}
		x.b.WriteString(head + line + "\n")
	}
}

// maxWords bounds a text in bytes.
const maxWords = 8 << 10

// wrapText breaks inert text into lines of width columns.
func wrapText(s string, width int) []string {
	var lines []string
	for displayWidth(s) > width {
		head, rest := split(s, width, "")
		lines = append(lines, strings.TrimRight(head, " "))
		s = rest
	}
	return append(lines, s)
}

func (x *explainer) colored() bool { return x.o.Color && x.o.Format != FormatTicket }

func (x *explainer) title(s string) {
	if x.b.Len() > 0 {
		x.b.WriteByte('\n')
	}
	x.b.WriteString(title(s, x.o) + "\n")
}

func (x *explainer) assessment() {
	x.title("Assessment")
	if len(x.d.Findings) == 0 {
		x.say(findingIndent, findingIndent, text("nothing that a rule knows"))
	}
	for i := range x.d.Findings {
		f := &x.d.Findings[i]
		x.b.WriteByte('\n')
		x.say(number(i), findingIndent, cell{{text: f.Title, style: bold}, {text: string(f.Confidence) + " confidence", style: confidenceStyle(f.Confidence)}, {text: f.ID}})
		x.words(findingIndent, findingIndent, "", f.Summary)
		for _, e := range f.Evidence {
			s := e.Text
			if len(e.Entries) > 0 {
				s = "[" + entriesList(e.Entries) + "] " + s
			}
			x.words(findingIndent+"- ", findingIndent+"  ", "", s)
		}
		x.words(findingIndent, findingIndent, "Refuted by:", f.RefutedBy)
		x.words(findingIndent, findingIndent, "Question:", f.Question)
		if f.Decide != nil {
			x.command(findingIndent, *f.Decide)
		}
	}
}

// number is the head of finding i.
func number(i int) string { return fmt.Sprintf("%2d  ", i+1) }

func confidenceStyle(c timeline.Confidence) style {
	switch c {
	case timeline.High:
		return green
	case timeline.Medium:
		return yellow
	}
	return magenta
}

// citedShown bounds the entries that are named one by one.
const citedShown = 8

// entriesList is "entries 3, 4" or "entry 3".
func entriesList(list []int) string {
	word := "entries "
	if len(list) == 1 {
		word = "entry "
	}
	var names []string
	for i, n := range list {
		if i == citedShown && len(list) > citedShown+1 {
			names = append(names, fmt.Sprintf("and %s more", count(len(list)-i)))
			break
		}
		names = append(names, strconv.Itoa(n))
	}
	return word + strings.Join(names, ", ")
}

// entriesShown bounds the entries that are told, of those cited.
const entriesShown = 24

// entries tells the entries that findings cite, a line each.
func (x *explainer) entries() {
	var cited []int
	for _, f := range x.d.Findings {
		for _, e := range f.Evidence {
			cited = append(cited, e.Entries[:min(len(e.Entries), citedShown+1)]...)
		}
	}
	slices.Sort(cited)
	cited = slices.Compact(cited)
	if len(cited) == 0 {
		return
	}
	x.title("Entries")
	s := &tableSink{loc: x.o.Location, layout: newLayout(0, false, true), unsure: true}
	for i, n := range cited {
		if i == entriesShown {
			x.say(findingIndent, findingIndent, text(plural(uint64(len(cited)-i), "further entry")))
			break
		}
		if n < 0 || n >= len(x.d.Entries) || x.d.Entries[n].Event == nil {
			continue
		}
		e := x.d.Entries[n].Event
		r, ok := s.row(e)
		if !ok {
			r = row{event: part{text: string(e.Type)}}
		}
		when := "-"
		if !e.Time.IsZero() {
			when = day(e.Time, x.o)
			if isUnsure(e) {
				when = unsureMark + when
			}
		}
		words := cell{{text: when}, r.event}
		if e.Simulated {
			words = append(words, part{text: "SIMULATED", style: magenta})
		}
		if r.process != "" {
			words = append(words, part{text: r.process, keep: r.process})
		}
		words.add(r.where)
		if len(r.what) > 0 {
			words = append(words, r.what[0])
		}
		x.say(fmt.Sprintf("%3d  ", n), actionIndent, words)
	}
}

func (x *explainer) plan() {
	first := true
	for i := range x.d.Findings {
		f := &x.d.Findings[i]
		if len(f.Actions) == 0 {
			continue
		}
		if first {
			x.title("Action plan")
			first = false
		}
		x.b.WriteByte('\n')
		x.say(number(i), findingIndent, cell{{text: f.Title, style: bold}})
		for j, a := range f.Actions {
			x.words(step(i, j), actionIndent, "", a.Text)
			x.words(actionIndent, actionIndent, "Why:", a.Why)
			x.words(actionIndent, actionIndent, "Owner:", a.Owner)
			for _, c := range a.Commands {
				x.command(actionIndent, c)
			}
		}
	}
}

// step is the name of action j of finding i, as a head.
func step(i, j int) string { return fmt.Sprintf("%-*s", len(actionIndent), stepName(i, j)) }

func stepName(i, j int) string { return strconv.Itoa(i+1) + "." + strconv.Itoa(j+1) }

func (x *explainer) rollback() {
	first := true
	for i := range x.d.Findings {
		f := &x.d.Findings[i]
		for _, r := range f.Rollback {
			if first {
				x.title("Rollback")
				first = false
			}
			x.words(step(i, r.Undoes), actionIndent, "", r.Text)
			x.words(actionIndent, actionIndent, "Guard:", r.Guard)
			for _, c := range r.Commands {
				x.command(actionIndent, c)
			}
		}
	}
}

// command appends a command in one line, which is not broken: it is there to be copied.
// Above it is a comment of what it does to the machine; one that is disruptive or
// irreversible is a comment itself.
func (x *explainer) command(indent string, c timeline.Command) {
	note := string(c.Class)
	if c.Note != "" {
		note += ": " + c.Note
	}
	st := classStyle(c.Class)
	for _, line := range wrapText(Sanitize(clip(note, maxWords)), max(textWidth(x.o)-len(indent)-2, leastText/2)) {
		x.b.WriteString(indent + paint("# "+line, st, x.colored()) + "\n")
	}
	run := Sanitize(c.Run)
	switch c.Class {
	case timeline.ReadOnly, timeline.Reversible:
		x.b.WriteString(indent + paint(run, bold, x.colored()) + "\n")
	default:
		x.b.WriteString(indent + paint("# "+run, st, x.colored()) + "\n")
	}
}

func classStyle(c timeline.Class) style {
	switch c {
	case timeline.ReadOnly:
		return green
	case timeline.Reversible:
		return cyan
	case timeline.Disruptive:
		return yellow
	}
	return red
}
