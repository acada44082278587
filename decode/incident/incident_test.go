// SPDX-License-Identifier: Apache-2.0

package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
	"github.com/oomtrace/oomtrace/decode/event/eventtest"
)

var boot = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// at is a kill so long after boot.
func at(after time.Duration, k event.Kill) *event.Event {
	if k.Episode == "" {
		k.Episode = fmt.Sprintf("3b1f0a52-%x", int64(after))
	}
	return &event.Event{
		Type: event.TypeOOMKill, Time: boot.Add(after), BoottimeNS: event.Ptr(uint64(after)), Kill: &k,
	}
}

// In the names below: a container is started anew with another id, and so another
// cgroup; the pod and the container's name stay.
const (
	podSlice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f1d2c3b_5a47_4e0e_b9a1_77c2d1e0a942.slice"
	podUID   = "8f1d2c3b-5a47-4e0e-b9a1-77c2d1e0a942"
)

func ctrPath(id string) string { return podSlice + "/cri-containerd-" + id + ".scope" }

func ctrID(digit string) string { return strings.Repeat(digit, 64) }

// inPod is a kill in a container of the pod, for the limit at path.
func inPod(id, name, path string) event.Kill {
	return event.Kill{
		Scope: event.ScopeMemcg,
		Victim: event.Victim{
			PID: 7, Cgroup: &event.Cgroup{Version: 2, Path: ctrPath(id)},
			Container: &event.Container{Runtime: "containerd", ID: id, Name: name},
			Pod:       &event.Pod{UID: podUID},
		},
		Limit: limit(event.LimitMemory, path),
	}
}

func limit(kind event.LimitKind, path string) *event.Limit {
	return &event.Limit{Kind: kind, Cgroup: &event.Cgroup{Path: path}}
}

// atLimit is a kill for the limit of the cgroup at path.
func atLimit(path string) event.Kill {
	return event.Kill{Scope: event.ScopeMemcg, Limit: limit(event.LimitMemory, path), Victim: event.Victim{PID: 7}}
}

func TestWhichKillsBelongTogether(t *testing.T) {
	a, b := ctrID("a"), ctrID("b")
	global := event.Kill{Scope: event.ScopeGlobal, Limit: &event.Limit{Kind: event.LimitRAM}}
	sysrq := event.Kill{Scope: event.ScopeSysrq, Victim: event.Victim{Cgroup: &event.Cgroup{Path: "/x"}}}
	victimIn := func(path string) event.Kill {
		return event.Kill{Scope: event.ScopeMemcg, Victim: event.Victim{Cgroup: &event.Cgroup{Path: path}}}
	}
	triggerIn := func(scope event.Scope, path string) event.Kill {
		return event.Kill{Scope: scope, Trigger: &event.Task{PID: 1, Cgroup: &event.Cgroup{Path: path}}}
	}
	renewed := func(id string) event.Kill {
		k := atLimit("/system.slice/web.service")
		k.Limit.Cgroup.ID = id
		return k
	}
	cut := func(id string) event.Kill {
		k := atLimit("/deep/nesting")
		k.Limit.Cgroup.Truncated, k.Limit.Cgroup.ID = true, id
		return k
	}
	mended := func(hex string) event.Kill {
		k := atLimit("/srv/job-\ufffd")
		k.Limit.Cgroup.PathHex = hex
		return k
	}
	kind := func(kind event.LimitKind) event.Kill {
		return event.Kill{Scope: event.ScopeMemcg, Limit: limit(kind, "/x")}
	}
	for _, tt := range []struct {
		name string
		a, b event.Kill
		want bool
	}{
		{"the machine's memory", global, global, true},
		{"the machine's and a cgroup's", global, atLimit("/"), false},
		{"one cgroup", atLimit("/a"), atLimit("/a"), true},
		{"two cgroups", atLimit("/a"), atLimit("/b"), false},
		{"below a cgroup", atLimit("/a"), atLimit("/a/b"), false},
		{"two limits of a cgroup", kind(event.LimitMemory), kind(event.LimitMemsw), false},
		{"a unit that was started anew", renewed("8c1"), renewed("8d0"), true},
		{"a container that was started anew", inPod(a, "app", ctrPath(a)), inPod(b, "app", ctrPath(b)), true},
		{"two containers of a pod", inPod(a, "app", ctrPath(a)), inPod(b, "proxy", ctrPath(b)), false},
		{"containers without names", inPod(a, "", ctrPath(a)), inPod(b, "", ctrPath(b)), false},
		{"a container without a name", inPod(a, "", ctrPath(a)), inPod(a, "", ctrPath(a)), true},
		{"one place in a container", inPod(a, "app", ctrPath(a)+"/x"), inPod(b, "app", ctrPath(b)+"/x"), true},
		{"two places in a container", inPod(a, "app", ctrPath(a)+"/x"), inPod(a, "app", ctrPath(a)), false},
		{"the pod's limit, two containers", inPod(a, "app", podSlice), inPod(b, "proxy", podSlice), true},
		{"the pod's limit and the container's", inPod(a, "app", podSlice), inPod(a, "app", ctrPath(a)), false},
		{"paths cut short", cut("8c1"), cut("8c2"), false},
		{"a path cut short", cut("8c1"), cut("8c1"), true},
		{"a path cut short, no id", cut(""), cut(""), false},
		{"names that look alike", mended("ff"), mended("fe"), false},
		{"a name that was mended", mended("ff"), mended("ff"), true},
		{"by hand", sysrq, sysrq, false},
		{"unknown limits, one cgroup", victimIn("/a"), victimIn("/a"), true},
		{"unknown limits, two cgroups", victimIn("/a"), victimIn("/b"), false},
		{"an unknown limit and a known one", victimIn("/a"), atLimit("/a"), false},
		{"nothing known", event.Kill{}, event.Kill{}, false},
		{"unknown scope, one cgroup", event.Kill{Victim: victimIn("/a").Victim}, event.Kill{Victim: victimIn("/a").Victim}, true},
		{"unknown scope and a known one", event.Kill{Victim: victimIn("/a").Victim}, victimIn("/a"), false},
		{"a new scope", event.Kill{Scope: "tier", Limit: limit("tier", "/a")}, event.Kill{Scope: "tier", Limit: limit("tier", "/a")}, true},
		{"one cpuset", event.Kill{Scope: event.ScopeCpuset, Limit: limit(event.LimitNodes, "/ml")}, event.Kill{Scope: event.ScopeCpuset, Limit: limit(event.LimitNodes, "/ml")}, true},
		{"two cpusets", event.Kill{Scope: event.ScopeCpuset, Limit: limit(event.LimitNodes, "/ml")}, event.Kill{Scope: event.ScopeCpuset, Limit: limit(event.LimitNodes, "/db")}, false},
		{"one asks for nodes", triggerIn(event.ScopeMempolicy, "/a"), triggerIn(event.ScopeMempolicy, "/a"), true},
		{"two ask for nodes", triggerIn(event.ScopeMempolicy, "/a"), triggerIn(event.ScopeMempolicy, "/b"), false},
		{"cpuset and memory policy", triggerIn(event.ScopeMempolicy, "/a"), triggerIn(event.ScopeCpuset, "/a"), false},
		{"nodes of nobody known", event.Kill{Scope: event.ScopeMempolicy}, event.Kill{Scope: event.ScopeMempolicy}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := New(0)
			first, second := g.Add(at(time.Hour, tt.a)), g.Add(at(time.Hour+time.Second, tt.b))
			if got := first.ID == second.ID; got != tt.want {
				t.Errorf("together: %v, want %v", got, tt.want)
			}
			n := uint64(1)
			if tt.want {
				n = 2
			}
			if second.Kills != n || second.Episodes != n || g.Incidents() != 3-n || g.Kills() != 2 {
				t.Errorf("%+v, %d kills in %d incidents", second, g.Kills(), g.Incidents())
			}
		})
	}
}

// An incident goes on while no more than the window passes from one kill to the next,
// and tells of its first kill.
func TestWindow(t *testing.T) {
	g := New(time.Minute)
	if g.Window() != time.Minute || New(0).Window() != DefaultWindow {
		t.Errorf("windows %v, %v", g.Window(), New(0).Window())
	}
	comm, trigger := "java", "GC\ufffd"
	first := atLimit("/a")
	first.Victim.Comm, first.Victim.UID = &comm, event.Ptr(uint32(7))
	first.Trigger = &event.Task{PID: 8, Comm: &trigger, CommHex: "4743ff"}
	want := event.FirstKill{
		Time:    "2026-03-01T10:30:00.000000000Z",
		Victim:  event.Task{PID: 7, Comm: &comm},
		Trigger: &event.Task{PID: 8, Comm: &trigger, CommHex: "4743ff"},
	}
	const begin = time.Hour
	for i, tt := range []struct {
		after time.Duration
		kill  event.Kill
		want  event.Incident
	}{
		{0, first, event.Incident{Kills: 1, Episodes: 1, First: want}},
		{time.Minute, atLimit("/a"), event.Incident{Kills: 2, Episodes: 2, SinceMS: 60_000, First: want}},
		// Told late, of a moment before the last one and of one before the first.
		{time.Minute - time.Second, atLimit("/a"), event.Incident{Kills: 3, Episodes: 3, SinceMS: 59_000, First: want}},
		{-time.Second, atLimit("/a"), event.Incident{Kills: 4, Episodes: 4, First: want}},
		{2 * time.Minute, atLimit("/a"), event.Incident{Kills: 5, Episodes: 5, SinceMS: 120_000, First: want}},
	} {
		got := g.Add(at(begin+tt.after, tt.kill))
		tt.want.ID = at(begin, event.Kill{}).Kill.Episode
		if diff := cmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%d (-want +got)\n%s", i, diff)
		}
	}
	for i, after := range []time.Duration{3*time.Minute + 1, -time.Minute - 1} {
		got := g.Add(at(begin+after, atLimit("/a")))
		if got.Kills != 1 || got.SinceMS != 0 || got.ID != at(begin+after, event.Kill{}).Kill.Episode || got.First.Trigger != nil {
			t.Errorf("%v after: %+v", after, got)
		}
		if g.Incidents() != uint64(2+i) {
			t.Errorf("%d incidents", g.Incidents())
		}
	}
}

// Without a boot clock the time has to do.
func TestTimeAlone(t *testing.T) {
	g := New(time.Minute)
	for i, want := range []uint64{1, 2, 1} {
		e := at(time.Duration(i*i)*30*time.Second, atLimit("/a"))
		e.BoottimeNS = nil
		if got := g.Add(e); got.Kills != want {
			t.Errorf("kill %d: %+v", i, got)
		}
	}
}

// What is known of the kills of one episode may differ; they are together all the same.
func TestEpisodesStayTogether(t *testing.T) {
	g := New(time.Minute)
	chosen, sharer := atLimit("/a"), event.Kill{Scope: event.ScopeMemcg, Role: event.RoleSharedMM}
	sharer.Episode = at(time.Hour, chosen).Kill.Episode
	id := g.Add(at(time.Hour, chosen)).ID
	other := g.Add(at(time.Hour+1, atLimit("/b")))
	got := g.Add(at(time.Hour+2, sharer))
	if got.ID != id || got.Kills != 2 || got.Episodes != 1 || other.ID == id {
		t.Errorf("%+v and %+v", got, other)
	}
	sysrq := event.Kill{Scope: event.ScopeSysrq, Episode: "3b1f0a52-1"}
	if id, got := g.Add(at(2*time.Hour, sysrq)).ID, g.Add(at(2*time.Hour, sysrq)); got.ID != id || got.Kills != 2 {
		t.Errorf("%+v", got)
	}
}

// Limits without end cost no memory; the one that was hit least recently is forgotten.
func TestGrouperIsBounded(t *testing.T) {
	g := New(0)
	g.Add(at(1, atLimit("/first")))
	g.Add(at(2, atLimit("/kept")))
	for i := range 10 * maxOpen {
		g.Add(at(time.Duration(2*i+3), atLimit(fmt.Sprint("/", i))))
		if got := g.Add(at(time.Duration(2*i+4), atLimit("/kept"))); got.Kills != uint64(i+2) {
			t.Fatalf("an incident that goes on was forgotten: %+v", got)
		}
	}
	if got := g.Add(at(time.Second, atLimit("/first"))); got.Kills != 1 {
		t.Errorf("%+v", got)
	}
}

// The examples are of two incidents and two kills alone, as they say themselves.
func TestExamples(t *testing.T) {
	g := New(0)
	for _, e := range eventtest.All() {
		if e.Kill == nil {
			continue
		}
		got := g.Add(e)
		if want := e.Kill.Incident; want != nil {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-example +grouped)\n%s", diff)
			}
		}
	}
}

// Whatever comes: the counts add up, an episode is in one incident, kills of one
// incident are of one limit or one episode, and none is alone that should not be.
func FuzzGrouper(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 1, 2, 5, 9, 200, 1, 1})
	f.Add([]byte{7, 255, 3, 7, 255, 3, 6, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		const window = 100
		g := New(window)
		kills, episodes := map[string]uint64{}, map[string]map[string]bool{}
		of := map[string]string{}        // incident of an episode
		last := map[string]*event.Kill{} // of an incident
		now := uint64(1000)
		for n := 0; len(data) >= 3 && n < maxRecent; n++ {
			what, gap, episode := data[0], data[1], data[2]
			data = data[3:]
			now += uint64(gap)
			k := event.Kill{Episode: fmt.Sprintf("00000000-%x", episode)}
			switch what % 8 {
			case 0:
				k.Scope = event.ScopeGlobal
			case 1:
				k.Scope = event.ScopeSysrq
			case 2:
			default:
				k.Scope, k.Limit = event.ScopeMemcg, limit(event.LimitMemory, fmt.Sprint("/", what%5))
			}
			e := at(time.Duration(now), k)
			in := g.Add(e)
			if g.Incidents() > maxOpen {
				return // from here on what is old is forgotten
			}
			kills[in.ID]++
			if episodes[in.ID] == nil {
				episodes[in.ID] = map[string]bool{}
			}
			episodes[in.ID][k.Episode] = true
			if in.Kills != kills[in.ID] || in.Episodes != uint64(len(episodes[in.ID])) {
				t.Fatalf("%+v, counted %d kills of %d episodes", in, kills[in.ID], len(episodes[in.ID]))
			}
			was, known := of[k.Episode]
			if known && was != in.ID {
				t.Fatalf("episode %s is of %s and of %s", k.Episode, was, in.ID)
			}
			of[k.Episode] = in.ID
			if l := last[in.ID]; l != nil && !known && keyOf(l) != keyOf(e.Kill) {
				// Then an earlier kill of this incident had the key it was begun with.
				if first := last["first "+in.ID]; keyOf(first) != keyOf(e.Kill) {
					t.Fatalf("%+v and %+v are of one incident", first, e.Kill)
				}
			}
			if last[in.ID] == nil {
				last["first "+in.ID] = e.Kill
			}
			last[in.ID] = e.Kill
		}
		var sum uint64
		for _, n := range kills {
			sum += n
		}
		if sum != g.Kills() || uint64(len(kills)) != g.Incidents() {
			t.Fatalf("%d of %d kills in %d of %d incidents", sum, g.Kills(), len(kills), g.Incidents())
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	g := New(0)
	e := eventtest.Kill()
	b.ReportAllocs()
	for i := range b.N {
		e.Kill.Limit.Cgroup.Path = paths[i%len(paths)]
		e.Kill.Episode = paths[i%len(paths)]
		g.Add(e)
	}
}

var paths = func() (out []string) {
	for i := range 2 * maxOpen {
		out = append(out, fmt.Sprint("/kubepods/besteffort/", i))
	}
	return out
}()
