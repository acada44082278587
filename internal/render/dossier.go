// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/oomtrace/oomtrace/decode/killlog"
	"github.com/oomtrace/oomtrace/internal/dossier"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/timeline"
)

// Dossier writes what `oomtrace explain` tells: the answer to a question, each incident
// that was chosen with what explains it, the others in a line each, and what all that was
// made of. With JSON it writes the report.
func Dossier(w io.Writer, r *dossier.Report, o Options) error {
	if o.Format == FormatJSON {
		return r.Write(w)
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	o.Unsure = true
	x := teller{w: w, r: r, o: o}
	x.answer()
	if r.Elsewhere && len(r.Incidents) > 0 {
		x.paragraph("This is not of the running boot of this machine: what is advised was not held against any machine as it is now.")
	}
	for i := range r.Incidents {
		if r.Incidents[i].Told {
			x.incident(&r.Incidents[i])
		}
	}
	x.loose()
	x.others()
	x.list()
	x.nothing()
	x.made()
	return x.err
}

// teller writes one report, until an error.
type teller struct {
	w   io.Writer
	r   *dossier.Report
	o   Options
	any bool // something was written
	err error
}

// put writes a part, behind an empty line if it is not the first.
func (x *teller) put(b []byte) {
	if x.err != nil || len(b) == 0 {
		return
	}
	if x.any && b[0] != '\n' {
		b = append([]byte{'\n'}, b...)
	}
	if !x.any {
		b = bytes.TrimLeft(b, "\n")
	}
	x.any = true
	x.err = write(x.w, b)
}

func (x *teller) paragraph(s string) {
	var b bytes.Buffer
	for _, line := range wrapText(Sanitize(s), textWidth(x.o)) {
		b.WriteString(line + "\n")
	}
	x.put(b.Bytes())
}

// answer tells the answer in the first line, and then what it rests on.
func (x *teller) answer() {
	a := x.r.Answer
	if a == nil {
		return
	}
	word, st := "not known", magenta
	switch a.Verdict {
	case fate.Yes:
		word, st = "yes", red
	case fate.No:
		word, st = "no", green
	case fate.Unknown:
	}
	var b bytes.Buffer
	for i, line := range wrapText(Sanitize(clip(word+": "+a.Text, maxWords)), textWidth(x.o)) {
		if i == 0 && x.o.Format != FormatTicket {
			line = paint(word, st, x.o.Color) + line[len(word):]
		}
		b.WriteString(line + "\n")
	}
	for _, e := range a.Evidence {
		x.witness(&b, e)
	}
	for _, n := range a.Notes {
		appendFolded(&b, "  note: "+n, "        ", x.o)
	}
	ex := explainer{o: x.o}
	for _, s := range a.Decide {
		ex.words("  ", "  ", "", s.Text)
		ex.command("  ", s.Command)
	}
	b.Write(ex.b.Bytes())
	x.put(b.Bytes())
}

// witness appends a line of somebody.
func (x *teller) witness(b *bytes.Buffer, e fate.Evidence) {
	when := ""
	if !e.Time.IsZero() {
		when = day(e.Time, x.o) + " "
	}
	where := e.Source
	if e.Line > 0 {
		where += ", line " + strconv.FormatInt(e.Line, 10)
	}
	appendFolded(b, "  - "+when+e.Text, "    ", x.o)
	appendFolded(b, "    ("+where+"; "+trustWords(e.Trust)+")", "    ", x.o)
}

func trustWords(t killlog.Trust) string {
	switch t {
	case killlog.TrustSystem:
		return "journald saw who wrote it"
	case killlog.TrustUser:
		return "journald saw that a user wrote it"
	case killlog.TrustLine:
	}
	return "nobody saw who wrote it"
}

// appendFolded appends running text in lines that fit.
func appendFolded(b *bytes.Buffer, s, indent string, o Options) {
	s = Sanitize(clip(s, maxWords))
	for i, line := range wrapText(s, max(textWidth(o)-len(indent), leastText)) {
		if i > 0 {
			line = indent + line
		}
		b.WriteString(line + "\n")
	}
}

// repeatsMost is how often the same is told that killed nobody.
const repeatsMost = 3

// incident tells one in full: its kills, and what explains them.
func (x *teller) incident(in *dossier.Incident) {
	d := *x.r.Timeline
	d.Entries = nil
	told := in.Entries
	if x.r.Timeline.Entries[told[0]].Kill == nil { // a table folds kills alone
		told = told[:min(len(told), repeatsMost)]
	}
	for _, i := range told {
		d.Entries = append(d.Entries, x.r.Timeline.Entries[i])
	}
	var rows bytes.Buffer
	if err := timelineRows(&rows, &d, x.o); err != nil {
		x.err = err
		return
	}
	if n := len(in.Entries) - len(told); n > 0 {
		last := &x.r.Timeline.Entries[in.Entries[len(in.Entries)-1]]
		appendFolded(&rows, fmt.Sprintf("… %d more such, the last %s", n, x.when(last)), "  ", x.o)
	}
	x.put(rows.Bytes())
	x.findings(in.Findings)
}

// findings tells some of the timeline's findings.
func (x *teller) findings(list []int) {
	d := *x.r.Timeline
	d.Findings = nil
	for _, i := range list {
		d.Findings = append(d.Findings, x.r.Timeline.Findings[i])
	}
	var b bytes.Buffer
	if err := Explain(&b, &d, x.o); err != nil {
		x.err = err
		return
	}
	x.put(b.Bytes())
}

// loose tells the findings that are of no incident and not older than what is told, such
// as a kill that was not the kernel's.
func (x *teller) loose() {
	from := 0
	for i := range x.r.Incidents {
		if in := &x.r.Incidents[i]; in.Told {
			from = in.Entries[0] // the last one told is the oldest
		}
	}
	if x.r.Answer != nil {
		return
	}
	var list []int
	for i, f := range x.r.Timeline.Findings {
		if x.inIncident(i) || len(f.About) > 0 && slices.Max(f.About) < from {
			continue
		}
		list = append(list, i)
	}
	if list != nil {
		x.findings(list)
	}
}

func (x *teller) inIncident(finding int) bool {
	return slices.ContainsFunc(x.r.Incidents, func(in dossier.Incident) bool { return slices.Contains(in.Findings, finding) })
}

// listMost is how many incidents are listed, and beside an answer.
const (
	listMost   = 20
	listBeside = 5
)

// list tells the incidents that are not told in full, a line each.
func (x *teller) list() {
	var b bytes.Buffer
	left, most := 0, listMost
	if x.r.Answer != nil {
		most = listBeside
	}
	for i := range x.r.Incidents {
		in := &x.r.Incidents[i]
		switch {
		case in.Told:
			continue
		case i >= most:
			left++
			continue
		}
		appendWrapped(&b, x.line(in), x.o, fmt.Sprintf("%3d  ", i+1), "     ")
	}
	if b.Len() == 0 {
		return
	}
	if left > 0 {
		b.WriteString("     … and " + plural(uint64(left), "older one") + "\n")
	}
	x.put(append([]byte(title("Other incidents", x.o)+"\n"), b.Bytes()...))
}

// line is an incident in brief.
func (x *teller) line(in *dossier.Incident) cell {
	d := x.r.Timeline
	first, last := &d.Entries[in.Entries[0]], &d.Entries[in.Entries[len(in.Entries)-1]]
	var c cell
	c.add(x.when(first))
	switch {
	case first.Kill != nil:
		v := &first.Kill.Victim
		name := who(v.PID, v.Comm, v.CommHex)
		if n := len(in.Entries) - 1; n > 0 {
			name += " and " + strconv.Itoa(n) + " more"
		}
		c = append(c, part{text: name, style: bold, keep: name})
		c.add(victimPlace(v))
		c.add(killCauseAt(first.Kill, victimPlace(v)))
		if !last.Time.IsZero() && last.Time.Sub(first.Time) >= time.Second {
			c.add("until " + last.Time.In(x.o.Location).Format(time.TimeOnly))
		}
		if first.Simulated {
			c.add("simulated")
		}
	case first.NoKill != nil:
		c.add(noKillWords(first.NoKill))
	}
	if b := &d.Boots[in.Boot]; b.Offset != 0 {
		c.add("boot " + strconv.Itoa(b.Offset))
	}
	c.add(in.ID)
	return c
}

func (x *teller) when(e *timeline.Entry) string {
	switch {
	case e.Time.IsZero() && e.PrintkNS != nil:
		return uptime(*e.PrintkNS)
	case e.Time.IsZero():
		return "at a time that is not told"
	case isUnsure(e.Event):
		return unsureMark + day(e.Time, x.o)
	}
	return day(e.Time, x.o)
}

// others tells who else killed, where the kernel did not.
func (x *teller) others() {
	if len(x.r.Others) == 0 {
		return
	}
	var b bytes.Buffer
	b.WriteString(title("Not the kernel's OOM killer, but", x.o) + "\n")
	for _, w := range x.r.Others {
		x.witness(&b, fate.Evidence{Time: w.Time, Source: w.Source, Line: w.Line, Text: w.Ident + ": " + w.Text, Trust: w.Report.Trust})
	}
	x.put(b.Bytes())
}

// nothing says that there is no incident, and what of that is known.
func (x *teller) nothing() {
	if len(x.r.Incidents) > 0 || x.r.Answer != nil {
		return
	}
	s := "No kill by the kernel's OOM killer was found."
	if !slices.ContainsFunc(x.r.Timeline.Sources, func(s timeline.Source) bool { return s.State != timeline.StateNotRead }) {
		s = "Nothing could be read that would tell of a kill by the kernel's OOM killer."
	}
	c := &x.r.Counted
	switch n := c.KillsSinceBoot; {
	case n == nil:
	case *n == 0:
		s += " The kernel has counted none since it booted."
	default:
		s += " Yet the kernel has counted " + processes(int(*n)) + " that it killed for memory since it booted (oom_kill in /proc/vmstat): what it logged of that " + x.fateOfLog() + "."
	}
	var b bytes.Buffer
	appendFolded(&b, s, "", x.o)
	for _, g := range c.Cgroups {
		appendFolded(&b, "  - cgroup "+cgroupPath(&g.Cgroup)+" counts "+plural(g.Kills, "kill"), "    ", x.o)
	}
	if c.Missing() > 0 {
		appendFolded(&b, "To have the next one explained: 'oomtrace watch --record /var/lib/oomtrace' keeps what the kernel's log forgets.", "", x.o)
	}
	x.put(b.Bytes())
}

// fateOfLog is what became of the kernel's log, in which nothing was found.
func (x *teller) fateOfLog() string {
	for _, s := range x.r.Timeline.Sources {
		if s.Kind == timeline.KindKernelLog && s.State == timeline.StateNotRead {
			return "could not be read, or is gone"
		}
	}
	return "is gone"
}

// made tells what it was made of, and what is not known.
func (x *teller) made() {
	var b bytes.Buffer
	if len(x.r.Timeline.Sources) > 0 {
		appendSources(&b, x.r.Timeline, x.o)
	}
	if c := &x.r.Counted; len(x.r.Incidents) > 0 && c.Missing() > 0 {
		appendFolded(&b, fmt.Sprintf("  !  the kernel has counted %s since it booted, %d of which are in none of these sources",
			plural(*c.KillsSinceBoot, "kill"), c.Missing()), "     ", x.o)
	}
	if len(x.r.Gaps) > 0 {
		b.WriteString("\n" + title("Not known of this machine", x.o) + "\n")
		for _, g := range x.r.Gaps {
			appendFolded(&b, "  -  "+g, "     ", x.o)
		}
	}
	x.put(b.Bytes())
}
