// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/oomtrace/oomtrace/decode/cgroup"
	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/internal/dossier"
	"github.com/oomtrace/oomtrace/internal/explain"
	"github.com/oomtrace/oomtrace/internal/fate"
	"github.com/oomtrace/oomtrace/internal/machine"
	"github.com/oomtrace/oomtrace/internal/timeline"
	"github.com/oomtrace/oomtrace/tracer/procsnap"
)

// hostFlags say where the running machine is looked up.
type hostFlags struct{ roots rootFlags }

func newHostFlags() hostFlags { return hostFlags{newRootFlags()} }

func (h *hostFlags) register(cmd *cobra.Command) { h.roots.register(cmd) }

func (h *hostFlags) check() error { return h.roots.check() }

// machine reads what the machine says of itself, and gives the pods of its own kills
// their names.
func (h *hostFlags) machine(ctx context.Context, d *timeline.Document) (*explain.Machine, []string, error) {
	o := h.roots.options()
	pods, _ := procsnap.OpenPods(o) // what could not be watched was read
	namePods(d, pods)
	_ = pods.Close()
	m, gaps, err := machine.Read(ctx, o, wanted(d))
	var said []string
	for _, g := range gaps {
		said = append(said, g.String())
	}
	return m, said, err
}

// namePods names the pods and containers of the running boot's kills, which the kernel
// knows by their ids alone.
func namePods(d *timeline.Document, pods *procsnap.Pods) {
	for i := range d.Entries {
		e := &d.Entries[i]
		if e.Kill == nil || !d.Boots[e.Boot].Running {
			continue
		}
		v := &e.Kill.Victim
		if v.Container == nil && v.Pod == nil && v.Cgroup != nil {
			id := cgroup.Parse(event.RawString(v.Cgroup.Path, v.Cgroup.PathHex))
			v.Container, v.Pod = id.Container, id.Pod
		}
		pods.Fill(v.Container, v.Pod)
		if t := e.Kill.Trigger; t != nil {
			pods.Fill(t.Container, t.Pod)
		}
	}
}

// wanted are the cgroups and units that the kills of the running boot name, those above
// them included.
func wanted(d *timeline.Document) machine.Wanted {
	var w machine.Wanted
	add := func(list *[]string, s string) {
		if s != "" && !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	look := func(c *event.Cgroup) {
		if c == nil || c.Truncated {
			return
		}
		at := event.RawString(c.Path, c.PathHex)
		// A user's own manager has units of the same names.
		if !strings.Contains(at, "/user@") {
			add(&w.Units, cgroup.Parse(at).Unit)
		}
		for path.IsAbs(at) && path.Clean(at) == at {
			add(&w.Cgroups, at)
			if at == "/" {
				break
			}
			at = path.Dir(at)
		}
	}
	for i := len(d.Entries) - 1; i >= 0; i-- { // the latest are of most interest
		e := &d.Entries[i]
		if !d.Boots[e.Boot].Running {
			continue
		}
		switch {
		case e.Kill != nil:
			look(e.Kill.Victim.Cgroup)
			if l := e.Kill.Limit; l != nil {
				look(l.Cgroup)
			}
			if t := e.Kill.Trigger; t != nil {
				look(t.Cgroup)
			}
		case e.NoKill != nil && e.NoKill.Limit != nil:
			look(e.NoKill.Limit.Cgroup)
		}
	}
	return w
}

// count asks the kernel what it has counted.
func (h *hostFlags) count(ctx context.Context, r *dossier.Report) {
	reader, err := procsnap.New(h.roots.options())
	if err != nil {
		return
	}
	if n, err := reader.KillsSinceBoot(); err == nil {
		r.Counted.KillsSinceBoot = &n
	}
	if len(r.Incidents) > 0 || r.Question != nil {
		return // they are asked where nothing else tells of a kill
	}
	counts, err := reader.KillCounts(ctx)
	if err != nil {
		return
	}
	for _, c := range counts {
		r.Counted.Cgroups = append(r.Counted.Cgroups, dossier.CgroupCount{Cgroup: c.Cgroup, Kills: c.Kills})
	}
}

// now looks up who has the pid in question, and what its cgroup counts.
func (h *hostFlags) now(ctx context.Context, k *fate.Known, q *fate.Question, now time.Time) {
	reader, err := procsnap.New(h.roots.options())
	if err != nil {
		return
	}
	if q.PID > 0 {
		p, err := reader.Process(q.PID)
		k.NowKnown = err == nil || errors.Is(err, procsnap.ErrGone)
		if err == nil {
			age := time.Duration(reader.BoottimeNS() - min(p.StartBoottimeNS, reader.BoottimeNS()))
			k.Now = &fate.Now{Comm: p.Comm, CommHex: p.CommHex, Dead: p.Dead, Started: now.Add(-age), Unit: p.Unit}
		}
	}
	if q.Unit+q.Container+q.Pod != "" {
		k.CgroupKills = h.cgroupKills(ctx, reader, q)
	}
}

// cgroupKills is how many kills the cgroups count that the question is about; nil if none
// of them counts any.
func (h *hostFlags) cgroupKills(ctx context.Context, reader *procsnap.Reader, q *fate.Question) *uint64 {
	counts, err := reader.KillCounts(ctx)
	if err != nil {
		return nil
	}
	pods, _ := procsnap.OpenPods(h.roots.options()) // what could not be watched was read
	defer func() { _ = pods.Close() }()
	var sum *uint64
	for _, c := range counts {
		id := cgroup.Parse(event.RawString(c.Cgroup.Path, c.Cgroup.PathHex))
		pods.Fill(id.Container, id.Pod)
		if !q.Owns(id.Unit, id.Container, id.Pod) {
			continue
		}
		if sum == nil {
			sum = new(uint64)
		}
		*sum += c.Kills
	}
	return sum
}
