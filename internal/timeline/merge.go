// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// merge makes one fact of the accounts of one: the best, with what it lacks from the
// others, and the best time that any of them has.
func merge(accounts []*fact, episodes map[account]string) *fact {
	slices.SortStableFunc(accounts, func(a, b *fact) int {
		return cmp.Or(cmp.Compare(worth(b.Event), worth(a.Event)), cmp.Compare(mayBeOff(a.Event), mayBeOff(b.Event)), earlier(a.Event, b.Event), cmp.Compare(a.strand.source, b.strand.source))
	})
	best := *accounts[0]
	e := *best.Event
	best.Event = &e
	copyPayload(&e)
	best.seenIn = []int{best.strand.source}
	for _, f := range accounts[1:] {
		if !slices.Contains(best.seenIn, f.strand.source) {
			best.seenIn = append(best.seenIn, f.strand.source)
		}
		best.differs = append(best.differs, differences(&e, f)...)
		adopt(&e, f.Event)
		if !best.hasAt || e.BoottimeNS == nil && f.BoottimeNS != nil {
			best.at, best.hasAt = f.at, f.hasAt
		}
	}
	kept := episodeOf(&e)
	for _, f := range accounts {
		if name := episodeOf(f.Event); name != "" {
			episodes[account{f.strand, name}] = kept
		}
	}
	return &best
}

// earlier compares the moments at which two watchers saw the same: whichever of them was
// named first, the entry is the same.
func earlier(a, b *event.Event) int {
	if a.Source == event.SourceKmsg || b.Source == event.SourceKmsg || a.BoottimeNS == nil || b.BoottimeNS == nil {
		return 0
	}
	return cmp.Compare(*a.BoottimeNS, *b.BoottimeNS)
}

// worth says how good an account is: the kernel programs' before the log's, and of two
// logs the one that has more.
func worth(e *event.Event) int {
	n := 0
	if e.Source != event.SourceKmsg {
		n += 1000
	}
	if e.PrintkNS != nil || e.BoottimeNS != nil {
		n += 10
	}
	n -= rank(e.TimeBasis)
	if k := e.Kill; k != nil {
		for _, there := range []bool{k.Limit != nil, k.Memory != nil, k.Trigger != nil, len(k.Candidates) > 0, k.Stack != nil} {
			if there {
				n += 20
			}
		}
	}
	return n
}

func episodeOf(e *event.Event) string {
	switch {
	case e.Kill != nil:
		return e.Kill.Episode
	case e.NoKill != nil:
		return e.NoKill.Episode
	}
	return ""
}

// copyPayload makes e's payload its own, as far as adopt changes it.
func copyPayload(e *event.Event) {
	switch {
	case e.Kill != nil:
		k := *e.Kill
		k.Sources = maps.Clone(k.Sources)
		e.Kill = &k
	case e.NoKill != nil:
		k := *e.NoKill
		k.Sources = maps.Clone(k.Sources)
		e.NoKill = &k
	case e.End != nil:
		k := *e.End
		k.Sources = maps.Clone(k.Sources)
		e.End = &k
	}
}

// adopt fills what e lacks from another account.
func adopt(e, from *event.Event) {
	if e.PrintkNS == nil {
		e.PrintkNS = from.PrintkNS
	}
	if e.BoottimeNS == nil {
		e.BoottimeNS = from.BoottimeNS
	}
	if !from.Time.IsZero() && (e.Time.IsZero() || better(from, e)) {
		e.Time, e.TimeBasis, e.TimeErrorMS, e.TimeGuessed = from.Time, from.TimeBasis, from.TimeErrorMS, from.TimeGuessed
	}
	e.Simulated = e.Simulated || from.Simulated
	log := from.Source == event.SourceKmsg && e.Source != event.SourceKmsg
	switch {
	case e.Kill != nil && from.Kill != nil:
		var promised *event.Memory
		if log {
			promised = yield(e.Kill, from.Kill)
			addSpared(e.Kill, from.Kill)
		}
		fill(e.Kill, from.Kill, &e.Kill.Sources, log)
		keepPromised(e.Kill, promised)
	case e.NoKill != nil && from.NoKill != nil:
		fill(e.NoKill, from.NoKill, &e.NoKill.Sources, log)
	case e.End != nil && from.End != nil:
		fill(e.End, from.End, &e.End.Sources, log)
	}
}

// yield gives up what was read of memory after a kill, or before it, for what the kernel's
// report has: that was counted when the choice was made, and with the victim in it. It
// returns the memory that was given up.
func yield(to, report *event.Kill) (memory *event.Memory) {
	if m := to.Memory; m != nil && m.AgeMS != nil && report.Memory != nil {
		memory, to.Memory = m, nil
	}
	if l := to.Limit; l != nil && l.Stat != nil && l.Stat.AgeMS != nil && report.Limit != nil && report.Limit.Stat != nil {
		limit := *l
		limit.Stat = nil
		to.Limit = &limit
	}
	return memory
}

// keepPromised adds to the report's memory what no report has, from the reading that gave
// way to it: what the kernel has promised (Committed_AS).
func keepPromised(to *event.Kill, read *event.Memory) {
	if read == nil || read.CommittedBytes == nil || to.Memory == nil || to.Memory.CommittedBytes != nil {
		return
	}
	m := *to.Memory
	m.CommittedBytes = read.CommittedBytes
	to.Memory = &m
	to.Sources["memory.committed_bytes"] = string(event.SourceProc) // memory is the report's, so there is a map
}

// addSpared adds those of the report's candidates that had a lower oom_score_adj than the
// victim: the hooks keep the ones of most points, the report has all.
func addSpared(to, report *event.Kill) {
	adj := report.Victim.OOMScoreAdj
	if adj == nil || len(to.Candidates) == 0 {
		return
	}
	for _, c := range report.Candidates {
		has := func(o event.Candidate) bool { return o.PID == c.PID }
		if c.OOMScoreAdj != nil && *c.OOMScoreAdj < *adj && !slices.ContainsFunc(to.Candidates, has) {
			to.Candidates = append(to.Candidates[:len(to.Candidates):len(to.Candidates)], c)
		}
	}
}

// better says whether the time of a is surer than that of b.
func better(a, b *event.Event) bool {
	if x, y := len(a.TimeGuessed), len(b.TimeGuessed); x != y {
		return x < y
	}
	if x, y := rank(a.TimeBasis), rank(b.TimeBasis); x != y {
		return x < y
	}
	return mayBeOff(a) < mayBeOff(b)
}

// mayBeOff is by how many ms the time of e may be wrong. A writer's time without an error
// is as fine as it is written; of one that was computed nothing is known then.
func mayBeOff(e *event.Event) int64 {
	switch {
	case e.TimeErrorMS != nil:
		return *e.TimeErrorMS
	case rank(e.TimeBasis) >= rank(event.BasisPrintk):
		return math.MaxInt64
	}
	return 0
}

// own are the fields of a payload that an account has for itself, and memory is whole or
// not there: two readings of it are of two moments.
var own = map[string]bool{
	"episode": true, "role": true, "incident": true, "sources": true, "snapshot": true, "details": true,
	"lead_up": true, "outcome": true, "reason": true, "waited_ms": true, "settings": true,
}

// fill sets the fields of the struct to that it lacks from another of its type. With log
// sources names them.
func fill[T any](to, from *T, sources *map[string]string, log bool) {
	var names []string
	fillStruct(reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem(), "", &names)
	if !log || len(names) == 0 {
		return
	}
	if *sources == nil {
		*sources = map[string]string{}
	}
	for _, name := range names {
		(*sources)[name] = string(event.SourceKmsg)
	}
}

func fillStruct(to, from reflect.Value, path string, names *[]string) {
	for i := range to.NumField() {
		name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
		if path == "" && own[name] || strings.HasSuffix(name, "_hex") {
			continue
		}
		t, f := to.Field(i), from.Field(i)
		if path != "" {
			name = path + "." + name
		}
		switch {
		case f.IsZero():
		case t.Kind() == reflect.Struct:
			fillStruct(t, f, name, names)
		case t.IsZero():
			t.Set(f)
			if hex := to.FieldByName(to.Type().Field(i).Name + "Hex"); hex.IsValid() {
				hex.Set(from.FieldByName(to.Type().Field(i).Name + "Hex"))
			}
			*names = append(*names, name)
		case t.Kind() == reflect.Pointer && t.Type().Elem().Kind() == reflect.Struct && !whole(t.Type().Elem()):
			own := reflect.New(t.Type().Elem())
			own.Elem().Set(t.Elem())
			fillStruct(own.Elem(), f.Elem(), name, names)
			t.Set(own)
		}
	}
}

// whole are the groups that are of one reading.
func whole(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[event.Memory](), reflect.TypeFor[event.CgroupStat](), reflect.TypeFor[event.CgroupEvents](),
		reflect.TypeFor[event.Stack](), reflect.TypeFor[event.Cgroup](), reflect.TypeFor[event.RunnerUp]():
		return true
	}
	return false
}

// differences say what another account of a kill tells differently.
func differences(e *event.Event, f *fact) []string {
	if e.Kill == nil || f.Kill == nil {
		return nil
	}
	var out []string
	say := func(name, here, there string) {
		out = append(out, fmt.Sprintf("%s: %s, but %s in source %d", name, here, there, f.strand.source))
	}
	v, w := &e.Kill.Victim, &f.Kill.Victim
	for _, c := range []struct {
		name        string
		here, there *uint64
	}{
		{"victim.total_vm_bytes", v.TotalVMBytes, w.TotalVMBytes},
		{"victim.anon_rss_bytes", v.AnonRSSBytes, w.AnonRSSBytes},
		{"victim.file_rss_bytes", v.FileRSSBytes, w.FileRSSBytes},
		{"victim.shmem_rss_bytes", v.ShmemRSSBytes, w.ShmemRSSBytes},
		{"victim.pgtables_bytes", v.PgtablesBytes, w.PgtablesBytes},
		{"limit.bytes", limitOf(e.Kill), limitOf(f.Kill)},
	} {
		if c.here != nil && c.there != nil && !near(*c.here, *c.there) {
			say(c.name, fmt.Sprint(*c.here), fmt.Sprint(*c.there))
		}
	}
	for _, c := range []struct{ name, here, there string }{
		{"victim.comm", deref(v.Comm), deref(w.Comm)},
		{"scope", string(e.Kill.Scope), string(f.Kill.Scope)},
	} {
		if c.here != "" && c.there != "" && c.here != c.there {
			say(c.name, c.here, c.there)
		}
	}
	if v.OOMScoreAdj != nil && w.OOMScoreAdj != nil && *v.OOMScoreAdj != *w.OOMScoreAdj {
		say("victim.oom_score_adj", fmt.Sprint(*v.OOMScoreAdj), fmt.Sprint(*w.OOMScoreAdj))
	}
	return out
}

func limitOf(k *event.Kill) *uint64 {
	if k.Limit == nil {
		return nil
	}
	return k.Limit.Bytes
}
