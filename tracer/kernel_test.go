// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/oomtrace/oomtrace/bpf"
	"github.com/oomtrace/oomtrace/internal/kernelbtf"
)

// What the BTF of each kernel says of the hooks. Where a rung is refused, want has
// the reason.
func TestKernelChecks(t *testing.T) {
	for _, name := range kernelbtf.Names(t) {
		t.Run(name, func(t *testing.T) {
			k := kernel{types: kernelbtf.Load(t, name)}
			old := name == "amd64-5.10old"
			if hasTask, err := k.markVictimHasTask(); err != nil || hasTask == old {
				t.Errorf("mark_victim has a task: %v, %v", hasTask, err)
			}
			if got := k.structHas("trace_event_raw_mark_victim", "anon_rss"); got == old {
				t.Errorf("mark_victim's record has fields: %v", got)
			}
			if err := k.tracepoint("signal_generate", 5); err != nil {
				t.Error(err)
			}
			newer := !strings.Contains(name, "5.10")
			for _, c := range []struct {
				name, member string
				want         bool
			}{
				{"bpf_prog_info", "recursion_misses", newer},                                                   // v5.12
				{"bpf_link_info", "missed", strings.HasSuffix(name, "6.12") || strings.HasSuffix(name, "7.2")}, // v6.7
				{"oom_control", "chosen_points", true},
				{"oom_control", "no_such_member", false},
				{"no_such_struct", "x", false},
			} {
				if got := k.structHas(c.name, c.member); got != c.want {
					t.Errorf("%s has %s: %v", c.name, c.member, got)
				}
			}
			// Every check of every ladder, by what it is for.
			for _, l := range slices.Concat(oomLadders(), clockLadders(), []ladder{sigkillLadder(), execLadder()}) {
				for _, r := range l.rungs {
					if r.check == nil {
						continue
					}
					err := r.check(k)
					// A kretprobe at out_of_memory spoils call traces before v5.16.
					entryAlone := l.fact == FactInvocation && r.kind == KindKprobe && len(r.points) == 2 && !newer
					// Its tracepoint came with v6.1.
					noTracepoint := l.fact == FactFreed && (r.kind == KindRawTP || r.kind == KindTracepoint) && !newer
					if (err != nil) != (entryAlone || noTracepoint) {
						t.Errorf("%s by %s: %v", l.fact, r.method(), err)
					}
				}
			}
			for what, err := range map[string]error{
				"no function no_such_function":    k.function("no_such_function"),
				"has another prototype":           k.function("out_of_memory"),
				"is no struct timespec64 *":       k.function("out_of_memory", "timespec64"),
				"no tracepoint no_such_point":     k.tracepoint("no_such_point", 1),
				"passes 5 arguments, not 4":       k.tracepoint("signal_generate", 4),
				"no function select_bad_process ": k.function("select_bad_process", "oom_control"), // inlined everywhere
			} {
				if err == nil || !strings.Contains(err.Error(), what) {
					t.Errorf("want %q: %v", what, err)
				}
			}
		})
	}
}

// A rung that does not serve in the end leaves nothing attached and nothing loaded.
func TestTryRollsBack(t *testing.T) {
	privileged(t)
	tr := &Tracer{programs: map[string]*ebpf.Program{}, forbidden: map[string]bool{}, broken: map[string]error{}, cache: btf.NewCache()}
	t.Cleanup(func() { _ = tr.Close() })
	var err error
	if tr.kernel.types, err = tr.cache.Kernel(); err != nil {
		t.Fatal(err)
	}
	if tr.spec, err = bpf.LoadOomtrace(); err != nil {
		t.Fatal(err)
	}
	if err := tr.prepare(Options{}); err != nil {
		t.Fatal(err)
	}
	ladder := killLadder()
	half := ladder.rungs[0]
	half.points = append(slices.Clone(half.points), hookPoint{program: "no_such_program", target: "x"})
	if err := tr.try(half); err == nil || !strings.Contains(err.Error(), "no_such_program") {
		t.Fatalf("error: %v", err)
	}
	if len(tr.links) != 0 || len(tr.programs) != 0 {
		t.Errorf("%d links and %d programs stay", len(tr.links), len(tr.programs))
	}
	ladder.rungs[0] = half
	h, err := tr.climb(t.Context(), ladder)
	if err != nil || !h.OK || !strings.HasPrefix(h.Method, KindRawTP) || !strings.Contains(h.Reason, "tp_btf: x: no program") {
		t.Errorf("hook: %+v, %v", h, err)
	}
	if len(tr.links) != 2 || len(tr.programs) != 2 {
		t.Errorf("%d links and %d programs", len(tr.links), len(tr.programs))
	}
}

// A lack of the kernel's is no lack of a permission.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		broken map[string]error
		want   bool
	}{
		{nil, false},
		{map[string]error{KindKprobe: errNoKprobes}, false},
		{map[string]error{KindKprobe: errNoKprobes, KindTPBTF: fmt.Errorf("load: %w", unix.EPERM)}, true},
		{map[string]error{KindTracepoint: fmt.Errorf("open: %w", unix.EACCES)}, true},
	} {
		if got := (&Tracer{broken: tt.broken}).refused(); got != tt.want {
			t.Errorf("%v: %v", tt.broken, got)
		}
	}
}

// Every program that a ladder names is in the object, and every one in the object
// is of some use.
func TestLaddersNamePrograms(t *testing.T) {
	spec, err := bpf.LoadOomtrace()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, l := range slices.Concat(oomLadders(), clockLadders(), []ladder{sigkillLadder(), execLadder()}) {
		for _, r := range l.rungs {
			if !slices.Contains(Kinds(), r.kind) {
				t.Errorf("%s: unknown kind %q", l.fact, r.kind)
			}
			for _, p := range r.points {
				used[p.program] = true
				if spec.Programs[p.program] == nil {
					t.Errorf("%s: no program %q", l.fact, p.program)
				}
			}
		}
	}
	for name := range spec.Programs {
		if !used[name] {
			t.Errorf("no ladder uses %s", name)
		}
	}
}

func TestRingSize(t *testing.T) {
	page := os.Getpagesize()
	for n, want := range map[int]int{0: page, 1: page, page: page, page + 1: 2 * page, 512 << 10: 512 << 10, 512<<10 + 1: 1 << 20, 1 << 62: maxRing} {
		if got := ringSize(n); int(got) != want {
			t.Errorf("ringSize(%d) is %d, want %d", n, got, want)
		}
	}
}
