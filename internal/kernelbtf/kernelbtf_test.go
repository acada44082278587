// SPDX-License-Identifier: Apache-2.0

package kernelbtf

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

// Each kernel has what the OOM programs read, and mark_victim in one of its two
// forms; amd64-5.10old is kept for the older one.
func TestLoad(t *testing.T) {
	for _, name := range Names(t) {
		t.Run(name, func(t *testing.T) {
			spec := Load(t, name)
			for _, s := range []string{"task_struct", "mm_struct", "oom_control", "mem_cgroup", "kernfs_node", "signal_struct", "cred", "page_counter", "__kernel_timex"} {
				var found *btf.Struct
				if err := spec.TypeByName(s, &found); err != nil {
					t.Error(err)
				}
			}
			for _, f := range []string{"out_of_memory", "oom_kill_process", "mark_oom_victim", "do_adjtimex", "do_settimeofday64"} {
				var found *btf.Func
				if err := spec.TypeByName(f, &found); err != nil {
					t.Error(err)
				}
			}
			var mark *btf.Typedef
			if err := spec.TypeByName("btf_trace_mark_victim", &mark); err != nil {
				t.Fatal(err)
			}
			proto := mark.Type.(*btf.Pointer).Target.(*btf.FuncProto)
			_, old := btf.UnderlyingType(proto.Params[1].Type).(*btf.Int)
			if old != (name == "amd64-5.10old") {
				t.Errorf("mark_victim takes %v", proto.Params)
			}
		})
	}
}
