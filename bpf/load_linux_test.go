// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause OR Apache-2.0

package bpf

import (
	"bytes"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/oomtrace/oomtrace/internal/testenv"
)

// load loads programs and gives the instructions that the verifier looked at.
func load(t *testing.T, cpus uint32, kernel *btf.Spec, names ...string) (instructions uint32) {
	t.Helper()
	testenv.Privileged(t)
	spec := loadObject(t, runtime.GOARCH)
	for name, value := range map[string]any{"nr_cpus": cpus, "mark_victim_has_task": true} {
		if err := spec.Variables[name].Set(value); err != nil {
			t.Fatal(err)
		}
	}
	all := spec.Programs
	spec.Programs = map[string]*ebpf.ProgramSpec{}
	for _, name := range names {
		spec.Programs[name] = all[name]
	}
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{KernelTypes: kernel}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range c.Programs {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, _ := info.VerifiedInstructions()
		instructions += n
	}
	return instructions
}

var killPrograms = []string{"mark_raw", "signal_raw", "mark_tp", "signal_tp"}

// otherPrograms are those of who processes are and of who else kills.
var otherPrograms = []string{"exec_raw", "forget_raw", "exec_tp", "forget_tp", "sigkill_raw", "sigkill_tp"}

// What every process of the machine goes through is small.
func TestSmallPrograms(t *testing.T) {
	for _, name := range []string{"exec_raw", "forget_raw"} {
		if n := load(t, 1, nil, name); n > 1000 {
			t.Errorf("%s: the verifier looks at %d instructions", name, n)
		}
	}
}

// However many CPUs there are, attaching takes the same time.
func TestManyCPUs(t *testing.T) {
	few, many := load(t, 2, nil, killPrograms...), load(t, 8192, nil, killPrograms...)
	if many > few+few/50 {
		t.Errorf("the verifier looks at %d instructions for 2 CPUs, at %d for 8192", few, many)
	}
}

// The programs load where a kernel was built without what they can do without.
func TestKernelsThatLack(t *testing.T) {
	for config, names := range map[string][]string{
		"CONFIG_MEMCG":   {"mem_cgroup", "memory_cgrp_id"},
		"CONFIG_CGROUPS": {"mem_cgroup", "memory_cgrp_id", "css_set", "cgroup_subsys_state", "cgroups"},
		"CONFIG_SMP":     {"counters"},
	} {
		t.Run(config, func(t *testing.T) {
			load(t, 1, without(t, names...), slices.Concat(killPrograms, otherPrograms, []string{"sys_exit_clock"})...)
		})
	}
}

// without is the running kernel's BTF, where some names mean nothing to the programs.
func without(t *testing.T, names ...string) *btf.Spec {
	t.Helper()
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		testenv.Skip(t, "%v", err)
	}
	for _, name := range names {
		other := "x" + name[1:]
		if !bytes.Contains(raw, []byte("\x00"+name+"\x00")) {
			t.Errorf("this kernel has no %s", name)
		}
		raw = bytes.ReplaceAll(raw, []byte("\x00"+name+"\x00"), []byte("\x00"+other+"\x00"))
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
