// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/oomtrace/oomtrace/decode/scores"
)

// ScoresOptions say how a ranking is shown.
type ScoresOptions struct {
	Options
	// Again: tables of earlier readings stand above.
	Again bool
	// Redraw replaces what the terminal shows, of Height lines (0: not known), instead
	// of going on below. It is for tables.
	Redraw bool
	Height int
}

// Scores writes a ranking in one Write: what is ranked, who would be killed first and
// by how much, what else decides, and a table of the candidates; or one line of JSON.
func Scores(w io.Writer, r *scores.Report, o ScoresOptions) error {
	var buf []byte
	var err error
	switch o.Format {
	case "", FormatTable, FormatText, FormatWide:
		buf, err = scoresTable(r, o)
	case FormatJSON:
		buf, err = r.Append(nil)
	default:
		err = fmt.Errorf("unknown output format %q: want table, text, wide or json", o.Format)
	}
	if err != nil {
		return err
	}
	if _, err := w.Write(buf); err != nil {
		return fmt.Errorf("write scores: %w", err)
	}
	return nil
}

func scoresTable(r *scores.Report, o ScoresOptions) ([]byte, error) {
	settle()
	var buf []byte
	if o.Again && !o.Redraw {
		buf = append(buf, '\n')
	}
	loc := o.Location
	if loc == nil {
		loc = time.Local
	}
	var head [][]cell
	add := func(label string, st style, c cell) { head = append(head, []cell{{{text: label, style: st}}, c}) }
	add("TIME", bold, text(r.Time.In(loc).Format(time.DateOnly+" 15:04:05-07:00")))
	add("SCOPE", bold, scoresScope(r))
	add("SEEN", bold, scoresSeen(r))
	add("FIRST", bold, scoresFirst(r))
	for _, note := range scoresNotes(r) {
		add("NOTE", yellow, text(note))
	}
	label := len("SCOPE")
	buf, err := lines(buf, []int{label, max(o.Width-label-gap, 20)}, head, o.Options)
	if err != nil {
		return nil, err
	}
	if len(r.Candidates) > 0 {
		widths, rows := scoresRows(r, o)
		if buf, err = lines(append(buf, '\n'), widths, rows, o.Options); err != nil {
			return nil, err
		}
	}
	if o.Redraw {
		buf = redrawn(buf, o.Height)
	}
	return buf, nil
}

// redrawn makes lines take the place of those on the terminal: from its upper left
// corner on, each rid of what stood behind it, and of nothing below the last.
func redrawn(text []byte, height int) []byte {
	all := bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
	// The line of the cursor, below, is one too.
	if room := height - 1; height > 1 && len(all) > room {
		more := plural(uint64(len(all)-room+1), "line")
		all = append(all[:room-1:room-1], []byte("… "+more+" more"))
	}
	out := []byte("\x1b[H")
	for _, line := range all {
		out = append(append(out, line...), "\x1b[K\n"...)
	}
	return append(out, "\x1b[J"...)
}

func scoresScope(r *scores.Report) cell {
	var c cell
	switch l := r.Limit; {
	case r.Cgroup == nil:
		c.add("the whole machine")
	case l == nil:
		c.add("cgroup " + cgroupPath(r.Cgroup) + ", which no limit stops but the machine's memory")
	case l.Cgroup.Path == r.Cgroup.Path:
		c.add("cgroup " + cgroupPath(r.Cgroup) + " at its limit " + size(l.Bytes))
	default:
		c.add("cgroup " + cgroupPath(r.Cgroup) + ", which has no limit, at the limit " + size(l.Bytes) + " of cgroup " + cgroupPath(&l.Cgroup))
	}
	if r.Limit != nil && r.Limit.UsageBytes != nil {
		c.add("in use " + size(*r.Limit.UsageBytes))
	}
	allowed := count(r.AllowedPages) + " pages allowed"
	if r.Scope == scores.ScopeGlobal {
		allowed += " (RAM " + size(r.RAMBytes) + ", swap " + size(r.SwapBytes) + ")"
	} else {
		allowed += " (" + size(r.AllowedPages*r.PageSizeBytes) + ")"
	}
	c.add(allowed)
	return c
}

func scoresSeen(r *scores.Report) cell {
	c := text(processes(r.Seen))
	c.add(count(r.Eligible) + " eligible")
	for _, n := range []struct {
		n    int
		what string
	}{{r.Protected, "protected (adj -1000, init)"}, {r.NoMemory, "without memory (kernel threads, the dead)"}, {r.Unreadable, "unreadable"}} {
		if n.n > 0 {
			c.add(count(n.n) + " " + n.what)
		}
	}
	return c
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return count(n) + " processes"
}

// scoresFirst says who would be killed, and by how much it is ahead.
func scoresFirst(r *scores.Report) cell {
	if len(r.Candidates) == 0 {
		return text("none: there is nothing to kill")
	}
	first := &r.Candidates[0]
	name := candidateName(first)
	c := cell{{text: name, keep: name, style: red}}
	c.add(count(first.PointsPages) + " points")
	next := "the next"
	if len(r.Candidates) > 1 {
		next = candidateName(&r.Candidates[1])
	}
	switch {
	case r.MarginPages == nil:
		c.add("the only candidate")
	case *r.MarginPages == 0:
		c = append(c, part{text: "as many as " + next + ": either may go first", keep: next})
	default:
		c = append(c, part{text: count(*r.MarginPages) + " (" + size(uint64(*r.MarginPages)*r.PageSizeBytes) + ") ahead of " + next, keep: next})
	}
	return c
}

func candidateName(c *scores.Candidate) string { return who(c.PID, c.Comm, c.CommHex) }

// scoresNotes are what makes the kernel do otherwise than the ranking says, and what
// is missing in it.
func scoresNotes(r *scores.Report) []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	global := r.Scope == scores.ScopeGlobal
	if v := r.Settings.PanicOnOOM; v != nil && (*v == 1 && global || *v > 1) {
		add("vm.panic_on_oom is %d: the kernel would panic instead of killing", *v)
	}
	if v := r.Settings.OOMKillAllocatingTask; v != nil && *v != 0 && global {
		add("vm.oom_kill_allocating_task is %d: the kernel would kill whoever asks for memory then, unless it is protected, not the first of this ranking", *v)
	}
	if l := r.Limit; l != nil && l.OOMKillDisabled != nil && *l.OOMKillDisabled {
		add("memory.oom_control of cgroup %s turns kills off: whoever needs memory would wait instead", cgroupPath(&l.Cgroup))
	}
	if r.OOMGroup != nil {
		add("memory.oom.group: all processes of cgroup %s would die with the first, but those at adj -1000", cgroupPath(r.OOMGroup))
	}
	if t := r.Tighter; t != nil {
		room := ""
		if t.UsageBytes != nil {
			room = ", " + size(*t.UsageBytes) + " in use,"
		}
		add("the limit %s of cgroup %s%s leaves less room and may be hit first; then all that is in there stands to be killed", size(t.Bytes), cgroupPath(&t.Cgroup), room)
	}
	for _, gap := range r.Incomplete {
		switch gap {
		case scores.GapOutside:
			if r.Limit == nil {
				add("processes outside of this cgroup stand to be killed as well, and are not shown")
			} else {
				add("other processes of cgroup %s stand to be killed as well, and are not shown", cgroupPath(&r.Limit.Cgroup))
			}
		case scores.GapPIDNamespace:
			add("this is not the initial pid namespace: processes outside of it are not shown")
		case scores.GapHidden:
			add("other users' processes are hidden (hidepid): run as root to see all")
		case scores.GapUnreadable:
			add("%s could not be read and may belong here", processes(r.Unreadable))
		default:
			add("not all processes are shown: %s", gap)
		}
	}
	return notes
}

// Widths of a terminal from which on a ranking has more columns.
const (
	scoresMediumFrom = 100 // points and adj apart from the reasons
	scoresFullFrom   = 160 // the place beside the process
)

// scoresRows lays out the candidates under titles, with columns no wider than needed.
func scoresRows(r *scores.Report, o ScoresOptions) (widths []int, rows [][]cell) {
	wide := o.Format == FormatWide
	narrow := 0 < o.Width && o.Width < scoresMediumFrom
	full := o.Width <= 0 || o.Width >= scoresFullFrom
	words := []string{"RANK", "PROCESS", "WHERE", "POINTS", "ADJ", "WHY"}
	switch {
	case narrow:
		words = []string{"RANK", "PROCESS", "WHY"}
	case !full:
		words = []string{"RANK", "PROCESS", "POINTS", "ADJ", "WHY"}
	}
	rows = [][]cell{titles(words...)}
	for i := range r.Candidates {
		c := &r.Candidates[i]
		name, where := candidateName(c), place(c.Cgroup, c.Container, c.Pod, c.Unit)
		process := cell{{text: name, keep: name}}
		if where != "" && !full {
			process = append(process, part{text: where, below: true})
		}
		points := cell{{text: count(c.PointsPages), style: bold}, {text: percent(c.BadnessPermille), below: !full}}
		row := []cell{text(strconv.Itoa(c.Rank)), process}
		switch {
		case narrow:
			points[0].text += " points"
			points[1].below = false
			rows = append(rows, append(row, append(points, scoresWhy(r, c, wide)...)))
			continue
		case full:
			row = append(row, text(or(where, "-")))
		}
		rows = append(rows, append(row, points, text(signed(c.OOMScoreAdj)), scoresWhy(r, c, wide)))
	}
	widths = make([]int, len(words))
	rest := o.Width
	for i, word := range words[:len(words)-1] {
		most := math.MaxInt
		switch word {
		case "PROCESS":
			most = processWidth
			if !full && !narrow {
				most = max(processWidth, o.Width/4)
			}
		case "WHERE":
			most = placeWidth
		}
		for _, row := range rows {
			for _, line := range row[i].wrap(most, false) {
				widths[i] = max(widths[i], displayWidth(line))
			}
		}
		rest -= widths[i] + gap
	}
	widths[len(widths)-1] = max(rest, 20)
	return widths, rows
}

// signed is a number with its sign: "+800", "-5", "0".
func signed(n int) string {
	if n > 0 {
		return "+" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// scoresWhy says what the points are made of.
func scoresWhy(r *scores.Report, c *scores.Candidate, wide bool) cell {
	var why cell
	why.add(size(c.RSSBytes()) + " resident")
	if c.SwapBytes > 0 || wide {
		why.add(size(c.SwapBytes) + " in swap")
	}
	why.add(size(c.PgtablesBytes) + " page tables")
	adj := "adj " + signed(c.OOMScoreAdj)
	switch n := size(magnitude(c.AdjPages) * r.PageSizeBytes); {
	case c.AdjPages > 0:
		why.add(adj + " adds " + n)
	case c.AdjPages < 0:
		why.add(adj + " takes off " + n)
	case c.OOMScoreAdj != 0:
		why.add(adj + " changes nothing, with fewer than 1,000 pages allowed")
	}
	if c.AdjPages != 0 {
		why.add("without it " + percent(c.SharePermille))
	}
	if !wide {
		return why
	}
	addSizes(&why, sized{"anon", &c.AnonRSSBytes}, sized{"file", &c.FileRSSBytes}, sized{"shmem", &c.ShmemRSSBytes})
	why.add("threads " + count(c.Threads))
	why.add("uid " + strconv.FormatUint(uint64(c.UID), 10))
	if c.Cgroup != nil {
		why.add(labelled("cgroup", cgroupPath(c.Cgroup)))
	}
	if c.Container != nil {
		why.add(labelled("container id", c.Container.ID))
	}
	if c.Unit != place(c.Cgroup, c.Container, c.Pod, c.Unit) {
		why.add(labelled("unit", c.Unit))
	}
	why.add(labelled("exe", clip(optional(c.Exe, c.ExeHex), 256)))
	why.add(labelled("cmdline", clip(optional(c.Cmdline, c.CmdlineHex), 256)))
	return why
}
