// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"slices"

	"github.com/oomtrace/oomtrace/internal/timeline"
)

// rule looks at one incident; nil is silence.
type rule struct {
	id   string
	find func(*shortage) *draft
}

// rules are in the order in which they are asked: what explains an incident for certain,
// what caused it, what made it worse, and last those that look at what was found.
func rules() []rule {
	return []rule{
		{"simulated", simulated},
		{"sysrq", sysrq},
		{"limit-lowered", limitLowered},
		{"allocating-task", allocatingTask},
		{"fragmentation", fragmentation},
		{"zone-exhausted", zoneExhausted},
		{"nodes-exhausted", nodesExhausted},
		{"shmem", shmem},
		{"hugepages", hugepages},
		{"fork-bomb", forkBomb}, // before what each process takes of the kernel's memory
		{"slab", slab},
		{"page-tables", pageTables},
		{"kernel-stacks", kernelStacks},
		{"mlocked", mlocked},
		{"growth-elsewhere", growthElsewhere},
		{"growth-victim", growthVictim},
		{"jvm-heap-over-limit", jvmHeap},
		{"jvm-off-heap", jvmOffHeap},
		{"limit-too-small", limitTooSmall},
		{"protected-hog", protectedHog},
		{"exposed-victim", exposedVictim},
		{"bystanders", bystanders},
		{"kmem-limit", kmemLimit},
		{"unaccounted", unaccounted},
		{"victim-dominates", dominant},
		{"crowd", crowd},
		{"limit-reached", limitReached},
		{"machine-full", machineFull},
		{"memory-high", memoryHigh},
		{"swap-absent", swapAbsent},
		{"swap-full", swapFull},
		{"swap-limited", swapLimited},
		{"overcommit", overcommit},
		{"panic-without-dump", panicUnarmed},
		{"victim-stuck", victimStuck},
		{"unexplained", unexplained},
		{"repeated", repeated},
	}
}

// Find says what the kills of a timeline mean. m is what the machine says of itself now,
// if the timeline is this machine's; else nil, and nothing is looked up. The findings
// are in order of weight: those that name a cause first, the sure ones before the
// others. Find does not change d.
func Find(d *timeline.Document, m *Machine) []timeline.Finding {
	var drafts []*draft
	order := map[*draft]int{}
	for _, in := range shortages(d, m) {
		for i, r := range rules() {
			f := r.find(in)
			if f == nil {
				continue
			}
			if f.Confidence == timeline.Low {
				in.asked = true
			} else {
				in.found[r.id] = true
			}
			order[f] = i
			drafts = append(drafts, f)
			if r.id == "simulated" { // it was meant, so there is nothing to do about it
				break
			}
		}
	}
	drafts = merge(drafts)
	slices.SortStableFunc(drafts, func(a, b *draft) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(order[a], order[b]))
	})
	rest := append(noVictim(d), panicked(d, m)...)
	rest = append(rest, foreign(d)...)
	slices.SortStableFunc(rest, func(a, b *draft) int { return cmp.Compare(rank(a), rank(b)) })
	var out []timeline.Finding
	for _, f := range append(drafts, rest...) {
		out = append(out, f.Finding)
	}
	return out
}

// rank puts the sure ones first, and what is a circumstance behind what is a cause.
func rank(d *draft) int {
	n := map[timeline.Confidence]int{timeline.High: 0, timeline.Medium: 1, timeline.Low: 2}[d.Confidence]
	switch d.ID {
	case "memory-high", "swap-absent", "swap-full", "swap-limited", "overcommit", "panic-without-dump", "repeated", "victim-stuck", "bystanders":
		n += 3
	}
	return n
}

// merge tells findings of one rule about one subject once: the surest, of these the
// last, with the entries of the others.
func merge(drafts []*draft) []*draft {
	type key struct{ id, subject string }
	by := map[key]*draft{}
	var keys []key
	others := map[key][]*draft{}
	for _, f := range drafts {
		k := key{f.ID, f.subject}
		old := by[k]
		switch {
		case old == nil:
			keys = append(keys, k)
			by[k] = f
		case rank(f) <= rank(old):
			others[k] = append(others[k], old)
			by[k] = f
		default:
			others[k] = append(others[k], f)
		}
	}
	var out []*draft
	for _, k := range keys {
		f := by[k]
		if more := others[k]; len(more) > 0 {
			var entries []int
			for _, o := range more {
				entries = append(entries, o.About...)
			}
			of := " of this limit"
			if k.subject == "" { // it is the machine's
				of = ""
			}
			f.cite(entries, "The same was found in %s%s.", plural(len(more), "other incident"), of)
			f.About = append(entries, f.About...)
			slices.Sort(f.About)
		}
		out = append(out, f)
	}
	return out
}
