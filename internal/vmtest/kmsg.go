// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Log is what a kernel log says of the OOM killer. It is the yardstick of the
// VM tests and of nothing else: it knows the lines of the kernels in the matrix
// and trusts their text.
type Log struct {
	Invocations []Invocation
}

// Invocation is one run of the OOM killer that killed, or was reported.
type Invocation struct {
	// Trigger is nil when the kernel's rate limit withheld the report.
	Trigger    *Trigger
	Constraint string // CONSTRAINT_MEMCG; "" without a report
	OOMMemcg   string // whose limit, "" if global
	TaskMemcg  string // the chosen task's cgroup
	ChosenPID  int
	LimitKB    *uint64      // the cgroup's, of "memory: usage …"
	RAMPages   *uint64      // the machine's, without what is reserved
	Tasks      map[int]Row  // the task dump, by pid
	Kills      []LoggedKill // each process once, in order
}

// Trigger is the task that ran into the limit.
type Trigger struct {
	Comm    string
	PID     int // of the thread
	GFPMask string
	Order   int // -1: sysrq
	Adj     int
}

// Row is one row of the task dump.
type Row struct {
	RSSPages, SwapPages int64
	PgtablesBytes       int64
	Adj                 int64
}

// LoggedKill is one "Killed process" line.
type LoggedKill struct {
	PID                                            int
	Comm                                           string // raw bytes
	Message                                        string // what stands before "Killed process"
	UID                                            uint32
	TotalVMKB, AnonKB, FileKB, ShmemKB, PgtablesKB uint64
	Adj                                            int
	Group                                          bool // by memory.oom.group, after the chosen one
}

// Kills returns all kills of the log.
func (l Log) Kills() []LoggedKill {
	var all []LoggedKill
	for _, i := range l.Invocations {
		all = append(all, i.Kills...)
	}
	return all
}

var (
	stackLine = regexp.MustCompile(`^CPU: \d+ (?:UID: \d+ )?PID: (\d+) Comm: `)
	killLine  = regexp.MustCompile(`(?s)^(.*): Killed process (\d+) \((.*)\) total-vm:(\d+)kB, anon-rss:(\d+)kB, file-rss:(\d+)kB, shmem-rss:(\d+)kB, UID:(\d+) pgtables:(\d+)kB oom_score_adj:(-?\d+)$`)
	limitLine = regexp.MustCompile(`^memory: usage \d+kB, limit (\d+)kB`)
	ramLine   = regexp.MustCompile(`^(\d+) pages (RAM|reserved)$`)
	oomLine   = regexp.MustCompile(`(?s)^(.*) invoked oom-killer: gfp_mask=(0x[0-9a-f]+)\(.*\), order=(-?\d+), oom_score_adj=(-?\d+)$`)
)

// ParseKmsg reads records as /dev/kmsg gives them.
func ParseKmsg(r io.Reader) (Log, error) {
	p := kmsgParser{}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<10)
	for s.Scan() {
		line := s.Text()
		head, text, ok := strings.Cut(line, ";")
		if !ok || strings.HasPrefix(line, " ") { // " KEY=value" continues a record
			continue
		}
		fields := strings.Split(head, ",")
		if len(fields) < 4 {
			return Log{}, fmt.Errorf("not a kernel log record: %q", line)
		}
		if err := p.piece(unescape(text), fields[0], fields[3]); err != nil {
			return Log{}, fmt.Errorf("record %q: %w", line, err)
		}
	}
	if err := p.flush(); err != nil {
		return Log{}, fmt.Errorf("the last record: %w", err)
	}
	if err := s.Err(); err != nil {
		return Log{}, fmt.Errorf("read kernel log: %w", err)
	}
	return p.log, nil
}

// unescape undoes the \xNN of /dev/kmsg.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

type kmsgParser struct {
	log     Log
	columns []string // the numbers of the task dump that is under way
	group   bool
	pieces  string // of the line that names the choice, up to now
}

// piece takes a record, which may be a piece of a line: the kernel prints the one that
// names the choice so, and what others write can come between.
func (p *kmsgParser) piece(text, priority, flag string) error {
	const choice = "oom-kill:constraint="
	switch {
	case p.pieces != "" && flag == "c":
		p.pieces += text
		if strings.Contains(text, ",uid=") {
			return p.flush()
		}
		return nil
	case strings.HasPrefix(text, choice) && !strings.Contains(text, ",uid="):
		if err := p.flush(); err != nil {
			return err
		}
		p.pieces = text
		return nil
	case len(priority) == 1: // the kernel's own; user space has a facility, too
		if err := p.flush(); err != nil {
			return err
		}
	}
	return p.record(text)
}

// flush takes the pieces for a whole line.
func (p *kmsgParser) flush() error {
	text := p.pieces
	if p.pieces = ""; text == "" {
		return nil
	}
	return p.record(text)
}

// current returns the invocation that lines belong to: the OOM killer runs
// under one lock, so its lines never mix with those of another run.
func (p *kmsgParser) current() *Invocation {
	if n := len(p.log.Invocations); n > 0 {
		return &p.log.Invocations[n-1]
	}
	return nil
}

func (p *kmsgParser) begin(i Invocation) *Invocation {
	i.Tasks = map[int]Row{}
	p.log.Invocations = append(p.log.Invocations, i)
	p.group, p.columns = false, nil
	return p.current()
}

func (p *kmsgParser) record(text string) error {
	if m := oomLine.FindStringSubmatch(text); m != nil {
		n, err := ints(m[3:])
		if err != nil {
			return err
		}
		p.begin(Invocation{Trigger: &Trigger{Comm: m[1], GFPMask: m[2], Order: int(n[0]), Adj: int(n[1])}})
		return nil
	}
	if m := killLine.FindStringSubmatch(text); m != nil {
		return p.kill(m)
	}
	i := p.current()
	if i == nil {
		return nil
	}
	switch m := stackLine.FindStringSubmatch(text); {
	case m != nil:
		if i.Trigger != nil && i.Trigger.PID == 0 {
			n, err := ints(m[1:])
			if err != nil {
				return err
			}
			i.Trigger.PID = int(n[0])
		}
	case strings.HasPrefix(text, "oom-kill:constraint="):
		return p.constraint(i, strings.TrimPrefix(text, "oom-kill:constraint="))
	case strings.HasPrefix(text, "Tasks in ") && strings.Contains(text, "are going to be killed due to memory.oom.group set"):
		p.group = true
	case strings.HasPrefix(text, "[  pid  ]"):
		p.columns = slices.DeleteFunc(strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(text)),
			func(c string) bool { return c == "name" }) // the last, and it may be anything
	case strings.HasPrefix(text, "[") && p.columns != nil:
		return p.row(i, text)
	}
	if m := limitLine.FindStringSubmatch(text); m != nil && i.LimitKB == nil {
		n, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil {
			return err
		}
		i.LimitKB = &n
	}
	if m := ramLine.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil {
			return err
		}
		if m[2] == "reserved" && i.RAMPages != nil {
			n = *i.RAMPages - n
		}
		i.RAMPages = &n
	}
	return nil
}

// constraint reads the line that names the choice. Names may contain what
// separates its fields, so the last ones are sought from the end.
func (p *kmsgParser) constraint(i *Invocation, text string) error {
	p.columns = nil
	text, _, _ = cutLast(text, ",uid=")
	text, pid, ok := cutLast(text, ",pid=")
	if !ok {
		// The kernel prints this line in pieces; another CPU's line can come
		// between them. The log says no more of this invocation then.
		i.Trigger = nil
		return nil
	}
	n, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	i.ChosenPID = n
	i.Constraint, text, _ = strings.Cut(text, ",")
	if _, rest, ok := strings.Cut(text, ",oom_memcg="); ok {
		i.OOMMemcg, _, _ = strings.Cut(rest, ",task_memcg=")
	}
	if _, rest, ok := strings.Cut(text, ",task_memcg="); ok {
		i.TaskMemcg, _, _ = strings.Cut(rest, ",task=")
	}
	return nil
}

func (p *kmsgParser) kill(m []string) error {
	n, err := ints(append(m[2:3:3], m[4:]...))
	if err != nil {
		return err
	}
	k := LoggedKill{
		Message: m[1], PID: int(n[0]), Comm: m[3], UID: uint32(n[5]), Adj: int(n[7]),
		TotalVMKB: uint64(n[1]), AnonKB: uint64(n[2]), FileKB: uint64(n[3]), ShmemKB: uint64(n[4]), PgtablesKB: uint64(n[6]),
	}
	i := p.current()
	switch {
	case i != nil && p.group:
		if i.again(k) {
			return nil
		}
		k.Group = true
	case i == nil || len(i.Kills) > 0 || i.ChosenPID != 0 && i.ChosenPID != k.PID:
		i = p.begin(Invocation{ChosenPID: k.PID})
	}
	i.Kills = append(i.Kills, k)
	return nil
}

// again says whether a kill of a group's member is of a process that is in the
// log already: the chosen one is logged again with its group, and a process
// whose leader is dead may be logged again under the pid of a thread. Such a
// thread is not in the task dump, which has every process of the group.
func (i *Invocation) again(k LoggedKill) bool {
	_, dumped := i.Tasks[k.PID]
	for _, done := range i.Kills {
		if done.PID == k.PID || len(i.Tasks) > 0 && !dumped && done.TotalVMKB == k.TotalVMKB && done.UID == k.UID {
			return true
		}
	}
	return false
}

// row reads a row of the task dump; its columns differ between kernels.
func (p *kmsgParser) row(i *Invocation, text string) error {
	fields := strings.Fields(strings.NewReplacer("[", " ", "]", " ").Replace(text))
	if len(fields) < len(p.columns) {
		return nil
	}
	var row Row
	pid := 0
	for c, name := range p.columns {
		n, err := strconv.ParseInt(fields[c], 10, 64)
		if err != nil {
			p.columns = nil // the dump is over
			return nil
		}
		switch name {
		case "tgid":
			pid = int(n)
		case "rss":
			row.RSSPages = n
		case "swapents":
			row.SwapPages = n
		case "pgtables_bytes":
			row.PgtablesBytes = n
		case "oom_score_adj":
			row.Adj = n
		}
	}
	i.Tasks[pid] = row
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func ints(fields []string) ([]int64, error) {
	out := make([]int64, len(fields))
	for i, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}
