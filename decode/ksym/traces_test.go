// SPDX-License-Identifier: Apache-2.0

package ksym

import (
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/oomtrace/oomtrace/decode/event"
)

// frame of a printed call trace: name+0xoffset/0xsize. Frames with a question
// mark are what the unwinder found beside the trace.
var printedFrame = regexp.MustCompile(`^([\w.]+)\+0x([0-9a-f]+)/0x[0-9a-f]+`)

// traces returns the recorded call traces by architecture/kernel/case.
func traces(t *testing.T) map[string][]event.Frame {
	t.Helper()
	text, err := os.ReadFile("testdata/traces.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]event.Frame{}
	var name string
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "== "); ok {
			name = strings.TrimSpace(n)
		} else if m := printedFrame.FindStringSubmatch(line); m != nil {
			off, err := strconv.ParseUint(m[2], 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			out[name] = append(out[name], event.Frame{Symbol: m[1], Offset: off})
		}
	}
	if len(out) < 30 {
		t.Fatalf("%d traces in testdata", len(out))
	}
	return out
}

func names(frames []event.Frame) []string {
	var out []string
	for _, f := range frames {
		out = append(out, f.Symbol)
	}
	return out
}

func frames(names ...string) []event.Frame {
	var out []event.Frame
	for _, n := range names {
		out = append(out, event.Frame{Symbol: n})
	}
	return out
}

func TestContextOfRecordedTraces(t *testing.T) {
	for name, stack := range traces(t) {
		scope, sure := Context(stack)
		wantScope, wantSure := event.ScopeGlobal, false
		switch kind := path.Base(name); {
		case strings.HasPrefix(kind, "memcg"):
			wantScope, wantSure = event.ScopeMemcg, true
		case kind == "sysrq_f":
			wantScope, wantSure = event.ScopeSysrq, true
		case kind == "boot_warning":
			wantScope = ""
		}
		if scope != wantScope || sure != wantSure {
			t.Errorf("%s: %q, sure %v; want %q, %v", name, scope, sure, wantScope, wantSure)
		}
	}
}

// One cause on one kernel has one id, whatever the case was that it led to, and
// causes differ.
func TestIDOfRecordedTraces(t *testing.T) {
	all := traces(t)
	kernels := map[string]bool{}
	for name := range all {
		kernels[path.Dir(name)] = true
	}
	for k := range kernels {
		global, memcg := ID(all[k+"/global"]), ID(all[k+"/memcg"])
		if len(global) != 16 || len(memcg) != 16 || global == memcg {
			t.Errorf("%s: global %q, memcg %q", k, global, memcg)
		}
		same := map[string]string{
			"memcg_group": memcg, "memcg_v1": memcg, "memcg_noprey": memcg,
			"numa_cpuset": global, "numa_mempolicy": global, "allocating_task": global, "panic_on_oom": global,
		}
		for kind, want := range same {
			if stack, ok := all[k+"/"+kind]; ok && ID(stack) != want {
				t.Errorf("%s/%s: %s, want %s\n%q", k, kind, ID(stack), want, names(stack))
			}
		}
		if stack, ok := all[k+"/sysrq_f"]; ok {
			want := ID(frames("out_of_memory", "moom_callback", "process_one_work", "worker_thread", "ret_from_fork"))
			if got := ID(stack); got != want {
				t.Errorf("%s/sysrq_f: %s, want %s", k, got, want)
			}
		}
		if stack, ok := all[k+"/boot_warning"]; ok && ID(stack) != "" {
			t.Errorf("%s: a trace without the OOM killer has the id %s", k, ID(stack))
		}
	}
}
