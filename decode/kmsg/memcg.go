// SPDX-License-Identifier: Apache-2.0

package kmsg

import "bytes"

// taskIn takes "Task in /a/b killed as a result of limit of /a", before 5.0
// (mem_cgroup_print_oom_info, mm/memcontrol.c).
func (p *machine) taskIn(r *Record, text []byte) bool {
	rest, ok := bytes.CutPrefix(text, []byte("Task in "))
	if !ok {
		return false
	}
	task, limit, ok := cutLast(rest, " killed as a result of limit of ")
	if !ok {
		if bytes.HasPrefix(rest, []byte("/")) && p.under(r) != nil {
			p.hold(partTaskIn, r, text)
		}
		return false
	}
	p.dropPart()
	rep := p.under(r)
	if rep == nil && bytes.HasPrefix(task, []byte("/")) {
		rep = p.begin(r) // the log begins within a report
	}
	if rep == nil || rep.Mixed {
		return rep != nil
	}
	m := p.memcg(r, rep)
	if m == nil {
		return true
	}
	if m.Limit != "" {
		p.again(rep)
		return true
	}
	m.Task, m.Limit = short(task), short(limit)
	return true
}

// memcg returns what is known of the report's cgroup.
func (p *machine) memcg(_ *Record, rep *Report) *Memcg {
	if rep.stage > stageMemcg {
		return nil
	}
	rep.stage = stageMemcg
	if rep.Memcg == nil {
		rep.Memcg = &Memcg{}
	}
	return rep.Memcg
}

// memcgLine takes a line on the cgroup that ran out (mem_cgroup_print_oom_meminfo and
// mem_cgroup_print_oom_info, mm/memcontrol.c):
//
//	memory: usage 16384kB, limit 16384kB, failcnt 29
//	memory+swap: usage 16384kB, limit 9007199254740988kB, failcnt 0     v1
//	swap: usage 0kB, limit 9007199254740988kB, failcnt 0                v2
//	kmem: usage 88kB, limit 9007199254740988kB, failcnt 0               v1
//	Memory cgroup stats for /a: cache:0KB rss:980KB …                   before 5.3
//	Memory cgroup stats for /a:                                         5.3, and memory.stat
func (p *machine) memcgLine(r *Record, rep *Report, text []byte) bool {
	switch text[0] {
	case 'm':
		if b, ok := bytes.CutPrefix(text, []byte("memory: ")); ok {
			return p.usage(rep, b, func(m *Memcg) *Usage { return &m.Memory })
		}
		if b, ok := bytes.CutPrefix(text, []byte("memory+swap: ")); ok {
			return p.usage(rep, b, func(m *Memcg) *Usage { m.Version = 1; return &m.MemorySwap })
		}
	case 's':
		if b, ok := bytes.CutPrefix(text, []byte("swap: ")); ok {
			return p.usage(rep, b, func(m *Memcg) *Usage { m.Version = 2; return &m.Swap })
		}
	case 'k':
		if b, ok := bytes.CutPrefix(text, []byte("kmem: ")); ok {
			return p.usage(rep, b, func(m *Memcg) *Usage { m.Version = 1; return &m.Kmem })
		}
	case 'M':
		if b, ok := bytes.CutPrefix(text, []byte("Memory cgroup stats for ")); ok {
			p.statsFor(r, rep, b)
			return true
		}
		if b, ok := bytes.CutPrefix(text, []byte("Memory cgroup stats")); ok && rep.Memcg != nil {
			p.statsFor(r, rep, b)
			return true
		}
		if b, ok := bytes.CutPrefix(text, []byte("Memory cgroup min protection ")); ok {
			return protection(rep, b)
		}
	}
	return rep.stats && p.stat(rep.Memcg, text)
}

// usage reads "usage 16384kB, limit 16384kB, failcnt 29".
func (p *machine) usage(rep *Report, b []byte, of func(*Memcg) *Usage) bool {
	var u Usage
	if !field(&b, "usage ", &u.UsageKB) || !field(&b, ", limit ", &u.LimitKB) {
		return false
	}
	if rest, ok := bytes.CutPrefix(b, []byte(", failcnt ")); ok {
		n, ok := wholeNumber(bytes.TrimRight(rest, " \r"))
		u.Failcnt = Num{n, ok}
	}
	m := p.memcg(nil, rep)
	if m == nil {
		return true
	}
	old := of(m)
	if old.UsageKB.OK {
		p.again(rep)
		return true
	}
	var page uint64
	u.Unlimited, page = unlimited(u.LimitKB.N)
	if page != 0 {
		p.shows(rep, page)
	}
	*old = u
	return true
}

// unlimited says whether a limit is the kernel's largest, and what it shows of the size of
// a page: since 4.0 limits are in pages, and the largest is LONG_MAX / PAGE_SIZE of them
// (PAGE_COUNTER_MAX), so 2^53 KiB less one page. Before, it was ULLONG_MAX or LLONG_MAX
// bytes.
func unlimited(limitKB uint64) (is bool, page uint64) {
	const top = 1 << 53
	if limitKB < top-64 {
		return false, 0
	}
	if page = (top - limitKB) * 1024; limitKB < top && isPageSize(page) {
		return true, page
	}
	return true, 0
}

// protection reads "0kB -- low protection 0kB", of 7.0 and later.
func protection(rep *Report, b []byte) bool {
	var low, least Num
	if !kB(&b, &least) || !field(&b, " -- low protection ", &low) {
		return false
	}
	if rep.Memcg != nil {
		rep.Memcg.MinKB, rep.Memcg.LowKB = least, low
	}
	rep.stats = false
	return true
}

// statsFor reads the line that statistics begin with, or consist of.
func (p *machine) statsFor(r *Record, rep *Report, b []byte) {
	m := p.memcg(r, rep)
	if m == nil {
		return
	}
	if m.done || len(m.Stats) > 0 {
		m.done, rep.stats = true, false // v1 goes on with the cgroups below
		return
	}
	if path, ok := bytes.CutSuffix(bytes.TrimRight(b, " "), []byte(":")); ok {
		m.StatsOf, rep.stats = short(path), true
		return
	}
	at := bytes.LastIndex(b, []byte(": cache:"))
	if at < 0 {
		if at = bytes.Index(b, []byte(": ")); at < 0 {
			return
		}
	}
	m.StatsOf, m.done = short(b[:at]), true
	for f := range bytes.FieldsSeq(b[at+1:]) {
		name, v, ok := bytes.Cut(f, []byte(":"))
		n, size := digits(v)
		if !ok || size == 0 {
			continue
		}
		if string(v[size:]) == "KB" {
			n *= 1024
		}
		p.addStat(m, name, n)
	}
}

// statLine takes a line of memory.stat, of which a report has 70, before all else.
func (p *machine) statLine(r *Record, text []byte) bool {
	if len(text) > 64 || text[0] < 'a' || text[0] > 'z' {
		return false
	}
	rep := p.newest(r)
	if rep == nil || !rep.stats || rep.ended || rep.Mixed || !p.stat(rep.Memcg, text) {
		return false
	}
	rep.touched = p.n
	return true
}

// stat reads a line of memory.stat, "anon 16625664".
func (p *machine) stat(m *Memcg, text []byte) bool {
	name, v, ok := bytes.Cut(text, []byte(" "))
	if !ok || m == nil || len(name) == 0 {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && c != '_' && c-'0' > 9 {
			return false
		}
	}
	n, ok := wholeNumber(v)
	if !ok {
		return false
	}
	p.addStat(m, name, n)
	return true
}

func (p *machine) addStat(m *Memcg, name []byte, n uint64) {
	switch {
	case len(name) > 64 || len(m.Stats) >= maxStats:
		m.StatsLeftOut++
	default:
		if m.Stats == nil {
			m.Stats = make([]Stat, 0, max(len(p.stats), 40))
		}
		i := len(m.Stats)
		if i < len(p.stats) && p.stats[i].Name == string(name) {
			m.Stats = append(m.Stats, Stat{p.stats[i].Name, n})
		} else {
			m.Stats = append(m.Stats, Stat{p.names.of(name), n})
		}
		if len(m.Stats) > len(p.stats) {
			p.stats = m.Stats
		}
	}
}
