// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// ReadEvents reads a JSON Lines file that ends with a whole line.
func ReadEvents(r io.Reader) ([]*event.Event, error) {
	var all []*event.Event
	for s := event.NewScanner(r); ; {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, fmt.Errorf("read events: %w", err)
		}
		all = append(all, e)
	}
}

// Expect says what a comparison cannot know from the kernel log.
type Expect struct {
	// Sharers are processes that shared the memory of a logged victim: the
	// kernel kills them without a word.
	Sharers []int
	// Origins are victims that had asked to be killed if there is no memory
	// (oom_task_origin): they have no points.
	Origins []int
	// Derived is set where neither fentry nor kprobes serve, so that trigger,
	// limit and episode are derived where the victim is marked and points
	// computed: an absent limit and points off by 5 % are no difference then.
	// gfp_mask, order and message are not known.
	Derived bool
	// Recorded is set where kills are seen by the tracepoints' own records: the
	// cgroup and the threads of a victim that is not the trigger are not known
	// then, nor is a sharer's call trace.
	Recorded bool
	// Nameless is set without CAP_SYSLOG: /proc/kallsyms has no addresses then, and
	// a call trace no names and no id.
	Nameless bool
	// Computed is set where oom_badness is not seen: the candidates' points follow its
	// formula.
	Computed bool
	// PageSize in bytes; 0 means 4096.
	PageSize int64
}

// CompareKills holds the oom.kill events against the kernel log and returns the
// differences, one a line: each logged victim must have exactly one event that
// agrees, and no other event may exist but those of Sharers.
func CompareKills(log Log, events []*event.Event, x Expect) []string {
	if x.PageSize == 0 {
		x.PageSize = 4096
	}
	c := comparison{x: x, kills: map[int][]*event.Event{}, episodes: map[string]bool{}}
	for _, e := range events {
		if e.Type == event.TypeOOMKill {
			c.kills[e.Kill.Victim.PID] = append(c.kills[e.Kill.Victim.PID], e)
		}
	}
	for _, i := range log.Invocations {
		c.invocation(i)
	}
	for _, pid := range x.Sharers {
		k := LoggedKill{PID: pid, Comm: "mm sharer"}
		e := c.take(k)
		if e == nil {
			continue
		}
		c.same(k, "role", e.Role, event.RoleSharedMM)
		if !c.episodes[e.Episode] {
			c.differ("pid %d (%q): episode %s, in which no victim was logged", pid, k.Comm, e.Episode)
		}
		if !c.x.Recorded {
			c.known(k, e)
		}
	}
	for pid, left := range c.kills {
		c.differ("pid %d: %d events of a kill that did not happen, %s", pid, len(left), text(left[0].Kill.Victim.Comm, left[0].Kill.Victim.CommHex))
	}
	slices.Sort(c.differences)
	return c.differences
}

type comparison struct {
	x           Expect
	kills       map[int][]*event.Event // those not yet accounted for, by pid
	episodes    map[string]bool
	differences []string
}

func (c *comparison) differ(format string, args ...any) {
	c.differences = append(c.differences, fmt.Sprintf(format, args...))
}

// source is what an event must name as the source of what may be derived.
func (c *comparison) source() string {
	if c.x.Derived {
		return "computed"
	}
	return ""
}

// take returns the event of a victim, the first where pids were used again.
func (c *comparison) take(k LoggedKill) *event.Kill {
	pid := k.PID
	for leader, events := range c.kills {
		// The log names a thread where the leader has exited: find_lock_task_mm().
		if tid := events[0].Kill.Victim.TID; c.kills[pid] == nil && tid != nil && *tid == k.PID {
			pid = leader
		}
	}
	found := c.kills[pid]
	if len(found) == 0 {
		c.differ("pid %d (%q): no event", k.PID, k.Comm)
		return nil
	}
	if c.kills[pid] = found[1:]; len(found) == 1 {
		delete(c.kills, pid)
	}
	return found[0].Kill
}

// known checks what the log does not have.
func (c *comparison) known(k LoggedKill, e *event.Kill) {
	c.same(k, "episode's source", e.Sources["episode"], c.source())
	if traced := e.Stack != nil && e.Stack.ID != ""; traced == c.x.Nameless {
		c.differ("pid %d (%q): call trace %v, want %v", k.PID, k.Comm, traced, !traced)
	}
}

func (c *comparison) invocation(i Invocation) {
	episode := ""
	for _, k := range i.Kills {
		e := c.take(k)
		if e == nil {
			continue
		}
		c.episodes[e.Episode] = true
		c.known(k, e)
		c.victim(k, e)
		if i.Trigger == nil {
			continue // the log does not say more
		}
		if episode == "" {
			episode = e.Episode
		}
		c.same(k, "episode", e.Episode, episode)
		role := event.RoleChosen
		if k.Group {
			role = event.RoleGroup
		}
		c.same(k, "role", e.Role, role)
		c.same(k, "scope", e.Scope, scopeOf(i))
		c.trigger(k, *i.Trigger, e.Trigger)
		if v := e.Victim.Cgroup; k.PID == i.ChosenPID && (v != nil || !c.x.Recorded || e.Trigger != nil && e.Trigger.PID == k.PID) {
			if v == nil {
				v = &event.Cgroup{Path: "absent"}
			}
			c.same(k, "cgroup", v.Path, i.TaskMemcg)
		}
		if e.Limit != nil || !c.x.Derived {
			c.limit(k, i, e.Limit)
			c.allowed(k, i, e.Victim.AllowedPages)
		}
		if row, ok := i.Tasks[e.Victim.PID]; ok && !k.Group {
			// What is computed has the counts of all CPUs, the log has not.
			c.points(k, row, e, i.Trigger.PID == k.PID && e.Sources["victim.points_pages"] == "")
			c.candidates(k, i, e)
		}
	}
}

// allocating says whether no task's points were looked at: the kernel took who asked.
func (k LoggedKill) allocating() bool {
	return strings.HasSuffix(k.Message, "(oom_kill_allocating_task)")
}

// same notes a difference of one field.
func (c *comparison) same(k LoggedKill, field string, got, want any) {
	if got != want {
		c.differ("pid %d (%q): %s %v, want %v", k.PID, k.Comm, field, got, want)
	}
}

// near notes a difference of more than 5 %, 64 KiB or slack: the log line is printed
// a moment after the victim was marked, while it may still run and its threads exit.
func (c *comparison) near(k LoggedKill, field string, got *uint64, want, slack uint64) {
	slack = max(want/20, 64<<10, slack)
	switch {
	case got == nil:
		c.differ("pid %d (%q): no %s, want %d", k.PID, k.Comm, field, want)
	case max(*got, want)-min(*got, want) > slack:
		c.differ("pid %d (%q): %s %d, want %d", k.PID, k.Comm, field, *got, want)
	}
}

// slack is how far a resident counter may be off, besides. Before 6.2 each thread
// keeps what 65 faults of it mapped to itself until it exits (TASK_RSS_EVENTS_THRESH,
// mm/memory.c), and the event says so, unless it does not know the threads; in these
// workloads all threads together keep no more than 512 pages. Later each of the two CPUs
// keeps up to 32 (percpu_counter_batch), which the event adds and the log does not.
func (c *comparison) slack(bound *uint64) uint64 {
	page := uint64(c.x.PageSize)
	switch most := 512 * page; {
	case bound != nil:
		return min(*bound, most)
	case c.x.Recorded:
		return most
	}
	return 2 * 32 * page
}

func (c *comparison) victim(k LoggedKill, e *event.Kill) {
	v := e.Victim
	c.same(k, "comm", text(v.Comm, v.CommHex), fmt.Sprintf("%q", k.Comm))
	c.same(k, "uid", deref(v.UID), any(k.UID))
	c.same(k, "oom_score_adj", deref(v.OOMScoreAdj), any(k.Adj))
	slack := c.slack(v.RSSErrorBytes)
	c.near(k, "anon_rss_bytes", v.AnonRSSBytes, k.AnonKB<<10, slack)
	c.near(k, "file_rss_bytes", v.FileRSSBytes, k.FileKB<<10, slack)
	c.near(k, "shmem_rss_bytes", v.ShmemRSSBytes, k.ShmemKB<<10, slack)
	c.near(k, "total_vm_bytes", v.TotalVMBytes, k.TotalVMKB<<10, 0)
	c.near(k, "pgtables_bytes", v.PgtablesBytes, k.PgtablesKB<<10, 0)
	message := k.Message
	if c.x.Derived {
		message = ""
	}
	c.same(k, "message", e.Message, message)
}

func (c *comparison) trigger(k LoggedKill, want Trigger, got *event.Task) {
	if got == nil {
		c.differ("pid %d (%q): no trigger, want %+v", k.PID, k.Comm, want)
		return
	}
	tid := got.PID
	if got.TID != nil {
		tid = *got.TID
	}
	c.same(k, "trigger", tid, want.PID)
	c.same(k, "trigger's comm", text(got.Comm, got.CommHex), fmt.Sprintf("%q", want.Comm))
	mask, order := strings.TrimPrefix(want.GFPMask, "0x"), any(want.Order)
	if c.x.Derived {
		mask = ""
	}
	if c.x.Derived || want.Order == -1 { // sysrq allocates nothing
		order = "absent"
	}
	c.same(k, "gfp_mask", got.GFPMask, mask)
	c.same(k, "order", deref(got.Order), order)
}

func (c *comparison) limit(k LoggedKill, i Invocation, got *event.Limit) {
	if i.OOMMemcg == "" {
		if got != nil && got.Kind != event.LimitRAM && got.Kind != event.LimitNodes {
			c.differ("pid %d (%q): limit %q of a global OOM", k.PID, k.Comm, got.Kind)
		}
		return
	}
	if got == nil || got.Cgroup == nil || got.Bytes == nil {
		c.differ("pid %d (%q): no limit, want that of %s", k.PID, k.Comm, i.OOMMemcg)
		return
	}
	c.same(k, "limit's cgroup", got.Cgroup.Path, i.OOMMemcg)
	if i.LimitKB != nil {
		c.same(k, "limit", *got.Bytes, *i.LimitKB<<10)
	}
}

// allowed holds the pages that could be used against the limit, or all of the
// machine's: there is no swap.
func (c *comparison) allowed(k LoggedKill, i Invocation, got *uint64) {
	switch {
	case i.LimitKB != nil:
		c.same(k, "allowed_pages", deref(got), any(*i.LimitKB<<10/uint64(c.x.PageSize)))
	case i.Constraint == "CONSTRAINT_NONE":
		c.same(k, "allowed_pages", deref(got), deref(i.RAMPages))
	}
}

// points holds the points against the kernel's formula, applied to the row of
// the task dump: exact where the victim is the trigger, so that it could not
// run between the two.
func (c *comparison) points(k LoggedKill, row Row, e *event.Kill, stopped bool) {
	got, total := e.Victim.PointsPages, e.Victim.AllowedPages
	if c.x.Derived && e.Limit == nil && got == nil {
		// No ancestor stood at its maximum any more when the victim was marked
		// (an earlier victim's memory came back): the share cannot be computed.
		return
	}
	if got == nil || total == nil {
		c.differ("pid %d (%q): no points", k.PID, k.Comm)
		return
	}
	source := c.source()
	if k.allocating() || slices.Contains(c.x.Origins, k.PID) {
		source = "computed"
	}
	c.same(k, "points' source", e.Sources["victim.points_pages"], source)
	want := row.RSSPages + row.SwapPages + row.PgtablesBytes/c.x.PageSize + row.Adj*(int64(*total)/1000)
	slack := int64(0)
	if !stopped {
		slack = max(want/20, 128)
	}
	if *got < want-slack || *got > want+slack {
		c.differ("pid %d (%q): points %d, want %d", k.PID, k.Comm, *got, want)
	}
}

// candidates holds the candidates against the task dump, which has every task that could
// have been chosen, and those that are immune.
func (c *comparison) candidates(k LoggedKill, i Invocation, e *event.Kill) {
	if len(e.Candidates) == 0 {
		// Without the limit, whose tasks they were is not known; of nodes it is not computed.
		nodes := e.Scope == event.ScopeCpuset || e.Scope == event.ScopeMempolicy
		if !c.x.Computed || !nodes && e.Victim.AllowedPages != nil && e.Limit != nil && e.Scope != "" {
			c.differ("pid %d (%q): no candidates", k.PID, k.Comm)
		}
		return
	}
	source := ""
	if c.x.Computed || k.allocating() {
		source = "computed"
	}
	c.same(k, "candidates' source", e.Sources["candidates"], source)
	total := int64(*e.Victim.AllowedPages)
	type ranked struct {
		pid    int
		points int64
	}
	var rows []ranked
	for pid, row := range i.Tasks {
		// Who shares a mm does so since vfork here: in_vfork() leaves it out.
		if row.Adj > -1000 && pid != 1 && !slices.Contains(c.x.Sharers, pid) {
			rows = append(rows, ranked{pid, row.RSSPages + row.SwapPages + row.PgtablesBytes/c.x.PageSize + row.Adj*(total/1000)})
		}
	}
	slices.SortFunc(rows, func(a, b ranked) int { return int(b.points - a.points) })
	// Processes come and go while the kernel looks; the dump is a moment later.
	if seen := e.CandidatesSeen; seen == nil || max(int(*seen)-len(rows), len(rows)-int(*seen)) > 2 {
		c.differ("pid %d (%q): candidates_seen %v, the log has %d", k.PID, k.Comm, deref(seen), len(rows))
	}
	slack := func(points int64) int64 { return max(points/20, 192) }
	for n, cand := range e.Candidates {
		if n > 0 && *cand.PointsPages > *e.Candidates[n-1].PointsPages {
			c.differ("pid %d (%q): candidates are not in order", k.PID, k.Comm)
		}
		at := slices.IndexFunc(rows, func(r ranked) bool { return r.pid == cand.PID })
		if at < 0 {
			// The victim's death ends the vfork: in_vfork() is false by the time that the
			// points are computed.
			if c.x.Computed && slices.Contains(c.x.Sharers, cand.PID) {
				continue
			}
			if len(rows) > 3 {
				continue // gone by the dump
			}
			c.differ("pid %d (%q): candidate %d is not in the log", k.PID, k.Comm, cand.PID)
			continue
		}
		if got, want := *cand.PointsPages, rows[at].points; max(got-want, want-got) > slack(want) {
			c.differ("pid %d (%q): candidate %d: points %d, want %d", k.PID, k.Comm, cand.PID, got, want)
		}
	}
	next := slices.DeleteFunc(rows, func(r ranked) bool { return r.pid == e.Victim.PID })
	switch {
	case len(next) == 0:
		if e.RunnerUp != nil && e.CandidatesSeen != nil && *e.CandidatesSeen > 2 && !slices.Contains(c.x.Sharers, e.RunnerUp.PID) {
			c.differ("pid %d (%q): runner-up %d, the log has none", k.PID, k.Comm, e.RunnerUp.PID)
		}
	case e.RunnerUp != nil && c.x.Computed && slices.Contains(c.x.Sharers, e.RunnerUp.PID):
	case e.RunnerUp == nil:
		c.differ("pid %d (%q): no runner-up, the log has %d", k.PID, k.Comm, next[0].pid)
	case len(next) == 1 || next[0].points-next[1].points > 2*slack(next[0].points):
		c.same(k, "runner-up", e.RunnerUp.PID, next[0].pid)
	}
}

func scopeOf(i Invocation) event.Scope {
	if i.Trigger.Order == -1 {
		return event.ScopeSysrq
	}
	switch i.Constraint {
	case "CONSTRAINT_NONE":
		return event.ScopeGlobal
	case "CONSTRAINT_MEMCG":
		return event.ScopeMemcg
	case "CONSTRAINT_CPUSET":
		return event.ScopeCpuset
	case "CONSTRAINT_MEMORY_POLICY":
		return event.ScopeMempolicy
	}
	return event.Scope(strings.ToLower(i.Constraint))
}

// text returns the raw bytes of a string field, quoted.
func text(s *string, raw string) string {
	if raw != "" {
		b, err := hex.DecodeString(raw)
		if err != nil {
			return "bad hex " + raw
		}
		return fmt.Sprintf("%q", b)
	}
	if s == nil {
		return "absent"
	}
	return fmt.Sprintf("%q", *s)
}

// deref returns what p points to, or "absent".
func deref[T any](p *T) any {
	if p == nil {
		return "absent"
	}
	return *p
}
